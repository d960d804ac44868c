/* walk.c: a walk tells of everything that keeps the loop alive, once, and of nothing else. */
#include "watchers.h"

#include <pthread.h>
#include <stdatomic.h>

enum { TOLD_MAX = 4096 };

/* What the last walk told. */
static eddy_walk_item told[TOLD_MAX];
static size_t told_count;

static void note(const eddy_walk_item *item, void *context) {
    ck_assert_ptr_eq(context, told);
    ck_assert_uint_lt(told_count, TOLD_MAX);
    told[told_count++] = *item;
}

/* The hook by which the test's loop is verified is not told of. */
static void walk(const eddy_loop *loop) {
    size_t kept = 0;
    told_count = 0;
    eddy_loop_walk(loop, note, told);
    for (size_t i = 0; i < told_count; i++)
        if (told[i].kind != EDDY_KIND_HOOK || told[i].referenced) told[kept++] = told[i];
    told_count = kept;
}

static const eddy_walk_item *find(eddy_kind kind, const void *pointer) {
    const eddy_walk_item *found = NULL;
    for (size_t i = 0; i < told_count; i++) {
        if (told[i].kind != kind || told[i].pointer != pointer) continue;
        ck_assert_msg(found == NULL, "a %s is told of twice", eddy_kind_name(kind));
        found = &told[i];
    }
    return found;
}

static const eddy_walk_item *get(eddy_kind kind, const void *pointer) {
    const eddy_walk_item *item = find(kind, pointer);
    ck_assert_msg(item != NULL, "a %s is not told of", eddy_kind_name(kind));
    return item;
}

static size_t count_of(eddy_kind kind) {
    size_t count = 0;
    for (size_t i = 0; i < told_count; i++) count += told[i].kind == kind;
    return count;
}

/* What is referenced is what the loop counts, but for posts, which it does not count, connects,
 * which their streams stand for, and `inner` things of the library's own. */
static void expect_all_but(const eddy_loop *loop, unsigned inner) {
    eddy_metrics metrics;
    unsigned count = 0;
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    for (size_t i = 0; i < told_count; i++)
        if (told[i].kind != EDDY_KIND_POST && told[i].kind != EDDY_KIND_CONNECT)
            count += told[i].referenced;
    ck_assert_uint_eq(count + inner, metrics.active);
}

static void expect_all(const eddy_loop *loop) {
    expect_all_but(loop, 0);
}

/* --- Handles --- */

START_TEST(each_watcher_is_told_while_it_is_active) {
    eddy_loop *loop = test_loop_open();
    struct watchers it;
    walk(loop);
    ck_assert_uint_eq(told_count, 0);
    watchers_start(&it, loop);
    eddy_wake_send(&it.wake); /* on its way, it is a wake and not a post */
    raise(SIGUSR1);
    walk(loop);
    ck_assert_uint_eq(told_count, 7);
    ck_assert_int_eq(get(EDDY_KIND_IO, &it.io)->fd, it.ends[0]);
    ck_assert_int_eq(get(EDDY_KIND_IO, &it.second)->fd, it.ends[0]);
    ck_assert_int_eq(get(EDDY_KIND_TIMER, &it.timer)->fd, -1);
    get(EDDY_KIND_HOOK, &it.hook);
    get(EDDY_KIND_DEFER, &it.defer);
    get(EDDY_KIND_WAKE, &it.wake);
    get(EDDY_KIND_SIGNAL, &it.signal);
    for (size_t i = 0; i < told_count; i++) ck_assert(told[i].active && told[i].referenced);
    expect_all(loop);
    watchers_stop(&it);
    walk(loop);
    ck_assert_uint_eq(told_count, 0);
    test_loop_close(loop);
}
END_TEST

START_TEST(an_unreferenced_watcher_is_told_as_such) {
    eddy_loop *loop = test_loop_open();
    eddy_timer timers[2];
    for (int i = 0; i < 2; i++) {
        eddy_timer_init(&timers[i], loop);
        ck_assert_int_eq(eddy_timer_start(&timers[i], on_timer, EDDY_NS_PER_S, 0), 0);
    }
    eddy_unref(&timers[0].handle);
    walk(loop);
    ck_assert(!get(EDDY_KIND_TIMER, &timers[0])->referenced);
    ck_assert(get(EDDY_KIND_TIMER, &timers[1])->referenced);
    expect_all(loop);
    for (int i = 0; i < 2; i++) eddy_timer_stop(&timers[i]);
    test_loop_close(loop);
}
END_TEST

