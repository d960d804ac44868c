#!/usr/bin/env bash
# redis.sh [DIRECTORY]: Redis on eddy. Takes Debian's newest sources of Redis, puts the layer of this
# folder in the place of their ae.c, builds all of Redis' programs with it, and runs a part of Redis'
# own tests, that of its modules included: threads, timers and descriptors of the loop are used most
# there. A few minutes. Exit status 77 where the sources cannot be had. More: common.sh.
set -euo pipefail
package=redis
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
command -v tclsh > /dev/null || skip 'no tclsh here'
get_source
build_eddy

# As Redis' own ae.c includes the file of its backend.
cp "$here"/ae_port.h "$here"/ae_on_eddy.c "$here"/ae_file.c "$here"/ae_time.c "$source/src"
{
    [ -z "${BACKEND:-}" ] || echo "#define AE_BACKEND \"$BACKEND\""
    printf '#include "ae_%s.c"\n' on_eddy file time
} > "$source/src/ae.c"
rm -f "$source"/src/ae_epoll.c "$source"/src/ae_kqueue.c "$source"/src/ae_evport.c "$source"/src/ae_select.c
grep -q "$eddy" "$source/src/Makefile" || sed -i "s|^FINAL_LIBS=-lm|FINAL_LIBS=$eddy -lm|" "$source/src/Makefile"
grep -q "$eddy" "$source/src/Makefile" || fail 'its Makefile is another one'
quietly redis-build make -j1 -C "$source" MALLOC=libc OPTIMIZATION=-O1 REDIS_CFLAGS="-I$tree/include"
nm "$source/src/redis-server" | grep ' T eddy_loop_run$' > /dev/null || fail 'eddy is not in it'
modules=(basics eventloop timer blockedclient blockonbackground usercall)
quietly redis-modules make -j1 -C "$source/tests/modules" "${modules[@]/%/.so}"

units=(unit/type/string unit/type/list unit/expire unit/scripting unit/multi unit/protocol unit/networking
    unit/pubsub unit/other unit/querybuf integration/aof integration/redis-benchmark
    unit/moduleapi/eventloop unit/moduleapi/timer unit/moduleapi/blockedclient unit/moduleapi/blockonbackground
    unit/moduleapi/usercall)
status=0
arguments=(--clients 2 --timeout 300)
for unit in "${units[@]}"; do arguments+=(--single "$unit"); done
cd "$source"
in_group tclsh tests/test_helper.tcl "${arguments[@]}" < /dev/null > "$work/redis-tests.log" 2>&1 || status=$?

# Without the colours.
sed -i 's/\x1b\[[0-9;]*m//g' "$work/redis-tests.log"
count() { grep -c "^\[$1\]: " "$work/redis-tests.log" || true; }
[ "$status" = 0 ] || grep -A8 -E '^\[(err|exception)\]' "$work/redis-tests.log" || tail -20 "$work/redis-tests.log"
echo "redis $version on eddy${BACKEND:+ ($BACKEND)}: ${#units[@]} files of tests, $(count ok) passed, $(count err) failed," \
    "$(count exception) broken off"
exit "$status"
