/* cares.c: look-ups through the adapter, from a name server of the test's own on loopback. */
#include <eddy/adapter/cares.h>

#include "watched.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

struct ask {
    int done, status, addresses;
    char first[INET_ADDRSTRLEN];
    unsigned order; /* of the callbacks, from 1 */
    int64_t asked_ns, told_ns;
    void (*on_done)(struct ask *ask);
};

static eddy_ares ares;
static struct ask asks[400];
static unsigned answers;
static int server_port;

/* --- The name server --- */

/* One for all tests: it ends when this program has ended, and with it the last one that holds the
 * other end of its input. */
static void server_start(void) {
    int in[2], out[2];
    char text[16] = "";
    if (pipe(in) < 0 || pipe(out) < 0) abort();
    pid_t server = fork();
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[1]);
        execlp("python3", "python3", DNS_SERVER, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    if (server < 0 || read(out[0], text, sizeof text - 1) <= 1) abort();
    close(out[0]);
    server_port = atoi(text);
}

/* --- Channels --- */

static int note_socket(ares_socket_t fd, int type, void *context) {
    (void)type, (void)context;
    watched_opened(fd);
    return 0;
}

/* Asks the servers of `list`, or else that of the test, with so much time for each try. */
static void channel_open(const char *list, int timeout_ms, int tries) {
    char own[64];
    struct ares_options options = {.timeout = timeout_ms, .tries = tries, .lookups = own};
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS;
    snprintf(own, sizeof own, "b"); /* no /etc/hosts */
    ck_assert_int_eq(eddy_ares_open(&ares, loop, &options, mask), ARES_SUCCESS);
    snprintf(own, sizeof own, "127.0.0.1:%d", server_port);
    ares_set_socket_configure_callback(eddy_ares_channel(&ares), note_socket, NULL);
    ck_assert_int_eq(
        ares_set_servers_ports_csv(eddy_ares_channel(&ares), list != NULL ? list : own),
        ARES_SUCCESS);
}

static void open_all(int timeout_ms, int tries) {
    ck_assert_int_eq(ares_library_init(ARES_LIB_INIT_ALL), ARES_SUCCESS);
    watched_open();
    memset(asks, 0, sizeof asks);
    answers = 0;
    channel_open(NULL, timeout_ms, tries);
}

static int closed;

static void on_closed(eddy_ares *it) {
    ck_assert_ptr_eq(it, &ares);
    memset(it, 0xee, sizeof *it);
    closed++;
}

static void close_rest(void) {
    run_out();
    ck_assert_int_eq(closed, 1);
    watched_close();
    ares_library_cleanup();
}

static void close_all(void) {
    closed = 0;
    ck_assert_int_eq(eddy_ares_close(&ares, on_closed), 0);
    ck_assert_int_eq(eddy_ares_close(&ares, on_closed), -EALREADY);
    ck_assert_int_eq(closed, 0);
    close_rest();
}

static void on_answer(void *context, int status, int timeouts, struct ares_addrinfo *result) {
    struct ask *ask = context;
    (void)timeouts;
    ask->done++;
    ask->status = status;
    ask->order = ++answers;
    ask->told_ns = test_now_ns();
    for (struct ares_addrinfo_node *it = result != NULL ? result->nodes : NULL; it != NULL;
         it = it->ai_next) {
        if (ask->addresses++ > 0) continue;
        const struct sockaddr_in *address = (const void *)it->ai_addr;
        inet_ntop(AF_INET, &address->sin_addr, ask->first, sizeof ask->first);
    }
    if (result != NULL) ares_freeaddrinfo(result);
    if (ask->on_done != NULL) ask->on_done(ask);
}

static void ask(int place, const char *name) {
    struct ares_addrinfo_hints hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    asks[place].asked_ns = test_now_ns();
    ares_getaddrinfo(eddy_ares_channel(&ares), name, NULL, &hints, on_answer, &asks[place]);
}

static void expect(int place, int status) {
    ck_assert_int_eq(asks[place].done, 1);
    ck_assert_int_eq(asks[place].status, status);
}

/* --- Answers --- */

/* It keeps the loop alive until it is told, and no longer. */
START_TEST(a_name_is_found) {
    open_all(5000, 2);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert(!eddy_loop_is_alive(loop));
    ask(0, "a7.test");
    ck_assert_int_eq(asks[0].done, 0);
    run_out();
    expect(0, ARES_SUCCESS);
    ck_assert_str_eq(asks[0].first, "10.0.0.7");
    ask(1, "alias.test");
    run_out();
    ck_assert_str_eq(asks[1].first, "10.0.0.1");
    close_all();
}
END_TEST

