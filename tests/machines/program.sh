#!/bin/sh
# program.sh DIRECTORY: compiles there what small systems would run, and says where it is: the program eddy, static,
# with musl, small, without what it does not call. For 32 bits where MUSL names a folder into which Debian's musl-dev of
# i386 is unpacked (dpkg -x): by i686-linux-gnu-gcc. Exits with 77 where a compiler or Meson is missing.
set -eu
directory=$1
tree=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$directory"
cc=musl-gcc real=musl-gcc family=$(uname -m)
if [ -n "${MUSL:-}" ]; then
    real=i686-linux-gnu-gcc family=x86 cc=$directory/cc
    sed "s,/usr/,$MUSL/usr/,g" "$MUSL/usr/lib/i386-linux-musl/musl-gcc.specs" > "$directory/specs"
    printf '#!/bin/sh\nexec %s "$@" -specs %s/specs\n' $real "$directory" > "$cc"
    chmod +x "$cc"
fi
for needed in $real meson ninja; do
    command -v "$needed" > /dev/null || { echo "program: skipped, there is no $needed" >&2; exit 77; }
done
cat > "$directory/machine.ini" << END
[binaries]
c = '$cc'
ar = 'ar'
strip = 'strip'
[properties]
needs_exe_wrapper = false
[host_machine]
system = 'linux'
cpu_family = '$family'
cpu = '$family'
endian = 'little'
END
# What musl's own macros do to signs, they do in whatever file uses them.
{
    meson setup "$directory/build" "$tree" --cross-file "$directory/machine.ini" --werror \
        -Dc_args=-Wno-sign-conversion -Dbuildtype=minsize -Ddebug=false -Ddefault_library=static -Dc_link_args='-static -s -Wl,--gc-sections' \
        -Dtests=false -Dexamples=false -Dpages=false -Dman=false -Dusdt=disabled &&
        ninja -j "${JOBS:-2}" -C "$directory/build" src/cmd/eddy
} > "$directory/log" 2>&1 || { cat "$directory/log" >&2; exit 1; }
echo "$directory/build/src/cmd/eddy"
