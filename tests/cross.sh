#!/bin/sh
# cross.sh: compiles and links the library and the program, kqueue included, and the library as one file,
# for systems that we do not have, with the `zig` on the PATH as the compiler. Nothing is run. Exits with 77 (skipped)
# when there is no zig, and with 1 when a target fails. A target whose C library this zig does not
# bring is named and left out.
#
#   tests/cross.sh [TARGET…]      the targets of zig's -target; default: those below
set -eu

targets=${*:-"x86_64-macos aarch64-macos
  x86_64-freebsd aarch64-freebsd x86_64-netbsd aarch64-netbsd x86_64-openbsd aarch64-openbsd
  x86_64-linux-musl arm-linux-musleabihf powerpc-linux-musleabihf"}

if ! command -v zig >/dev/null; then
    echo "cross: skipped, there is no zig on the PATH"
    exit 77
fi
tree=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work" # compilers leave things where they run

# And the library as one file, of whose platform no build has asked anything.
python3 "$tree/platform/amalgamation/amalgamate.py" "$work"
alone() {
    # shellcheck disable=SC2086 # several options
    zig cc -target "$1" -std=c11 -O1 -Wall -Wextra -Wpedantic -Wconversion $lenient -Werror -c "$work/eddy.c" -o "$work/eddy.o"
}

printf '#include <pthread.h>\n#include <sys/types.h>\nint main(void) { return 0; }\n' >"$work/probe.c"

passed=0 failed=0 left_out=0
for target in $targets; do
    log=$work/$target.log
    if ! zig cc -target "$target" "$work/probe.c" -o "$work/probe" >"$log" 2>&1; then
        echo "cross: $target: left out, zig $(zig version) has no C library for it"
        left_out=$((left_out + 1))
        continue
    fi
    cpu=${target%%-*} rest=${target#*-}
    system=${rest%%-*} endian=little wanted=all
    # zig's stand-in for musl's shared library lacks the calls with 64 bits of time that 32-bit
    # systems have beside the others: there only the program is linked, to the static one.
    case $cpu in
    arm) wanted=src/cmd/eddy ;;
    powerpc) cpu=ppc endian=big wanted=src/cmd/eddy ;;
    esac
    if [ "$system" = macos ]; then system=darwin; fi
    # What musl's own macros do, they do in whatever file uses them.
    lenient=''
    case $rest in *musl*) lenient='-Wno-sign-conversion -Wno-sign-compare -Wno-cast-align' ;; esac
    # Counters of 64 bits are a call there.
    if [ "$cpu" = ppc ]; then lenient="$lenient -Wno-atomic-alignment"; fi
    # Meson asks the linker for its name, and does not know the one that zig answers with.
    linker='LLD 16 (compatible with GNU linkers)'
    if [ "$system" = darwin ]; then linker='LLD 16'; fi
    cat >"$work/cc-$target" <<END
#!/bin/sh
case "\$*" in *-Wl,--version*) echo '$linker' && exit ;; esac
exec zig cc -target '$target' "\$@"
END
    chmod +x "$work/cc-$target"
    cat >"$work/$target.ini" <<END
[binaries]
c = '$work/cc-$target'
ar = ['zig', 'ar']
strip = 'true'
[built-in options]
c_args = '$lenient'
[host_machine]
system = '$system'
cpu_family = '$cpu'
cpu = '$cpu'
endian = '$endian'
END
    # An error for every warning, and for every function that the system does not have.
    if meson setup "$work/build-$target" "$tree" --cross-file "$work/$target.ini" \
        -Dtests=false -Dexamples=false -Dbuildtype=debugoptimized -Dwerror=true >>"$log" 2>&1 &&
        ninja -k 0 -C "$work/build-$target" "$wanted" >>"$log" 2>&1 &&
        alone "$target" >>"$log" 2>&1; then
        backends=$(sed -n 's/.*{\(.*\), NULL};/\1/; s/&eddy_backend_//gp' \
            "$work/build-$target/platform/table.c")
        echo "cross: $target: built, with $backends"
        passed=$((passed + 1))
    else
        echo "cross: $target: FAILED"
        grep -v "^\[" "$log"
        failed=$((failed + 1))
    fi
done
echo "cross: $passed built, $failed failed, $left_out left out"
[ "$failed" -eq 0 ]
