#!/bin/sh
# lint.sh [BUILD]: the rules of the house that a machine can see. With a build directory, the symbols
# of its libraries are looked at as well. Prints what is wrong; exit status 1 if anything is.
cd "$(dirname "$0")/.." || exit 2
build=${1:-}
report=$(mktemp) && trap 'rm -f "$report"' EXIT
complain() { # title; the findings come on standard input
    found=$(cat)
    [ -z "$found" ] || printf '%s\n%s\n\n' "$1" "$found" >> "$report"
}
sources() { git ls-files -- "$@"; }

# Who may include whom.
sources 'include/*.h' | xargs -r grep -H -nE '#include "' | complain 'include/ includes public headers only, as <eddy/…>:'
sources 'platform/*.[ch]' | xargs -r grep -H -nE '#include (<eddy|"\.\.)' | complain 'platform/ includes only its own headers:'
sources 'src/core/*.[ch]' | xargs -r grep -H -nE '#include "\.\./(work|net|proc|cmd)' | complain 'src/core includes platform and include only:'
sources 'src/work/*.[ch]' 'src/net/*.[ch]' | xargs -r grep -H -nE '#include "\.\./(cmd|proc)|#include "\.\./\.\./tests' | complain 'src/work and src/net include the core:'
sources 'src/cmd/*.[ch]' 'docs/examples/*.c' 'tests/bench/*.c' | xargs -r grep -H -nE '#include "\.\./|#include "(loop|os|backend)\.h"' | complain 'programs and examples use the public headers only:'

sources 'src/cmd/serve/http_*.[ch]' | xargs -r grep -H -nE '#include "' | grep -v '"http_' |
    complain 'what is pure about HTTP includes nothing else of the server:'

# A name is that of one file and its header, so that a #include "…" leads to one file. The system's
# half of two modules is still called as the library's.
halves='file|signal'
{ sources 'src/*.[ch]'; sources 'platform/*.[ch]' | grep -vE "/($halves)\.c\$"; } | sed 's/\.[ch]$//' | sort -u |
    awk -F/ '$NF in path {print path[$NF] " and " $0} {path[$NF] = $0}' |
    complain 'no two files have the same name:'

# Which file of src/ includes which: two paths a line.
edges=$(mktemp) && trap 'rm -f "$report" "$edges"' EXIT
{ sources 'src/*.[ch]'; sources 'src/*.[ch]' | xargs -r grep -H '^ *# *include *"'; } | awk -F'"' '
    NF == 1 {name = $0; sub(/.*\//, "", name); path[name] = $0; next}
    {from = $1; sub(/:.*/, "", from); name = $2; sub(/.*\//, "", name)}
    name in path {print from, path[name]}' > "$edges"
sed 's/\.[ch] / /; s/\.[ch]$//' "$edges" | sort -u | tsort 2>&1 > /dev/null |
    complain 'a file and its header include no file that leads back to them:'
awk '{from = $1; to = $2; sub(/[^\/]*$/, "", from); sub(/[^\/]*$/, "", to)}
    to ~ /^src\/cmd\/./ && to != from && $1 != "src/cmd/main.c" {print $1 ": " $2}' "$edges" |
    complain 'a folder of src/cmd includes itself and what the commands share:'

# Which system it is, only platform/ knows.
sources 'src/*.[ch]' 'include/*.h' |
    xargs -r grep -H -nE '^ *# *(if|ifdef|ifndef|elif).*(__linux__|__APPLE__|__FreeBSD__|__NetBSD__|__OpenBSD__|_WIN32|HAVE_)' |
    complain 'no system is named in an #if under src/ or include/:'
sources 'src/*.[ch]' 'include/*.h' 'docs/examples/*.c' |
    xargs -r grep -H -nE '\b(SOCK_NONBLOCK|SOCK_CLOEXEC|MSG_NOSIGNAL|ENODATA|accept4|pipe2|sys/epoll\.h|sys/eventfd\.h)\b' |
    complain 'what some systems lack is for platform/ alone:'
sources 'src/*.[ch]' 'include/*.h' | xargs -r grep -H -nE '\b(getenv|abort|printf|perror)\(' |
    grep -vE '^src/(cmd/|core/assert\.c)' | complain 'the library reads no environment, and neither prints nor aborts:'

# Sizes.
sources 'src/*.[ch]' 'platform/*.[ch]' 'include/*.h' | xargs -r wc -l |
    awk '$2 != "total" && $1 > 400 {print $2 ": " $1 " lines"}' | complain 'a file has at most 400 lines:'
sources 'src/*.c' 'platform/*.c' | xargs -r awk '
    /^[A-Za-z_].*[){,]$/ && !/^(static )?(const )?(struct|enum|union)[^(]*\{$/ {if (!start) {start = FNR; name = $0}}
    /^}/ {if (start && FNR - start > 70) print FILENAME ":" start ": " FNR - start " lines: " name; start = 0}
    /^[A-Za-z_].*;$/ {start = 0}' | complain 'a function has at most 70 lines:'
sources '*.c' '*.h' | xargs -r awk 'length($0) > 100 {print FILENAME ":" FNR ": " length($0) " columns"}' |
    complain 'a line has at most 100 columns:'
[ -f docs/examples/hello.c ] && [ "$(wc -l < docs/examples/hello.c)" -gt 30 ] &&
    echo docs/examples/hello.c | complain 'the README'"'"'s example has at most 30 lines:'

# The house.
git ls-files | cut -d/ -f1 | sort -u |
    grep -vxE 'include|src|platform|tests|docs|meson\.build|meson_options\.txt|README\.md|LICENSE|\..*' |
    complain 'the top level holds what it holds:'
git grep -nE '\b(TODO|FIXME|XXX|HACK)\b' -- include src platform tests docs README.md ':!tests/lint.sh' | complain 'left-overs:'

if command -v clang-format > /dev/null; then
    for file in $(sources '*.c' '*.h'); do
        clang-format "$file" | cmp -s - "$file" || echo "$file"
    done | complain 'not as clang-format writes it:'
fi

if [ -n "$build" ]; then
    nm -D --defined-only "$build"/src/libeddy.so | awk '{print $3}' | grep -v '^eddy_' |
        complain 'the shared library exports eddy_ names only:'
    nm -D --defined-only "$build"/src/libeddy.so | awk '{print $3}' | grep -E '^eddy_(_|os_|backend_(epoll|kqueue|poll|select|table))' |
        complain 'the shared library exports no inner names:'
    nm -g --defined-only "$build"/src/libeddy.a | awk 'NF == 3 {print $3}' | grep -v '^eddy_' |
        complain 'the static library has no global names but eddy_:'
fi
cat "$report"
[ ! -s "$report" ] && echo "lint: nothing to complain about"
