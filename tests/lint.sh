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
sources 'platform/*.[ch]' | xargs -r grep -H -nE '#include "\.\.' |
    complain 'platform/ includes its own headers, and <eddy/…> for types:'
sources 'src/core/*.[ch]' | xargs -r grep -H -nE '#include ("\.\./[^.]|<eddy/(pool|work|file|stream|tcp)\.h)' |
    complain 'src/core includes platform and include only, and there nothing of a module above it:'
sources 'src/work/*.[ch]' 'src/net/*.[ch]' 'src/proc/*.[ch]' | xargs -r grep -H -nE '#include "\.\./(cmd|proc)|#include "\.\./\.\./tests' | complain 'src/work, src/net and src/proc include the core:'
sources 'src/http/*.[ch]' 'src/cmd/*.[ch]' 'docs/examples/*.c' 'tests/bench/*.c' | xargs -r grep -H -nE '#include "\.\./|#include "(loop|os|backend)\.h"' | complain 'programs and examples use the public headers only:'

pure='(accept|access_line|conditional|etag|listing_order|listing_page|mime|mime_tables|multipart|page_frame|policy|range|status_page|text|wants_page)\.'
sources 'src/cmd/serve/*.[ch]' | grep -E "/$pure" | xargs -r grep -H -nE '#include "' | grep -vE "\"$pure" |
    complain 'what is pure about files behind HTTP includes nothing else of the server:'

# A name is that of one file and its header, so that a #include "…" leads to one file.
sources 'src/*.[ch]' 'platform/*.[ch]' | sed 's/\.[ch]$//' | sort -u |
    awk -F/ '$NF in path {print path[$NF] " and " $0} {path[$NF] = $0}' |
    complain 'no two files have the same name:'

