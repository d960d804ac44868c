/* callbacks.c: a callback ends its own object. In every kind of callback the object is stopped (if
 * it was not already), overwritten and freed, while neighbours of its kind wait for their turn. */
#include "net.h"
#include "system.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { EACH = 3 };

static eddy_loop *loop;
static int freed;
static int ends[2];

static void *make(size_t size) {
    void *object = calloc(1, size);
    ck_assert_ptr_nonnull(object);
    return object;
}

static void end_object(void *object, size_t size) {
    memset(object, 0xa5, size);
    free(object);
    freed++;
}

static void begin(void) {
    loop = test_loop_open();
    freed = 0;
    test_pipe(ends);
}

static void end(void) {
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    close_both(ends);
    test_loop_close(loop);
}

static void turn_until_freed(int count) {
    int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (freed < count && test_now_ns() < give_up_ns)
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_int_eq(freed, count);
}

static void free_io(eddy_io *io, unsigned events) {
    (void)events;
    eddy_io_stop(io);
    end_object(io, sizeof *io);
}

static eddy_io *neighbours[EACH];

/* Frees the one that would be told next, and itself. */
static void free_two(eddy_io *io, unsigned events) {
    free_io(neighbours[1], events);
    free_io(io, events);
}

START_TEST(a_watcher_may_free_the_next_one_of_its_descriptor) {
    begin();
    put(ends[1], "x");
    for (int i = 0; i < EACH; i++) {
        neighbours[i] = make(sizeof *neighbours[i]);
        eddy_io_init(neighbours[i], loop);
        ck_assert_int_eq(
            eddy_io_start(neighbours[i], i == 0 ? free_two : free_io, ends[0], EDDY_READ), 0);
    }
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_int_eq(freed, EACH); /* the third one too was told, in the same turn */
    end();
}
END_TEST

/* Several on one descriptor, and one on another that is ready in the same batch. */
START_TEST(a_watcher_may_be_freed_in_its_callback) {
    begin();
    int other[2];
    test_pipe(other);
    put(ends[1], "x");
    put(other[1], "x");
    for (int i = 0; i < EACH + 1; i++) {
        eddy_io *io = make(sizeof *io);
        eddy_io_init(io, loop);
        ck_assert_int_eq(eddy_io_start(io, free_io, i < EACH ? ends[0] : other[0], EDDY_READ), 0);
    }
    turn_until_freed(EACH + 1);
    close_both(other);
    end();
}
END_TEST

static void free_timer(eddy_timer *timer) {
    eddy_timer_stop(timer);
    end_object(timer, sizeof *timer);
}

START_TEST(a_timer_may_be_freed_in_its_callback) {
    begin();
    for (int i = 0; i < 2 * EACH; i++) {
        eddy_timer *timer = make(sizeof *timer);
        eddy_timer_init(timer, loop);
        ck_assert_int_eq(eddy_timer_start(timer, free_timer, 0, i % 2), 0); /* repeating, or not */
    }
    turn_until_freed(2 * EACH);
    end();
}
END_TEST

static void free_hook(eddy_hook *hook) {
    eddy_hook_stop(hook);
    end_object(hook, sizeof *hook);
}

START_TEST(a_hook_may_be_freed_in_its_callback) {
    static const eddy_hook_kind kinds[] = {EDDY_HOOK_PREPARE, EDDY_HOOK_CHECK, EDDY_HOOK_IDLE};
    begin();
    /* Idle hooks are for loops that would sleep. */
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    ck_assert_int_eq(eddy_timer_start(&timer, free_timer, 3600 * EDDY_NS_PER_S, 0), 0);
    for (int i = 0; i < 3 * EACH; i++) {
        eddy_hook *hook = make(sizeof *hook);
        eddy_hook_init(hook, loop);
        ck_assert_int_eq(eddy_hook_start(hook, kinds[i % 3], free_hook), 0);
    }
    turn_until_freed(3 * EACH);
    eddy_timer_stop(&timer);
    end();
}
END_TEST

static void free_defer(eddy_defer *defer) {
    end_object(defer, sizeof *defer);
}

static void free_post(eddy_post *post) {
    end_object(post, sizeof *post);
}

