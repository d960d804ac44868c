#!/bin/sh
# peer_tables.sh EDDY-PEERS [CORE]: makes the tables of docs/11-benchmarks.md in which eddy is compared with
# other loops, as Markdown, each below the options that it was made with and above what eddy loses in it. On a
# machine that does nothing else; CORE (1) is the processor that everything runs on, but for what has two. Takes
# some eleven minutes.
set -eu
program=${1:?usage: peer_tables.sh EDDY-PEERS [CORE]}
core=${2:-1}

# table OPTION...: what measures eddy in other ways is left out.
subjects='epoll epoll-1024 pipe pread calls wheel uring-poll uring-streams eddy eddy-1024 eddy-stream eddy-try eddy-pool eddy-eventfd
    ae libev libuv-poll libuv-try libuv libevent libevent-list bufferevent usockets'
known=" $("$program" --help | sed -n '/^subjects:/{n;p;}') "
chosen=
for subject in $subjects; do
    case $known in *" $subject "*) chosen="$chosen --subject $subject" ;; esac
done
table() {
    printf '\n    eddy-peers %s\n\n' "$*"
    # shellcheck disable=SC2086 # a list of options
    "$program" "$@" --markdown $chosen 2> /dev/null
}

table --core "$core" --rounds 15 --sample-ms 20 --workload ring --workload turn-io --workload turn-far --workload turn-tick \
    --workload turn-post --workload watch --workload local-echo --workload size --workload echo --workload accept
table --core "$core" --rounds 15 --sample-ms 10 --workload size-tcp
table --core "$core" --rounds 7 --sample-ms 60 --workload rate-poisson
table --core "$core" --rounds 7 --sample-ms 20 --workload idle
table --core "$core" --rounds 9 --sample-ms 20 --workload timer-start --workload timer-stop --workload timer-fire \
    --workload timer-push --workload timer-push-random --workload timer-mix --size 10000
table --rounds 9 --sample-ms 20 --workload wake-send
table --rounds 9 --sample-ms 60 --workload wake-trip --workload pool --workload file
table --core "$core" --rounds 9 --sample-ms 150 --workload pipe --workload pass
table --rounds 7 --sample-ms 150 --workload spawn
case $known in *' libxev '*) ;; *) exit ;; esac
chosen='--subject eddy --subject libev --subject libxev'
table --core "$core" --rounds 6 --sample-ms 10 --workload timer-fire --workload timer-push --workload timer-push-random \
    --size 1000
table --core "$core" --rounds 6 --sample-ms 10 --workload timer-push --workload turn-tick --workload turn-post \
    --workload wake-send --size 1
