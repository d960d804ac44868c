/* eddy serve among its clients: many at once, slow ones, too many, and the end. */
#include "client.h"

#include <sys/resource.h>

static char root[128];

static void setup(void) {
    make_tree(root);
    make_pattern(root, "file.txt", 1000);
    make_pattern(root, "large", 16 << 20);
}

static void teardown(void) {
    remove_tree(root);
}

static void get_file(struct client *client) {
    client_send(client, "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n");
    struct reply *reply = client_read(client, false);
    ck_assert_int_eq(reply->status, 200);
    expect_body(reply, 0, 1000);
    reply_free(reply);
}

/* Begins to fetch the large file and reads its head. */
static struct client *begin_large(unsigned port, struct reply *reply) {
    struct client *client = client_open(port);
    int small = 16 * 1024;
    setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    client_send(client, "GET /large HTTP/1.1\r\nHost: t\r\n\r\n");
    ck_assert(client_read_head(client, reply));
    ck_assert_int_eq(reply->status, 200);
    return client;
}

static void finish_large(struct client *client, struct reply *reply) {
    client_read_body(client, reply);
    expect_body(reply, 0, 16 << 20);
    free(reply->body);
    client_close(client);
}

/* --- The end --- */

static void expect_gone(struct client *client, bool may_be_reset) {
    ssize_t result = client_receive(client);
    ck_assert(result == 0 || (may_be_reset && result == -ECONNRESET));
}

/* A running transfer is finished; idle and half-asked connections end at once, and so does
 * listening. */
static void stop_during_a_transfer(int number, const char *const *options) {
    struct program program = serve_start(root, options);
    static struct reply reply;
    struct client *idle = client_open(program.port);
    struct client *partial = client_open(program.port);
    struct client *fresh = client_open(program.port);
    get_file(idle);
    client_send(partial, "GET /file.txt HTTP/1.1\r\n");
    get_file(idle); /* by now the part has been read */
    struct client *client = begin_large(program.port, &reply);
    ck_assert_int_eq(kill(program.pid, number), 0);
    client_expect_end(idle);
    /* Another loop may not have come to accept or read them yet: then the kernel resets them. */
    bool may_be_unread = options != NULL;
    expect_gone(partial, may_be_unread);
    expect_gone(fresh, may_be_unread);
    for (int i = 0; i < 500 && can_connect(program.port); i++) poll(NULL, 0, 10);
    ck_assert(!can_connect(program.port));
    finish_large(client, &reply);
    client_close(idle);
    client_close(partial);
    client_close(fresh);
    ck_assert_int_eq(program_wait(&program), 0);
}

START_TEST(sigterm_lets_a_transfer_finish) {
    stop_during_a_transfer(SIGTERM, NULL);
}
END_TEST

START_TEST(sigint_lets_a_transfer_finish) {
    stop_during_a_transfer(SIGINT, NULL);
}
END_TEST

/* A parent that blocks signals hands that on by exec. */
START_TEST(signals_that_were_blocked_by_the_parent_are_heard) {
    sigset_t blocked, before;
    sigfillset(&blocked);
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, &blocked, &before), 0);
    struct program program = serve_start(root, NULL);
    ck_assert_int_eq(sigprocmask(SIG_SETMASK, &before, NULL), 0);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

START_TEST(all_loops_let_transfers_finish) {
    stop_during_a_transfer(SIGTERM, (const char *[]){"--loops", "3", NULL});
}
END_TEST

/* A second signal does not wait for a client that takes nothing. */
START_TEST(a_second_signal_ends_at_once) {
    static struct reply reply;
    struct program program = serve_start(root, (const char *[]){"--loops", "2", NULL});
    struct client *client = begin_large(program.port, &reply);
    ck_assert_int_eq(kill(program.pid, SIGTERM), 0);
    for (int i = 0; i < 500 && can_connect(program.port); i++) poll(NULL, 0, 10);
    int64_t start_ns = test_now_ns();
    ck_assert_int_eq(program_stop(&program, SIGINT), 0);
    ck_assert_int_lt(test_now_ns() - start_ns, 5 * EDDY_NS_PER_S);
    client_close(client);
}
END_TEST

