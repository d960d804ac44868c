/* budgets.c: how many waits a scenario may cost, as the loop counts them. A loop that spins shows
 * as a number, on a slow machine as well; nothing here looks at how long anything takes. */
#include "net.h"
#include "system.h"

static eddy_loop *loop;
static eddy_metrics before;

static void mark(void) {
    eddy_loop_read_metrics(loop, &before, sizeof before);
}

static eddy_metrics spent(void) {
    eddy_metrics now;
    eddy_loop_read_metrics(loop, &now, sizeof now);
    now.waits -= before.waits;
    now.waits_empty -= before.waits_empty;
    now.events -= before.events;
    now.wake_reads -= before.wake_reads;
    now.timers -= before.timers;
    now.file_hits -= before.file_hits;
    now.accepts_shed -= before.accepts_shed;
    return now;
}

/* Since the mark: at most so many waits, and of those at most so many that found nothing. */
static void expect_budget(const char *what, uint64_t waits, uint64_t empty) {
    eddy_metrics used = spent();
    ck_assert_msg(used.waits <= waits && used.waits_empty <= empty,
                  "%s: %u waits of %u, %u of them empty of %u", what, (unsigned)used.waits,
                  (unsigned)waits, (unsigned)used.waits_empty, (unsigned)empty);
}

/* A stretch of time in which nothing happens: one wait, which its end cuts off. */
static void expect_sleep(const char *what) {
    mark();
    test_turn_for(loop, 50 * EDDY_NS_PER_MS);
    expect_budget(what, 1, 1);
}

/* The same after something has happened, whose end may still be under way. */
static void expect_rest(const char *what) {
    mark();
    test_turn_for(loop, 50 * EDDY_NS_PER_MS);
    expect_budget(what, 2, 2);
}

static void turns(int count) {
    while (count-- > 0) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
}

/* --- Timers and wake-ups --- */

static bool fired;

static void on_timer(eddy_timer *timer) {
    (void)timer;
    fired = true;
}

START_TEST(an_idle_loop_with_a_far_timer_sleeps) {
    loop = test_loop_open();
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    ck_assert_int_eq(eddy_timer_start(&timer, on_timer, 3600 * EDDY_NS_PER_S, 0), 0);
    expect_sleep("a far timer");
    eddy_timer_stop(&timer);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_cancelled_timer_costs_nothing) {
    loop = test_loop_open();
    enum { COUNT = 50 };
    eddy_timer timers[COUNT];
    for (int i = 0; i < COUNT; i++) {
        eddy_timer_init(&timers[i], loop);
        ck_assert_int_eq(eddy_timer_start(&timers[i], on_timer, i * EDDY_NS_PER_MS, 0), 0);
    }
    for (int i = 0; i < COUNT; i++) eddy_timer_stop(&timers[i]);
    expect_sleep("cancelled timers");
    ck_assert_uint_eq(spent().timers, 1); /* the rest's own end */
    test_loop_close(loop);
}
END_TEST

/* A thousand deadlines, 20 us apart: a wait for each at most, and each of them ends with a timer.
 */
