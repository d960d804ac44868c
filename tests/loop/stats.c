/* stats.c: a loop that is measured: what held it up, what was late, what was queued. */
#include "suite.h"
#include "system.h"

#include <eddy/stats.h>
#include <stdlib.h>
#include <string.h>

#define SLOW_NS (20 * EDDY_NS_PER_MS)

static eddy_stats stats;
static eddy_loop_stats figures;

static eddy_loop *open_measured(void) {
    eddy_loop *loop = test_loop_open();
    ck_assert_int_eq(eddy_stats_start(&stats, loop), 0);
    return loop;
}

static void close_measured(eddy_loop *loop) {
    eddy_stats_stop(&stats);
    test_loop_close(loop);
}

static void read_figures(const eddy_loop *loop) {
    ck_assert_int_eq(eddy_loop_read_stats(loop, &figures, sizeof figures), 0);
}

static void compute(int64_t time_ns) {
    int64_t until_ns = test_now_ns() + time_ns;
    while (test_now_ns() < until_ns) continue;
}

/* --- What held it up --- */

static void on_quick(eddy_defer *defer) {
    (void)defer;
}

static void on_slow(eddy_defer *defer) {
    (void)defer;
    compute(SLOW_NS);
}

/* On a busy machine any other call may have taken as long: it is one of the slowest. */
static const eddy_slow_call *find_slow(uintptr_t fn) {
    for (unsigned i = 0; i < figures.slow_count; i++) {
        const eddy_slow_call *it = &figures.slowest[i];
        if (i > 0) ck_assert_int_le(it->taken_ns, it[-1].taken_ns);
        if (it->fn == fn) return it;
    }
    ck_abort_msg("none of the slowest is that function");
}

static void check_slow(eddy_kind kind, const void *object, uintptr_t fn, unsigned phase,
                       const char *label) {
    const eddy_slow_call *it = find_slow(fn);
    ck_assert_int_ge(it->taken_ns, SLOW_NS);
    ck_assert_int_ge(it->began_ns, figures.since_ns);
    ck_assert_int_le(it->began_ns + it->taken_ns, figures.now_ns);
    ck_assert_uint_eq(it->object, (uintptr_t)object);
    ck_assert_str_eq(eddy_kind_name((eddy_kind)it->kind), eddy_kind_name(kind));
    ck_assert_uint_eq(it->phase, phase);
    ck_assert_str_eq(it->label, label);
}

START_TEST(what_computes_is_told_with_its_label) {
    eddy_defer quick[5], slow;
    eddy_label label;
    eddy_loop *loop = open_measured();
    eddy_label_init(&label, loop);
    ck_assert_int_eq(eddy_label_set(&label, &slow, "report"), 0);
    eddy_defer_init(&slow, loop);
    for (int i = 0; i < 5; i++) {
        eddy_defer_init(&quick[i], loop);
        ck_assert_int_eq(eddy_defer_start(&quick[i], on_quick), 0);
        if (i == 2) ck_assert_int_eq(eddy_defer_start(&slow, on_slow), 0);
    }
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    read_figures(loop);
    check_slow(EDDY_KIND_DEFER, &slow, (uintptr_t)on_slow, 7, "report");
    ck_assert_uint_eq(figures.calls.count, 6 + figures.turns); /* with the hook that verifies */
    ck_assert_uint_eq(figures.slow_count, figures.calls.count);
    ck_assert_int_ge(figures.calls.max_ns, SLOW_NS);
    ck_assert_int_ge(figures.lag.max_ns, SLOW_NS);
    ck_assert_int_ge(figures.phases[7].max_ns, SLOW_NS);
    eddy_label_clear(&label);
    close_measured(loop);
}
END_TEST

/* In each kind of callback, by its kind, function and phase. */

struct all_kinds {
    eddy_timer timer;
    eddy_io io;
    eddy_hook hook;
    eddy_wake wake;
    eddy_post post;
    eddy_work work;
    int ends[2];
};