/* --- Many --- */

enum { MANY = 1000 };

struct many {
    int fd;
    size_t used;
    char answer[2048];
};

static int connect_many(unsigned port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(fd, 0);
    int result = connect(fd, (struct sockaddr *)&address, sizeof address);
    ck_assert(result == 0 || errno == EINPROGRESS);
    return fd;
}

static const char many_request[] = "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n";

/* Moves each client on until all that `wanted` says has happened: POLLOUT, it can send; POLLIN, it
 * has its answer. */
static void move_many(struct many *clients, struct pollfd *ready, short wanted) {
    int64_t end_ns = test_now_ns() + 50 * EDDY_NS_PER_S;
    unsigned left = MANY;
    for (int i = 0; i < MANY; i++) ready[i] = (struct pollfd){clients[i].fd, wanted, 0};
    while (left > 0) {
        if (test_now_ns() > end_ns) ck_abort_msg("%u of the clients got no answer", left);
        if (poll(ready, MANY, 1000) < 0) ck_abort_msg("poll: %s", strerror(errno));
        for (int i = 0; i < MANY; i++) {
            struct many *it = &clients[i];
            if (ready[i].fd < 0 || ready[i].revents == 0) continue;
            if (wanted == POLLIN) {
                ssize_t got = recv(it->fd, it->answer + it->used, sizeof it->answer - it->used, 0);
                if (got <= 0) ck_abort_msg("client %d gets no answer: %s", i, strerror(errno));
                it->used += (size_t)got;
                const char *end = memmem(it->answer, it->used, "\r\n\r\n", 4);
                if (end == NULL || it->answer + it->used < end + 4 + 1000) continue;
                if (strncmp(it->answer, "HTTP/1.1 200 ", 13) != 0) ck_abort_msg("%s", it->answer);
                expect_pattern(end + 4, 0, 1000);
            }
            ready[i].fd = -1;
            left--;
        }
    }
}

static void send_many(struct many *clients, const char *bytes, size_t length) {
    for (int i = 0; i < MANY; i++)
        if (send(clients[i].fd, bytes, length, MSG_NOSIGNAL) != (ssize_t)length)
            ck_abort_msg("client %d cannot send: %s", i, strerror(errno));
}

/* A thousand clients, all connected before the first has asked. */
static void serve_a_thousand(const char *const *options) {
    struct rlimit limit = {MANY + 200, MANY + 200};
    struct rlimit old;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    limit.rlim_max = old.rlim_max;
    if (old.rlim_max < 2 * MANY + 200) return; /* the server needs two for each */
    if (old.rlim_cur < limit.rlim_cur) setrlimit(RLIMIT_NOFILE, &limit);
    struct program program = serve_start(root, options);
    struct many *clients = calloc(MANY, sizeof *clients);
    struct pollfd *ready = calloc(MANY, sizeof *ready);
    ck_assert(clients != NULL && ready != NULL);
    for (int i = 0; i < MANY; i++) clients[i].fd = connect_many(program.port);
    move_many(clients, ready, POLLOUT);
    send_many(clients, many_request, sizeof many_request - 2);
    send_many(clients, "\n", 1);
    move_many(clients, ready, POLLIN);
    for (int i = 0; i < MANY; i++) close(clients[i].fd);
    free(clients);
    free(ready);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}

START_TEST(a_thousand_clients_at_once_are_served) {
    serve_a_thousand(NULL);
}
END_TEST

START_TEST(a_thousand_clients_at_once_are_served_by_three_loops) {
    serve_a_thousand((const char *[]){"--loops", "3", NULL});
}
END_TEST

/* --- Limits --- */

