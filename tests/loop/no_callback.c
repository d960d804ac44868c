/* no_callback.c: without a callback nobody could be told of anything. Every function that needs one
 * says -EINVAL, whatever state its handle is in, and nothing has happened; the two that return
 * nothing end the program. */
#include "misuse.h"
#include "net.h"

#include <eddy/child.h>
#include <eddy/http.h>
#include <eddy/pass.h>
#include <eddy/queue.h>
#include <eddy/reader.h>
#include <eddy/terminal.h>

#include <fcntl.h>

/* --- Watchers --- */

START_TEST(watchers_need_a_callback) {
    eddy_loop *loop = test_loop_open();
    eddy_io io;
    eddy_timer timer;
    eddy_hook hook;
    eddy_defer defer;
    eddy_signal watcher;
    eddy_wake wake;
    eddy_resize resize;
    int ends[2];
    test_pipe(ends);
    eddy_io_init(&io, loop);
    eddy_timer_init(&timer, loop);
    eddy_hook_init(&hook, loop);
    eddy_defer_init(&defer, loop);
    eddy_signal_init(&watcher, loop);
    eddy_wake_init(&wake, loop);
    eddy_resize_init(&resize, loop);
    ck_assert_int_eq(eddy_io_start(&io, NULL, ends[0], EDDY_READ), -EINVAL);
    ck_assert_int_eq(eddy_io_start(&io, NULL, -1, EDDY_READ), -EINVAL);
    ck_assert_int_eq(eddy_timer_start(&timer, NULL, 0, 0), -EINVAL);
    ck_assert_int_eq(eddy_timer_start_at(&timer, NULL, 0, 0), -EINVAL);
    ck_assert_int_eq(eddy_hook_start(&hook, EDDY_HOOK_CHECK, NULL), -EINVAL);
    ck_assert_int_eq(eddy_hook_start(&hook, EDDY_HOOK_IDLE, NULL), -EINVAL);
    ck_assert_int_eq(eddy_defer_start(&defer, NULL), -EINVAL);
    ck_assert_int_eq(eddy_signal_start(&watcher, NULL, SIGUSR1), -EINVAL);
    ck_assert_int_eq(eddy_wake_start(&wake, NULL), -EINVAL);
    ck_assert_int_eq(eddy_resize_start(&resize, NULL, ends[0]), -EINVAL);
    ck_assert(!eddy_loop_is_alive(loop));
    test_loop_close(loop);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

static void on_timer(eddy_timer *timer) {
    (void)timer;
}

/* What runs goes on as it was. */
START_TEST(a_started_timer_stays_as_it_was) {
    eddy_loop *loop = test_loop_open();
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, EDDY_NS_PER_S, 0), 0);
    int64_t due_ns = eddy_timer_due_ns(&timer);
    ck_assert_int_eq(eddy_timer_start(&timer, NULL, 0, 0), -EINVAL);
    ck_assert_int_eq(eddy_timer_due_ns(&timer), due_ns);
    eddy_timer_stop(&timer);
    test_loop_close(loop);
}
END_TEST

/* --- Streams --- */

START_TEST(connections_need_a_callback) {
    eddy_loop *loop = test_loop_open();
    struct sockaddr_storage address, name;
    socklen_t length = loopback(&address, AF_INET);
    socklen_t name_length = (socklen_t)eddy_address_of_name(&name, "/nowhere/x", 10);
    eddy_listener listener;
    eddy_stream stream;
    eddy_listener_init(&listener, loop);
    eddy_stream_init(&stream, loop);
    const struct sockaddr *at = (struct sockaddr *)&address, *named = (struct sockaddr *)&name;
    ck_assert_int_eq(eddy_tcp_listen(&listener, at, length, 1, 0, NULL), -EINVAL);
    ck_assert_int_eq(eddy_local_listen(&listener, named, name_length, 1, 0, NULL), -EINVAL);
    ck_assert_int_eq(eddy_listener_attach(&listener, 0, NULL), -EINVAL);
    ck_assert_int_eq(eddy_tcp_connect(&stream, at, length, 0, NULL), -EINVAL);
    ck_assert_int_eq(eddy_local_connect(&stream, named, name_length, 0, 0, NULL), -EINVAL);
    ck_assert_int_eq(eddy_stream_connect(&stream, 0, at, length, 0, NULL), -EINVAL);
    ck_assert(!eddy_loop_is_alive(loop));
    test_loop_close(loop);
}
END_TEST

