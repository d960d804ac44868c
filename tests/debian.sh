#!/bin/sh
# debian.sh BUILD: the packages of .debian, of this tree as it stands. lintian has nothing to say of the source; the
# soname and the symbols are those of the library in BUILD. With EDDY_TEST_FULL=1 they are built, twice, in directories
# of different names: lintian has nothing to say, the packages are the same bits, and what is in them compiles a
# program and serves a file; with EDDY_TEST_INSTALL=1 too they are installed for that, in a copy of this system that
# is gone afterwards (as root; an overlay). Exits with 77 (skipped) where the tools of Debian are not there.
set -eu
build=$(cd "$1" && pwd)
library=$build/src/libeddy.so
tree=$(cd "$(dirname "$0")/.." && pwd)
cd "$tree"
for tool in dpkg-buildpackage dh lintian objdump xz git; do
    command -v $tool > /dev/null || { echo "debian: there is no $tool"; exit 77; }
done
git rev-parse --git-dir > /dev/null 2>&1 || { echo 'debian: not a work tree of git'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
fail() { echo "debian: $1"; exit 1; }
# quietly NAME COMMAND…: shows what the command said when it fails.
quietly() {
    log=$work/$1.log
    shift
    "$@" > "$log" 2>&1 || { tail -50 "$log"; fail "$*"; }
}
accepted() { # lintian's argument
    quietly lintian lintian --allow-root --fail-on=none --info "$1"
    [ ! -s "$work/lintian.log" ] || { cat "$work/lintian.log"; fail "lintian of ${1##*/}"; }
}

version=$(sed -n '1s/.*(\(.*\)-.*/\1/p' .debian/changelog)
[ "$version" = "$(sed -n "s/^  version: '\(.*\)',/\1/p" meson.build)" ] ||
    fail '.debian/changelog is of another version'
[ -e "$library" ] || { echo "debian: no shared library in $build"; exit 77; }

# unpack PLACE [FILE…]: the tree as it stands, or these files of it, the archive of that, and debian/.
unpack() {
    place=$1
    shift
    source=$work/$place/eddy-$version
    mkdir -p "$source"
    git ls-files -co --exclude-standard -- "$@" | while read -r name; do [ ! -e "$name" ] || echo "$name"; done |
        tar -cf - -T - | tar -xf - -C "$source"
    tar -C "$work/$place" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - "eddy-$version" |
        xz -0 > "$work/$place/eddy_$version.orig.tar.xz"
    .debian/prepare "$library" "$source"
}

# What lintian says of a source is said of debian/ mostly: it need not look at all of the others each time.
if [ "${EDDY_TEST_FULL:-}" = 1 ]; then unpack one; else unpack one meson.build LICENSE; fi
package=$(sed -n 's/^Package: \(libeddy[0-9].*\)/\1/p' "$source/debian/control")
grep -q '^ eddy_loop_open@' "$source/debian/$package.symbols" || fail "no symbols of $package"
if [ "${EDDY_TEST_FULL:-}" != 1 ]; then
    (cd "$work/one" && quietly source dpkg-source -b "eddy-$version")
    accepted "$(echo "$work"/one/*.dsc)"
    echo "debian: the source of $package and the others"
    exit
fi

# --- Built twice, at once ---
export DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=1"
first=$source source=$work/another-directory/eddy-$version
mkdir "$work/another-directory"
# The tree may have changed since. As there, files are younger than the changelog, whose time they then get.
tar -C "$work/another-directory" -xmf "$work/one/eddy_$version.orig.tar.xz"
.debian/prepare "$library" "$source"
(cd "$source" && quietly two dpkg-buildpackage -us -uc -b) &
second=$! status=0
(cd "$first" && quietly one dpkg-buildpackage -us -uc) || status=$?
wait $second || status=$?
[ $status = 0 ] || exit $status
accepted "$(echo "$work"/one/*.changes)"
count=0
for deb in "$work"/one/*.deb; do
    cmp "$deb" "$work/another-directory/${deb##*/}" || fail "${deb##*/} is not the same twice"
    count=$((count + 1))
done
[ $count = 4 ] || fail "$count packages"

# --- Used ---
root=$work/root
if [ "${EDDY_TEST_INSTALL:-}" = 1 ]; then
    # shellcheck disable=SC2016 # for the other shell
    quietly install unshare -m sh -euc '
        mkdir "$1"
        mount -t tmpfs tmpfs "$1"
        mkdir "$1/upper" "$1/work" "$1/system"
        mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/system"
        mkdir "$1/system/packages"
        cp "$2"/*.deb "$2"/eddy-*/debian/tests/compile "$2"/eddy-*/debian/tests/serve "$1/system/packages"
        chroot "$1/system" sh -euc "
            mount -t proc proc /proc
            dpkg -i /packages/*.deb
            man -w eddy_timer_start eddy-serve
            /packages/compile
            /packages/serve
            dpkg -r eddy eddy-doc libeddy-dev '"$package"'
            if command -v eddy; then exit 1; fi"
    ' sh "$root" "$work/one"
else
    mkdir "$root"
    for deb in "$work"/one/*.deb; do dpkg -x "$deb" "$root"; done
    pc=$(find "$root" -name eddy.pc)
    libraries=${pc%/pkgconfig/*}
    export PKG_CONFIG_LIBDIR="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$root" PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 \
        PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 LD_LIBRARY_PATH="$libraries" PATH="$root/usr/bin:$PATH"
    quietly compile "$source/debian/tests/compile"
    quietly serve "$source/debian/tests/serve"
fi
echo "debian: $count packages, the same twice, used"
