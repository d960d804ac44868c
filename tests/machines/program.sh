#!/bin/sh
# program.sh DIRECTORY: compiles there what small systems would run, and says where it is: the program eddy, static, with
# musl, small, without what it does not call. Exits with 77 where there is no musl-gcc or Meson.
set -eu
directory=$1
tree=$(cd "$(dirname "$0")/../.." && pwd)
for needed in musl-gcc meson ninja; do
    command -v "$needed" > /dev/null || { echo "program: skipped, there is no $needed" >&2; exit 77; }
done
mkdir -p "$directory"
cat > "$directory/musl.ini" << END
[binaries]
c = 'musl-gcc'
ar = 'ar'
strip = 'strip'
[host_machine]
system = 'linux'
cpu_family = '$(uname -m)'
cpu = '$(uname -m)'
endian = 'little'
END
{
    meson setup "$directory/build" "$tree" --cross-file "$directory/musl.ini" --werror \
        -Dbuildtype=minsize -Ddebug=false -Ddefault_library=static -Dc_link_args='-static -s -Wl,--gc-sections' \
        -Dtests=false -Dexamples=false -Dpages=false -Dman=false -Dusdt=disabled &&
        ninja -j "${JOBS:-2}" -C "$directory/build" src/cmd/eddy
} > "$directory/log" 2>&1 || { cat "$directory/log" >&2; exit 1; }
echo "$directory/build/src/cmd/eddy"
