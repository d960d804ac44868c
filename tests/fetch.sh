#!/usr/bin/env bash
# fetch.sh PROGRAM EDDY: docs/examples/fetch.c downloads from an `eddy serve` what is there, says what is
# not, overwrites nothing, and gives up on Ctrl-C without leaving half a file behind.
# Exit status: 77 (skipped) where there is no python3, which plays a server that stops in the middle.
set -u
program=$(realpath "$1") eddy=$(realpath "$2")
command -v python3 > /dev/null || { echo 'fetch: skipped, there is no python3'; exit 77; }
work=$(mktemp -d)
servers=()
finish() {
    [ ${#servers[@]} = 0 ] || { kill "${servers[@]}" && wait "${servers[@]}"; } 2> /dev/null
    rm -rf "$work"
}
trap finish EXIT
fail() { echo "fetch: $1"; cat "$work"/err; exit 1; }
until_there() { # command …
    for _ in $(seq 400); do
        "$@" > /dev/null 2>&1 && return
        sleep 0.05
    done
    fail "never: $*"
}

mkdir "$work/site" "$work/here" && cd "$work/here" || exit 2
for i in $(seq 30); do head -c $((i * 10000)) /dev/urandom > "$work/site/$i.bin"; done
"$eddy" serve "$work/site" -p 0 > "$work/said" 2>&1 &
servers+=($!)
until_there grep -q 'http://' "$work/said"
url=$(grep -oE 'http://[^ ]*:[0-9]+/' "$work/said" | head -1)

"$program" -c 4 "$url"{1..30}.bin > "$work/out" 2> "$work/err" || fail 'a download fails'
for i in $(seq 30); do cmp -s "$i.bin" "$work/site/$i.bin" || fail "$i.bin is another file"; done
[ "$(wc -l < "$work/out")" = 30 ] || fail 'not all are told'

echo mine > 1.bin
"$program" "${url}1.bin" > "$work/out" 2> "$work/err" && fail 'a file is overwritten'
[ "$(cat 1.bin)" = mine ] || fail 'a file is overwritten'
rm -f ./*
"$program" "${url}missing" "${url}2.bin" "http://127.0.0.1:1/refused" > "$work/out" 2> "$work/err" && fail 'no error'
[ "$(ls)" = 2.bin ] || fail "there is $(ls)"
[ "$(grep -c '^fetch: ' "$work/err")" = 2 ] || fail 'not all errors are told'
"$program" > "$work/out" 2> "$work/err"
[ $? = 2 ] || fail 'no usage'
rm -f ./*

python3 -c '
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    client, _ = listener.accept()
    client.recv(4096)
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    kept = globals().setdefault("kept", [])
    kept.append(client)' > "$work/port" &
servers+=($!)
until_there test -s "$work/port"
set -m # or it would ignore Ctrl-C, as a job in the background
"$program" "http://127.0.0.1:$(cat "$work/port")/half" "${url}3.bin" > "$work/out" 2> "$work/err" &
fetch=$!
set +m
until_there test -e half -a -s "$work/out"
kill -INT $fetch
wait $fetch
[ $? = 1 ] || fail 'Ctrl-C does not end it'
[ "$(ls)" = 3.bin ] || fail "there is $(ls)"
echo 'fetch: thirty files, errors, Ctrl-C'
