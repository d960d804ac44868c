/* inbox.c: what wake-ups from other threads have done to event loops, and what must hold instead.
 */
#include "../../src/core/loop.h"
#include "suite.h"
#include "system.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static eddy_loop *loop;

/* --- a pipe of one page --- */

enum { THREADS = 4, EACH = 20000 };

struct sender {
    pthread_t thread;
    eddy_post posts[EACH];
    eddy_wake wake;
};

static struct sender *senders;
static atomic_uint posted;
static unsigned ran, woken;

static void on_post(eddy_post *post) {
    (void)post;
    ran++;
}

static void on_wake(eddy_wake *wake) {
    (void)wake;
    woken++;
}

static void *send_all(void *argument) {
    struct sender *it = argument;
    for (int i = 0; i < EACH; i++) {
        eddy_loop_post(loop, &it->posts[i], on_post);
        eddy_wake_send(&it->wake);
    }
    atomic_fetch_add(&posted, 1);
    return NULL;
}

/* Makes the pipe that the loop opened as small as pipes can be, where the system knows how. */
static void shrink_pipes(const bool *open_before, int limit) {
#ifdef F_SETPIPE_SZ
    for (int fd = 0; fd < limit; fd++)
        if (!open_before[fd] && fcntl(fd, F_GETFD) >= 0) (void)fcntl(fd, F_SETPIPE_SZ, 4096);
#else
    (void)open_before;
    (void)limit;
#endif
}

/* The loop is stalled until all is sent, a hundred times what the pipe holds: no sender blocks,
 * and nothing is lost. */
