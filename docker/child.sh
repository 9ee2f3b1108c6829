# shellcheck shell=sh disable=SC2034
# Sourced: `run COMMAND ...` runs a command as a child and leaves its exit code in $code.
#
# The first process of a container gets the signals, and the kernel drops those it has no handler
# for: SIGTERM and SIGINT are passed on as SIGTERM, and the child has its last words.
child='' ended=''
trap 'ended=1; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM INT

run() {
    code=143
    [ -z "$ended" ] || return 0
    "$@" <&0 &
    child=$!
    [ -z "$ended" ] || kill -TERM "$child" 2>/dev/null # the signal came before its number was known
    while :; do # a signal ends `wait` early
        wait "$child"
        code=$?
        kill -0 "$child" 2>/dev/null || break
    done
    child=
}
