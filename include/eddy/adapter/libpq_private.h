/* adapter/libpq_private.h: what eddy/adapter/libpq.h is made of. Include that, and read it first.
 *
 * Invariant: io watches PQsocket() or nothing, and nothing while libpq may close or swap it on
 * purpose; `sent` and `waiting` hold each request that has not been told its end, in order. What
 * may call back is done in callbacks of the loop only: all else notes, and `later` looks at it.
 * Threading: loop thread, but for the two functions that say so.
 * @since 0.1 */
#ifndef EDDY_ADAPTER_LIBPQ_PRIVATE_H
#define EDDY_ADAPTER_LIBPQ_PRIVATE_H

#ifndef EDDY_ADAPTER_LIBPQ_H
#error "include <eddy/adapter/libpq.h>"
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum { EDDY__PQ_OFF, EDDY__PQ_CONNECTING, EDDY__PQ_READY, EDDY__PQ_LOSING, EDDY__PQ_CLOSING };
enum { EDDY__PQ_ENDED, EDDY__PQ_WAITING, EDDY__PQ_SENT };

static inline void eddy__pq_on_later(eddy_defer *defer);
static inline void eddy__pq_on_io(eddy_io *io, unsigned events);
static inline void eddy__pq_on_cancel(eddy_work *work, int status);

static inline void eddy__pq_unlink(eddy_link *link) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
}

static inline void eddy__pq_append(eddy_link *list, eddy_link *link) {
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}

static inline eddy_pq_request *eddy__pq_first(eddy_link *list) {
    return list->next == list ? NULL : eddy_container_of(list->next, eddy_pq_request, link);
}

/* What is called from anywhere only notes, and this looks at it in phase 7. */
static inline void eddy__pq_go_on(eddy_pq *pq) {
    (void)eddy_defer_start(&pq->later, eddy__pq_on_later);
}

static inline void eddy__pq_lose(eddy_pq *pq, int error) {
    eddy_io_stop(&pq->io);
    eddy_timer_stop(&pq->deadline);
    pq->state = EDDY__PQ_LOSING;
    pq->error = error;
    eddy__pq_go_on(pq);
}

/* After a cancel: its request has ended, and the server will hear of it no more. */
static inline void eddy__pq_let_go(eddy_pq *pq) {
    if (pq->cancel != NULL || !pq->is_held) return;
    eddy_timer_stop(&pq->deadline);
    pq->is_held = false;
}

static inline void eddy__pq_end(eddy_pq_request *request, int status) {
    eddy__pq_unlink(&request->link);
    if (request->state == EDDY__PQ_SENT && --request->pq->in_flight == 0)
        eddy__pq_let_go(request->pq);
    request->state = EDDY__PQ_ENDED;
    request->result(request, NULL, status);
}

static inline void eddy__pq_watch(eddy_pq *pq, unsigned events) {
    int err = 0, fd = PQsocket(pq->conn);
    if (eddy_io_fd(&pq->io) != fd) {
        eddy_io_stop(&pq->io);
        err = eddy_io_start(&pq->io, eddy__pq_on_io, fd, events);
    } else if (eddy_io_events(&pq->io) != events) {
        err = eddy_io_change(&pq->io, events);
    }
    if (err < 0) eddy__pq_lose(pq, err);
}

/* A request ends with its sync, not with its results: a deferred constraint fails in between. */
static inline bool eddy__pq_awaits_sync(const eddy_pq_request *request) {
    return request->pq->config.in_flight > 1 && !(request->flags & EDDY_PQ_MORE);
}

