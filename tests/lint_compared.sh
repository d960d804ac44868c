#!/bin/sh
# lint_compared.sh [DIRECTORY]: docs/compared.md has a row for each function of libuv, libev, libeio and
# libevent, and for each macro with arguments; and names nothing of eddy that its headers have not.
# The names are those of the headers in DIRECTORY (/usr/include), and those that tests/compared lists:
# of newer releases, and of libeio, which Debian has not. Prints what is missing; exit status 1 if
# anything is, else 77 if there was a header less to look at.
cd "$(dirname "$0")/.." || exit 2
include=${1:-/usr/include}
page=docs/compared.md
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
touch "$work/report"
status=0

# The names between backticks in the first column of a table.
grep '^|' "$page" | cut -d '|' -f 2 | grep -oE '`[A-Za-z_][A-Za-z0-9_]*`' | tr -d '`' | LC_ALL=C sort -u > "$work/rows"

# look LIBRARY PATTERN HEADER…: PATTERN is how its names begin. The first header has to be there.
look() {
    library=$1 pattern=$2
    shift 2
    if [ ! -f "$1" ] && [ "$library" != libeio ]; then
        echo "lint_compared: $1 is not there; of $library only what tests/compared lists" >&2
        status=77
    fi
    {
        grep -v '^#' "tests/compared/$library.txt"
        for header in "$@"; do
            [ ! -f "$header" ] || awk -f tests/compared/names.awk "$header" | grep -E "^($pattern)"
        done
    } | LC_ALL=C sort -u | LC_ALL=C comm -23 - "$work/rows" |
        sed "s|^|$page: no row has this one of $library: |" >> "$work/report"
}
look libuv 'uv_[a-z]|UV_[A-Z]' "$include"/uv.h "$include"/uv/unix.h "$include"/uv/threadpool.h \
    "$include"/uv/errno.h "$include"/uv/version.h
look libev 'ev_[a-z]|EV_[A-Z]' "$include"/ev.h
look libeio 'eio_[a-z]|EIO_[A-Z]' "$include"/eio.h
look libevent '(buffer)?ev[a-z]*_[a-z]|encode_int|libevent_|(signal|timeout)_[a-z]|(BEV|EV[A-Z]*)_[A-Z]' \
    "$include"/event2/event.h "$include"/event2/*.h

# What eddy has: a name, or the beginning of names.
grep -ohE '\b(eddy|EDDY)_[A-Za-z0-9_]*' -r include | LC_ALL=C sort -u > "$work/eddy"
grep -oE '\b(eddy|EDDY)_[A-Za-z0-9_]*' "$page" | LC_ALL=C sort -u | LC_ALL=C comm -23 - "$work/eddy" |
    while read -r name; do
        case $name in *_) grep -q "^$name." "$work/eddy" && continue ;; esac
        echo "$page: no public header has $name"
    done >> "$work/report"

if [ -s "$work/report" ]; then
    cat "$work/report"
    exit 1
fi
[ $status != 0 ] || echo 'lint_compared: nothing to complain about'
exit $status
