/* libpq_lag.c [--measure | backend]: what libpq computes in one turn, seen by a timer of 10 ms
 * beside it: log-ins by SCRAM at once, many queries, large results. As a test it only looks whether
 * all is answered; with
 * --measure it tells how late the timer was (docs/14-adapters.md). Run by libpq.sh. */
#include <eddy.h>
#include <eddy/adapter/libpq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONNECTIONS = 50, TICK_MS = 10 };

struct link {
    eddy_pq pq;
    eddy_pq_request request;
    const char *command;
    unsigned left, flags;
};

static struct link links[CONNECTIONS];
static eddy_timer tick;
static eddy_hook check, prepare;
static int64_t due_ns, late_ns, begin_ns, cpu_ns, turn_ns, longest_ns;
static unsigned ups, open_links;
static const char *info, *backend;
static bool is_measuring;

static int64_t cpu_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * EDDY_NS_PER_S + now.tv_nsec;
}

/* From the check hook, which runs after the wait, to the prepare hook of the next turn. */
static void on_check(eddy_hook *hook) {
    (void)hook;
    turn_ns = cpu_now_ns();
}

static void on_prepare(eddy_hook *hook) {
    (void)hook;
    int64_t turn = turn_ns == 0 ? 0 : cpu_now_ns() - turn_ns;
    if (turn > longest_ns) longest_ns = turn;
}

static void on_tick(eddy_timer *timer) {
    eddy_loop *loop = eddy_handle_loop(&timer->handle);
    int64_t late = eddy_loop_now_ns(loop) - due_ns;
    if (late > late_ns) late_ns = late;
    eddy_loop_update_now(loop);
    due_ns = eddy_loop_now_ns(loop) + TICK_MS * EDDY_NS_PER_MS;
    if (eddy_timer_start_at(timer, on_tick, due_ns, 0) < 0) exit(1);
}

static PGconn *start(eddy_pq *pq) {
    (void)pq;
    return PQconnectStart(info);
}

static void on_closed(eddy_pq *pq) {
    (void)pq;
    if (--open_links > 0) return;
    eddy_timer_stop(&tick);
    eddy_hook_stop(&check);
    eddy_hook_stop(&prepare);
}

static int send_command(eddy_pq_request *request, PGconn *conn) {
    return PQsendQueryParams(conn, eddy_container_of(request, struct link, request)->command, 0,
                             NULL, NULL, NULL, NULL, 1);
}

static void on_result(eddy_pq_request *request, PGresult *result, int status) {
    struct link *it = eddy_container_of(request, struct link, request);
    bool is_end = result == NULL;
    if (!is_end && PQresultStatus(result) != PGRES_TUPLES_OK &&
        PQresultStatus(result) != PGRES_SINGLE_TUPLE)
        exit(1);
    PQclear(result);
    if (!is_end) return;
    if (status < 0) exit(1);
    if (--it->left > 0)
        (void)eddy_pq_submit(&it->pq, request, send_command, on_result, it->flags);
    else
        (void)eddy_pq_close(&it->pq, on_closed);
}

static void on_state(eddy_pq *pq, int status) {
    struct link *it = eddy_container_of(pq, struct link, pq);
    if (status < 0) {
        fprintf(stderr, "libpq_lag: %s", PQerrorMessage(eddy_pq_conn(pq)));
        exit(1);
    }
    ups++;
    if (it->left == 0) (void)eddy_pq_close(pq, on_closed);
}

