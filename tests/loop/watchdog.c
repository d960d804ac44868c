/* watchdog.c: a callback that takes too long is told of while it lasts, with what it is called for
 * and where it is, and once more when it is over. No test depends on how fast the machine is: what
 * stalls does so until it was told of. */
#include "sanitized.h"
#include "suite.h"
#include "system.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { BUDGET_MS = 10, TOLD_MAX = 64 };
static const int64_t budget_ns = BUDGET_MS * EDDY_NS_PER_MS;

/* What was told, by either thread. */
struct told {
    eddy_stall stall;
    char label[EDDY_STALL_LABEL];
    bool is_here;       /* in the thread of the loop */
    bool is_in_handler; /* the frames lead through stand_still() */
};

static eddy_loop *loop;
static eddy_watchdog watchdog;
static eddy_guard guard;
static eddy_timer timer;
static pthread_t loop_thread;
static struct told lasting[TOLD_MAX], over[TOLD_MAX];
static atomic_int lasting_count; /* released after the record is whole */
static int over_count;

static bool done;
static int64_t began_ns, ended_ns;

static void keep(struct told *told, const eddy_stall *stall) {
    told->stall = *stall;
    snprintf(told->label, sizeof told->label, "%s", stall->label);
    told->is_here = pthread_equal(pthread_self(), loop_thread);
}

__attribute__((noinline)) static void stand_still(void);

static bool is_in_stand_still(const eddy_stall *stall) {
    for (int i = 0; i < stall->frame_count; i++) {
        uintptr_t at = (uintptr_t)stall->frames[i], from = (uintptr_t)stand_still;
        if (at > from && at < from + 512) return true;
    }
    return false;
}

static void on_stalled(const eddy_stall *stall, void *context) {
    ck_assert_ptr_eq(context, &lasting);
    int count = atomic_load(&lasting_count);
    if (count == TOLD_MAX) return;
    keep(&lasting[count], stall);
    lasting[count].is_in_handler = is_in_stand_still(stall);
    atomic_store(&lasting_count, count + 1);
}

static void on_over(const eddy_stall *stall, void *context) {
    ck_assert_ptr_eq(context, &lasting);
    if (over_count < TOLD_MAX) keep(&over[over_count++], stall);
}

static void begin_with(eddy_watchdog_config config) {
    atomic_store(&lasting_count, 0);
    over_count = 0;
    done = false;
    loop_thread = pthread_self();
    loop = test_loop_open();
    eddy_timer_init(&timer, loop);
    config.context = &lasting;
    if (config.budget_ns == 0) config.budget_ns = budget_ns;
    ck_assert_int_eq(eddy_watchdog_start(&watchdog, &config), 0);
    memset(&guard, 0, sizeof guard);
    ck_assert_int_eq(eddy_guard_start(&guard, &watchdog, loop), 0);
}

static void begin(void) {
    begin_with((eddy_watchdog_config){.stalled = on_stalled, .over_budget = on_over});
}

static void end(void) {
    eddy_timer_stop(&timer);
    eddy_guard_stop(&guard);
    ck_assert_int_eq(eddy_watchdog_stop(&watchdog), 0);
    test_loop_close(loop);
}

static void nap(void) {
    struct timespec rest = {.tv_nsec = 200000};
    (void)nanosleep(&rest, NULL);
}

/* In the loop's thread: waits until the other one has told `count` times. */
static void await(int count) {
    int64_t until_ns = test_now_ns() + 20 * EDDY_NS_PER_S;
    while (atomic_load(&lasting_count) < count && test_now_ns() < until_ns) nap();
    ck_assert_int_ge(atomic_load(&lasting_count), count);
}

/* A handler that does not come back for two budgets and more. */
static void stand_still(void) {
    began_ns = test_now_ns();
    await(2);
    ended_ns = test_now_ns();
    done = true;
}

