#!/bin/sh
# machines.sh MACHINE [SUITE[@BACKEND]|TEST…]: the library, and the tests of these suites, on another machine than this one:
# armhf, i686, mips (big-endian), s390x (big-endian, 64 bits) and riscv64 by Debian's cross compilers
# (gcc-arm-linux-gnueabihf and so on) under qemu-user, i686 by this kernel; and musl, static, with
# musl-gcc. Without a suite the library and the program are compiled, and nothing is run. Warnings are errors.
# For 32 bits widths.sh sees to the sizes of offsets and times. With musl the tests are followed by little.sh: `eddy serve` in 2 MiB.
# BUILD=DIR keeps the build there, JOBS is how many compilers run at once (2), OPTIONS are Meson's (-Dpool=false). Exits
# with 77 (skipped) where the machine's compiler or emulator is missing, with 1 when something fails.
# machines.sh all [SUITE…]: each of them, compiled, and then these suites (unit loop contract net work regress).
#
# A test that fails for what the emulator lacks is named in tests/machines/skip.txt, with the reason.
set -eu

if [ $# = 0 ]; then
    echo 'usage: machines.sh all|armhf|i686|mips|s390x|riscv64|musl [SUITE[@BACKEND]|TEST…]' >&2
    exit 2
fi
machine=$1
shift
if [ "$machine" = all ]; then
    [ $# != 0 ] || set -- unit loop contract net work regress
    failed=''
    for it in i686 s390x mips armhf riscv64 musl; do
        for suites in '' "$*"; do
            status=0
            # shellcheck disable=SC2086 # several suites
            BUILD='' "$0" $it $suites || status=$?
            [ $status = 0 ] || [ $status = 77 ] || failed="$failed $it"
        done
    done
    [ -z "$failed" ] || { echo "machines: failed:$failed"; exit 1; }
    exit
fi
endian=little emulator='' pointer=32 linker=''
case $machine in
# binutils' usual linker (2.40) may send a branch of a static C library to a function that is chosen at its start (strncpy's to
# memcpy) astray: to what stands behind the stub. It depends on where things lie.
armhf) triplet=arm-linux-gnueabihf family=arm emulator=qemu-arm linker=", '-fuse-ld=gold'" ;;
i686) triplet=i686-linux-gnu family=x86 ;;
mips) triplet=mips-linux-gnu family=mips endian=big emulator=qemu-mips ;;
s390x) triplet=s390x-linux-gnu family=s390x endian=big emulator=qemu-s390x pointer=64 ;;
riscv64) triplet=riscv64-linux-gnu family=riscv64 emulator=qemu-riscv64 pointer=64 ;;
musl) triplet='' family=$(uname -m) pointer=64 ;;
*) echo "machines: no machine \"$machine\"" >&2 && exit 2 ;;
esac
cc=${triplet:+$triplet-gcc}
cc=${cc:-musl-gcc}
for needed in "$cc" $emulator meson ninja; do
    command -v "$needed" > /dev/null || { echo "machines: $machine: skipped, there is no $needed"; exit 77; }
done
[ "$machine" != i686 ] || [ "$(uname -m)" = x86_64 ] || { echo 'machines: i686: skipped, not on this processor'; exit 77; }

tree=$(cd "$(dirname "$0")/.." && pwd)
if [ -n "${BUILD:-}" ]; then
    work=$BUILD.files
    mkdir -p "$work"
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' INT TERM
fi
build=${BUILD:-$work/build}
log=$work/log
quietly() { "$@" > "$log" 2>&1 || { grep -v '^\[' "$log"; echo "machines: $machine: FAILED: $1"; exit 1; }; }

# Static, so that the emulator needs no folder of libraries.
{
    printf '[binaries]\nc = %s\n' "'$cc'"
    printf "ar = '%s'\nstrip = '%s'\n" "${triplet:+$triplet-gcc-}ar" "${triplet:+$triplet-}strip"
    [ -z "$emulator" ] || printf "exe_wrapper = '%s'\n" "$emulator"
    printf "pkgconfig = 'pkg-config'\n[properties]\npkg_config_libdir = '%s'\n" "$work/check"
    [ -n "$emulator" ] || printf 'needs_exe_wrapper = false\n'
    printf "[host_machine]\nsystem = 'linux'\ncpu_family = '%s'\ncpu = '%s'\nendian = '%s'\n" \
        "$family" "$family" "$endian"
} > "$work/machine.ini"