static void slow_timer(eddy_timer *timer) {
    (void)timer;
    compute(SLOW_NS);
}
static void slow_io(eddy_io *io, unsigned events) {
    (void)events;
    eddy_io_stop(io);
    compute(SLOW_NS);
}
static void slow_hook(eddy_hook *hook) {
    eddy_hook_stop(hook);
    compute(SLOW_NS);
}
static void slow_wake(eddy_wake *wake) {
    eddy_wake_stop(wake);
    compute(SLOW_NS);
}
static void slow_post(eddy_post *post) {
    (void)post;
    compute(SLOW_NS);
}
static void no_work(eddy_work *work) {
    (void)work;
}
static void slow_done(eddy_work *work, int status) {
    (void)work;
    ck_assert_int_eq(status, 0);
    compute(SLOW_NS);
}

static void run_slow(eddy_loop *loop) {
    eddy_loop_reset_slowest(loop);
    ck_assert_int_ge(test_run(loop, EDDY_RUN_DEFAULT), 0);
    read_figures(loop);
}

START_TEST(each_kind_is_told_by_its_own) {
    struct all_kinds it;
    eddy_loop *loop = open_measured();
    test_pipe(it.ends);
    eddy_timer_init(&it.timer, loop);
    ck_assert_int_eq(eddy_timer_start(&it.timer, slow_timer, 0, 0), 0);
    run_slow(loop);
    check_slow(EDDY_KIND_TIMER, &it.timer, (uintptr_t)slow_timer, 4, "");

    eddy_io_init(&it.io, loop);
    ck_assert_int_eq(eddy_io_start(&it.io, slow_io, it.ends[1], EDDY_WRITE), 0);
    run_slow(loop);
    check_slow(EDDY_KIND_IO, &it.io, (uintptr_t)slow_io, 5, "");

    eddy_loop_post(loop, &it.post, slow_post);
    run_slow(loop);
    check_slow(EDDY_KIND_POST, &it.post, (uintptr_t)slow_post, 6, "");

    eddy_wake_init(&it.wake, loop);
    ck_assert_int_eq(eddy_wake_start(&it.wake, slow_wake), 0);
    eddy_wake_send(&it.wake);
    run_slow(loop);
    check_slow(EDDY_KIND_WAKE, &it.wake, (uintptr_t)slow_wake, 6, "");

    ck_assert_int_eq(eddy_work_submit(loop, &it.work, EDDY_LANE_CPU, no_work, slow_done), 0);
    run_slow(loop);
    check_slow(EDDY_KIND_WORK, &it.work, (uintptr_t)slow_done, 6, "");

    eddy_hook_init(&it.hook, loop);
    ck_assert_int_eq(eddy_hook_start(&it.hook, EDDY_HOOK_PREPARE, slow_hook), 0);
    eddy_loop_reset_slowest(loop);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    read_figures(loop);
    check_slow(EDDY_KIND_HOOK, &it.hook, (uintptr_t)slow_hook, 0, "");
    close_both(it.ends);
    close_measured(loop);
}
END_TEST

/* What the library has inside of a stream, a file request and the like is not told. */

static void slow_read(eddy_stream *stream, void *data, ssize_t size) {
    (void)data;
    ck_assert_int_eq(size, 1);
    eddy_stream_close(stream, NULL);
    compute(SLOW_NS);
}

static void slow_file(eddy_file *file) {
    ck_assert_int_eq(file->result, 0);
    compute(SLOW_NS);
}

START_TEST(what_is_inside_is_told_by_the_outside) {
    eddy_stream stream;
    eddy_label label;
    eddy_file file;
    eddy_stat stat;
    int ends[2];
    eddy_loop *loop = open_measured();
    test_socket_pair(ends);
    eddy_label_init(&label, loop);
    ck_assert_int_eq(eddy_label_set(&label, &stream, "client"), 0);
    eddy_stream_init(&stream, loop);
    ck_assert_int_eq(eddy_stream_attach(&stream, ends[0]), 0);
    ck_assert_int_eq(eddy_stream_read_start(&stream, slow_read), 0);
    put(ends[1], "x");
    run_slow(loop);
    check_slow(EDDY_KIND_STREAM, &stream, (uintptr_t)slow_read, 5, "client");
    eddy_label_clear(&label);

    ck_assert_int_eq(eddy_file_fstat(loop, &file, ends[1], &stat, slow_file), 0);
    run_slow(loop);
    check_slow(EDDY_KIND_FILE, &file, (uintptr_t)slow_file, 6, "");
    close(ends[1]);
    close_measured(loop);
}
END_TEST

