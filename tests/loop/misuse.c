/* misuse.c: what only a mistake of the programmer's can cause. What would corrupt the loop ends the
 * program, and says what must hold; what would not is an error and changes nothing. */
#include "misuse.h"
#include "net.h"

#include <limits.h>

/* --- Without a callback nobody could be told of anything --- */

static void io_without_callback(eddy_loop *loop) {
    eddy_io io;
    eddy_io_init(&io, loop);
    eddy_io_start(&io, NULL, STDIN_FILENO, EDDY_READ);
}
static void timer_without_callback(eddy_loop *loop) {
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    eddy_timer_start(&timer, NULL, 0, 0);
}
static void hook_without_callback(eddy_loop *loop) {
    eddy_hook hook;
    eddy_hook_init(&hook, loop);
    eddy_hook_start(&hook, EDDY_HOOK_CHECK, NULL);
}
static void defer_without_callback(eddy_loop *loop) {
    eddy_defer defer;
    eddy_defer_init(&defer, loop);
    eddy_defer_start(&defer, NULL);
}
static void signal_without_callback(eddy_loop *loop) {
    eddy_signal watcher;
    eddy_signal_init(&watcher, loop);
    eddy_signal_start(&watcher, NULL, SIGUSR1);
}
static void wake_without_callback(eddy_loop *loop) {
    eddy_wake wake;
    eddy_wake_init(&wake, loop);
    eddy_wake_start(&wake, NULL);
}
static void post_without_callback(eddy_loop *loop) {
    eddy_post post;
    eddy_loop_post(loop, &post, NULL);
}
static void listen_without_callback(eddy_loop *loop) {
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, AF_INET);
    eddy_listener listener;
    eddy_listener_init(&listener, loop);
    eddy_tcp_listen(&listener, (struct sockaddr *)&address, length, 1, 0, NULL);
}
static void connect_without_callback(eddy_loop *loop) {
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, AF_INET);
    eddy_stream stream;
    eddy_stream_init(&stream, loop);
    eddy_tcp_connect(&stream, (struct sockaddr *)&address, length, 0, NULL);
}
static void listen_locally_without_callback(eddy_loop *loop) {
    struct sockaddr_storage address;
    socklen_t length = (socklen_t)eddy_address_of_name(&address, "/nowhere/x", 10);
    eddy_listener listener;
    eddy_listener_init(&listener, loop);
    eddy_local_listen(&listener, (struct sockaddr *)&address, length, 1, 0, NULL);
}
static void connect_locally_without_callback(eddy_loop *loop) {
    struct sockaddr_storage address;
    socklen_t length = (socklen_t)eddy_address_of_name(&address, "/nowhere/x", 10);
    eddy_stream stream;
    eddy_stream_init(&stream, loop);
    eddy_local_connect(&stream, (struct sockaddr *)&address, length, 0, 0, NULL);
}
static void read_without_callback(eddy_loop *loop) {
    struct end end;
    end_connect(&end, loop);
    eddy_stream_read_start(&end.stream, NULL);
}
static void write_without_callback(eddy_loop *loop) {
    struct end end;
    eddy_write write;
    end_connect(&end, loop);
    eddy_stream_write(&end.stream, &write, "x", 1, NULL);
}

static void job(eddy_work *work) {
    (void)work;
}
static void work_without_callback(eddy_loop *loop) {
    static eddy_work work;
    eddy_work_submit(loop, &work, EDDY_LANE_CPU, job, NULL);
}
static void work_without_function(eddy_loop *loop) {
    static eddy_work work;
    eddy_work_submit(loop, &work, EDDY_LANE_CPU, NULL, NULL);
}
static void file_without_callback(eddy_loop *loop) {
    static eddy_file file;
    eddy_file_close(loop, &file, 0, NULL);
}
static void file_read_without_callback(eddy_loop *loop) {
    static eddy_file file;
    char data;
    eddy_file_read(loop, &file, 0, &data, 1, 0, NULL);
}

static void spawn_without_callback(eddy_loop *loop) {
    eddy_child child;
    char program[] = "true", *arguments[] = {program, NULL};
    eddy_child_options options = {.arguments = arguments};
    eddy_child_init(&child, loop);
    eddy_child_spawn(&child, &options, NULL);
}
static void watch_without_callback(eddy_loop *loop) {
    eddy_child child;
    eddy_child_init(&child, loop);
    eddy_child_watch(&child, getppid(), 0, NULL);
}

