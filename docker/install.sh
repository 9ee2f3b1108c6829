#!/bin/sh
# Fill the virtual environment of an image: `install.sh VENV LOCK [TORCH]`.
#
#   LOCK    every package in it is installed as it is pinned, and only if its hash is right
#   TORCH   the build of torch: cpu is in the lock; another (cu126) comes from $TORCH_INDEX by the
#           CPU lock's version, with the CUDA packages it asks for; none where the lock has none
#
# Wheels in /src/wheels, where an image's build got some (--build-context wheels=DIR), go first.
set -eu
venv=$1 lock=$2 torch=${3:-cpu}
wheels=/src/wheels
pip() {
    python3 -m pip --python "$venv/bin/python" --disable-pip-version-check --no-cache-dir \
        install --no-compile --root-user-action ignore --find-links "$wheels" "$@"
}

[ -x "$venv/bin/python" ] || python3 -m venv --without-pip "$venv"
if [ "$torch" = none ]; then
    pip --no-deps --require-hashes -r "$lock"
elif [ "$torch" != cpu ]; then
    version=$(sed -n 's/^torch==\([^+ ]*\)+cpu.*/\1/p' "$(dirname "$lock")/inference-cpu.txt")
    pip --no-deps --require-hashes -r "$lock"
    pip --index-url "$TORCH_INDEX" "torch==$version+$torch"
elif ls "$wheels"/torch-* > /dev/null 2>&1; then
    pip --no-deps --require-hashes -r "$lock"
else
    pip --no-deps --require-hashes -r "$lock" --extra-index-url "$TORCH_INDEX"
fi
# What torch brings along to build and test extensions is a quarter of it; pictures of other people's
# hearts, in tests, do not belong into an image.
for packages in "$venv"/lib/python3*/site-packages; do
    rm -rf "$packages/torch/test" "$packages/torch/include"
    [ "$torch" = none ] || find "$packages/torch/bin" -type f ! -name torch_shm_manager -delete
    find "$packages" -path '*/tests/data' -prune -exec rm -rf {} +
done
# Nobody can write bytecode into an image that runs read-only; unchecked, so that dates do not matter.
# What has been here before is compiled and undated; tests use the grammar of later Pythons.
find "$venv/lib" -name '*.py' -newermt 2020-01-02 ! -path '*/tests/*' ! -path '*/testing/_internal/*' |
    python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -i -
./undate.sh "$(dirname "$venv")"
