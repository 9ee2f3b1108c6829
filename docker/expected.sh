#!/bin/sh
# Write the masks that container tests expect anew, from the bundles in weights/ and this checkout.
set -eu
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for challenge in emidec mnms2; do
    .venv/bin/cmrseg predict $challenge tests/samples/$challenge "$out/$challenge" \
        --weights weights/$challenge --device cpu --precision fp32
    .venv/bin/python tests/containers/inside.py keep "$out/$challenge" \
        tests/containers/expected/$challenge
done