/* Results, as long as there are any without a wait. */
static inline void eddy__pq_take(eddy_pq *pq) {
    bool copy_was_told = false;
    eddy_pq_request *request;
    pq->takes_copy = false;
    while (pq->state == EDDY__PQ_READY && !pq->is_paused &&
           (request = eddy__pq_first(&pq->sent)) != NULL) {
        /* Before libpq parses anything of it; later it says no. */
        if (request->flags & EDDY_PQ_ROWS) (void)PQsetSingleRowMode(pq->conn);
        if (PQisBusy(pq->conn)) return;
        PGresult *result = PQgetResult(pq->conn);
        if (pq->state != EDDY__PQ_READY) { /* by a notice */
            PQclear(result);
            return;
        }
        ExecStatusType kind = PQresultStatus(result);
        bool is_copy = kind == PGRES_COPY_IN || kind == PGRES_COPY_OUT || kind == PGRES_COPY_BOTH;
        if (kind == PGRES_COPY_IN && pq->config.in_flight <= 1 && PQflush(pq->conn) != 0) {
            PQclear(result); /* no room: EDDY_WRITE tells when, or that it is lost */
            return;
        }
        if (is_copy && (copy_was_told || pq->config.in_flight > 1)) {
            /* libpq says it again as long as it lasts; and cannot get out of it in a pipeline. */
            PQclear(result);
            pq->takes_copy = kind == PGRES_COPY_IN;
            if (pq->config.in_flight > 1) eddy__pq_lose(pq, -ENOTSUP);
            return;
        }
        if (kind == PGRES_FATAL_ERROR && result != NULL && PQstatus(pq->conn) != CONNECTION_OK &&
            PQresultErrorField(result, PG_DIAG_SQLSTATE) == NULL) {
            PQclear(result); /* not the server's: the end of the connection, told to all alike */
            return;
        }
        copy_was_told = is_copy;
        if (result != NULL && kind != PGRES_PIPELINE_SYNC) {
            request->is_answered = false;
            request->result(request, result, 0);
        } else if (result != NULL || !eddy__pq_awaits_sync(request)) {
            PQclear(result);
            eddy__pq_end(request, 0);
        } else if (request->is_answered) {
            return; /* libpq has nothing to say, and no sync */
        } else {
            request->is_answered = true;
        }
    }
}

/* Sends what may be sent; a group as a whole, since none of it is answered before its sync. What
 * does not go out is moved by libpq at each attempt, so nothing is put behind it. Returns whether
 * there was any: libpq may have the answer without the server, in an aborted group, or if `send`
 * sent nothing. */
static inline bool eddy__pq_give(eddy_pq *pq) {
    const unsigned most = pq->config.in_flight > 1 ? pq->config.in_flight : 1;
    bool was_given = false;
    eddy_pq_request *request;
    while (pq->state == EDDY__PQ_READY && PQstatus(pq->conn) == CONNECTION_OK && !pq->is_held &&
           PQflush(pq->conn) == 0 && (pq->in_flight < most || pq->is_grouping) &&
           (request = eddy__pq_first(&pq->waiting)) != NULL) {
        bool is_alone = !pq->is_grouping && !(request->flags & EDDY_PQ_MORE);
        eddy__pq_unlink(&request->link);
        eddy__pq_append(&pq->sent, &request->link);
        request->state = EDDY__PQ_SENT;
        pq->in_flight++;
        pq->is_grouping = (request->flags & EDDY_PQ_MORE) != 0;
        was_given = true;
        int ok = request->send(request, pq->conn);
        if (pq->state != EDDY__PQ_READY) return false;
        if (!ok && is_alone && PQstatus(pq->conn) == CONNECTION_OK) {
            eddy__pq_go_on(pq); /* the others later: it may be submitted anew, and refused again */
            eddy__pq_end(request, -EINVAL);
            return false;
        }
        if (!ok || (eddy__pq_awaits_sync(request) && !PQpipelineSync(pq->conn)))
            eddy__pq_lose(pq, PQstatus(pq->conn) == CONNECTION_OK ? -EPROTO : -ECONNRESET);
    }
    return was_given;
}

/* All that can be done with a connection just now. Whoever is called here may close it. */
static inline void eddy__pq_advance(eddy_pq *pq) {
    unsigned events = EDDY_READ;
    PGnotify *notify;
    do eddy__pq_take(pq);
    while (eddy__pq_give(pq));
    while (pq->state == EDDY__PQ_READY && !pq->is_paused &&
           (notify = PQnotifies(pq->conn)) != NULL) {
        if (pq->config.notify != NULL) pq->config.notify(pq, notify);
        PQfreemem(notify);
    }
    if (pq->state != EDDY__PQ_READY) return;
    int unsent = PQflush(pq->conn);
    if (unsent < 0 || PQstatus(pq->conn) != CONNECTION_OK) {
        eddy__pq_lose(pq, -ECONNRESET);
        return;
    }
    if (eddy_loop_backend(eddy_handle_loop(&pq->io.handle))->capabilities & EDDY_CAN_HANGUP)
        events |= EDDY_HANGUP;
    if (pq->is_paused) events = 0;
    if (unsent > 0 || (pq->takes_copy && !pq->is_paused)) events |= EDDY_WRITE;
    bool is_idle = pq->in_flight == 0 && eddy__pq_first(&pq->waiting) == NULL;
    (is_idle && pq->config.idle_unref ? eddy_unref : eddy_ref)(&pq->io.handle);
    eddy__pq_watch(pq, events);
}

static inline void eddy__pq_on_notice(void *context, const PGresult *notice) {
    eddy_pq *pq = (eddy_pq *)context;
    if (pq->is_stepping || pq->state >= EDDY__PQ_LOSING) return;
    if (pq->config.notice != NULL) pq->config.notice(pq, notice);
}

