/* memory.c: nothing on a hot path allocates, and where memory may fail, nothing is half-done. */
#include "memory.h"
#include "suite.h"
#include "system.h"

#include <signal.h>

static struct test_memory memory;
static eddy_loop *loop;
static int calls;

static void begin(void) {
    calls = 0;
    memory = test_memory_make();
    eddy_allocator allocator = test_memory_allocator(&memory);
    loop = test_loop_open_with((eddy_loop_config){.allocator = &allocator});
}

static void end(void) {
    memory.fail_in = -1;
    test_loop_close(loop);
    ck_assert_uint_eq(memory.blocks, 0);
    ck_assert_uint_eq(memory.bytes, 0);
}

static void turn(void) {
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
}

static void forbid_memory(void) {
    memory.fail_in = 0;
    memory.fail_on = true;
}

static void allow_memory(void) {
    memory.fail_in = -1;
    memory.fail_on = false;
}

static void count_io(eddy_io *io, unsigned events) {
    (void)io;
    (void)events;
    calls++;
}

static void count_timer(eddy_timer *timer) {
    (void)timer;
    calls++;
}

static void count_defer(eddy_defer *defer) {
    (void)defer;
    calls++;
}

static void count_post(eddy_post *post) {
    (void)post;
    calls++;
}

static void count_wake(eddy_wake *wake) {
    (void)wake;
    calls++;
}

static void count_hook(eddy_hook *hook) {
    (void)hook;
    calls++;
}

static void count_signal(eddy_signal *watcher, int number) {
    (void)watcher;
    (void)number;
    calls++;
}

/* Everything a busy loop does, over and over, with an allocator that has nothing left. */
START_TEST(a_warm_loop_allocates_nothing) {
    begin();
    int ends[2];
    test_socket_pair(ends);
    eddy_io io;
    eddy_timer timer;
    eddy_defer defer;
    eddy_wake wake;
    eddy_hook hook;
    eddy_signal watcher;
    eddy_post post;
    eddy_io_init(&io, loop);
    eddy_timer_init(&timer, loop);
    eddy_defer_init(&defer, loop);
    eddy_wake_init(&wake, loop);
    eddy_hook_init(&hook, loop);
    eddy_signal_init(&watcher, loop);
    unsigned long asked = 0;
    for (int i = 0; i < 1000; i++) {
        if (i == 10) {
            asked = memory.asked;
            forbid_memory();
        }
        ck_assert_int_eq(eddy_io_start(&io, count_io, ends[0], EDDY_READ), 0);
        put(ends[1], "x");
        ck_assert_int_eq(eddy_timer_start(&timer, count_timer, 0, 0), 0);
        ck_assert_int_eq(eddy_defer_start(&defer, count_defer), 0);
        ck_assert_int_eq(eddy_wake_start(&wake, count_wake), 0);
        eddy_wake_send(&wake);
        eddy_loop_post(loop, &post, count_post);
        ck_assert_int_eq(eddy_signal_start(&watcher, count_signal, SIGUSR1), 0);
        ck_assert_int_eq(raise(SIGUSR1), 0);
        ck_assert_int_eq(eddy_hook_start(&hook, EDDY_HOOK_CHECK, count_hook), 0);
        turn();
        drain(ends[0], NULL);
        ck_assert_int_eq(eddy_io_change(&io, EDDY_READ | EDDY_WRITE), 0);
        ck_assert_int_eq(eddy_timer_start(&timer, count_timer, EDDY_NS_PER_S, 0), 0);
        ck_assert_int_eq(eddy_timer_start(&timer, count_timer, 2 * EDDY_NS_PER_S, 0), 0);
        turn();
        eddy_hook_stop(&hook);
        eddy_signal_stop(&watcher);
        eddy_wake_stop(&wake);
        eddy_timer_stop(&timer);
        eddy_io_stop(&io);
    }
    ck_assert_uint_eq(memory.asked, asked);
    /* Seven kinds of call in the first turn, the hook and the writer in the second. */
    ck_assert_int_eq(calls, 1000 * 9);
    close_both(ends);
    end();
}
END_TEST