/* What was told of a stand_still() in the only callback that took so long. */
static void expect(eddy_kind kind, const void *object, uintptr_t function, const char *label,
                   int phase) {
    int64_t least_ns = budget_ns;
    await(3);
    ck_assert_int_eq(over_count, 1);
    for (int i = 0; i < atomic_load(&lasting_count); i++) {
        const struct told *it = &lasting[i];
        ck_assert_str_eq(eddy_kind_name(it->stall.kind), eddy_kind_name(kind));
        ck_assert_ptr_eq(it->stall.object, object);
        ck_assert_uint_eq(it->stall.function, function);
        ck_assert_str_eq(it->label, label);
        ck_assert_ptr_eq(it->stall.loop, loop);
        if (phase >= 0) ck_assert_int_eq(it->stall.phase, phase);
        ck_assert(!it->is_here);
        ck_assert_int_ge(it->stall.duration_ns, least_ns);
        ck_assert_int_le(it->stall.start_ns, began_ns);
        ck_assert(it->stall.is_over == (i == atomic_load(&lasting_count) - 1));
        least_ns = i == 0 ? 2 * budget_ns : it->stall.duration_ns;
    }
    const struct told *last = &lasting[atomic_load(&lasting_count) - 1];
    ck_assert_int_ge(last->stall.duration_ns, ended_ns - began_ns);
    ck_assert(over[0].is_here);
    ck_assert(over[0].stall.is_over);
    ck_assert_int_eq(over[0].stall.duration_ns, last->stall.duration_ns);
    ck_assert_uint_eq(over[0].stall.function, function);
    ck_assert_ptr_eq(over[0].stall.object, object);
    ck_assert_str_eq(over[0].label, label);
}

static void on_timer(eddy_timer *it) {
    (void)it;
    stand_still();
}

static void on_io(eddy_io *it, unsigned events) {
    (void)events;
    eddy_io_stop(it);
    stand_still();
}

static void on_defer(eddy_defer *it) {
    (void)it;
    stand_still();
}

static void on_post(eddy_post *it) {
    (void)it;
    stand_still();
}

static void work(eddy_work *it) {
    (void)it;
}

static void on_work(eddy_work *it, int status) {
    (void)it;
    ck_assert_int_eq(status, 0);
    stand_still();
}

static void on_read(eddy_stream *it, void *data, ssize_t size) {
    (void)data;
    ck_assert_int_eq(size, 1);
    eddy_stream_read_stop(it);
    stand_still();
}

/* --- Who stalls --- */

START_TEST(a_timer_is_told_of_while_it_lasts) {
    eddy_label label;
    begin();
    eddy_label_init(&label, loop);
    ck_assert_int_eq(eddy_label_set(&label, &timer, "every now and then"), 0);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 0), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_TIMER, &timer, (uintptr_t)on_timer, "every now and then", 4);
    eddy_label_clear(&label);
    end();
}
END_TEST

START_TEST(a_watcher_is_told_of) {
    int ends[2];
    eddy_io io;
    begin();
    test_pipe(ends);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    eddy_io_init(&io, loop);
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_IO, &io, (uintptr_t)on_io, "", 5);
    close_both(ends);
    end();
}
END_TEST

START_TEST(a_deferred_call_is_told_of) {
    eddy_defer defer;
    begin();
    eddy_defer_init(&defer, loop);
    ck_assert_int_eq(eddy_defer_start(&defer, on_defer), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_DEFER, &defer, (uintptr_t)on_defer, "", 7);
    end();
}
END_TEST

START_TEST(a_post_is_told_of) {
    eddy_post post;
    begin();
    eddy_loop_post(loop, &post, on_post);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_POST, &post, (uintptr_t)on_post, "", 6);
    end();
}
END_TEST

/* Not the post by which the pool has told of it. */
START_TEST(a_completion_is_told_of_by_its_own_name) {
    eddy_label label;
    eddy_work job;
    begin();
    eddy_label_init(&label, loop);
    ck_assert_int_eq(eddy_label_set(&label, &job, "thumbnail"), 0);
    ck_assert_int_eq(eddy_work_submit(loop, &job, EDDY_LANE_CPU, work, on_work), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_WORK, &job, (uintptr_t)on_work, "thumbnail", 6);
    eddy_label_clear(&label);
    end();
}
END_TEST