static void free_wake(eddy_wake *wake) {
    eddy_wake_stop(wake);
    end_object(wake, sizeof *wake);
}

static void free_signal(eddy_signal *watcher, int number) {
    (void)number;
    eddy_signal_stop(watcher);
    end_object(watcher, sizeof *watcher);
}

START_TEST(a_call_may_be_freed_when_it_is_made) {
    begin();
    for (int i = 0; i < EACH; i++) {
        eddy_defer *defer = make(sizeof *defer);
        eddy_defer_init(defer, loop);
        ck_assert_int_eq(eddy_defer_start(defer, free_defer), 0);
        eddy_loop_post(loop, make(sizeof(eddy_post)), free_post);
        eddy_wake *wake = make(sizeof *wake);
        eddy_wake_init(wake, loop);
        ck_assert_int_eq(eddy_wake_start(wake, free_wake), 0);
        eddy_wake_send(wake);
        eddy_signal *watcher = make(sizeof *watcher);
        eddy_signal_init(watcher, loop);
        ck_assert_int_eq(eddy_signal_start(watcher, free_signal, SIGUSR1), 0);
    }
    ck_assert_int_eq(raise(SIGUSR1), 0);
    turn_until_freed(4 * EACH);
    end();
}
END_TEST

static void nothing(eddy_work *work) {
    (void)work;
}

static void free_work(eddy_work *work, int status) {
    ck_assert(status == 0 || status == -ECANCELED);
    end_object(work, sizeof *work);
}

static void free_file(eddy_file *file) {
    end_object(file, sizeof *file);
}

/* Done by a thread, done at once, and taken back. */
START_TEST(a_request_may_be_freed_in_its_callback) {
    begin();
    static eddy_stat stats[2 * EACH]; /* threads fill them */
    for (int i = 0; i < EACH; i++) {
        eddy_file_set_attempt(loop, i % 2 == 0);
        eddy_work *work = make(sizeof *work);
        ck_assert_int_eq(eddy_work_submit(loop, work, EDDY_LANE_CPU, nothing, free_work), 0);
        if (i == 1) ck_assert_int_eq(eddy_work_cancel(work), 0);
        eddy_file *file = make(sizeof *file);
        ck_assert_int_eq(eddy_file_fstat(loop, file, ends[0], &stats[i], free_file), 0);
        file = make(sizeof *file);
        ck_assert_int_eq(eddy_file_stat(loop, file, EDDY_CWD, "/", &stats[EACH + i], free_file), 0);
        if (i == 1) ck_assert_int_eq(eddy_file_cancel(file), 0);
    }
    turn_until_freed(3 * EACH);
    end();
}
END_TEST

/* --- What is closed first --- */

static void free_listener(eddy_listener *listener) {
    end_object(listener, sizeof *listener);
}

static void close_listener(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    (void)peer;
    close(fd);
    ck_assert_int_eq(eddy_listener_close(listener, free_listener), 0);
}

START_TEST(a_listener_may_be_closed_in_its_callback_and_freed) {
    begin();
    for (int i = 0; i < EACH; i++) {
        struct sockaddr_storage address;
        socklen_t length = loopback(&address, AF_INET);
        eddy_listener *listener = make(sizeof *listener);
        eddy_listener_init(listener, loop);
        ck_assert_int_eq(
            eddy_tcp_listen(listener, (struct sockaddr *)&address, length, 0, 0, close_listener),
            0);
        ck_assert_int_eq(eddy_listener_address(listener, (struct sockaddr *)&address, &length), 0);
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(client, (struct sockaddr *)&address, length), 0);
        close(client);
    }
    turn_until_freed(EACH);
    end();
}
END_TEST

static void free_stream(eddy_stream *stream) {
    end_object(stream, sizeof *stream);
}

static void close_connected(eddy_stream *stream, int status) {
    ck_assert(status == 0 || status == -ECONNREFUSED || status == -ETIMEDOUT);
    ck_assert_int_eq(eddy_stream_close(stream, free_stream), 0);
}

