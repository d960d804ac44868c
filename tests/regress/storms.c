/* storms.c: threads that wake, post, submit, cancel and raise signals while loops and pools are
 * opened and closed in the middle of it. Each storm is bounded by counts. A wake-up that is lost is
 * a condition that never comes, and the suite's limit of time ends it; what is touched too late is
 * for the sanitizers to see. */
#include "../work/jobs.h"

#include <signal.h>

enum { THREADS = 4 };

static void start_all(pthread_t *threads, int count, void *(*run)(void *), char *arguments,
                      size_t size) {
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run, arguments + (size_t)i * size), 0);
}

static void join_all(const pthread_t *threads, int count) {
    for (int i = 0; i < count; i++) ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

/* --- wakes and posts, and a loop that closes under them --- */

enum { WAKES = 3, POSTS = 8, CLOSES = 40, CALLS = 5 };

struct storm_post {
    eddy_post post;
    atomic_bool free;
    unsigned sent, ran; /* the sender's, and handed to and fro by `free` */
};

struct storm_sender {
    struct storm_post posts[POSTS];
    atomic_uint number; /* written before each send of wakes */
    unsigned heard;     /* the loop's: what the last call saw */
};

static struct storm_sender senders[THREADS];
static eddy_loop *storm_loop;
static eddy_wake wakes[WAKES];
static unsigned wake_calls[WAKES];
static atomic_bool may_post, may_send;
static atomic_int posting; /* senders that may still post */

static void on_storm_wake(eddy_wake *wake) {
    wake_calls[wake - wakes]++;
    for (int i = 0; i < THREADS; i++) {
        unsigned number = atomic_load_explicit(&senders[i].number, memory_order_relaxed);
        ck_assert_uint_ge(number, senders[i].heard);
        senders[i].heard = number;
    }
}

static void on_storm_post(eddy_post *post) {
    struct storm_post *it = eddy_container_of(post, struct storm_post, post);
    it->ran++;
    ck_assert_uint_eq(it->ran, it->sent);
    it->post.next = NULL; /* it is ours again */
    atomic_store_explicit(&it->free, true, memory_order_release);
}

static void post_one(struct storm_post *it) {
    if (!atomic_load_explicit(&it->free, memory_order_acquire)) return;
    atomic_store_explicit(&it->free, false, memory_order_relaxed);
    it->sent++;
    eddy_loop_post(storm_loop, &it->post, on_storm_post);
}

/* The loop may be gone while the wakes are still sent to: they are stopped. */
static void *send_storm(void *argument) {
    struct storm_sender *it = argument;
    unsigned i = 0;
    for (; atomic_load(&may_post); i++) {
        post_one(&it->posts[i % POSTS]);
        atomic_fetch_add_explicit(&it->number, 1, memory_order_relaxed);
        eddy_wake_send(&wakes[i % WAKES]);
        if (i % 16 == 0) sched_yield();
    }
    atomic_fetch_sub(&posting, 1);
    for (; atomic_load(&may_send); i++) {
        eddy_wake_send(&wakes[i % WAKES]);
        sched_yield();
    }
    return NULL;
}

static bool all_posts_ran(void) {
    for (int i = 0; i < THREADS; i++)
        for (int j = 0; j < POSTS; j++)
            if (!atomic_load_explicit(&senders[i].posts[j].free, memory_order_acquire))
                return false;
    return true;
}

static bool all_wakes_called(void) {
    for (int i = 0; i < WAKES; i++)
        if (wake_calls[i] < CALLS) return false;
    return true;
}

static void begin_storm(void) {
    memset(senders, 0, sizeof senders);
    memset(wake_calls, 0, sizeof wake_calls);
    for (int i = 0; i < THREADS; i++)
        for (int j = 0; j < POSTS; j++) atomic_init(&senders[i].posts[j].free, true);
    atomic_store(&may_post, true);
    atomic_store(&may_send, true);
    atomic_store(&posting, THREADS);
    storm_loop = test_loop_open();
    for (int i = 0; i < WAKES; i++) {
        eddy_wake_init(&wakes[i], storm_loop);
        ck_assert_int_eq(eddy_wake_start(&wakes[i], on_storm_wake), 0);
    }
}

/* Four senders drive three wakes and post. When each wake was heard a few times they stop posting,
 * as a loop that closes may ask of them; the sends go on while the wakes stop and the loop goes. */
START_TEST(a_loop_closes_in_a_storm_of_wakes) {
    pthread_t threads[THREADS];
    for (int round = 0; round < CLOSES; round++) {
        begin_storm();
        start_all(threads, THREADS, send_storm, (char *)senders, sizeof *senders);
        while (!all_wakes_called()) ck_assert_int_eq(eddy_loop_run(storm_loop, EDDY_RUN_ONCE), 1);
        atomic_store(&may_post, false);
        while (atomic_load(&posting) > 0 || !all_posts_ran()) hand_over(storm_loop);
        for (int i = 0; i < WAKES; i++) eddy_wake_stop(&wakes[(i + round) % WAKES]);
        for (int i = 0; i < WAKES; i++) memset(&wakes[i].post, 0xa5, sizeof wakes[i].post);
        test_loop_close(storm_loop);
        atomic_store(&may_send, false);
        join_all(threads, THREADS);
    }
}
END_TEST

/* Two senders of one wake, once a round and both at the same time: so the second finds the first's
 * send on its way, or just taken. Each round waits for both to be heard. */
enum { PAIRS = 4000 };

static atomic_uint round_now;

static void *send_each_round(void *argument) {
    struct storm_sender *it = argument;
    for (unsigned round = 1; round <= PAIRS; round++) {
        while (atomic_load(&round_now) < round) sched_yield();
        atomic_store_explicit(&it->number, round, memory_order_relaxed);
        eddy_wake_send(&wakes[0]);
    }
    return NULL;
}

START_TEST(two_senders_at_once_are_both_heard) {
    pthread_t threads[2];
    begin_storm();
    atomic_store(&round_now, 0);
    start_all(threads, 2, send_each_round, (char *)senders, sizeof *senders);
    for (unsigned round = 1; round <= PAIRS; round++) {
        atomic_store(&round_now, round);
        while (senders[0].heard < round || senders[1].heard < round)
            ck_assert_int_eq(eddy_loop_run(storm_loop, EDDY_RUN_ONCE), 1);
    }
    join_all(threads, 2);
    for (int i = 0; i < WAKES; i++) eddy_wake_stop(&wakes[i]);
    test_loop_close(storm_loop);
}
END_TEST

/* --- jobs: two loops on one pool, cancels, and a pool that somebody wants to close --- */

enum { LOOPS = 2, IN_FLIGHT = 32, SUBMITS = 3000 };

struct storm_jobs {
    eddy_loop *loop;
    eddy_pool *pool;
    unsigned long long seed;
    unsigned in_flight; /* at most */
    unsigned submitted, cancelled;
    int failed; /* the line */
    struct storm_job {
        struct job job;
        struct storm_jobs *owner;
        int answer; /* of the last cancel; 1: none yet */
        bool in_flight;
    } jobs[IN_FLIGHT];
};

static struct storm_jobs job_storms[LOOPS];

static void on_storm_job(eddy_work *work, int status);

static void submit_one(struct storm_job *it) {
    struct storm_jobs *storm = it->owner;
    if (storm->submitted == SUBMITS) return;
    eddy_lane lane = (eddy_lane)(storm->submitted++ % EDDY_LANES);
    memset(&it->job, 0, sizeof it->job);
    it->answer = 1;
    it->in_flight = true;
    int err = eddy_work_submit(storm->loop, &it->job.work, lane, job_run, on_storm_job);
    if (err < 0) storm->failed = __LINE__;
}

static void cancel_one(struct storm_job *it) {
    if (!it->in_flight || it->answer == 0) return;
    int answer = eddy_work_cancel(&it->job.work);
    if (answer != 0 && answer != -EBUSY && answer != -EALREADY) it->owner->failed = __LINE__;
    if (answer == 0) it->owner->cancelled++;
    it->answer = answer;
}

static void cancel_any(struct storm_jobs *storm) {
    cancel_one(&storm->jobs[random_below(&storm->seed, storm->in_flight)]);
}

/* What cancel has said must be what comes. A callback cancels some of the others, which may be
 * queued, running, done or on their way here. */
static void on_storm_job(eddy_work *work, int status) {
    struct storm_job *it = eddy_container_of(work, struct storm_job, job.work);
    struct storm_jobs *storm = it->owner;
    bool cancelled = it->answer == 0;
    if (!it->in_flight) storm->failed = __LINE__;
    it->in_flight = false;
    if (status != (cancelled ? -ECANCELED : 0)) storm->failed = __LINE__;
    if (atomic_load(&it->job.ran) != (cancelled ? 0 : 1)) storm->failed = __LINE__;
    for (int i = 0; i < 2; i++) cancel_any(storm);
    submit_one(it);
}

static void *run_job_storm(void *argument) {
    struct storm_jobs *storm = argument;
    for (unsigned i = 0; i < storm->in_flight; i++) {
        storm->jobs[i].owner = storm;
        submit_one(&storm->jobs[i]);
    }
    while (eddy_loop_run(storm->loop, EDDY_RUN_NOWAIT) > 0) {
        cancel_any(storm);
        if (eddy_loop_verify(storm->loop, NULL) != 0) storm->failed = __LINE__;
    }
    for (unsigned i = 0; i < storm->in_flight; i++)
        if (storm->jobs[i].in_flight) storm->failed = __LINE__;
    if (eddy_loop_close(storm->loop) != 0) storm->failed = __LINE__;
    return NULL;
}

/* Tries until the last loop has left. */
static void *close_pool(void *argument) {
    eddy_pool *const *pool = argument;
    while (eddy_pool_close(*pool) == -EBUSY) sched_yield();
    return NULL;
}

START_TEST(jobs_of_two_loops_are_cancelled_in_a_storm) {
    eddy_pool *pool = pool_open((eddy_pool_config){.threads = 3});
    pthread_t threads[LOOPS], closer;
    memset(job_storms, 0, sizeof job_storms);
    for (int i = 0; i < LOOPS; i++) {
        eddy_loop_config config = {.backend = test_backend, .pool = pool};
        job_storms[i].seed = (unsigned)i + 1;
        job_storms[i].in_flight = i == 0 ? IN_FLIGHT : 2; /* the few are running, or just done */
        ck_assert_int_eq(eddy_loop_open(&job_storms[i].loop, &config), 0);
    }
    start_all(&closer, 1, close_pool, (char *)&pool, 0);
    start_all(threads, LOOPS, run_job_storm, (char *)job_storms, sizeof *job_storms);
    join_all(threads, LOOPS);
    join_all(&closer, 1);
    for (int i = 0; i < LOOPS; i++) {
        ck_assert_msg(job_storms[i].failed == 0, "loop %d failed at line %d", i,
                      job_storms[i].failed);
        ck_assert_uint_eq(job_storms[i].submitted, SUBMITS);
        ck_assert_uint_gt(job_storms[i].cancelled, 0);
    }
}
END_TEST

/* A loop and its pool go as soon as the last callback has run, while the threads have just done
 * their jobs, fall idle, or are leaving after it. */
START_TEST(pools_close_while_their_threads_fall_idle_and_leave) {
    for (int round = 0; round < 150; round++) {
        eddy_pool *pool = pool_open((eddy_pool_config){.threads = 3, .idle_ns = EDDY_NS_PER_US});
        eddy_loop *loop = loop_with(pool);
        struct job jobs[6];
        memset(jobs, 0, sizeof jobs);
        for (int i = 0; i < 6; i++) {
            job_submit(loop, &jobs[i], (eddy_lane)(i % EDDY_LANES));
            if (round % 3 == 0) hand_over(loop);
        }
        (void)eddy_work_cancel(&jobs[round % 6].work);
        run_out(loop);
        for (int i = 0; i < 6; i++) ck_assert_int_eq(jobs[i].done, 1);
        test_loop_close(loop);
        ck_assert_int_eq(eddy_pool_close(pool), 0);
    }
}
END_TEST

/* --- signals: raised by threads, while loops with their watchers come and go --- */

enum { WATCHERS = 3, RIDERS = 3, RIDES = 100, RAISERS = 2 };

struct rider {
    unsigned long long seed;
    int told, failed;
    eddy_signal watchers[WATCHERS];
};

static struct rider riders[RIDERS];
static atomic_bool raining;

static void bystander(int number) {
    (void)number;
}

static void on_rain(eddy_signal *watcher, int number) {
    struct rider *it = NULL;
    for (int i = 0; i < RIDERS; i++)
        if (watcher >= riders[i].watchers && watcher < riders[i].watchers + WATCHERS)
            it = &riders[i];
    if (it == NULL || number != SIGUSR1)
        riders[0].failed = __LINE__;
    else
        it->told++;
}

/* The handler runs in the thread that raises, which is none of a loop's. */
static void *rain(void *argument) {
    (void)argument;
    while (atomic_load(&raining)) {
        for (int i = 0; i < 4; i++) (void)pthread_kill(pthread_self(), SIGUSR1);
        sched_yield();
    }
    return NULL;
}

static int ride_once(struct rider *it) {
    eddy_loop *loop;
    eddy_loop_config config = {.backend = test_backend};
    if (eddy_loop_open(&loop, &config) != 0) return __LINE__;
    for (int i = 0; i < WATCHERS; i++) {
        eddy_signal_init(&it->watchers[i], loop);
        if (eddy_signal_start(&it->watchers[i], on_rain, SIGUSR1) != 0) return __LINE__;
    }
    it->told = 0;
    if (random_below(&it->seed, 2) == 0) {
        (void)pthread_kill(pthread_self(), SIGUSR1);
        while (it->told == 0)
            if (test_run(loop, EDDY_RUN_ONCE) < 0) return __LINE__;
    }
    unsigned first = random_below(&it->seed, WATCHERS);
    for (unsigned i = 0; i < WATCHERS; i++) eddy_signal_stop(&it->watchers[(first + i) % WATCHERS]);
    int told = it->told;
    memset(it->watchers, 0xa5, sizeof it->watchers);
    if (test_run(loop, EDDY_RUN_NOWAIT) != 0 || it->told != told) return __LINE__;
    return eddy_loop_close(loop) == 0 ? 0 : __LINE__;
}

static void *ride(void *argument) {
    struct rider *it = argument;
    for (int i = 0; i < RIDES && it->failed == 0; i++) it->failed = ride_once(it);
    return NULL;
}

START_TEST(loops_come_and_go_while_threads_raise_signals) {
    struct sigaction action = {.sa_handler = bystander}, old, now;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, &old), 0);
    memset(riders, 0, sizeof riders);
    for (int i = 0; i < RIDERS; i++) riders[i].seed = (unsigned)i + 1;
    atomic_store(&raining, true);
    pthread_t raisers[RAISERS], threads[RIDERS];
    start_all(raisers, RAISERS, rain, (char *)riders, 0);
    start_all(threads, RIDERS, ride, (char *)riders, sizeof *riders);
    join_all(threads, RIDERS);
    atomic_store(&raining, false);
    join_all(raisers, RAISERS);
    for (int i = 0; i < RIDERS; i++)
        ck_assert_msg(riders[i].failed == 0, "loop %d failed at line %d", i, riders[i].failed);
    ck_assert_int_eq(sigaction(SIGUSR1, &old, &now), 0);
    ck_assert(now.sa_handler == bystander);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("storms");
    ck_add(suite, "wakes", a_loop_closes_in_a_storm_of_wakes, two_senders_at_once_are_both_heard);
    ck_add(suite, "jobs", jobs_of_two_loops_are_cancelled_in_a_storm,
           pools_close_while_their_threads_fall_idle_and_leave);
    ck_add(suite, "signals", loops_come_and_go_while_threads_raise_signals);
    return suite;
}