START_TEST(a_missing_callback_ends_the_program) {
    static void (*const misuses[])(eddy_loop *) = {
        io_without_callback,
        timer_without_callback,
        hook_without_callback,
        defer_without_callback,
        signal_without_callback,
        wake_without_callback,
        post_without_callback,
        listen_without_callback,
        connect_without_callback,
        listen_locally_without_callback,
        connect_locally_without_callback,
        read_without_callback,
        write_without_callback,
        work_without_callback,
        work_without_function,
        file_without_callback,
        file_read_without_callback,
        spawn_without_callback,
        watch_without_callback,
    };
    char text[4096];
    for (size_t i = 0; i < sizeof misuses / sizeof misuses[0]; i++) {
        int status = misuse_run(misuses[i], text, sizeof text);
        ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "misuse %zu: %d, \"%s\"",
                      i, status, text);
        const char *said = strstr(text, ": this must hold: ");
        ck_assert_msg(said != NULL, "misuse %zu: \"%s\"", i, text);
        ck_assert_msg(strstr(said, "fn != NULL\n") != NULL ||
                          strstr(said, "done != NULL\n") != NULL,
                      "misuse %zu: \"%s\"", i, text);
    }
}
END_TEST

/* --- Errors --- */

START_TEST(a_configuration_out_of_range_is_refused) {
    static const eddy_loop_config wrong[] = {
        {.pool_threads = 1025}, {.pool_threads = UINT_MAX}, {.read_buffer_bytes = SIZE_MAX}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        eddy_loop *loop = NULL;
        eddy_loop_config config = wrong[i];
        config.backend = test_backend;
        ck_assert_int_eq(eddy_loop_open(&loop, &config), -EINVAL);
        ck_assert_ptr_null(loop);
    }
}
END_TEST

static int results[5];

static void turn_within(eddy_defer *defer) {
    eddy_loop *loop = defer->handle.loop;
    int64_t timeout_ns;
    results[0] = eddy_loop_run(loop, EDDY_RUN_NOWAIT);
    results[1] = eddy_loop_prepare(loop, &timeout_ns);
    results[2] = eddy_loop_wait(loop, 0);
    results[3] = eddy_loop_dispatch(loop);
    results[4] = eddy_loop_after_fork(loop);
}

/* A loop that is in the middle of a turn does not begin another one, nor anew. */
START_TEST(a_turn_within_a_turn_is_refused) {
    eddy_loop *loop = test_loop_open();
    eddy_defer defer;
    eddy_defer_init(&defer, loop);
    ck_assert_int_eq(eddy_defer_start(&defer, turn_within), 0);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    for (int i = 0; i < 5; i++) ck_assert_int_eq(results[i], -EBUSY);
    test_loop_close(loop);
}
END_TEST

/* Texts: as long as there is room, for any number of either sign. */
START_TEST(every_error_has_a_text) {
    static const int errors[] = {0, EAGAIN, -EAGAIN, 99999, INT_MAX, -INT_MAX, INT_MIN};
    char text[128], same[128], nothing = 'x';
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        ck_assert_ptr_eq(eddy_strerror(errors[i], text, sizeof text), text);
        ck_assert_uint_gt(strlen(text), 0);
    }
    ck_assert_str_eq(eddy_strerror(0, text, sizeof text), "no error");
    ck_assert_str_eq(eddy_strerror(-ENOENT, text, sizeof text),
                     eddy_strerror(ENOENT, same, sizeof same));
    ck_assert_str_eq(eddy_strerror(-ENOENT, same, 4), "No ");
    ck_assert_ptr_eq(eddy_strerror(-ENOENT, &nothing, 0), &nothing);
    ck_assert_int_eq(nothing, 'x');
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("misuse");
    ck_add(suite, "corruption", a_missing_callback_ends_the_program);
    ck_add(suite, "errors", a_configuration_out_of_range_is_refused,
           a_turn_within_a_turn_is_refused, every_error_has_a_text);
    return suite;
}
