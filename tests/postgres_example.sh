#!/usr/bin/env bash
# postgres_example.sh PROGRAM: docs/examples/postgres.c against a PostgreSQL that this starts and stops.
# Exit status: 77 (skipped) where there is none.
set -u
program=$(realpath "${1:?usage: postgres_example.sh PROGRAM}")
. "$(dirname "$(realpath "$0")")/postgres.sh"

"$program" "$info" > "$work/out" 2>&1 || fail "it fails: $(cat "$work/out")"
diff "$work/out" - << end || fail 'it says something else'
100 / 4 = 25
ERROR:  division by zero
100 / 2 = 50
examples: the fast ones are done
ERROR:  canceling statement due to user request
end
postgres_stop
"$program" "$info" > "$work/out" 2>&1
grep -q '^postgres: .*failed' "$work/out" || fail "without a server: $(cat "$work/out")"
"$program" > "$work/out" 2>&1
[ $? = 2 ] || fail 'a usage that is wrong'
