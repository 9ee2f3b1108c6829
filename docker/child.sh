# shellcheck shell=sh disable=SC2034
# Sourced: `run COMMAND ...` runs a command as a child and leaves its exit code in $code.
#
# The first process of a container gets the signals, and the kernel drops those it has no handler
# for: SIGTERM and SIGINT are passed on as SIGTERM, and the child has its last words.
child=
trap '[ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM INT

run() {
    "$@" <&0 &
    child=$!
    while :; do # a signal ends `wait` early
        wait "$child"
        code=$?
        kill -0 "$child" 2>/dev/null || break
    done
    child=
}
