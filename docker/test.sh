#!/usr/bin/env bash
# Run an inference image in the full sandbox on the sample cases, through every contract, and compare
# its masks with the expected ones: `docker/test.sh emidec|mnms2 [IMAGE]`. Needs docker alone. Runs are
# in fp32: the precision that is fastest here may be another, which moves contours by single voxels.
# Of an image with weights of your own the masks have to be there, on their images' voxels.
set -euo pipefail
cd "$(dirname "$0")/.."
challenge=${1:?emidec or mnms2}
image=${2:-cmrseg-$challenge:latest}
case $challenge in
    emidec) first=Case_P001 second=Case_P002 all=() rv='' ;;
    mnms2) first=001 second=002 all=(--labels all) rv=3 ;; # M&Ms-2 scores label 3 alone
    *) echo "test.sh: there is no image $challenge: emidec or mnms2" >&2 && exit 2 ;;
esac

samples=$PWD/tests/samples/$challenge
work=$(mktemp -d)
chmod 755 "$work"
server=cmrseg-test-$$
sandbox=(--network none --cap-drop ALL --security-opt no-new-privileges --memory 4g
    --memory-swap 4g --pids-limit 256 --shm-size 64m
    --tmpfs "/tmp:rw,noexec,nosuid,nodev,size=256m")

finish() { # what containers wrote is theirs: remove it as they could
    docker rm -f "$server" > /dev/null 2>&1 || true
    docker run --rm --user 0:0 --network none -v "$work:/job" --entrypoint find "$image" \
        /job -mindepth 1 -delete
    rmdir "$work"
}
trap finish EXIT

say() { printf '\n== %s: %s\n' "$challenge" "$*"; }
fail() { echo "test.sh: $*" >&2 && exit 1; }
inside() { # the helper, in the image: it has Python and the image libraries
    docker run --rm --network none --user 0:0 -v "$PWD/tests:/tests:ro" -v "$work:/job" \
        --entrypoint python "$image" /tests/containers/inside.py "$@"
}
told() { inside told "/job/$1" "${@:2}"; }
compare() { inside compare "/tests/containers/expected/$challenge" "/job/$1" "$least" "${@:2}"; }
output() { # an empty folder that any user may write to
    mkdir -p "$work/$1" && chmod 777 "$work/$1" && echo "$work/$1"
}
sealed() { # USER ARGUMENTS...: as hard a place as we know
    docker run --rm --read-only --user "$1" "${sandbox[@]}" "${@:2}"
}
ends_with() { # CODE COMMAND...: it must end with that code; what it said is in $work/said
    local code=0
    "${@:2}" > "$work/said" 2>&1 || code=$?
    tail -n 3 "$work/said"
    [ "$code" -eq "$1" ] || fail "exit code $code instead of $1"
}

say "what the image is"
docker run --rm --network none --entrypoint python "$image" -c \
    'import importlib.util as u; raise SystemExit(u.find_spec("cmrseg_lab") is not None)' \
    || fail "the lab lies in an inference image"
docker image inspect "$image" --format '{{json .Config.Entrypoint}}' | grep -F '["/opt/cmrseg/image.sh"'
docker image inspect "$image" --format '{{.Os}}/{{.Architecture}}' | grep -x linux/amd64
docker image inspect "$image" --format '{{.Config.User}}' | grep -Ex '[1-9][0-9]*(:[0-9]+)?'
api=$(docker image inspect "$image" --format '{{index .Config.Labels "org.grand-challenge.api-method"}}')
case $api in exec | invoke) echo "called by $api" ;; *) fail "label api-method is '$api'" ;; esac
docker image inspect "$image" --format '{{json .Config.Env}}' | grep -qF "\"CMRSEG_API=$api\"" \
    || fail "the label says $api, the entrypoint does something else"
for label in version revision licenses source; do
    value=$(docker image inspect "$image" \
        --format "{{index .Config.Labels \"org.opencontainers.image.$label\"}}")
    echo "$label: ${value:?no label $label}"
done
sealed 1000:1000 "$image" --version
sealed 1000:1000 "$image" info > "$work/info" && sed -n 1,2p "$work/info"
least=0.999
digest=$(sha256sum "weights/$challenge/manifest.json")
if ! grep -q "^sha256 ${digest%% *}" "$work/info"; then
    echo "weights of your own: nobody knows what masks to expect" && least=0
fi
left=$(docker run --rm --user 0:0 --network none --entrypoint find "$image" / -xdev \
    \( -name pip.conf -o -name .git -o -path '/src/*' -o -path '*/.cache/*' \))
[ -z "$left" ] || fail "the image holds what it should not: $left"

inside layout "$challenge" "/tests/samples/$challenge" /job/in
chmod 755 "$work/in"

