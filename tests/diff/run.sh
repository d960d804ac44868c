#!/bin/sh
# run.sh FIRST COUNT MODE PROGRAM:BACKEND...: runs the script with the same seeds on each backend, of
# its program, and compares what it prints. MODE is level, or edge for those that can do all. Prints what
# differs; exit status 1 if anything does.
first=$1 count=$2 mode=$3
shift 3
[ "$mode" = edge ] || mode=
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
reference=
for pair; do
    program=${pair%:*} backend=${pair##*:}
    "$program" "$backend" "$first" "$count" $mode > "$out/$backend"
    case $? in
    0) ;;
    77) continue ;; # the kernel refuses that backend
    *) exit 1 ;;
    esac
    if [ -z "$reference" ]; then
        reference=$backend
    elif ! cmp -s "$out/$reference" "$out/$backend"; then
        echo "$reference (<) and $backend (>) differ:"
        diff "$out/$reference" "$out/$backend" | head -20
        grep -n '^seed' "$out/$reference" > "$out/seeds"
        line=$(cmp "$out/$reference" "$out/$backend" | sed 's/.*line //')
        awk -F '[: ]' -v line="$line" '$1 + 0 <= line + 0 {seed = $3} END {print "in seed " seed}' "$out/seeds"
        exit 1
    fi
done
echo "seeds $first to $((first + count - 1)) agree: $(wc -l < "$out/$reference") lines each"
