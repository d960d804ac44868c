/* adapter/libpq.h: connections to PostgreSQL by libpq (14 or later) on a loop. Header-only, and not
 * part of eddy.h: include it beside <libpq-fe.h> and link libpq. Chapter docs/14-adapters.md and
 * docs/examples/postgres.c show it. Loop thread only, but for what is said of `on_pool`.
 *
 * libpq makes the calls of the protocol, and this says when: `start` begins a connection by
 * PQconnectStart, `send` a request by one of PQsendQueryParams, PQsendQueryPrepared, PQsendPrepare
 * …, `result` is given its results. Requests wait in a queue for their turn, also until the
 * connection is made; what is to be the first of each session (SET, LISTEN, PQsendPrepare) is
 * submitted first.
 *
 * A connection keeps the loop alive, unless `idle_unref` is set and it has no request. Nothing is
 * allocated but by libpq. No callback runs inside a call; only a notice comes from inside libpq.
 *
 * What blocks inside libpq: the look-up of names (give hostaddr, or set `on_pool`), reading
 * ~/.pgpass, service and key files, Kerberos. What computes: SCRAM, some 5 ms a log-in, and TLS.
 * connect_timeout of the connection string is for blocking connections; `connect_ns` is for these,
 * over all hosts, and tcp_user_timeout (in milliseconds, Linux) goes on to the next host.
 * @since 0.1 */
#ifndef EDDY_ADAPTER_LIBPQ_H
#define EDDY_ADAPTER_LIBPQ_H

#include <eddy/defer.h>
#include <eddy/io.h>
#include <eddy/timer.h>
#include <eddy/work.h>
#include <libpq-fe.h>
#include <string.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_pq eddy_pq;
typedef struct eddy_pq_request eddy_pq_request;

/* Begins a connection: returns what PQconnectStart or PQconnectStartParams gave. It is the
 * adapter's from then on. With `on_pool` it runs on a thread of the pool. */
typedef PGconn *eddy_pq_start_fn(eddy_pq *pq);

/* 0: connected. Else there is no connection any more, and every request has been told:
 * -ECONNREFUSED (it could not be made), -ETIMEDOUT (not within `connect_ns`), -ECONNRESET (it was
 * lost), -ENOTSUP (COPY in a pipeline), -EPROTO (a group that could not be sent whole), or what
 * eddy_io_start or eddy_work_submit gave. PQerrorMessage(eddy_pq_conn(pq)) has libpq's words, until
 * eddy_pq_connect is called, here or later, after a pause. */
typedef void eddy_pq_state_fn(eddy_pq *pq, int status);

/* A notification (LISTEN), with a request in flight or without. Valid during the call. */
typedef void eddy_pq_notify_fn(eddy_pq *pq, const PGnotify *notify);

/* A notice, warning or, before an idle connection is closed by the server, its reason. Valid during
 * the call, which libpq makes: call eddy_pq_… here, and no PQ… of this connection. */
typedef void eddy_pq_notice_fn(eddy_pq *pq, const PGresult *notice);

/* Zeros mean the defaults. */
typedef struct eddy_pq_config {
    eddy_pq_start_fn *start;   /* must be there */
    eddy_pq_state_fn *state;   /* must be there */
    eddy_pq_notify_fn *notify; /* NULL: dropped */
    eddy_pq_notice_fn *notice; /* NULL: dropped; libpq would print it */
    unsigned in_flight;        /* requests at the server at once; more than 1: pipeline mode, which
                                * takes neither PQsendQuery nor COPY; default 1 */
    int64_t connect_ns;        /* -ETIMEDOUT after so long; default 0: never */
    bool on_pool;              /* log in on threads of the loop's pool (EDDY_LANE_LOOKUP), so that
                                * nothing of it holds up the loop; its notices are dropped, and
                                * connect_ns waits for the step under way */
    bool idle_unref;           /* without a request it does not keep the loop alive */
} eddy_pq_config;

/* All fields are private. */
struct eddy_pq {
    eddy_io io;
    eddy_timer deadline;
    eddy_defer later;
    eddy_work step, canceller;
    eddy_link sent, waiting, taken_back; /* requests */
    eddy_pq_config config;
    PGconn *conn;
    void *cancel;      /* while a thread of the pool asks for it */
    int64_t cancel_ns; /* from then until the next time */
    void (*closed)(eddy_pq *pq);
    PostgresPollingStatusType polling;
    unsigned in_flight; /* the length of `sent` */
    int error;
    uint8_t state;
    bool is_stepping; /* on the pool, which has `conn` meanwhile */
    bool is_late, is_paused, is_grouping, is_held, takes_copy;
};

