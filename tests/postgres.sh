# postgres.sh: sourced by tests that need a PostgreSQL of their own. It lives in $work, a directory that
# is made here and removed at the end, and listens there and at 127.0.0.1, port $port. Over the socket
# everybody may log in as eddy; over TCP eddy has the password "secret", by SCRAM. Exits with 77
# (skipped) where there is none, or no user to run it as.
# Gives: $work, $info (a connection string), $port, $control (a command: start, stop, crash), postgres_start,
# postgres_stop, sql, until_is, skip, fail. What a test itself has to end goes into finish_first.
# shellcheck shell=bash

name=$(basename "$0" .sh)
skip() { echo "$name: skipped, $1"; exit 77; }
fail() { echo "$name: $1"; exit 1; }
bin=$(ls -d /usr/lib/postgresql/*/bin 2> /dev/null | tail -1)
[ -x "$bin/initdb" ] || skip 'there is no PostgreSQL'
as=() # PostgreSQL does not run as root
if [ "$(id -u)" = 0 ]; then
    id postgres > /dev/null 2>&1 || skip 'there is no user postgres'
    command -v runuser > /dev/null || skip 'there is no runuser'
    as=(runuser -u postgres --)
fi

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
[ ${#as[@]} = 0 ] || chown postgres "$work"
cd "$work" || exit 2
finish_first() { :; }
finish() {
    finish_first
    postgres_stop
    rm -rf "$work"
}
trap finish EXIT

port=$(python3 "$tests/free_port.py") || skip 'there is no python3'
info="host=$work dbname=postgres user=eddy"
control=$work/control
cat > "$control" << end
#!/bin/sh
case \$1 in
start) ${as[*]} "$bin/pg_ctl" -D "$work/data" -w -l "$work/data/log" start -o "-k $work -p $port \\
    -c listen_addresses=127.0.0.1 -c max_connections=130 -c fsync=off" > /dev/null ;;
stop) ${as[*]} "$bin/pg_ctl" -D "$work/data" -w -m fast stop > /dev/null 2>&1 ;;
crash) ${as[*]} "$bin/pg_ctl" -D "$work/data" -w -m immediate stop > /dev/null 2>&1 ;;
esac
end
chmod +x "$control"
postgres_start() { "$control" start || fail 'PostgreSQL does not start'; }
postgres_stop() { "$control" crash; }
sql() { "$bin/psql" -h "$work" -p "$port" -U eddy -d postgres -Atc "$1"; }
until_is() { # what is wanted, command …
    for _ in $(seq 600); do
        [ "$("${@:2}")" = "$1" ] && return
        sleep 0.1
    done
    fail "'${*:2}' is not '$1' but '$("${@:2}")'"
}
info="$info port=$port"

"${as[@]}" "$bin/initdb" -D "$work/data" -A trust -U eddy --no-sync > "$work/initdb.log" 2>&1 ||
    fail "initdb: $(tail -1 "$work/initdb.log")"
printf '%s\n' 'local all all trust' 'host all all 127.0.0.1/32 scram-sha-256' > "$work/data/pg_hba.conf"
postgres_start
sql "set password_encryption = 'scram-sha-256'; alter role eddy password 'secret'" > /dev/null