/* Not the library's function that reads. */
START_TEST(a_streams_callback_is_told_of_by_its_own_name) {
    int ends[2];
    eddy_stream stream;
    eddy_label label;
    begin();
    test_socket_pair(ends);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    eddy_stream_init(&stream, loop);
    eddy_label_init(&label, loop);
    ck_assert_int_eq(eddy_label_set(&label, &stream, "client 17"), 0);
    ck_assert_int_eq(eddy_stream_attach(&stream, ends[0]), 0);
    ck_assert_int_eq(eddy_stream_read_start(&stream, on_read), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_STREAM, &stream, (uintptr_t)on_read, "client 17", -1);
    eddy_label_clear(&label);
    eddy_stream_close(&stream, NULL);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    close(ends[1]);
    end();
}
END_TEST

/* --- When, and how often --- */

static int64_t slept_ns;

static void sleep_undisturbed(eddy_timer *it) {
    struct timespec rest = {.tv_nsec = 50000000};
    (void)it;
    ck_assert_int_eq(nanosleep(&rest, NULL), 0);
    done = true;
}

static void sleep_a_second(eddy_timer *it) {
    (void)it;
    struct timespec second = {.tv_sec = 1};
    began_ns = test_now_ns();
    while (nanosleep(&second, &second) < 0) continue; /* signals */
    ended_ns = test_now_ns();
    slept_ns = ended_ns - began_ns;
    done = true;
}

/* 100 ms, 200, 400, 800, and the end; on a machine that is very busy some of them in one. */
START_TEST(a_second_is_told_of_at_each_doubling_and_measured) {
    begin_with((eddy_watchdog_config){.budget_ns = 100 * EDDY_NS_PER_MS, .stalled = on_stalled});
    ck_assert_int_eq(eddy_timer_start(&timer, sleep_a_second, 0, 0), 0);
    test_turn_until(loop, &done);
    int64_t after_ns = test_now_ns();
    while (!lasting[atomic_load(&lasting_count) - 1].stall.is_over) nap();
    int count = atomic_load(&lasting_count);
    ck_assert_int_ge(count, 2);
    ck_assert_int_le(count, 1 + 4 + (slept_ns > 1600 * EDDY_NS_PER_MS) * 8);
    int64_t least_ns = 100 * EDDY_NS_PER_MS;
    for (int i = 0; i < count - 1; i++) {
        ck_assert_int_ge(lasting[i].stall.duration_ns, least_ns);
        ck_assert_int_le(lasting[i].stall.duration_ns, after_ns - lasting[i].stall.start_ns);
        ck_assert(!lasting[i].stall.is_over);
        while (least_ns <= lasting[i].stall.duration_ns) least_ns *= 2;
    }
    ck_assert_int_ge(lasting[count - 1].stall.duration_ns, slept_ns);
    ck_assert_int_le(lasting[count - 1].stall.duration_ns, after_ns - lasting[0].stall.start_ns);
    ck_assert_int_eq(over_count, 0);
    end();
}
END_TEST

static int ticks;

static void on_tick(eddy_timer *it) {
    if (++ticks == 20) eddy_timer_stop(it);
    done = ticks == 20;
}

START_TEST(what_is_within_its_budget_is_not_told_of) {
    ticks = 0;
    begin_with((eddy_watchdog_config){
        .budget_ns = 20 * EDDY_NS_PER_S, .stalled = on_stalled, .over_budget = on_over});
    ck_assert_int_eq(eddy_timer_start(&timer, on_tick, 0, EDDY_NS_PER_MS), 0);
    test_turn_until(loop, &done);
    ck_assert_int_eq(atomic_load(&lasting_count), 0);
    ck_assert_int_eq(over_count, 0);
    end();
}
END_TEST

/* The wait is no callback, however long it is. And who sleeps is not looked at: the thread wakes up
 * a few times after what was called last, and not for each budget that passes. */
START_TEST(while_the_loop_sleeps_the_watchdog_does) {
    begin_with((eddy_watchdog_config){.budget_ns = EDDY_NS_PER_MS, .stalled = on_stalled});
    for (int round = 0; round < 3; round++) {
        unsigned before = atomic_load(&watchdog.looks);
        unsigned waits = test_metric_waits(loop);
        test_turn_for(loop, 100 * EDDY_NS_PER_MS);
        waits = test_metric_waits(loop) - waits;
        ck_assert_uint_le(atomic_load(&watchdog.looks) - before, 10 * waits);
        ck_assert_uint_le(waits, 3);
    }
    end();
}
END_TEST

