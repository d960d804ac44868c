/* post.c: calls handed to a loop by any thread: in order, exactly once. */
#include "suite.h"
#include "system.h"
#include "trace.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/time.h>

static eddy_loop *loop;

static void begin(void) {
    trace_clear();
    loop = test_loop_open();
}

static void turn(void) {
    ck_assert_int_ge(test_run(loop, EDDY_RUN_NOWAIT), 0);
}

static eddy_post posts[3];

static void on_post(eddy_post *post) {
    note((char)('a' + (post - posts)));
}

START_TEST(posted_calls_run_once_in_order_of_arrival) {
    begin();
    eddy_loop_post(loop, &posts[2], on_post);
    eddy_loop_post(loop, &posts[0], on_post);
    eddy_loop_post(loop, &posts[1], on_post);
    trace_is("");
    ck_assert(eddy_loop_is_alive(loop));
    turn();
    trace_is("cab");
    ck_assert(!eddy_loop_is_alive(loop));
    turn();
    trace_is("");
    test_loop_close(loop);
}
END_TEST

/* A posted call keeps the loop alive until it was made, and the loop from closing. */
START_TEST(a_posted_call_keeps_the_loop_running) {
    begin();
    eddy_loop_post(loop, &posts[0], on_post);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    trace_is("a");
    test_loop_close(loop);
}
END_TEST

static void free_itself(eddy_post *post) {
    note('f');
    free(post);
}

START_TEST(a_posted_call_may_free_its_struct) {
    begin();
    for (int i = 0; i < 3; i++) {
        eddy_post *post = malloc(sizeof *post);
        ck_assert_ptr_nonnull(post);
        eddy_loop_post(loop, post, free_itself);
    }
    turn();
    trace_is("fff");
    test_loop_close(loop);
}
END_TEST

static unsigned counted;

static void count_post(eddy_post *post) {
    (void)post;
    counted++;
}

/* More calls than a turn takes come in later turns, and the loop does not sleep over them. */
START_TEST(completions_per_turn_is_a_bound) {
    trace_clear();
    loop = test_loop_open_with((eddy_loop_config){.completions_per_turn = 10});
    static eddy_post many[95];
    counted = 0;
    for (int i = 0; i < 95; i++) eddy_loop_post(loop, &many[i], count_post);
    for (unsigned i = 1; i <= 9; i++) {
        ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
        ck_assert_uint_eq(counted, i * 10);
    }
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert_uint_eq(counted, 95);
    test_loop_close(loop);
}
END_TEST

static void note_io(eddy_io *io, unsigned events) {
    (void)io;
    (void)events;
    note('r');
}

/* The calls left over do not keep the loop from looking at its descriptors for long. */
START_TEST(a_long_queue_of_calls_does_not_starve_descriptors) {
    trace_clear();
    loop = test_loop_open_with((eddy_loop_config){.completions_per_turn = 1});
    static eddy_post many[100];
    counted = 0;
    int ends[2];
    test_pipe(ends);
    put(ends[1], "x");
    eddy_io io;
    eddy_io_init(&io, loop);
    ck_assert_int_eq(eddy_io_start(&io, note_io, ends[0], EDDY_READ), 0);
    for (int i = 0; i < 100; i++) eddy_loop_post(loop, &many[i], count_post);
    for (int i = 0; i < 100; i++) turn();
    ck_assert_uint_eq(counted, 100);
    ck_assert_uint_ge(trace_length, 5);
    eddy_io_stop(&io);
    close_both(ends);
    test_loop_close(loop);
}
END_TEST

/* --- threads --- */

enum { THREADS = 4, EACH = 100000, WINDOW = 512 };

struct numbered {
    eddy_post post;
    struct source *source;
    unsigned number;
    atomic_bool free; /* released by the loop: the thread may use it again */
};

struct source {
    pthread_t thread;
    struct numbered window[WINDOW];
    unsigned next; /* the number the loop expects */
};

static struct source sources[THREADS];
static unsigned finished;

static void on_numbered(eddy_post *post) {
    struct numbered *it = eddy_container_of(post, struct numbered, post);
    struct source *source = it->source;
    ck_assert_uint_eq(it->number, source->next);
    source->next++;
    if (source->next == EACH && ++finished == THREADS) eddy_loop_stop(loop);
    atomic_store_explicit(&it->free, true, memory_order_release);
}

static void *post_all(void *argument) {
    struct source *source = argument;
    for (unsigned i = 0; i < EACH; i++) {
        struct numbered *it = &source->window[i % WINDOW];
        while (!atomic_load_explicit(&it->free, memory_order_acquire)) sched_yield();
        atomic_store_explicit(&it->free, false, memory_order_relaxed);
        it->number = i;
        eddy_loop_post(loop, &it->post, on_numbered);
    }
    return NULL;
}

static void bite(eddy_timer *timer) {
    (void)timer;
    ck_abort_msg("a posted call was lost");
}