/* A step of the log-in; on a thread of the pool with `on_pool`. */
static inline void eddy__pq_run_step(eddy_work *work) {
    eddy_pq *pq = eddy_container_of(work, eddy_pq, step);
    if (pq->conn != NULL) {
        pq->polling = PQconnectPoll(pq->conn);
        return;
    }
    pq->conn = pq->config.start(pq);
    pq->polling =
        PQstatus(pq->conn) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    if (pq->conn != NULL) PQsetNoticeReceiver(pq->conn, eddy__pq_on_notice, pq);
}

static inline void eddy__pq_after_step(eddy_pq *pq) {
    eddy_ref(&pq->io.handle);
    if (pq->polling == PGRES_POLLING_READING) {
        eddy__pq_watch(pq, EDDY_READ);
    } else if (pq->polling == PGRES_POLLING_WRITING) {
        eddy__pq_watch(pq, EDDY_WRITE);
    } else if (pq->polling != PGRES_POLLING_OK) {
        eddy__pq_lose(pq, -ECONNREFUSED);
    } else if (PQsetnonblocking(pq->conn, 1) != 0 ||
               (pq->config.in_flight > 1 && !PQenterPipelineMode(pq->conn))) {
        eddy__pq_lose(pq, -ENOMEM);
    } else {
        eddy_timer_stop(&pq->deadline);
        pq->state = EDDY__PQ_READY;
        eddy__pq_go_on(pq);
        pq->config.state(pq, 0);
    }
}

static inline void eddy__pq_on_step(eddy_work *work, int status) {
    eddy_pq *pq = eddy_container_of(work, eddy_pq, step);
    pq->is_stepping = false;
    if (status == 0 && pq->state == EDDY__PQ_CONNECTING && !pq->is_late)
        eddy__pq_after_step(pq);
    else
        eddy__pq_go_on(pq);
}

/* libpq may close its socket in each step, and open another for the next host, or without TLS: so
 * nothing watches meanwhile. */
static inline void eddy__pq_next_step(eddy_pq *pq) {
    eddy_io_stop(&pq->io);
    if (!pq->config.on_pool) {
        eddy__pq_run_step(&pq->step);
        if (pq->state == EDDY__PQ_CONNECTING) eddy__pq_after_step(pq);
        return;
    }
    int err = eddy_work_submit(eddy_handle_loop(&pq->io.handle), &pq->step, EDDY_LANE_LOOKUP,
                               eddy__pq_run_step, eddy__pq_on_step);
    pq->is_stepping = err == 0;
    if (err < 0) eddy__pq_lose(pq, err);
}

static inline void eddy__pq_on_io(eddy_io *io, unsigned events) {
    eddy_pq *pq = eddy_container_of(io, eddy_pq, io);
    int err = eddy_io_error(io);
    if (err < 0) {
        eddy__pq_lose(pq, err);
    } else if (pq->state == EDDY__PQ_CONNECTING) {
        eddy__pq_next_step(pq);
    } else {
        /* At the end libpq closes the socket; if it has only just come, a moment too early. */
        if (events & (EDDY_HANGUP | EDDY_ERROR)) eddy_io_stop(io);
        if (events & ~(unsigned)EDDY_WRITE) (void)PQconsumeInput(pq->conn); /* see PQstatus */
        eddy__pq_advance(pq);
    }
}

/* What has arrived in time may be looked at first: so not before phase 7. */
static inline void eddy__pq_on_deadline(eddy_timer *timer) {
    eddy_pq *pq = eddy_container_of(timer, eddy_pq, deadline);
    pq->is_late = true;
    eddy__pq_go_on(pq);
}

static inline void eddy__pq_tell_loss(eddy_pq *pq) {
    eddy_pq_request *request;
    while (pq->state == EDDY__PQ_LOSING && (request = eddy__pq_first(&pq->sent)) != NULL)
        eddy__pq_end(request, -ECONNRESET);
    while (pq->state == EDDY__PQ_LOSING && (request = eddy__pq_first(&pq->waiting)) != NULL)
        eddy__pq_end(request, -ENOTCONN);
    if (pq->state != EDDY__PQ_LOSING) return;
    /* The server is to end what it was at, locks and all, however long the next connect takes. */
    if (!pq->is_stepping && PQsocket(pq->conn) >= 0) (void)shutdown(PQsocket(pq->conn), SHUT_RDWR);
    pq->state = EDDY__PQ_OFF;
    pq->config.state(pq, pq->error);
}

