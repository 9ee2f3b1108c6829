#!/bin/sh
# What the training image runs: labelled data to a bundle that the inference images take.
#
#   train.sh train emidec|mnms2 [options of cmrseg-lab train]
#   train.sh train PRESET CACHE RUN [options]     one network, by $GPUS processes, a GPU each
#   train.sh COMMAND ...                          any command of cmrseg-lab
#
# Reads $DATA (/data: cases with labels in the challenge's layout) and writes below $WEIGHTS
# (/weights): CHALLENGE/, the bundle; work/CHALLENGE/, caches, runs and scores. It is
# `cmrseg-lab train CHALLENGE --data`: every fold, for mnms2 both views and their quality control,
# calibration and scores. A run that was stopped goes on where it stood when the same command is
# given again; to begin anew delete work/CHALLENGE.
set -eu
# shellcheck source=docker/child.sh
. "$(dirname "$0")/child.sh"

if [ "${1:-}" != train ] || [ $# -eq 1 ]; then
    run cmrseg-lab "$@"
    exit "$code"
fi
trained=$2
shift 2
inline=
# Processes that augment hand their patches over in shared memory, of which containers get little.
shared_kb=$(df -k /dev/shm | awk 'NR == 2 {print $2}')
if [ "$shared_kb" -lt 500000 ]; then
    echo "train.sh: $((shared_kb / 1024)) MB of /dev/shm: patches are made in line" \
        "(docker run --shm-size 1g is faster)"
    inline='--workers 0'
fi
gpus=${GPUS:-1}
weights=${WEIGHTS:-/weights}
# shellcheck disable=SC2086 # $inline is two words or none
case ${1:--} in
-*)
    if [ "$gpus" != 1 ]; then
        echo "train.sh: GPUS=$gpus share one network: give CACHE and RUN, or leave GPUS out" >&2
        exit 2
    fi
    run cmrseg-lab train "$trained" --data "${DATA:-/data}" --out "$weights" $inline "$@"
    [ "$code" -ne 0 ] \
        || echo "the bundle for docker build --build-arg WEIGHTS=... lies in $weights/$trained"
    ;;
*)
    set -- train $inline "$trained" "$@"
    if [ "$gpus" = 1 ]; then
        run cmrseg-lab "$@"
    else
        run torchrun --standalone --nproc-per-node "$gpus" --no-python cmrseg-lab "$@"
    fi
    ;;
esac
exit "$code"
