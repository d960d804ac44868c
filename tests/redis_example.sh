#!/usr/bin/env bash
# redis_example.sh PROGRAM: docs/examples/redis.c with a Redis that this starts and stops, and that is away for
# a while. Exit status: 77 (skipped) where there is none.
set -u
program=$(realpath "${1:?usage: redis_example.sh PROGRAM}")
. "$(dirname "$(realpath "$0")")/redis.sh"

until_said() { # a line, how often
    for _ in $(seq 300); do
        [ "$(grep -cx "$1" "$work/out")" -ge "$2" ] && return
        sleep 0.05
    done
    kill "$client"
    fail "it does not say '$1' $2 times: $(cat "$work/out")"
}
say() { redis-cli -p "$port" publish examples "$1" > /dev/null; }

stdbuf -oL "$program" 127.0.0.1 "$port" 0 > "$work/out" 2>&1 &
client=$!
until_said 'counted to 3' 1
until_said 'message: from ourselves' 1
"$control" crash
until_said 'asks: Server closed the connection' 1
"$control" start || fail 'Redis does not come back'
until_said 'counted to 3' 2
until_said 'listens: connected' 2
# A subscription that is not there yet hears nothing: so again until it does.
for _ in $(seq 100); do
    say again
    grep -q 'message: again' "$work/out" && break
    sleep 0.05
done
until_said 'message: again' 1
{ kill "$client" && wait "$client"; } 2> /dev/null

"$program" 127.0.0.1 "$port" 1 > "$work/out" 2>&1 &
client=$!
until_said 'listens: connected' 1
for _ in $(seq 100); do
    kill -0 "$client" 2> /dev/null || break
    say end
    sleep 0.05
done
wait "$client" || fail "it fails: $(cat "$work/out")"
"$program" > "$work/out" 2>&1
[ $? = 2 ] || fail 'a usage that is wrong'