/* --- What was late --- */

static void on_timer(eddy_timer *timer) {
    (void)timer;
}

static eddy_timer late_timer;
static int64_t late_due_ns;

/* It cannot be called before this is over. */
static void on_slow_after_a_start(eddy_defer *defer) {
    (void)defer;
    ck_assert_int_eq(eddy_timer_start(&late_timer, on_timer, EDDY_NS_PER_MS, 0), 0);
    late_due_ns = eddy_timer_due_ns(&late_timer);
    compute(SLOW_NS);
}

START_TEST(a_timer_behind_a_long_callback_is_late) {
    eddy_defer slow;
    eddy_loop *loop = open_measured();
    eddy_timer_init(&late_timer, loop);
    eddy_defer_init(&slow, loop);
    ck_assert_int_eq(eddy_defer_start(&slow, on_slow_after_a_start), 0);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    int64_t end_ns = test_now_ns();
    read_figures(loop);
    ck_assert_uint_eq(figures.late.count, 1);
    ck_assert_int_ge(figures.late.max_ns, SLOW_NS - EDDY_NS_PER_MS);
    ck_assert_int_le(figures.late.max_ns, end_ns - late_due_ns);
    close_measured(loop);
}
END_TEST

static void on_slow_timer(eddy_timer *timer) {
    (void)timer;
    compute(SLOW_NS);
}

/* Both are due in one phase: what the first one takes is the second one's lateness. */
START_TEST(a_timer_behind_a_long_one_is_late) {
    eddy_timer first, second;
    eddy_loop *loop = open_measured();
    eddy_timer_init(&first, loop);
    eddy_timer_init(&second, loop);
    ck_assert_int_eq(eddy_timer_start(&first, on_slow_timer, 0, 0), 0);
    ck_assert_int_eq(eddy_timer_start_at(&second, on_timer, eddy_timer_due_ns(&first), 0), 0);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    read_figures(loop);
    ck_assert_uint_eq(figures.late.count, 2);
    ck_assert_int_ge(figures.late.max_ns, SLOW_NS);
    close_measured(loop);
}
END_TEST

/* What sleeps is not at work: the time of its wait is that of phase 2, and no lag. */
START_TEST(sleep_is_no_lag) {
    eddy_timer timer;
    eddy_loop *loop = open_measured();
    eddy_timer_init(&timer, loop);
    int64_t begin_ns = test_now_ns();
    /* Far enough away that a slow machine waits for it, too. */
    int64_t delay_ns = getenv("EDDY_TEST_SLOW") != NULL ? 50 * SLOW_NS : SLOW_NS;
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, delay_ns, 0), 0);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    int64_t all_ns = test_now_ns() - begin_ns, other_ns = 0;
    read_figures(loop);
    for (int i = 0; i < EDDY_STATS_PHASES; i++)
        if (i != 2) other_ns += (int64_t)figures.phases[i].sum_ns;
    int64_t slept_ns = (int64_t)figures.phases[2].sum_ns;
    ck_assert_int_gt(slept_ns, 0);
    ck_assert_int_le(slept_ns + other_ns, all_ns);
    ck_assert_int_le((int64_t)figures.lag.sum_ns, all_ns - slept_ns);
    ck_assert_uint_eq(figures.turns, figures.lag.count);
    ck_assert_uint_ge(figures.turns, 1);
    close_measured(loop);
}
END_TEST

/* --- What was queued --- */

enum { POSTS = 600, DEFERRED = 30 };

static void on_post(eddy_post *post) {
    (void)post;
}

START_TEST(queues_tell_their_lengths) {
    static eddy_post posts[POSTS];
    static eddy_defer defers[DEFERRED];
    eddy_loop *loop = open_measured();
    for (int i = 0; i < POSTS; i++) eddy_loop_post(loop, &posts[i], on_post);
    for (int i = 0; i < DEFERRED; i++) {
        eddy_defer_init(&defers[i], loop);
        ck_assert_int_eq(eddy_defer_start(&defers[i], on_quick), 0);
    }
    read_figures(loop);
    ck_assert_uint_eq(figures.inbox.now, POSTS);
    ck_assert_uint_eq(figures.deferred.now, DEFERRED);
    ck_assert_uint_eq(figures.inbox.most, 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 1); /* 256 of the posts */
    read_figures(loop);
    ck_assert_uint_eq(figures.inbox.now, POSTS - 256);
    ck_assert_uint_eq(figures.inbox.most, POSTS);
    ck_assert_uint_eq(figures.deferred.now, 0);
    ck_assert_uint_eq(figures.deferred.most, DEFERRED);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    eddy_loop_reset_slowest(loop);
    read_figures(loop);
    ck_assert_uint_eq(figures.inbox.now, 0);
    ck_assert_uint_eq(figures.inbox.most, 0);
    ck_assert_uint_eq(figures.deferred.most, 0);
    close_measured(loop);
}
END_TEST

