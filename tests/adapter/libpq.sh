#!/usr/bin/env bash
# libpq.sh PROGRAM [--measure | backend …]: runs a program of tests/adapter against a PostgreSQL that this
# starts and stops, once for each backend. With --measure it only tells what its --measure tells.
# Exit status: 77 (skipped) where there is no PostgreSQL.
set -u
program=$(realpath "${1:?usage: libpq.sh PROGRAM [--measure | backend …]}")
shift
. "$(dirname "$(realpath "$0")")/../postgres.sh"

export EDDY_TEST_PG=$info EDDY_TEST_PG_CONTROL=$control
export EDDY_TEST_PG_TCP="port=$port dbname=postgres user=eddy password=secret"
export EDDY_TEST_PG_TCP_HOST="$EDDY_TEST_PG_TCP host=127.0.0.1"
# `meson test --setup valgrind` looks at this script only.
wrapper=()
if [ -n "${EDDY_TEST_SLOW:-}" ] && command -v valgrind > /dev/null; then
    wrapper=(valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect
        --show-leak-kinds=definite,indirect)
fi
for backend in "$@"; do
    "${wrapper[@]}" "$program" "$backend" || [ $? = 77 ] || fail "$program $backend"
done