static void hold(eddy_timer *it) {
    (void)it;
    eddy_guard_pause(&guard);
    eddy_guard_pause(&guard);
    sleep_ns(5 * budget_ns);
    eddy_guard_resume(&guard);
    sleep_ns(5 * budget_ns);
    eddy_guard_resume(&guard);
    began_ns = test_now_ns();
    ck_assert_int_eq(atomic_load(&lasting_count), 0);
    await(2);
    ended_ns = test_now_ns();
    done = true;
}

START_TEST(what_is_held_on_purpose_does_not_count) {
    begin();
    ck_assert_int_eq(eddy_timer_start(&timer, hold, 0, 0), 0);
    int64_t before_ns = test_now_ns();
    test_turn_until(loop, &done);
    int64_t most_ns = test_now_ns() - before_ns - 10 * budget_ns;
    await(3);
    ck_assert_int_ge(lasting[2].stall.duration_ns, ended_ns - began_ns);
    ck_assert_int_le(lasting[2].stall.duration_ns, most_ns);
    ck_assert_int_le(over[0].stall.duration_ns, most_ns);
    end();
}
END_TEST

/* Each of them, after the fact, by the loop's own thread. */
static void compute(eddy_timer *it) {
    sleep_ns(budget_ns);
    if (++ticks == 3) eddy_timer_stop(it);
    done = ticks == 3;
}

START_TEST(a_budget_needs_no_thread) {
    ticks = 0;
    begin_with((eddy_watchdog_config){.over_budget = on_over});
    ck_assert_int_eq(eddy_timer_start(&timer, compute, 0, 1), 0);
    test_turn_until(loop, &done);
    ck_assert_int_eq(over_count, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_ge(over[i].stall.duration_ns, budget_ns);
        ck_assert_uint_eq(over[i].stall.function, (uintptr_t)compute);
        ck_assert_int_eq(over[i].stall.phase, 4);
        ck_assert(over[i].stall.is_over && over[i].is_here);
    }
    end();
}
END_TEST

static void on_over_stop(const eddy_stall *stall, void *context) {
    on_over(stall, context);
    eddy_guard_stop(&guard);
    memset(&guard, 0, sizeof guard);
}

START_TEST(who_is_told_may_stop_the_guard) {
    ticks = 0;
    begin_with((eddy_watchdog_config){.over_budget = on_over_stop});
    ck_assert_int_eq(eddy_timer_start(&timer, compute, 0, 1), 0);
    test_turn_until(loop, &done);
    ck_assert_int_eq(over_count, 1);
    end();
}
END_TEST

static void say_and_stall(eddy_timer *it) {
    eddy_guard_label(&guard, "GET /a/path/that/is/longer/than/a/label/has/room/for");
    on_timer(it);
}

START_TEST(a_callback_says_itself_what_it_is_about) {
    begin();
    eddy_guard_label(&guard, "nothing is called");
    ck_assert_int_eq(eddy_timer_start(&timer, say_and_stall, 0, 0), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_TIMER, &timer, (uintptr_t)say_and_stall,
           "GET /a/path/that/is/longer/than/a/label/has/roo", 4);
    end();
}
END_TEST

/* --- Starting and stopping --- */

static void stop_and_stall(eddy_timer *it) {
    eddy_guard_stop(&guard);
    eddy_guard_stop(&guard);
    sleep_ns(3 * budget_ns);
    ck_assert_int_eq(atomic_load(&lasting_count), 0);
    ck_assert_int_eq(eddy_guard_start(&guard, &watchdog, eddy_handle_loop(&it->handle)), 0);
    ck_assert_int_eq(eddy_guard_start(&guard, &watchdog, loop), -EALREADY);
    sleep_ns(3 * budget_ns);
    done = true;
}