START_TEST(three_hundred_names_are_asked_for_at_once) {
    open_all(5000, 4);
    char name[32];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "a%d.test", i);
        ask(i, name);
    }
    run_out();
    for (int i = 0; i < 300; i++) {
        expect(i, ARES_SUCCESS);
        snprintf(name, sizeof name, "10.0.%d.%d", i / 256, i % 256);
        ck_assert_str_eq(asks[i].first, name);
    }
    close_all();
}
END_TEST

START_TEST(errors_are_told_apart) {
    open_all(5000, 1);
    ask(0, "missing.test");
    ask(1, "broken.test");
    ask(2, "a1.test");
    run_out();
    expect(0, ARES_ENOTFOUND);
    if (asks[1].status != ARES_ECONNREFUSED) expect(1, ARES_ESERVFAIL); /* as 1.18 says */
    expect(2, ARES_SUCCESS);
    close_all();
}
END_TEST

/* Told inside the call. */
START_TEST(what_is_known_at_once_does_not_keep_the_loop_alive) {
    open_all(5000, 1);
    ask(0, "127.0.0.9");
    expect(0, ARES_SUCCESS);
    ck_assert_str_eq(asks[0].first, "127.0.0.9");
    run_out();
    ck_assert_int_eq(sockets_opened, 0);
    close_all();
}
END_TEST

START_TEST(late_answers_hold_up_no_others) {
    open_all(5000, 1);
    ask(0, "late-150.test");
    ask(1, "late-50.test");
    ask(2, "a1.test");
    run_out();
    for (int i = 0; i < 3; i++) expect(i, ARES_SUCCESS);
    ck_assert_uint_eq(asks[0].order, 3);
    ck_assert_uint_eq(asks[2].order, 1);
    close_all();
}
END_TEST

/* It does not fit a datagram. In pieces (scylladb/seastar#3473), too. */
START_TEST(a_truncated_answer_is_fetched_over_tcp) {
    open_all(60 * 1000, 2);
    ask(0, "big.test");
    run_out();
    ask(1, "split.test");
    run_out();
    for (int i = 0; i < 2; i++) expect(i, ARES_SUCCESS);
    for (int i = 0; i < 2; i++) ck_assert_int_eq(asks[i].addresses, 40);
    close_all();
}
END_TEST

/* --- Servers that do not answer --- */

START_TEST(a_silent_server_is_a_time_out) {
    open_all(50, 2);
    ask(0, "silent.test");
    ask(1, "a1.test");
    run_out();
    expect(0, ARES_ETIMEOUT);
    expect(1, ARES_SUCCESS);
    ck_assert_int_ge(asks[0].told_ns - asks[0].asked_ns, 100 * EDDY_NS_PER_MS);
    close_all();
}
END_TEST

static eddy_timer later;

static void ask_later(eddy_timer *timer) {
    (void)timer;
    ask(1, "silent.test");
}

/* The one that was asked later is not told with the first. */
START_TEST(each_query_has_its_own_time_out) {
    open_all(300, 1);
    eddy_timer_init(&later, loop);
    ck_assert_int_eq(eddy_timer_start(&later, ask_later, 100 * EDDY_NS_PER_MS, 0), 0);
    ask(0, "silent.test");
    run_out();
    for (int i = 0; i < 2; i++) {
        expect(i, ARES_ETIMEOUT);
        ck_assert_int_ge(asks[i].told_ns - asks[i].asked_ns, 300 * EDDY_NS_PER_MS);
    }
    ck_assert_int_gt(asks[1].told_ns, asks[0].told_ns);
    close_all();
}
END_TEST

/* Nobody listens at the first one, which an ICMP message tells. */
START_TEST(the_next_server_is_asked_when_the_first_one_refuses) {
    open_all(5000, 1);
    char list[64];
    closed = 0;
    ck_assert_int_eq(eddy_ares_close(&ares, on_closed), 0);
    run_out();
    snprintf(list, sizeof list, "127.0.0.2:9,127.0.0.1:%d", server_port);
    channel_open(list, 5000, 1);
    ask(0, "a3.test");
    run_out();
    expect(0, ARES_SUCCESS);
    closed = 0;
    ck_assert_int_eq(eddy_ares_close(&ares, on_closed), 0);
    run_out();
    channel_open("127.0.0.2:9", 5000, 1);
    ask(1, "a3.test");
    run_out();
    expect(1, ARES_ECONNREFUSED);
    close_all();
}
END_TEST

/* --- Cancel and close --- */

