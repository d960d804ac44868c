/* child.c: faults while a program starts children with streams at their ends, lets one go, and
 * watches one that somebody else has started. */
#include "fault.h"

#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

struct told {
    eddy_child child;
    struct promise exit;
    int error, status;
};

static eddy_loop *loop;
static struct told first, let_go, watched;
static bool first_over, watched_over;
static eddy_stream in, out, both;
static struct promise closing[3];

static void on_exit(eddy_child *child, const eddy_exit *exit) {
    struct told *told = eddy_container_of(child, struct told, child);
    promise_keep(&told->exit);
    fault_assert(told != &let_go);
    fault_assert(exit->error == 0);
    told->status = exit->status;
    if (told == &first) first_over = true;
    if (told == &watched) watched_over = true;
}

static void on_closed(eddy_stream *stream) {
    promise_keep(&closing[stream == &in ? 0 : stream == &out ? 1 : 2]);
}

static void begin(void) {
    first_over = watched_over = false;
    memset(&first, 0, sizeof first);
    memset(&let_go, 0, sizeof let_go);
    memset(&watched, 0, sizeof watched);
    eddy_child_init(&first.child, loop);
    eddy_child_init(&let_go.child, loop);
    eddy_child_init(&watched.child, loop);
    eddy_stream_init(&in, loop);
    eddy_stream_init(&out, loop);
    eddy_stream_init(&both, loop);
}

static int start(struct told *told, const char *script, const eddy_child_fd *fds, unsigned count) {
    char *arguments[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                         (char *)(uintptr_t)script, NULL};
    eddy_child_options options = {.arguments = arguments, .fds = fds, .fd_count = count};
    int err = promise_give(&told->exit, eddy_child_spawn(&told->child, &options, on_exit));
    fault_assert(err == 0 || !fault_is_unhurt());
    fault_assert(eddy_is_active(&told->child.handle) == (err == 0));
    return err;
}

static void close_stream(eddy_stream *stream, int index) {
    fault_assert(promise_give(&closing[index], eddy_stream_close(stream, on_closed)) == 0);
}

/* All three streams are connected, or none. */
static void start_with_streams(void) {
    const eddy_child_fd fds[] = {{.number = 0, .source = EDDY_CHILD_READS, .stream = &in},
                                 {.number = 1, .source = EDDY_CHILD_WRITES, .stream = &out},
                                 {.number = 5, .source = EDDY_CHILD_SOCKET, .stream = &both},
                                 {.number = 2, .source = EDDY_CHILD_NULL}};
    bool has_started = start(&first, "exit 3", fds, 4) == 0;
    fault_assert((eddy_stream_fd(&in) >= 0) == has_started);
    fault_assert((eddy_stream_fd(&out) >= 0) == has_started);
    fault_assert((eddy_stream_fd(&both) >= 0) == has_started);
    if (has_started && fault_turn_until(loop, &first_over) == 0) fault_assert(first.status == 3);
}

static void use_children(void) {
    if (fault_loop_open(&loop, (eddy_loop_config){0}) < 0) return;
    begin();
    start_with_streams();
    if (start(&let_go, "exit 4", NULL, 0) == 0) {
        eddy_child_stop(&let_go.child);
        let_go.exit.kept = true; /* it is not told */
    }
    pid_t pid = fork();
    if (pid == 0) _exit(5);
    int err = eddy_child_watch(&watched.child, pid, 0, on_exit);
    fault_assert(err == 0 || !fault_is_unhurt());
    if (promise_give(&watched.exit, err) == 0 && fault_turn_until(loop, &watched_over) == 0)
        fault_assert(watched.status == 5);
    if (!watched_over) { /* it was not watched, or the wait has failed for ever */
        eddy_child_stop(&watched.child);
        (void)waitpid(pid, NULL, 0);
    }
    eddy_child_stop(&first.child);
    close_stream(&in, 0);
    close_stream(&out, 1);
    close_stream(&both, 2);
    fault_loop_close(loop);
    for (int i = 0; i < 3; i++) fault_assert(closing[i].kept);
    while (waitpid(-1, NULL, 0) > 0) continue; /* what was let go, and still ran */
}

START_TEST(children_are_told_or_were_not_started) {
    fault_loop("children", use_children);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fault child");
    ck_add(suite, "child", children_are_told_or_were_not_started);
    return suite;
}