static void on_closed(eddy_stream *stream) {
    (void)stream;
}

static void close_streams(eddy_loop *loop, unsigned count) {
    static eddy_stream streams[4];
    int ends[2];
    for (unsigned i = 0; i < count; i += 2) {
        test_socket_pair(ends);
        for (int k = 0; k < 2; k++) {
            eddy_stream_init(&streams[i + (unsigned)k], loop);
            ck_assert_int_eq(eddy_stream_attach(&streams[i + (unsigned)k], ends[k]), 0);
        }
    }
    for (unsigned i = 0; i < count; i++) eddy_stream_close(&streams[i], on_closed);
    read_figures(loop);
    ck_assert_uint_eq(figures.closing.now, count);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    read_figures(loop);
    ck_assert_uint_eq(figures.closing.now, 0);
    ck_assert_uint_eq(figures.closing.most, count);
}

START_TEST(closing_streams_are_counted) {
    eddy_loop *loop = open_measured();
    close_streams(loop, 4);
    eddy_loop_reset_slowest(loop);
    close_streams(loop, 2);
    close_measured(loop);
}
END_TEST

/* --- Start and stop --- */

static eddy_stats *own_stats;

static void on_begin(eddy_defer *defer) {
    own_stats = calloc(1, sizeof *own_stats);
    ck_assert_ptr_nonnull(own_stats);
    ck_assert_int_eq(eddy_stats_start(own_stats, eddy_handle_loop(&defer->handle)), 0);
}

/* Its memory is ours again at once. */
static void on_end(eddy_defer *defer) {
    read_figures(eddy_handle_loop(&defer->handle));
    eddy_stats_stop(own_stats);
    free(own_stats);
}

START_TEST(it_starts_and_stops_in_callbacks) {
    eddy_defer defer, neighbour;
    eddy_loop *loop = test_loop_open();
    eddy_defer_init(&defer, loop);
    eddy_defer_init(&neighbour, loop);
    ck_assert_int_eq(eddy_defer_start(&defer, on_begin), 0);
    ck_assert_int_eq(eddy_defer_start(&neighbour, on_quick), 0);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(eddy_defer_start(&neighbour, on_quick), 0);
        if (i == 1) ck_assert_int_eq(eddy_defer_start(&defer, on_end), 0);
        ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    }
    ck_assert_uint_ge(figures.calls.count, 2);
    ck_assert_uint_ge(figures.turns, 1);
    ck_assert_int_eq(eddy_loop_read_stats(loop, &figures, sizeof figures), -ENOENT);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_turn_taken_apart_is_measured) {
    eddy_defer slow;
    eddy_loop *loop = open_measured();
    eddy_defer_init(&slow, loop);
    ck_assert_int_eq(eddy_defer_start(&slow, on_slow), 0);
    test_turn_apart(loop);
    read_figures(loop);
    ck_assert_uint_eq(figures.turns, 1);
    ck_assert_int_ge(figures.lag.max_ns, SLOW_NS);
    ck_assert_uint_eq(figures.calls.count, 2);
    close_measured(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("stats");
    ck_add(suite, "slow", what_computes_is_told_with_its_label, each_kind_is_told_by_its_own,
           what_is_inside_is_told_by_the_outside);
    ck_add(suite, "late", a_timer_behind_a_long_callback_is_late, a_timer_behind_a_long_one_is_late,
           sleep_is_no_lag);
    ck_add(suite, "queues", queues_tell_their_lengths, closing_streams_are_counted);
    ck_add(suite, "start", it_starts_and_stops_in_callbacks, a_turn_taken_apart_is_measured);
    return suite;
}
