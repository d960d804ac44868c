/* accept.c: listeners when descriptors run out, and when they are closed at work. */
#include "net.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

struct server {
    eddy_listener listener;
    struct sockaddr_storage address;
    socklen_t length;
    int fds[512], count;
    int close_at, last_port;
    bool closed;
};

static void on_closed(eddy_listener *listener) {
    struct server *server = eddy_container_of(listener, struct server, listener);
    server->closed = true;
}

static void on_accept(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    struct server *server = eddy_container_of(listener, struct server, listener);
    server->last_port = eddy_address_port(peer);
    ck_assert_int_ge(fd, 0);
    ck_assert_msg(eddy_io_fd(&listener->io) >= 0, "accepted after the close");
    server->fds[server->count++] = fd;
    if (server->count == server->close_at)
        ck_assert_int_eq(eddy_listener_close(listener, on_closed), 0);
}

static void start(struct server *server, eddy_loop *loop) {
    memset(server, 0, sizeof *server);
    eddy_listener_init(&server->listener, loop);
    server->length = loopback(&server->address, AF_INET);
    ck_assert_int_eq(eddy_tcp_listen(&server->listener, (struct sockaddr *)&server->address,
                                     server->length, 0, 0, on_accept),
                     0);
    ck_assert_int_eq(eddy_listener_address(&server->listener, (struct sockaddr *)&server->address,
                                           &server->length),
                     0);
}

static struct rlimit limit_before;

static void limit_descriptors(void) {
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit_before), 0);
    struct rlimit least = {.rlim_cur = 32, .rlim_max = limit_before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &least), 0);
}

static void lift_limit(void) {
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit_before), 0);
}

/* A child that connects `count` clients and keeps them until its standard input ends. */
static pid_t start_clients(const struct server *server, int count, int *hold) {
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        close(ends[1]);
        for (int i = 0; i < count; i++) {
            int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            (void)connect(fd, (const struct sockaddr *)&server->address, server->length);
        }
        char byte;
        while (read(ends[0], &byte, 1) > 0) continue;
        _exit(0);
    }
    close(ends[0]);
    *hold = ends[1];
    return child;
}

