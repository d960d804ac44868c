/* inbox.c: what wake-ups from other threads have done to event loops, and what must hold instead.
 */
#include "suite.h"
#include "system.h"

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

/* Each time a wake is withdrawn before a wait tells of its ring, the ring stays in the pipe, until
 * that is full and refuses the next ones. The loop sleeps and closes as if it had not. */
START_TEST(a_loop_whose_pipe_refuses_rings_can_be_closed) {
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

Suite *make_suite(void) {
    Suite *suite = suite_create("inbox");
    ck_add(suite, "inbox", a_stalled_loop_blocks_no_sender_and_loses_nothing,
           a_loop_whose_pipe_refuses_rings_can_be_closed, a_wake_may_be_freed_after_stop,
           a_send_while_the_loop_falls_asleep_wakes_it);
    return suite;
}
