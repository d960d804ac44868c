/* http_handlers.h: a handler for each way in which a request may be read and answered. What each
 * was told is in its struct ask. Threading: the loop's. */
#ifndef EDDY_TESTS_FAULT_HTTP_HANDLERS_H
#define EDDY_TESTS_FAULT_HTTP_HANDLERS_H

#include "fault.h"

#include <eddy/http.h>
#include <sys/socket.h>

enum {
    ASKS = 24,                /* of all clients together, at most */
    BODY_BYTES = 3000,        /* of a request */
    PIECES_BYTES = 40 * 1024, /* more than one output buffer */
    FILE_BYTES = 60 * 1024,   /* the kernel sends the end of it */
    EVENTS = 3,
};

/* A request that a handler was called for. */
struct ask {
    eddy_http_request *request;
    struct promise done, upgrade;
    bool is_ended, is_gone, is_logged, has_body;
    eddy_timer timer;
    size_t size, given;
    unsigned events;
    char bytes[BODY_BYTES];
};

static eddy_http *http;
static struct ask asks[ASKS];
static unsigned ask_count;
static char content[FILE_BYTES];
static int file;
static int upgraded; /* the descriptor that a client's connection has become; -1: none */
static bool stays;   /* the clients do, for their answers */

/* --- What every handler does --- */

static void on_done(eddy_http_request *request, void *context) {
    struct ask *ask = context;
    fault_assert(ask->request == request && ask->is_ended && ask->is_logged);
    promise_keep(&ask->done);
    eddy_timer_stop(&ask->timer);
}

/* Whatever it said, it has ended the request. */
static void end(struct ask *ask, int err) {
    fault_assert(!ask->is_ended);
    fault_assert(err == 0 || !fault_is_unhurt() || (err == -EPIPE && !stays));
    ask->is_ended = true;
    eddy_timer_stop(&ask->timer);
}

static void give_up(struct ask *ask) {
    if (ask->is_ended) return;
    ask->is_ended = true;
    eddy_timer_stop(&ask->timer);
    eddy_http_abort(ask->request);
}

static void on_gone(eddy_http_request *request, void *context) {
    struct ask *ask = context;
    fault_assert(ask->request == request && !ask->is_ended && !ask->is_gone);
    fault_assert(!fault_is_unhurt() || !stays);
    ask->is_gone = true;
    give_up(ask);
}

static struct ask *take(eddy_http_request *request) {
    fault_assert(ask_count < ASKS);
    struct ask *ask = &asks[ask_count++];
    memset(ask, 0, sizeof *ask);
    ask->request = request;
    (void)promise_give(&ask->done, 0);
    eddy_timer_init(&ask->timer, eddy_http_loop(http));
    eddy_http_on_done(request, on_done, ask);
    eddy_http_on_gone(request, on_gone, ask);
    return ask;
}

static void later(struct ask *ask, eddy_timer_fn *fn) {
    if (eddy_timer_start(&ask->timer, fn, EDDY_NS_PER_MS, 0) < 0) give_up(ask);
}

static struct ask *ask_of(eddy_timer *timer) {
    return eddy_container_of(timer, struct ask, timer);
}

static void on_log(eddy_http_request *request, const eddy_http_outcome *outcome, void *context) {
    struct ask *ask = eddy_http_done_context(request);
    (void)context;
    fault_assert(outcome->status == 0 || outcome->status >= 100);
    if (ask == NULL) return; /* no handler was called */
    fault_assert(!ask->is_logged);
    ask->is_logged = true;
}

static void on_error(eddy_http_request *request, int status, void *context) {
    (void)context;
    (void)eddy_http_respond(request, status, "?", 1);
}

/* --- The handlers --- */

static void echo(eddy_timer *timer) {
    struct ask *ask = ask_of(timer);
    if (eddy_http_body_length(ask->request) < 0)
        end(ask, eddy_http_respond_lent(ask->request, 200, ask->bytes, ask->size));
    else
        end(ask, eddy_http_respond(ask->request, 200, ask->bytes, ask->size));
}

static void resume(eddy_timer *timer) {
    eddy_http_resume_body(ask_of(timer)->request);
}

static void on_body(eddy_http_request *request, const void *data, ssize_t size, void *context) {
    struct ask *ask = context;
    fault_assert(!ask->has_body);
    if (size > 0) {
        fault_assert(ask->size + (size_t)size <= BODY_BYTES);
        fault_assert(memcmp(data, content + ask->size, (size_t)size) == 0);
        memcpy(ask->bytes + ask->size, data, (size_t)size);
        ask->size += (size_t)size;
        eddy_http_pause_body(request);
        later(ask, resume);
        return;
    }
    ask->has_body = true;
    if (size == 0)
        later(ask, echo);
    else
        give_up(ask);
}

static void handle_body(eddy_http_request *request, void *context) {
    struct ask *ask = take(request);
    (void)context;
    int err = eddy_http_read_body(request, BODY_BYTES, on_body, ask);
    fault_assert(err == 0 || !fault_is_unhurt());
    if (err < 0) give_up(ask);
}