static void end_clients(pid_t child, int hold) {
    close(hold);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

static eddy_metrics metrics_of(const eddy_loop *loop) {
    eddy_metrics metrics;
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    return metrics;
}

static void close_accepted(struct server *server) {
    for (int i = 0; i < server->count; i++) close(server->fds[i]);
    server->count = 0;
}

/* A client that does not wait to be let in: with a full backlog it is the loop's turns that do it.
 */
static int knock(const struct server *server, int *port) {
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(client, 0);
    (void)connect(client, (const struct sockaddr *)&server->address, server->length);
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    ck_assert_int_eq(getsockname(client, (struct sockaddr *)&address, &length), 0);
    *port = eddy_address_port((struct sockaddr *)&address);
    return client;
}

/* One more client comes, behind all that wait: when it is served, they were. It may be the one that
 * is shed; then there is another. */
static void recover(eddy_loop *loop, struct server *server) {
    close_accepted(server);
    int port;
    int client = knock(server, &port);
    int64_t give_up_ns = test_now_ns() + 20 * EDDY_NS_PER_S;
    while (server->last_port != port) {
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        close_accepted(server);
        ck_assert_int_lt(test_now_ns(), give_up_ns);
        char byte;
        bool is_shed = recv(client, &byte, 1, 0) == 0 || errno == ECONNRESET;
        if (!is_shed || server->last_port == port) continue;
        close(client);
        client = knock(server, &port);
    }
    close(client);
}

START_TEST(shortage_of_descriptors_sheds_pauses_and_recovers) {
    eddy_loop *loop = test_loop_open();
    struct server server;
    start(&server, loop);
    int hold;
    pid_t child = start_clients(&server, 200, &hold);
    limit_descriptors();
    unsigned waits = test_metric_waits(loop);
    test_turn_for(loop, 500 * EDDY_NS_PER_MS);
    ck_assert_int_gt(server.count, 0);
    ck_assert_int_lt(server.count, 32);
    eddy_metrics metrics = metrics_of(loop);
    ck_assert_uint_lt(metrics.waits - waits, 60); /* each pause is a wait or two */
    ck_assert_uint_gt(metrics.accepts_shed, 1);
    ck_assert_uint_lt(metrics.accepts_shed, 10); /* one a pause */
    /* Room again: all who still wait are served. */
    recover(loop, &server);
    lift_limit();
    end_clients(child, hold);
    ck_assert_int_eq(eddy_listener_close(&server.listener, on_closed), 0);
    test_turn_until(loop, &server.closed);
    test_loop_close(loop);
}
END_TEST

/* A listener may be closed while it pauses for want of descriptors. */
START_TEST(listener_may_be_closed_while_descriptors_are_short) {
    eddy_loop *loop = test_loop_open();
    struct server server;
    start(&server, loop);
    int hold;
    pid_t child = start_clients(&server, 60, &hold);
    limit_descriptors();
    int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (metrics_of(loop).accepts_shed == 0 && test_now_ns() < give_up_ns)
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_int_eq(eddy_listener_close(&server.listener, on_closed), 0);
    test_turn_until(loop, &server.closed);
    close_accepted(&server);
    lift_limit();
    end_clients(child, hold);
    test_loop_close(loop);
}
END_TEST

static atomic_bool thief_stop;

/* Takes every descriptor that becomes free, and gives one back now and then. */
static void *steal_descriptors(void *unused) {
    (void)unused;
    int fds[64], count = 0;
    while (!atomic_load(&thief_stop)) {
        int fd = count < 64 ? fcntl(0, F_DUPFD_CLOEXEC, 3) : -1;
        if (fd >= 0) {
            fds[count++] = fd;
        } else {
            usleep(200);
        }
    }
    while (count > 0) close(fds[--count]);
    return NULL;
}

/* Whether the reserve is stolen in the moment it is given up is chance; that the listener comes
 * back when the thief has gone is not. */
START_TEST(reserve_taken_by_another_thread_is_got_back) {
    eddy_loop *loop = test_loop_open();
    struct server server;
    start(&server, loop);
    int hold;
    pid_t child = start_clients(&server, 100, &hold);
    limit_descriptors();
    pthread_t thief;
    atomic_store(&thief_stop, false);
    ck_assert_int_eq(pthread_create(&thief, NULL, steal_descriptors, NULL), 0);
    unsigned waits = test_metric_waits(loop);
    test_turn_for(loop, 400 * EDDY_NS_PER_MS);
    ck_assert_uint_lt(test_metric_waits(loop) - waits, 80);
    atomic_store(&thief_stop, true);
    ck_assert_int_eq(pthread_join(thief, NULL), 0);
    recover(loop, &server);
    ck_assert_int_ge(server.listener.reserve, 0);
    lift_limit();
    end_clients(child, hold);
    ck_assert_int_eq(eddy_listener_close(&server.listener, on_closed), 0);
    test_turn_until(loop, &server.closed);
    test_loop_close(loop);
}
END_TEST

/* Five wait; the second callback closes the listener: the other three must not be told. */
START_TEST(listener_closed_in_its_callback_accepts_no_more) {
    eddy_loop *loop = test_loop_open();
    struct server server;
    start(&server, loop);
    server.close_at = 2;
    int clients[5];
    for (int i = 0; i < 5; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        ck_assert_int_eq(connect(clients[i], (struct sockaddr *)&server.address, server.length), 0);
    }
    test_turn_until(loop, &server.closed);
    ck_assert_int_eq(server.count, 2);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    for (int i = 0; i < 5; i++) close(clients[i]);
    close_accepted(&server);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("accept");
    ck_add(suite, "accept", shortage_of_descriptors_sheds_pauses_and_recovers,
           listener_may_be_closed_while_descriptors_are_short,
           reserve_taken_by_another_thread_is_got_back,
           listener_closed_in_its_callback_accepts_no_more);
    return suite;
}
