#!/bin/sh
# little.sh: `eddy serve` as a small system would run it, in an address space (RLIMIT_AS) of 2 MiB, with code,
# stack and all: it serves what is small and what is larger than that, to one client and to eight at once. With half of that
# it does not even start, which shows that the limit is one. EDDY is the program, or is compiled
# (program.sh). Exits with 77 (skipped) where something is missing.
set -eu
limit=$((2 << 20))
here=$(cd "$(dirname "$0")" && pwd)
for needed in prlimit curl python3 cmp; do
    command -v "$needed" > /dev/null || { echo "little: skipped, there is no $needed"; exit 77; }
done
work=$(mktemp -d)
server=''
leave() {
    [ -z "$server" ] || kill "$server" 2> /dev/null || true
    rm -rf "$work"
}
trap leave EXIT
trap 'exit 1' INT TERM
fail() { echo "little: $1"; [ ! -f "$work/said" ] || cat "$work/said"; exit 1; }
[ -n "${EDDY:-}" ] || EDDY=$("$here/program.sh" "$work/program") || exit $?

mkdir "$work/www"
echo 'served in little' > "$work/www/index.html"
head -c 3000000 /dev/urandom > "$work/www/large"
port=$(python3 "$here/../free_port.py")
address=http://127.0.0.1:$port
ask() { curl -sf --max-time 20 "$@"; }

status=0
timeout 5 prlimit --as=$((limit / 2)) "$EDDY" serve --port "$port" "$work/www" > /dev/null 2>&1 < /dev/null || status=$?
[ $status != 124 ] || fail "it runs with $((limit / 2)) bytes as well"
prlimit --as=$limit "$EDDY" serve --port "$port" "$work/www" > "$work/said" 2>&1 < /dev/null &
server=$!
for _ in $(seq 100); do
    kill -0 "$server" 2> /dev/null || fail 'the server has stopped'
    [ "$(ask "$address/" 2> /dev/null || true)" = 'served in little' ] && break
    sleep 0.05
done
[ "$(ask "$address/")" = 'served in little' ] || fail 'nothing is served'
ask "$address/large" | cmp - "$work/www/large" || fail 'a file is not whole'
seq 40 | xargs -P 8 -I {} curl -sf --max-time 20 -o "$work/got.{}" "$address/large?{}" || fail 'one of 40 requests failed'
for it in "$work"/got.*; do cmp "$it" "$work/www/large" || fail 'one of 40 files is not whole'; done
peak=$(sed -n 's/^VmPeak:[[:space:]]*//p' "/proc/$server/status")
resident=$(sed -n 's/^VmHWM:[[:space:]]*//p' "/proc/$server/status")
kill "$server"
wait "$server" || fail "it has ended with $?"
server=''
echo "little: served in 2 MiB, of which $peak were taken at most and $resident touched"
