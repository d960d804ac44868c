#!/usr/bin/env bash
# redis.sh PROGRAM [backend …]: runs a program of tests/adapter with a Redis that this starts and stops, once
# for each backend. Exit status: 77 (skipped) where there is no Redis.
set -u
program=$(realpath "${1:?usage: redis.sh PROGRAM [backend …]}")
shift
. "$(dirname "$(realpath "$0")")/../redis.sh"

export EDDY_TEST_REDIS_PORT=$port EDDY_TEST_REDIS_CONTROL=$control
wrapper=() # `meson test --setup valgrind` looks at this script only
if [ -n "${EDDY_TEST_SLOW:-}" ] && command -v valgrind > /dev/null; then
    wrapper=(valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect
        --show-leak-kinds=definite,indirect)
fi
for backend in "$@"; do
    "${wrapper[@]}" "$program" "$backend" || [ $? = 77 ] || fail "$program $backend"
done
