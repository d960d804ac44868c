# redis.sh: sourced by tests that need a Redis of their own: at 127.0.0.1, port $port, in $work, a directory
# that is made here and removed at the end. Exits with 77 (skipped) where there is none.
# Gives: $work, $port, $control (a command: start, stop, crash), skip, fail.
# shellcheck shell=bash

name=$(basename "$0" .sh)
skip() { echo "$name: skipped, $1"; exit 77; }
fail() { echo "$name: $1"; exit 1; }
command -v redis-server > /dev/null || skip 'there is no redis-server'
command -v redis-cli > /dev/null || skip 'there is no redis-cli'
port=$(python3 "$(dirname "${BASH_SOURCE[0]}")/free_port.py") ||
    skip 'there is no python3'
work=$(mktemp -d)
control=$work/control
trap '"$control" crash; rm -rf "$work"' EXIT

cat > "$control" << end
#!/bin/sh
case \$1 in
start)
    redis-server --port $port --bind 127.0.0.1 --daemonize yes --pidfile "$work/pid" --dir "$work" \\
        --save '' --logfile "$work/log" > /dev/null || exit 1
    for i in \$(seq 100); do # until it answers, which a port that is taken does not
        redis-cli -p $port ping > /dev/null 2>&1 && [ -f "$work/pid" ] && exit 0
        sleep 0.05
    done
    exit 1 ;;
*)
    [ -f "$work/pid" ] || exit 0
    pid=\$(cat "$work/pid")
    if [ "\$1" = stop ]; then kill -TERM \$pid; else kill -KILL \$pid; fi
    while redis-cli -p $port ping > /dev/null 2>&1; do sleep 0.01; done
    rm -f "$work/pid" ;;
esac
end
chmod +x "$control"
"$control" start || fail "it does not start: $(tail -1 "$work/log")"
