#!/bin/sh
# Install the CPU build of torch with the given Python, never the CUDA one (5 GB) by accident.
#
#   docker/torch.sh PYTHON
#
# From PyTorch's own wheel index where that answers, else from wherever pip finds that build. Where
# no "+cpu" build is published (macOS), the plain one is taken, if it brings no CUDA packages.
# TORCH_VERSION and TORCH_INDEX change what is taken from where.
set -eu
python=$1
version=${TORCH_VERSION:-2.13.0}
index=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}
pip() { "$python" -m pip --disable-pip-version-check "$@"; }

installed=$("$python" -c 'import importlib.metadata as m; print(m.version("torch"))' 2>/dev/null || true)
case $installed in "$version" | "$version"+cpu) exit 0 ;; esac

if pip install -q --no-deps --retries 1 --timeout 10 \
    --extra-index-url "$index" "torch==$version+cpu" 2>/dev/null; then
    exit 0
fi
report=$(mktemp)
trap 'rm -f "$report"' EXIT
pip install -q --no-deps --dry-run --report "$report" "torch==$version"
if grep -Eq '"(nvidia-|cuda-)' "$report"; then
    echo "torch.sh: pip would take the CUDA build of torch $version (several GB)." >&2
    echo "torch.sh: let pip reach $index, or put a wheel of torch $version+cpu where it looks." >&2
    exit 1
fi
pip install -q --no-deps "torch==$version"
