#!/bin/sh
# What the training image runs: labelled data to a bundle that the inference images take.
#
#   train.sh train emidec|mnms2 [--source NAME] [--folds "0 1 2 3 4"] [options of cmrseg train]
#   train.sh COMMAND ...        any cmrseg command
#
# Reads $DATA (/data: cases with labels in the challenge's layout) and writes below $WEIGHTS
# (/weights): CHALLENGE/, the bundle; work/CHALLENGE/, caches, runs and scores. Each fold of --folds
# becomes a network of the ensemble that never saw that fold's patients ("all": one network that saw
# everybody). A run that was stopped goes on where it stood when the same command is given again; to
# begin anew delete work/CHALLENGE.
set -eu
# shellcheck source=docker/child.sh
. "$(dirname "$0")/child.sh"
must() {
    run "$@"
    [ "$code" -eq 0 ] || exit "$code"
}

if [ "${1:-}" != train ]; then
    must cmrseg "$@"
    exit
fi
challenge=${2:-}
case $challenge in
    emidec) networks=emidec ;;
    mnms2) networks="mnms2-sa mnms2-la" ;;
    *)
        echo "usage: train emidec|mnms2 [--source NAME] [--folds '0 1 2 3 4'] [options of train]" >&2
        exit 2
        ;;
esac
shift 2

source=$challenge folds=0
while [ $# -gt 0 ]; do
    case $1 in
        --source) source=$2 && shift 2 ;;
        --folds) folds=$2 && shift 2 ;;
        *) break ;;
    esac
done

# Processes that augment hand their patches over in shared memory, of which containers get little.
shared_kb=$(df -k /dev/shm | awk 'NR == 2 {print $2}')
if [ "$shared_kb" -lt 500000 ]; then
    echo "train.sh: $((shared_kb / 1024)) MB of /dev/shm: patches are made in line" \
        "(docker run --shm-size 1g is faster)"
    set -- --workers 0 "$@"
fi

data=${DATA:-/data}
weights=${WEIGHTS:-/weights}
work=$weights/work/$challenge
checkpoints=
for network in $networks; do
    if [ ! -f "$work/$network/cache.done" ]; then
        must cmrseg preprocess "$network" "$data" "$work/$network/cache" --source "$source"
        touch "$work/$network/cache.done"
    fi
    for fold in $folds; do
        at=$work/$network/fold-$fold
        resume=
        [ ! -f "$at/checkpoint.safetensors" ] || resume=--resume
        must cmrseg train "$network" "$work/$network/cache" "$at" --fold "$fold" $resume "$@"
        checkpoints="$checkpoints $at/checkpoint.safetensors"
    done
done
# shellcheck disable=SC2086  # a list of paths that we made
must cmrseg pack "$challenge" "$weights/$challenge" $checkpoints --commit "${CMRSEG_REVISION:-unknown}"
[ "$folds" = all ] || must cmrseg validate "$challenge" "$data" "$work/scores" --source "$source" \
    --weights "$weights/$challenge" --record
echo "the bundle for docker build --build-arg WEIGHTS=... lies in $weights/$challenge"