/* The callback in which it is started is not looked at; the next one is. */
START_TEST(a_guard_stops_and_starts_inside_a_callback) {
    begin();
    ck_assert_int_eq(eddy_timer_start(&timer, stop_and_stall, 0, 0), 0);
    test_turn_until(loop, &done);
    ck_assert_int_eq(atomic_load(&lasting_count) + over_count, 0);
    done = false;
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 0), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_TIMER, &timer, (uintptr_t)on_timer, "", 4);
    end();
}
END_TEST

static void stall_and_stop(eddy_timer *it) {
    (void)it;
    await(1);
    eddy_guard_stop(&guard);
    done = true;
}

/* Nothing is told after the stop, and what is guarded neither stops nor closes. */
START_TEST(nothing_is_told_after_a_stop) {
    begin();
    ck_assert_int_eq(eddy_watchdog_stop(&watchdog), -EBUSY);
    ck_assert_int_eq(eddy_loop_close(loop), -EBUSY);
    ck_assert_int_eq(eddy_timer_start(&timer, stall_and_stop, 0, 0), 0);
    test_turn_until(loop, &done);
    int count = atomic_load(&lasting_count);
    memset(&guard, 0xff, sizeof guard);
    sleep_ns(2 * budget_ns);
    ck_assert_int_eq(atomic_load(&lasting_count), count);
    ck_assert_int_eq(over_count, 0);
    memset(&guard, 0, sizeof guard);
    end();
}
END_TEST

static atomic_bool is_telling;

static void tell_slowly(const eddy_stall *stall, void *context) {
    atomic_store(&is_telling, true);
    on_stalled(stall, context);
    sleep_ns(2 * budget_ns);
    atomic_store(&is_telling, false);
}

static void stop_while_it_is_told(eddy_timer *it) {
    (void)it;
    await(1);
    eddy_guard_stop(&guard);
    ck_assert(!atomic_load(&is_telling));
    done = true;
}

START_TEST(a_stop_waits_for_what_is_being_told) {
    begin_with((eddy_watchdog_config){.stalled = tell_slowly});
    ck_assert_int_eq(eddy_timer_start(&timer, stop_while_it_is_told, 0, 0), 0);
    test_turn_until(loop, &done);
    ck_assert_int_eq(atomic_load(&lasting_count), 1);
    end();
}
END_TEST

static atomic_int stop_result;

static void stop_myself(const eddy_stall *stall, void *context) {
    if (!stall->is_over) atomic_store(&stop_result, eddy_watchdog_stop(&watchdog));
    on_stalled(stall, context);
}

START_TEST(errors_leave_nothing_behind) {
    eddy_watchdog dog;
    eddy_watchdog_config config = {.budget_ns = budget_ns};
    memset(&dog, 0, sizeof dog);
    ck_assert_int_eq(eddy_watchdog_start(&dog, &config), -EINVAL);
    config.over_budget = on_over;
    config.budget_ns = -1;
    ck_assert_int_eq(eddy_watchdog_start(&dog, &config), -EINVAL);
    config.budget_ns = 999;
    ck_assert_int_eq(eddy_watchdog_start(&dog, &config), -EINVAL);
    config.budget_ns = INT64_MAX;
    ck_assert_int_eq(eddy_watchdog_start(&dog, &config), -EINVAL);
    config.budget_ns = 0;
    config.stalled = on_stalled;
    config.signal = SIGKILL;
    ck_assert_int_eq(eddy_watchdog_start(&dog, &config), -EINVAL);
    ck_assert_int_eq(eddy_watchdog_stop(&dog), 0);

    begin_with((eddy_watchdog_config){.stalled = stop_myself});
    memset(&dog, 0, sizeof dog);
    eddy_guard other = {0};
    ck_assert_int_eq(eddy_guard_start(&other, &dog, loop), -EINVAL);
    eddy_guard_stop(&other);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 0), 0);
    test_turn_until(loop, &done);
    ck_assert_int_eq(atomic_load(&stop_result), -EDEADLK);
    end();
    ck_assert_int_eq(eddy_watchdog_stop(&watchdog), 0);
}
END_TEST

/* --- Several loops --- */

enum { LOOPS = 3 };

