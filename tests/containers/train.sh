#!/usr/bin/env bash
# From labelled data to scores with containers alone: draw patients, train, build an inference image
# of the bundle, run it, score it. `tests/containers/train.sh [docker build OPTIONS]`
set -euo pipefail
cd "$(dirname "$0")/../.."
steps=${STEPS:-100}
trainer=${TRAINER:-cmrseg-train:latest}
trained=cmrseg-emidec:trained-$$
bundle=weights/.trained-$$ # a build takes bundles from this folder alone
work=$(mktemp -d)
chmod 755 "$work"
mkdir -m 777 "$work/data" "$work/weights" "$work/out"
sandbox=(--rm --network none --read-only --user 1000:1000 --cap-drop ALL
    --security-opt no-new-privileges --pids-limit 256 --tmpfs "/tmp:rw,nosuid,nodev,size=256m")

finish() {
    docker run --rm --user 0:0 --network none -v "$work:/work" --entrypoint find "$trainer" \
        /work -mindepth 1 -delete
    rm -rf "$work" "$bundle"
    docker rmi -f "$trained" > /dev/null 2>&1 || true
}
trap finish EXIT

docker run "${sandbox[@]}" -v "$work/data:/data" "$trainer" synthesize emidec /data --patients 6 --seed 1
docker run "${sandbox[@]}" -v "$work/data:/data:ro" -v "$work/weights:/weights" "$trainer" \
    train emidec --source synthetic --folds all --steps "$steps" --precision fp32

cp -r "$work/weights/emidec" "$bundle"
TAG=$trained docker/build.sh emidec -q --build-arg WEIGHTS="$bundle" "$@"
docker run "${sandbox[@]}" -v "$work/data:/input:ro" -v "$work/out:/output" "$trained" --samples 0
docker run "${sandbox[@]}" -v "$work/data:/truth:ro" -v "$work/out:/found" "$trained" \
    evaluate emidec /found /truth --out /found/scores

# Far from good, and far from what an untrained network finds.
docker run "${sandbox[@]}" -i -v "$work/out:/found:ro" --entrypoint python "$trained" - << 'PYTHON'
import csv
import sys
from statistics import mean

with open("/found/scores/evaluation.csv", newline="") as file:
    dice = mean(float(row["myocardium_dice"]) for row in csv.DictReader(file))
sys.exit(f"the trained network found next to nothing: Dice {dice:.2f}" if dice < 0.2 else None)
PYTHON
