#!/bin/sh
# http_hello.sh PROGRAM: docs/examples/http_hello.c answers, and ends when it has answered often
# enough. Exit status 77: there is no curl.
set -u
command -v curl > /dev/null || { echo 'http_hello: skipped, there is no curl'; exit 77; }
out=$(mktemp) && trap 'rm -f "$out"' EXIT
"$1" 2 > "$out" &
server=$!
for _ in $(seq 200); do
    url=$(sed -n 's|^\(http://.*/\)$|\1|p' "$out")
    [ -n "$url" ] && break
    sleep 0.1
done
[ "$(curl -s "$url")" = 'Hello, world!' ] || exit 1
[ "$(curl -s -o /dev/null -w '%{http_code}' -X POST "$url")" = 405 ] || exit 1
[ "$(curl -s "${url}anything/below")" = 'Hello, world!' ] || exit 1
wait "$server"
