/* postgres.c: a database on the loop. Queries go over one connection in a pipeline, of which one
 * fails; a notification arrives; a slow query goes over another connection, and is cancelled:
 *
 *     cc postgres.c -leddy -lpq && ./a.out "host=/run/postgresql dbname=postgres"
 *
 * Chapter 14 explains the adapter, http_query.c puts it behind a web server. */
#include <eddy.h>
#include <eddy/adapter/libpq.h>
#include <stdio.h>

struct query {
    eddy_pq_request request;
    const char *command, *value;
};

static const char *address;
static eddy_pq fast, slow;
static eddy_timer patience;
static struct query pipeline[] = {
    {.command = "listen examples"},
    {.command = "select 100 / $1::int", .value = "4"},
    {.command = "select 100 / $1::int", .value = "0"},
    {.command = "select 100 / $1::int", .value = "2"},
    {.command = "notify examples, 'the fast ones are done'"},
};
static struct query sleeper = {.command = "select pg_sleep(600)"};

static PGconn *start(eddy_pq *pq) {
    (void)pq;
    return PQconnectStart(address);
}

/* libpq's own functions say what is asked; this is called when it is the query's turn. */
static int send_query(eddy_pq_request *request, PGconn *conn) {
    const struct query *it = eddy_container_of(request, struct query, request);
    return PQsendQueryParams(conn, it->command, it->value != NULL, NULL, &it->value, NULL, NULL, 0);
}

static void on_closed(eddy_pq *pq) {
    (void)pq; /* its memory is ours again; when both are closed, nothing keeps the loop alive */
}

/* The last call comes without a result. */
static void on_result(eddy_pq_request *request, PGresult *result, int status) {
    const struct query *it = eddy_container_of(request, struct query, request);
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        printf("100 / %s = %s\n", it->value, PQgetvalue(result, 0, 0));
    else if (result != NULL && PQresultStatus(result) != PGRES_COMMAND_OK)
        printf("%s", PQresultErrorMessage(result));
    PQclear(result);
    if (status < 0) printf("not answered: %s\n", it->command); /* on_state says why */
    if (result == NULL && status == 0 && it == &sleeper) {
        eddy_pq_close(&fast, on_closed);
        eddy_pq_close(&slow, on_closed);
    }
}

static void on_patience(eddy_timer *timer) {
    (void)timer;
    if (eddy_pq_cancel(&sleeper.request) < 0) printf("the slow one has ended by itself\n");
}

static void on_notify(eddy_pq *pq, const PGnotify *notify) {
    (void)pq;
    printf("%s: %s\n", notify->relname, notify->extra);
    (void)eddy_timer_start(&patience, on_patience, 10 * EDDY_NS_PER_MS, 0);
}

static int ask(eddy_pq *pq, struct query *query) {
    return eddy_pq_submit(pq, &query->request, send_query, on_result, 0);
}

/* Connected; or lost, after which a server would call eddy_pq_connect again, after a pause. */
static void on_state(eddy_pq *pq, int status) {
    if (status == 0 && pq == &slow) {
        /* All may be submitted before there is a connection, and goes out in this order. */
        if (eddy_pq_connect(&fast) < 0) return;
        for (int i = 0; i < 5; i++) (void)ask(&fast, &pipeline[i]);
    }
    if (status == 0) return;
    fprintf(stderr, "postgres: %s", PQerrorMessage(eddy_pq_conn(pq)));
    eddy_timer_stop(&patience);
    (void)eddy_pq_close(&fast, on_closed);
    (void)eddy_pq_close(&slow, on_closed);
}

int main(int argc, char **argv) {
    eddy_loop *loop;
    if (argc != 2) {
        fprintf(stderr, "usage: postgres CONNINFO\n");
        return 2;
    }
    address = argv[1];
    if (eddy_loop_open(&loop, NULL) < 0) return 1;
    eddy_timer_init(&patience, loop);
    eddy_pq_config config = {.start = start, .state = on_state, .notify = on_notify};
    eddy_pq_init(&slow, loop, &config);
    config.in_flight = 16; /* a pipeline */
    eddy_pq_init(&fast, loop, &config);
    int err = eddy_pq_connect(&slow);
    if (err == 0) err = ask(&slow, &sleeper);
    if (err == 0) err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    return err < 0 || eddy_loop_close(loop) < 0;
}
