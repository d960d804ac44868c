/* redis.c: Redis on the loop: one connection for commands, which are not waited for one by one, and
 * one that listens; both come back by themselves when the server was away:
 *
 *     cc redis.c -leddy -lhiredis && ./a.out 127.0.0.1 6379 5
 *
 * ends after so many messages (0: never). `redis-cli publish examples hello` sends another. Chapter
 * 14 explains the adapter. */
#include <eddy.h>
#include <eddy/adapter/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

/* hiredis makes a context for each attempt, and frees it; what outlives it is here. */
struct connection {
    redisAsyncContext *context;
    eddy_timer retry;
    int64_t delay_ns;
    const char *name;
    void (*on_up)(struct connection *it);
};

static struct connection asks, listens;
static const char *host;
static long port, messages, messages_wanted;

static void on_retry(eddy_timer *timer);

/* Twice as long from one attempt to the next, up to two seconds. */
static void retry_later(struct connection *it) {
    it->context = NULL;
    if (messages_wanted > 0 && messages >= messages_wanted) return; /* all is done */
    if (eddy_timer_start(&it->retry, on_retry, it->delay_ns, 0) < 0) exit(1);
    it->delay_ns = it->delay_ns < EDDY_NS_PER_S ? 2 * it->delay_ns : 2 * EDDY_NS_PER_S;
}

/* Of a connection that was made. `context` is freed after this, and after the one below if it says
 * that there is none. */
static void on_disconnect(const redisAsyncContext *context, int status) {
    struct connection *it = context->data;
    it->context = NULL;
    if (status == REDIS_OK) return; /* as we asked */
    printf("%s: %s\n", it->name, context->errstr);
    retry_later(it);
}

static void on_connect(const redisAsyncContext *context, int status) {
    struct connection *it = context->data;
    if (status != REDIS_OK) {
        retry_later(it);
        return;
    }
    it->delay_ns = 20 * EDDY_NS_PER_MS;
    printf("%s: connected\n", it->name);
    it->on_up(it);
}

static void on_retry(eddy_timer *timer) {
    struct connection *it = eddy_container_of(timer, struct connection, retry);
    it->context = redisAsyncConnect(host, (int)port); /* blocks if `host` is a name */
    if (it->context == NULL) exit(1);
    it->context->data = it;
    if (eddy_redis_attach(it->context, eddy_handle_loop(&timer->handle)) < 0) {
        redisAsyncFree(it->context);
        retry_later(it);
        return;
    }
    redisAsyncSetConnectCallback(it->context, on_connect);
    redisAsyncSetDisconnectCallback(it->context, on_disconnect);
}

/* --- What is done with them --- */

/* `reply` is hiredis' own, and gone after the call; NULL: the connection was lost before it came.
 */
static void on_count(redisAsyncContext *context, void *reply, void *data) {
    const redisReply *it = reply;
    (void)context;
    (void)data;
    if (it != NULL && it->type == REDIS_REPLY_INTEGER) printf("counted to %lld\n", it->integer);
}

static void ask(struct connection *it) {
    redisAsyncCommand(it->context, NULL, NULL, "DEL eddy:examples");
    for (int i = 0; i < 3; i++)
        redisAsyncCommand(it->context, on_count, NULL, "INCR eddy:examples");
}

static void on_message(redisAsyncContext *context, void *reply, void *data) {
    const redisReply *it = reply;
    (void)data;
    if (it == NULL || it->type != REDIS_REPLY_ARRAY || it->elements != 3) return;
    if (strcmp(it->element[0]->str, "subscribe") == 0) {
        if (asks.context != NULL)
            redisAsyncCommand(asks.context, NULL, NULL, "PUBLISH examples %s", "from ourselves");
        return;
    }
    printf("message: %s\n", it->element[2]->str);
    fflush(stdout);
    if (++messages != messages_wanted) return;
    eddy_timer_stop(&asks.retry);
    if (asks.context != NULL) redisAsyncDisconnect(asks.context); /* after all replies */
    redisAsyncFree(context);                                      /* at once */
}

static void subscribe(struct connection *it) {
    redisAsyncCommand(it->context, on_message, NULL, "SUBSCRIBE examples");
}

int main(int argc, char **argv) {
    eddy_loop *loop;
    if (argc != 4 || !number_parse(argv[2], 1, 65535, &port) ||
        !number_parse(argv[3], 0, 1000000, &messages_wanted)) {
        fprintf(stderr, "usage: redis ADDRESS PORT MESSAGES\n");
        return 2;
    }
    host = argv[1];
    if (eddy_loop_open(&loop, NULL) < 0) return 1;
    asks = (struct connection){.name = "asks", .on_up = ask, .delay_ns = 20 * EDDY_NS_PER_MS};
    listens =
        (struct connection){.name = "listens", .on_up = subscribe, .delay_ns = 20 * EDDY_NS_PER_MS};
    eddy_timer_init(&asks.retry, loop);
    eddy_timer_init(&listens.retry, loop);
    int err = eddy_timer_start(&asks.retry, on_retry, 0, 0);
    if (err == 0) err = eddy_timer_start(&listens.retry, on_retry, 0, 0);
    if (err == 0) err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    return err < 0 || eddy_loop_close(loop) < 0;
}
