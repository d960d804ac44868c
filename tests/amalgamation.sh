#!/bin/sh
# amalgamation.sh BUILD [WARNING…]: what those who compile eddy.c themselves rely on
# (platform/amalgamation): it needs no generated header and agrees with what Meson finds on this
# system; compiles without a warning, whatever is chosen; has the public names and no others; and may
# belong to one file of a program. Compilers: $CC, and clang, which is quick, where there is one.
set -eu
build=$(cd "$1" && pwd)
shift
tree=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
fail() { echo "amalgamation: $1"; exit 1; }
python3 "$tree/platform/amalgamation/amalgamate.py" "$work"
cd "$work"
cc=${CC:-cc}
quick=$(command -v clang || echo "$cc")

# --- What this system has ---
had() { $cc -D_GNU_SOURCE -dM -E -x c "$1" | grep -oE '^#define HAVE_[A-Z0-9_]+' | sort; }
had "$build/platform/eddy_config.h" > asked
had "$tree/platform/amalgamation/eddy_config.h" > named
# Old systems lack what is in a library of its own; nothing else may differ.
diff asked named || fail 'Meson and eddy_config.h do not agree on this system'

# --- No warning, and nothing that is called is missing: all is static, so that a compiler sees it ---
checks() { # compiler flag…
    compiler=$1
    shift
    $compiler -std=c11 "$@" -Werror -fsyntax-only eddy.c || fail "$compiler $*"
}
for choice in '' -DEDDY_NO_HTTP -DEDDY_NO_PROC -DEDDY_NO_NET -DEDDY_NO_POOL '-DEDDY_NO_NET -DEDDY_NO_POOL' \
    '-DEDDY_TINY -DEDDY_NO_POOL' -DEDDY_NO_QUEUES '-DEDDY_TINY -DEDDY_NO_QUEUES' -DEDDY_NO_EPOLL '-DEDDY_NO_EPOLL -DEDDY_NO_SELECT' '-DEDDY_NO_POLL -DEDDY_NO_SELECT' -DEDDY_CHECKS; do
    # shellcheck disable=SC2086 # several words
    checks "$quick" "$@" -Wno-unknown-warning-option -DEDDY_API=static $choice
done
for choice in -DEDDY_OWN_PLATFORM '-DEDDY_OWN_BACKENDS -DEDDY_PLATFORM_ONLY'; do
    # shellcheck disable=SC2086 # several words
    checks "$quick" "$@" -Wno-unknown-warning-option $choice
done
[ "$quick" = "$cc" ] || checks "$cc" "$@"

# --- Behind a header of the system, which was then not asked for what is the system's own ---
if echo '#include <stdio.h>' | $cc -std=c11 -dM -E -x c - | grep -q _FEATURES_H; then
    { echo '#include <stdio.h>' && echo '#include "eddy.c"'; } > late.c
    $cc -std=c11 -I. -fsyntax-only late.c 2> late && fail 'eddy.c behind a header does not say so'
    head -3 late | grep -q 'include eddy.c before the headers' || fail 'the first error is not that of the order'
    $quick -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -I. -fsyntax-only late.c || fail 'eddy.c behind a header'
fi

# --- The public names, and no others ---
# By the guide's Makefile, where there is a make.
sed -n '/<!-- makefile -->/,/^```$/p' "$tree"/docs/21-embedding* | grep -v -e '^<!--' -e '^```' > Makefile
cp "$tree/tests/package/parent.c" program.c
if command -v make > /dev/null; then
    make -s CC="$cc" CFLAGS='-std=c11 -Wall -Wextra -Werror -DPARENT_HAS_EDDY' EDDY="$tree" || fail 'the Makefile of the guide'
else
    $cc -c eddy.c && $cc -DPARENT_HAS_EDDY -I. program.c eddy.o -pthread -o program
fi
./program || fail 'a program with eddy.o'
nm -g --defined-only eddy.o | awk '{print $3}' | sort > has
nm -D --defined-only "$build/src/libeddy.so" | awk '$2 != "A" {sub(/@.*/, "", $3); print $3}' | sort > exported
diff exported has || fail 'the names of eddy.c are not those of the shared library'
# printf would be the only one in many a program; memory is realloc's, and the loop's allocator's.
calls=$(nm -u eddy.o | grep -E 'printf|malloc|calloc|strdup' || true)
[ -z "$calls" ] || fail "the library calls $calls"

# --- Private to one file ---
{ echo '#include "eddy.c"' && cat program.c; } > own.c
"$quick" -std=c11 -Wall -Wextra -Werror -O1 -DEDDY_API=static -I. -c own.c
[ "$(nm -g --defined-only own.o | awk '{print $3}')" = main ] || fail 'EDDY_API=static leaves a name'
$cc own.o -pthread -o own && ./own || fail 'a program that eddy.c is a part of'

# --- The smallest build ---
for compiler in "$cc -Os" "$quick -O0"; do
    # shellcheck disable=SC2086 # several words
    $compiler -std=c11 -Wall -Wextra -Werror -DEDDY_TINY -DEDDY_NO_QUEUES -I. "$tree/tests/package/one_file.c" -o one_file &&
        ./one_file || fail "$compiler: timers and descriptors alone"
done
if command -v musl-gcc > /dev/null; then
    musl-gcc -std=c11 -Os -static -s -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -DEDDY_TINY \
        -DEDDY_NO_QUEUES -I. "$tree/tests/package/smallest.c" -Wl,--gc-sections,-z,noseparate-code,-z,norelro -o smallest
    echo x | ./smallest || fail 'the smallest program'
    [ "$(wc -c < smallest)" -le 24576 ] || fail "the smallest program has $(wc -c < smallest) bytes"
fi

# --- C++ ---
if command -v c++ > /dev/null; then
    echo '#include "eddy.h"' > header.cpp
    c++ -Wall -Wextra -Wpedantic -Werror -fsyntax-only header.cpp || fail 'eddy.h in C++'
fi
echo "amalgamation: $(wc -l < eddy.c) lines, $(wc -l < has) names, one where it is private"
