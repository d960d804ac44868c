/* http_query.c: the program that made event loops famous. Each request asks a PostgreSQL for
 * something that takes a while; one thread waits for all of them, and serves everybody else:
 *
 *     http_query "host=/run/postgresql dbname=postgres" 100 8080
 *     curl http://127.0.0.1:8080/sleep?seconds=2       after two seconds, however many ask
 *     curl http://127.0.0.1:8080/                      at once, meanwhile
 *
 * A connection to the database does one query at a time, so that as many queries run in parallel as
 * there are connections; who comes when all are taken waits in a queue. Chapter 13 walks through
 * it. */
#include <eddy.h>
#include <eddy/adapter/libpq.h>
#include <eddy/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

enum { CONNECTIONS_MAX = 10000 };
#define RETRY_NS (1 * EDDY_NS_PER_S)

/* A request of the web, and of the database. */
struct query {
    eddy_http_request *request;
    eddy_pq_request question;
    struct pool *pool;
    struct query *next;
    PGresult *result;
    bool is_waiting; /* in the pool's queue */
    char seconds[16];
};

/* A connection to the database: connecting, idle, or with a query. */
struct connection {
    eddy_pq pq;
    eddy_timer retry;
    struct pool *pool;
    struct connection *next; /* idle */
    bool is_up;
};

struct pool {
    eddy_loop *loop;
    const char *address;
    struct connection *idle;
    struct query *first, **end;
    int asked, connected;
};

/* --- The database --- */

static void refuse(struct query *query, const char *why) {
    eddy_http_add(query->request, "Content-Type", "text/plain; charset=utf-8");
    eddy_http_respond(query->request, 503, why, strlen(why));
}

static struct query *take_first(struct pool *pool) {
    struct query *query = pool->first;
    pool->first = query->next;
    if (pool->first == NULL) pool->end = &pool->first;
    query->is_waiting = false;
    return query;
}

static int send_question(eddy_pq_request *question, PGconn *conn) {
    const struct query *query = eddy_container_of(question, struct query, question);
    const char *values[] = {query->seconds};
    return PQsendQueryParams(conn, "select pg_backend_pid() from pg_sleep($1::float8)", 1, NULL,
                             values, NULL, NULL, 0);
}

static void answer(struct query *query, const PGresult *result) {
    char text[64];
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        refuse(query, PQresultErrorMessage(result));
        return;
    }
    int length = snprintf(text, sizeof text, "slept %s s in backend %s\n", query->seconds,
                          PQgetvalue(result, 0, 0));
    eddy_http_add(query->request, "Content-Type", "text/plain; charset=utf-8");
    eddy_http_respond(query->request, 200, text, (size_t)length);
}

static void go_on(struct pool *pool);

/* The query has one result, which is kept until its end: an answer may be the end of `query`. */
static void on_answer(eddy_pq_request *question, PGresult *result, int status) {
    struct query *query = eddy_container_of(question, struct query, question);
    struct connection *it = eddy_container_of(eddy_pq_of(question), struct connection, pq);
    if (result != NULL) {
        PQclear(query->result);
        query->result = result;
        return;
    }
    result = query->result;
    if (status == 0)
        answer(query, result);
    else
        refuse(query, PQerrorMessage(eddy_pq_conn(&it->pq)));
    PQclear(result);
    if (status == -ENOTCONN || status == -ECONNRESET) return; /* on_state comes next */
    it->next = it->pool->idle;
    it->pool->idle = it;
    go_on(it->pool);
}

/* As long as somebody waits and a connection is idle. */
static void go_on(struct pool *pool) {
    while (pool->first != NULL && pool->idle != NULL) {
        struct connection *it = pool->idle;
        struct query *query = take_first(pool);
        pool->idle = it->next;
        if (eddy_pq_submit(&it->pq, &query->question, send_question, on_answer, 0) < 0)
            refuse(query, "the database has gone\n");
    }
}

static void drop_idle(struct connection *it) {
    struct connection **at = &it->pool->idle;
    while (*at != NULL && *at != it) at = &(*at)->next;
    if (*at == it) *at = it->next;
}

static void on_retry(eddy_timer *timer) {
    (void)eddy_pq_connect(&eddy_container_of(timer, struct connection, retry)->pq);
}

