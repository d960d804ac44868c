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
#include <eddy/http.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_NS (1 * EDDY_NS_PER_S)

/* A request that waits for the database. */
struct query {
    eddy_http_request *request;
    struct pool *pool;
    struct query *next;
    bool is_waiting; /* in the pool's queue */
    char seconds[16];
};

/* A connection to the database: connecting, idle, or with a query. */
struct connection {
    struct pool *pool;
    struct connection *next; /* idle */
    PGconn *pg;
    eddy_io io;
    eddy_timer retry;
    bool is_ready, is_asking;
    struct query *query; /* whose answer has not come */
};

struct pool {
    eddy_loop *loop;
    const char *address;
    struct connection *idle;
    struct query *first, **end;
    int asked, connected;
};

static void on_connecting(eddy_io *io, unsigned events);
static void on_answer(eddy_io *io, unsigned events);

/* --- Connecting --- */

static void on_retry(eddy_timer *timer);

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

/* The database has gone, or was never there: everything anew, in a second. */
static void lose(struct connection *it) {
    struct pool *pool = it->pool;
    eddy_io_stop(&it->io);
    if (it->query != NULL) refuse(it->query, PQerrorMessage(it->pg));
    it->query = NULL;
    if (it->is_ready) pool->connected--;
    it->is_ready = it->is_asking = false;
    PQfinish(it->pg);
    it->pg = NULL;
    eddy_timer_start(&it->retry, on_retry, RETRY_NS, 0);
    while (pool->connected == 0 && pool->first != NULL)
        refuse(take_first(pool), "the database cannot be reached\n");
}

/* The library may use another socket from one step to the next, and closes the one before: so the
 * watcher is stopped before each step, and started after it. */
static void watch(struct connection *it, eddy_io_fn *fn, unsigned events) {
    int fd = PQsocket(it->pg);
    if (fd < 0 || eddy_io_start(&it->io, fn, fd, events) < 0) lose(it);
}

static void go_on(struct pool *pool);

static void become_idle(struct connection *it) {
    it->is_asking = false;
    it->next = it->pool->idle;
    it->pool->idle = it;
    go_on(it->pool);
}

static void connect_on(struct connection *it) {
    eddy_io_stop(&it->io);
    PostgresPollingStatusType status = PQconnectPoll(it->pg);
    if (status == PGRES_POLLING_READING) {
        watch(it, on_connecting, EDDY_READ);
    } else if (status == PGRES_POLLING_WRITING) {
        watch(it, on_connecting, EDDY_WRITE);
    } else if (status == PGRES_POLLING_OK && PQsetnonblocking(it->pg, 1) == 0) {
        it->is_ready = true;
        it->pool->connected++;
        watch(it, on_answer, EDDY_READ); /* also an idle one: it hears of its end */
        if (it->is_ready) become_idle(it);
    } else {
        lose(it);
    }
}

static void on_connecting(eddy_io *io, unsigned events) {
    (void)events;
    connect_on(eddy_container_of(io, struct connection, io));
}

static void on_retry(eddy_timer *timer) {
    struct connection *it = eddy_container_of(timer, struct connection, retry);
    it->pg = PQconnectStart(it->pool->address);
    if (it->pg == NULL || PQstatus(it->pg) == CONNECTION_BAD)
        lose(it);
    else
        watch(it, on_connecting, EDDY_WRITE);
}

/* --- Asking --- */

static void finish(struct connection *it, PGresult *result) {
    struct query *query = it->query;
    char text[64];
    it->query = NULL;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        refuse(query, PQresultErrorMessage(result));
        return;
    }
    int length = snprintf(text, sizeof text, "slept %s s in backend %s\n", query->seconds,
                          PQgetvalue(result, 0, 0));
    eddy_http_add(query->request, "Content-Type", "text/plain; charset=utf-8");
    eddy_http_respond(query->request, 200, text, (size_t)length);
}

static void drop_idle(struct connection *it) {
    struct connection **at = &it->pool->idle;
    while (*at != NULL && *at != it) at = &(*at)->next;
    if (*at == it) *at = it->next;
}

/* Something came, or a part of the query can be sent. */
static void on_answer(eddy_io *io, unsigned events) {
    struct connection *it = eddy_container_of(io, struct connection, io);
    int unsent = PQflush(it->pg);
    if (unsent < 0 || ((events & EDDY_READ) && !PQconsumeInput(it->pg))) {
        drop_idle(it);
        lose(it);
        return;
    }
    if (unsent == 0) eddy_io_change(io, EDDY_READ);
    while (it->is_asking && !PQisBusy(it->pg)) {
        PGresult *result = PQgetResult(it->pg);
        if (result != NULL) {
            finish(it, result);
            PQclear(result);
        } else if (PQstatus(it->pg) == CONNECTION_BAD) {
            lose(it);
        } else {
            become_idle(it);
        }
    }
}

static void ask(struct connection *it, struct query *query) {
    const char *values[] = {query->seconds};
    it->query = query;
    it->is_asking = true;
    if (!PQsendQueryParams(it->pg, "select pg_backend_pid() from pg_sleep($1::float8)", 1, NULL,
                           values, NULL, NULL, 0)) {
        lose(it);
        return;
    }
    eddy_io_change(&it->io, PQflush(it->pg) == 0 ? EDDY_READ : EDDY_READ | EDDY_WRITE);
}

/* As long as somebody waits and a connection is idle. */
static void go_on(struct pool *pool) {
    while (pool->first != NULL && pool->idle != NULL) {
        struct connection *it = pool->idle;
        pool->idle = it->next;
        ask(it, take_first(pool));
    }
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

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: http_query CONNINFO [CONNECTIONS [PORT]]\n");
        return 2;
    }
    int count = argc > 2 ? atoi(argv[2]) : 10;
    struct pool pool = {.address = argv[1]};
    struct connection *connections = calloc((size_t)count, sizeof *connections);
    struct sockaddr_storage address;
    eddy_http *http;
    eddy_http_listener listener;
    pool.end = &pool.first;
    if (connections == NULL || eddy_loop_open(&pool.loop, NULL) < 0) return 1;
    for (int i = 0; i < count; i++) {
        connections[i].pool = &pool;
        eddy_io_init(&connections[i].io, pool.loop);
        eddy_timer_init(&connections[i].retry, pool.loop);
        eddy_timer_start(&connections[i].retry, on_retry, 0, 0);
    }
    int length = eddy_address_parse(&address, "127.0.0.1", argc > 3 ? (unsigned)atoi(argv[3]) : 0);
    if (eddy_http_open(&http, pool.loop, &(eddy_http_config){.end_is_gone = true}) < 0) return 1;
    eddy_http_handle(http, "GET", "/", on_root, &pool);
    eddy_http_handle(http, "GET", "/sleep", on_sleep, &pool);
    if (eddy_http_listen(http, &listener, (struct sockaddr *)&address, (socklen_t)length, 0, NULL) <
        0)
        return 1;
    char name[64];
    socklen_t room = sizeof address;
    eddy_listener_address(&listener.listener, (struct sockaddr *)&address, &room);
    eddy_address_format((struct sockaddr *)&address, name, sizeof name);
    printf("http://%s/\n", name);
    fflush(stdout);
    return eddy_loop_run(pool.loop, EDDY_RUN_DEFAULT) < 0;
}