START_TEST(a_stalled_loop_blocks_no_sender_and_loses_nothing) {
    bool open_before[100];
    for (int fd = 0; fd < 100; fd++) open_before[fd] = fcntl(fd, F_GETFD) >= 0;
    loop = test_loop_open();
    shrink_pipes(open_before, 100);
    senders = calloc(THREADS, sizeof *senders);
    ck_assert_ptr_nonnull(senders);
    ran = woken = 0;
    atomic_store(&posted, 0);
    for (int i = 0; i < THREADS; i++) {
        eddy_wake_init(&senders[i].wake, loop);
        ck_assert_int_eq(eddy_wake_start(&senders[i].wake, on_wake), 0);
        ck_assert_int_eq(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) ck_assert_int_eq(pthread_join(senders[i].thread, NULL), 0);
    ck_assert_uint_eq(atomic_load(&posted), THREADS);
    ck_assert_uint_eq(ran, 0);
    int64_t end_ns = test_now_ns() + 30 * EDDY_NS_PER_S;
    while (ran < THREADS * EACH && test_now_ns() < end_ns)
        ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
    ck_assert_uint_eq(ran, THREADS * EACH);
    ck_assert_uint_eq(woken, THREADS);
    for (int i = 0; i < THREADS; i++) eddy_wake_stop(&senders[i].wake);
    free(senders);
    test_loop_close(loop);
}
END_TEST

/* Each time a wake is withdrawn before a wait tells of its byte, the byte stays in the pipe, until
 * that is full and refuses the next ones. The loop sleeps and closes as if it had not. */
START_TEST(a_loop_whose_pipe_refuses_bytes_can_be_closed) {
    bool open_before[100];
    for (int fd = 0; fd < 100; fd++) open_before[fd] = fcntl(fd, F_GETFD) >= 0;
    loop = test_loop_open();
    shrink_pipes(open_before, 100);
    eddy_wake wake;
    eddy_wake_init(&wake, loop);
    woken = 0;
    for (int i = 0; i < 70000; i++) {
        int64_t timeout_ns;
        ck_assert_int_eq(eddy_wake_start(&wake, on_wake), 0);
        ck_assert_int_eq(eddy_loop_prepare(loop, &timeout_ns), 0);
        eddy_wake_send(&wake);
        eddy_wake_stop(&wake);
    }
    ck_assert_int_eq(eddy_loop_wait(loop, -1), 1);
    ck_assert_int_eq(eddy_loop_dispatch(loop), 0);
    ck_assert_uint_eq(woken, 0);
    test_loop_close(loop);
}
END_TEST

/* --- stop and free against send --- */

struct shared {
    eddy_wake wake;
    atomic_bool may_send; /* cleared before the wake is freed: no send begins after that */
    atomic_uint sending;
};

static void *send_while_allowed(void *argument) {
    struct shared *_Atomic *place = argument;
    for (;;) {
        struct shared *it = atomic_load(place);
        if (it == NULL) return NULL;
        atomic_fetch_add(&it->sending, 1);
        if (atomic_load(&it->may_send)) eddy_wake_send(&it->wake);
        atomic_fetch_sub(&it->sending, 1);
        sched_yield();
    }
}

/* A send may be under way in another thread when the wake is stopped: stop waits for it, and then
 * the memory is the owner's, who gives it away. */
START_TEST(a_wake_may_be_freed_after_stop) {
    enum { KEPT = 300 };
    static struct shared *kept[KEPT];
    static struct shared *_Atomic place;
    loop = test_loop_open();
    pthread_t thread;
    for (int i = 0; i < KEPT; i++) {
        kept[i] = calloc(1, sizeof *kept[i]);
        ck_assert_ptr_nonnull(kept[i]);
        eddy_wake_init(&kept[i]->wake, loop);
        atomic_init(&kept[i]->may_send, true);
    }
    atomic_store(&place, kept[0]);
    ck_assert_int_eq(pthread_create(&thread, NULL, send_while_allowed, &place), 0);
    for (int i = 0; i < KEPT; i++) {
        struct shared *it = kept[i];
        ck_assert_int_eq(eddy_wake_start(&it->wake, on_wake), 0);
        atomic_store(&place, it);
        for (int j = 0; j < i % 4; j++) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        eddy_wake_stop(&it->wake);
        atomic_store(&it->may_send, false);
        atomic_store(&place, kept[(i + 1) % KEPT]);
        while (atomic_load(&it->sending) > 0) sched_yield();
        unsigned before = woken;
        memset(&it->wake, 0xa5, sizeof it->wake);
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        ck_assert_uint_eq(woken, before);
    }
    atomic_store(&place, NULL);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    for (int i = 0; i < KEPT; i++) free(kept[i]);
    test_loop_close(loop);
}
END_TEST

/* --- a wake-up between the look and the sleep --- */

static atomic_uint wanted, done;

static void do_what_is_wanted(eddy_wake *wake) {
    (void)wake;
    atomic_store(&done, atomic_load(&wanted));
}

static void *want_and_wait(void *argument) {
    for (unsigned i = 1; i <= 3000; i++) {
        atomic_store(&wanted, i);
        eddy_wake_send(argument);
        while (atomic_load(&done) < i) sched_yield();
    }
    return NULL;
}

static void give_up(eddy_timer *timer) {
    (void)timer;
    ck_abort_msg("a wake-up was lost between the look and the sleep");
}

/* One at a time, each sent while the loop is about to sleep: a lost one is a dead stop. */
START_TEST(a_send_while_the_loop_falls_asleep_wakes_it) {
    loop = test_loop_open();
    eddy_wake wake;
    eddy_timer watchdog;
    atomic_store(&wanted, 0);
    atomic_store(&done, 0);
    eddy_wake_init(&wake, loop);
    eddy_timer_init(&watchdog, loop);
    ck_assert_int_eq(eddy_wake_start(&wake, do_what_is_wanted), 0);
    ck_assert_int_eq(eddy_timer_start(&watchdog, give_up, 50 * EDDY_NS_PER_S, 0), 0);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, want_and_wait, &wake), 0);
    while (atomic_load(&done) < 3000) ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    eddy_timer_stop(&watchdog);
    eddy_wake_stop(&wake);
    test_loop_close(loop);
}
END_TEST

/* --- one wake-up at a time --- */

enum { WAKE_UPS = 20000 };

static void *test_resize(void *context, void *memory, size_t old_bytes, size_t new_bytes) {
    (void)context;
    (void)old_bytes;
    if (new_bytes != 0) return realloc(memory, new_bytes);
    free(memory);
    return NULL;
}

static const struct eddy_backend *backend_tested(void) {
    const struct eddy_backend *const *backend = eddy_backend_table;
    while (strcmp((*backend)->name, test_backend) != 0) backend++;
    return *backend;
}

