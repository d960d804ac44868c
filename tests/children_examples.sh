#!/bin/sh
# children_examples.sh PIPELINE SUPERVISE: docs/examples/pipeline.c moves bytes in bounded memory, and
# docs/examples/supervise.c starts again what fails, passes signals on, and ends when its child has.
set -u
pipeline=${1:?usage: children_examples.sh PIPELINE SUPERVISE}
supervise=${2:?usage: children_examples.sh PIPELINE SUPERVISE}
work=$(mktemp -d) || exit 1
pid=
finish() {
    [ -z "$pid" ] || kill -KILL "$pid" 2> /dev/null
    rm -rf "$work"
}
trap finish EXIT
fail() {
    echo "children_examples: $1" >&2
    cat "$work"/* >&2
    exit 1
}
status_of() { # expected, command…
    expected=$1
    shift
    "$@" > "$work/out" 2> "$work/err"
    status=$?
    [ "$status" = "$expected" ] || fail "status $status, not $expected: $*"
}
until_there() { # a file that is not empty
    tries=0
    until [ -s "$1" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || fail "$1 is not written"
        sleep 0.05
    done
}

status_of 0 "$pipeline" 20
grep -q '^20000000 of 20000000 bytes came back$' "$work/out" || fail 'pipeline: what it says'
status_of 2 "$pipeline" none
status_of 2 "$pipeline" 1 2
status_of 1 env PATH=/nowhere "$pipeline"

status_of 2 "$supervise"
status_of 0 "$supervise" true
status_of 127 "$supervise" "$work/nothing"
# Fails twice, and then is content.
printf '%s\n' 'echo x >> "$0.runs"; [ "$(wc -l < "$0.runs")" -ge 3 ] || exit 5' > "$work/script"
status_of 0 "$supervise" sh "$work/script"
[ "$(grep -c 'status 5' "$work/err")" = 2 ] || fail 'supervise: it is to fail twice'
grep -q 'again in 100 ms' "$work/err" || fail 'supervise: the second pause'
# The signal reaches the child and what that has started.
printf '%s\n' 'sleep 1000 & echo $! > "$0.grandchild"; wait' > "$work/group"
"$supervise" sh "$work/group" 2> "$work/err" &
pid=$!
until_there "$work/group.grandchild"
kill -TERM $pid
wait $pid
status=$?
pid=
[ "$status" = 143 ] || fail "supervise: status $status after SIGTERM"
tries=0
while kill -0 "$(cat "$work/group.grandchild")" 2> /dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || fail 'supervise: the grandchild lives'
    sleep 0.05
done
echo 'children_examples: good'
