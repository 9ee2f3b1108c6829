#!/bin/sh
# What the training image runs: labelled data to a bundle that the inference images take.
#
#   train.sh train emidec|mnms2 [options of cmrseg train]
#   train.sh COMMAND ...        any cmrseg command
#
# Reads $DATA (/data: cases with labels in the challenge's layout) and writes below $WEIGHTS
# (/weights): CHALLENGE/, the bundle; work/CHALLENGE/, caches, runs and scores. It is
# `cmrseg train CHALLENGE --data`: every fold, for mnms2 both views and their quality control,
# calibration and scores. A run that was stopped goes on where it stood when the same command is
# given again; to begin anew delete work/CHALLENGE.
set -eu
# shellcheck source=docker/child.sh
. "$(dirname "$0")/child.sh"

if [ "${1:-}" = train ] && [ $# -gt 1 ]; then
    challenge=$2
    shift 2
    # Processes that augment hand their patches over in shared memory, of which containers get little.
    shared_kb=$(df -k /dev/shm | awk 'NR == 2 {print $2}')
    if [ "$shared_kb" -lt 500000 ]; then
        echo "train.sh: $((shared_kb / 1024)) MB of /dev/shm: patches are made in line" \
            "(docker run --shm-size 1g is faster)"
        set -- --workers 0 "$@"
    fi
    weights=${WEIGHTS:-/weights}
    run cmrseg train "$challenge" --data "${DATA:-/data}" --out "$weights" "$@"
    [ "$code" -ne 0 ] \
        || echo "the bundle for docker build --build-arg WEIGHTS=... lies in $weights/$challenge"
else
    run cmrseg "$@"
fi
exit "$code"
