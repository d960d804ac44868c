#!/usr/bin/env bash
# http.sh [EDDY [ROUNDS [SECONDS]]]: eddy serve, nginx, lighttpd and h2o, as many as are there, with one
# loop, worker or thread, the same files, in turn; those called -cache remember files for a second
# (--cache, open_file_cache, stat-cache-engine), h2o as it always does. wrk asks for one file of 1 KiB, for
# a thousand of them at random, and for one of 100 KiB and of 10 MiB, over 64 and (but for the last) 1,000
# keep-alive connections on loopback. Prints medians over the rounds: the server's own processor time a
# request, of all its threads (Linux' schedstat), its ratio to nginx, round by round, and requests a
# second. Loopback has the sender do most of the receiver's work, which is in all figures. Needs nginx and
# wrk; exit status 77 without them.
set -eu
tree=$(cd "$(dirname "$0")/../.." && pwd)
eddy=${1:-$tree/build/src/cmd/eddy} rounds=${2:-7} seconds=${3:-2}
for tool in nginx wrk; do
    command -v "$tool" > /dev/null || { echo "http: skipped, there is no $tool"; exit 77; }
done
ulimit -n 4096

work=$(mktemp -d)
subjects=()
declare -A ports pids
finish() {
    [ "${#pids[@]}" -eq 0 ] || { kill "${pids[@]}" && wait "${pids[@]}"; } 2> /dev/null || true
    rm -rf "$work"
}
trap finish EXIT
mkdir "$work/files"
head -c 1024 /dev/zero > "$work/files/1KiB"
head -c 102400 /dev/zero > "$work/files/100KiB"
head -c 10485760 /dev/zero > "$work/files/10MiB"
mkdir "$work/files/many"
for ((i = 0; i < 1000; i++)); do head -c 1024 /dev/zero > "$work/files/many/$i"; done
# shellcheck disable=SC2016 # Lua
echo 'request = function() return wrk.format("GET", "/many/" .. math.random(0, 999)) end' > "$work/many.lua"
chmod -R a+rX "$work"

# start NAME PORT COMMAND…: waits until it answers. Without the command NAME is left out.
start() {
    command -v "$3" > /dev/null || return 0
    subjects+=("$1")
    ports[$1]=$2
    "${@:3}" > "$work/$1.log" 2>&1 &
    pids[$1]=$!
    for _ in $(seq 50); do
        (exec 3<> "/dev/tcp/127.0.0.1/$2") 2> /dev/null && return
        sleep 0.1
    done
    cat "$work/$1.log"
    exit 1
}
nginx_config() { # PORT FURTHER
    cat > "$work/nginx.$1" << END
worker_processes 1; daemon off; pid $work/nginx.$1.pid; error_log $work/nginx.$1.error;
events { worker_connections 4096; use epoll; }
http {
    access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 100000000;
    default_type application/octet-stream; $2
    server { listen 127.0.0.1:$1; root $work/files; }
}
END
}
nginx_config 18080 ''
nginx_config 18081 'open_file_cache max=1000; open_file_cache_valid 1s;'
cat > "$work/h2o" << END
num-threads: 1
max-connections: 4096
hosts:
  default:
    listen: {host: 127.0.0.1, port: 18084}
    paths: {/: {file.dir: $work/files}}
END
lighttpd_config() { # PORT STAT_CACHE
    cat > "$work/lighttpd.$1" << END
server.document-root = "$work/files"
server.bind = "127.0.0.1"
server.port = $1
server.max-fds = 4096
server.max-connections = 2048
server.max-keep-alive-requests = 100000000
server.network-backend = "sendfile"
server.stat-cache-engine = "$2"
END
}
lighttpd_config 18085 disable
lighttpd_config 18086 simple
start nginx 18080 nginx -c "$work/nginx.18080" -e "$work/nginx.18080.error"
start eddy 18082 "$eddy" serve "$work/files" --port 18082
start lighttpd 18085 lighttpd -D -f "$work/lighttpd.18085"
start nginx-cache 18081 nginx -c "$work/nginx.18081" -e "$work/nginx.18081.error"
start eddy-cache 18083 "$eddy" serve "$work/files" --port 18083 --cache
start lighttpd-cache 18086 lighttpd -D -f "$work/lighttpd.18086"
start h2o-cache 18084 h2o -c "$work/h2o"

# The nanoseconds of all threads of a server and of its children.
cpu_ns() {
    local pid total=0 ns
    for pid in "${pids[$1]}" $(cat "/proc/${pids[$1]}/task/"*/children); do
        for stat in "/proc/$pid/task/"*/schedstat; do
            read -r ns _ < "$stat"
            total=$((total + ns))
        done
    done
    echo "$total"
}
# Prints: nanoseconds a request, requests a second.
measure() { # SUBJECT FILE CONNECTIONS SECONDS
    local before after script=()
    [ "$2" != many ] || script=(-s "$work/many.lua")
    before=$(cpu_ns "$1")
    wrk -t1 "-c$3" "-d$4s" "${script[@]}" "http://127.0.0.1:${ports[$1]}/$2" > "$work/wrk"
    after=$(cpu_ns "$1")
    awk -v ns=$((after - before)) '/requests in/ {count = $1} /^Requests\/sec/ {rate = $2}
        /Non-2xx|Socket errors/ {print > "/dev/stderr"}
        END {print ns / count, rate}' "$work/wrk"
}
tell() { # SUBJECT FIGURES
    paste "$work/nginx.$2" "$work/$1.$2" | awk -v name="$1" '
        {cost[NR] = $3; ratio[NR] = $3 / $1; rate[NR] = $4}
        function sort(list, n,   i, k, kept) {
            for (i = 2; i <= n; i++) {
                kept = list[i]
                for (k = i - 1; k > 0 && list[k] > kept; k--) list[k + 1] = list[k]
                list[k + 1] = kept
            }
        }
        END {
            sort(cost, NR); sort(ratio, NR); sort(rate, NR); middle = int((NR + 1) / 2)
            printf "  %-14s %9.1f us (%.1f to %.1f)  %.2f  %8.0f/s\n", name, cost[middle] / 1000,
                cost[1] / 1000, cost[NR] / 1000, ratio[middle], rate[middle]
        }'
}
for file in 1KiB many 100KiB 10MiB; do
    for connections in 64 1000; do
        [ "$file.$connections" != 10MiB.1000 ] || continue # minutes for each
        figures=$file.$connections
        for subject in "${subjects[@]}"; do measure "$subject" "$file" "$connections" 1 > /dev/null; done
        for _ in $(seq "$rounds"); do
            for subject in "${subjects[@]}"; do
                measure "$subject" "$file" "$connections" "$seconds" >> "$work/$subject.$figures"
            done
        done
        echo "${file/many/1,000 files of 1KiB}, $connections connections: processor time a request (lowest to highest), ratio to nginx:"
        for subject in "${subjects[@]}"; do tell "$subject" "$figures"; done
    done
done