tests=false
if [ $# != 0 ]; then
    tests=true
    header=$(pkg-config --variable=includedir check 2> /dev/null)/check.h
    [ -f "$header" ] || { echo "machines: $machine: skipped, there is no check.h"; exit 77; }
    mkdir -p "$work/check"
    cp "$header" "$(dirname "$header")/check_stdint.h" "$work/check"
    "$cc" -std=gnu11 -O1 -Wall -Wextra -Werror -I "$work/check" -c "$tree/tests/machines/check.c" \
        -o "$work/check/check.o"
    ar rc "$work/check/libcheck.a" "$work/check/check.o"
    printf 'Name: check\nDescription: tests\nVersion: 0.15.2\nLibs: -L%s -lcheck\nCflags: -I%s\n' \
        "$work/check" "$work/check" > "$work/check/check.pc"
fi

# The tests are compiled with the library as one file, which takes a third of the time, and without the program.
options='--werror -Dbuildtype=debugoptimized'
[ $tests = false ] || options='--werror -Dbuildtype=plain -Ddebug=false -Doptimization=1 -Damalgamated=true -Dprogram=false'
if [ "$machine" = musl ]; then
    [ $tests = false ] || options='--werror -Dbuildtype=minsize -Ddebug=false -Damalgamated=true'
    # What musl's macros do to signs, they do in whatever file uses them. Debian's has no headers of the kernel,
    # which are the same for all.
    mkdir -p "$work/kernel"
    ln -sfn /usr/include/linux /usr/include/asm-generic "/usr/include/$(gcc -print-multiarch)/asm" "$work/kernel"
    printf "[built-in options]\nc_args = ['-Wno-sign-conversion', '-idirafter', '%s']\n" "$work/kernel" >> "$work/machine.ini"
fi
# shellcheck disable=SC2086 # several options
[ -f "$build/build.ninja" ] || quietly meson setup "$build" "$tree" --cross-file "$work/machine.ini" $options \
    -Ddefault_library=static -Dc_link_args="['-static', '-Wl,--gc-sections'$linker]" \
    -Dtests=$tests -Dexamples=false -Dpages=false -Dman=false -Dusdt=disabled ${OPTIONS:-}
if [ $# = 0 ]; then
    quietly ninja -k 0 -j "${JOBS:-2}" -C "$build"
    [ $pointer = 64 ] || quietly env CC="$cc" "$tree/tests/machines/widths.sh" "$build" $emulator
    echo "machines: $machine: built"
    exit
fi

# Of the suites, what is a program of this machine.
chosen() {
    meson introspect "$build" --tests | python3 -c '
import json, os, sys
what, build, *names = sys.argv[1:]
suites = [{"eddy:" + part for part in name.split("@")} for name in names]
for test in json.load(sys.stdin):
    programs = [it for it in test["cmd"] if it.startswith(build) and ".." not in it]
    scripts = [it for it in test["cmd"] if it.endswith(".py")]
    is_meant = test["name"] in names or any(suite <= set(test["suite"]) for suite in suites)
    if is_meant and programs and not scripts:
        print(test["name"] if what == "tests" else os.path.relpath(programs[0], build))' "$@" | sort -u
}
programs=$(chosen programs "$build" "$@")
[ "$machine" != musl ] || programs="$programs src/cmd/eddy"
[ $pointer = 64 ] || programs="$programs src/libeddy.a"
[ -n "$(chosen tests "$build" "$@")" ] || { echo "machines: $machine: FAILED: no tests of $* in $build"; exit 1; }
# shellcheck disable=SC2086 # several targets
quietly ninja -k 0 -j "${JOBS:-2}" -C "$build" $programs
[ $pointer = 64 ] || quietly env CC="$cc" "$tree/tests/machines/widths.sh" "$build" $emulator

TESTS_SKIP=" $(sed 's/#.*//' "$tree/tests/machines/skip.txt" |
    awk -v machine="$machine" -v emulated="${emulator:+qemu}" \
        '$1 == machine || $1 == emulated {print $2}' | tr '\n' ' ') "
[ -z "$emulator" ] || export EDDY_TEST_SLOW=1
export TESTS_SKIP CK_TIMEOUT_MULTIPLIER="${CK_TIMEOUT_MULTIPLIER:-3}"
# run PROCESSES TEST…; what fails among many others on a busy machine has a second chance, alone.
run() {
    processes=$1
    shift
    meson test -C "$build" --no-rebuild --print-errorlogs -t 3 --num-processes "$processes" "$@" > "$log" 2>&1
}
failed() {
    python3 -c '
import json, sys
for test in map(json.loads, open(sys.argv[1])):
    if test["result"] not in ("OK", "SKIP"): print(test["name"].split(" / ")[-1])' "$build/meson-logs/testlog.json"
}
# shellcheck disable=SC2046 # several tests
if ! run "${PROCESSES:-4}" $(chosen tests "$build" "$@"); then
    counts=$(grep -E '^(Ok|Skipped):' "$log" | tr -s ' \n' ' ')
    alone=$(failed)
    grep -vE '^ *[0-9]+/[0-9]+ .* (OK|SKIP) ' "$log"
    # shellcheck disable=SC2086 # several tests
    if [ "$(echo "$alone" | wc -w)" -gt 5 ] || ! run 1 $alone; then
        grep -vE '^ *[0-9]+/[0-9]+ .* (OK|SKIP) ' "$log"
        echo "machines: $machine: FAILED"
        exit 1
    fi
    echo "machines: $machine: ${counts}and alone: $(echo "$alone" | tr '\n' ' ')of $*"
else
    echo "machines: $machine: $(grep -E '^(Ok|Skipped):' "$log" | tr -s ' \n' ' ')of $*"
fi
if [ "$machine" = musl ]; then EDDY=$build/src/cmd/eddy "$tree/tests/machines/little.sh" || [ $? = 77 ]; fi