struct walker {
    pthread_t thread;
    eddy_loop *loop;
    eddy_timer timer;
    eddy_guard guard;
    atomic_int lasting, over;
};

static struct walker walkers[LOOPS];

static void on_stalled_somewhere(const eddy_stall *stall, void *context) {
    (void)context;
    for (int i = 0; i < LOOPS; i++) {
        struct walker *it = &walkers[i];
        if (stall->loop == it->loop && stall->object == &it->timer)
            atomic_fetch_add(stall->is_over ? &it->over : &it->lasting, 1);
    }
}

static void await_told_twice(eddy_timer *its_timer) {
    struct walker *it = eddy_container_of(its_timer, struct walker, timer);
    while (atomic_load(&it->lasting) < 2) nap();
}

static void *walk(void *argument) {
    struct walker *it = argument;
    eddy_timer_init(&it->timer, it->loop);
    ck_assert_int_eq(eddy_guard_start(&it->guard, &watchdog, it->loop), 0);
    ck_assert_int_eq(eddy_timer_start(&it->timer, await_told_twice, 0, 0), 0);
    ck_assert_int_eq(eddy_loop_run(it->loop, EDDY_RUN_DEFAULT), 0);
    while (atomic_load(&it->over) == 0) nap();
    eddy_guard_stop(&it->guard);
    return NULL;
}

/* All of them at once, by one thread. */
START_TEST(one_watchdog_guards_many_loops) {
    eddy_watchdog_config config = {.budget_ns = budget_ns, .stalled = on_stalled_somewhere};
    ck_assert_int_eq(eddy_watchdog_start(&watchdog, &config), 0);
    for (int i = 0; i < LOOPS; i++) {
        eddy_loop_config its = {.backend = test_backend};
        ck_assert_int_eq(eddy_loop_open(&walkers[i].loop, &its), 0);
    }
    for (int i = 0; i < LOOPS; i++)
        ck_assert_int_eq(pthread_create(&walkers[i].thread, NULL, walk, &walkers[i]), 0);
    for (int i = 0; i < LOOPS; i++) {
        ck_assert_int_eq(pthread_join(walkers[i].thread, NULL), 0);
        ck_assert_int_eq(eddy_loop_close(walkers[i].loop), 0);
        ck_assert_int_eq(atomic_load(&walkers[i].over), 1);
    }
    ck_assert_int_eq(eddy_watchdog_stop(&watchdog), 0);
}
END_TEST

/* --- Backtraces --- */

static bool has_backtraces(void) {
    return lasting[0].stall.frames_error != -ENOTSUP;
}

START_TEST(the_backtrace_shows_where_it_stands) {
    begin_with(
        (eddy_watchdog_config){.stalled = on_stalled, .over_budget = on_over, .signal = SIGURG});
    eddy_watchdog other;
    eddy_watchdog_config config = {.stalled = on_stalled, .signal = SIGURG};
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 0), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_TIMER, &timer, (uintptr_t)on_timer, "", 4);
    if (has_backtraces()) {
        ck_assert_int_eq(eddy_watchdog_start(&other, &config), -EBUSY);
        for (int i = 0; i < 2; i++) {
            ck_assert_int_eq(lasting[i].stall.frames_error, 0);
            ck_assert_int_gt(lasting[i].stall.frame_count, 2);
            ck_assert(lasting[i].is_in_handler);
        }
    }
    ck_assert_int_eq(lasting[atomic_load(&lasting_count) - 1].stall.frame_count, 0);
    end();
    struct sigaction now;
    ck_assert_int_eq(sigaction(SIGURG, NULL, &now), 0);
    ck_assert(now.sa_handler == SIG_DFL);
}
END_TEST

static void stand_still_unreachable(eddy_timer *it) {
    sigset_t urgent;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &urgent, NULL), 0);
    on_timer(it);
}