/* Timers are in a heap, and come and go there. */
START_TEST(each_of_many_timers_is_told_once) {
    enum { TIMERS = 300 };
    static eddy_timer timers[TIMERS];
    eddy_loop *loop = test_loop_open();
    for (int i = 0; i < TIMERS; i++) {
        eddy_timer_init(&timers[i], loop);
        int64_t delay_ns = (i * 7919) % TIMERS * EDDY_NS_PER_S;
        ck_assert_int_eq(eddy_timer_start(&timers[i], on_timer, delay_ns + EDDY_NS_PER_S, 0), 0);
    }
    for (int i = 0; i < TIMERS; i += 3) eddy_timer_stop(&timers[i]);
    walk(loop);
    ck_assert_uint_eq(told_count, TIMERS - TIMERS / 3);
    for (int i = 0; i < TIMERS; i++)
        ck_assert((find(EDDY_KIND_TIMER, &timers[i]) != NULL) == (i % 3 != 0));
    for (int i = 0; i < TIMERS; i++) eddy_timer_stop(&timers[i]);
    test_loop_close(loop);
}
END_TEST

/* --- Posts --- */

static void *post_elsewhere(void *argument) {
    static eddy_post post;
    eddy_loop_post(argument, &post, on_post);
    return &post;
}

START_TEST(a_post_is_told_from_its_arrival_to_its_call) {
    eddy_loop *loop = test_loop_open_with((eddy_loop_config){.completions_per_turn = 1});
    eddy_post own[2];
    void *elsewhere;
    pthread_t thread;
    for (int i = 0; i < 2; i++) eddy_loop_post(loop, &own[i], on_post);
    ck_assert_int_eq(pthread_create(&thread, NULL, post_elsewhere, loop), 0);
    ck_assert_int_eq(pthread_join(thread, &elsewhere), 0);
    walk(loop);
    walk(loop); /* which has changed nothing */
    ck_assert_uint_eq(told_count, 3);
    ck_assert(get(EDDY_KIND_POST, &own[0])->referenced);
    get(EDDY_KIND_POST, elsewhere);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_NOWAIT), 1); /* one is called, two are queued */
    walk(loop);
    ck_assert_uint_eq(told_count, 2);
    ck_assert_ptr_null(find(EDDY_KIND_POST, &own[0]));
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    walk(loop);
    ck_assert_uint_eq(told_count, 0);
    test_loop_close(loop);
}
END_TEST

/* --- Streams --- */

static void on_written(eddy_write *write, int status) {
    (void)write, (void)status;
}

