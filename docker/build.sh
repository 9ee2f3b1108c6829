#!/usr/bin/env bash
# Build an image and label it with version and commit: `docker/build.sh NAME [OPTIONS]`,
# NAME being emidec, mnms2, train or evaluate.
#
#   docker/build.sh emidec --build-arg WEIGHTS=weights/mine --build-arg TORCH=cu126
#
# OPTIONS go to `docker build`; the Dockerfiles say which arguments they take. The image is called
# cmrseg-NAME:VERSION and cmrseg-NAME:latest (with a CUDA build of torch VERSION-cu126, latest-cu126),
# or as TAG says.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:?emidec, mnms2, train or evaluate}
shift
case $name in
    emidec | mnms2) file=Dockerfile.$name ;;
    train | evaluate) file=docker/Dockerfile.$name ;;
    *) echo "build.sh: there is no image $name: emidec, mnms2, train or evaluate" >&2 && exit 2 ;;
esac

version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' src/cmrseg/__init__.py)
revision=$(git rev-parse HEAD 2> /dev/null || echo unknown)
[ "$revision" = unknown ] || git diff --quiet HEAD -- src docker weights Dockerfile.* \
    || revision=$revision-changed
# BuildKit dates the image by the commit, so that the same sources make the same image.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2> /dev/null || echo 0)
export SOURCE_DATE_EPOCH
# Where the code is to be found, as everybody may know it: without logins, never a folder of this host.
origin=$({ git remote get-url origin 2> /dev/null || true; } | sed -nE \
    -e 's#^https://([^@/]*@)?(.*)$#https://\2#p' -e 's#^(ssh://)?git@([^:/]+)[:/](.*)$#https://\2/\3#p')
source=${SOURCE:-${origin:-unknown}}
# Other weights than the committed ones have a licence of their own, and always a digest.
weights=weights/$name own=()
[[ " $* " =~ WEIGHTS=([^ ]+) ]] && weights=${BASH_REMATCH[1]}
if [ -f "$weights/manifest.json" ]; then
    digest=$(sha256sum "$weights/manifest.json")
    own+=(--build-arg WEIGHTS_DIGEST="${digest:0:64}")
    git ls-files --error-unmatch "$weights/manifest.json" > /dev/null 2>&1 \
        || own+=(--build-arg LICENSES="Apache-2.0 AND LicenseRef-weights")
fi
suffix=
[[ " $* " =~ TORCH=(cu[0-9]+) ]] && suffix=-${BASH_REMATCH[1]}
tags=(-t "cmrseg-$name:$version$suffix" -t "cmrseg-$name:latest$suffix")
[ -z "${TAG:-}" ] || tags=(-t "$TAG")
exec docker build -f "$file" "${tags[@]}" --build-arg VERSION="$version" \
    --build-arg REVISION="$revision" --build-arg SOURCE="$source" "${own[@]}" "$@" .