/* Connected; or the database has gone, or was never there: then everything anew, in a second. */
static void on_state(eddy_pq *pq, int status) {
    struct connection *it = eddy_container_of(pq, struct connection, pq);
    struct pool *pool = it->pool;
    pool->connected += (status == 0) - it->is_up;
    it->is_up = status == 0;
    if (it->is_up) {
        it->next = pool->idle;
        pool->idle = it;
        go_on(pool);
        return;
    }
    drop_idle(it);
    eddy_timer_start(&it->retry, on_retry, RETRY_NS, 0);
    while (pool->connected == 0 && pool->first != NULL)
        refuse(take_first(pool), "the database cannot be reached\n");
}

static PGconn *start(eddy_pq *pq) {
    return PQconnectStart(eddy_container_of(pq, struct connection, pq)->pool->address);
}

/* --- The web --- */

/* Whoever leaves while it waits is not asked for any more; a query that runs is left to end. */
static void on_gone(eddy_http_request *request, void *context) {
    struct query *query = context;
    struct query **at = &query->pool->first;
    if (!query->is_waiting) return;
    while (*at != query) at = &(*at)->next;
    *at = query->next;
    if (*at == NULL) query->pool->end = at;
    eddy_http_abort(request);
}

static void on_done(eddy_http_request *request, void *context) {
    (void)request;
    free(context);
}

static void on_sleep(eddy_http_request *request, void *context) {
    struct pool *pool = context;
    struct query *query = malloc(sizeof *query);
    if (query == NULL) {
        eddy_http_abort(request);
        return;
    }
    *query = (struct query){.request = request, .pool = pool, .is_waiting = true};
    if (eddy_http_query_value(request, "seconds", query->seconds, sizeof query->seconds) < 0)
        snprintf(query->seconds, sizeof query->seconds, "1");
    eddy_http_on_done(request, on_done, query);
    eddy_http_on_gone(request, on_gone, query);
    *pool->end = query;
    pool->end = &query->next;
    pool->asked++;
    if (pool->connected > 0)
        go_on(pool);
    else
        refuse(take_first(pool), "the database cannot be reached\n");
}

static void on_root(eddy_http_request *request, void *context) {
    const struct pool *pool = context;
    char text[96];
    int length = snprintf(text, sizeof text, "%d connections, %d questions so far\n",
                          pool->connected, pool->asked);
    eddy_http_add(request, "Content-Type", "text/plain; charset=utf-8");
    eddy_http_respond(request, 200, text, (size_t)length);
}

static int fail(int err) {
    char text[80];
    fprintf(stderr, "http_query: %s\n", eddy_strerror(err, text, sizeof text));
    return 1;
}

int main(int argc, char **argv) {
    long count = 10, port = 0;
    if (argc < 2 || argc > 4 || (argc > 2 && !number_parse(argv[2], 1, CONNECTIONS_MAX, &count)) ||
        (argc > 3 && !number_parse(argv[3], 0, 65535, &port))) {
        fprintf(stderr, "usage: http_query CONNINFO [CONNECTIONS [PORT]]\n");
        return 2;
    }
    struct pool pool = {.address = argv[1]};
    const eddy_pq_config config = {.start = start, .state = on_state};
    struct connection *connections = calloc((size_t)count, sizeof *connections);
    struct sockaddr_storage address;
    eddy_http *http;
    eddy_http_listener listener;
    pool.end = &pool.first;
    int err = connections != NULL ? eddy_loop_open(&pool.loop, NULL) : -ENOMEM;
    if (err < 0) return fail(err);
    for (long i = 0; i < count; i++) {
        connections[i].pool = &pool;
        eddy_pq_init(&connections[i].pq, pool.loop, &config);
        eddy_timer_init(&connections[i].retry, pool.loop);
        err = eddy_timer_start(&connections[i].retry, on_retry, 0, 0);
        if (err < 0) return fail(err);
    }
    int length = eddy_address_parse(&address, "127.0.0.1", (unsigned)port);
    err = eddy_http_open(&http, pool.loop, &(eddy_http_config){.end_is_gone = true});
    if (err == 0) err = eddy_http_handle(http, "GET", "/", on_root, &pool);
    if (err == 0) err = eddy_http_handle(http, "GET", "/sleep", on_sleep, &pool);
    if (err == 0)
        err = eddy_http_listen(http, &listener, (struct sockaddr *)&address, (socklen_t)length, 0,
                               NULL);
    if (err < 0) return fail(err);
    char name[64];
    socklen_t room = sizeof address;
    eddy_listener_address(&listener.listener, (struct sockaddr *)&address, &room);
    eddy_address_format((struct sockaddr *)&address, name, sizeof name);
    printf("http://%s/\n", name);
    fflush(stdout);
    err = eddy_loop_run(pool.loop, EDDY_RUN_DEFAULT);
    return err < 0 ? fail(err) : 0;
}