/* Its watcher and its timer, started by the deadline, are inside it, and so is what flushes it. */
START_TEST(a_stream_is_told_as_one_with_its_requests) {
    eddy_loop *loop = test_loop_open();
    eddy_stream stream;
    eddy_write writes[2], shutdown;
    int ends[2];
    test_socket_pair(ends);
    eddy_stream_init(&stream, loop);
    ck_assert_int_eq(eddy_stream_attach(&stream, ends[0]), 0);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&stream, EDDY_NS_PER_S), 0);
    walk(loop);
    ck_assert_uint_eq(told_count, 1);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(eddy_stream_write(&stream, &writes[i], "x", 1, on_written), 0);
    ck_assert_int_eq(eddy_stream_shutdown(&stream, &shutdown, on_written), 0);
    eddy_unref(&stream.io.handle);
    walk(loop);
    ck_assert_uint_eq(told_count, 4);
    ck_assert(!get(EDDY_KIND_STREAM, &stream)->referenced);
    ck_assert_int_eq(get(EDDY_KIND_STREAM, &stream)->fd, ends[0]);
    for (int i = 0; i < 2; i++) ck_assert(get(EDDY_KIND_WRITE, &writes[i])->referenced);
    get(EDDY_KIND_WRITE, &shutdown);
    expect_all_but(loop, 1); /* the call that flushes */

    /* Closed, it keeps the loop alive until phase 8, with the writes that are to be told. */
    ck_assert_int_eq(eddy_stream_close(&stream, NULL), 0);
    walk(loop);
    ck_assert_uint_eq(told_count, 4);
    const eddy_walk_item *closing = get(EDDY_KIND_STREAM, &stream);
    ck_assert(!closing->active && closing->referenced && closing->fd == -1);
    get(EDDY_KIND_WRITE, &writes[1]);
    expect_all_but(loop, 1); /* the call that flushes */
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    walk(loop);
    ck_assert_uint_eq(told_count, 0);
    close(ends[1]);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_listener_and_a_connect_are_told) {
    eddy_loop *loop = test_loop_open();
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, AF_INET);
    eddy_listener listener;
    eddy_stream stream;
    eddy_listener_init(&listener, loop);
    eddy_stream_init(&stream, loop);
    ck_assert_int_eq(
        eddy_tcp_listen(&listener, (struct sockaddr *)&address, length, 1, 0, on_accept), 0);
    walk(loop);
    ck_assert_uint_eq(told_count, 1);
    ck_assert_int_ge(get(EDDY_KIND_LISTENER, &listener)->fd, 0);
    length = sizeof address;
    ck_assert_int_eq(eddy_listener_address(&listener, (struct sockaddr *)&address, &length), 0);
    ck_assert_int_eq(
        eddy_tcp_connect(&stream, (struct sockaddr *)&address, length, 0, on_connected), 0);
    walk(loop);
    ck_assert_uint_eq(told_count, 3);
    ck_assert_int_eq(get(EDDY_KIND_STREAM, &stream)->fd, eddy_stream_fd(&stream));
    get(EDDY_KIND_CONNECT, &stream);
    expect_all(loop);
    eddy_stream_close(&stream, NULL);
    eddy_listener_close(&listener, NULL);
    walk(loop);
    ck_assert_uint_eq(told_count, 3);
    ck_assert(!get(EDDY_KIND_LISTENER, &listener)->active);
    get(EDDY_KIND_CONNECT, &stream); /* its callback is owed */
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    test_loop_close(loop);
}
END_TEST

/* --- Jobs --- */

struct job {
    eddy_work work;
    atomic_bool started, may_end;
    bool done;
};

static void block(eddy_work *work) {
    struct job *job = eddy_container_of(work, struct job, work);
    atomic_store(&job->started, true);
    while (!atomic_load(&job->may_end)) usleep(100);
}

static void on_done(eddy_work *work, int status) {
    (void)status;
    ck_assert_ptr_eq(eddy_work_loop(work), eddy_work_loop(work));
    eddy_container_of(work, struct job, work)->done = true;
}

static void wait_for(atomic_bool *flag) {
    while (!atomic_load(flag)) usleep(100);
}

/* Nothing but `jobs` is told of, each once. */
static void expect_jobs(const eddy_loop *loop, struct job *jobs, size_t count) {
    walk(loop);
    ck_assert_uint_eq(told_count, count);
    for (size_t i = 0; i < count; i++) {
        const eddy_walk_item *item = get(EDDY_KIND_WORK, &jobs[i].work);
        ck_assert(item->active && item->referenced);
    }
    expect_all(loop);
}

/* One thread, so that the second job is queued while the first one runs. */
START_TEST(a_job_is_told_wherever_it_is) {
    eddy_loop *loop = test_loop_open_with((eddy_loop_config){.pool_threads = 1});
    static struct job jobs[2];
    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(eddy_work_submit(loop, &jobs[i].work, EDDY_LANE_CPU, block, on_done), 0);
    ck_assert_ptr_eq(eddy_work_loop(&jobs[0].work), loop);
    expect_jobs(loop, jobs, 2); /* submitted */
    ck_assert_int_eq(test_run(loop, EDDY_RUN_NOWAIT), 1);
    wait_for(&jobs[0].started);
    expect_jobs(loop, jobs, 2); /* one runs, one is queued */
    atomic_store(&jobs[0].may_end, true);
    wait_for(&jobs[1].started);
    expect_jobs(loop, jobs, 2); /* one is done, one runs */
    ck_assert_int_eq(eddy_work_cancel(&jobs[0].work), -EALREADY);
    atomic_store(&jobs[1].may_end, true);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    expect_jobs(loop, jobs, 0);
    ck_assert(jobs[0].done && jobs[1].done);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_cancelled_job_is_told_until_its_callback) {
    eddy_loop *loop = test_loop_open();
    static struct job job;
    memset(&job, 0, sizeof job);
    ck_assert_int_eq(eddy_work_submit(loop, &job.work, EDDY_LANE_CPU, block, on_done), 0);
    ck_assert_int_eq(eddy_work_cancel(&job.work), 0);
    expect_jobs(loop, &job, 1);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    expect_jobs(loop, &job, 0);
    test_loop_close(loop);
}
END_TEST

