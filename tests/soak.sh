#!/usr/bin/env bash
# soak.sh MINUTES [PROGRAM [OPTION…]]: `eddy serve` under mixed load for so long, on loopback, and
# then a verdict: is its memory flat, does it give its descriptors back, does it still answer?
#
# PROGRAM is the eddy binary (default: build/src/cmd/eddy), OPTION… more options of `eddy serve`.
# The load is meant to be varied, not heavy; SOAK_CLIENTS (default 16) is how many clients wrk has.
# Where there is no wrk or curl, their part of the load is left out, and the table says so.
#
# It begins with a crowd that takes nothing of what it asks for, so that the server has all the memory
# that it keeps for busy hours (its free lists and caches are bounded). The rules, after a fifth of the
# time:
#   memory       median of the last quarter <= median of the first quarter * 1.05 + 1 MiB
#   descriptors  when the load has ended, as many as before it, within 20 s
#   answers      no file came back wrong, and SIGTERM ends the program with status 0
# Exit status: 0 all of them hold, 1 one does not, 2 it could not be tried, 77 not on this system.
set -u

minutes=${1:-}
[[ $minutes =~ ^[0-9]+$ && $minutes -gt 0 ]] || { sed -n '2,3s/^# //p' "$0"; exit 2; }
tree=$(cd "$(dirname "$0")/.." && pwd)
program=${2:-$tree/build/src/cmd/eddy}
options=("${@:3}")
clients=${SOAK_CLIENTS:-16}
timeout_s=4
[ -x "$program" ] || { echo "soak: no program at $program"; exit 2; }
[ -r /proc/self/smaps_rollup ] || { echo 'soak: skipped, this system does not tell the memory of a process'; exit 77; }