/* Whether an edge is told of a byte behind one that nobody has read, asked without a loop. */
static bool kernel_tells_each_byte(void) {
    const struct eddy_backend *backend = backend_tested();
    static const eddy_allocator memory = {test_resize, NULL};
    if (!(backend->capabilities & BACKEND_TELLS_EACH_WRITE)) return false;
    void *state = calloc(1, backend->state_bytes);
    struct eddy_record record;
    int ends[2], told = 0;
    test_pipe(ends);
    ck_assert_int_eq(backend->open(state, &memory, 256), 0);
    ck_assert_int_eq(backend->add(state, ends[0], EDDY_READ | EDDY_EDGE, 1), 0);
    for (int i = 0; i < 20; i++) {
        put(ends[1], "x");
        told += backend->wait(state, &record, 1, 0);
    }
    ck_assert(told == 1 || told == 20);
    backend->close(state);
    free(state);
    close_both(ends);
    return told == 20;
}

static void on_post_told(eddy_post *post) {
    (void)post;
    atomic_fetch_add(&posted, 1);
}

static void *post_one_at_a_time(void *argument) {
    static eddy_post posts[WAKE_UPS];
    (void)argument;
    for (unsigned i = 0; i < WAKE_UPS; i++) {
        eddy_loop_post(loop, &posts[i], on_post_told);
        while (atomic_load(&posted) <= i) sched_yield();
    }
    return NULL;
}

/* Each is slept for: the next one is posted when the last has run. A lost one is a dead stop. */
static eddy_metrics sleep_for_each(eddy_wakeup_kind kind) {
    bool open_before[100];
    for (int fd = 0; fd < 100; fd++) open_before[fd] = fcntl(fd, F_GETFD) >= 0;
    loop = test_loop_open_with((eddy_loop_config){.wakeup = kind});
    shrink_pipes(open_before, 100);
    eddy_timer watchdog;
    eddy_timer_init(&watchdog, loop);
    ck_assert_int_eq(eddy_timer_start(&watchdog, give_up, 50 * EDDY_NS_PER_S, 0), 0);
    atomic_store(&posted, 0);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, post_one_at_a_time, NULL), 0);
    while (atomic_load(&posted) < WAKE_UPS) ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_ONCE), 1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(loop->wakeup.refused, 0);
    eddy_timer_stop(&watchdog);
    eddy_metrics metrics;
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    test_loop_close(loop);
    return metrics;
}

START_TEST(a_pipe_of_one_page_wakes_a_loop_twenty_thousand_times) {
    eddy_metrics metrics = sleep_for_each(EDDY_WAKEUP_PIPE);
    if (kernel_tells_each_byte())
        ck_assert_uint_le(metrics.wake_reads, WAKE_UPS / 500);
    else
        ck_assert_uint_ge(metrics.wake_reads, metrics.events / 2);
}
END_TEST

START_TEST(an_eventfd_does_the_same_where_there_is_one) {
    eddy_loop *it = NULL;
    eddy_loop_config config = {.backend = test_backend, .wakeup = EDDY_WAKEUP_EVENTFD};
    int err = eddy_loop_open(&it, &config);
    if (err < 0) {
        ck_assert_int_eq(err, -ENOSYS);
        return;
    }
    ck_assert_int_eq(eddy_loop_close(it), 0);
    eddy_metrics metrics = sleep_for_each(EDDY_WAKEUP_EVENTFD);
    if (backend_tested()->capabilities & BACKEND_TELLS_EACH_WRITE)
        ck_assert_uint_eq(metrics.wake_reads, 0);
}
END_TEST

START_TEST(another_kind_of_wake_up_is_refused) {
    eddy_loop *it = NULL;
    for (int kind = EDDY_WAKEUP_EVENTFD + 1; kind < 4; kind++) {
        eddy_loop_config config = {.backend = test_backend, .wakeup = (eddy_wakeup_kind)kind};
        ck_assert_int_eq(eddy_loop_open(&it, &config), -EINVAL);
    }
}
END_TEST

/* --- a loop that is awake is not woken --- */

static eddy_wake own_wake;
static eddy_post own_post, second_post;
static unsigned own_woken, own_ran;

static void on_own_wake(eddy_wake *wake) {
    (void)wake;
    own_woken++;
}

static void on_own_post(eddy_post *post) {
    (void)post;
    own_ran++;
}

