/* supervise.c: keeps a program running: `supervise PROGRAM [ARGUMENT...]`.
 *
 * What ends with a status other than 0, or by a signal, is started again, at once if it has run for
 * long, and else after a pause that doubles: 100 ms to 10 s. With status 0 it is done. SIGTERM and
 * SIGINT are passed on to the child and all that it has started (it leads a process group), and
 * then this program ends when the child has, with its status as a shell tells it; a second one
 * kills them. What cannot be started at all ends it with 127. */
#include <eddy.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MIN_NS (100 * EDDY_NS_PER_MS)
#define PAUSE_MAX_NS (10 * EDDY_NS_PER_S)
#define LONG_NS      (10 * EDDY_NS_PER_S) /* what has run for so long did not fail at once */

static eddy_loop *loop;
static eddy_child child;
static eddy_timer pause_timer;
static eddy_signal watchers[2];
static char **command;
static int64_t started_ns, pause_ns;
static unsigned times_asked; /* to end */
static int status;

static void say(const char *what, int error) {
    char text[64];
    fprintf(stderr, "supervise: %s: %s: %s\n", command[0], what,
            eddy_strerror(error, text, sizeof text));
}

/* Nothing is left that keeps the loop running: the signals are unreferenced. */
static void finish(int with) {
    status = with;
    eddy_timer_stop(&pause_timer);
}

static void start(eddy_timer *timer);

static void start_later(void) {
    if (eddy_loop_now_ns(loop) - started_ns >= LONG_NS) pause_ns = 0;
    fprintf(stderr, "supervise: again in %" PRId64 " ms\n", pause_ns / EDDY_NS_PER_MS);
    int err = eddy_timer_start(&pause_timer, start, pause_ns, 0);
    if (err < 0) {
        say("timer", err);
        finish(1);
    }
    pause_ns = pause_ns == 0 ? PAUSE_MIN_NS : 2 * pause_ns;
    if (pause_ns > PAUSE_MAX_NS) pause_ns = PAUSE_MAX_NS;
}

static void on_exit_of(eddy_child *it, const eddy_exit *exit) {
    (void)it;
    if (exit->error < 0)
        fprintf(stderr, "supervise: it has ended, nobody knows how\n");
    else if (exit->signal != 0)
        fprintf(stderr, "supervise: signal %d\n", exit->signal);
    else
        fprintf(stderr, "supervise: status %d\n", exit->status);
    bool is_content = exit->error == 0 && exit->signal == 0 && exit->status == 0;
    int as_in_shell = exit->signal != 0 ? 128 + exit->signal : exit->status;
    if (is_content || times_asked > 0)
        finish(as_in_shell);
    else
        start_later();
}

/* What is missing today may be missing tomorrow; too many processes, or no memory, pass. */
static bool may_pass(int error) {
    return error == -EAGAIN || error == -ENOMEM || error == -EMFILE || error == -ENFILE;
}

static void start(eddy_timer *timer) {
    eddy_child_options options = {.arguments = command, .flags = EDDY_CHILD_GROUP};
    (void)timer;
    started_ns = eddy_loop_now_ns(loop);
    int err = eddy_child_spawn(&child, &options, on_exit_of);
    if (err == 0) return;
    say("start", err);
    if (may_pass(err))
        start_later();
    else
        finish(127);
}

static void on_signal(eddy_signal *watcher, int number) {
    (void)watcher;
    times_asked++;
    int err = eddy_child_kill_group(&child, times_asked == 1 ? number : SIGKILL);
    if (err == -ESRCH && eddy_child_pid(&child) == 0) finish(128 + number); /* in a pause */
}

int main(int count, char **arguments) {
    static const int numbers[] = {SIGTERM, SIGINT};
    if (count < 2) {
        fprintf(stderr, "usage: supervise PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    command = arguments + 1;
    int err = eddy_loop_open(&loop, NULL);
    if (err < 0) {
        say("loop", err);
        return 1;
    }
    eddy_child_init(&child, loop);
    eddy_timer_init(&pause_timer, loop);
    for (int i = 0; i < 2 && err == 0; i++) {
        eddy_signal_init(&watchers[i], loop);
        eddy_unref(&watchers[i].handle);
        err = eddy_signal_start(&watchers[i], on_signal, numbers[i]);
        if (err < 0) say("signal", err);
    }
    if (err == 0) start(NULL);
    if (err == 0) err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    for (int i = 0; i < 2; i++) eddy_signal_stop(&watchers[i]);
    (void)eddy_loop_close(loop);
    return err < 0 ? 1 : status;
}