static void refuse_on(eddy_reader *reader, int fd) {
    eddy_stream *stream = &reader->stream;
    eddy_write write;
    eddy_pass pass;
    char data[4] = "abc";
    struct iovec vector = {data, 1};
    ck_assert_int_eq(eddy_stream_read_start(stream, NULL), -EINVAL);
    ck_assert_int_eq(eddy_stream_read_into(stream, data, 1, NULL), -EINVAL);
    ck_assert_int_eq(eddy_stream_hangup_start(stream, NULL), -EINVAL);
    ck_assert_int_eq(eddy_stream_write(stream, &write, data, 1, NULL), -EINVAL);
    ck_assert_int_eq(eddy_stream_writev(stream, &write, &vector, 1, NULL), -EINVAL);
    ck_assert_int_eq(eddy_stream_shutdown(stream, &write, NULL), -EINVAL);
    ck_assert_int_eq(eddy_pass_write(stream, &pass, data, 1, &fd, 1, NULL), -EINVAL);
    ck_assert_int_eq(eddy_reader_exactly(reader, 1, NULL), -EINVAL);
    ck_assert_int_eq(eddy_reader_exactly_into(reader, data, 1, NULL), -EINVAL);
    ck_assert_int_eq(eddy_reader_until(reader, "\n", 1, NULL), -EINVAL);
    ck_assert_int_eq(eddy_reader_some(reader, NULL), -EINVAL);
    ck_assert_uint_eq(eddy_stream_queued(stream), 0);
}

START_TEST(transfers_need_a_callback) {
    eddy_loop *loop = test_loop_open();
    eddy_reader reader;
    char buffer[64];
    int ends[2];
    test_socket_pair(ends);
    eddy_reader_init(&reader, loop, buffer, sizeof buffer);
    refuse_on(&reader, ends[1]);
    ck_assert_int_eq(eddy_stream_attach(&reader.stream, ends[0]), 0);
    refuse_on(&reader, ends[1]);
    ck_assert_int_eq(read(ends[1], buffer, 1), -1); /* nothing was sent */
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(eddy_reader_close(&reader, NULL), 0); /* this one need not be heard */
    refuse_on(&reader, ends[1]);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
    test_loop_close(loop);
    close(ends[1]);
}
END_TEST

/* --- Requests and children --- */

static void job(eddy_work *work) {
    (void)work;
}

static void on_done(eddy_work *work, int status) {
    (void)work, (void)status;
}

START_TEST(jobs_need_both_functions) {
    eddy_loop *loop = test_loop_open();
    eddy_work work;
    eddy_queue queue;
    eddy_queue_init(&queue, loop, EDDY_LANE_CPU);
    ck_assert_int_eq(eddy_work_submit(loop, &work, EDDY_LANE_CPU, job, NULL), -EINVAL);
    ck_assert_int_eq(eddy_work_submit(loop, &work, EDDY_LANE_CPU, NULL, on_done), -EINVAL);
    ck_assert_int_eq(eddy_queue_submit(&queue, &work, job, NULL), -EINVAL);
    ck_assert_int_eq(eddy_queue_submit(&queue, &work, NULL, on_done), -EINVAL);
    ck_assert(!eddy_loop_is_alive(loop));
    test_loop_close(loop);
}
END_TEST

