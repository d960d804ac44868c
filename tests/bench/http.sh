#!/usr/bin/env bash
# http.sh [EDDY [ROUNDS [SECONDS]]]: eddy serve and nginx, one loop and one worker, the same files, in
# turn; each as it is, and keeping files open for a second (--cache, open_file_cache). wrk asks over 64
# keep-alive connections on loopback. Prints medians of requests a second over the rounds, their
# range, and ratios to nginx. Needs nginx and wrk; exit status 77 without them.
set -eu
tree=$(cd "$(dirname "$0")/../.." && pwd)
eddy=${1:-$tree/build/src/cmd/eddy} rounds=${2:-7} seconds=${3:-3}
for tool in nginx wrk; do
    command -v "$tool" > /dev/null || { echo "http: skipped, there is no $tool"; exit 77; }
done

work=$(mktemp -d)
servers=()
finish() {
    [ "${#servers[@]}" -eq 0 ] || { kill "${servers[@]}" && wait "${servers[@]}"; } 2> /dev/null || true
    rm -rf "$work"
}
trap finish EXIT
mkdir "$work/files"
head -c 1024 /dev/zero > "$work/files/1KiB"
head -c 102400 /dev/zero > "$work/files/100KiB"
chmod -R a+rX "$work"

# start NAME PORT COMMAND…: waits until it answers.
declare -A ports
start() {
    ports[$1]=$2
    "${@:3}" > "$work/$1.log" 2>&1 &
    servers+=($!)
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
start nginx 18080 nginx -c "$work/nginx.18080" -e "$work/nginx.18080.error"
start nginx-cache 18081 nginx -c "$work/nginx.18081" -e "$work/nginx.18081.error"
start eddy 18082 "$eddy" serve "$work/files" --port 18082
start eddy-cache 18083 "$eddy" serve "$work/files" --port 18083 --cache

subjects=(nginx eddy nginx-cache eddy-cache)
measure() { # SUBJECT FILE SECONDS
    wrk -t1 -c64 "-d$3s" "http://127.0.0.1:${ports[$1]}/$2" | awk '/^Requests\/sec/ {print $2}'
}
for file in 1KiB 100KiB; do
    for subject in "${subjects[@]}"; do measure "$subject" "$file" 1 > /dev/null; done # warms up
    for _ in $(seq "$rounds"); do
        for subject in "${subjects[@]}"; do
            measure "$subject" "$file" "$seconds" >> "$work/$subject.$file"
        done
    done
    echo "$file, requests a second (lowest to highest), ratio to nginx:"
    for subject in "${subjects[@]}"; do
        paste "$work/nginx.$file" "$work/$subject.$file" | awk -v name="$subject" '
            {value[NR] = $2; ratio[NR] = $2 / $1}
            function sort(list, n,   i, k, kept) {
                for (i = 2; i <= n; i++) {
                    kept = list[i]
                    for (k = i - 1; k > 0 && list[k] > kept; k--) list[k + 1] = list[k]
                    list[k + 1] = kept
                }
            }
            END {
                sort(value, NR); sort(ratio, NR); middle = int((NR + 1) / 2)
                printf "  %-12s %8.0f (%.0f to %.0f)  %.2f\n", name, value[middle], value[1], value[NR], ratio[middle]
            }'
    done
done