# Which file of src/ includes which: two paths a line.
edges=$(mktemp) && trap 'rm -f "$report" "$edges"' EXIT
{ sources 'src/*.[ch]'; sources 'src/*.[ch]' | xargs -r grep -H '^ *# *include *"'; } | awk -F'"' '
    NF == 1 {name = $0; sub(/.*\//, "", name); path[name] = $0; next}
    {from = $1; sub(/:.*/, "", from); name = $2; sub(/.*\//, "", name)}
    name in path {print from, path[name]}' > "$edges"
# In the core each file counts alone: its loop.h holds a struct of each module, which the header of
# that module defines, and all its .c files see the whole loop.
sed -E 's/^(src\/core\/.*) /\1= /; s/ (src\/core\/.*)$/ \1=/; s/\.[ch]( |$)/\1/g; s/=//g' "$edges" | sort -u |
    tsort 2>&1 > /dev/null | complain 'a file and its header include no file that leads back to them:'
awk '{from = $1; to = $2; sub(/[^\/]*$/, "", from); sub(/[^\/]*$/, "", to)}
    to ~ /^src\/cmd\/./ && to != from && $1 != "src/cmd/main.c" {print $1 ": " $2}' "$edges" |
    complain 'a folder of src/cmd includes itself and what the commands share:'

# The core names no module above it (src/core/part.h): neither what their headers declare, nor a
# public function of theirs, nor a field of theirs in the loop.
own=$(sources 'src/core/*.h' | xargs -r grep -ohE '\beddy__[a-z0-9_]+' | sort -u)
above=$(sources 'src/*.h' | grep -vE '^src/(core|cmd)/' | xargs -r grep -ohE '\beddy__[a-z0-9_]+|\bstruct [a-z_]+_part\b' |
    sort -u | grep -vxF -e "$own" | paste -sd '|' -)
folders=$(git ls-files src | cut -d/ -f2 | grep -vE '^core$|\.' | sort -u | paste -sd '|' -)
modules='pool|work|file|scan|stream|write|tcp|listener|address|lookup|udp|child|terminal|resize|watch|http'
sources 'src/core/*.[ch]' | xargs -r grep -H -nE "\b($above|eddy_($modules)_[a-z_]+)\b|src/($folders)\b" |
    complain 'src/core names nothing of a module above it:'
sed -n '/^struct eddy_loop {/,/^}/p' src/core/loop.h | grep -nE '\b(pool|work|job|file|stream|net|read|write|tcp|listener)s?(_[a-z_]+)?;' |
    complain 'struct eddy_loop has no field of a module above the core:'

# Every call of a function that the user gave goes through the gate (src/core/callback.h); those of
# src/http are made in callbacks of the loop that have gone through it. What stands
# in the brackets of a CALLBACK is taken out, over lines, and the rest must call none.
sources 'src/*.c' 'src/*.h' | grep -vE '^src/(cmd|http)/|^src/core/callback\.h' | xargs -r awk '
    function check(   at, depth, i, c, count, lines) {
        gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, "", text)
        while ((at = index(text, "CALLBACK(")) > 0) {
            depth = 0
            for (i = at + 8; i <= length(text); i++) {
                c = substr(text, i, 1)
                if (c == "(") depth++
                if (c == ")" && --depth == 0) break
            }
            text = substr(text, 1, at - 1) substr(text, i + 1)
        }
        count = split(text, lines, "\n")
        for (i = 1; i <= count; i++)
            if (lines[i] ~ /(->|\.|[^a-z_>.])(fn|[a-z]+(_[a-z]+)*_fn|done|visit)\(/) print name ": " lines[i]
        text = ""
    }
    FNR == 1 {check(); name = FILENAME}
    {text = text $0 "\n"}
    END {check()}' | complain 'a function of the user is called through CALLBACK:'

# Which system it is, only platform/ knows.
sources 'src/*.[ch]' 'include/*.h' |
    xargs -r grep -H -nE '^ *# *(if|ifdef|ifndef|elif).*(__linux__|__APPLE__|__FreeBSD__|__NetBSD__|__OpenBSD__|_WIN32|HAVE_)' |
    complain 'no system is named in an #if under src/ or include/:'
# The bench has a loop by hand, which the build leaves out where there is no epoll.
sources 'src/*.[ch]' 'include/*.h' 'docs/examples/*.c' | grep -vx 'src/cmd/bench/loops_epoll.c' |
    xargs -r grep -H -nE '\b(SOCK_NONBLOCK|SOCK_CLOEXEC|MSG_NOSIGNAL|ENODATA|accept4|pipe2|sys/epoll\.h|sys/eventfd\.h)\b' |
    complain 'what some systems lack is for platform/ alone:'
sources 'src/*.[ch]' 'platform/*.[ch]' 'include/*.h' | xargs -r grep -H -nE '\b(_Thread_local|__thread|thread_local)\b' |
    grep -vE '^src/(cmd/|core/check\.c)' | complain 'what a signal handler may call has no thread-local variables, which may allocate:'
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

# The field's word, not a picture of one (docs/words.md): waiting marker, wake-up, leaked registration,
# armed and disarmed, interest, idle period. A word counts also as a part of a name. These may stay: a
# one-shot, a hang-up, a program that hangs; and a ring, be it of requests (io_uring), of records or of
# sockets.
pictures='bells?|ringing|hangs?|hung|hanging|ghosts?|haunt(s|ed)?|laid|shots?|loaded|spent|spells?|wish(es|ed)?|seats?|stocks?'
git grep -niE "(^|[^[:alpha:]])($pictures)([^[:alpha:]]|\$)" -- include src platform tests docs README.md \
    ':!docs/plots' ':!tests/fuzz/corpus' ':!tests/lint.sh' | awk -F: -v pictures="(^|[^a-z])($pictures)([^a-z]|\$)" '
        {text = tolower(substr($0, length($1 $2) + 3))}
        {gsub(/one[-_ ]?shots?|h[au]ng(s|ing)?[- _]?ups?|(it|that) hangs?|rings? of|ring[- _]buffers?|workload_ring|spent\(/, "", text)}
        $1 ~ /^(src\/cmd\/bench\/|tests\/bench\/|docs\/11-|tests\/cmd\/bench\.c|tests\/sim\/(channel|ledger|kernel_names)\.)/ {gsub(/rings?/, "", text)}
        text ~ pictures' | complain "the field's word instead of a picture:"
git grep -nE '\b(TODO|FIXME|XXX|HACK)\b' -- include src platform tests docs README.md ':!tests/lint.sh' | complain 'left-overs:'

if command -v clang-format > /dev/null; then
    for file in $(sources '*.c' '*.h'); do
        clang-format "$file" | cmp -s - "$file" || echo "$file"
    done | complain 'not as clang-format writes it:'
fi

if [ -n "$build" ]; then
    [ -e "$build/src/libeddy.so" ] || echo "$build/src/libeddy.so" | complain 'not built, so that its symbols were not looked at:'
    python3 tests/symbols.py "$build" | grep -v '^symbols: ' | complain 'each public function has its version:'
    nm -D --defined-only "$build"/src/libeddy.so | awk '$2 != "A" {print $3}' | grep -v '^eddy_' |
        complain 'the shared library exports eddy_ names only:'
    nm -D --defined-only "$build"/src/libeddy.so | awk '{print $3}' | grep -E '^eddy_(_|os_|backend_(epoll|kqueue|poll|select|io_uring|table))' |
        complain 'the shared library exports no inner names:'
    nm -g --defined-only "$build"/src/libeddy.a | awk 'NF == 3 {print $3}' | grep -vE '^eddy_|^_\.stapsdt\.base$' | # the latter is of USDT notes
        complain 'the static library has no global names but eddy_:'
    nm -u "$build"/src/libeddy.a | awk '
        /^[^ ].*:$/ {is_platform = /platform/; name = $0}
        is_platform && $NF ~ /^eddy_/ && $NF !~ /^eddy_(os_|backend_(table|epoll|kqueue|poll|select|io_uring)$)/ {print name " " $NF}' |
        complain 'platform/ calls nothing of src:'

    # What a header calls private no program uses: they compile where it has another name.
    hidden=$(mktemp -d) && trap 'rm -rf "$report" "$edges" "$hidden"' EXIT
    cp -R include/. "$hidden"
    for header in include/eddy/*.h; do
        awk '
            /^(typedef )?struct eddy_(handle|io|timer|hook|defer|wake|signal|resize|post|work|queue|file|write|stream|listener|label) \{/ {name = $0}
            /^\}/ {name = ""}
            name != "" {
                is_public = /^ *eddy_handle handle;/ || (/ eddy_io io;/ && name ~ /eddy_(stream|listener) /) ||
                    (/ eddy_signal signal;/ && name ~ /eddy_resize /) ||
                    (/\*stream;/ && name ~ /eddy_write /) || (/ result;/ && name ~ /eddy_file /)
                if (!is_public) gsub(/[a-z_]+[;,]/, "private_&")
            }
            {print}' "$header" > "$hidden/eddy/${header##*/}"
    done
    pq=$(pkg-config --cflags libpq 2> /dev/null)
    pkg-config --exists hiredis 2> /dev/null && redis=there || redis=
    for file in $(sources 'src/cmd/*.c' 'docs/examples/*.c' 'tests/package/*.c'); do
        case $file in # what is not there to look at
        docs/examples/http_query.c | docs/examples/postgres.c) [ -n "$pq" ] || continue ;;
        docs/examples/redis.c) [ -n "$redis" ] || continue ;;
        esac
        # shellcheck disable=SC2086 # several flags
        ${CC:-cc} $pq -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I"$hidden" -Isrc/cmd -Isrc/cmd/bench -I"$build"/src/cmd/bench -Isrc/cmd/serve -Isrc/cmd/show \
            -w -fsyntax-only "$file" 2>&1 | grep 'error:' | grep -vE ': (sqlite3\.h|curl/curl\.h|ares\.h|eddy\.c): No such file'
    done | complain 'programs and examples use no private field:'

    # All files of the library are one, too: names that are static to a file do not clash.
    awk -F'"' '$2 == "command" {command = $4} $2 == "file" {file = $4}
        $2 == "output" && $4 ~ /^src\/libeddy\.[^/]*\.p\// {print file; commands[++count] = command}
        END {print "=" commands[1]}' "$build"/compile_commands.json > "$edges"
    flags=$(sed -n 's/^=//p' "$edges" | grep -oE -- ' -[DI][^ ]+')
    # shellcheck disable=SC2086 # several flags
    sed -n 's/^[^=].*/#include "&"/p' "$edges" | (cd "$build" && ${CC:-cc} -std=c11 -Wall -Wextra -Werror \
        $flags -fsyntax-only -x c - 2>&1) | complain 'all files of the library compile as one:'
fi
cat "$report"
[ ! -s "$report" ] && echo "lint: nothing to complain about"
