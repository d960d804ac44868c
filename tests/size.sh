#!/usr/bin/env bash
# size.sh [--update | --peers | --text] BUILD: what a program pays for the library, by profile and by
# what it uses, against the figures in size/size.txt. Fails where one is more than 1 % above its
# figure, and tells where one is as far below, so that it can be lowered; --update writes the file anew.
#
# Text is code and constants, and with them data and bss, of the library's own in a linked program
# (-Os, sections collected), summed up from the linker's map: what the C library adds is not the
# loop's. Open, most: bytes from the loop's allocator after eddy_loop_open, and the most until the end.
# Handle: of what was added. Stack: of a run, as far as it was written, the kernel's and the C
# library's share with it.
#
# --text prints text alone, and runs and compares nothing: with CC='arm-linux-gnueabihf-gcc -mthumb',
# say. --peers prints the same program on the event loops whose static libraries are there, beside the
# figures of the file.
# BUILD has eddy_config.h. What needs the pool is compared with EDDY_TEST_FULL=1 only, as it takes as
# long as all others. Ends with 77 with another compiler than the file's, whose figures differ.
set -euo pipefail
mode=check
case ${1:-} in --update | --peers | --text) mode=${1#--}; shift ;; esac
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(realpath "${1:?usage: size.sh [--update | --peers | --text] BUILD}")
figures=$root/tests/size/size.txt
read -ra cc <<< "${CC:-gcc}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

is_full=$([ $mode != check ] || [ "${EDDY_TEST_FULL:-}" = 1 ] && echo yes || true)
compiler=$("${cc[@]}" -dumpmachine)\ $("${cc[@]}" -dumpversion)
if [ $mode = check ] && [ "$(sed -n 's/^# compiler: //p' "$figures")" != "$compiler" ]; then
    echo "size: $compiler is not the compiler of $figures"
    exit 77
fi

flags=(-std=c11 -Os -ffunction-sections -fdata-sections -fno-math-errno -D_GNU_SOURCE
    -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -I"$root/include" -I"$root/platform" -I"$build/platform")
tiny=(-DEDDY_TINY -DEDDY_NO_SPLIT -DEDDY_ONE_BACKEND=eddy_backend_epoll -fno-asynchronous-unwind-tables)

# The library of a profile, as the meson.build files have it. The backend is epoll.
printf '%s\n' '#include "backend.h"' \
    'const struct eddy_backend *const eddy_backend_table[] = {&eddy_backend_epoll, NULL};' > "$scratch/tiny.c"
printf '%s\n' '#include "backend.h"' 'const struct eddy_backend *const eddy_backend_table[] = {' \
    '&eddy_backend_epoll, &eddy_backend_poll, &eddy_backend_select, NULL};' > "$scratch/full.c"
compile() { # profile, flags
    local profile=$1 file left_out='unobserved|timer_small'
    shift
    [ "$profile" = full ] ||
        left_out='timer|wheel|observe|probe|stats|trace.*|guard|stall_frames|watchdog|backtrace|thread|poll|select|stdio.*|file.*|scan|label'
    mkdir "$scratch/$profile"
    cd "$scratch/$profile"
    # Children and terminals are not measured.
    for file in "$root"/src/{core,net}/*.c "$root"/platform/*.c; do
        [[ ${file##*/} =~ ^($left_out|kqueue|exits.*|children|spawn.*|termios)\.c$ ]] || echo "$file"
    done > ../files
    [ "$profile" = tiny ] || [ -z "$is_full" ] || ls "$root"/src/{work,http}/*.c >> ../files
    echo "$scratch/$profile.c" >> ../files
    # Few at a time: a compiler that is started anew for each costs half as much again.
    xargs -n 12 -P "$(nproc)" "${cc[@]}" "${flags[@]}" "$@" -c < ../files
    ar rcs ../lib$profile.a ./*.o
    cd "$OLDPWD"
}

# Sums of a linked program's map: text data bss, of what is from libPROFILE.a.
sums() { # profile
    awk -v library="lib$1.a" '
        /^Linker script and memory map/ {is_map = 1}
        !is_map {next}
        NF == 1 && $1 ~ /^\./ {name = $1; next}
        {if ($1 !~ /^\./) $0 = name " " $0; name = ""}
        index($4, library) && $2 !~ /^0x0+$/ {
            if ($1 ~ /^\.(text|rodata|eh_frame|data\.rel\.ro)/) print "text", $3
            else if ($1 ~ /^\.t?data/) print "data", $3
            else if ($1 ~ /^\.t?bss/ || $1 == "COMMON") print "bss", $3
        }' "$scratch/map" | {
        declare -A bytes=([text]=0 [data]=0 [bss]=0)
        while read -r kind size; do bytes[$kind]=$((bytes[$kind] + size)); done
        echo "${bytes[text]} ${bytes[data]} ${bytes[bss]}"
    }
}

measure() { # profile, module, flags
    local profile=$1 module=$2 sum ran=
    shift 2
    "${cc[@]}" "${flags[@]}" "$@" "-D${module^^}" "$root/tests/size/program.c" "$scratch/lib$profile.a" -pthread \
        -Wl,--gc-sections,-z,now,-Map="$scratch/map" -o "$scratch/program"
    [ $mode = text ] || ran=$("$scratch/program")
    sum=$(sums "$profile")
    echo "$profile $module $sum${ran:+ $ran}"
}

modules=(timer_io defer signal wake stream)
all() {
    local module
    compile tiny "${tiny[@]}"
    compile full
    for module in "${modules[@]}"; do measure tiny "$module" "${tiny[@]}"; done
    for module in "${modules[@]}" trace ${is_full:+work files http}; do measure full "$module"; done
}

# --- Other loops ---

# The same program on another loop, linked statically: what its library takes of it, and of the C
# library what it needs beyond an empty program. Loops that have none are left out.
peer() { # name, library, source
    local text
    printf '%s\n' "$3" > "$scratch/peer.c"
    if ! "${cc[@]}" -Os -w "$scratch/peer.c" -static -Wl,--gc-sections,-Map="$scratch/map" "$2" -lm \
        -o "$scratch/peer" 2> "$scratch/said"; then
        echo "| $1 | not to be had here | |"
        return
    fi
    text=$(sums "${2#-l}") && read -r text data bss <<< "$text"
    echo "| $1 | $text | $((data + bss)) |"
}

peers() {
    echo '| a timer and a descriptor | text | writable |'
    echo '|---|---|---|'
    awk '$2 == "timer_io" {print "| eddy, " $1 " | " $3 " | " $4 + $5 " |"}' "$figures"
    peer libev -lev '#include <ev.h>
        static void t(struct ev_loop *l, ev_timer *w, int r) {ev_break(l, EVBREAK_ALL);}
        static void i(struct ev_loop *l, ev_io *w, int r) {ev_io_stop(l, w);}
        int main(void) {struct ev_loop *l = ev_loop_new(EVBACKEND_EPOLL); ev_timer a; ev_io b;
            ev_timer_init(&a, t, 1, 0); ev_timer_start(l, &a); ev_io_init(&b, i, 0, EV_READ);
            ev_io_start(l, &b); ev_run(l, 0); ev_loop_destroy(l);}'
    peer libuv -luv_a '#include <uv.h>
        static void t(uv_timer_t *w) {uv_stop(w->loop);}
        static void i(uv_poll_t *w, int s, int e) {uv_poll_stop(w);}
        int main(void) {uv_loop_t l; uv_timer_t a; uv_poll_t b; uv_loop_init(&l);
            uv_timer_init(&l, &a); uv_timer_start(&a, t, 1000, 0); uv_poll_init(&l, &b, 0);
            uv_poll_start(&b, UV_READABLE, i); uv_run(&l, 0); uv_loop_close(&l);}'
    peer libevent -levent_core '#include <event2/event.h>
        static void f(evutil_socket_t fd, short w, void *c) {event_base_loopbreak(c);}
        int main(void) {struct event_base *l = event_base_new(); struct timeval s = {1, 0};
            struct event *a = event_new(l, -1, 0, f, l), *b = event_new(l, 0, EV_READ, f, l);
            event_add(a, &s); event_add(b, 0); event_base_dispatch(l); event_free(a); event_free(b);
            event_base_free(l);}'
}

# --- Against the file ---

compare() {
    awk -v is_full="$is_full" '
        /^#/ {next}
        FNR == NR {for (i = 3; i <= NF; i++) was[$1 " " $2, i] = $i; rows[$1 " " $2] = 1; next}
        FNR == 1 {split("- - text data bss open most handle stack", names, " ")}
        {
            row = $1 " " $2
            if (!(row in rows)) {print row ": is not in the file"; failed = 1}
            else for (i = 3; i <= NF; i++) {
                room = was[row, i] * (i == 9 ? 0.1 : 0.01)
                if ($i > was[row, i] + room) {print row ": " names[i] " " $i ", more than " was[row, i]; failed = 1}
                if ($i < was[row, i] - room) print row ": " names[i] " " $i " can be lowered from " was[row, i]
            }
            delete rows[row]
        }
        END {for (row in rows) if (is_full) {print row ": was not measured"; failed = 1}; exit failed}' "$figures" "$scratch/now"
}

if [ $mode = peers ]; then
    peers
    exit
fi
all > "$scratch/now"
{
    echo '# Of size.sh, which says what they are, in bytes.'
    echo "# compiler: $compiler"
    echo '# profile module text data bss open most handle stack'
    cat "$scratch/now"
} > "$scratch/table"
case $mode in
    update) cp "$scratch/table" "$figures" ;;
    text) cat "$scratch/table" ;;
    check) compare && column -t "$scratch/now" ;;
esac