/* Calls one of libpq's PQsend… functions with `conn` when it is the request's turn, and returns
 * what that returned. What it points to is free again when it returns. */
typedef int eddy_pq_send_fn(eddy_pq_request *request, PGconn *conn);

/* With `result`: one of its results, in order, errors of the server as well (PQresultStatus); the
 * callee clears it (PQclear), now or later. Without: the last call, and `request` is yours again.
 * Then `status` is 0, if the server has answered, with whatever; -ECANCELED, if it was taken back
 * or the connection closed; -ENOTCONN, if the connection was lost, or not made, before it was sent;
 * -ECONNRESET, if it was lost after that, so that nobody knows what has been done; -EINVAL, if
 * libpq refused it. PQerrorMessage(eddy_pq_conn(pq)) has the words.
 *
 * COPY: of PGRES_COPY_OUT call PQgetCopyData(conn, &row, 1) until it returns 0, when the same is
 * told again as more arrives, or -1. PGRES_COPY_IN is told again and again when there is room for
 * more: PQputCopyData some, or PQputCopyEnd. eddy_pq_pause is for who has nothing to put yet. */
typedef void eddy_pq_result_fn(eddy_pq_request *request, PGresult *result, int status);

enum {
    EDDY_PQ_ROWS = 1 << 0, /* one PGRES_SINGLE_TUPLE a row (PQsetSingleRowMode), so that a large
                            * result is never in memory as a whole */
    EDDY_PQ_MORE =
        1 << 1, /* in a pipeline: no sync after it, so that this and the next are a group,
                 * which one error aborts (PGRES_PIPELINE_ABORTED), and one transaction
                 * unless they say otherwise: it is committed when the last one ends */
};

/* All fields are private. */
struct eddy_pq_request {
    eddy_link link;
    eddy_pq *pq;
    eddy_pq_send_fn *send;
    eddy_pq_result_fn *result;
    uint8_t flags, state;
    bool is_answered;
};

#ifdef __cplusplus
}
#endif

#include <eddy/adapter/libpq_private.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes `pq` a connection of `loop` that is not made yet. Copies `config`. Cannot fail. */
static inline void eddy_pq_init(eddy_pq *pq, eddy_loop *loop, const eddy_pq_config *config) {
    memset(pq, 0, sizeof *pq);
    eddy_io_init(&pq->io, loop);
    eddy_timer_init(&pq->deadline, loop);
    eddy_defer_init(&pq->later, loop);
    pq->sent.prev = pq->sent.next = &pq->sent;
    pq->waiting.prev = pq->waiting.next = &pq->waiting;
    pq->taken_back.prev = pq->taken_back.next = &pq->taken_back;
    pq->config = *config;
}

/* The connection, for PQerrorMessage, PQbackendPID, PQescapeLiteral and all that does not wait;
 * NULL before it has begun, after it was closed, and while a thread of the pool has it. */
static inline PGconn *eddy_pq_conn(const eddy_pq *pq) {
    return pq->is_stepping ? NULL : pq->conn;
}

/* The connection that the request was submitted to; also in its last callback. */
static inline eddy_pq *eddy_pq_of(const eddy_pq_request *request) {
    return request->pq;
}

/* Connects, for the first time or anew after a loss; `state` tells. Errors: -EBUSY (it is connected
 * or connecting, its loss has not been told, or it was closed), or as eddy_timer_start. */
static inline int eddy_pq_connect(eddy_pq *pq) {
    if (pq->state != EDDY__PQ_OFF) return -EBUSY;
    int err = pq->config.connect_ns == 0
                  ? 0
                  : eddy_timer_start(&pq->deadline, eddy__pq_on_deadline, pq->config.connect_ns, 0);
    if (err < 0) return err;
    PQfinish(pq->conn);
    pq->conn = NULL;
    pq->state = EDDY__PQ_CONNECTING;
    pq->is_late = pq->is_paused = pq->is_grouping = pq->is_held = pq->takes_copy = false;
    eddy__pq_go_on(pq);
    return 0;
}

