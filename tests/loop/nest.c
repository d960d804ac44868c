/* nest.c: a loop driven by another one, turn by turn, through its descriptor and its time-outs. */
#include "suite.h"
#include "system.h"
#include "trace.h"

/* The outer loop runs on the backend under test, and so does the inner one if its backend has a
 * descriptor to watch; else the inner one takes the first backend that has. */
static struct {
    eddy_loop *outer, *inner;
    eddy_io io;
    eddy_timer timer;
    int turns;
} nest;

static const char *nestable_backend(void) {
    if (test_backend_can(EDDY_CAN_NEST)) return test_backend;
    eddy_backend_info info;
    for (size_t i = 0; eddy_backend_at(i, &info) == 0; i++)
        if ((info.capabilities & EDDY_CAN_NEST) != 0) return info.name;
    return NULL;
}

static void inner_turn(void);

static void on_readable(eddy_io *io, unsigned events) {
    (void)io;
    (void)events;
    inner_turn();
}

static void on_deadline(eddy_timer *timer) {
    (void)timer;
    inner_turn();
}

static void inner_prepare(void) {
    int64_t timeout_ns = -7;
    ck_assert_int_eq(eddy_loop_prepare(nest.inner, &timeout_ns), 0);
    ck_assert_int_ge(timeout_ns, -1);
    eddy_timer_stop(&nest.timer);
    eddy_loop_update_now(nest.outer);
    if (timeout_ns >= 0)
        ck_assert_int_eq(eddy_timer_start(&nest.timer, on_deadline, timeout_ns, 0), 0);
}

static void inner_turn(void) {
    nest.turns++;
    ck_assert_int_ge(eddy_loop_wait(nest.inner, 0), 0);
    int alive = eddy_loop_dispatch(nest.inner);
    ck_assert_int_ge(alive, 0);
    ck_assert_int_eq(alive, eddy_loop_is_alive(nest.inner));
    ck_assert_int_eq(eddy_loop_verify(nest.inner, NULL), 0);
    if (alive == 1) {
        inner_prepare();
        return;
    }
    eddy_io_stop(&nest.io);
    eddy_timer_stop(&nest.timer);
}

static void nest_begin(void) {
    trace_clear();
    nest.turns = 0;
    nest.outer = test_loop_open();
    eddy_loop_config config = {.backend = nestable_backend()};
    ck_assert_int_eq(eddy_loop_open(&nest.inner, &config), 0);
    eddy_io_init(&nest.io, nest.outer);
    eddy_timer_init(&nest.timer, nest.outer);
    int fd = eddy_loop_backend_fd(nest.inner);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(eddy_io_start(&nest.io, on_readable, fd, EDDY_READ), 0);
}

static void nest_run(void) {
    inner_prepare();
    ck_assert_int_eq(eddy_loop_run(nest.outer, EDDY_RUN_DEFAULT), 0);
}

static void nest_end(void) {
    ck_assert_int_eq(eddy_loop_close(nest.inner), 0);
    test_loop_close(nest.outer);
}

START_TEST(the_descriptor_is_there_if_the_capability_is) {
    eddy_loop *loop = test_loop_open();
    int fd = eddy_loop_backend_fd(loop);
    if (test_backend_can(EDDY_CAN_NEST))
        ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
    else
        ck_assert_int_eq(fd, -ENOTSUP);
    test_loop_close(loop);
}
END_TEST

static int64_t due_ns[3], fired_ns[3];
static int fired;

static void on_inner_timer(eddy_timer *timer) {
    (void)timer;
    fired_ns[fired++] = test_now_ns();
}

START_TEST(timers_of_the_inner_loop_fire_on_time) {
    nest_begin();
    eddy_timer timers[3];
    fired = 0;
    eddy_loop_update_now(nest.inner);
    for (int i = 0; i < 3; i++) {
        eddy_timer_init(&timers[i], nest.inner);
        int64_t delay_ns = (i + 1) * 10 * EDDY_NS_PER_MS;
        ck_assert_int_eq(eddy_timer_start(&timers[i], on_inner_timer, delay_ns, 0), 0);
        due_ns[i] = eddy_timer_due_ns(&timers[i]);
    }
    nest_run();
    ck_assert_int_eq(fired, 3);
    for (int i = 0; i < 3; i++) ck_assert_int_ge(fired_ns[i], due_ns[i]);
    ck_assert_int_lt(nest.turns, 20);
    nest_end();
}
END_TEST

static int inner_ends[2];
static eddy_timer writer;

static void write_soon(eddy_timer *timer) {
    (void)timer;
    note('t');
    put(inner_ends[1], "x");
}

static void on_inner_read(eddy_io *io, unsigned events) {
    ck_assert((events & EDDY_READ) != 0);
    note('r');
    drain(inner_ends[0], NULL);
    if (trace_length == 8)
        eddy_io_stop(io);
    else
        ck_assert_int_eq(eddy_timer_start(&writer, write_soon, EDDY_NS_PER_MS, 0), 0);
}

