#!/bin/sh
# lint_docs.sh: what the Markdown files point at is there: files and headings that they link to, and
# names in the code that they mention; so are the pages and headers that comments of the code name, and
# what looks like a command can be pasted. Prints what is not so; exit status 1 if there is any.
cd "$(dirname "$0")/.." || exit 2
report=$(mktemp) && trap 'rm -f "$report"' EXIT
pages() { git ls-files -co --exclude-standard '*.md'; }

# Code is not looked at for links, be it indented, fenced or between backticks.
links() {
    sed -E -e '/^```/,/^```/d' -e '/^    /d' -e 's/`[^`]*`//g' "$1" |
        grep -oE '\]\([^)]+\)' | sed -E 's/^\]\(//; s/\)$//' | grep -vE '^[a-z]+:'
}

# The headings of a page as links call them: small letters, no punctuation, a dash for each space.
places() {
    grep -E '^#+ ' "$1" | sed -E 's/^#+ //' | tr '[:upper:]' '[:lower:]' |
        sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'
}

for page in $(pages); do
    for link in $(links "$page"); do
        path=${link%%#*}
        target=$page
        [ -z "$path" ] || target=$(dirname "$page")/$path
        if [ ! -e "$target" ]; then
            echo "$page: $link: no such file" >> "$report"
        elif [ "$link" != "$path" ] && ! places "$target" | grep -qxF -- "${link#*#}"; then
            echo "$page: $link: no such heading" >> "$report"
        fi
    done
done

# A name with an underscore that stands between backticks is a function's, a setting's or a test's, or
# the beginning of such names. Those of other libraries are looked for in their headers and in the
# lists of tests/compared; where these are not installed, and for Node.js, they are believed. So is
# what has a section of the system's manual behind it, name(3).
words=$(mktemp)
others='napi|UV_E[A-Z]+' # libuv's errors are put together by macros
headers=
for header in uv.h uv/unix.h ev.h event2/event.h event2/buffer.h event2/bufferevent.h \
    event2/listener.h; do
    if [ -f "/usr/include/$header" ]; then
        headers="$headers /usr/include/$header"
    else
        others="$others|uv|UV|ev|EV[A-Z]*|event|BEV"
    fi
done
# shellcheck disable=SC2086 # several headers
{
    git grep -ohE '[A-Za-z_][A-Za-z0-9_]*_[A-Za-z0-9_]*' -- include src platform tests docs/examples \
        '*meson.build' meson_options.txt
    cat tests/compared/*.txt $headers | grep -oE '[A-Za-z_][A-Za-z0-9_]*_[A-Za-z0-9_]*'
} | LC_ALL=C sort -u > "$words"
pages | xargs grep -ohE '`[A-Za-z_][A-Za-z0-9_]*[`(][1-8]?' | grep -v '([1-8]$' | tr -d '`(' | grep _ |
    LC_ALL=C sort -u | LC_ALL=C comm -23 - "$words" | grep -vE "NAME|_\$|^($others)(_|\$)" |
    sed 's/$/: named in a page, but nowhere in the code/' >> "$report"
rm -f "$words"

# A page or a file that a comment names by its path.
git grep -noE '(^|[^A-Za-z0-9_/.-])(docs|include|src|platform)/[A-Za-z0-9_/.-]+\.(md|h|c)\>' -- \
    '*.c' '*.h' '*.sh' '*meson.build' .ci | while IFS=: read -r file number name; do
    name=$(echo "$name" | sed -E 's/^[^a-z]//')
    [ -e "$name" ] || echo "$file:$number: $name: no such file"
done >> "$report"

# The rows of a table have as many cells as its head, and the guide's list has each example.
pages | xargs awk -F'|' 'FNR == 1 || !/^\|/ {cells = 0}
    /^\|/ {row = $0; gsub(/`[^`]*`|\\\|/, "", row); n = split(row, cell, "|")
        if (cells && n != cells) print FILENAME ":" FNR ": a row of " n - 2 " cells, not " cells - 2
        cells = n}' >> "$report"
for example in docs/examples/*.c; do
    grep -q "^| .*(examples/${example##*/}).* | .* | " docs/README.md ||
        echo "docs/README.md: no row for $example" >> "$report"
done

# A command of a page, pasted with what is said of it: that must be a comment.
pages | xargs awk '/^(    )?(\.\/)?([A-Z_]+=[^ ]+ )*(build[a-z-]*\/|tests\/|meson |ninja |fuzz\/|cc )/ &&
    /[^ ]  +[^ #\\]/ {print FILENAME ":" FNR ": a command with words behind it: " $0}' >> "$report"

# Pages that show examples whole: page, and which.
shown=$(mktemp)
shows() {
    page=$1
    shift
    sed -n '/^```c$/,/^```$/p' "$page" | grep -v '^```' > "$shown"
    cat "$@" | cmp -s - "$shown" || echo "$page: what it shows is not $*" >> "$report"
}
shows README.md docs/examples/first.c docs/examples/hello.c
shows docs/01-event-loops.md docs/examples/first.c
rm -f "$shown"

[ -s "$report" ] || { echo 'lint_docs: nothing to complain about'; exit 0; }
cat "$report"
exit 1