START_TEST(files_need_a_callback) {
    eddy_loop *loop = test_loop_open();
    eddy_file file;
    eddy_stat stat;
    char data[64] = "";
    const int dir = EDDY_CWD;
    struct iovec vector = {data, 1};
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int results[] = {
        eddy_file_open(loop, &file, dir, "/dev/null", O_RDONLY, 0, 0, NULL),
        eddy_file_close(loop, &file, fd, NULL),
        eddy_file_read(loop, &file, fd, data, 1, 0, NULL),
        eddy_file_readv(loop, &file, fd, &vector, 1, 0, NULL),
        eddy_file_write(loop, &file, fd, data, 1, 0, NULL),
        eddy_file_writev(loop, &file, fd, &vector, 1, 0, NULL),
        eddy_file_send(loop, &file, fd, fd, 0, 1, NULL),
        eddy_file_fstat(loop, &file, fd, &stat, NULL),
        eddy_file_stat(loop, &file, dir, "/", &stat, NULL),
        eddy_file_lstat(loop, &file, dir, "/", &stat, NULL),
        eddy_file_fsync(loop, &file, fd, NULL),
        eddy_file_fdatasync(loop, &file, fd, NULL),
        eddy_file_ftruncate(loop, &file, fd, 0, NULL),
        eddy_file_unlink(loop, &file, dir, "/nowhere/x", NULL),
        eddy_file_rename(loop, &file, dir, "/nowhere/x", dir, "/nowhere/y", NULL),
        eddy_file_mkdir(loop, &file, dir, "/nowhere/x", 0700, NULL),
        eddy_file_rmdir(loop, &file, dir, "/nowhere/x", NULL),
        eddy_file_scan(loop, &file, fd, data, sizeof data, NULL),
    };
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        ck_assert_msg(results[i] == -EINVAL, "call %zu: %d", i, results[i]);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC); /* not closed */
    close(fd);
    ck_assert(!eddy_loop_is_alive(loop));
    test_loop_close(loop);
}
END_TEST

START_TEST(children_need_a_callback) {
    eddy_loop *loop = test_loop_open();
    eddy_child child;
    char program[] = "true", *arguments[] = {program, NULL};
    eddy_child_options options = {.arguments = arguments};
    eddy_child_init(&child, loop);
    ck_assert_int_eq(eddy_child_spawn(&child, &options, NULL), -EINVAL);
    ck_assert_int_eq(eddy_child_watch(&child, getppid(), 0, NULL), -EINVAL);
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* none was started */
    ck_assert(!eddy_loop_is_alive(loop));
    test_loop_close(loop);
}
END_TEST

START_TEST(http_handlers_are_needed) {
    eddy_loop *loop = test_loop_open();
    eddy_http *http;
    ck_assert_int_eq(eddy_http_open(&http, loop, NULL), 0);
    ck_assert_int_eq(eddy_http_handle(http, "GET", "/", NULL, NULL), -EINVAL);
    ck_assert_int_eq(eddy_http_close(http), 0);
    test_loop_close(loop);
}
END_TEST

/* --- What returns nothing --- */

static void post_without_callback(eddy_loop *loop) {
    eddy_post post;
    eddy_loop_post(loop, &post, NULL);
}

static void walk_without_callback(eddy_loop *loop) {
    eddy_loop_walk(loop, NULL, NULL);
}

START_TEST(a_call_without_a_result_ends_the_program) {
    misuse_must_die("post", post_without_callback, "fn != NULL\n");
    misuse_must_die("walk", walk_without_callback, "fn != NULL\n");
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("no_callback");
    ck_add(suite, "watchers", watchers_need_a_callback, a_started_timer_stays_as_it_was);
    ck_add(suite, "streams", connections_need_a_callback, transfers_need_a_callback);
    ck_add(suite, "requests", jobs_need_both_functions, files_need_a_callback,
           children_need_a_callback, http_handlers_are_needed);
    ck_add(suite, "no result", a_call_without_a_result_ends_the_program);
    return suite;
}