/* With all places taken a client waits until one leaves, and is then served. */
START_TEST(a_client_beyond_the_limit_waits_for_a_place) {
    struct program program = serve_start(root, (const char *[]){"--max-connections", "2", NULL});
    struct client *clients[3];
    for (int i = 0; i < 3; i++) clients[i] = client_open(program.port);
    /* The first two are admitted, but ask nothing; so the third one's answer has to wait. */
    client_send(clients[2], "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n");
    struct pollfd ready = {clients[2]->fd, POLLIN, 0};
    ck_assert_int_eq(poll(&ready, 1, 300), 0);
    client_close(clients[0]);
    struct reply *reply = client_read(clients[2], false);
    ck_assert_int_eq(reply->status, 200);
    reply_free(reply);
    client_close(clients[1]);
    client_close(clients[2]);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* One that has been served and idles makes room at once. */
START_TEST(an_idle_client_makes_room_for_a_new_one) {
    struct program program = serve_start(root, (const char *[]){"--max-connections", "2", NULL});
    struct client *idle = client_open(program.port);
    get_file(idle);
    struct client *second = client_open(program.port), *third = client_open(program.port);
    get_file(third); /* which has not said anything before the second had its chance */
    client_expect_end(idle);
    for (int i = 0; i < 50; i++) {
        struct client *client = client_open(program.port);
        get_file(client);
        client_close(client);
    }
    client_close(idle);
    client_close(second);
    client_close(third);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* Until the server has seen that the others left, it may shed a client that comes. */
static bool is_served(unsigned port) {
    struct client *client = client_open(port);
    static const char request[] = "GET /file.txt HTTP/1.1\r\nHost: t\r\n\r\n";
    (void)!send(client->fd, request, sizeof request - 1, MSG_NOSIGNAL);
    bool result = client_receive(client) > 0;
    client_close(client);
    return result;
}

/* Out of descriptors: clients that cannot be served are told or wait, and when there are some again
 * everybody is served as before. */
START_TEST(a_shortage_of_descriptors_passes) {
    enum { CLIENTS = 60 };
    descriptors_allowed = 40;
    struct program program = serve_start(root, (const char *[]){"--max-connections", "1000", NULL});
    struct client *clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) clients[i] = client_open(program.port);
    poll(NULL, 0, 300);
    for (int i = 0; i < CLIENTS; i++) client_close(clients[i]);
    for (int i = 0; i < 1000 && !is_served(program.port); i++) poll(NULL, 0, 10);
    struct client *client = client_open(program.port);
    get_file(client);
    client_close(client);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* If nobody says how many clients, a small limit of descriptors does: all are served, in turn. */
START_TEST(few_descriptors_serve_many_clients) {
    enum { CLIENTS = 40 };
    descriptors_allowed = 24;
    struct program program = serve_start(root, (const char *[]){NULL});
    struct client *clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = client_open(program.port);
        client_send(clients[i], "GET /file.txt HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    }
    for (int i = 0; i < CLIENTS; i++) {
        struct reply *reply = client_read(clients[i], false);
        ck_assert_int_eq(reply->status, 200);
        reply_free(reply);
        client_close(clients[i]);
    }
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
    descriptors_allowed = 0;
}
END_TEST

/* --- Time --- */

/* A byte now and then does not push the deadline of a head away: 408 about a second after its first
 * byte. */
START_TEST(a_slow_head_is_given_up) {
    struct program program = serve_start(root, (const char *[]){"--timeout", "1", NULL});
    static const char request[] = "GET /file.txt HTTP/1.1\r\nHost: test\r\nPadding: aaaaaaaaaaaaaa";
    struct client *client = client_open(program.port);
    int64_t start_ns = test_now_ns();
    struct pollfd ready = {client->fd, POLLIN, 0};
    for (size_t i = 0; i < sizeof request - 1; i++) {
        client_send_bytes(client, request + i, 1);
        if (poll(&ready, 1, 100) == 1) break;
    }
    struct reply *reply = client_read(client, false);
    int64_t time_ns = test_now_ns() - start_ns;
    ck_assert_int_eq(reply->status, 408);
    ck_assert(reply_header_is(reply, "Connection", "close"));
    reply_free(reply);
    client_expect_end(client);
    client_close(client);
    ck_assert_int_ge(time_ns, EDDY_NS_PER_S - 20 * EDDY_NS_PER_MS);
    ck_assert_int_lt(time_ns, 4 * EDDY_NS_PER_S);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* A client that asks nothing, or nothing more, is sent away without a word. */
START_TEST(idle_clients_are_sent_away) {
    struct program program = serve_start(root, (const char *[]){"--timeout", "1", NULL});
    struct client *silent = client_open(program.port);
    struct client *idle = client_open(program.port);
    get_file(idle);
    int64_t start_ns = test_now_ns();
    client_expect_end(silent);
    client_expect_end(idle);
    ck_assert_int_lt(test_now_ns() - start_ns, 4 * EDDY_NS_PER_S);
    client_close(silent);
    client_close(idle);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* A client that takes no byte of an answer for so long is given up; one that takes some, slowly, is
 * not. */
START_TEST(a_client_that_takes_nothing_is_given_up) {
    static struct reply stalled_reply, slow_reply;
    struct program program = serve_start(root, (const char *[]){"--timeout", "1", NULL});
    struct client *stalled = begin_large(program.port, &stalled_reply);
    struct client *slow = begin_large(program.port, &slow_reply);
    char bytes[512 * 1024];
    size_t taken = 0, buffered = slow->used - slow->start;
    for (int i = 0; i < 25; i++) {
        poll(NULL, 0, 100);
        ssize_t got = recv(slow->fd, bytes, sizeof bytes, 0);
        if (got <= 0) ck_abort_msg("the slow client was given up");
        taken += (size_t)got;
    }
    while (buffered + taken < 16 << 20) {
        ssize_t got = recv(slow->fd, bytes, sizeof bytes, 0);
        if (got <= 0) ck_abort_msg("the slow client was given up");
        taken += (size_t)got;
    }
    ssize_t got;
    size_t stalled_taken = 0;
    do {
        stalled->start = stalled->used;
        got = client_receive(stalled);
        stalled_taken += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    ck_assert_uint_lt(stalled_taken, 16 << 20);
    client_close(stalled);
    client_close(slow);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* A transfer that takes longer than the time-out, with a client that takes it, is finished, and the
 * connection goes on. */
START_TEST(a_long_transfer_does_not_time_out) {
    static struct reply reply;
    struct program program = serve_start(root, (const char *[]){"--timeout", "1", NULL});
    struct client *client = begin_large(program.port, &reply);
    size_t left = (size_t)reply.length - (client->used - client->start);
    client->start = client->used;
    char bytes[1024 * 1024];
    int pauses = 0;
    while (left > 0) {
        ssize_t got = recv(client->fd, bytes, left < sizeof bytes ? left : sizeof bytes, 0);
        if (got <= 0) ck_abort_msg("the transfer ends early");
        left -= (size_t)got;
        if (pauses++ < 10) poll(NULL, 0, 200);
    }
    get_file(client);
    client_close(client);
    ck_assert_int_eq(program_stop(&program, SIGTERM), 0);
}
END_TEST

/* --- What is printed --- */

/* --quiet prints nothing. */
START_TEST(quiet_is_quiet) {
    char text[256];
    const char *arguments[] = {"serve", "--quiet", "--port", "0", root, NULL};
    struct program program = program_start(arguments);
    poll(NULL, 0, 300);
    ck_assert_int_eq(kill(program.pid, SIGTERM), 0);
    ck_assert_uint_eq(read_text(program.out, text, sizeof text, false), 0);
    ck_assert_uint_eq(read_text(program.err, text, sizeof text, false), 0);
    ck_assert_int_eq(program_wait(&program), 0);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("life");
    const TTest *const tests[] = {
        sigterm_lets_a_transfer_finish,
        sigint_lets_a_transfer_finish,
        signals_that_were_blocked_by_the_parent_are_heard,
        all_loops_let_transfers_finish,
        a_second_signal_ends_at_once,
        a_thousand_clients_at_once_are_served,
        a_thousand_clients_at_once_are_served_by_three_loops,
        a_client_beyond_the_limit_waits_for_a_place,
        an_idle_client_makes_room_for_a_new_one,
        a_shortage_of_descriptors_passes,
        few_descriptors_serve_many_clients,
        a_slow_head_is_given_up,
        idle_clients_are_sent_away,
        a_client_that_takes_nothing_is_given_up,
        a_long_transfer_does_not_time_out,
        quiet_is_quiet,
    };
    TCase *tcase = tcase_create("life");
    tcase_set_timeout(tcase, 100);
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    return suite;
}