/* Timers start until the heap must grow and cannot. */
START_TEST(a_timer_that_finds_no_memory_is_not_started) {
    begin();
    enum { MANY = 200 };
    static eddy_timer timers[MANY];
    bool failed = false;
    for (int i = 0; i < MANY; i++) {
        eddy_timer_init(&timers[i], loop);
        memory.fail_in = 0;
        int err = eddy_timer_start(&timers[i], count_timer, i, 0);
        if (err == 0) continue;
        failed = true;
        ck_assert_int_eq(err, -ENOMEM);
        ck_assert(!eddy_is_active(&timers[i].handle));
        ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
        /* Those that run are unaffected, and restarting them needs no memory. */
        memory.fail_in = 0;
        if (i > 0) ck_assert_int_eq(eddy_timer_start(&timers[i - 1], count_timer, i - 1, 0), 0);
        allow_memory();
        ck_assert_int_eq(eddy_timer_start(&timers[i], count_timer, i, 0), 0);
    }
    ck_assert(failed);
    allow_memory();
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(calls, MANY);
    end();
}
END_TEST

/* Watchers start on ever higher descriptors; whichever allocation is the one that fails. */
START_TEST(a_watcher_that_finds_no_memory_is_not_started) {
    begin();
    descriptors_allow(1100);
    int ends[2];
    test_pipe(ends);
    put(ends[1], "x");
    enum { MANY = 12 };
    eddy_io io[MANY];
    int fds[MANY];
    bool failed = false;
    for (int i = 0; i < MANY; i++) {
        fds[i] = fcntl(ends[0], F_DUPFD_CLOEXEC, 60 + i * 80);
        ck_assert_int_ge(fds[i], 0);
        eddy_io_init(&io[i], loop);
        int err = -ENOMEM;
        for (long fail_in = 0; err != 0; fail_in++) {
            memory.fail_in = fail_in;
            memory.fail_on = true;
            err = eddy_io_start(&io[i], count_io, fds[i], EDDY_READ);
            allow_memory();
            ck_assert(err == 0 || err == -ENOMEM);
            ck_assert_int_eq(eddy_is_active(&io[i].handle), err == 0);
            ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
            if (err < 0) {
                failed = true;
                calls = 0;
                turn();
                ck_assert_int_eq(calls, i);
                ck_assert_int_eq(eddy_io_fd(&io[i]), -1);
            }
            ck_assert_int_lt(fail_in, 20);
        }
    }
    ck_assert(failed);
    calls = 0;
    turn();
    ck_assert_int_eq(calls, MANY);
    for (int i = 0; i < MANY; i++) {
        eddy_io_stop(&io[i]);
        close(fds[i]);
    }
    close_both(ends);
    end();
}
END_TEST

/* A change that cannot be flushed for want of memory is told as an error, not lost in silence. */
START_TEST(a_change_that_finds_no_memory_is_told) {
    begin();
    descriptors_allow(1100);
    int ends[2];
    test_socket_pair(ends);
    int fd = fcntl(ends[0], F_DUPFD_CLOEXEC, 900);
    ck_assert_int_ge(fd, 900);
    eddy_io io;
    eddy_io_init(&io, loop);
    ck_assert_int_eq(eddy_io_start(&io, count_io, fd, 0), 0);
    ck_assert_int_eq(eddy_io_change(&io, EDDY_WRITE), 0);
    forbid_memory();
    turn();
    allow_memory();
    ck_assert_int_eq(calls, 1);
    if (eddy_io_error(&io) != 0) {
        ck_assert_int_eq(eddy_io_error(&io), -ENOMEM);
        ck_assert_int_eq(eddy_io_change(&io, EDDY_WRITE), 0);
        turn();
        ck_assert_int_eq(calls, 2);
    }
    ck_assert_int_eq(eddy_io_error(&io), 0);
    eddy_io_stop(&io);
    close(fd);
    close_both(ends);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("memory");
    ck_add(suite, "hot", a_warm_loop_allocates_nothing);
    ck_add(suite, "fail", a_timer_that_finds_no_memory_is_not_started,
           a_watcher_that_finds_no_memory_is_not_started, a_change_that_finds_no_memory_is_told);
    return suite;
}