/* Connected, refused, too late. Its other callbacks are looked at in streams.c. */
START_TEST(a_stream_may_be_closed_in_its_connect_callback_and_freed) {
    begin();
    struct sockaddr_storage open_address, closed_address;
    socklen_t length, closed_length;
    int listener = listen_plain(&open_address, &length, 5);
    int held = hold_plain(&closed_address, &closed_length);
    for (int i = 0; i < EACH; i++) {
        struct sockaddr_storage *address = i == 1 ? &closed_address : &open_address;
        eddy_stream *stream = make(sizeof *stream);
        eddy_stream_init(stream, loop);
        ck_assert_int_eq(
            eddy_tcp_connect(stream, (struct sockaddr *)address, length, i == 2, close_connected),
            0);
    }
    turn_until_freed(EACH);
    close(held);
    close(listener);
    end();
}
END_TEST

/* --- Streams that have no socket any more --- */

/* Never inside the call: whoever has called back looks at the stream once more. */
static void close_socketless(eddy_stream *stream) {
    int before = freed;
    ck_assert_int_eq(eddy_stream_fd(stream), -1);
    ck_assert_int_eq(eddy_stream_close(stream, free_stream), 0);
    ck_assert_int_eq(freed, before);
    ck_assert_int_eq(eddy_stream_close(stream, free_stream), -EALREADY);
}

static void detach_and_close(eddy_stream *stream, void *data, ssize_t size) {
    ck_assert_int_eq((int)size, 1);
    ck_assert_ptr_nonnull(data);
    close(eddy_stream_detach(stream));
    close_socketless(stream);
}

static void detach_only(eddy_stream *stream, void *data, ssize_t size) {
    ck_assert_int_eq((int)size, 1);
    ck_assert_ptr_nonnull(data);
    close(eddy_stream_detach(stream));
}

/* More is there than a read takes, so the library would go on reading after the callback. */
START_TEST(a_stream_is_closed_and_freed_after_a_detach) {
    begin();
    int peers[EACH];
    eddy_stream *streams[EACH];
    static char bytes[EACH];
    for (int i = 0; i < EACH; i++) {
        int pair[2];
        test_socket_pair(pair);
        peers[i] = pair[1];
        put(pair[1], "abc");
        streams[i] = make(sizeof *streams[i]);
        eddy_stream_init(streams[i], loop);
        ck_assert_int_eq(eddy_stream_attach(streams[i], pair[0]), 0);
        ck_assert_int_eq(eddy_stream_read_into(streams[i], &bytes[i], 1,
                                               i == 0 ? detach_and_close : detach_only),
                         0);
    }
    close(eddy_stream_detach(streams[2]));
    close_socketless(streams[2]);
    while (eddy_stream_fd(streams[1]) >= 0)
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    close_socketless(streams[1]);
    turn_until_freed(EACH);
    for (int i = 0; i < EACH; i++) close(peers[i]);
    end();
}
END_TEST

static bool has_failed;

static void on_refused(eddy_stream *stream, int status) {
    (void)stream;
    ck_assert_int_eq(status, -ECONNREFUSED);
    has_failed = true;
}

/* Later than in the callback that told of it, which is looked at above; and the loop, which it no
 * longer keeps alive, still comes to its close callback. */
START_TEST(a_stream_is_closed_and_freed_after_a_failed_connect) {
    begin();
    struct sockaddr_storage address;
    socklen_t length;
    int held = hold_plain(&address, &length);
    eddy_stream *stream = make(sizeof *stream);
    eddy_stream_init(stream, loop);
    has_failed = false;
    ck_assert_int_eq(eddy_tcp_connect(stream, (struct sockaddr *)&address, length, 0, on_refused),
                     0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert(has_failed);
    close_socketless(stream);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(freed, 1);
    close(held);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("callbacks");
    ck_add(suite, "watchers", a_watcher_may_be_freed_in_its_callback,
           a_watcher_may_free_the_next_one_of_its_descriptor, a_timer_may_be_freed_in_its_callback,
           a_hook_may_be_freed_in_its_callback, a_call_may_be_freed_when_it_is_made);
    ck_add(suite, "requests", a_request_may_be_freed_in_its_callback);
    ck_add(suite, "closed", a_listener_may_be_closed_in_its_callback_and_freed,
           a_stream_may_be_closed_in_its_connect_callback_and_freed,
           a_stream_is_closed_and_freed_after_a_detach,
           a_stream_is_closed_and_freed_after_a_failed_connect);
    return suite;
}
