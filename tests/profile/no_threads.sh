#!/bin/sh
# no_threads.sh LIBRARY: a static library that was built with -Dpool=false calls nothing that starts,
# awaits or signals a thread; of locks and signal masks it may.
calls=$(nm -u "${1:?usage: no_threads.sh LIBRARY}" | awk '{print $NF}' | sort -u)
[ -n "$calls" ] || { echo 'no_threads: nm shows nothing'; exit 1; }
found=$(echo "$calls" | grep -E '^(pthread_(create|join|detach|cond_.*|attr_.*|kill|once|key_.*)|thrd_.*|clone3?)$' |
    grep -vx clone)
[ -z "$found" ] || { echo "no_threads: $found"; exit 1; }
