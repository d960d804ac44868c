/* serve_echo.c: see serve_echo.h.
 * Invariant: `open` counts the requests whose done is still to come; each has a struct echo until
 * then. Threading: the loop's. */
#include "serve_echo.h"

#include <eddy.h>
#include <string.h>

#include "../../src/cmd/serve/system.h" /* the tests have another one */
#include "world.h"

struct echo {
    eddy_http_request *request;
    eddy_timer timer;
    bool is_whole, is_ended, is_gone, is_lent;
    size_t size, given;
    char bytes[ECHO_BYTES_MAX];
};

static unsigned open_count;

unsigned serve_echo_open(void) {
    return open_count;
}

static void on_done(eddy_http_request *request, void *context) {
    struct echo *echo = context;
    (void)request;
    sim_check(echo->is_ended, "an echo is done and was not ended");
    open_count--;
    eddy_timer_stop(&echo->timer);
    if (echo->is_lent) memset(echo->bytes, '!', sizeof echo->bytes);
    system_free(echo);
}

static void end(struct echo *echo, int err) {
    sim_check(err == 0 || err == -EPIPE || err == -ENOMEM, "an echo cannot be answered: %d", err);
    echo->is_ended = true;
}

static void abort_it(struct echo *echo) {
    echo->is_ended = true;
    eddy_http_abort(echo->request);
}

/* --- The answer --- */

static void give_pieces(eddy_http_request *request, void *context) {
    struct echo *echo = context;
    while (!echo->is_ended && echo->given < echo->size) {
        size_t left = echo->size - echo->given, size = 1 + sim_below((unsigned)left);
        ssize_t taken = eddy_http_write(request, echo->bytes + echo->given, size);
        if (taken == -EPIPE) abort_it(echo);
        if (taken < 0) return;
        sim_check((size_t)taken <= size, "more is taken than was given");
        echo->given += (size_t)taken;
        if ((size_t)taken < size) return;
    }
    if (!echo->is_ended) end(echo, eddy_http_end(request));
}

static void later(struct echo *echo, eddy_timer_fn *fn) {
    if (eddy_timer_start(&echo->timer, fn, (int64_t)sim_below(20000000), 0) < 0) abort_it(echo);
}

static void give_event(eddy_timer *timer) {
    struct echo *echo = eddy_container_of(timer, struct echo, timer);
    if (echo->is_ended) return;
    if (echo->given == echo->size) {
        end(echo, eddy_http_end(echo->request));
        return;
    }
    size_t size = 1 + sim_below((unsigned)(echo->size - echo->given));
    const char *type = sim_below(2) == 0 ? "echo" : NULL;
    int err = eddy_http_event(echo->request, type, NULL, echo->bytes + echo->given, size);
    if (err == -EAGAIN) return; /* `drained` comes */
    sim_check(err == 0 || err == -EPIPE || err == -ENOMEM, "an event is refused: %d", err);
    if (err == 0) echo->given += size;
    if (err == 0)
        later(echo, give_event);
    else
        abort_it(echo);
}

static void on_events_drained(eddy_http_request *request, void *context) {
    struct echo *echo = context;
    (void)request;
    give_event(&echo->timer);
}

/* Heartbeats come between them. */
static void give_events(struct echo *echo) {
    eddy_http_on_drained(echo->request, on_events_drained, echo);
    if (eddy_http_start_events(echo->request, 1 + sim_below(20000000)) < 0)
        abort_it(echo);
    else
        give_event(&echo->timer);
}

static void answer(eddy_timer *timer) {
    struct echo *echo = eddy_container_of(timer, struct echo, timer);
    eddy_http_request *request = echo->request;
    unsigned way = sim_below(5);
    if (way == 4) {
        give_events(echo);
        return;
    }
    (void)eddy_http_add(request, "Content-Type", "text/plain");
    if (way == 0) {
        end(echo, eddy_http_respond(request, 200, echo->bytes, echo->size));
        memset(echo->bytes, '?', sizeof echo->bytes);
    } else if (way == 1) {
        echo->is_lent = true;
        end(echo, eddy_http_respond_lent(request, 200, echo->bytes, echo->size));
    } else {
        eddy_http_on_drained(request, give_pieces, echo);
        if (eddy_http_start(request, 200, way == 2 ? (int64_t)echo->size : -1) < 0)
            abort_it(echo);
        else
            give_pieces(request, echo);
    }
}

/* --- The body --- */

static void resume(eddy_timer *timer) {
    eddy_http_resume_body(eddy_container_of(timer, struct echo, timer)->request);
}

static void on_body(eddy_http_request *request, const void *data, ssize_t size, void *context) {
    struct echo *echo = context;
    sim_check(!echo->is_whole, "a body goes on behind its end");
    if (size < 0) {
        echo->is_whole = true;
        if (size == -ETIMEDOUT) {
            (void)eddy_http_add(request, "Content-Type", "text/plain");
            end(echo, eddy_http_respond(request, 408, NULL, 0));
        } else {
            abort_it(echo);
        }
    } else if (size == 0) {
        echo->is_whole = true;
        if (sim_below(3) == 0)
            answer(&echo->timer);
        else
            later(echo, answer);
    } else {
        sim_check(echo->size + (size_t)size <= sizeof echo->bytes, "a body beyond its limit");
        memcpy(echo->bytes + echo->size, data, (size_t)size);
        echo->size += (size_t)size;
        if (sim_below(4) > 0) return;
        eddy_http_pause_body(request);
        later(echo, resume);
    }
}

static void on_gone(eddy_http_request *request, void *context) {
    struct echo *echo = context;
    (void)request;
    sim_check(!echo->is_gone && !echo->is_ended, "gone at the wrong time");
    echo->is_gone = true;
    eddy_timer_stop(&echo->timer);
    abort_it(echo);
}

static void on_request(eddy_http_request *request, void *context) {
    (void)context;
    struct echo *echo = system_resize(NULL, sizeof *echo);
    if (echo == NULL) {
        eddy_http_abort(request);
        return;
    }
    memset(echo, 0, sizeof *echo);
    open_count++;
    echo->request = request;
    eddy_timer_init(&echo->timer, eddy_http_loop(eddy_http_server(request)));
    eddy_http_on_done(request, on_done, echo);
    eddy_http_on_gone(request, on_gone, echo);
    int err = eddy_http_read_body(request, ECHO_BYTES_MAX, on_body, echo);
    sim_check(err == 0, "a body cannot be read: %d", err);
}

int serve_echo_add(eddy_http *http) {
    open_count = 0;
    return eddy_http_handle(http, "POST", "/echo", on_request, NULL);
}
