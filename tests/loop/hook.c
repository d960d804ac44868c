/* hook.c: prepare, check, and an idle that means idle. */
#include "suite.h"
#include "system.h"
#include "trace.h"

static eddy_loop *loop;
static eddy_hook a, b, c;
static int calls;

static void begin(void) {
    trace_clear();
    calls = 0;
    loop = test_loop_open();
    eddy_hook_init(&a, loop);
    eddy_hook_init(&b, loop);
    eddy_hook_init(&c, loop);
}

static void end(void) {
    eddy_hook_stop(&a);
    eddy_hook_stop(&b);
    eddy_hook_stop(&c);
    test_loop_close(loop);
}

static void turn(void) {
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
}

static void on_hook(eddy_hook *hook) {
    note(hook == &a ? 'a' : hook == &b ? 'b' : 'c');
    calls++;
}

static void start(eddy_hook *hook, eddy_hook_kind kind) {
    ck_assert_int_eq(eddy_hook_start(hook, kind, on_hook), 0);
}

static const eddy_hook_kind around[] = {EDDY_HOOK_PREPARE, EDDY_HOOK_CHECK};

START_TEST(hooks_run_each_turn_in_order_of_start) {
    for (int i = 0; i < 2; i++) {
        begin();
        start(&b, around[i]);
        start(&a, around[i]);
        start(&c, around[i]);
        for (int turns = 0; turns < 3; turns++) {
            turn();
            trace_is("bac");
        }
        eddy_hook_stop(&b);
        turn();
        trace_is("ac");
        start(&b, around[i]);
        turn();
        trace_is("acb");
        end();
    }
}
END_TEST

START_TEST(start_twice_is_refused_and_an_unknown_kind_invalid) {
    begin();
    start(&a, EDDY_HOOK_PREPARE);
    ck_assert_int_eq(eddy_hook_start(&a, EDDY_HOOK_PREPARE, on_hook), -EALREADY);
    ck_assert_int_eq(eddy_hook_start(&a, EDDY_HOOK_CHECK, on_hook), -EALREADY);
    ck_assert_int_eq(eddy_hook_start(&a, EDDY_HOOK_IDLE, on_hook), -EALREADY);
    start(&c, EDDY_HOOK_IDLE);
    ck_assert_int_eq(eddy_hook_start(&c, EDDY_HOOK_CHECK, on_hook), -EALREADY);
    ck_assert_int_eq(eddy_hook_start(&c, EDDY_HOOK_IDLE, on_hook), 0);
    int kind = 3;
    ck_assert_int_eq(eddy_hook_start(&b, (eddy_hook_kind)kind, on_hook), -EINVAL);
    ck_assert(!eddy_is_active(&b.handle));
    turn();
    trace_is("ac");
    end();
}
END_TEST

static eddy_hook *target;

static void stop_target(eddy_hook *hook) {
    on_hook(hook);
    eddy_hook_stop(target);
}

/* Each hook stops each one, itself included, from inside. */
START_TEST(a_hook_may_stop_any_hook_in_its_callback) {
    eddy_hook *const all[] = {&a, &b, &c};
    for (int kind = 0; kind < 3; kind++) {
        for (int who = 0; who < 3; who++) {
            for (int whom = 0; whom < 3; whom++) {
                begin();
                target = all[whom];
                for (int i = 0; i < 3; i++)
                    ck_assert_int_eq(eddy_hook_start(all[i], (eddy_hook_kind)kind,
                                                     i == who ? stop_target : on_hook),
                                     0);
                turn();
                char expected[4] = "abc";
                char *at = strchr(expected, 'a' + whom);
                if (whom > who) memmove(at, at + 1, strlen(at));
                trace_is(expected);
                end();
            }
        }
    }
}
END_TEST

static void restart_itself(eddy_hook *hook) {
    on_hook(hook);
    eddy_hook_stop(hook);
    ck_assert_int_eq(eddy_hook_start(hook, EDDY_HOOK_PREPARE, restart_itself), 0);
}

