#!/usr/bin/env bash
# From labelled data to scores with containers alone: draw patients, train, build an inference image
# of the bundle, run it, score it. `tests/containers/train.sh [docker build OPTIONS]`
set -euo pipefail
cd "$(dirname "$0")/../.."
steps=${STEPS:-24}
trainer=${TRAINER:-cmrseg-train:latest}
trained=cmrseg-emidec:trained-$$
bundle=weights/.trained-$$ # a build takes bundles from this folder alone
work=$(mktemp -d)
chmod 755 "$work"
mkdir -m 777 "$work/data" "$work/weights" "$work/out"
sandbox=(--rm --network none --read-only --user 1000:1000 --cap-drop ALL
    --security-opt no-new-privileges --pids-limit 256 --tmpfs "/tmp:rw,nosuid,nodev,size=256m")

finish() {
    docker run --rm --user 0:0 --network none -v "$work:/job" --entrypoint find "$trainer" \
        /job -mindepth 1 -delete
    rm -rf "$work" "$bundle"
    docker rmi -f "$trained" > /dev/null 2>&1 || true
}
trap finish EXIT

docker run "${sandbox[@]}" -v "$work/data:/data" "$trainer" synthesize emidec /data --patients 6 --seed 1
docker run "${sandbox[@]}" -v "$work/data:/data:ro" -v "$work/weights:/weights" "$trainer" \
    train emidec --source synthetic --folds all --steps "$steps"

cp -r "$work/weights/emidec" "$bundle"
TAG=$trained docker/build.sh emidec -q --build-arg WEIGHTS="$bundle" "$@"
TAG=${trained#*:} INPUT=$work/data OUTPUT=$work/out docker compose run --rm emidec --samples 0 \
    --mirrors 1 --precision fp32
docker run "${sandbox[@]}" -v "$work/data:/truth:ro" -v "$work/out:/found" "$trained" \
    evaluate emidec /found /truth --out /found/scores

# So few steps find next to nothing yet: what counts is that this very bundle scored every patient.
digest=$(sha256sum "$bundle/manifest.json")
docker run "${sandbox[@]}" "$trained" info | grep "^sha256 ${digest%% *}"
scored=$(tail -n +2 "$work/out/scores/evaluation.csv" | wc -l)
[ "$scored" -eq 6 ] || { echo "train.sh: $scored of 6 patients were scored" >&2 && exit 1; }
