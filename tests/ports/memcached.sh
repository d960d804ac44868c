#!/usr/bin/env bash
# memcached.sh [DIRECTORY]: memcached on eddy. Takes Debian's newest sources of memcached, builds them
# with event.h and event_on_eddy.c of this folder in place of libevent, and runs most of memcached's
# own tests: all but the longest, TLS, SASL and the proxy, which are not built. A few minutes.
# The tests make sockets and files in /tmp, which they remove. Exit status 77 where the sources cannot
# be had. More: common.sh.
set -euo pipefail
package=memcached
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
command -v prove > /dev/null || skip 'no prove here'
get_source
build_eddy

shim=$work/libevent
mkdir -p "$shim/include" "$shim/lib"
cp "$here/event.h" "$shim/include"
flags=(-std=c11 -O2 -g -Wall -Wextra "-I$tree/include")
[ -z "${BACKEND:-}" ] || flags+=("-DEVENT_BACKEND=\"$BACKEND\"")
quietly shim cc "${flags[@]}" -c "$here/event_on_eddy.c" -o "$shim/event_on_eddy.o"
rm -f "$shim/lib/libevent.a"
ar rcs "$shim/lib/libevent.a" "$shim/event_on_eddy.o"

cd "$source"
if [ ! -f Makefile ]; then
    touch aclocal.m4 && touch Makefile.in doc/Makefile.in config.h.in configure # nothing to make anew
    quietly memcached-configure ./configure --with-libevent="$shim" CPPFLAGS="-I$tree/include" \
        LIBS="$eddy -lpthread"
fi
rm -f memcached memcached-debug testapp # linked with the layer as it is now
quietly memcached-build make -j1 memcached memcached-debug sizes testapp timedrun
nm memcached-debug | grep ' T eddy_loop_run$' > /dev/null || fail 'eddy is not in it'

left_out='ssl_|sasl|proxy|extstore|chunked|lru-|slabs|stress|misbehave'
tests=()
for test in t/*.t; do
    [[ $test =~ $left_out ]] || tests+=("$test")
done
status=0
in_group ./testapp < /dev/null > "$work/memcached-testapp.log" 2>&1 || status=$?
in_group prove "${tests[@]}" < /dev/null > "$work/memcached-tests.log" 2>&1 || status=$?
if [ "$status" != 0 ]; then
    grep '^not ok' "$work/memcached-testapp.log" || true
    sed -n '/^Test Summary Report/,$p' "$work/memcached-tests.log"
fi
echo "memcached $version on eddy${BACKEND:+ ($BACKEND)}: testapp, $(grep -c '^ok' "$work/memcached-testapp.log" || true) passed;" \
    "${#tests[@]} files of tests, $(sed -n 's/^\(Files=.*, Tests=[0-9]*\).*/\1/p; s/^Result: //p' "$work/memcached-tests.log" | paste -sd ' ')"
exit "$status"