static void tell_itself(void) {
    eddy_loop_post(loop, &own_post, on_own_post);
    eddy_wake_send(&own_wake);
}

static void tell_from_timer(eddy_timer *timer) {
    (void)timer;
    tell_itself();
}

static void tell_from_io(eddy_io *io, unsigned events) {
    (void)events;
    eddy_io_stop(io);
    tell_itself();
}

static void tell_from_defer(eddy_defer *defer) {
    (void)defer;
    tell_itself();
}

static void tell_from_post(eddy_post *post) {
    (void)post;
    tell_itself();
}

/* Nothing is written: a write would be in the pipe or be told of, an eventfd's number be more than
 * 0. The first turn may sleep, and ends for what is to tell. */
static void expect_no_wake_up(const char *from, unsigned waits) {
    eddy_metrics before, after;
    uint64_t due = loop->wakeup.due;
    own_ran = own_woken = 0;
    eddy_loop_read_metrics(loop, &before, sizeof before);
    for (int i = 0; i < 3 && own_ran + own_woken < 2; i++)
        ck_assert_int_ge(eddy_loop_run(loop, i == 0 ? EDDY_RUN_ONCE : EDDY_RUN_NOWAIT), 0);
    eddy_loop_read_metrics(loop, &after, sizeof after);
    ck_assert_msg(own_ran == 1 && own_woken == 1, "from %s: %u and %u calls", from, own_ran,
                  own_woken);
    ck_assert_msg(after.waits - before.waits <= waits, "from %s: %u waits", from,
                  (unsigned)(after.waits - before.waits));
    ck_assert_uint_eq(after.wake_reads, before.wake_reads);
    ck_assert_uint_eq(loop->wakeup.due, due);
    struct pollfd fd = {.fd = loop->wakeup.ends[0], .events = POLLIN};
    ck_assert_int_eq(poll(&fd, 1, 0), 0);
}

START_TEST(a_loop_that_is_awake_is_not_woken) {
    eddy_timer timer;
    eddy_io io;
    eddy_defer defer;
    int ends[2];
    loop = test_loop_open();
    /* The probe's two bytes are read first, so that the pipe shows what comes. */
    char bytes[8];
    (void)!read(loop->wakeup.ends[0], bytes, sizeof bytes);
    loop->wakeup.read = loop->wakeup.due;
    eddy_wake_init(&own_wake, loop);
    ck_assert_int_eq(eddy_wake_start(&own_wake, on_own_wake), 0);
    eddy_timer_init(&timer, loop);
    ck_assert_int_eq(eddy_timer_start(&timer, tell_from_timer, EDDY_NS_PER_MS, 0), 0);
    expect_no_wake_up("a timer", 2);
    test_pipe(ends);
    put(ends[1], "x");
    eddy_io_init(&io, loop);
    ck_assert_int_eq(eddy_io_start(&io, tell_from_io, ends[0], EDDY_READ), 0);
    expect_no_wake_up("an io", 2);
    eddy_defer_init(&defer, loop);
    ck_assert_int_eq(eddy_defer_start(&defer, tell_from_defer), 0);
    expect_no_wake_up("a deferred call", 2);
    second_post.fn = tell_from_post;
    eddy__inbox_push_local(loop, &second_post);
    expect_no_wake_up("a posted call", 3);
    eddy_wake_stop(&own_wake);
    close_both(ends);
    test_loop_close(loop);
}
END_TEST

static void ignore_timer(eddy_timer *timer) {
    (void)timer;
}

/* Turns that only wait, until the loop no longer takes its marker down. */
static void be_quiet(void) {
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    for (int i = 0; i <= INBOX_BUSY_TURNS; i++) {
        ck_assert_int_eq(eddy_timer_start(&timer, ignore_timer, 1000, 0), 0);
        while (eddy_is_active(&timer.handle))
            ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    }
}

