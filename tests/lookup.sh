#!/usr/bin/env bash
# lookup.sh PROGRAM: docs/examples/lookup.c against the name server of the tests, on loopback: names that
# are there and that are not, answers that come late and over TCP, a server that does not answer, Ctrl-C.
# Exit status: 77 (skipped) where there is no python3.
set -u
program=$(realpath "$1") here=$(realpath "$(dirname "$0")")
command -v python3 > /dev/null || { echo 'lookup: skipped, there is no python3'; exit 77; }
work=$(mktemp -d)
mkfifo "$work/input"
python3 "$here/adapter/dns_server.py" < "$work/input" > "$work/port" &
server=$!
exec 9> "$work/input" # the server ends when this does
finish() {
    exec 9>&-
    wait "$server" 2> /dev/null
    rm -rf "$work"
}
trap finish EXIT
fail() { echo "lookup: $1"; cat "$work/out" "$work/err"; exit 1; }
until_there() { # command …
    for _ in $(seq 400); do
        "$@" > /dev/null 2>&1 && return
        sleep 0.05
    done
    fail "never: $*"
}
look() { "$program" -s "127.0.0.1:$(cat "$work/port")" "$@" > "$work/out" 2> "$work/err"; }
until_there test -s "$work/port"

look late-200.test. a2.test. alias.test. || fail 'names that are there'
[ "$(tail -1 "$work/out")" = 'late-200.test. 127.0.0.1' ] || fail 'what is late comes last'
grep -qx 'a2.test. 10.0.0.2' "$work/out" || fail 'an address'
look 127.0.0.5 || fail 'a number is an address'
look a1.test. missing.test. && fail 'a name that is not there'
grep -q '^lookup: missing.test.: ' "$work/err" || fail 'it is not told'
look big.test. || fail 'an answer over TCP'
[ "$(wc -w < "$work/out")" = 41 ] || fail 'forty addresses'
"$program" > "$work/out" 2> "$work/err"
[ $? = 2 ] || fail 'no usage'
"$program" -s nonsense a1.test. > "$work/out" 2> "$work/err"
[ $? = 2 ] || fail 'a server that is none'

set -m # or it would ignore Ctrl-C, as a job in the background
"$program" -s "127.0.0.1:$(cat "$work/port")" silent.test. a1.test. > "$work/out" 2> "$work/err" &
lookup=$!
set +m
until_there test -s "$work/out"
kill -INT $lookup
wait $lookup
[ $? = 1 ] || fail 'Ctrl-C does not end it'
grep -qi 'silent.test.*cancelled' "$work/err" || fail 'what was cancelled is told'
echo 'lookup: names, errors, TCP, Ctrl-C'