START_TEST(a_storm_of_timers_costs_a_wait_each_at_most) {
    loop = test_loop_open();
    enum { COUNT = 1000 };
    static eddy_timer timers[COUNT];
    mark();
    for (int i = 0; i < COUNT; i++) {
        eddy_timer_init(&timers[i], loop);
        ck_assert_int_eq(eddy_timer_start(&timers[i], on_timer, i * 20 * EDDY_NS_PER_US, 0), 0);
    }
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_uint_eq(spent().timers, COUNT);
    expect_budget("a storm of timers", COUNT, COUNT);
    mark();
    int64_t due_ns = eddy_loop_now_ns(loop) + 200 * EDDY_NS_PER_MS;
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(eddy_timer_start_at(&timers[i], on_timer, due_ns, 0), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    expect_budget("as many at one time", 4, 4); /* timers_per_turn is 256 */
    test_loop_close(loop);
}
END_TEST

/* Pushed away, as idle time-outs are with each message: no wake-up at the time that they first had.
 */
START_TEST(a_deadline_pushed_away_costs_nothing) {
    loop = test_loop_open();
    enum { COUNT = 20 };
    eddy_timer timers[COUNT];
    for (int i = 0; i < COUNT; i++) {
        eddy_timer_init(&timers[i], loop);
        int64_t delay_ns = (2 * i + 1) * EDDY_NS_PER_MS;
        ck_assert_int_eq(eddy_timer_start(&timers[i], on_timer, delay_ns, 0), 0);
        ck_assert_int_eq(eddy_timer_start(&timers[i], on_timer, 3600 * EDDY_NS_PER_S, 0), 0);
    }
    expect_sleep("deadlines pushed away");
    for (int i = 0; i < COUNT; i++) eddy_timer_stop(&timers[i]);
    test_loop_close(loop);
}
END_TEST

static unsigned wakes;

static void on_wake(eddy_wake *wake) {
    (void)wake;
    wakes++;
}

/* Sends to a stopped wake are lost before they reach the pipe; sends before the call are one. */
START_TEST(a_stopped_wake_costs_nothing_and_many_sends_cost_one_wait) {
    loop = test_loop_open();
    eddy_wake wake;
    wakes = 0;
    eddy_wake_init(&wake, loop);
    ck_assert_int_eq(eddy_wake_start(&wake, on_wake), 0);
    mark();
    for (int i = 0; i < 100; i++) eddy_wake_send(&wake);
    turns(1);
    expect_budget("a hundred sends", 1, 0);
    ck_assert_uint_eq(wakes, 1);
    ck_assert_uint_eq(spent().wake_reads, test_wake_reads());
    eddy_wake_stop(&wake);
    for (int i = 0; i < 100; i++) eddy_wake_send(&wake);
    expect_sleep("a stopped wake");
    ck_assert_uint_eq(spent().wake_reads, 0);
    test_loop_close(loop);
}
END_TEST

/* --- Descriptors --- */

static bool at_end;

static void read_to_the_end(eddy_io *io, unsigned events) {
    (void)events;
    drain(eddy_io_fd(io), &at_end);
    if (at_end) ck_assert_int_eq(eddy_io_change(io, 0), 0);
}

/* What is left after the data is a hang-up, which some kernels tell whatever one asks for. */
START_TEST(a_drained_pipe_with_a_hangup_costs_one_wait_and_then_none) {
    loop = test_loop_open();
    int ends[2];
    test_pipe(ends);
    put(ends[1], "the last words");
    close(ends[1]);
    eddy_io io;
    at_end = false;
    eddy_io_init(&io, loop);
    ck_assert_int_eq(eddy_io_start(&io, read_to_the_end, ends[0], EDDY_READ), 0);
    mark();
    turns(1);
    ck_assert(at_end);
    expect_budget("a drained pipe", 1, 0);
    expect_rest("a drained pipe");
    eddy_io_stop(&io);
    close(ends[0]);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_paused_stream_whose_peer_has_reset_costs_nothing) {
    loop = test_loop_open();
    struct end end;
    int peer = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    turns(1);
    eddy_stream_read_stop(&end.stream);
    reset_plain(peer);
    expect_rest("a paused stream");
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

static char big[1 << 20];

/* The queue waits for a peer that does not read; and when it is empty nobody waits to write. */
START_TEST(a_queue_of_writes_costs_nothing_while_it_waits_and_when_it_is_empty) {
    loop = test_loop_open();
    struct end end;
    eddy_write write;
    uint64_t sum = 0;
    bool ended;
    int peer = end_connect_narrow(&end, loop);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    ck_assert_int_eq(eddy_stream_write(&end.stream, &write, big, sizeof big, end_on_written), 0);
    turns(1);
    expect_rest("a queue that waits");
    mark();
    int drains = 0;
    while (end.written == 0) {
        drains += drain_plain(peer, &sum, &ended) > 0;
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    }
    expect_budget("a queue that is sent", (uint64_t)drains, 0);
    drain_plain(peer, &sum, &ended);
    expect_rest("a queue that is empty");
    close(peer);
    end_close(&end);
    test_loop_close(loop);
}
END_TEST

/* --- Listeners --- */

static eddy_listener listener;
static struct sockaddr_storage address;
static socklen_t address_length;
static struct end served;

static void listen_with(eddy_accept_fn *fn) {
    eddy_listener_init(&listener, loop);
    address_length = loopback(&address, AF_INET);
    ck_assert_int_eq(
        eddy_tcp_listen(&listener, (struct sockaddr *)&address, address_length, 0, 0, fn), 0);
    ck_assert_int_eq(eddy_listener_address(&listener, (struct sockaddr *)&address, &address_length),
                     0);
}

static int kept[64], kept_count;

static void keep(eddy_listener *it, int fd, const struct sockaddr *peer) {
    (void)it, (void)peer;
    ck_assert_int_ge(fd, 0);
    kept[kept_count++] = fd;
}

/* Out of descriptors with clients at the door: each pause sheds one, at two waits a pause. */
START_TEST(a_listener_without_descriptors_costs_two_waits_a_pause) {
    loop = test_loop_open();
    enum { CLIENTS = 30 };
    int clients[CLIENTS];
    kept_count = 0;
    listen_with(keep);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(clients[i], 0);
        (void)connect(clients[i], (struct sockaddr *)&address, address_length);
    }
    struct rlimit usual, least;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
    least = usual;
    least.rlim_cur = (rlim_t)clients[CLIENTS - 1] + 3;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &least), 0);
    mark();
    while (spent().accepts_shed < 3) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    expect_budget("three pauses", 6, 2); /* a pause ends with a timer, which is an empty wait */
    ck_assert_uint_ge(spent().timers, 2);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
    ck_assert_int_eq(eddy_listener_close(&listener, NULL), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    for (int i = 0; i < kept_count; i++) close(kept[i]);
    for (int i = 0; i < CLIENTS; i++) close(clients[i]);
    test_loop_close(loop);
}
END_TEST

