/* twice.c: what is used again while the loop still has it, and what was never made. Either loses
 * somebody's data or callback without a word, so it ends the program. What costs more than a
 * compare to find is found in a library that was built with -Dchecks=true (EDDY_TEST_CHECKS). */
#include "misuse.h"
#include "watchers.h"

#include <pthread.h>
#include <stdatomic.h>

struct misuse {
    const char *name;
    void (*run)(eddy_loop *loop);
    const char *promise;
};
#define MISUSE(name, promise) \
    { #name, name, promise }

static bool has_checks(void) {
    return getenv("EDDY_TEST_CHECKS") != NULL;
}

/* A library with checks may see it earlier, and then says so in its own words. */
static void all_must_die(const struct misuse *misuses, size_t count) {
    for (size_t i = 0; i < count; i++)
        misuse_must_die(misuses[i].name, misuses[i].run, has_checks() ? "" : misuses[i].promise);
}

static void on_written(eddy_write *write, int status) {
    (void)write, (void)status;
}

static void on_exit_of(eddy_child *child, const eddy_exit *exit) {
    (void)child, (void)exit;
}

/* --- Never initialised: zeros, and what memory is filled with --- */

static int filling;

#define NEVER(thing) \
    thing never;     \
    memset(&never, filling, sizeof never)

static void io_never(eddy_loop *loop) {
    NEVER(eddy_io);
    (void)loop;
    eddy_io_start(&never, on_io, STDIN_FILENO, EDDY_READ);
}
static void timer_never(eddy_loop *loop) {
    NEVER(eddy_timer);
    (void)loop;
    eddy_timer_start(&never, on_timer, 0, 0);
}
static void timer_at_never(eddy_loop *loop) {
    NEVER(eddy_timer);
    (void)loop;
    eddy_timer_start_at(&never, on_timer, 0, 0);
}
static void hook_never(eddy_loop *loop) {
    NEVER(eddy_hook);
    (void)loop;
    eddy_hook_start(&never, EDDY_HOOK_CHECK, on_hook);
}
static void child_never(eddy_loop *loop) {
    NEVER(eddy_child);
    (void)loop;
    eddy_child_watch(&never, getppid(), 0, on_exit_of);
}
static void defer_never(eddy_loop *loop) {
    NEVER(eddy_defer);
    (void)loop;
    eddy_defer_start(&never, on_defer);
}
static void wake_never(eddy_loop *loop) {
    NEVER(eddy_wake);
    (void)loop;
    eddy_wake_start(&never, on_wake);
}
static void signal_never(eddy_loop *loop) {
    NEVER(eddy_signal);
    (void)loop;
    eddy_signal_start(&never, on_signal, SIGUSR1);
}
static void attach_never(eddy_loop *loop) {
    NEVER(eddy_stream);
    (void)loop;
    eddy_stream_attach(&never, STDIN_FILENO);
}
static void connect_never(eddy_loop *loop) {
    NEVER(eddy_stream);
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, AF_INET);
    (void)loop;
    eddy_tcp_connect(&never, (struct sockaddr *)&address, length, 0, on_connected);
}
static void listen_never(eddy_loop *loop) {
    NEVER(eddy_listener);
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, AF_INET);
    (void)loop;
    eddy_tcp_listen(&never, (struct sockaddr *)&address, length, 0, 0, on_accept);
}
/* An init that comes later would forget it. */
static void unref_never(eddy_loop *loop) {
    NEVER(eddy_timer);
    eddy_unref(&never.handle);
    eddy_timer_init(&never, loop);
}

START_TEST(a_handle_that_was_never_initialised_ends_the_program) {
    static const struct misuse misuses[] = {
        MISUSE(io_never, "handle_is_initialised"),
        MISUSE(timer_never, "handle_is_initialised"),
        MISUSE(timer_at_never, "handle_is_initialised"),
        MISUSE(hook_never, "handle_is_initialised"),
        MISUSE(defer_never, "handle_is_initialised"),
        MISUSE(wake_never, "handle_is_initialised"),
        MISUSE(signal_never, "handle_is_initialised"),
        MISUSE(attach_never, "handle_is_initialised"),
        MISUSE(connect_never, "handle_is_initialised"),
        MISUSE(listen_never, "handle_is_initialised"),
        MISUSE(child_never, "handle_is_initialised"),
        MISUSE(unref_never, "handle_is_initialised"),
    };
    static const int fillings[] = {0, 0xA5, 0xFF, 0xCC};
    for (size_t i = 0; i < sizeof fillings / sizeof fillings[0]; i++) {
        filling = fillings[i];
        all_must_die(misuses, sizeof misuses / sizeof misuses[0]);
    }
}
END_TEST

