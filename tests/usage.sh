#!/bin/sh
# usage.sh PROGRAM…: what the examples say of numbers that are none, or not within their bounds: how they are
# used, and exit status 2.
set -u
out=$(mktemp) && err=$(mktemp) && trap 'rm -f "$out" "$err"' EXIT
failed=0
refuses() { # argument …: of $program
    timeout 10 "$program" "$@" > "$out" 2> "$err"
    status=$?
    if [ $status != 2 ] || [ -s "$out" ] || ! grep -qE "^usage: (example_)?$name" "$err"; then
        echo "$name $*: status $status, it says: $(cat "$out" "$err")"
        failed=1
    fi
    return 0
}
refuses_others() { # argument …: a number behind these
    for number in -1 1x x '' 99999999999999999999; do refuses "$@" "$number"; done
}
for program; do
    name=$(basename "$program")
    name=${name#example_}
    case $name in
    echo | lines | chat | no_heap | pass) refuses 65536 && refuses_others ;;
    cancel | http_hello | pieces | pipeline) refuses 0 && refuses_others ;;
    split) refuses 0 && refuses_others && refuses 1 0 && refuses_others 1 ;;
    send_file) refuses /dev/null 65536 && refuses_others /dev/null ;;
    client | netcat) refuses 127.0.0.1 0 && refuses_others 127.0.0.1 ;;
    redis) refuses 127.0.0.1 0 1 && refuses_others 127.0.0.1 1 ;;
    http_query) refuses x 0 && refuses_others x && refuses x 1 65536 && refuses_others x 1 ;;
    fetch) for number in 0 -1 1x ''; do refuses -c "$number" http://127.0.0.1/; done ;;
    proxy | http_proxy) for number in 0 -1 1x ''; do refuses -n "$number" 127.0.0.1:0 127.0.0.1:1; done ;;
    *) echo "$name is not known here"; failed=1 ;;
    esac
done
exit $failed
