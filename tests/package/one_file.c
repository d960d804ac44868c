/* one_file.c: what the smallest build keeps of its promises: eddy.c as a part of this program, with
 * timers and watchers of descriptors alone (EDDY_TINY, EDDY_NO_QUEUES). */
#define EDDY_API static
#include "eddy.c"

#include <stdio.h>
#include <sys/wait.h>

#define CHECK(condition) \
    ((condition) ? (void)0 : (fprintf(stderr, "line %d: %s\n", __LINE__, #condition), exit(1)))

static eddy_loop *loop;
static eddy_timer timers[3];
static eddy_io ios[2];
static int ends[2], calls, order[8], order_count;
static int64_t began_ns;

static void on_timer(eddy_timer *timer) {
    CHECK(eddy_loop_now_ns(loop) - began_ns >= 2 * EDDY_NS_PER_MS);
    order[order_count++] = (int)(timer - timers);
    if (order_count == 4) eddy_timer_stop(timer);
}

/* Of two deadlines the earlier, of equal ones the first started; a repeating one until it is
 * stopped. */
static void timers_keep_their_order(void) {
    for (int i = 0; i < 3; i++) eddy_timer_init(&timers[i], loop);
    began_ns = eddy_loop_now_ns(loop);
    CHECK(eddy_timer_start(&timers[2], on_timer, 3 * EDDY_NS_PER_MS, EDDY_NS_PER_MS) == 0);
    CHECK(eddy_timer_start(&timers[0], on_timer, 2 * EDDY_NS_PER_MS, 0) == 0);
    CHECK(eddy_timer_start(&timers[1], on_timer, 2 * EDDY_NS_PER_MS, 0) == 0);
    CHECK(eddy_timer_start(&timers[0], NULL, 0, 0) == -EINVAL);
    CHECK(eddy_timer_start(&timers[0], on_timer, -1, 0) == -EINVAL);
    CHECK(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
    CHECK(order_count == 4 && order[0] == 0 && order[1] == 1 && order[2] == 2 && order[3] == 2);
}

/* Stops both, so that the neighbour, which is ready as well, hears nothing. */
static void on_ready(eddy_io *io, unsigned events) {
    char byte;
    CHECK(events & EDDY_READ);
    CHECK(read(eddy_io_fd(io), &byte, 1) == 1);
    calls++;
    for (int i = 0; i < 2; i++) eddy_io_stop(&ios[i]);
}

static void stopped_neighbours_hear_nothing(void) {
    for (int i = 0; i < 2; i++) {
        eddy_io_init(&ios[i], loop);
        CHECK(eddy_io_start(&ios[i], on_ready, ends[0], EDDY_READ) == 0);
    }
    CHECK(eddy_io_start(&ios[0], on_ready, ends[0], EDDY_READ) == -EALREADY);
    CHECK(eddy_loop_run(loop, EDDY_RUN_NOWAIT) == 1 && calls == 0);
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0 && calls == 1);
}

static void on_wrong(eddy_io *io, unsigned events) {
    (void)io, (void)events;
    CHECK(false);
}

static void errors_are_told_at_start(const char *file) {
    int fd = open(file, O_RDONLY);
    CHECK(eddy_io_start(&ios[0], on_wrong, fd, EDDY_READ) == -EPERM);
    close(fd);
    CHECK(eddy_io_start(&ios[0], on_wrong, fd, EDDY_READ) == -EBADF);
    CHECK(eddy_io_start(&ios[0], on_wrong, ends[0], 1u << 20) == -EINVAL);
}

/* The watcher was stopped too late, and a duplicate keeps its registration: whoever has the number
 * now does not hear of it, and the loop gets rid of it. */
static void stale_events_are_dropped(void) {
    int gone = dup(ends[0]), kept, other[2];
    CHECK(eddy_io_start(&ios[0], on_wrong, gone, EDDY_READ) == 0);
    kept = dup(gone);
    CHECK(pipe(other) == 0 && dup2(other[0], gone) == gone);
    eddy_io_stop(&ios[0]);
    CHECK(eddy_io_start(&ios[1], on_wrong, gone, EDDY_READ) == 0);
    eddy_timer_start(&timers[0], on_timer, 2 * EDDY_NS_PER_MS, 0);
    began_ns = eddy_loop_now_ns(loop), order_count = 0;
    CHECK(write(ends[1], "x", 1) == 1);
    while (order_count == 0) CHECK(eddy_loop_run(loop, EDDY_RUN_ONCE) == 1);
    eddy_io_stop(&ios[1]);
    close(kept);
}

/* The byte of before is still there. */
static void a_child_goes_on_after_fork(void) {
    int status;
    CHECK(eddy_io_start(&ios[0], on_ready, ends[0], EDDY_READ) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(eddy_loop_close(loop) == -ECHILD);
        CHECK(eddy_loop_after_fork(loop) == 0);
        CHECK(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0 && calls == 2);
        CHECK(eddy_loop_close(loop) == 0);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(eddy_loop_close(loop) == -EBUSY);
    eddy_io_stop(&ios[0]);
}

int main(int argc, char **argv) {
    (void)argc;
    CHECK(pipe(ends) == 0);
    CHECK(eddy_loop_open(&loop, &(eddy_loop_config){.backend = "no such"}) == -ENOENT);
    CHECK(eddy_loop_open(
              &loop, &(eddy_loop_config){.is_fixed = true, .descriptors = 16, .timers = 3}) == 0);
    timers_keep_their_order();
    stopped_neighbours_hear_nothing();
    errors_are_told_at_start(argv[0]);
    stale_events_are_dropped();
    a_child_goes_on_after_fork();
    CHECK(eddy_loop_close(loop) == 0);
    return 0;
}
