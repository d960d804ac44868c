#!/bin/sh
# package.sh BUILD: what those who take eddy rely on. Installs from the build directory to a temporary
# place, compiles the README's hello there with the README's own commands, and builds another project
# with eddy as its subproject, and two by CMake, where there is one. Exits with 77 (skipped) where
# there is no meson or pkg-config on the PATH.
set -eu
build=$(cd "$1" && pwd)
tree=$(cd "$(dirname "$0")/.." && pwd)
command -v meson > /dev/null && command -v pkg-config > /dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
fail() { echo "package: $1"; exit 1; }
# quietly NAME COMMAND…: shows what the command said when it fails.
quietly() {
    log=$work/$1.log
    shift
    "$@" > "$log" 2>&1 || { cat "$log"; fail "$*"; }
}

# --- Installed ---
quietly install meson install -C "$build" --no-rebuild --destdir "$work/root"
cd "$work/root"
for name in include/eddy.h include/eddy/loop.h include/eddy/adapter/libcurl.h \
    include/eddy/adapter/cares.h pkgconfig/eddy.pc cmake/eddy/eddy-config.cmake share/doc/eddy/LICENSE \
    share/doc/eddy/README.md share/doc/eddy/docs/README.md share/doc/eddy/docs/examples/hello.c; do
    find . -path "*/$name" | grep -q . || fail "$name is not installed"
done
[ ! -d "$build/docs/guide" ] || find . -path '*/share/doc/eddy/guide/source/src/core/io.c.html' | grep -q . ||
    fail 'the pages are not installed'
[ -z "$(find . -name pages.py -o -name man.py)" ] || fail 'what makes the pages is installed'
! [ -d "$build/docs/man" ] || for name in man3/eddy_unref.3 man3/eddy_timer.h.3 man1/eddy-serve.1 man7/eddy.7; do
    find . -path "*/share/man/$name" | grep -q . || fail "$name is not installed"
done
! [ -d "$build/src/cmd/install" ] || for name in completions/eddy system/eddy-serve.service; do
    find . -path "*/$name" | grep -q . || fail "$name is not installed"
done
find . -name 'libeddy.a' | grep -q . || { echo "package: no static library in this build"; exit 77; }
pc=$(find "$work/root" -name eddy.pc)
libraries=$(dirname "$(dirname "$pc")")

# pkg-config hides what it takes for the system's own folders.
export PKG_CONFIG_LIBDIR="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$work/root"
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
cd "$tree"
sed -n '/<!-- compile -->/,/^```$/p' README.md | grep '^cc ' > "$work/commands"
[ "$(wc -l < "$work/commands")" = 2 ] || fail 'the README has two commands to compile hello.c'
while read -r line; do
    line=$(printf '%s\n' "$line" | sed "s|^cc |${CC:-cc} |; s|-o hello|-o '$work/hello'|")
    echo "$line"
    quietly compile sh -c "$line"
    echo 'good morning' | LD_LIBRARY_PATH="$libraries" "$work/hello" > "$work/said"
    grep -q 'you said: good morning' "$work/said" || fail "hello does not answer"
    mv "$work/hello" "$work/hello.last"
done < "$work/commands"

# --- By CMake: installed, and as a folder of the other project ---
if command -v cmake > /dev/null; then
    compiler=${CC:-cc}
    compiler=${compiler##* } # behind ccache, if there is one
    config=$(find "$work/root" -name eddy-config.cmake)
    quietly cmake cmake -S tests/package -B "$work/found" -DCMAKE_PREFIX_PATH="${config%/lib*}" -DCMAKE_C_COMPILER="$compiler"
    quietly cmake-build cmake --build "$work/found"
    "$work/found/parent" && "$work/found/parent_static" || fail 'a program that found eddy by CMake'
    quietly cmake cmake -S tests/package -B "$work/folder" -DEDDY_TREE="$tree" -DCMAKE_C_COMPILER="$compiler"
    quietly cmake-build cmake --build "$work/folder"
    "$work/folder/parent" || fail 'a program with eddy in a folder, by CMake'
fi

# --- As a subproject: a library to link, and nothing else ---
unset PKG_CONFIG_SYSROOT_DIR
export PKG_CONFIG_LIBDIR="$work"
mkdir "$work/parent" "$work/parent/subprojects"
cp tests/package/meson.build tests/package/parent.c "$work/parent"
ln -s "$tree" "$work/parent/subprojects/eddy"
cd "$work/parent"
quietly setup meson setup build
quietly ninja ninja -C build parent
build/parent || fail 'the program of the other project'
[ "$(meson introspect --tests build)" = '[]' ] || fail 'a subproject brings its tests'
quietly parent meson install -C build --no-rebuild --destdir "$work/other"
[ "$(find "$work/other" -type f | sed 's|.*/||')" = parent ] || fail 'a subproject installs something'
echo 'package: installed, compiled static and shared, built as a subproject'
