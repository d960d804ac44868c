/* clients.h: what the tests of adapter/hiredis.h share: contexts on a loop, and what they are told.
 * The server is started by redis.sh, which says in the environment where it is. */
#ifndef EDDY_TESTS_CLIENTS_H
#define EDDY_TESTS_CLIENTS_H

#include "suite.h"

#include <eddy/adapter/hiredis.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static eddy_loop *loop;
static bool is_up, is_down, is_done;
static int connects, status_of_connect, status_of_loss, replies, nothings;
static char text[64];

static inline void control_server(const char *verb) {
    char command[256];
    snprintf(command, sizeof command, "%s %s", getenv("EDDY_TEST_REDIS_CONTROL"), verb);
    ck_assert_int_eq(system(command), 0);
}

static inline void on_connect(const redisAsyncContext *context, int status) {
    (void)context;
    connects++;
    status_of_connect = status;
    is_up = status == REDIS_OK;
    is_done = true;
}

static inline void on_loss(const redisAsyncContext *context, int status) {
    (void)context;
    is_down = true;
    status_of_loss = status;
}

static inline redisAsyncContext *attach_at(int port) {
    redisAsyncContext *context = redisAsyncConnect("127.0.0.1", port);
    ck_assert_ptr_nonnull(context);
    is_up = is_down = is_done = false;
    connects = replies = nothings = 0;
    ck_assert_int_eq(eddy_redis_attach(context, loop), 0);
    ck_assert_int_eq(redisAsyncSetConnectCallback(context, on_connect), REDIS_OK);
    ck_assert_int_eq(redisAsyncSetDisconnectCallback(context, on_loss), REDIS_OK);
    return context;
}

static inline redisAsyncContext *attach(void) {
    const char *port = getenv("EDDY_TEST_REDIS_PORT");
    ck_assert_msg(port != NULL, "run it by tests/adapter/redis.sh");
    return attach_at(atoi(port));
}

static inline void set_up(void) {
    loop = test_loop_open();
}

static inline void tear_down(void) {
    test_loop_close(loop);
}

static inline void on_reply(redisAsyncContext *context, void *reply, void *data) {
    const redisReply *it = reply;
    (void)context;
    if (it == NULL)
        nothings++;
    else
        replies++;
    if (it != NULL && it->str != NULL) snprintf(text, sizeof text, "%s", it->str);
    if (data != NULL) *(bool *)data = true;
}

/* Runs until there is nothing left: what is disconnected keeps no loop alive. */
static inline void run_to_end(void) {
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
}

/* Sends the command, and turns until its reply is in `text`. */
static inline void ask(redisAsyncContext *context, const char *command) {
    bool is_answered = false;
    text[0] = '\0';
    ck_assert_int_eq(redisAsyncCommand(context, on_reply, &is_answered, command), REDIS_OK);
    test_turn_until(loop, &is_answered);
}

static inline void expect_text(const char *begin) {
    ck_assert_msg(strncmp(text, begin, strlen(begin)) == 0, "it says '%s'", text);
}

#endif