START_TEST(a_hook_that_restarts_itself_runs_once_a_turn_and_goes_last) {
    begin();
    ck_assert_int_eq(eddy_hook_start(&a, EDDY_HOOK_PREPARE, restart_itself), 0);
    start(&b, EDDY_HOOK_PREPARE);
    turn();
    trace_is("ab");
    turn();
    trace_is("ba");
    end();
}
END_TEST

/* --- idle --- */

static void ignore_timer(eddy_timer *timer) {
    (void)timer;
}

static void sleep_for(int64_t time_ns) {
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    eddy_loop_update_now(loop);
    ck_assert_int_eq(eddy_timer_start(&timer, ignore_timer, time_ns, 0), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
}

/* One call, then sleep: not one call a turn, and not a busy loop. */
START_TEST(an_idle_hook_is_called_once_before_the_loop_sleeps) {
    begin();
    start(&a, EDDY_HOOK_IDLE);
    eddy_unref(&a.handle);
    unsigned waits;
    do { /* on a busy machine the timer may be due before the loop comes to be idle */
        waits = test_metric_waits(loop);
        sleep_for(100 * EDDY_NS_PER_MS);
    } while (calls == 0);
    ck_assert_int_eq(calls, 1);
    ck_assert_uint_le(test_metric_waits(loop) - waits, 4);
    end();
}
END_TEST

static int ticks;

static eddy_timer period_timer;

static void count_tick(eddy_timer *timer) {
    ticks++;
    if (ticks < 5) ck_assert_int_eq(eddy_timer_start(timer, count_tick, 10 * EDDY_NS_PER_S, 0), 0);
}

/* Ends the idle period that it is called in. */
static void end_idle_period(eddy_hook *hook) {
    on_hook(hook);
    int err = eddy_timer_start(&period_timer, count_tick, 10 * EDDY_NS_PER_MS, 0);
    ck_assert_int_eq(err, 0);
}

/* Each thing that happens ends an idle period; the next one gets its call. A period without
 * one would last ten seconds here. */
START_TEST(each_idle_period_gets_its_call) {
    begin();
    ck_assert_int_eq(eddy_hook_start(&a, EDDY_HOOK_IDLE, end_idle_period), 0);
    eddy_unref(&a.handle);
    ticks = 0;
    eddy_timer_init(&period_timer, loop);
    ck_assert_int_eq(eddy_timer_start(&period_timer, count_tick, 10 * EDDY_NS_PER_S, 0), 0);
    unsigned waits = test_metric_waits(loop);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(ticks, 5);
    ck_assert_int_eq(calls, 5);
    ck_assert_uint_le(test_metric_waits(loop) - waits, 20);
    end();
}
END_TEST

static void work_a_bit(eddy_hook *hook) {
    on_hook(hook);
    if (calls < 10)
        ck_assert_int_eq(eddy_hook_start(hook, EDDY_HOOK_IDLE, work_a_bit), 0);
    else
        eddy_hook_stop(hook);
}

START_TEST(an_idle_hook_that_has_more_to_do_gets_another_call) {
    begin();
    ck_assert_int_eq(eddy_hook_start(&a, EDDY_HOOK_IDLE, work_a_bit), 0);
    int64_t start_ns = test_now_ns();
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(calls, 10);
    ck_assert_int_lt(test_now_ns() - start_ns, 5 * EDDY_NS_PER_S);
    end();
}
END_TEST

/* Asking again is for oneself: the neighbour that did not ask has had its call. */
START_TEST(an_idle_hook_that_did_not_ask_again_is_not_called_again) {
    begin();
    start(&b, EDDY_HOOK_IDLE);
    eddy_unref(&b.handle);
    ck_assert_int_eq(eddy_hook_start(&a, EDDY_HOOK_IDLE, work_a_bit), 0);
    sleep_for(20 * EDDY_NS_PER_MS);
    int neighbours = 0;
    for (unsigned i = 0; i < trace_length; i++) neighbours += trace[i] == 'b';
    ck_assert_int_ge(neighbours, 1);
    ck_assert_msg(neighbours <= 2, "called %d times in one idle period", neighbours);
    end();
}
END_TEST

static eddy_timer busy_timer;
static int fired;
static bool was_late; /* the hook was called in a turn that had seen the timer due */

static void tick(eddy_timer *timer) {
    if (++fired < 50) return;
    eddy_timer_stop(timer);
    eddy_hook_stop(&a);
}

/* The timer is started only once the hook is busy, however long the first turns took. */
static void always_more(eddy_hook *hook) {
    int64_t due_ns = eddy_timer_due_ns(&busy_timer);
    if (due_ns >= 0 && due_ns <= eddy_loop_now_ns(loop)) was_late = true;
    if (++calls == 10) {
        eddy_loop_update_now(loop);
        int err = eddy_timer_start(&busy_timer, tick, EDDY_NS_PER_MS, EDDY_NS_PER_MS);
        ck_assert_int_eq(err, 0);
    }
    ck_assert_int_eq(eddy_hook_start(hook, EDDY_HOOK_IDLE, always_more), 0);
}

/* However much there is to do in idle time, deadlines come first, each time. */
START_TEST(a_busy_idle_hook_keeps_nobody_waiting) {
    begin();
    eddy_timer_init(&busy_timer, loop);
    ck_assert_int_eq(eddy_hook_start(&a, EDDY_HOOK_IDLE, always_more), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_ge(calls, 10);
    ck_assert_int_eq(fired, 50);
    ck_assert(!was_late);
    end();
}
END_TEST

static void defer_again(eddy_defer *defer) {
    if (++ticks < 20) ck_assert_int_eq(eddy_defer_start(defer, defer_again), 0);
}

/* A turn with work at hand is not idle. */
START_TEST(idle_hooks_wait_until_nothing_is_queued) {
    begin();
    start(&a, EDDY_HOOK_IDLE);
    eddy_defer defer;
    ticks = 0;
    eddy_defer_init(&defer, loop);
    ck_assert_int_eq(eddy_defer_start(&defer, defer_again), 0);
    for (int i = 0; i < 19; i++) turn();
    ck_assert_int_eq(ticks, 19);
    trace_is("");
    turn();
    turn();
    ck_assert_int_eq(ticks, 20);
    trace_is("a");
    end();
}
END_TEST

static void count_io(eddy_io *io, unsigned events) {
    (void)io;
    (void)events;
    ticks++;
}

START_TEST(idle_hooks_wait_until_no_descriptor_is_ready) {
    begin();
    int ends[2];
    test_pipe(ends);
    eddy_io io;
    ticks = 0;
    eddy_io_init(&io, loop);
    start(&a, EDDY_HOOK_IDLE);
    put(ends[1], "x");
    ck_assert_int_eq(eddy_io_start(&io, count_io, ends[0], EDDY_READ), 0);
    for (int i = 0; i < 10; i++) turn();
    ck_assert_int_eq(ticks, 10);
    trace_is("");
    drain(ends[0], NULL);
    turn();
    trace_is("a");
    eddy_io_stop(&io);
    close_both(ends);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("hook");
    ck_add(suite, "around", hooks_run_each_turn_in_order_of_start,
           start_twice_is_refused_and_an_unknown_kind_invalid,
           a_hook_may_stop_any_hook_in_its_callback,
           a_hook_that_restarts_itself_runs_once_a_turn_and_goes_last);
    ck_add(suite, "idle", an_idle_hook_is_called_once_before_the_loop_sleeps,
           each_idle_period_gets_its_call, an_idle_hook_that_has_more_to_do_gets_another_call,
           an_idle_hook_that_did_not_ask_again_is_not_called_again,
           a_busy_idle_hook_keeps_nobody_waiting, idle_hooks_wait_until_nothing_is_queued,
           idle_hooks_wait_until_no_descriptor_is_ready);
    return suite;
}
