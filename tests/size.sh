#!/usr/bin/env bash
# size.sh [--update | --peers | --text | --ledger] BUILD: what a program pays for the library, by profile and by
# what it uses, against the figures in size/size.txt. Fails where one is more than 1 % above its
# figure, and tells where one is as far below, so that it can be lowered; --update writes the file anew.
#
# Text is code and constants, and with them data and bss, of the library's own in a linked program
# (-Os, sections collected), summed up from the linker's map: what the C library adds is not the
# loop's. The row one_file is eddy.c compiled as a part of the program, of which what the program
# has of its own is taken away. Open, most: bytes from the loop's allocator after eddy_loop_open, and the most until the end.
# Handle: of what was added. Stack: of a run, as far as it was written, the kernel's and the C
# library's share with it.
#
# --text prints text alone, and runs and compares nothing: with CC='arm-linux-gnueabihf-gcc -mthumb',
# say. --ledger prints what each function of the first row takes, and what it comes to when library and
# program are optimized together (-flto), or are one file. --peers prints the same program on the event loops whose static
# libraries are there, beside the figures of the file; and on those that are compiled with the program,
# from the folders picoev, mongoose and libubox of $PEER_SOURCES (git clone of kazuho/picoev,
# cesanta/mongoose, openwrt/libubox).
# BUILD has eddy_config.h. What needs the pool is compared with EDDY_TEST_FULL=1 only, as it takes as
# long as all others. Ends with 77 with another compiler than the file's, whose figures differ.
set -euo pipefail
mode=check
case ${1:-} in --update | --peers | --text | --ledger) mode=${1#--}; shift ;; esac
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(realpath "${1:?usage: size.sh [--update | --peers | --text | --ledger] BUILD}")
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
tiny=(-DEDDY_TINY -DEDDY_NO_SPLIT -DEDDY_NO_LOSSES -DEDDY_ONE_BACKEND=eddy_backend_epoll -fno-asynchronous-unwind-tables)
# As a program has it that needs timers and watchers of descriptors, and nothing else.
one_file=(-DEDDY_TINY -DEDDY_NO_QUEUES -DEDDY_API=static -fno-asynchronous-unwind-tables -I"$scratch" -include eddy.c)

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

# A line for each section of a linked program that is from there: kind, bytes, name, object.
sections() { # library or object
    awk -v library="$1" '
        /^Linker script and memory map/ {is_map = 1}
        !is_map {next}
        NF == 1 && $1 ~ /^\./ {name = $1; next}
        {if ($1 !~ /^\./) $0 = name " " $0; name = ""}
        index($4, library) && $2 !~ /^0x0+$/ {
            if ($1 ~ /^\.(text|rodata|eh_frame|data\.rel\.ro)/) kind = "text"
            else if ($1 ~ /^\.t?data/) kind = "data"
            else if ($1 ~ /^\.t?bss/ || $1 == "COMMON") kind = "bss"
            else next
            sub(/.*\(/, "", $4)
            sub(/\.o\)/, ".c", $4)
            print kind, $3, $1, $4
        }' "$scratch/map" | while read -r kind bytes name object; do echo "$kind $((bytes)) $name $object"; done
}

sums() { # library or object: text data bss
    sections "$1" | awk '{bytes[$1] += $2} END {print bytes["text"] + 0, bytes["data"] + 0, bytes["bss"] + 0}'
}

measure() { # profile, module, flags
    local profile=$1 module=$2 sum ran=
    shift 2
    build_program "$scratch/lib$profile.a" "$@" "-D${module^^}"
    [ $mode = text ] || ran=$("$scratch/program")
    sum=$(sums "lib$profile.a")
    echo "$profile $module $sum${ran:+ $ran}"
}

build_program() { # library or nothing, flags
    local library=$1
    shift
    "${cc[@]}" "${flags[@]}" "$@" -c "$root/tests/size/program.c" -o "$scratch/size_program.o"
    "${cc[@]}" "$scratch/size_program.o" ${library:+"$library"} -pthread -Wl,--gc-sections,-z,now,-Map="$scratch/map" \
        -o "$scratch/program"
}

measure_one_file() {
    local own sum ran=
    python3 "$root/platform/amalgamation/amalgamate.py" "$scratch"
    build_program "$scratch/libtiny.a" "${tiny[@]}" -DTIMER_IO
    own=$(sums size_program.o)
    build_program '' "${one_file[@]}" -DTIMER_IO
    [ $mode = text ] || ran=$("$scratch/program")
    sum=$(echo "$own $(sums size_program.o)" | awk '{print $4 - $1, $5 - $2, $6 - $3}')
    echo "one_file timer_io $sum${ran:+ $ran}"
}

modules=(timer_io defer signal wake stream)
all() {
    local module
    compile tiny "${tiny[@]}"
    compile full
    measure_one_file
    for module in "${modules[@]}"; do measure tiny "$module" "${tiny[@]}"; done
    for module in "${modules[@]}" trace ${is_full:+work files http}; do measure full "$module"; done
}

# --- By function ---

# The code and constants of a static program: what -flto saves can be seen in no map.
whole() { # flags
    rm -rf "$scratch/tiny"
    compile tiny "${tiny[@]}" -fno-pie "$@"
    "${cc[@]}" "${flags[@]}" "${tiny[@]}" -fno-pie "$@" -DTIMER_IO "$root/tests/size/program.c" "$scratch/libtiny.a" -static \
        -Wl,--gc-sections,-Map="$scratch/map" -o "$scratch/program"
    size "$scratch/program" | awk 'NR == 2 {print $1}'
}

ledger() {
    mode=text
    compile tiny "${tiny[@]}"
    measure tiny timer_io "${tiny[@]}" > /dev/null
    echo '| bytes | function or constants | file |'
    echo '|---|---|---|'
    sections libtiny.a | sed -E 's/ \.(text|rodata|data\.rel\.ro\.local|data\.rel\.ro)\.?/ /; s/\.(constprop|isra|part)\.[0-9]+//' |
        sort -k2,2nr -k3 | awk '{print "| " $2 " | " $3 " | " $4 " |"}'
    local apart together text joined
    text=$(sums libtiny.a)
    read -r _ _ joined _ <<< "$(measure_one_file)"
    apart=$(whole)
    together=$(whole -flto)
    echo "in all ${text%% *}; with -flto $((${text%% *} + together - apart)); as one file $joined"
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
    text=${2##*/lib} text=${text%.a}
    text=$(sums "lib${text#-l}.a") && read -r text data bss <<< "$text"
    echo "| $1 | $text | $((data + bss)) |"
}

# One that has no library: its sources as the tiny profile's. What is in its header is in the program,
# which therefore counts as well.
peer_source() { # name, program, files
    local name=$1 folder=${PEER_SOURCES:-}/$1 program=$2
    shift 2
    if [ ! -d "$folder" ]; then
        echo "| $name | not to be had here | |"
        return
    fi
    mkdir "$scratch/$name"
    printf '%s\n' "$program" > "$scratch/$name/program.c"
    (cd "$scratch/$name" && "${cc[@]}" -Os -w -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables \
        -D_GNU_SOURCE -DMG_ENABLE_EPOLL=1 -I"$folder" -c program.c "${@/#/$folder/}" && ar rcs "../lib$name.a" ./*.o)
    peer "$name" "$scratch/lib$name.a" ''
}

peers() {
    echo '| a timer and a descriptor | text | writable |'
    echo '|---|---|---|'
    awk '$2 == "timer_io" {sub("_", " ", $1); print "| eddy, " $1 " | " $3 " | " $4 + $5 " |"}' "$figures"
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
    peer_source libubox '#include "uloop.h"
        static void t(struct uloop_timeout *w) {uloop_end();}
        static void i(struct uloop_fd *w, unsigned e) {uloop_fd_delete(w);}
        int main(void) {static struct uloop_timeout a = {.cb = t}; static struct uloop_fd b = {.cb = i};
            uloop_init(); uloop_timeout_set(&a, 1000); uloop_fd_add(&b, ULOOP_READ); uloop_run(); uloop_done();}' uloop.c
    # Its timers are seconds of a descriptor.
    peer_source picoev '#include "picoev.h"
        static picoev_loop *l;
        static void i(picoev_loop *w, int fd, int e, void *c) {if (e & PICOEV_TIMEOUT) picoev_del(w, fd);}
        int main(void) {picoev_init(64); l = picoev_create_loop(60); picoev_add(l, 0, PICOEV_READ, 1, i, 0);
            while (picoev_is_active(l, 0)) picoev_loop_once(l, 1); picoev_destroy_loop(l); picoev_deinit();}' picoev_epoll.c
    peer_source mongoose '#include "mongoose.h"
        static int done;
        static void t(void *c) {done = 1;}
        static void i(struct mg_connection *c, int e, void *d) {c->is_draining = 1;}
        int main(void) {struct mg_mgr m; mg_mgr_init(&m); mg_timer_add(&m, 1000, 0, t, 0); mg_wrapfd(&m, 0, i, 0);
            while (!done) mg_mgr_poll(&m, 1000); mg_mgr_free(&m);}' mongoose.c
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

case $mode in peers | ledger) "$mode"; exit ;; esac
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
