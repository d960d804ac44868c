#!/usr/bin/env bash
# http_query.sh PROGRAM [--measure]: docs/examples/http_query.c against a real PostgreSQL, which this starts and
# stops: a hundred requests ask at once and run at once, others are served meanwhile, and the program
# gets over cancelled queries and a database that goes away. Nothing of that looks at the time; with
# --measure it only tells how long a hundred queries of a second take, with 100 connections, with 10,
# and from one client that waits for each (chapter 13).
# Exit status: 77 (skipped) where there is no PostgreSQL, no curl, or no user to run it as.
set -u

program=$(realpath "${1:?usage: http_query.sh PROGRAM}")
command -v curl > /dev/null || { echo 'http_query: skipped, there is no curl'; exit 77; }
. "$(dirname "$(realpath "$0")")/postgres.sh"

server=
finish_first() { [ -z "$server" ] || { kill -TERM "$server" && wait "$server"; } 2> /dev/null; }

begin() { # connections
    "$program" "$info" "$1" > "$work/out" 2> "$work/err" &
    server=$!
    for _ in $(seq 200); do
        url=$(url_of)
        [ -n "$url" ] && break
        sleep 0.1
    done
    until_is "$1" connected
}
url_of() { sed -n 's|^\(http://.*/\)$|\1|p' "$work/out"; }
connected() { curl -s "$url" | sed 's/ .*//'; }
sleeping() { sql "select count(*) from pg_stat_activity where query like '%pg_sleep%' and state = 'active' and pid <> pg_backend_pid()"; }

ask() { # requests, seconds
    curl -s -m 150 --parallel --parallel-immediate --parallel-max "$1" -o /dev/null -w '%{http_code}\n' "${url}sleep?seconds=$2&i=[1-$1]" 2> /dev/null
}

if [ "${2:-}" = --measure ]; then
    TIMEFORMAT='%R s'
    for connections in 100 10; do
        begin $connections
        echo "100 queries of 1 s at once, $connections connections, one thread:"
        time ask 100 1 > /dev/null
        { kill -TERM "$server" && wait "$server"; } 2> /dev/null
    done
    server=
    echo '10 queries of 1 s, from a client that waits for each:'
    time for _ in $(seq 10); do sql 'select pg_sleep(1)'; done > /dev/null
    exit
fi

begin 100
# One connection of a client for each, so that all ask at once; one thread waits for all of them.
ask 100 600 > "$work/codes" &
clients=$!
until_is 100 sleeping
[ "$(connected)" = 100 ] || fail 'nobody else is served meanwhile'
[ "$(grep -c '^Threads:[[:space:]]*1$' "/proc/$server/status")" = 1 ] || fail 'there are several threads'
sql "select pg_cancel_backend(pid) from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid()" > /dev/null
wait "$clients"
[ "$(grep -c 503 "$work/codes")" = 100 ] || fail "a cancelled query: $(sort "$work/codes" | uniq -c)"
curl -s "${url}sleep?seconds=0" | grep -q '^slept 0 s' || fail 'no answer after that'
curl -s "${url}sleep?seconds=nonsense" | grep -q 'invalid input syntax' || fail 'no error of the database'

# Clients that leave while they wait, or while they are asked for.
curl -s -m 0.3 --parallel --parallel-immediate --parallel-max 150 -o /dev/null "${url}sleep?seconds=2&i=[1-150]" 2> /dev/null
[ "$(connected)" = 100 ] || fail 'it does not get over clients that leave'

# The database goes away under a query, and comes back.
until_is 0 sleeping
curl -s -m 120 -o /dev/null -w '%{http_code}' "${url}sleep?seconds=600" > "$work/code" &
client=$!
until_is 1 sleeping
postgres_stop
wait "$client"
[ "$(cat "$work/code")" = 503 ] || fail "a query whose database has gone: $(cat "$work/code")"
until_is 0 connected
postgres_start
until_is 100 connected
curl -s "${url}sleep?seconds=0" | grep -q '^slept 0 s' || fail 'no answer after the database came back'
grep -v '^WARNING' "$work/err" && fail 'it complains' # which is what libpq passes on
echo 'http_query: a hundred queries at once, and all that can go wrong'
