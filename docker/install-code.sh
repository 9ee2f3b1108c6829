#!/bin/sh
# Install cmrseg itself beside its packages: `install-code.sh VENV ROOT FOLDER`, from the working
# folder, into ROOT/FOLDER/python, which will be FOLDER/python of the image.
set -eu
venv=$1 root=$2 folder=$3
build=/tmp/build # pip notes where a wheel came from: never twice another place
mkdir "$build"
trap 'rm -rf "$build"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
python3 -m venv "$build/venv"
"$build/venv/bin/pip" install -q --no-deps --require-hashes -r build.txt
for project in . src/cmrseg_lab; do # the lab lies beside it in the training image alone
    [ ! -f "$project/pyproject.toml" ] \
        || "$build/venv/bin/pip" wheel -q --no-deps --no-build-isolation -w "$build" "./$project"
done
python3 -m pip --python "$venv/bin/python" install -q --no-deps --no-index --no-compile \
    --root-user-action ignore --target "$root$folder/python" "$build"/cmrseg*.whl
python3 -m compileall -q -s "$root" --invalidation-mode unchecked-hash "$root$folder/python"
./undate.sh "$root"