/* --- Connections --- */

static eddy_write echo_write;
static char echo_bytes[64];

static void echo(eddy_stream *stream, void *data, ssize_t size) {
    if (size <= 0) {
        end_on_read(stream, data, size);
        ck_assert_int_eq(eddy_stream_close(stream, end_on_close), 0);
        return;
    }
    ck_assert_uint_le((size_t)size, sizeof echo_bytes);
    memcpy(echo_bytes, data, (size_t)size);
    ck_assert_int_eq(
        eddy_stream_write(stream, &echo_write, echo_bytes, (size_t)size, end_on_written), 0);
}

static int messages_left;
static eddy_write ask_write;

static void ask_again(eddy_stream *stream, void *data, ssize_t size) {
    end_on_read(stream, data, size);
    if (--messages_left > 0)
        ck_assert_int_eq(eddy_stream_write(stream, &ask_write, "message", 7, end_on_written), 0);
    else
        ck_assert_int_eq(eddy_stream_close(stream, end_on_close), 0);
}

/* Both ends on one loop, a message at a time: a wait for each way. */
START_TEST(an_echo_of_a_hundred_messages_costs_two_waits_each) {
    loop = test_loop_open();
    struct end client, server;
    end_connect_both(&client, loop, &server, loop);
    ck_assert_int_eq(eddy_stream_read_start(&server.stream, echo), 0);
    ck_assert_int_eq(eddy_stream_read_start(&client.stream, ask_again), 0);
    messages_left = 100;
    ck_assert_int_eq(eddy_stream_write(&client.stream, &ask_write, "message", 7, end_on_written),
                     0);
    mark();
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_uint_eq(client.received, 700);
    ck_assert(client.closed && server.closed);
    /* One more finds nothing, since the first message goes out at the end of a turn; one more
     * brings the end. */
    expect_budget("a hundred messages", 202, 1);
    test_loop_close(loop);
}
END_TEST

static void serve_one(eddy_listener *it, int fd, const struct sockaddr *peer) {
    (void)peer;
    end_init(&served, loop);
    ck_assert_int_eq(eddy_stream_attach(&served.stream, fd), 0);
    ck_assert_int_eq(eddy_stream_read_start(&served.stream, echo), 0);
    ck_assert_int_eq(eddy_listener_close(it, NULL), 0);
}

static void ask_once_connected(eddy_stream *stream, int status) {
    ck_assert_int_eq(status, 0);
    messages_left = 1;
    ck_assert_int_eq(eddy_stream_read_start(stream, ask_again), 0);
    ck_assert_int_eq(eddy_stream_write(stream, &ask_write, "message", 7, end_on_written), 0);
}

/* Connect and accept, the question, the answer, the end: a wait each, and one to spare for a kernel
 * that tells both ends of a connection apart. */
START_TEST(connect_exchange_and_close_cost_a_wait_a_step) {
    loop = test_loop_open();
    struct end client;
    listen_with(serve_one);
    end_init(&client, loop);
    mark();
    ck_assert_int_eq(eddy_tcp_connect(&client.stream, (struct sockaddr *)&address, address_length,
                                      0, ask_once_connected),
                     0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_uint_eq(client.received, 7);
    ck_assert(client.closed && served.closed);
    expect_budget("a connection", 5, 0);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("budgets");
    ck_add(suite, "timers", an_idle_loop_with_a_far_timer_sleeps, a_cancelled_timer_costs_nothing,
           a_storm_of_timers_costs_a_wait_each_at_most, a_deadline_pushed_away_costs_nothing,
           a_stopped_wake_costs_nothing_and_many_sends_cost_one_wait);
    ck_add(suite, "descriptors", a_drained_pipe_with_a_hangup_costs_one_wait_and_then_none,
           a_paused_stream_whose_peer_has_reset_costs_nothing,
           a_queue_of_writes_costs_nothing_while_it_waits_and_when_it_is_empty,
           a_listener_without_descriptors_costs_two_waits_a_pause);
    ck_add(suite, "connections", an_echo_of_a_hundred_messages_costs_two_waits_each,
           connect_exchange_and_close_cost_a_wait_a_step);
    return suite;
}
