#!/bin/sh
# What an inference image runs: `image.sh CHALLENGE [ARGUMENTS ...]`.
#
#   nothing more              /input to /output, as Grand Challenge (exec) and plain mounts have them;
#                             where the image is labelled invoke, the server
#   INPUT OUTPUT [options]    the M&Ms-2 organisers' call, `image <input_dir> <output_dir>`: of its masks
#                             the RV alone, which they score (--labels all for the rest)
#   --labels all              options alone: those of predict, on /input and /output
#   serve [options]           the server of Grand Challenge's invoke
#   info                      what the weights in the image are
#   anything else             a cmrseg command (evaluate mnms2 ..., --version, --help)
#
# Options in $CMRSEG_OPTIONS (--build-arg OPTIONS= where the platform starts the container) are those
# of every predict and serve; the same option given here comes after and wins.
#
# cmrseg runs as a child, not in this process's place: the kernel kills it alone when memory runs out,
# and somebody must be left to say so.
set -uf # options are words, never patterns
# shellcheck source=docker/child.sh
. "$(dirname "$0")/child.sh"
if [ $# -eq 0 ]; then
    echo "usage: image.sh emidec|mnms2 [INPUT OUTPUT | COMMAND ...]" >&2
    exit 2
fi
challenge=$1
shift

options=${CMRSEG_OPTIONS:-}
is_folder() { [ -d "$1" ] || [ "${1#*/}" != "$1" ]; }

# shellcheck disable=SC2086  # options are words
if [ $# -eq 0 ] && [ "${CMRSEG_API:-exec}" = invoke ]; then
    set -- serve "$challenge" $options
elif [ $# -eq 0 ]; then
    set -- predict "$challenge" $options /input /output
else
    case $1 in
        -h | --help | --version) ;;
        -*) set -- predict "$challenge" $options /input /output "$@" ;;
        serve | info)
            command=$1
            [ "$command" = serve ] || options=
            shift
            case ${1:-} in emidec | mnms2) challenge=$1 && shift ;; esac
            set -- "$command" "$challenge" $options "$@"
            ;;
        *)
            if [ $# -gt 1 ] && is_folder "$1"; then
                scored=
                [ "$challenge" != mnms2 ] || scored='--labels rv' # what M&Ms-2 scores
                set -- predict "$challenge" $scored $options "$@"
            fi
            ;;
    esac
fi

run cmrseg "$@"
if [ "$code" -eq 137 ]; then
    echo "cmrseg: killed, most likely for using more memory than the container may." \
        "Give it more (docker run --memory, --memory-swap), or fewer or smaller images." >&2
fi
exit "$code"