/* Sends the request when those before it have been, and tells its results. `request` is the
 * adapter's until the last call of `result`, and the memory the caller's. What is submitted in one
 * turn is sent together. Errors, after which no callback runs: -ENOTCONN (neither connected nor
 * connecting), -EINVAL (unknown flags, or EDDY_PQ_MORE without a pipeline). */
static inline int eddy_pq_submit(eddy_pq *pq, eddy_pq_request *request, eddy_pq_send_fn *send,
                                 eddy_pq_result_fn *result, unsigned flags) {
    if (flags & ~(unsigned)(EDDY_PQ_ROWS | EDDY_PQ_MORE)) return -EINVAL;
    if ((flags & EDDY_PQ_MORE) && pq->config.in_flight <= 1) return -EINVAL;
    if (pq->state != EDDY__PQ_CONNECTING && pq->state != EDDY__PQ_READY) return -ENOTCONN;
    request->pq = pq;
    request->send = send;
    request->result = result;
    request->flags = (uint8_t)flags;
    request->state = EDDY__PQ_WAITING;
    request->is_answered = false;
    eddy__pq_append(&pq->waiting, &request->link);
    if (pq->state == EDDY__PQ_READY) eddy__pq_go_on(pq);
    return 0;
}

/* Takes back a request that was not sent: it ends with -ECANCELED. For one that was, a thread of
 * the pool asks the server to stop it (PQcancel blocks), and again from time to time, as a server
 * that has not begun it ignores that: it ends as the server says, mostly with an error 57014 among
 * its results. The server stops whatever it finds: until that is over nothing else is sent. Errors:
 * -EALREADY (it has ended, or that is under way), -EBUSY (it is part of a group; others are in
 * flight with it, and it may be one of these that is stopped; or a thread still asks for one of the
 * connection before this), -ENOMEM, or as eddy_work_submit. */
static inline int eddy_pq_cancel(eddy_pq_request *request) {
    eddy_pq *pq = request->pq;
    if (request->state == EDDY__PQ_ENDED || pq->state >= EDDY__PQ_LOSING) return -EALREADY;
    if (request->state == EDDY__PQ_WAITING) {
        eddy_link *before = request->link.prev;
        bool is_second =
            before == &pq->waiting
                ? pq->is_grouping
                : (eddy_container_of(before, eddy_pq_request, link)->flags & EDDY_PQ_MORE) != 0;
        if (is_second || (request->flags & EDDY_PQ_MORE)) return -EBUSY;
        eddy__pq_unlink(&request->link);
        eddy__pq_append(&pq->taken_back, &request->link);
        request->state = EDDY__PQ_ENDED;
        eddy__pq_go_on(pq);
        return 0;
    }
    if (pq->in_flight > 1 || (request->flags & EDDY_PQ_MORE)) return -EBUSY;
    if (pq->is_held) return -EALREADY;
    if (pq->cancel != NULL) return -EBUSY; /* of the connection before */
    pq->cancel_ns = 10 * EDDY_NS_PER_MS;
    return eddy__pq_ask_cancel(pq);
}

/* While it is paused no result is told and nothing read, so that the server has to wait; nor is a
 * loss of the connection seen. Neither keeps what is submitted from being sent. */
static inline void eddy_pq_pause(eddy_pq *pq, bool is_paused) {
    pq->is_paused = is_paused;
    eddy__pq_go_on(pq);
}

/* Closes it, from anywhere. Each request ends with -ECANCELED, though the server may go on with one
 * that it has; then `closed` is called from the loop and `pq` is yours again. That waits for a step
 * or a cancel that a thread of the pool is at. Errors: -EALREADY (it is closing). */
static inline int eddy_pq_close(eddy_pq *pq, void (*closed)(eddy_pq *pq)) {
    if (pq->state == EDDY__PQ_CLOSING) return -EALREADY;
    eddy_io_stop(&pq->io);
    eddy_timer_stop(&pq->deadline);
    if (pq->is_stepping) (void)eddy_work_cancel(&pq->step);
    pq->state = EDDY__PQ_CLOSING;
    pq->closed = closed;
    eddy__pq_go_on(pq);
    return 0;
}

#ifdef __cplusplus
}
#endif
#endif