static void give_pieces(eddy_http_request *request, void *context) {
    struct ask *ask = context;
    while (ask->given < PIECES_BYTES && !ask->is_ended) {
        size_t left = PIECES_BYTES - ask->given;
        ssize_t taken = eddy_http_write(request, content + ask->given, left);
        if (taken == -EAGAIN) return;
        if (taken < 0) {
            give_up(ask);
            return;
        }
        ask->given += (size_t)taken;
        if ((size_t)taken < left) return;
    }
    if (!ask->is_ended) end(ask, eddy_http_end(request));
}

static void handle_pieces(eddy_http_request *request, void *context) {
    struct ask *ask = take(request);
    int64_t length = context == NULL ? -1 : PIECES_BYTES;
    eddy_http_on_drained(request, give_pieces, ask);
    if (eddy_http_start(request, 200, length) < 0)
        give_up(ask);
    else
        give_pieces(request, ask);
}

static void handle_file(eddy_http_request *request, void *context) {
    struct ask *ask = take(request);
    (void)context;
    end(ask, eddy_http_respond_file(request, 200, file, 0, FILE_BYTES));
}

static void on_file_drained(eddy_http_request *request, void *context) {
    end(context, eddy_http_end(request));
}

/* Bytes, and a part of a file behind them. */
static void handle_parts(eddy_http_request *request, void *context) {
    struct ask *ask = take(request);
    (void)context;
    eddy_http_on_drained(request, on_file_drained, ask);
    int err = eddy_http_start(request, 200, -1);
    if (err == 0 && eddy_http_write(request, content, 10) != 10) err = -EPIPE;
    if (err == 0) err = eddy_http_write_file(request, file, 10, FILE_BYTES - 10);
    fault_assert(err == 0 || !fault_is_unhurt());
    if (err < 0) give_up(ask);
}

static void send_events(eddy_http_request *request, void *context);

static void send_event(eddy_timer *timer) {
    send_events(ask_of(timer)->request, ask_of(timer));
}

/* A client that stays gets some; of another its heartbeat has to find out that it has left. */
static void send_events(eddy_http_request *request, void *context) {
    struct ask *ask = context;
    if (ask->is_ended || (!stays && ask->events == EVENTS)) return;
    if (ask->events == EVENTS) {
        end(ask, eddy_http_end(request));
        return;
    }
    int err = eddy_http_event(request, "tick", "1", content, 1000);
    if (err == -EAGAIN) return; /* `drained` comes */
    if (err < 0) {
        give_up(ask);
        return;
    }
    ask->events++;
    later(ask, send_event);
}

static void handle_events(eddy_http_request *request, void *context) {
    struct ask *ask = take(request);
    (void)context;
    eddy_http_on_drained(request, send_events, ask);
    if (eddy_http_start_events(request, EDDY_NS_PER_S) < 0)
        give_up(ask);
    else
        send_events(request, ask);
}

static void on_upgraded(int fd, const void *data, size_t size, void *context) {
    struct ask *ask = context;
    promise_keep(&ask->upgrade);
    fault_assert(fd >= 0 || !fault_is_unhurt() || !stays);
    fault_assert(size == 0 || (size <= 5 && memcmp(data, "early", size) == 0));
    if (fd < 0) return;
    fault_assert(upgraded < 0);
    upgraded = fd; /* closing it with bytes left to read would be a reset */
    (void)!send(fd, "another", 7, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
}

static void handle_upgrade(eddy_http_request *request, void *context) {
    struct ask *ask = take(request);
    (void)context;
    if (eddy_http_add(request, "Upgrade", "other") < 0)
        give_up(ask);
    else
        end(ask, promise_give(&ask->upgrade, eddy_http_upgrade(request, on_upgraded, ask)));
}

/* Answered when the client is gone, so never. */
static void handle_wait(eddy_http_request *request, void *context) {
    (void)context;
    (void)take(request);
}

static void handle_abort(eddy_http_request *request, void *context) {
    (void)context;
    give_up(take(request));
}

static int add_handlers(void) {
    static const struct {
        const char *method, *prefix;
        eddy_http_fn *fn;
        void *context;
    } all[] = {
        {"POST", "/body", handle_body, NULL},       {"GET", "/pieces", handle_pieces, NULL},
        {"GET", "/length", handle_pieces, content}, {"GET", "/file", handle_file, NULL},
        {"GET", "/parts", handle_parts, NULL},      {"GET", "/events", handle_events, NULL},
        {"GET", "/upgrade", handle_upgrade, NULL},  {"GET", "/wait", handle_wait, NULL},
        {"GET", "/abort", handle_abort, NULL},
    };
    int err = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0] && err == 0; i++)
        err = eddy_http_handle(http, all[i].method, all[i].prefix, all[i].fn, all[i].context);
    return err;
}

#endif
