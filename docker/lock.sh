#!/bin/sh
# Write docker/locks/*.txt anew: every package pinned and hashed. Needs `uv` on PATH.
# Arguments go to uv: say where the CPU build of torch is (--find-links DIR or --extra-index-url URL).
#
#   inference-cpu, train-cpu       all an image needs, the CPU build of torch among it
#   inference-cu126, train-cu126   the same versions without torch, which docker/install.sh takes from
#                                  PyTorch's own index by version (its CUDA packages come with it)
#   evaluate                       what scoring a submission needs (evaluate.in), without torch
#   dev                            for .venv, without torch (see docker/torch.sh)
#   docs                           what builds the documentation, beside dev in .venv
#   build                          what builds the wheel of cmrseg
set -eu
cd "$(dirname "$0")/.."
locks=docker/locks

lock() { # NAME SOURCE [options of uv]
    name=$1
    shift
    uv pip compile "$@" -q --generate-hashes --python-version 3.11 --no-header --no-emit-index-url \
        --no-emit-find-links --no-emit-package cmrseg --constraint $locks/constraints.in \
        -o "$locks/$name.txt"
}

lock inference-cpu pyproject.toml --extra serve "$@"
# One version of a package in all images, so that they share layers.
cp "$locks/inference-cpu.txt" "$locks/train-cpu.txt"
cp "$locks/inference-cpu.txt" "$locks/evaluate.txt"
lock evaluate $locks/evaluate.in "$@"
lock train-cpu pyproject.toml --extra train "$@"
for image in inference train; do
    extra=serve
    [ $image = inference ] || extra=train
    cp "$locks/$image-cpu.txt" "$locks/$image-cu126.txt"
    lock $image-cu126 pyproject.toml --extra $extra --no-emit-package torch "$@"
done
lock dev pyproject.toml --extra dev --no-emit-package torch "$@"
lock docs $locks/docs.in --constraint $locks/dev.txt "$@"
echo 'setuptools' | lock build - "$@"
