/* turn.c: one turn, every phase of it, each callback writing its name to stdout. Under
 * `strace ./turn` the names stand between the system calls that the loop makes.
 * Read beside it: docs/02-turn.md and include/eddy/loop.h. */
#include <eddy.h>
#include <string.h>
#include <unistd.h>

static eddy_loop *loop;
static eddy_hook prepare, check, idle;
static eddy_timer timer, again;
static eddy_io io;
static eddy_post post;
static eddy_defer defer;
static eddy_stream stream; /* without a connection: it is only here to be closed */

/* Straight to the descriptor: stdio would keep the names back until the end. */
static void say(const char *text) {
    if (write(STDOUT_FILENO, text, strlen(text)) < 0) eddy_loop_stop(loop);
}

static void on_prepare(eddy_hook *hook) {
    (void)hook;
    say("-  prepare\n");
}
static void on_check(eddy_hook *hook) {
    (void)hook;
    say("-  check\n");
}
static void on_idle(eddy_hook *hook) {
    (void)hook;
    say("-  idle\n");
}
static void on_later(eddy_timer *it) {
    (void)it;
    say("4  timer, the last thing to do\n");
}
static void on_again(eddy_timer *it) {
    say("4  timer, started in the last turn\n");
    eddy_timer_start(it, on_later, 5 * EDDY_NS_PER_MS, 0); /* time to be idle */
}
static void on_posted(eddy_post *it) {
    (void)it;
    say("6  inbox\n");
}
static void on_closed(eddy_stream *it) {
    (void)it;
    say("8  closing\n");
}
static void on_deferred(eddy_defer *it) {
    (void)it;
    say("7  deferred\n");
    eddy_stream_close(&stream, on_closed);
}

/* Due at once, but not in this phase. */
static void on_timer(eddy_timer *it) {
    (void)it;
    say("4  timer\n");
    eddy_timer_start(&again, on_again, 0, 0);
}

static void on_readable(eddy_io *it, unsigned events) {
    (void)events;
    char byte;
    say("5  ready\n");
    if (read(eddy_io_fd(it), &byte, 1) == 1) eddy_defer_start(&defer, on_deferred);
    eddy_io_stop(it);
}

/* Hooks alone do not keep this loop alive: it ends when the rest is done. */
static int start_hooks(void) {
    eddy_hook *hooks[] = {&prepare, &check, &idle};
    eddy_hook_fn *fns[] = {on_prepare, on_check, on_idle};
    for (int kind = EDDY_HOOK_PREPARE; kind <= EDDY_HOOK_IDLE; kind++) {
        eddy_hook_init(hooks[kind], loop);
        eddy_unref(&hooks[kind]->handle);
        if (eddy_hook_start(hooks[kind], (eddy_hook_kind)kind, fns[kind]) < 0) return -1;
    }
    return 0;
}

int main(void) {
    int ends[2];
    if (pipe(ends) < 0 || eddy_loop_open(&loop, NULL) < 0) return 1;
    eddy_timer_init(&timer, loop);
    eddy_timer_init(&again, loop);
    eddy_io_init(&io, loop);
    eddy_defer_init(&defer, loop);
    eddy_stream_init(&stream, loop);
    if (start_hooks() < 0 || eddy_timer_start(&timer, on_timer, 0, 0) < 0) return 1;
    if (eddy_io_start(&io, on_readable, ends[0], EDDY_READ) < 0) return 1;
    if (write(ends[1], "x", 1) != 1) return 1;
    eddy_loop_post(loop, &post, on_posted); /* as another thread would */

    int left = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    eddy_hook_stop(&prepare);
    eddy_hook_stop(&check);
    eddy_hook_stop(&idle);
    return left == 0 && eddy_loop_close(loop) == 0 ? 0 : 1;
}