/* The signal comes when it is not blocked any more, and there is no watchdog any more. */
START_TEST(a_thread_that_blocks_the_signal_gives_no_backtrace) {
    begin_with(
        (eddy_watchdog_config){.stalled = on_stalled, .over_budget = on_over, .signal = SIGURG});
    ck_assert_int_eq(eddy_timer_start(&timer, stand_still_unreachable, 0, 0), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_TIMER, &timer, (uintptr_t)stand_still_unreachable, "", 4);
    if (has_backtraces()) {
        ck_assert_int_eq(lasting[0].stall.frames_error, -EAGAIN);
        ck_assert_int_eq(lasting[0].stall.frame_count, 0);
    }
    end();
    sigset_t urgent;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    ck_assert_int_eq(pthread_sigmask(SIG_UNBLOCK, &urgent, NULL), 0);
    begin_with((eddy_watchdog_config){.stalled = on_stalled, .signal = SIGURG});
    end();
}
END_TEST

/* Nobody is sent a signal that did not ask for it: a sleep is whole. */
START_TEST(without_a_signal_a_sleep_is_not_disturbed) {
    begin();
    ck_assert_int_eq(eddy_timer_start(&timer, sleep_undisturbed, 0, 0), 0);
    test_turn_until(loop, &done);
    await(1);
    end();
}
END_TEST

/* --- Fork --- */

static void in_child(void) {
    child_assert(eddy_loop_after_fork(loop) == 0);
    done = false;
    child_assert(eddy_timer_start(&timer, compute, 0, 1) == 0);
    ticks = 2;
    while (!done) child_assert(eddy_loop_run(loop, EDDY_RUN_ONCE) >= 0);
    child_assert(over_count == 0 && atomic_load(&lasting_count) == 0);
    eddy_guard_stop(&guard);
    child_assert(eddy_guard_start(&guard, &watchdog, loop) == -EINVAL);
    child_assert(eddy_watchdog_stop(&watchdog) == 0);
#ifdef WITH_TSAN /* no thread may start in a child of a process with threads */
    _exit(0);
#endif

    eddy_watchdog_config config = {
        .budget_ns = budget_ns, .stalled = on_stalled, .context = &lasting, .signal = SIGURG};
    child_assert(eddy_watchdog_start(&watchdog, &config) == 0);
    child_assert(eddy_guard_start(&guard, &watchdog, loop) == 0);
    done = false;
    child_assert(eddy_timer_start(&timer, on_timer, 0, 0) == 0);
    while (!done) child_assert(eddy_loop_run(loop, EDDY_RUN_ONCE) >= 0);
    eddy_guard_stop(&guard);
    child_assert(eddy_watchdog_stop(&watchdog) == 0);
    _exit(0);
}

/* The child has no watchdog, and may have one of its own; the parent's goes on. */
START_TEST(a_forked_child_is_not_guarded) {
    begin_with(
        (eddy_watchdog_config){.stalled = on_stalled, .over_budget = on_over, .signal = SIGURG});
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) in_child();
    child_is_content(child);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 0, 0), 0);
    test_turn_until(loop, &done);
    expect(EDDY_KIND_TIMER, &timer, (uintptr_t)on_timer, "", 4);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("watchdog");
    ck_add(suite, "who", a_timer_is_told_of_while_it_lasts, a_watcher_is_told_of,
           a_deferred_call_is_told_of, a_post_is_told_of, a_completion_is_told_of_by_its_own_name,
           a_streams_callback_is_told_of_by_its_own_name);
    ck_add(suite, "when", a_second_is_told_of_at_each_doubling_and_measured,
           what_is_within_its_budget_is_not_told_of, while_the_loop_sleeps_the_watchdog_does,
           what_is_held_on_purpose_does_not_count, a_budget_needs_no_thread,
           who_is_told_may_stop_the_guard, a_callback_says_itself_what_it_is_about);
    ck_add(suite, "start and stop", a_guard_stops_and_starts_inside_a_callback,
           nothing_is_told_after_a_stop, a_stop_waits_for_what_is_being_told,
           errors_leave_nothing_behind, one_watchdog_guards_many_loops);
    ck_add(suite, "backtrace", the_backtrace_shows_where_it_stands,
           a_thread_that_blocks_the_signal_gives_no_backtrace,
           without_a_signal_a_sleep_is_not_disturbed);
    ck_add(suite, "fork", a_forked_child_is_not_guarded);
    return suite;
}
