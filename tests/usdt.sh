#!/bin/sh
# usdt.sh BINARY: it has a USDT note for each kind of record, with five arguments, and one semaphore for all, so
# that nothing is done for them while nobody listens. Needs readelf.
binary=$(realpath "$1") && cd "$(dirname "$0")/.." || exit 2
command -v readelf > /dev/null || exit 77
notes=$(readelf -n "$binary") || exit 1
fail() { echo "usdt: $1" >&2; exit 1; }

kinds=$(sed -n 's/^    EDDY_TRACE_\([A-Z_]*\),.*/\1/p' include/eddy/trace.h | tr '[:upper:]' '[:lower:]' | sort)
found=$(echo "$notes" | awk '/Provider:/ {ours = $2 == "eddy"} ours && /Name:/ {print $2}' | sort)
[ -n "$kinds" ] && [ "$kinds" = "$found" ] || fail "kinds are $kinds, notes $found"
[ "$(echo "$notes" | awk '/Provider:/ {ours = $2 == "eddy"} ours && /Arguments:/ {print NF}' | sort -u)" = 6 ] ||
    fail 'five arguments'
semaphores=$(echo "$notes" | awk '/Provider:/ {ours = $2 == "eddy"} ours && /Semaphore:/ {print $NF}' | sort -u)
case $semaphores in
0x000*[1-9a-f]*) ;;
*) fail "semaphores: $semaphores" ;;
esac
[ "$(echo "$semaphores" | wc -l)" = 1 ] || fail "more than one semaphore: $semaphores"
