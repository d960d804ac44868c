#!/bin/sh
# widths.sh BUILD [EMULATOR]: a library for 32 bits and programs with other macros than its own. CC is the
# compiler, BUILD a build of the library by it.
# - Without 64 bits of off_t and time_t no file of the library that has to do with files compiles, and it
#   says which macro is missing.
# - No type whose size such a macro chooses is in a public header, and each public struct is as large
#   in a program without these macros as in the library.
# - Such a program writes where it says, beyond 4 GiB, and is told what is there.
set -eu
build=$(cd "$1" && pwd) emulator=${2:-}
tree=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
fail() { echo "widths: $1"; exit 1; }
compile() { "$CC" -std=c11 -D_GNU_SOURCE -I "$tree/include" -I "$tree/platform" -I "$build/platform" "$@"; }

compile_wide() { compile -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 "$@"; }

# --- Refused ---
# refused MACRO FILE [option…]: that this does not compile, and why.
refused() {
    macro=$1 file=$2
    shift 2
    ! compile "$@" -fsyntax-only "$tree/$file" 2> "$work/said" || fail "$file compiles without $macro"
    grep -q "compile the library with -D$macro=64" "$work/said" || { cat "$work/said"; fail "$file says nothing of $macro"; }
}
for file in platform/file_calls.c platform/file_send.c platform/clock.c src/work/file.c src/core/loop.c; do
    refused _FILE_OFFSET_BITS $file
done
compile_wide -fsyntax-only "$tree/platform/file_calls.c" || fail 'the library does not compile with the macros'
# Where the C library has both sizes of time; musl has one of 64 bits alone.
if ! printf '#include <time.h>\n_Static_assert(sizeof(time_t) == 8, "");\n' |
    compile -D_FILE_OFFSET_BITS=64 -xc -fsyntax-only - 2> /dev/null; then
    refused _TIME_BITS platform/file_calls.c -D_FILE_OFFSET_BITS=64
fi

# --- The same for all ---
chosen='off_t|ino_t|time_t|rlim_t|blkcnt_t|fsblkcnt_t|struct (timespec|timeval|stat|rlimit|rusage|dirent|itimerspec|flock)'
if sed 's,/\*.*\*/,,; s,^ \* .*,,; s,/\*.*,,' "$tree"/include/eddy.h "$tree"/include/eddy/*.h | grep -nEw "$chosen"; then
    fail 'a type in a public header has the size that the program chose'
fi
structs=$(sed -nE 's/^(typedef )?struct (eddy_[a-z_]+) \{.*/\2/p' "$tree"/include/eddy/*.h | sort -u)
[ "$(echo "$structs" | wc -l)" -gt 30 ] || fail 'the public structs are not found'
{
    printf '#include <eddy.h>\n#include <eddy/http.h>\nconst unsigned long sizes[] = {\n'
    for it in $structs; do printf 'sizeof(struct %s), _Alignof(struct %s),\n' "$it" "$it"; done
    printf '};\n'
} > "$work/sizes.c"
compile -S "$work/sizes.c" -o "$work/narrow"
# shellcheck disable=SC2086 # two macros
compile_wide -S "$work/sizes.c" -o "$work/wide"
cmp "$work/narrow" "$work/wide" || fail 'a public struct has the size that the program chose'

# --- And done ---
compile -static -Wall -Wextra -Werror "$tree/tests/machines/far.c" "$build/src/libeddy.a" -pthread -latomic -o "$work/far" 2> "$work/said" ||
    compile -static -Wall -Wextra -Werror "$tree/tests/machines/far.c" "$build/src/libeddy.a" -pthread -o "$work/far"
cd "$work"
$emulator ./far || fail 'what is beyond 4 GiB is elsewhere'
