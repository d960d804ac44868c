# common.sh: what the scripts of this folder share; sourced by them, with `package` set. Sources and
# builds are in a directory: the one that the script was given, which is kept and may be used again,
# or one of mktemp, which is removed. Nothing else is written, nothing is installed.
#
# DEBIAN_SUITE names the release whose newest version is taken (default: the running one), BACKEND the
# backend (default: the best).
# shellcheck shell=bash disable=SC2034,SC2154 # variables of the scripts
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$tree/tests/ports
if [ $# -gt 1 ] || [ "$(printf %.1s "${1:-}")" = - ]; then
    echo "usage: $0 [DIRECTORY]"
    exit 2
fi
kept=${1:-}
work=
group=

leave() {
    [ -z "$group" ] || kill -- "-$group" 2> /dev/null || true
    [ -n "$kept" ] || [ -z "$work" ] || rm -rf "$work"
}
trap leave EXIT
trap 'exit 1' INT TERM
if [ -n "$kept" ]; then
    mkdir -p "$kept"
    work=$(cd "$kept" && pwd)
else
    work=$(mktemp -d)
fi

fail() { echo "$package: $1"; exit 1; }
skip() { echo "$package: $1"; exit 77; }
# quietly NAME COMMAND…: at low priority; its last words when it fails.
quietly() {
    local log=$work/$1.log
    shift
    nice "$@" > "$log" 2>&1 || { tail -40 "$log"; fail "$*"; }
}

# in_group COMMAND…: in a process group of its own, all of which is ended with the script.
in_group() {
    local status=0
    set -m
    nice "$@" &
    group=$!
    set +m
    wait "$group" || status=$?
    kill -- "-$group" 2> /dev/null || true
    group=
    return $status
}

# Leaves Debian's newest sources of the package in $source, and their version in $version.
get_source() {
    for tool in apt-get dpkg-source meson ninja make cc; do
        command -v "$tool" > /dev/null || skip "no $tool here"
    done
    local suite=${DEBIAN_SUITE:-$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)}
    suite=${suite:-sid}
    local apt=$work/apt keyring=/usr/share/keyrings/debian-archive-keyring.gpg options=
    [ ! -f $keyring ] || options="[signed-by=$keyring] "
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    cd "$work" || fail "$work is gone"
    if ! ls -d "$package"-*/ > /dev/null 2>&1; then
        echo "deb-src ${options}http://deb.debian.org/debian $suite main" > "$apt/sources.list"
        [ "$suite" = sid ] || echo "deb-src ${options}http://deb.debian.org/debian-security $suite-security main" \
            >> "$apt/sources.list"
        local own=(-qq -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
            -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=root)
        # What a mirror lacks shows when the sources are asked for.
        apt-get "${own[@]}" update > "$work/apt.log" 2>&1 || true
        (cd "$apt" && apt-get "${own[@]}" source --only-source "$package") >> "$work/apt.log" 2>&1 ||
            { tail -3 "$work/apt.log"; skip "no sources of $suite"; }
        mv "$apt/$package"-*/ "$work" # whole, or not at all
    fi
    source=$(cd "$package"-*/ && pwd)
    version=$(head -1 "$source/debian/changelog" | sed 's/.*(\(.*\)).*/\1/')
}

# Leaves eddy's static library in $eddy.
build_eddy() {
    [ -d "$work/eddy" ] || quietly eddy-setup meson setup "$work/eddy" "$tree" -Dbuildtype=debugoptimized \
        -Ddefault_library=static -Dtests=false -Dprogram=false -Dexamples=false -Dpages=false -Dinstall=false
    quietly eddy ninja -j1 -C "$work/eddy" src/libeddy.a
    eddy=$work/eddy/src/libeddy.a
}