/* --- Initialised again while it is active --- */

static void run(eddy_loop *loop) {
    (void)eddy_loop_run(loop, EDDY_RUN_NOWAIT);
}

static void io_again(eddy_loop *loop) {
    eddy_io io;
    int ends[2];
    test_pipe(ends);
    for (int i = 0; i < 2; i++) {
        eddy_io_init(&io, loop);
        eddy_io_start(&io, on_io, ends[0], EDDY_READ);
    }
}
static void timer_again(eddy_loop *loop) {
    eddy_timer timer;
    for (int i = 0; i < 2; i++) {
        eddy_timer_init(&timer, loop);
        eddy_timer_start(&timer, on_timer, 0, 0);
    }
    run(loop);
}
static void timer_only_initialised_again(eddy_loop *loop) {
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    eddy_timer_start(&timer, on_timer, 0, 0);
    eddy_timer_init(&timer, loop);
    run(loop);
}
static void hook_again(eddy_loop *loop) {
    eddy_hook hook;
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    eddy_timer_start(&timer, on_timer, 0, 0);
    eddy_hook_init(&hook, loop);
    eddy_hook_start(&hook, EDDY_HOOK_CHECK, on_hook);
    eddy_hook_init(&hook, loop);
    run(loop);
}
static void defer_again(eddy_loop *loop) {
    eddy_defer defer;
    for (int i = 0; i < 2; i++) {
        eddy_defer_init(&defer, loop);
        eddy_defer_start(&defer, on_defer);
    }
    run(loop);
}
static void defer_only_initialised_again(eddy_loop *loop) {
    eddy_defer defer;
    eddy_defer_init(&defer, loop);
    eddy_defer_start(&defer, on_defer);
    eddy_defer_init(&defer, loop);
    run(loop);
}
static void hook_started_again(eddy_loop *loop) {
    eddy_hook hook;
    for (int i = 0; i < 2; i++) {
        eddy_hook_init(&hook, loop);
        eddy_hook_start(&hook, EDDY_HOOK_CHECK, on_hook);
    }
}
static void wake_again(eddy_loop *loop) {
    eddy_wake wake;
    for (int i = 0; i < 2; i++) {
        eddy_wake_init(&wake, loop);
        eddy_wake_start(&wake, on_wake);
    }
}
static void wake_only_initialised_again(eddy_loop *loop) {
    eddy_wake wake;
    eddy_wake_init(&wake, loop);
    eddy_wake_start(&wake, on_wake);
    eddy_wake_send(&wake);
    eddy_wake_init(&wake, loop);
    run(loop);
}
static void signal_again(eddy_loop *loop) {
    eddy_signal watcher;
    for (int i = 0; i < 2; i++) {
        eddy_signal_init(&watcher, loop);
        eddy_signal_start(&watcher, on_signal, SIGUSR1);
    }
}
static void stream_again(eddy_loop *loop) {
    eddy_stream stream;
    int ends[2];
    test_socket_pair(ends);
    for (int i = 0; i < 2; i++) {
        eddy_stream_init(&stream, loop);
        if (eddy_stream_attach(&stream, ends[0]) < 0) abort(); /* which says nothing */
    }
}
static void listener_again(eddy_loop *loop) {
    eddy_listener listener;
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, AF_INET);
    for (int i = 0; i < 2; i++) {
        eddy_listener_init(&listener, loop);
        eddy_tcp_listen(&listener, (struct sockaddr *)&address, length, 0, 0, on_accept);
    }
}
static void child_again(eddy_loop *loop) {
    eddy_child child;
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    eddy_child_init(&child, loop);
    if (eddy_child_watch(&child, pid, 0, on_exit_of) < 0) abort(); /* which says nothing */
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    eddy_child_init(&child, loop);
    for (int i = 0; i < 3; i++) run(loop); /* by SIGCHLD it takes more than one */
}
static void closing_stream_again(eddy_loop *loop) {
    struct end end;
    int ends[2];
    test_socket_pair(ends);
    eddy_stream_init(&end.stream, loop);
    eddy_stream_attach(&end.stream, ends[0]);
    eddy_stream_close(&end.stream, NULL);
    eddy_stream_init(&end.stream, loop);
}