static inline void eddy__pq_finish(eddy_pq *pq) {
    eddy_pq_request *request;
    PQfinish(pq->conn);
    pq->conn = NULL;
    for (int i = 0; i < 3; i++) {
        eddy_link *lists[] = {&pq->taken_back, &pq->sent, &pq->waiting};
        while ((request = eddy__pq_first(lists[i])) != NULL) eddy__pq_end(request, -ECANCELED);
    }
    if (pq->cancel != NULL) return; /* comes again after it */
    eddy_defer_stop(&pq->later);
    pq->closed(pq);
}

static inline void eddy__pq_on_later(eddy_defer *defer) {
    eddy_pq *pq = eddy_container_of(defer, eddy_pq, later);
    const eddy_link *last = pq->taken_back.prev; /* of now, not what their callbacks add */
    eddy_pq_request *request;
    while ((request = eddy__pq_first(&pq->taken_back)) != NULL) {
        bool is_last = &request->link == last;
        eddy__pq_end(request, -ECANCELED);
        if (is_last) break;
    }
    if (pq->is_stepping) return; /* comes again after it */
    if (pq->state == EDDY__PQ_CONNECTING && pq->is_late)
        eddy__pq_lose(pq, -ETIMEDOUT);
    else if (pq->state == EDDY__PQ_CONNECTING && pq->conn == NULL)
        eddy__pq_next_step(pq);
    else if (pq->state == EDDY__PQ_READY)
        eddy__pq_advance(pq);
    else if (pq->state == EDDY__PQ_LOSING)
        eddy__pq_tell_loss(pq);
    else if (pq->state == EDDY__PQ_CLOSING)
        eddy__pq_finish(pq);
}

/* --- Cancel --- */

#ifdef LIBPQ_HAS_ASYNC_CANCEL /* 17 or later: encrypted as the connection is */
typedef PGcancelConn eddy__pq_cancel;

static inline PGcancelConn *eddy__pq_cancel_open(PGconn *conn) {
    return PQcancelCreate(conn);
}

static inline void eddy__pq_cancel_run(PGcancelConn *cancel) {
    (void)PQcancelBlocking(cancel);
}

static inline void eddy__pq_cancel_free(PGcancelConn *cancel) {
    PQcancelFinish(cancel);
}
#else
typedef PGcancel eddy__pq_cancel;

static inline PGcancel *eddy__pq_cancel_open(PGconn *conn) {
    return PQgetCancel(conn);
}

static inline void eddy__pq_cancel_run(PGcancel *cancel) {
    char text[256];
    (void)PQcancel(cancel, text, sizeof text);
}

static inline void eddy__pq_cancel_free(PGcancel *cancel) {
    PQfreeCancel(cancel);
}
#endif

/* On a thread of the pool. */
static inline void eddy__pq_run_cancel(eddy_work *work) {
    eddy_pq *pq = eddy_container_of(work, eddy_pq, canceller);
    eddy__pq_cancel_run((eddy__pq_cancel *)pq->cancel);
}

static inline int eddy__pq_ask_cancel(eddy_pq *pq) {
    pq->cancel = eddy__pq_cancel_open(pq->conn);
    if (pq->cancel == NULL) return -ENOMEM;
    int err = eddy_work_submit(eddy_handle_loop(&pq->io.handle), &pq->canceller, EDDY_LANE_LOOKUP,
                               eddy__pq_run_cancel, eddy__pq_on_cancel);
    pq->is_held = err == 0;
    if (err == 0) return 0;
    eddy__pq_cancel_free((eddy__pq_cancel *)pq->cancel);
    pq->cancel = NULL;
    return err;
}

static inline void eddy__pq_on_cancel_time(eddy_timer *timer) {
    (void)eddy__pq_ask_cancel(eddy_container_of(timer, eddy_pq, deadline));
}

/* A server that had not begun the request yet has ignored it. */
static inline void eddy__pq_on_cancel(eddy_work *work, int status) {
    eddy_pq *pq = eddy_container_of(work, eddy_pq, canceller);
    (void)status;
    eddy__pq_cancel_free((eddy__pq_cancel *)pq->cancel);
    pq->cancel = NULL;
    if (pq->in_flight == 0) eddy__pq_let_go(pq);
    if (pq->is_held && pq->state == EDDY__PQ_READY) {
        (void)eddy_timer_start(&pq->deadline, eddy__pq_on_cancel_time, pq->cancel_ns, 0);
        if (pq->cancel_ns < EDDY_NS_PER_S) pq->cancel_ns *= 2;
    }
    eddy__pq_go_on(pq);
}

#ifdef __cplusplus
}
#endif
#endif