START_TEST(loops_that_share_a_pool_are_told_of_their_own_jobs) {
    eddy_pool *pool;
    eddy_loop *loops[2];
    static struct job jobs[2];
    memset(jobs, 0, sizeof jobs);
    ck_assert_int_eq(eddy_pool_open(&pool, NULL), 0);
    for (int i = 0; i < 2; i++) {
        loops[i] = test_loop_open_with((eddy_loop_config){.pool = pool});
        ck_assert_int_eq(eddy_work_submit(loops[i], &jobs[i].work, EDDY_LANE_FILE, block, on_done),
                         0);
        ck_assert_int_eq(test_run(loops[i], EDDY_RUN_NOWAIT), 1);
    }
    for (int i = 0; i < 2; i++) wait_for(&jobs[i].started);
    for (int i = 0; i < 2; i++) expect_jobs(loops[i], &jobs[i], 1);
    for (int i = 0; i < 2; i++) atomic_store(&jobs[i].may_end, true);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(test_run(loops[i], EDDY_RUN_DEFAULT), 0);
        test_loop_close(loops[i]);
    }
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}
END_TEST

/* Tried at once, a file request waits in the inbox; else it goes the way of all jobs. */
START_TEST(a_file_request_is_told_as_that) {
    eddy_loop *loop = test_loop_open();
    eddy_file reading, syncing;
    char byte;
    int fd = open("/dev/null", O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(eddy_file_read(loop, &reading, fd, &byte, 1, 0, on_file), 0);
    ck_assert_int_eq(eddy_file_fsync(loop, &syncing, fd, on_file), 0);
    ck_assert_ptr_eq(eddy_file_loop(&reading), loop);
    walk(loop);
    ck_assert_uint_eq(told_count, 2);
    ck_assert(get(EDDY_KIND_FILE, &reading)->referenced);
    get(EDDY_KIND_FILE, &syncing);
    expect_all(loop);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    walk(loop);
    ck_assert_uint_eq(told_count, 0);
    close(fd);
    test_loop_close(loop);
}
END_TEST

enum { SHORT_JOBS = 8, SHORT_ROUNDS = 20000 };
static unsigned short_left, short_rounds;

static void be_short(eddy_work *work) {
    (void)work;
}

static void short_done(eddy_work *work, int status) {
    ck_assert_int_eq(status, 0);
    if (short_rounds == 0) {
        short_left--;
        return;
    }
    short_rounds--;
    int err = eddy_work_submit(eddy_work_loop(work), work, EDDY_LANE_FILE, be_short, short_done);
    ck_assert_int_eq(err, 0);
}

/* While threads take jobs and give them back, none is ever in between, nor seen twice. */
START_TEST(each_of_many_jobs_is_told_once_while_they_come_and_go) {
    static eddy_work works[SHORT_JOBS];
    eddy_loop *loop = test_loop_open_with((eddy_loop_config){.completions_per_turn = 16});
    short_left = SHORT_JOBS;
    short_rounds = SHORT_ROUNDS;
    for (int i = 0; i < SHORT_JOBS; i++)
        ck_assert_int_eq(eddy_work_submit(loop, &works[i], EDDY_LANE_FILE, be_short, short_done),
                         0);
    while (short_left > 0) {
        ck_assert_int_ge(test_run(loop, EDDY_RUN_NOWAIT), 0);
        walk(loop);
        ck_assert_uint_eq(count_of(EDDY_KIND_WORK), short_left);
        expect_all(loop);
    }
    test_loop_close(loop);
}
END_TEST

/* --- What it is for --- */

START_TEST(what_refuses_to_close_is_told) {
    eddy_loop *loop;
    eddy_timer timer;
    eddy_loop_config config = {.backend = test_backend};
    ck_assert_int_eq(eddy_loop_open(&loop, &config), 0);
    eddy_timer_init(&timer, loop);
    eddy_unref(&timer.handle);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, EDDY_NS_PER_S, 0), 0);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(eddy_loop_close(loop), -EBUSY);
    walk(loop);
    ck_assert_uint_eq(told_count, 1);
    eddy_timer_stop(get(EDDY_KIND_TIMER, &timer)->pointer);
    ck_assert_int_eq(eddy_loop_close(loop), 0);
}
END_TEST

