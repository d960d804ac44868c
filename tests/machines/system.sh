#!/bin/sh
# system.sh [MIB]: a system as small as it gets: a machine of qemu with so much memory (8 MiB), a kernel of
# Linux 6.1 with a network card and little else, and in its initial file system one program, `eddy
# serve`, which is process 1: static, with musl. There is no /proc, no /sys, no shell. curl asks from outside.
#
# The kernel is KERNEL, or is made in a temporary directory from /usr/src/linux-source-6.1.tar.xz (Debian's
# linux-source-6.1; flex, bison, bc, lz4), which takes some minutes: with EDDY_TEST_FULL=1 alone. It has 32 bits, and so
# has the program, which is EDDY or is compiled with MUSL (program.sh):
#
#     apt-get download musl-dev:i386        # or from a mirror, where Debian is not told of i386
#     dpkg -x musl-dev_*_i386.deb /tmp/musl
#     EDDY_TEST_FULL=1 MUSL=/tmp/musl tests/machines/system.sh 8
#
# ACCEL is qemu's accelerator (tcg, which works anywhere). Exits with 77 (skipped) where something is missing.
set -eu
mib=${1:-8}
tree=$(cd "$(dirname "$0")/../.." && pwd)
skip() { echo "system: skipped, there is no $1"; exit 77; }
[ -n "${EDDY:-}${MUSL:-}" ] || skip 'EDDY, nor MUSL'
for needed in qemu-system-x86_64 cpio curl python3; do
    command -v "$needed" > /dev/null || skip "$needed"
done
[ "$(id -u)" = 0 ] || skip 'root, to make /dev/console'

work=$(mktemp -d)
machine=''
leave() {
    [ -z "$machine" ] || kill "$machine" 2> /dev/null || true
    rm -rf "$work"
}
trap leave EXIT
trap 'exit 1' INT TERM
fail() { echo "system: $1"; cat "$work/qemu" 2> /dev/null; [ ! -f "$work/console" ] || tail -30 "$work/console"; exit 1; }

# --- The kernel ---
if [ -z "${KERNEL:-}" ]; then
    source=/usr/src/linux-source-6.1.tar.xz
    if [ "${EDDY_TEST_FULL:-}" != 1 ] || [ ! -f $source ]; then skip "KERNEL, nor EDDY_TEST_FULL=1 with $source"; fi
    tar -xJf $source -C "$work"
    KERNEL=$work/linux-source-6.1/arch/x86/boot/bzImage
    (
        cd "$work/linux-source-6.1"
        export ARCH=i386
        make tinyconfig
        scripts/kconfig/merge_config.sh -m .config "$tree/tests/machines/system.config"
        make olddefconfig
        make -j2 bzImage
    ) > "$work/kernel.log" 2>&1 || { tail -20 "$work/kernel.log"; fail 'the kernel is not made'; }
fi

# --- Its file system ---
[ -n "${EDDY:-}" ] || EDDY=$("$tree/tests/machines/program.sh" "$work/program") || exit $?
mkdir -p "$work/root/dev" "$work/root/www"
cp "$EDDY" "$work/root/eddy"
mknod "$work/root/dev/console" c 5 1
mknod "$work/root/dev/null" c 1 3
echo 'served by process 1' > "$work/root/www/index.html"
head -c 300000 /dev/urandom > "$work/root/www/large"
(cd "$work/root" && find . | cpio --quiet -o -H newc) > "$work/files"

# --- The machine, and what is asked of it ---
port=$(python3 "$(dirname "$0")/../free_port.py")
qemu-system-x86_64 -M "pc,accel=${ACCEL:-tcg}" -m "$mib" -display none -monitor none -serial "file:$work/console" -no-reboot \
    -kernel "$KERNEL" -initrd "$work/files" \
    -append "console=ttyS0 panic=-1 rdinit=/eddy ip=10.0.2.15::10.0.2.2:255.255.255.0::eth0:off -- serve --host 0.0.0.0 --port 80 /www" \
    -netdev "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:$port-10.0.2.15:80" -device virtio-net-pci,netdev=net,romfile= 2> "$work/qemu" &
machine=$!
for _ in $(seq 300); do
    kill -0 "$machine" 2> /dev/null || fail "the machine with $mib MiB has stopped"
    [ "$(curl -s --max-time 2 "http://127.0.0.1:$port/" || true)" = 'served by process 1' ] && break
    sleep 0.1
done
[ "$(curl -s --max-time 20 "http://127.0.0.1:$port/")" = 'served by process 1' ] || fail 'nothing is served'
curl -s --max-time 60 "http://127.0.0.1:$port/large" | cmp - "$work/root/www/large" || fail 'a file is not whole'
[ "$(curl -s -o /dev/null -w '%{http_code}' --max-time 20 "http://127.0.0.1:$port/none")" = 404 ] || fail 'no 404'
seq 40 | xargs -P 8 -I {} curl -s --max-time 60 -o /dev/null -f "http://127.0.0.1:$port/large?{}" || fail 'one of 40 requests failed'
kill -0 "$machine" || fail 'the machine has stopped'
echo "system: $mib MiB, kernel of $(stat -L -c %s "$KERNEL") bytes, eddy of $(stat -c %s "$work/root/eddy"): served"