/* `count` connections, each of which asks `left` times; a line of what it took. */
static void run(const char *what, unsigned events_per_turn, bool on_pool, unsigned count,
                const char *command, unsigned left, unsigned flags) {
    eddy_loop *loop;
    eddy_metrics metrics;
    eddy_loop_config loop_config = {.backend = backend, .events_per_turn = events_per_turn};
    if (eddy_loop_open(&loop, &loop_config) < 0) exit(1);
    const eddy_pq_config config = {.start = start, .state = on_state, .on_pool = on_pool};
    eddy_timer_init(&tick, loop);
    begin_ns = eddy_loop_now_ns(loop);
    cpu_ns = cpu_now_ns();
    ups = 0;
    late_ns = turn_ns = longest_ns = 0;
    eddy_hook_init(&check, loop);
    eddy_hook_init(&prepare, loop);
    if (eddy_hook_start(&check, EDDY_HOOK_CHECK, on_check) < 0 ||
        eddy_hook_start(&prepare, EDDY_HOOK_PREPARE, on_prepare) < 0)
        exit(1);
    open_links = count;
    due_ns = begin_ns + TICK_MS * EDDY_NS_PER_MS;
    if (eddy_timer_start_at(&tick, on_tick, due_ns, 0) < 0) exit(1);
    for (unsigned i = 0; i < count; i++) {
        links[i].command = command;
        links[i].left = left;
        links[i].flags = flags;
        eddy_pq_init(&links[i].pq, loop, &config);
        if (eddy_pq_connect(&links[i].pq) < 0) exit(1);
        if (left > 0 &&
            eddy_pq_submit(&links[i].pq, &links[i].request, send_command, on_result, flags) < 0)
            exit(1);
    }
    if (eddy_loop_run(loop, EDDY_RUN_DEFAULT) < 0 || ups != count) exit(1);
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    if (is_measuring)
        printf("%-34s %6.0f ms | timer late by %5.1f ms | longest turn %5.1f ms, all %4.0f ms of "
               "processor time | %llu waits\n",
               what, (double)(eddy_loop_now_ns(loop) - begin_ns) / 1e6, (double)late_ns / 1e6,
               (double)longest_ns / 1e6, (double)(cpu_now_ns() - cpu_ns) / 1e6,
               (unsigned long long)metrics.waits);
    fflush(stdout);
    if (eddy_loop_close(loop) < 0) exit(1);
}

int main(int argc, char **argv) {
    is_measuring = argc > 1 && strcmp(argv[1], "--measure") == 0;
    backend = is_measuring || argc < 2 ? NULL : argv[1];
    info = getenv("EDDY_TEST_PG_TCP_HOST");
    const char *const local = getenv("EDDY_TEST_PG");
    if (info == NULL || local == NULL) return 2;
    const unsigned rounds = is_measuring ? 3 : 1;
    const char *const tcp = info;
    for (unsigned i = 0; i < rounds; i++) {
        info = tcp;
        run("50 log-ins", 0, false, CONNECTIONS, NULL, 0, 0);
        run("50 log-ins, events_per_turn 16", 16, false, CONNECTIONS, NULL, 0, 0);
        run("50 log-ins, events_per_turn 4", 4, false, CONNECTIONS, NULL, 0, 0);
        run("50 log-ins, events_per_turn 1", 1, false, CONNECTIONS, NULL, 0, 0);
        run("50 log-ins, on_pool", 0, true, CONNECTIONS, NULL, 0, 0);
        info = local;
        run("50 connections, 200 queries each", 0, false, CONNECTIONS, "select 1", 200, 0);
        run("the same, events_per_turn 1", 1, false, CONNECTIONS, "select 1", 200, 0);
        if (!is_measuring) break;
        run("8000 rows of 8 KB, whole", 0, false, 1,
            "select repeat('x', 8000) from generate_series(1, 8000)", 1, 0);
        run("8000 rows of 8 KB, EDDY_PQ_ROWS", 0, false, 1,
            "select repeat('x', 8000) from generate_series(1, 8000)", 1, EDDY_PQ_ROWS);
        run("1000000 numbers, EDDY_PQ_ROWS", 0, false, 1, "select generate_series(1, 1000000)", 1,
            EDDY_PQ_ROWS);
        run("one field of 64 MB", 0, false, 1, "select repeat('x', 64000000)", 1, 0);
    }
    return 0;
}