static void run_sources(void) {
    finished = 0;
    eddy_timer watchdog;
    eddy_timer_init(&watchdog, loop);
    ck_assert_int_eq(eddy_timer_start(&watchdog, bite, 50 * EDDY_NS_PER_S, 0), 0);
    for (int i = 0; i < THREADS; i++) {
        struct source *source = &sources[i];
        source->next = 0;
        for (int j = 0; j < WINDOW; j++) {
            source->window[j].source = source;
            atomic_init(&source->window[j].free, true);
        }
        ck_assert_int_eq(pthread_create(&source->thread, NULL, post_all, source), 0);
    }
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 1);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(sources[i].thread, NULL), 0);
        ck_assert_uint_eq(sources[i].next, EACH);
    }
    eddy_timer_stop(&watchdog);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
}

START_TEST(four_threads_post_in_order_and_exactly_once) {
    begin();
    eddy_timer warm;
    eddy_timer_init(&warm, loop);
    ck_assert_int_eq(eddy_timer_start(&warm, bite, EDDY_NS_PER_S, 0), 0);
    eddy_timer_stop(&warm);
    eddy_metrics before, after;
    eddy_loop_read_metrics(loop, &before, sizeof before);
    run_sources();
    eddy_loop_read_metrics(loop, &after, sizeof after);
    ck_assert_uint_eq(after.completions - before.completions, THREADS * EACH);
    ck_assert_uint_le(after.wake_reads - before.wake_reads, THREADS * EACH);
    ck_assert_uint_eq(after.allocations, before.allocations);
    test_loop_close(loop);
}
END_TEST

/* The loop may be closed as soon as the call was made, though its sender may still be about to
 * write to the pipe. */
static void *post_one(void *argument) {
    struct numbered *it = argument;
    eddy_loop *to = loop;
    eddy_loop_post(to, &it->post, on_numbered);
    return NULL;
}

START_TEST(a_loop_may_close_after_the_last_posted_call_ran) {
    for (int i = 0; i < 200; i++) {
        begin();
        struct source source = {.next = 0};
        struct numbered *it = &source.window[0];
        it->source = &source;
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, post_one, it), 0);
        while (source.next == 0) turn();
        test_loop_close(loop);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
    }
}
END_TEST

/* --- signal handlers --- */

static eddy_post handler_posts[64];
static volatile sig_atomic_t handler_posted;

static void handler(int number) {
    (void)number;
    if (handler_posted < 64) eddy_loop_post(loop, &handler_posts[handler_posted++], count_post);
}

/* The handler interrupts the loop wherever it is, posting itself included. */
START_TEST(signal_handlers_may_post) {
    begin();
    counted = 0;
    handler_posted = 0;
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, old;
    ck_assert_int_eq(sigaction(SIGALRM, &action, &old), 0);
    struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    unsigned own = 0;
    int64_t end_ns = test_now_ns() + 20 * EDDY_NS_PER_S;
    while (handler_posted < 64 && test_now_ns() < end_ns) {
        static eddy_post mine;
        eddy_loop_post(loop, &mine, count_post);
        own++;
        ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
        while (eddy_loop_is_alive(loop)) turn();
    }
    ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
    while (eddy_loop_is_alive(loop)) turn();
    ck_assert_int_eq(sigaction(SIGALRM, &old, NULL), 0);
    ck_assert_uint_eq(counted, own + 64);
    test_loop_close(loop);
}
END_TEST

enum { CHAIN = 100 };
static unsigned links;

static void post_next(eddy_post *post) {
    if (++links < CHAIN) eddy_loop_post(loop, post, post_next);
}

/* Only the first one may have come to a loop that was about to sleep: the others are found by a
 * look, and cost neither a write nor an event. */
START_TEST(a_loop_that_turns_is_not_rung_for) {
    begin();
    eddy_metrics before, after;
    links = 0;
    eddy_loop_read_metrics(loop, &before, sizeof before);
    eddy_loop_post(loop, &posts[0], post_next);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    eddy_loop_read_metrics(loop, &after, sizeof after);
    ck_assert_uint_eq(links, CHAIN);
    ck_assert_uint_eq(after.completions - before.completions, CHAIN);
    ck_assert_uint_eq(after.events - before.events, 1);
    ck_assert_uint_eq(after.wake_reads - before.wake_reads, test_wake_reads());
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("post");
    ck_add(suite, "post", posted_calls_run_once_in_order_of_arrival,
           a_posted_call_keeps_the_loop_running, a_posted_call_may_free_its_struct,
           completions_per_turn_is_a_bound, a_loop_that_turns_is_not_rung_for,
           a_long_queue_of_calls_does_not_starve_descriptors);
    ck_add(suite, "threads", four_threads_post_in_order_and_exactly_once,
           a_loop_may_close_after_the_last_posted_call_ran);
    ck_add(suite, "handlers", signal_handlers_may_post);
    return suite;
}
