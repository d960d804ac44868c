/* libpq.h: what the tests of adapter/libpq.h share: a connection that counts what it is told, and
 * queries that do. The server is started by libpq.sh, which says in the environment where it is. */
#ifndef EDDY_TESTS_ADAPTER_LIBPQ_H
#define EDDY_TESTS_ADAPTER_LIBPQ_H

#include "suite.h"

#include <eddy/adapter/libpq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct link {
    eddy_pq pq;
    const char *info;
    bool is_up, is_down, is_closed;
    int ups, downs, status, notices, notifies;
    char text[512]; /* libpq's words of the loss */
    char note[64];  /* the last notification */
    void (*on_up)(struct link *it);
};

struct query {
    eddy_pq_request request;
    const char *command;
    const char *value; /* of $1, or NULL */
    int rows, results, ends, status;
    bool is_done, is_binary;
    char first[32];      /* the first field */
    char state[8];       /* SQLSTATE of the last error */
    char text[512];      /* libpq's words at the end */
    ExecStatusType kind; /* of the last result */
    int *order, place;   /* a counter, and what it was at the end */
};

static inline const char *server_info(void) {
    const char *info = getenv("EDDY_TEST_PG");
    ck_assert_msg(info != NULL, "run it by tests/adapter/libpq.sh");
    return info;
}

static inline void control_server(const char *verb) {
    char command[256];
    snprintf(command, sizeof command, "%s %s", getenv("EDDY_TEST_PG_CONTROL"), verb);
    ck_assert_int_eq(system(command), 0);
}

static inline PGconn *link_start(eddy_pq *pq) {
    return PQconnectStart(eddy_container_of(pq, struct link, pq)->info);
}

static inline void link_on_state(eddy_pq *pq, int status) {
    struct link *it = eddy_container_of(pq, struct link, pq);
    it->is_up = status == 0;
    it->is_down = !it->is_up;
    it->status = status;
    if (it->is_up)
        it->ups++;
    else
        it->downs++;
    snprintf(it->text, sizeof it->text, "%s", PQerrorMessage(eddy_pq_conn(pq)));
    if (it->is_up && it->on_up != NULL) it->on_up(it);
}

static inline void link_on_notify(eddy_pq *pq, const PGnotify *notify) {
    struct link *it = eddy_container_of(pq, struct link, pq);
    it->notifies++;
    snprintf(it->note, sizeof it->note, "%s %s", notify->relname, notify->extra);
}

static inline void link_on_notice(eddy_pq *pq, const PGresult *notice) {
    ck_assert_ptr_nonnull(PQresultErrorMessage(notice));
    eddy_container_of(pq, struct link, pq)->notices++;
}

static inline eddy_pq_config link_config(void) {
    return (eddy_pq_config){.start = link_start,
                            .state = link_on_state,
                            .notify = link_on_notify,
                            .notice = link_on_notice};
}

static inline void link_open_with(struct link *it, eddy_loop *loop, const char *info,
                                  eddy_pq_config config) {
    *it = (struct link){.info = info};
    eddy_pq_init(&it->pq, loop, &config);
    ck_assert_int_eq(eddy_pq_connect(&it->pq), 0);
}

static inline void link_open(struct link *it, eddy_loop *loop) {
    link_open_with(it, loop, server_info(), link_config());
}

static inline void link_on_closed(eddy_pq *pq) {
    eddy_container_of(pq, struct link, pq)->is_closed = true;
}

static inline void link_close(struct link *it) {
    eddy_loop *loop = eddy_handle_loop(&it->pq.io.handle);
    ck_assert_int_eq(eddy_pq_close(&it->pq, link_on_closed), 0);
    ck_assert_int_eq(eddy_pq_close(&it->pq, link_on_closed), -EALREADY);
    test_turn_until(loop, &it->is_closed);
}

static inline int query_send(eddy_pq_request *request, PGconn *conn) {
    const struct query *it = eddy_container_of(request, struct query, request);
    return PQsendQueryParams(conn, it->command, it->value != NULL, NULL, &it->value, NULL, NULL,
                             it->is_binary);
}

static inline void query_on_result(eddy_pq_request *request, PGresult *result, int status) {
    struct query *it = eddy_container_of(request, struct query, request);
    ck_assert_int_eq(it->ends, 0);
    if (result == NULL) {
        it->ends++;
        it->status = status;
        it->is_done = true;
        PGconn *conn = eddy_pq_conn(eddy_pq_of(request));
        if (conn != NULL) snprintf(it->text, sizeof it->text, "%s", PQerrorMessage(conn));
        if (it->order != NULL) it->place = (*it->order)++;
        return;
    }
    ck_assert_int_eq(status, 0);
    it->results++;
    it->kind = PQresultStatus(result);
    it->rows += PQntuples(result);
    if (PQntuples(result) > 0 && PQnfields(result) > 0)
        memcpy(it->first, PQgetvalue(result, 0, 0),
               sizeof it->first - 1 < (size_t)PQgetlength(result, 0, 0) + 1
                   ? sizeof it->first - 1
                   : (size_t)PQgetlength(result, 0, 0) + 1);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (state != NULL) snprintf(it->state, sizeof it->state, "%s", state);
    PQclear(result);
}

static inline void query_submit(struct query *it, struct link *link, const char *command,
                                unsigned flags) {
    *it = (struct query){
        .command = command, .value = it->value, .is_binary = it->is_binary, .order = it->order};
    ck_assert_int_eq(eddy_pq_submit(&link->pq, &it->request, query_send, query_on_result, flags),
                     0);
}

/* One query, waited for. */
static inline void query_run(struct query *it, struct link *link, const char *command) {
    query_submit(it, link, command, 0);
    test_turn_until(eddy_handle_loop(&link->pq.io.handle), &it->is_done);
}

#endif