START_TEST(a_handle_that_is_initialised_while_active_ends_the_program) {
    static const struct misuse misuses[] = {
        MISUSE(io_again, "*last != io"),
        MISUSE(timer_again, "handle_is_active"),
        MISUSE(timer_only_initialised_again, "handle_is_active"),
        MISUSE(hook_again, "handle_is_active"),
        MISUSE(defer_again, "prev != &defer->link"),
        MISUSE(defer_only_initialised_again, "handle_is_active"),
        MISUSE(hook_started_again, "prev != &hook->link"),
        MISUSE(wake_again, "prev != &wake->link"),
        MISUSE(wake_only_initialised_again, "handle_is_active"),
        MISUSE(signal_again, "first != watcher"),
        MISUSE(child_again, "handle_is_active"),
    };
    all_must_die(misuses, sizeof misuses / sizeof misuses[0]);
    if (!has_checks()) return;
    static const struct misuse checked[] = {
        MISUSE(io_again, "EDDY_KIND_IO, io"),
        MISUSE(timer_again, "EDDY_KIND_TIMER, timer"),
        MISUSE(hook_again, "EDDY_KIND_HOOK, hook"),
        MISUSE(defer_again, "EDDY_KIND_DEFER, defer"),
        MISUSE(wake_again, "EDDY_KIND_WAKE, wake"),
        MISUSE(signal_again, "EDDY_KIND_SIGNAL, watcher"),
        MISUSE(child_again, "EDDY_KIND_CHILD, child"),
        MISUSE(stream_again, "EDDY_KIND_IO, stream"),
        MISUSE(listener_again, "EDDY_KIND_IO, listener"),
        MISUSE(closing_stream_again, "EDDY_KIND_IO, stream"),
    };
    for (size_t i = 0; i < sizeof checked / sizeof checked[0]; i++)
        misuse_must_die(checked[i].name, checked[i].run, checked[i].promise);
}
END_TEST

/* --- Requests --- */

static eddy_write writes[3];

static eddy_stream *stream_open(eddy_loop *loop) {
    static eddy_stream streams[2];
    static int count;
    eddy_stream *stream = &streams[count++];
    int ends[2];
    test_socket_pair(ends);
    eddy_stream_init(stream, loop);
    eddy_stream_attach(stream, ends[0]);
    return stream;
}

static void write_the(eddy_stream *stream, int number) {
    eddy_stream_write(stream, &writes[number], "abc", 3, on_written);
}

static void write_at_once_again(eddy_loop *loop) {
    eddy_stream *stream = stream_open(loop);
    write_the(stream, 0);
    write_the(stream, 0);
}
static void first_write_again(eddy_loop *loop) {
    eddy_stream *stream = stream_open(loop);
    write_the(stream, 0);
    write_the(stream, 1);
    write_the(stream, 2);
    write_the(stream, 0);
}
/* It is behind the first and before the last. */
static void middle_write_again(eddy_loop *loop) {
    eddy_stream *stream = stream_open(loop);
    write_the(stream, 0);
    write_the(stream, 1);
    write_the(stream, 2);
    write_the(stream, 1);
    run(loop);
}
static void shutdown_with_a_write(eddy_loop *loop) {
    eddy_stream *stream = stream_open(loop);
    write_the(stream, 0);
    eddy_stream_shutdown(stream, &writes[0], on_written);
}
static void write_to_two_streams(eddy_loop *loop) {
    eddy_stream *first = stream_open(loop), *second = stream_open(loop);
    write_the(first, 0);
    write_the(second, 0);
    run(loop);
}

static eddy_post posts[3];

static void post_the(eddy_loop *loop, int number) {
    eddy_loop_post(loop, &posts[number], on_post);
}
static void post_at_once_again(eddy_loop *loop) {
    post_the(loop, 0);
    post_the(loop, 0);
    run(loop);
}
static void post_again_later(eddy_loop *loop) {
    for (int i = 0; i < 3; i++) post_the(loop, i);
    post_the(loop, 1);
    run(loop);
}
/* Out of the list that others push onto, and still queued. */
static eddy_loop *post_loop;
static void post_queued_again_now(eddy_post *post) {
    (void)post;
    post_the(post_loop, 1);
}
static void post_queued_again(eddy_loop *loop) {
    post_loop = loop;
    eddy_loop_post(loop, &posts[0], post_queued_again_now);
    post_the(loop, 1);
    post_the(loop, 2);
    run(loop);
}

