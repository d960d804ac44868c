#!/bin/sh
# peers.sh EDDY-PEERS: each workload runs with each peer, small and short, and none says that it
# cannot.
program=$1
# A workload's process ends with it, and gives nothing back.
export ASAN_OPTIONS=detect_leaks=0
out=$("$program" --size 20 --rounds 1 --sample-ms 1 --csv) || exit 1
failed=$(printf '%s\n' "$out" | tail -n +2 | grep -v ',$')
[ -z "$failed" ] || { printf '%s\n' "$failed"; exit 1; }
for workload in ring turn-far turn-tick turn-post echo size size-tcp accept idle timer-fire timer-push timer-mix wake-trip file spawn pipe pass local-echo; do
    [ "$(printf '%s\n' "$out" | grep -c "^$workload,")" -ge 2 ] || { echo "no $workload"; exit 1; }
done
rates=$("$program" --workload rate --workload rate-poisson --subject epoll --subject eddy-stream --size 20 \
    --rounds 1 --sample-ms 1 --csv) || exit 1
[ "$(printf '%s\n' "$rates" | grep -c '^rate.*,$')" = 6 ] || { printf '%s\n' "$rates"; exit 1; }
# The verdict names those that were compared, and how often. Of 1 MiB none is cut short.
told=$("$program" --workload size-tcp --subject epoll --subject eddy --subject eddy-stream --size 1048576 \
    --rounds 6 --sample-ms 1 --markdown 2> /dev/null) || exit 1
printf '%s\n' "$told" | grep -q '^| size-tcp, 1048576 .* eddy [0-9].*, eddy-stream [0-9].*, again [0-9].* |$' &&
    printf '%s\n' "$told" | grep -q '^Of 2 comparisons ' || { printf '%s\n' "$told"; exit 1; }
# Counting does what was asked for and measures nothing.
for workload in echo timer-start post mark try-write request; do
    done=$("$program" --workload "$workload" --subject eddy --size 16 --count 128) || exit 1
    [ "$done" = 128 ] || { echo "$workload: $done operations instead of 128"; exit 1; }
done
"$program" --workload none 2> /dev/null
[ $? = 2 ] || { echo 'an unknown workload is no mistake'; exit 1; }