say "the challenge's folders, as user 1000"
sealed 1000:1000 -e CMRSEG_API=exec -v "$samples:/input:ro" -v "$(output native):/output" "$image" "${all[@]}" \
    --precision fp32 --log-format json | tee "$work/said"
! grep -vE '^\{.*\}$' "$work/said" || fail "a line is no JSON object"
! grep -E '\.nii|\.mha' "$work/said" || fail "a line names a patient's file"
compare native
say "the organisers' call with two folders, as another user, within a data limit as the platform sets it"
sealed 54321:54321 --ulimit data=1500000000 -v "$samples:/cases:ro" \
    -v "$(output call):/results" "$image" /cases /results --precision fp32
compare call '' "$rv"
say "a plain folder, as a user of group 0, on one CPU: threads follow"
sealed 65534:0 --cpus 1 -e CMRSEG_API=exec -v "$work/in/plain:/input:ro" \
    -v "$(output plain):/output" "$image" "${all[@]}" --precision fp32
compare plain "$first"
told plain threads=1
say "little time: fewer mirror images, and the result says so"
sealed 1000:1000 -e CMRSEG_API=exec -e CMRSEG_OPTIONS='--time-budget 0.01' \
    -v "$work/in/plain:/input:ro" -v "$(output hurried):/output" "$image" --precision fp32
told hurried mirrors=1 'time budget is short'
say "Grand Challenge, exec"
sealed 1000:1000 -e CMRSEG_API=exec -v "$work/in/sockets/$first:/input:ro" \
    -v "$(output exec):/output" "$image" --precision fp32
compare exec "$first"

say "Grand Challenge, invoke: /input is pointed elsewhere and /output wiped between two calls"
docker create --name "$server" --user 1000:1000 "${sandbox[@]}" \
    -v "$work/in/sockets:/cases:ro" -e CMRSEG_API=invoke -e CMRSEG_OPTIONS='--precision fp32' \
    -v "$(output invoke):/output" "$image" > /dev/null
ln -sfn "/cases/$first" "$work/input" && tar -C "$work" -c input | docker cp - "$server:/"
docker start "$server" > /dev/null
for case in "$first" "$second"; do
    docker exec --user 0:0 "$server" ln -sfn "/cases/$case" /input
    docker exec -i "$server" python - invoke < tests/containers/inside.py
    compare invoke "$case"
    inside wipe /job/invoke
done
docker logs "$server"
docker kill --signal TERM "$server" > /dev/null
code=$(timeout 5 docker wait "$server") || fail "the server outlived SIGTERM by 5 s"
case $code in 0 | 143) echo "ended by SIGTERM with $code" ;; *) fail "SIGTERM ended it with $code" ;; esac

say "too little memory"
ends_with 137 sealed 1000:1000 --memory 150m --memory-swap 150m -v "$samples:/cases:ro" \
    -v "$(output memory):/results" "$image" /cases /results
tail -n 1 "$work/said" | grep -q 'more memory' || fail "nobody said what killed it"
if [ "$challenge" = emidec ]; then # its stacks need much at once; one slice of a cine fits anywhere
    say "a data limit that nothing fits into: told, not killed"
    ends_with 7 sealed 1000:1000 --ulimit data=520000000 -v "$samples:/cases:ro" \
        -v "$(output limit):/results" "$image" /cases /results --precision fp32
    tail -n 1 "$work/said" | grep -q 'more memory' || fail "the last line does not say why"
fi
say "an output folder nobody may write to"
ends_with 5 sealed 1000:1000 -v "$samples:/cases:ro" -v "$samples:/results:ro" "$image" /cases /results/new
say "weights in /opt/ml/model come first, and altered ones are refused"
sealed 1000:1000 -v "$PWD/weights/$challenge:/opt/ml/model:ro" "$image" info > "$work/info"
grep -x 'bundle /opt/ml/model' "$work/info"
cp -r "weights/$challenge" "$work/model" && echo >> "$work/model/MODEL_CARD.md"
ends_with 6 sealed 1000:1000 -v "$work/model:/opt/ml/model:ro" -v "$samples:/cases:ro" \
    -v "$(output altered):/results" "$image" /cases /results
say "SIGTERM in the middle of a case"
docker rm -f "$server" > /dev/null
docker run -d --name "$server" --read-only --user 1000:1000 "${sandbox[@]}" -v "$samples:/cases:ro" \
    -v "$(output term):/results" "$image" /cases /results > /dev/null
sleep 4
docker stop -t 10 "$server" > /dev/null
docker logs "$server" 2>&1 | tail -n 1
[ "$(docker inspect "$server" --format '{{.State.ExitCode}}')" -eq 143 ] || fail "it did not end by SIGTERM"
[ -z "$(find "$work/term" -mindepth 1 -name '.cmrseg-*')" ] || fail "something half-written was left"
say "all good"