/* The same, when the next turn has taken it once more: it looks like the last one by then. */
static void post_queued_again_later(eddy_loop *loop) {
    eddy_loop *bounded;
    eddy_loop_config config = {.backend = test_backend, .completions_per_turn = 1};
    (void)loop;
    if (eddy_loop_open(&bounded, &config) < 0) abort();
    for (int i = 0; i < 3; i++) post_the(bounded, i);
    run(bounded);
    post_the(bounded, 1);
    run(bounded);
}

struct job {
    eddy_work work;
    atomic_bool started, may_end, ended;
};
static struct job jobs[2];

static void job_run(eddy_work *work) {
    struct job *job = eddy_container_of(work, struct job, work);
    atomic_store(&job->started, true);
    while (!atomic_load(&job->may_end)) usleep(100);
    atomic_store(&job->ended, true);
}
static void on_done(eddy_work *work, int status) {
    (void)work, (void)status;
}
static void submit_the(eddy_loop *loop, int number) {
    eddy_work_submit(loop, &jobs[number].work, EDDY_LANE_CPU, job_run, on_done);
}
static void job_at_once_again(eddy_loop *loop) {
    submit_the(loop, 0);
    submit_the(loop, 0);
}
static void job_again_before_it_is_handed_over(eddy_loop *loop) {
    submit_the(loop, 0);
    submit_the(loop, 1);
    submit_the(loop, 0);
    run(loop);
}
static void job_again_while_it_runs(eddy_loop *loop) {
    submit_the(loop, 0);
    run(loop);
    while (!atomic_load(&jobs[0].started)) usleep(100);
    submit_the(loop, 0);
    atomic_store(&jobs[0].may_end, true);
    while (true) usleep(1000); /* its thread ends the program */
}

static void note_nothing(const eddy_walk_item *item, void *context) {
    (void)item, (void)context;
}
static void job_again_before_it_is_told(eddy_loop *loop) {
    submit_the(loop, 0);
    run(loop);
    atomic_store(&jobs[0].may_end, true);
    while (!atomic_load(&jobs[0].ended)) usleep(100);
    eddy_pool_drain(eddy_loop_pool(loop), -1, NULL, NULL);
    eddy_loop_walk(loop, note_nothing, NULL); /* after it, the job is in the inbox */
    submit_the(loop, 0);
    eddy_loop_dispatch(loop); /* which hands nothing over before it tells */
}

static char file_data;
static eddy_file file;

static void file_at_once_again(eddy_loop *loop) {
    for (int i = 0; i < 2; i++)
        eddy_file_read(loop, &file, STDIN_FILENO, &file_data, 1, 0, on_file);
    run(loop);
}
static void file_call_at_once_again(eddy_loop *loop) {
    for (int i = 0; i < 2; i++) eddy_file_fsync(loop, &file, STDIN_FILENO, on_file);
    run(loop);
}

START_TEST(a_request_that_is_used_while_in_flight_ends_the_program) {
    static const struct misuse misuses[] = {
        MISUSE(write_at_once_again, "write != last"),
        MISUSE(first_write_again, "write != last->next"),
        MISUSE(middle_write_again, "stream->queued == 0"),
        MISUSE(shutdown_with_a_write, "write != last"),
        MISUSE(write_to_two_streams, "write->stream == stream"),
        MISUSE(post_at_once_again, "is_each_posted_once"),
        MISUSE(post_again_later, "is_each_posted_once"),
        MISUSE(post_queued_again, "is_posted_once"),
        MISUSE(job_at_once_again, "it->queue.prev != &work->link"),
        MISUSE(job_again_before_it_is_handed_over, "== it->queued"),
        MISUSE(job_again_while_it_runs, "work->state == WORK_RUNNING"),
        MISUSE(job_again_before_it_is_told, "work->state == WORK_DONE"),
        MISUSE(file_at_once_again, "queue->last != &post->next"),
        MISUSE(file_call_at_once_again, "it->queue.prev != &work->link"),
    };
    all_must_die(misuses, sizeof misuses / sizeof misuses[0]);
    if (!has_checks()) return;
    static const struct misuse checked[] = {
        MISUSE(middle_write_again, "!write_is_queued"),
        MISUSE(post_at_once_again, "head != post"),
        MISUSE(post_queued_again_later, "!inbox_has_queued"),
        MISUSE(job_again_before_it_is_handed_over, "EDDY_KIND_WORK, work"),
        MISUSE(job_again_while_it_runs, "EDDY_KIND_WORK, work"),
        MISUSE(job_again_before_it_is_told, "EDDY_KIND_WORK, work"),
        MISUSE(file_at_once_again, "EDDY_KIND_FILE, file"),
        MISUSE(file_call_at_once_again, "EDDY_KIND_FILE, file"),
    };
    for (size_t i = 0; i < sizeof checked / sizeof checked[0]; i++)
        misuse_must_die(checked[i].name, checked[i].run, checked[i].promise);
}
END_TEST

