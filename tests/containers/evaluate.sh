#!/usr/bin/env bash
# Run the evaluation image in the full sandbox: a submission of both challenges in the platform's
# layout, one that lacks a case, and the challenge's own folders. `tests/containers/evaluate.sh [IMAGE]`
set -euo pipefail
cd "$(dirname "$0")/../.."
image=${1:-cmrseg-evaluate:latest}
work=$(mktemp -d)
chmod 755 "$work"
sandbox=(--rm --network none --read-only --user 54321:54321 --cap-drop ALL --pids-limit 256
    --security-opt no-new-privileges --memory 1g --memory-swap 1g --shm-size 64m
    --tmpfs "/tmp:rw,noexec,nosuid,nodev,size=64m")

finish() { # what containers wrote is theirs: remove it as they could
    docker run --rm --user 0:0 --network none -v "$work:/job" --entrypoint find "$image" \
        /job -mindepth 1 -delete
    rmdir "$work"
}
trap finish EXIT
fail() { echo "evaluate.sh: $*" >&2 && exit 1; }
inside() {
    docker run --rm --network none --user 0:0 -v "$PWD/tests:/tests:ro" -v "$work:/job" \
        --entrypoint python "$image" /tests/containers/submission.py "$@"
}
scored() { # INPUT TRUTH OUTPUT: the image without arguments, as the platform starts it
    mkdir -p "$3" && chmod 777 "$3"
    docker run "${sandbox[@]}" -v "$1:/input:ro" -v "$2:/opt/ml/input/data/ground_truth:ro" \
        -v "$3:/output" "$image"
}

docker image inspect "$image" --format '{{.Config.User}}' | grep -Ex '[1-9][0-9]*(:[0-9]+)?'
docker run "${sandbox[@]}" "$image" --version
for challenge in emidec mnms2; do
    samples=$PWD/tests/samples/$challenge
    mkdir "$work/$challenge"
    inside write "$challenge" "/tests/samples/$challenge" "/job/$challenge"
    scored "$work/$challenge" "$samples" "$work/out-$challenge"
    inside check "/job/out-$challenge/metrics.json" 2

    inside drop "/job/$challenge"
    code=0
    scored "$work/$challenge" "$samples" "$work/out-less" > "$work/said" 2>&1 || code=$?
    [ "$code" -eq 3 ] || fail "a submission that lacks a case ended with $code, not 3"
    last=$(tail -n 1 "$work/said")
    echo "$last"
    [[ $last =~ "no prediction for 1: "(Case_P002|002)"." ]] || fail 'nobody named the case'
    [ ! -e "$work/out-less/metrics.json" ] || fail 'it was scored all the same'
done
# The challenge's own folders: EMIDEC's truths are laid out as its predictions are.
scored "$PWD/tests/samples/emidec" "$PWD/tests/samples/emidec" "$work/out-folders"
inside check /job/out-folders/metrics.json 2
