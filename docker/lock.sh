#!/bin/sh
# Write docker/locks/*.txt anew: every package but torch, pinned and hashed. Needs `uv` on PATH.
# Arguments go to uv: say where the CPU build of torch is (--find-links DIR or --extra-index-url URL).
set -eu
cd "$(dirname "$0")/.."
constraints=$(mktemp)
trap 'rm -f "$constraints"' EXIT
# torch comes from docker/torch.sh; the CPU build's needs are locked, not the CUDA packages.
printf 'torch==%s+cpu\nmonai==1.5.1\n' "${TORCH_VERSION:-2.13.0}" > "$constraints"
uv pip compile pyproject.toml --extra dev -q --generate-hashes --python-version 3.11 --no-header \
    --no-emit-index-url --no-emit-find-links \
    --no-emit-package torch --no-emit-package cmrseg \
    --constraint "$constraints" -o docker/locks/dev.txt "$@"