/* --- Another thread, and a walk --- */

static eddy_timer elsewhere_timer;
static void *(*elsewhere)(void *loop);

static void *start_a_timer(void *loop) {
    (void)loop;
    eddy_timer_start(&elsewhere_timer, on_timer, 0, 0);
    return NULL;
}
static void *stop_the_loop(void *loop) {
    eddy_loop_stop(loop);
    return NULL;
}
static void *run_the_loop(void *loop) {
    eddy_loop_run(loop, EDDY_RUN_NOWAIT);
    return NULL;
}
static void *close_the_loop(void *loop) {
    eddy_loop_close(loop);
    return NULL;
}

static void call_elsewhere(eddy_defer *defer) {
    pthread_t thread;
    pthread_create(&thread, NULL, elsewhere, eddy_handle_loop(&defer->handle));
    pthread_join(thread, NULL);
}

static void another_thread(eddy_loop *loop) {
    eddy_defer defer;
    eddy_timer_init(&elsewhere_timer, loop);
    eddy_defer_init(&defer, loop);
    eddy_defer_start(&defer, call_elsewhere);
    run(loop);
}

START_TEST(a_loop_that_another_thread_uses_while_it_runs_ends_the_program) {
    static void *(*const calls[])(void *) = {start_a_timer, stop_the_loop, run_the_loop,
                                             close_the_loop};
    if (!has_checks()) return;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        elsewhere = calls[i];
        misuse_must_die("another_thread", another_thread, "is_in_its_thread");
    }
}
END_TEST

static void *turn_elsewhere(void *loop) {
    eddy_timer_start(&elsewhere_timer, on_timer, 0, 0);
    return (void *)(intptr_t)eddy_loop_run(loop, EDDY_RUN_DEFAULT);
}

/* Between runs it may be another one's. */
START_TEST(a_loop_may_change_its_thread_between_runs) {
    eddy_loop *loop = test_loop_open();
    eddy_timer_init(&elsewhere_timer, loop);
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        void *result;
        ck_assert_int_eq(pthread_create(&thread, NULL, turn_elsewhere, loop), 0);
        ck_assert_int_eq(pthread_join(thread, &result), 0);
        ck_assert_ptr_null(result);
        ck_assert_ptr_null(turn_elsewhere(loop));
    }
    test_loop_close(loop);
}
END_TEST

static void stop_in_a_walk(const eddy_walk_item *item, void *context) {
    (void)context;
    eddy_timer_stop(item->pointer);
}
static void change_in_a_walk(eddy_loop *loop) {
    eddy_timer_init(&elsewhere_timer, loop);
    eddy_timer_start(&elsewhere_timer, on_timer, 0, 0);
    eddy_loop_walk(loop, stop_in_a_walk, NULL);
}
static void walk_without_callback(eddy_loop *loop) {
    eddy_loop_walk(loop, NULL, NULL);
}

START_TEST(a_walk_that_changes_the_loop_ends_the_program) {
    misuse_must_die("walk_without_callback", walk_without_callback, "fn != NULL");
    if (has_checks()) misuse_must_die("change_in_a_walk", change_in_a_walk, "->walking");
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("twice");
    ck_add(suite, "handles", a_handle_that_was_never_initialised_ends_the_program,
           a_handle_that_is_initialised_while_active_ends_the_program);
    ck_add(suite, "requests", a_request_that_is_used_while_in_flight_ends_the_program);
    ck_add(suite, "threads", a_loop_that_another_thread_uses_while_it_runs_ends_the_program,
           a_loop_may_change_its_thread_between_runs,
           a_walk_that_changes_the_loop_ends_the_program);
    return suite;
}
