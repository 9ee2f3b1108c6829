#!/bin/sh
# What an inference image runs: `image.sh CHALLENGE [INPUT OUTPUT | COMMAND ...]`.
#
#   nothing more            /input to /output, as Grand Challenge and plain mounts have them
#   two folders             the M&Ms-2 organisers' call, `image <input_dir> <output_dir>`
#   anything else           a cmrseg command (info mnms2, evaluate ..., --version)
set -eu
challenge=$1
shift
case $#:${1-} in
0:*) exec cmrseg predict "$challenge" /input /output ;;
2:*/*) exec cmrseg predict "$challenge" "$1" "$2" ;;
*) exec cmrseg "$@" ;;
esac
