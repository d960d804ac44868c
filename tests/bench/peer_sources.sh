#!/bin/sh
# peer_sources.sh DIR: gets ready what eddy-peers can be compared with beside what is installed: the
# newest libuv, ae (the loop inside Redis), uSockets and libxev, from sources that you have put into DIR, each
# as it comes. Nothing is fetched, nothing is installed, and none of it becomes part of this tree:
#
#     git clone --depth 1 https://github.com/libuv/libuv DIR/libuv
#     git clone --depth 1 https://github.com/redis/redis DIR/redis
#     git clone --depth 1 https://github.com/uNetworking/uSockets DIR/uSockets
#     git clone --depth 1 https://github.com/mitchellh/libxev DIR/libxev
#     tests/bench/peer_sources.sh DIR
#     meson setup build-peers -Dpeers=$(realpath DIR) && ninja -C build-peers tests/bench/eddy-peers
#
# Any of them may be missing. libuv is built here, by cmake, and libxev by the `zig` on the PATH, which
# has to be of the release that its sources ask for (build.zig.zon); of the others Meson compiles the few
# files that are needed.
set -eu
dir=${1:?usage: peer_sources.sh DIR; the comment at its beginning says what DIR holds}
found=
if [ -f "$dir/libuv/CMakeLists.txt" ]; then
    cmake -S "$dir/libuv" -B "$dir/libuv/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF \
        -DLIBUV_BUILD_SHARED=OFF > /dev/null
    cmake --build "$dir/libuv/build" > /dev/null
    found="$found libuv"
fi
[ ! -f "$dir/redis/src/ae.c" ] || found="$found ae"
[ ! -f "$dir/uSockets/src/libusockets.h" ] || found="$found uSockets"
if [ -f "$dir/libxev/src/c_api.zig" ]; then
    if command -v zig > /dev/null; then
        mkdir -p "$dir/libxev/build"
        (cd "$dir/libxev" && zig build-lib -O ReleaseFast -lc -fPIC --name xev -femit-bin=build/libxev.a src/c_api.zig)
        found="$found libxev"
    else
        echo "peer_sources.sh: without libxev, which wants a zig on the PATH" >&2
    fi
fi
[ -n "$found" ] || { echo "peer_sources.sh: $dir has none of libuv, redis, uSockets and libxev in it" >&2; exit 2; }
echo "found:$found; now: meson setup BUILD -Dpeers=$(realpath "$dir")"
