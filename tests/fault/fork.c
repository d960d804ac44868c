/* fork.c: faults in a forked child while it gets a backend and a pipe of its own. The child says by
 * its exit status whether it was content; the parent's loop must go on undisturbed. */
#include "fault.h"
#include "system.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static eddy_loop *loop;
static eddy_io reader;
static eddy_timer timer;
static eddy_signal watcher;
static int ends[2];
static bool told, posted, signalled;
static eddy_post post;

static void on_read(eddy_io *io, unsigned events) {
    if ((events & EDDY_ERROR) && eddy_io_error(io) != 0) fault_assert(!fault_is_unhurt());
    told = true;
}

static void on_timer(eddy_timer *it) {
    (void)it;
}

static void on_post(eddy_post *it) {
    (void)it;
    posted = true;
}

static void on_signal(eddy_signal *it, int number) {
    (void)it, (void)number;
    signalled = true;
}

/* The parent's inbox has been in use: its pipe knows of it. */
static void open_parent(void) {
    fault_assert(fault_loop_open(&loop, (eddy_loop_config){0}) == 0);
    test_pipe(ends);
    eddy_io_init(&reader, loop);
    eddy_timer_init(&timer, loop);
    fault_assert(eddy_io_start(&reader, on_read, ends[0], EDDY_READ) == 0);
    fault_assert(eddy_timer_start(&timer, on_timer, EDDY_NS_PER_S, 0) == 0);
    eddy_signal_init(&watcher, loop);
    fault_assert(eddy_signal_start(&watcher, on_signal, SIGUSR1) == 0);
    signalled = false;
    fault_assert(raise(SIGUSR1) == 0);
    fault_assert(fault_turn_until(loop, &signalled) == 0);
    told = false;
    put(ends[1], "x");
}

static void close_all(void) {
    eddy_io_stop(&reader);
    eddy_timer_stop(&timer);
    eddy_signal_stop(&watcher);
    fault_loop_close(loop);
    close_both(ends);
}

/* Descriptors as few as before the loop was opened, and no memory left. */
static void live_as_child(long blocks, int descriptors) {
    int err = eddy_loop_after_fork(loop);
    if (err < 0) {
        fault_assert(!fault_is_unhurt());
        err = eddy_loop_after_fork(loop); /* it may be called again */
    }
    if (err == 0) {
        (void)fault_turn_until(loop, &told);
        eddy_loop_post(loop, &post, on_post); /* goes through the child's own pipe */
        (void)fault_turn_until(loop, &posted);
    } else {
        fault_assert(raise(SIGUSR1) == 0); /* though the pipe may be the parent's */
    }
    close_all();
    fault_assert(seam_counts().blocks == blocks);
    fault_assert(descriptors_open(256) == descriptors);
    _exit(0);
}

static void fork_and_go_on(void) {
    seam_suspend(true);
    long blocks = seam_counts().blocks;
    int descriptors = descriptors_open(256);
    open_parent();
    pid_t child = fork();
    fault_assert(child >= 0);
    if (child == 0) {
        seam_suspend(false);
        live_as_child(blocks, descriptors);
    }
    int status = 0;
    fault_assert(waitpid(child, &status, 0) == child);
    fault_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    seam_heal();
    fault_assert(fault_turn_until(loop, &told) == 0);
    close_all();
}

START_TEST(child_gets_a_loop_of_its_own_or_closes_it) {
    fault_loop("fork", fork_and_go_on);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fault fork");
    ck_add(suite, "fork", child_gets_a_loop_of_its_own_or_closes_it);
    return suite;
}