/* The outer loop writes, the inner one reads: each write is one turn of the inner loop. */
START_TEST(descriptors_of_the_inner_loop_are_served) {
    nest_begin();
    test_pipe(inner_ends);
    eddy_io io;
    eddy_io_init(&io, nest.inner);
    eddy_timer_init(&writer, nest.outer);
    ck_assert_int_eq(eddy_io_start(&io, on_inner_read, inner_ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_timer_start(&writer, write_soon, EDDY_NS_PER_MS, 0), 0);
    nest_run();
    trace_is("trtrtrtr");
    ck_assert_int_lt(nest.turns, 20);
    close_both(inner_ends);
    nest_end();
}
END_TEST

static void on_inner_defer(eddy_defer *defer) {
    note('d');
    if (trace_length < 5) ck_assert_int_eq(eddy_defer_start(defer, on_inner_defer), 0);
}

static void on_inner_hook(eddy_hook *hook) {
    (void)hook;
    note('h');
}

/* What is queued shows in the time-out, though no descriptor tells of it. */
START_TEST(deferred_calls_of_the_inner_loop_do_not_wait) {
    nest_begin();
    eddy_defer defer;
    eddy_defer_init(&defer, nest.inner);
    ck_assert_int_eq(eddy_defer_start(&defer, on_inner_defer), 0);
    int64_t timeout_ns = -7;
    ck_assert_int_eq(eddy_loop_prepare(nest.inner, &timeout_ns), 0);
    ck_assert_int_eq(timeout_ns, 0);
    ck_assert_int_ge(eddy_loop_wait(nest.inner, 0), 0);
    ck_assert_int_eq(eddy_loop_dispatch(nest.inner), 1);
    nest_run();
    trace_is("ddddd");
    nest_end();
}
END_TEST

static void on_inner_wake(eddy_wake *wake) {
    note('w');
    eddy_wake_stop(wake);
}

static eddy_wake inner_wake;

static void send_wake(eddy_timer *timer) {
    (void)timer;
    eddy_wake_send(&inner_wake);
}

START_TEST(a_wake_makes_the_inner_descriptor_readable) {
    nest_begin();
    eddy_timer timer;
    eddy_timer_init(&timer, nest.outer);
    eddy_wake_init(&inner_wake, nest.inner);
    ck_assert_int_eq(eddy_wake_start(&inner_wake, on_inner_wake), 0);
    ck_assert_int_eq(eddy_timer_start(&timer, send_wake, 5 * EDDY_NS_PER_MS, 0), 0);
    nest_run();
    trace_is("w");
    nest_end();
}
END_TEST

/* --- taken apart, without another loop; on every backend --- */

static eddy_loop *apart;

START_TEST(prepare_tells_how_long_to_wait) {
    apart = test_loop_open();
    eddy_timer timer;
    eddy_timer_init(&timer, apart);
    int64_t timeout_ns;
    int ends[2];
    test_pipe(ends);
    eddy_io io;
    eddy_io_init(&io, apart);
    ck_assert_int_eq(eddy_io_start(&io, on_readable, ends[0], EDDY_READ), 0);
    ck_assert_int_eq(eddy_loop_prepare(apart, &timeout_ns), 0);
    ck_assert_int_eq(timeout_ns, -1);
    ck_assert_int_eq(eddy_loop_wait(apart, 0), 0);
    ck_assert_int_eq(eddy_loop_dispatch(apart), 1);
    eddy_loop_update_now(apart);
    ck_assert_int_eq(eddy_timer_start(&timer, on_inner_timer, 50 * EDDY_NS_PER_MS, 0), 0);
    ck_assert_int_eq(eddy_loop_prepare(apart, &timeout_ns), 0);
    ck_assert_int_ge(timeout_ns, 0);
    ck_assert_int_le(timeout_ns, 50 * EDDY_NS_PER_MS);
    fired = 0;
    ck_assert_int_eq(eddy_loop_wait(apart, timeout_ns), 0);
    ck_assert_int_ge(eddy_loop_now_ns(apart), eddy_timer_due_ns(&timer));
    ck_assert_int_eq(fired, 0);
    ck_assert_int_eq(eddy_loop_dispatch(apart), 1);
    ck_assert_int_eq(fired, 1);
    eddy_io_stop(&io);
    close_both(ends);
    test_loop_close(apart);
}
END_TEST

/* The number that wait returns is that of the records, and their callbacks are dispatch's. */
START_TEST(wait_returns_the_number_of_records) {
    apart = test_loop_open();
    enum { PIPES = 5 };
    int ends[PIPES][2];
    eddy_io io[PIPES];
    trace_clear();
    for (int i = 0; i < PIPES; i++) {
        test_pipe(ends[i]);
        put(ends[i][1], "x");
        eddy_io_init(&io[i], apart);
        ck_assert_int_eq(eddy_io_start(&io[i], on_readable, ends[i][0], EDDY_READ), 0);
    }
    int64_t timeout_ns;
    ck_assert_int_eq(eddy_loop_prepare(apart, &timeout_ns), 0);
    ck_assert_int_eq(eddy_loop_wait(apart, 0), PIPES);
    for (int i = 0; i < PIPES; i++) {
        eddy_io_stop(&io[i]);
        close_both(ends[i]);
    }
    ck_assert_int_eq(eddy_loop_dispatch(apart), 0);
    trace_is("");
    test_loop_close(apart);
}
END_TEST

static void on_post(eddy_post *post) {
    (void)post;
    note('p');
}

/* What a second wait drops may have been the only word of a posted call. */
START_TEST(waits_without_dispatch_lose_no_posted_call) {
    apart = test_loop_open();
    trace_clear();
    eddy_post post;
    int64_t timeout_ns;
    ck_assert_int_eq(eddy_loop_prepare(apart, &timeout_ns), 0);
    eddy_loop_post(apart, &post, on_post);
    ck_assert_int_eq(eddy_loop_wait(apart, -1), 1);
    (void)eddy_loop_wait(apart, 0);
    (void)eddy_loop_wait(apart, 0);
    (void)eddy_loop_dispatch(apart);
    trace_is("p");
    test_loop_close(apart);
}
END_TEST

/* Nor does a wait sleep over one, or a prepare let it. */
START_TEST(a_posted_call_that_was_told_of_does_not_wait) {
    apart = test_loop_open();
    trace_clear();
    eddy_post post;
    int64_t timeout_ns;
    eddy_loop_post(apart, &post, on_post);
    ck_assert_int_eq(eddy_loop_wait(apart, -1), 1);
    (void)eddy_loop_wait(apart, -1);
    ck_assert_int_eq(eddy_loop_prepare(apart, &timeout_ns), 0);
    ck_assert_int_eq(timeout_ns, 0);
    (void)eddy_loop_dispatch(apart);
    trace_is("p");
    eddy_loop_post(apart, &post, on_post);
    ck_assert_int_eq(eddy_loop_wait(apart, -1), 1);
    ck_assert_int_eq(eddy_loop_prepare(apart, &timeout_ns), 0);
    ck_assert_int_eq(timeout_ns, 0);
    (void)eddy_loop_wait(apart, timeout_ns);
    (void)eddy_loop_dispatch(apart);
    trace_is("p");
    test_loop_close(apart);
}
END_TEST

/* A run is a wait, too. */
START_TEST(a_run_after_a_wait_loses_no_posted_call) {
    static const eddy_run_mode modes[] = {EDDY_RUN_NOWAIT, EDDY_RUN_ONCE, EDDY_RUN_DEFAULT};
    apart = test_loop_open();
    trace_clear();
    for (unsigned i = 0; i < 3; i++) {
        eddy_post post;
        eddy_loop_post(apart, &post, on_post);
        ck_assert_int_eq(eddy_loop_wait(apart, -1), 1);
        ck_assert_int_eq(eddy_loop_run(apart, modes[i]), 0);
    }
    trace_is("ppp");
    test_loop_close(apart);
}
END_TEST

/* Hooks are called where they belong when the turn is taken apart, too. */
START_TEST(hooks_run_in_a_turn_taken_apart) {
    apart = test_loop_open();
    trace_clear();
    eddy_hook prepare, check;
    eddy_hook_init(&prepare, apart);
    eddy_hook_init(&check, apart);
    ck_assert_int_eq(eddy_hook_start(&prepare, EDDY_HOOK_PREPARE, on_inner_hook), 0);
    ck_assert_int_eq(eddy_hook_start(&check, EDDY_HOOK_CHECK, on_inner_hook), 0);
    int64_t timeout_ns;
    ck_assert_int_eq(eddy_loop_prepare(apart, &timeout_ns), 0);
    trace_is("h");
    ck_assert_int_eq(eddy_loop_wait(apart, 0), 0);
    trace_is("");
    ck_assert_int_eq(eddy_loop_dispatch(apart), 1);
    trace_is("h");
    eddy_hook_stop(&prepare);
    eddy_hook_stop(&check);
    test_loop_close(apart);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("nest");
    ck_add(suite, "nested", the_descriptor_is_there_if_the_capability_is,
           timers_of_the_inner_loop_fire_on_time, descriptors_of_the_inner_loop_are_served,
           deferred_calls_of_the_inner_loop_do_not_wait,
           a_wake_makes_the_inner_descriptor_readable);
    ck_add(suite, "apart", prepare_tells_how_long_to_wait, wait_returns_the_number_of_records,
           waits_without_dispatch_lose_no_posted_call, a_posted_call_that_was_told_of_does_not_wait,
           a_run_after_a_wait_loses_no_posted_call, hooks_run_in_a_turn_taken_apart);
    return suite;
}
