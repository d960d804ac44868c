#!/usr/bin/env bash
# idle.sh PROGRAM BACKEND: a loop that waits does nothing else: in three seconds no system call ends
# and none begins, so it does not wake up once an hour either. PROGRAM is of idle.c. Exit status: 0
# silent, 1 not, 77 (skipped) if it cannot be tried here.
set -u
program=$(realpath "${1:?usage: idle.sh PROGRAM BACKEND}")
backend=${2:?usage: idle.sh PROGRAM BACKEND}
skip() { echo "idle: skipped, $1"; exit 77; }
command -v strace > /dev/null || skip 'there is no strace'
work=$(mktemp -d)
pid=
finish() {
    [ -z "$pid" ] || kill -KILL "$pid" 2> /dev/null
    rm -rf "$work"
}
trap finish EXIT
strace -o "$work/true" true 2> /dev/null || skip 'tracing is not allowed'

# A process that is traced cannot look for leaks.
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
strace -D -qq -o "$work/trace" "$program" "$backend" &
pid=$!

# It waits when it is in the call that waits, of which the line has no end yet, with its hour at hand.
for _ in $(seq 200); do
    tail -n 1 "$work/trace" 2> /dev/null | grep -qE '^(epoll_p?wait2?|ppoll|poll|p?select6?|io_uring_enter)[a-z0-9_]*\(' &&
        tail -c 1 "$work/trace" | grep -q . && break
    kill -0 "$pid" 2> /dev/null || break
    sleep 0.1
done
kill -0 "$pid" 2> /dev/null || { wait "$pid"; [ $? != 77 ] || skip "this system refuses $backend"; }
before=$(wc -c < "$work/trace")
sleep 3
after=$(wc -c < "$work/trace")
if [ "$before" != "$after" ] || [ "$before" = 0 ]; then
    echo "idle: on $backend it did not stay in its wait:"
    tail -n 5 "$work/trace"
    exit 1
fi
kill -TERM "$pid"
wait "$pid" || { echo "idle: on $backend it ended with $?"; pid=; exit 1; }
pid=
echo "idle: on $backend silent: $(tail -c "+$((before + 1))" "$work/trace" | grep -c '(') calls after the signal"
