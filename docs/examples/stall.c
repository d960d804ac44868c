/* stall.c: a callback that waits for something holds up its loop, and is told of while it does: who
 * it is, for how long by now, and where it stands; and once more when it is over.
 *
 *     cc -D_GNU_SOURCE -g stall.c -leddy -o stall && ./stall
 *     addr2line -f -e stall 0x1234    # names what a line of the backtrace says
 *
 * Read beside it: include/eddy/watchdog.h. */
#include <eddy.h>

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* --- To be copied into a program --- */

/* "    #2 stall+0x1a2f", "    #5 libeddy.so.0.1+0x52c1 eddy_loop_run+0x31". A return address is
 * that of the next instruction, which may be another line's, or even another function's: one less
 * is in the call. */
static void print_frame(int number, void *frame) {
    uintptr_t address = (uintptr_t)frame - 1;
    Dl_info info;
    if (dladdr((void *)address, &info) == 0 || info.dli_fname == NULL) {
        fprintf(stderr, "    #%d 0x%zx\n", number, (size_t)address);
        return;
    }
    const char *slash = strrchr(info.dli_fname, '/');
    fprintf(stderr, "    #%d %s+0x%zx", number, slash != NULL ? slash + 1 : info.dli_fname,
            (size_t)(address - (uintptr_t)info.dli_fbase));
    if (info.dli_sname != NULL)
        fprintf(stderr, " %s+0x%zx", info.dli_sname, (size_t)(address - (uintptr_t)info.dli_saddr));
    fprintf(stderr, "\n");
}

/* In the watchdog's thread: a program that cannot write to stderr just now does not tell, but goes
 * on. */
static void on_stalled(const eddy_stall *stall, void *context) {
    long long ms = (long long)(stall->duration_ns / EDDY_NS_PER_MS);
    (void)context;
    fprintf(stderr, "%s \"%s\" in phase %d %s %lld ms\n", eddy_kind_name(stall->kind), stall->label,
            stall->phase, stall->is_over ? "is over, it took" : "has been running for", ms);
    if (stall->frames_error < 0) {
        char text[64];
        fprintf(stderr, "    no backtrace: %s\n",
                eddy_strerror(stall->frames_error, text, sizeof text));
    }
    for (int i = 0; i < stall->frame_count; i++) print_frame(i, stall->frames[i]);
}

/* --- A program with a mistake --- */

/* What should be a job of the pool, or a request that does not block. The signal for the backtrace
 * ends a sleep early. */
static void ask_a_slow_server(void) {
    struct timespec left = {.tv_sec = 1};
    while (nanosleep(&left, &left) < 0 && errno == EINTR) continue;
}

static void on_report(eddy_timer *timer) {
    (void)timer;
    ask_a_slow_server();
}

static void on_tick(eddy_timer *timer) {
    static int ticks;
    if (++ticks == 20) eddy_timer_stop(timer);
}

static int run(eddy_loop *loop) {
    eddy_timer tick, report;
    eddy_label label;
    eddy_timer_init(&tick, loop);
    eddy_timer_init(&report, loop);
    eddy_label_init(&label, loop);
    (void)eddy_label_set(&label, &report, "daily report"); /* or it has no name */
    int err = eddy_timer_start(&tick, on_tick, 0, 10 * EDDY_NS_PER_MS);
    if (err == 0) err = eddy_timer_start(&report, on_report, 55 * EDDY_NS_PER_MS, 0);
    if (err == 0) err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    eddy_timer_stop(&tick);
    eddy_timer_stop(&report);
    eddy_label_clear(&label);
    return err;
}

int main(void) {
    eddy_watchdog watchdog;
    eddy_watchdog_config config = {
        .budget_ns = 100 * EDDY_NS_PER_MS, .stalled = on_stalled, .signal = SIGURG};
    eddy_guard guard = {0};
    eddy_loop *loop;
    char text[64];
    int err = eddy_loop_open(&loop, NULL);
    if (err == 0) {
        err = eddy_watchdog_start(&watchdog, &config);
        if (err == 0) {
            err = eddy_guard_start(&guard, &watchdog, loop);
            if (err == 0) err = run(loop);
            eddy_guard_stop(&guard);
            (void)eddy_watchdog_stop(&watchdog);
        }
        (void)eddy_loop_close(loop);
    }
    if (err < 0) fprintf(stderr, "stall: %s\n", eddy_strerror(err, text, sizeof text));
    return err < 0;
}