static int refused[4];

static void try_to_run(const eddy_walk_item *item, void *context) {
    eddy_loop *loop = context;
    int64_t timeout_ns;
    (void)item;
    refused[0] = eddy_loop_run(loop, EDDY_RUN_NOWAIT);
    refused[1] = eddy_loop_prepare(loop, &timeout_ns);
    refused[2] = eddy_loop_dispatch(loop);
    refused[3] = eddy_loop_close(loop);
}

static void walk_in_callback(eddy_defer *defer) {
    eddy_loop *loop = eddy_handle_loop(&defer->handle);
    walk(loop);
    ck_assert_ptr_null(find(EDDY_KIND_DEFER, defer)); /* its time has come */
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), -EBUSY);
}

START_TEST(a_walk_may_be_anywhere_but_nothing_runs_in_it) {
    eddy_loop *loop = test_loop_open();
    eddy_defer defer;
    eddy_defer_init(&defer, loop);
    ck_assert_int_eq(eddy_defer_start(&defer, walk_in_callback), 0);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(eddy_defer_start(&defer, walk_in_callback), 0);
    eddy_loop_walk(loop, try_to_run, loop);
    for (int i = 0; i < 4; i++) ck_assert_int_eq(refused[i], -EBUSY);
    eddy_defer_stop(&defer);
    test_loop_close(loop);
}
END_TEST

START_TEST(each_kind_has_a_name) {
    for (int i = 0; i < EDDY_KINDS; i++) {
        const char *name = eddy_kind_name((eddy_kind)i);
        ck_assert_str_ne(name, "unknown");
        for (int j = 0; j < i; j++) ck_assert_str_ne(name, eddy_kind_name((eddy_kind)j));
    }
    ck_assert_str_eq(eddy_kind_name(EDDY_KINDS), "unknown");
    ck_assert_str_eq(eddy_kind_name(EDDY_KIND_LISTENER), "listener");
}
END_TEST

/* --- Asking --- */

START_TEST(a_watcher_says_what_it_asks_for) {
    eddy_loop *loop = test_loop_open();
    eddy_io io;
    int ends[2];
    test_pipe(ends);
    eddy_io_init(&io, loop);
    ck_assert_ptr_eq(eddy_handle_loop(&io.handle), loop);
    ck_assert_uint_eq(eddy_io_events(&io), 0);
    ck_assert_int_eq(eddy_io_start(&io, on_io, ends[0], EDDY_READ), 0);
    ck_assert_uint_eq(eddy_io_events(&io), EDDY_READ);
    ck_assert_int_eq(eddy_io_change(&io, EDDY_READ | EDDY_WRITE), 0);
    ck_assert_uint_eq(eddy_io_events(&io), EDDY_READ | EDDY_WRITE);
    ck_assert_int_eq(eddy_io_change(&io, 0), 0);
    ck_assert_uint_eq(eddy_io_events(&io), 0);
    ck_assert_int_eq(eddy_io_change(&io, EDDY_READ), 0);
    eddy_io_stop(&io);
    ck_assert_uint_eq(eddy_io_events(&io), 0);
    close(ends[0]);
    close(ends[1]);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("walk");
    ck_add(suite, "handles", each_watcher_is_told_while_it_is_active,
           an_unreferenced_watcher_is_told_as_such, each_of_many_timers_is_told_once);
    ck_add(suite, "requests", a_post_is_told_from_its_arrival_to_its_call,
           a_stream_is_told_as_one_with_its_requests, a_listener_and_a_connect_are_told,
           a_job_is_told_wherever_it_is, a_cancelled_job_is_told_until_its_callback,
           loops_that_share_a_pool_are_told_of_their_own_jobs, a_file_request_is_told_as_that,
           each_of_many_jobs_is_told_once_while_they_come_and_go);
    ck_add(suite, "use", what_refuses_to_close_is_told,
           a_walk_may_be_anywhere_but_nothing_runs_in_it, each_kind_has_a_name,
           a_watcher_says_what_it_asks_for);
    return suite;
}