/* The write that it costs comes once, and then no more as long as posts come. */
START_TEST(a_quiet_loop_that_is_awake_is_woken_once) {
    eddy_timer timer;
    loop = test_loop_open();
    eddy_timer_init(&timer, loop);
    eddy_wake_init(&own_wake, loop);
    ck_assert_int_eq(eddy_wake_start(&own_wake, on_own_wake), 0);
    for (int again = 0; again < 3; again++) {
        be_quiet();
        uint64_t due = loop->wakeup.due;
        own_ran = own_woken = 0;
        for (unsigned i = 1; i <= 2 * INBOX_BUSY_TURNS; i++) {
            ck_assert_int_eq(eddy_timer_start(&timer, tell_from_timer, 1000, 0), 0);
            while (own_ran < i) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
            ck_assert_uint_eq(own_ran, i);
            ck_assert_uint_eq(own_woken, i);
        }
        ck_assert_uint_eq(loop->wakeup.due, due + !IS_SMALL);
        ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
    }
    eddy_wake_stop(&own_wake);
    test_loop_close(loop);
}
END_TEST

/* --- a loop that nobody runs shows what comes --- */

static void *post_once(void *post) {
    eddy_loop_post(loop, post, on_own_post);
    return NULL;
}

static void expect_shown(const char *after, eddy_post *post) {
    int fd = eddy_loop_backend_fd(loop);
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    ck_assert_msg(poll(&poller, 1, 0) == 0, "readable before, after %s", after);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, post_once, post), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_msg(poll(&poller, 1, 0) == 1, "a post is not seen after %s", after);
    own_ran = 0;
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_eq(own_ran, 1);
    ck_assert_msg(poll(&poller, 1, 0) == 0, "still readable after %s", after);
}

START_TEST(a_post_shows_in_the_descriptor_of_a_loop_that_has_returned) {
    if (!test_backend_can(EDDY_CAN_NEST)) return;
    int64_t timeout_ns;
    eddy_timer timer;
    loop = test_loop_open();
    ck_assert_int_ge(eddy_loop_backend_fd(loop), 0);
    expect_shown("open", &own_post);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    expect_shown("NOWAIT", &own_post);
    eddy_timer_init(&timer, loop);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(eddy_timer_start(&timer, ignore_timer, EDDY_NS_PER_MS, 0), 0);
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
        expect_shown("ONCE", &own_post);
    }
    ck_assert_int_eq(eddy_loop_prepare(loop, &timeout_ns), 0);
    expect_shown("prepare", &own_post);
    test_loop_close(loop);
}
END_TEST

/* A stop takes a send back, and the waiting marker with it, after prepare: what shows then is the
 * byte alone, and it stays, however many have come. */
START_TEST(a_post_shows_after_a_stop_that_took_a_send_back) {
    if (!test_backend_can(EDDY_CAN_NEST)) return;
    int64_t timeout_ns;
    eddy_wake wake;
    loop = test_loop_open();
    struct pollfd poller = {.fd = eddy_loop_backend_fd(loop), .events = POLLIN};
    eddy_wake_init(&wake, loop);
    for (int i = 0; i < 3000; i++) {
        ck_assert_int_eq(eddy_wake_start(&wake, on_own_wake), 0);
        ck_assert_int_eq(eddy_loop_prepare(loop, &timeout_ns), 0);
        eddy_wake_send(&wake);
        eddy_wake_stop(&wake);
        (void)post_once(&own_post);
        ck_assert_msg(poll(&poller, 1, 0) == 1, "a post is not seen after %d stops", i);
        own_ran = 0;
        ck_assert_int_ge(eddy_loop_wait(loop, 0), 0);
        ck_assert_int_ge(eddy_loop_dispatch(loop), 0);
        ck_assert_uint_eq(own_ran, 1);
    }
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("inbox");
    ck_add(suite, "inbox", a_stalled_loop_blocks_no_sender_and_loses_nothing,
           a_loop_whose_pipe_refuses_bytes_can_be_closed, a_wake_may_be_freed_after_stop,
           a_send_while_the_loop_falls_asleep_wakes_it);
    ck_add(suite, "one at a time", a_pipe_of_one_page_wakes_a_loop_twenty_thousand_times,
           an_eventfd_does_the_same_where_there_is_one, another_kind_of_wake_up_is_refused);
    ck_add(suite, "awake or not", a_loop_that_is_awake_is_not_woken,
           a_quiet_loop_that_is_awake_is_woken_once,
           a_post_shows_in_the_descriptor_of_a_loop_that_has_returned,
           a_post_shows_after_a_stop_that_took_a_send_back);
    return suite;
}
