#!/usr/bin/env bash
# budget.sh PROGRAM [BACKEND]: what `eddy serve` asks of the kernel, counted by strace, is within a
# budget: for each of a thousand requests for a cached file one call each to wait, receive, open,
# stat, read, close and send; for a hundred requests at once less; for a second of idleness none.
# Only counts are looked at. Exit status: 0 within, 1 not, 77 (skipped) if it cannot be tried here.
set -u

program=$(realpath "${1:?usage: budget.sh PROGRAM [BACKEND]}")
backend=${2:-epoll}
skip() { echo "budget: skipped, $1"; exit 77; }
command -v strace > /dev/null || skip 'there is no strace'
command -v curl > /dev/null || skip 'there is no curl'
"$program" backends | grep -q "^$backend cannot" && skip "this system refuses $backend"
work=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || { kill -TERM "$server" && wait "$server"; } 2> /dev/null
    rm -rf "$work"
}
trap finish EXIT
strace -o "$work/true" true 2> /dev/null || skip 'tracing is not allowed'

mkdir "$work/site"
cd "$work/site" || exit 2
head -c 1024 /dev/zero | tr '\0' x > file
for mark in begin-one end-one begin-pipeline end-pipeline; do : > "$mark"; done
trace=$work/trace
# A process that is traced cannot look for leaks.
export ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0
strace -D -f -qq -o "$trace" "$program" serve --port 0 --backend "$backend" "$work/site" 2> "$work/banner" &
server=$!
for _ in $(seq 200); do
    port=$(sed -n 's|.*http://.*:\([0-9]*\)/.*|\1|p' "$work/banner")
    [ -n "$port" ] && break
    sleep 0.1
done
[ -n "$port" ] || { echo 'budget: the program does not start'; exit 1; }
url=http://127.0.0.1:$port

# What the server's thread called between two marks, which are opened files; a call that another
# thread interrupts has two lines, of which the first counts.
calls() { # begin, end
    awk -v pid="$server" -v from="\"$1\"" -v to="\"$2\"" '
        $1 == pid && index($0, "open") && index($0, to) {exit}
        inside && $1 == pid && $2 != "<..." {sub(/\(.*/, "", $2); print $2}
        $1 == pid && index($0, "open") && index($0, from) {inside = 1}' "$trace" |
        sed -E -e 's/^(epoll_p?wait2?|ppoll|poll|pselect6|select|io_uring_enter)(_time64)?$/wait/' \
            -e 's/^(recv|recvmsg|recvfrom)$/recv/' -e 's/^(send|sendmsg|sendto)$/send/'
}

failed=0
within() { # what, how many, at most
    local verdict=ok
    [ "$2" -le "$3" ] || { verdict=BAD; failed=1; }
    printf '  %-10s %6d of %6d  %s\n' "$1" "$2" "$3" "$verdict"
}
# The calls of the list, each with its budget, and all others together.
expect() { # title, file of calls, "name count" …, others
    echo "$1 ($backend):"
    local pair known=
    for pair in "${@:3:$#-3}"; do
        within "${pair% *}" "$(grep -cx "${pair% *}" "$2")" "${pair#* }"
        known+="^${pair% *}\$|"
    done
    within others "$(grep -cvE "${known%|}" "$2")" "${!#}"
}

# --- A thousand requests of one client, one after the other ---

curl -sf "$url/begin-one" "$url/file?[1-1000]" "$url/end-one" > "$work/answers" || failed=1
[ "$(wc -c < "$work/answers")" = 1024000 ] || { echo 'budget: answers are missing'; failed=1; }
calls begin-one end-one > "$work/one"
grep -E '^[0-9]+ +(openat2|preadv2|statx)\(' "$trace" | grep -qE 'EOPNOTSUPP|ENOSYS' &&
    skip 'this system or file system cannot open or read without waiting'
# Once a second a file is looked at before it is opened: three calls more (known_files.h).
# The two marks are files as well; an answer of theirs is cut by the marks. What else there is comes
# from the C library or a sanitizer, now and then.
expect 'a thousand requests' "$work/one" 'wait 1001' 'recv 1001' 'openat2 1020' 'statx 1021' \
    'fcntl 1005' 'preadv2 1001' 'close 1021' 'send 1001' 20

# --- A second in which nothing happens, with a client that holds its connection ---

exec {idle}<> "/dev/tcp/127.0.0.1/$port"
lines() { grep -c "^$server " "$trace"; }
for _ in $(seq 100); do
    settled=$(lines)
    sleep 0.1
    [ "$settled" != "$(lines)" ] || break
done
sleep 1
echo "a second of idleness ($backend):"
within calls $(($(lines) - settled)) 0
exec {idle}>&-

# --- A hundred requests in one go ---

curl -sf "$url/begin-pipeline"
exec {connection}<> "/dev/tcp/127.0.0.1/$port"
requests=
for _ in $(seq 99); do requests+=$'GET /file HTTP/1.1\r\nHost: t\r\n\r\n'; done
cat <<< "$requests"$'GET /file HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r' >&"$connection"
answers=$(grep -o 'HTTP/1.1 200 OK' <&"$connection" | wc -l)
exec {connection}>&-
[ "$answers" = 100 ] || { echo "budget: $answers answers of 100"; failed=1; }
curl -sf "$url/end-pipeline"
calls begin-pipeline end-pipeline > "$work/pipeline"
expect 'a hundred requests at once' "$work/pipeline" 'wait 50' 'recv 10' 'openat2 104' 'statx 105' \
    'fcntl 105' 'preadv2 101' 'close 109' 'send 45' 25
exit "$failed"
