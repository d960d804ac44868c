/* names.h: what the tests of adapter/cares.h share: a name server of their own on loopback, and
 * asking it. */
#ifndef EDDY_TESTS_NAMES_H
#define EDDY_TESTS_NAMES_H

#include <eddy/adapter/cares.h>

#include "watched.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

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

struct name_server {
    pid_t pid;
    int input, port;
};

/* It ends with this process, and with the last one that holds the other end of its input. */
static inline struct name_server server_start_at(int port) {
    int in[2], out[2];
    char text[16] = "";
    if (pipe(in) < 0 || pipe(out) < 0) abort();
    snprintf(text, sizeof text, "%d", port);
    pid_t server = fork();
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[1]);
        execlp("python3", "python3", DNS_SERVER, text, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    if (server < 0 || read(out[0], text, sizeof text - 1) <= 1) abort();
    close(out[0]);
    return (struct name_server){server, in[1], atoi(text)};
}

/* One for all tests. */
static inline void server_start(void) {
    server_port = server_start_at(0).port;
}

static inline void server_kill(struct name_server *server) {
    ck_assert_int_eq(kill(server->pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(server->pid, NULL, 0), server->pid);
    close(server->input);
}

/* --- Channels --- */

static inline int note_socket(ares_socket_t fd, int type, void *context) {
    (void)type, (void)context;
    watched_opened(fd);
    return 0;
}

/* Asks the servers of `list`, or else that of the test, with so much time for each try. */
static inline void channel_open(const char *list, int timeout_ms, int tries) {
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

static inline void open_all(int timeout_ms, int tries) {
    ck_assert_int_eq(ares_library_init(ARES_LIB_INIT_ALL), ARES_SUCCESS);
    watched_open();
    memset(asks, 0, sizeof asks);
    answers = 0;
    channel_open(NULL, timeout_ms, tries);
}

static int closed;

static inline void on_closed(eddy_ares *it) {
    ck_assert_ptr_eq(it, &ares);
    memset(it, 0xee, sizeof *it);
    closed++;
}

static inline void channel_open_anew(const char *list, int timeout_ms, int tries) {
    closed = 0;
    ck_assert_int_eq(eddy_ares_close(&ares, on_closed), 0);
    run_out();
    channel_open(list, timeout_ms, tries);
}

static inline void close_rest(void) {
    run_out();
    ck_assert_int_eq(closed, 1);
    watched_close();
    ares_library_cleanup();
}

static inline void close_all(void) {
    closed = 0;
    ck_assert_int_eq(eddy_ares_close(&ares, on_closed), 0);
    ck_assert_int_eq(eddy_ares_close(&ares, on_closed), -EALREADY);
    ck_assert_int_eq(closed, 0);
    close_rest();
}

static inline void on_answer(void *context, int status, int timeouts,
                             struct ares_addrinfo *result) {
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

static inline void ask(int place, const char *name) {
    struct ares_addrinfo_hints hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    asks[place].asked_ns = test_now_ns();
    ares_getaddrinfo(eddy_ares_channel(&ares), name, NULL, &hints, on_answer, &asks[place]);
}

static inline void expect(int place, int status) {
    ck_assert_int_eq(asks[place].done, 1);
    ck_assert_int_eq(asks[place].status, status);
}

#endif