work=$(mktemp -d)
site=$work/site
loads=() server=
# The loads end by themselves when the file is gone; each of their steps is bounded in time.
finish() {
    rm -f "$work/go"
    [ "${#loads[@]}" -eq 0 ] || wait "${loads[@]}" 2> /dev/null
    if [ -n "$server" ] && kill -0 "$server" 2> /dev/null; then
        kill -KILL "$server"
        wait "$server" 2> /dev/null
    fi
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 2' INT TERM

# --- What is served ---

mkdir -p "$site/list/inner" "$site/changing"
head -c 1024 /dev/zero | tr '\0' s > "$site/small"
head -c 102400 /dev/urandom > "$site/medium"
head -c 8388608 /dev/urandom > "$site/large"
for i in $(seq 200); do : > "$site/list/name-$i"; done
digest=$(sha256sum < "$site/medium")

# Its log has a reader that throws it away: a line a request would fill the disk.
"$program" serve --port 0 --timeout "$timeout_s" --log common "${options[@]}" "$site" \
    > >(cat > /dev/null) 2> "$work/err" &
server=$!
for _ in $(seq 100); do
    address=$(sed -n 's|.*http://\([0-9.]*:[0-9]*\).*|\1|p;q' "$work/err" 2> /dev/null)
    [ -n "$address" ] && break
    sleep 0.1
done
[ -n "$address" ] || { echo 'soak: the program does not start:'; cat "$work/err"; exit 2; }
port=${address#*:}

# --- The loads: each a loop of bounded steps ---

go() { [ -e "$work/go" ]; }
count() { echo "$2" >> "$work/count.$1"; }
# One connection on descriptor $connection; false if there is none to be had.
open_connection() { { exec {connection}<> "/dev/tcp/127.0.0.1/$port"; } 2> /dev/null; }
close_connection() { exec {connection}>&-; }
get() { printf 'GET %s HTTP/1.1\r\nHost: t\r\n\r\n' "$1"; }

# wrk's own count, and its complaints, each time.
run_wrk() {
    wrk -t1 -c"$clients" -d"$1" "${@:3}" "http://$address/$2" > "$work/wrk" 2>&1
    count requests "$(awk '/requests in/ {print $1}' "$work/wrk")"
    grep -E 'Non-2xx' "$work/wrk" >> "$work/wrong"
    grep -E 'Socket errors' "$work/wrk" >> "$work/socket_errors"
}

load_wrk() {
    while go; do
        run_wrk 4s small && sleep 1
        run_wrk 3s medium && sleep 1
        run_wrk 2s small -H 'Connection: close' && sleep 1
        run_wrk 1s list/ && sleep 1
    done
}

load_curl() {
    local url=http://$address
    while go; do
        curl -s -m 20 "$url/list/" | grep -q name-200 || count wrong listing
        [ "$(curl -s -m 20 "$url/medium" | sha256sum)" = "$digest" ] || count wrong medium
        [ "$(curl -s -m 20 -r 1000-1999 "$url/medium" | sha256sum)" = \
            "$(tail -c +1001 "$site/medium" | head -c 1000 | sha256sum)" ] || count wrong range
        curl -s -m 20 -o /dev/null -r 0-9,90-99,-5 "$url/large" || count wrong ranges
        curl -s -m 20 -o /dev/null -I "$url/large" || count wrong head
        curl -s -m 20 "$url/nothing" "$url/%zz" > /dev/null || count wrong refusals
        curl -s -m 20 -o /dev/null -X DELETE "$url/small" || count wrong refusals
        : > "$site/changing/$RANDOM"
        curl -s -m 20 -o /dev/null "$url/changing/" || count wrong changing
        [ "$(find "$site/changing" -type f | wc -l)" -lt 500 ] || find "$site/changing" -type f -delete
        count requests 11
        sleep 0.2
    done
}

# Downloads that are slow, and downloads that are given up.
load_downloads() {
    while go; do
        curl -s -m 3 --limit-rate 500K -o /dev/null "http://$address/large" &
        for _ in $(seq 10); do
            curl -s -m 5 "http://$address/large" 2> /dev/null | head -c $((RANDOM * 50)) > /dev/null
            count requests 1
        done
        wait
        count requests 1
    done
}

# Heads that trickle in, a byte at a time, and are not finished before the server loses patience.
load_trickle() {
    local held connection text i
    while go; do
        held=()
        for i in $(seq 10); do open_connection && held+=("$connection"); done
        text='GET /small HTTP/1.1 Host'
        for i in $(seq 0 $((timeout_s + 2))); do
            for connection in "${held[@]}"; do printf %s "${text:i:1}" >&"$connection"; done 2> /dev/null
            sleep 1
        done
        for connection in "${held[@]}"; do close_connection; done
    done
}

# Connections that ask once and then only hold their place, until the server sends them away.
load_idle() {
    local held connection i
    while go; do
        held=()
        for i in $(seq 150); do
            open_connection || continue
            held+=("$connection")
            [ $((i % 2)) = 0 ] || get /small >&"$connection"
        done 2> /dev/null
        sleep $((timeout_s + 1))
        for connection in "${held[@]}"; do close_connection; done
        count requests 75
    done
}

# What is closed before it was read is closed with a reset: in the middle of an answer, after half a
# request, behind a heap of requests.
load_resets() {
    local connection i
    while go; do
        for i in $(seq 5); do
            open_connection && { get /large >&"$connection"; sleep 0.05; close_connection; }
            open_connection && { printf 'GET /sm' >&"$connection"; close_connection; }
            open_connection && { for _ in 1 2 3 4 5 6 7 8; do get /medium; done >&"$connection"; sleep 0.02; close_connection; }
        done 2> /dev/null
        count requests 45
        sleep 0.3
    done
}

# More clients at once than the server keeps memory for; they ask, read nothing, and are given up.
crowd() {
    local held connection
    for _ in $(seq 200); do
        open_connection || break
        held+=("$connection")
        get /large >&"$connection"
    done 2> /dev/null
    sleep $((timeout_s + 1))
    for connection in "${held[@]}"; do close_connection; done
}

# --- Looking at the server ---

memory_kib() { awk '/^Pss:/ {print $2; exit}' "/proc/$server/smaps_rollup" 2> /dev/null; }
descriptors() { find "/proc/$server/fd" -mindepth 1 2> /dev/null | wc -l; }
threads() { find "/proc/$server/task" -mindepth 1 -maxdepth 1 2> /dev/null | wc -l; }
requests() { cat "$work"/count.requests 2> /dev/null | awk '{sum += $1} END {print sum + 0}'; }
median() { sort -n | awk '{value[NR] = $1} END {print NR == 0 ? 0 : value[int((NR + 1) / 2)]}'; }

# One answer first, so that what is opened once and kept is open.
if open_connection; then
    get /small >&"$connection"
    head -c 1024 <&"$connection" > /dev/null
    close_connection
fi 2> /dev/null
sleep 0.5
before=$(descriptors)

(crowd)
: > "$work/go"
started=(idle resets trickle)
command -v wrk > /dev/null && started+=(wrk) || echo 'soak: there is no wrk: no keep-alive load, no short connections'
command -v curl > /dev/null && started+=(curl downloads) || echo 'soak: there is no curl: no ranges, no downloads, nothing is compared'
for load in "${started[@]}"; do
    "load_$load" 2>> "$work/load_errors" &
    loads+=($!)
done

total_s=$((minutes * 60)) interval_s=$((minutes < 5 ? 2 : 5)) warm_up_s=$((minutes * 12))
printf 'soak: %s serve, %d min, loads: %s\n' "$program" "$minutes" "${started[*]}"
printf '%8s %10s %12s %8s %10s\n' 's' 'Pss KiB' 'descriptors' 'threads' 'requests'
begin=$SECONDS rows=0 alive=1
while [ $((SECONDS - begin)) -lt "$total_s" ]; do
    sleep "$interval_s"
    kill -0 "$server" 2> /dev/null || { alive=0; break; }
    at=$((SECONDS - begin))
    read -r memory open running <<< "$(memory_kib) $(descriptors) $(threads)"
    [ "$at" -lt "$warm_up_s" ] || echo "$memory" >> "$work/memory"
    [ $((rows++ % 10)) -ne 0 ] || printf '%8d %10d %12d %8d %10d\n' "$at" "$memory" "$open" "$running" "$(requests)"
done
rm -f "$work/go"
wait "${loads[@]}"
loads=()

# --- The verdict ---

verdict=0
say() { # what, whether it holds, details
    [ "$2" = 1 ] || verdict=1
    printf '%-12s %-4s %s\n' "$1" "$([ "$2" = 1 ] && echo ok || echo BAD)" "$3"
}
samples=$(wc -l < "$work/memory")
first=$(head -n $((samples / 4)) "$work/memory" | median)
last=$(tail -n $((samples / 4)) "$work/memory" | median)
say memory $((alive && samples >= 8 && last <= first * 105 / 100 + 1024)) \
    "first quarter $first KiB, last $last KiB, most $(sort -n "$work/memory" | tail -1) KiB, $samples samples"
for _ in $(seq 40); do
    after=$(descriptors)
    [ "$after" -gt "$before" ] || break
    sleep 0.5
done
say descriptors $((alive && after <= before)) "$before before the load, $after after it"
status=gone
if kill -TERM "$server" 2> /dev/null; then
    wait "$server"
    status=$?
fi
say end $((alive && ${status/gone/1} == 0)) "status $status, $(tail -n +2 "$work/err" | wc -l) lines on stderr"
tail -n +2 "$work/err" # behind the address
wrong=$(cat "$work/wrong" "$work/count.wrong" 2> /dev/null | sort | uniq -c)
[ -z "$wrong" ] && say answers 1 "$(requests) requests" || say answers 0 "wrong: $wrong"
sort "$work/socket_errors" 2> /dev/null | awk '{for (i = 4; i <= NF; i += 2) sum[$(i - 1)] += $i}
    END {for (kind in sum) if (sum[kind] > 0) printf "note: wrk saw socket errors: %s %d\n", kind, sum[kind]}'
server=
[ "$verdict" = 0 ] && echo 'soak: all of it holds' || echo 'soak: FAILED'
exit "$verdict"
