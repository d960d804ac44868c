#!/bin/sh
# coverage.sh [BUILD]: which lines and branches of include, src and platform the tests run. Makes
# the build directory (build-coverage) if it is not there, runs all the tests in it and prints what
# gcovr and coverage.py make of it. Exit status 1 if a test fails or too little is run.
cd "$(dirname "$0")/.." || exit 2
build=${1:-build-coverage}
[ -f "$build/build.ninja" ] ||
    meson setup "$build" -Db_coverage=true -Dbuildtype=debug -Ddefault_library=static \
        -Dc_args=-fprofile-update=atomic > /dev/null || exit 2 # threads count as well
ninja -C "$build" > /dev/null || exit 2
find "$build" -name '*.gcda' -delete
meson test -C "$build" > "$build/coverage-tests.log" 2>&1
tests=$?
[ $tests = 0 ] || grep -E ' (FAIL|TIMEOUT|ERROR) ' "$build/coverage-tests.log"
gcovr --root . --filter include/ --filter src/ --filter platform/ \
    --exclude-branches-by-pattern '.*EDDY_ASSERT\(.*' --json "$build/coverage.json" "$build" \
    2> "$build/coverage-gcovr.log" || { cat "$build/coverage-gcovr.log"; exit 2; }
python3 tests/coverage.py "$build/coverage.json" tests/coverage.txt && [ $tests = 0 ]
