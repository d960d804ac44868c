#!/usr/bin/env bash
# instructions.sh [--update | --peers] [EDDY-PEERS]: user-space instructions per operation, counted by
# callgrind, against those in instructions.txt. They repeat to the last digit or nearly so, on any
# machine, busy or not, with the same compiler and C library. Fails where one is more than 3 % above
# its figure, and tells where one is as far below, so that the figure can be lowered. --update writes
# the file anew. --peers prints a table of what a turn takes in each loop that EDDY-PEERS has, for
# docs/11-benchmarks.md, with what eddy takes beyond the loop by hand, of which 200 are the most that it
# should; it compares nothing else. Ends with 77 without valgrind.
set -euo pipefail
update= peers=
[ "${1:-}" = --update ] && update=yes && shift
[ "${1:-}" = --peers ] && peers=yes && shift
root=$(cd "$(dirname "$0")/../.." && pwd)
program=${1:-$root/build/tests/bench/eddy-peers}
figures=$(dirname "$0")/instructions.txt
command -v valgrind > /dev/null || { echo 'instructions: valgrind is not installed'; exit 77; }
[ -x "$program" ] || { echo "instructions: there is no $program"; exit 2; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# measure SUBJECT WORKLOAD SIZE OPERATIONS: instructions per operation, to a tenth. What comes before
# the first round, and that round, do not count.
measure() {
    local done instructions
    done=$(valgrind --tool=callgrind --collect-atstart=no --callgrind-out-file=/dev/null \
        --log-file="$scratch/log" "$program" --subject "$1" --workload "$2" --size "$3" --count "$4") ||
        { cat "$scratch/log" >&2; return 1; }
    instructions=$(sed -n 's/.*Collected *: *\([0-9]*\).*/\1/p' "$scratch/log")
    [ "${instructions:-0}" -gt 0 ] || {
        echo "instructions: $program was built without valgrind/callgrind.h" >&2
        return 1
    }
    awk -v all="$instructions" -v operations="$done" 'BEGIN {printf "%.1f", all / operations}'
}

turns='turn-io turn-far turn-tick turn-post'

# One row for each loop; the others of eddy-peers' subjects are the same loops, used otherwise.
tell_peers() {
    local subject workload row subjects value
    declare -A taken
    subjects=$("$program" --help | sed -n '/^subjects:/{n;p;}')
    echo "| instructions per turn | ${turns// / | } |"
    echo '|---|---|---|---|---|'
    for subject in epoll eddy ae libev libuv libevent; do
        [[ " $subjects " == *" $subject "* ]] || continue
        row="| $subject |"
        for workload in $turns; do
            value=$(measure "$subject" "$workload" 1 5000) || return 1
            taken[$subject-$workload]=$value
            row+=" $value |"
        done
        echo "$row"
    done
    row='| eddy beyond epoll |'
    for workload in $turns; do
        row+=$(awk -v eddy="${taken[eddy-$workload]}" -v epoll="${taken[epoll-$workload]}" \
            'BEGIN {printf " %.1f%s |", eddy - epoll, (eddy - epoll > 200) ? " (more than 200)" : ""}')
    done
    echo "$row"
}

# The first word of a line in instructions.txt stands for what is measured so.
operations() {
    cat << 'END'
echo-watcher eddy echo 64 6400
echo-stream eddy-stream echo 64 6400
timer-start eddy timer-start 10000 20000
timer-stop eddy timer-stop 10000 20000
timer-fire eddy timer-fire 10000 80000
timer-push eddy timer-push 1000 50000
timer-push-random eddy timer-push-random 1000 50000
timer-mix eddy timer-mix 1000 50000
watch eddy watch 100 2000
turn-io eddy turn-io 1 5000
turn-far eddy turn-far 1 5000
turn-tick eddy turn-tick 1 5000
turn-post eddy turn-post 1 5000
wake-send eddy wake-send 1 200000
post eddy post 1 6400
try-write eddy try-write 1 6400
mark eddy mark 1 6400
request eddy request 1 6400
watch-shared eddy watch-shared 1000 640
wake-stop eddy wake-stop 1000 640
signal-stop eddy signal-stop 1000 6400
END
}

[ -z "$peers" ] || { tell_peers; exit; }

# Another compiler makes other instructions.
compiler=$(readelf -p .comment "$program" | awk '/GCC: / && !found {sub(/.*GCC: \([^)]*\) /, ""); sub(/\..*/, ""); found = "GCC " $0} /clang/ {found = "clang"} END {print found}')
kept=$(sed -n '1s/.*: \(GCC [0-9]*\).*/\1/p' "$figures" 2> /dev/null || true)
[ -n "$update" ] || [ "$compiler" = "$kept" ] ||
    { echo "instructions: skipped, made by ${compiler:-another compiler}, and kept are those of $kept"; exit 77; }

status=0
while read -r name subject workload size count; do
    now=$(measure "$subject" "$workload" "$size" "$count") || exit 1
    was=$(awk -v name="$name" '$1 == name {print $2}' "$figures" 2> /dev/null || true)
    printf '%-17s %8s\n' "$name" "$now" >> "$scratch/now"
    verdict=$(awk -v now="$now" -v was="${was:-0}" 'BEGIN {
        if (was == 0) print "new"
        else if (now > was * 1.03) print "MORE"
        else if (now < was * 0.97) print "less: lower the figure"
    }')
    printf '%-17s %8s instructions, %8s kept  %s\n' "$name" "$now" "${was:--}" "$verdict"
    case $verdict in MORE | new) [ -n "$update" ] || status=1 ;; esac
done < <(operations)

if [ -n "$update" ]; then
    {
        echo '# Instructions per operation (instructions.sh --update): '"$compiler, $(uname -m), a release build."
        cat "$scratch/now"
    } > "$figures"
fi
[ "$status" = 0 ] || echo 'instructions: more than 3 % above what is kept; if that has to be: --update'
exit "$status"
