#!/bin/sh
# What an inference image runs: `image.sh CHALLENGE [INPUT OUTPUT | COMMAND ...]`.
#
#   nothing more            /input to /output, as Grand Challenge and plain mounts have them
#   two folders             the M&Ms-2 organisers' call, `image <input_dir> <output_dir>`
#   anything else           a cmrseg command (info mnms2, evaluate ..., --version)
set -eu
if [ $# -eq 0 ]; then
    echo "usage: image.sh emidec|mnms2 [INPUT OUTPUT | COMMAND ...]" >&2
    exit 2
fi
challenge=$1
shift
if [ $# -eq 0 ]; then
    exec cmrseg predict "$challenge" /input /output
elif [ $# -eq 2 ] && { [ -d "$1" ] || [ "${1#*/}" != "$1" ]; }; then
    exec cmrseg predict "$challenge" "$1" "$2"
fi
exec cmrseg "$@"