START_TEST(all_queries_are_cancelled) {
    open_all(5000, 2);
    for (int i = 0; i < 5; i++) ask(i, "silent.test");
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    eddy_ares_cancel(&ares);
    ck_assert_int_eq(asks[0].done, 0);
    run_out();
    for (int i = 0; i < 5; i++) expect(i, ARES_ECANCELLED);
    ask(5, "a1.test");
    run_out();
    expect(5, ARES_SUCCESS);
    close_all();
}
END_TEST

static void cancel_all(struct ask *it) {
    (void)it;
    eddy_ares_cancel(&ares);
}

START_TEST(queries_are_cancelled_in_a_callback) {
    open_all(100, 1);
    for (int i = 0; i < 8; i++) {
        asks[i].on_done = cancel_all;
        ask(i, i == 7 ? "a1.test" : "silent.test");
    }
    run_out();
    expect(7, ARES_SUCCESS);
    for (int i = 0; i < 7; i++) expect(i, ARES_ECANCELLED);
    memset(asks, 0, sizeof asks);
    for (int i = 0; i < 8; i++) { /* all of them end by the same time-out */
        asks[i].on_done = cancel_all;
        ask(i, "silent.test");
    }
    run_out();
    for (int i = 0; i < 8; i++) ck_assert_int_eq(asks[i].done, 1);
    close_all();
}
END_TEST

START_TEST(queries_in_flight_are_told_when_the_channel_is_closed) {
    open_all(5000, 2);
    for (int i = 0; i < 5; i++) ask(i, "silent.test");
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    close_all();
    for (int i = 0; i < 5; i++) expect(i, ARES_EDESTRUCTION);
}
END_TEST

static void close_channel(struct ask *it) {
    it->on_done = NULL;
    ck_assert_int_eq(eddy_ares_close(&ares, on_closed), 0);
}

START_TEST(the_channel_is_closed_in_a_callback) {
    open_all(5000, 2);
    closed = 0;
    asks[0].on_done = close_channel;
    ask(0, "a1.test");
    for (int i = 1; i < 5; i++) ask(i, "silent.test");
    close_rest();
    expect(0, ARES_SUCCESS);
    for (int i = 1; i < 5; i++) expect(i, ARES_EDESTRUCTION);
}
END_TEST

static void open_again(eddy_ares *it) {
    on_closed(it);
    channel_open(NULL, 5000, 2);
    ask(1, "a2.test");
}

START_TEST(the_channel_is_opened_anew_when_it_has_been_closed) {
    open_all(5000, 2);
    ask(0, "silent.test");
    ck_assert_int_eq(eddy_ares_close(&ares, open_again), 0);
    run_out();
    expect(0, ARES_EDESTRUCTION);
    expect(1, ARES_SUCCESS);
    close_all();
}
END_TEST

/* --- What the loop cannot give --- */

/* No memory for a watcher: told at once, and not by a time-out of a minute. */
START_TEST(a_query_fails_at_once_whose_socket_cannot_be_watched) {
    open_all(5000, 1);
    closed = 0;
    ck_assert_int_eq(eddy_ares_close(&ares, NULL), 0);
    run_out();
    watched_close();
    struct watched_refusal refusal = {sizeof(eddy_ares_socket), 1};
    eddy_allocator allocator = {.resize = watched_resize, .context = &refusal};
    watched_open_with(&allocator);
    channel_open(NULL, 60 * 1000, 1);
    ask(0, "a1.test");
    run_out();
    ck_assert_int_eq(asks[0].done, 1);
    ck_assert_int_ne(asks[0].status, ARES_SUCCESS);
    ck_assert_int_ne(asks[0].status, ARES_ETIMEOUT);
    ask(1, "a1.test");
    run_out();
    expect(1, ARES_SUCCESS);
    close_all();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("c-ares");
    server_start();
    ck_add(suite, "answers", a_name_is_found, three_hundred_names_are_asked_for_at_once,
           errors_are_told_apart, what_is_known_at_once_does_not_keep_the_loop_alive,
           late_answers_hold_up_no_others, a_truncated_answer_is_fetched_over_tcp);
    ck_add(suite, "silence", a_silent_server_is_a_time_out, each_query_has_its_own_time_out,
           the_next_server_is_asked_when_the_first_one_refuses);
    ck_add(suite, "ends", all_queries_are_cancelled, queries_are_cancelled_in_a_callback,
           queries_in_flight_are_told_when_the_channel_is_closed,
           the_channel_is_closed_in_a_callback, the_channel_is_opened_anew_when_it_has_been_closed,
           a_query_fails_at_once_whose_socket_cannot_be_watched);
    return suite;
}
