/* http_proxy.c: a reverse proxy for HTTP/1.1. http.h is the side of the clients, a stream for each
 * request the side of the upstreams, which are taken in turn, with connections that are kept:
 *
 *     http_proxy 127.0.0.1:8080 127.0.0.1:9001 127.0.0.1:9002
 *
 * Requests cannot be smuggled: nothing is passed on as it came. A request was taken apart by
 * http.h, which refuses what could be read in two ways, and is put together here anew, with the one
 * length that was found; an answer is taken apart here, as strictly, and put together by http.h.
 * Bodies are counted, or decoded and encoded again.
 *
 * A request takes one buffer (16 KiB: the answer's head, then pieces of its body), at most one read
 * of its own body (16 KiB) that the upstream has not taken, and what http.h has for it; an idle
 * connection to an upstream about 300 bytes. Who fills one side is not read on the other. A client
 * that sends no more counts as gone. Chapter 15 walks through it. Options: those of proxy.c, and
 *
 *     -a SECONDS     in which an answer has to begin, and some of it to come. 60 */
#include "http_upstream.h"

enum { BUFFER_BYTES = 16 << 10 };

struct proxy {
    eddy_loop *loop;
    eddy_http *http;
    eddy_http_listener listener;
    struct signals signals;
    struct settings settings;
    struct links links;
    struct relay *relays; /* after an Upgrade */
};

/* A request, and its answer on the way back. */
struct exchange {
    eddy_http_request *request;
    struct proxy *proxy;
    struct link *link;
    uint64_t tried; /* upstreams */
    int error;      /* of the last one */
    int64_t head_due_ns;
    bool may_repeat, needs_new, is_upgrade;
    bool is_body_over, is_body_unwanted; /* of the request */
    bool has_heard, has_begun;           /* a byte of an answer; the answer to the client */
    struct answer answer;
    size_t at, used; /* of the buffer */
    char buffer[BUFFER_BYTES];
};

static void lose(struct exchange *it, int error);
static void try_next(struct exchange *it);

static void close_link(struct exchange *it) {
    if (it->link != NULL) link_close(it->link);
    it->link = NULL;
}

static void refuse(struct exchange *it, int status, const char *why) {
    close_link(it);
    if (it->has_begun) {
        eddy_http_abort(it->request); /* its length or its chunks show that it is cut */
        return;
    }
    eddy_http_clear(it->request);
    eddy_http_add(it->request, "Content-Type", "text/plain; charset=utf-8");
    eddy_http_respond(it->request, status, why, strlen(why));
}

/* --- The body of the request --- */

/* An upstream may take its time from the last piece of the body on. */
static void await_head(struct exchange *it) {
    int64_t answer_ns = it->proxy->settings.answer_ns;
    if (it->has_begun) return;
    it->head_due_ns = eddy_loop_now_ns(it->proxy->loop) + answer_ns;
    (void)eddy_stream_set_read_deadline(&it->link->stream, answer_ns); /* the timer runs */
}

/* What an upstream has said before it broke off is read first; one that is stuck says nothing. */
static void on_link_sent(struct link *link, int status) {
    struct exchange *it = link->context;
    if (status == -ETIMEDOUT)
        lose(it, status);
    else if (status == 0)
        eddy_http_resume_body(it->request);
}

/* An upstream that takes no more of the body may have answered already: the reader knows. */
static void on_body(eddy_http_request *request, const void *data, ssize_t size, void *context) {
    struct exchange *it = context;
    char number[20], line_end[] = "\r\n";
    if (it->link == NULL || it->is_body_unwanted) return;
    if (size < 0) {
        refuse(it, size == -ETIMEDOUT ? 408 : 400, "the body did not come as announced\n");
        return;
    }
    bool is_chunked = eddy_http_body_length(request) < 0;
    int length = snprintf(number, sizeof number, "%zx\r\n", (size_t)size);
    struct iovec pieces[] = {{number, is_chunked ? (size_t)length : 0},
                             {(void *)(uintptr_t)data, (size_t)size},
                             {line_end, is_chunked ? 2 : 0}};
    if (size == 0) it->is_body_over = true;
    if (link_send(it->link, pieces, 3) < 0) it->is_body_unwanted = true;
    if (it->is_body_unwanted || it->link->unsent > 0) eddy_http_pause_body(request);
    await_head(it);
}

/* --- To the client --- */

static void on_answer(eddy_stream *stream, void *data, ssize_t size);

static void read_on(struct exchange *it) {
    eddy_stream *stream = &it->link->stream;
    int64_t delay_ns = it->proxy->settings.answer_ns;
    if (!it->has_begun) delay_ns = it->head_due_ns - eddy_loop_now_ns(it->proxy->loop);
    eddy_stream_read_stop(stream);
    int err =
        eddy_stream_read_into(stream, it->buffer + it->used, BUFFER_BYTES - it->used, on_answer);
    if (err == 0) err = eddy_stream_set_read_deadline(stream, delay_ns > 0 ? delay_ns : 0);
    if (err < 0) refuse(it, 503, "out of memory\n");
}

static void finish(struct exchange *it) {
    struct link *link = it->link;
    bool is_kept = !it->answer.is_last && it->at == it->used && it->is_body_over &&
                   !it->is_body_unwanted && link->unsent == 0;
    if (is_kept) {
        it->link = NULL;
        links_keep(link);
    }
    close_link(it);
    eddy_http_end(it->request);
}

/* Gives the client what is in the buffer; what it has no room for waits there, and nothing is read
 * until it has. */
static void pump(struct exchange *it) {
    while (it->answer.state != ANSWER_OVER && it->at < it->used) {
        size_t size = answer_data(&it->answer, it->used - it->at);
        if (size == 0) {
            if (answer_take_byte(&it->answer, it->buffer[it->at++])) continue;
            refuse(it, 502, "");
            return;
        }
        ssize_t taken = eddy_http_write(it->request, it->buffer + it->at, size);
        if (taken == -EAGAIN) taken = 0;
        if (taken < 0) { /* it is gone */
            refuse(it, 502, "");
            return;
        }
        answer_take_data(&it->answer, (size_t)taken);
        it->at += (size_t)taken;
        if ((size_t)taken == size) continue;
        eddy_stream_read_stop(&it->link->stream);
        return;
    }
    if (it->answer.state == ANSWER_OVER) {
        finish(it);
        return;
    }
    it->at = it->used = 0;
    read_on(it);
}

static void on_drained(eddy_http_request *request, void *context) {
    struct exchange *it = context;
    (void)request;
    if (it->link != NULL) pump(it);
}

/* Date and Server are http.h's own. */
static int add_fields(struct exchange *it) {
    const struct answer *answer = &it->answer;
    int err = eddy_http_add(it->request, "Via", answer->minor > 0 ? "1.1 eddy" : "1.0 eddy");
    for (unsigned i = 0; i < answer->fields && err == 0; i++) {
        const char *name = answer->field[i].name;
        size_t length = strlen(name);
        bool is_of_switch = answer->status == 101 && strcasecmp(name, "Upgrade") == 0;
        if (is_listed("Date, Server", name, length)) continue;
        if (!is_of_switch && (is_hop_by_hop(name, length) || answer_names(answer, name))) continue;
        err = eddy_http_add(it->request, name, answer->field[i].value);
    }
    return err;
}

/* The connections are the relay's now. */
static void switch_protocols(struct exchange *it) {
    struct proxy *proxy = it->proxy;
    struct link *link = it->link;
    int err = relays_are(proxy->relays, proxy->settings.limit) ? -EMFILE : 0;
    if (err == 0)
        err = link_switch(link, it->request, it->buffer + it->at, it->used - it->at, &proxy->relays,
                          proxy->settings.idle_ns);
    if (err < 0) refuse(it, is_shortage(err) ? 503 : 502, "the protocol cannot be switched\n");
    close_link(it);
}

static void take_head(struct exchange *it) {
    bool is_to_head = strcmp(eddy_http_method(it->request), "HEAD") == 0;
    ssize_t length;
    while ((length = answer_head(&it->answer, it->buffer, it->used, is_to_head)) > 0) {
        if (it->answer.status >= 200 || it->answer.status == 101) break;
        it->used -= (size_t)length; /* 100, 103 … */
        memmove(it->buffer, it->buffer + length, it->used);
    }
    if (length == 0 && it->used < BUFFER_BYTES) {
        read_on(it);
        return;
    }
    if (length <= 0 || (it->answer.status == 101 && !it->is_upgrade) || add_fields(it) < 0) {
        refuse(it, 502, "the upstream's answer is not understood\n");
        return;
    }
    it->at = (size_t)length;
    if (it->answer.status == 101) {
        switch_protocols(it);
        return;
    }
    it->has_begun = true;
    eddy_http_on_drained(it->request, on_drained, it);
    if (eddy_http_start(it->request, it->answer.status, it->answer.length) < 0)
        refuse(it, 502, "");
    else
        pump(it);
}

static void on_answer(eddy_stream *stream, void *data, ssize_t size) {
    struct exchange *it = eddy_container_of(stream, struct link, stream)->context;
    (void)data;
    if (size <= 0) {
        lose(it, (int)size);
        return;
    }
    it->used += (size_t)size;
    it->has_heard = true;
    if (it->has_begun)
        pump(it);
    else
        take_head(it);
}

/* --- Trying --- */

/* The upstream has ended, or is too slow. A request that it may not have seen is repeated: on a new
 * connection if that was a kept one, which it may just have been closing, else elsewhere. */
static void lose(struct exchange *it, int error) {
    bool was_reused = it->link->is_reused;
    it->error = error;
    if (it->has_begun && error == 0 && it->answer.state == ANSWER_REST) {
        it->answer.state = ANSWER_OVER;
        finish(it);
    } else if (it->has_begun || error == -ETIMEDOUT) {
        refuse(it, 504, "the upstream does not answer in time\n");
    } else if (!it->has_heard && it->may_repeat) {
        if (was_reused) it->tried = 0;
        it->needs_new = true;
        close_link(it);
        try_next(it);
    } else {
        refuse(it, 502, "the upstream has ended without an answer\n");
    }
}

static void ask(struct exchange *it) {
    await_head(it);
    int err = eddy_stream_set_write_timeout(&it->link->stream, it->proxy->settings.answer_ns);
    if (err == 0) err = link_send_head(it->link, it->request, it->is_upgrade);
    if (err == 0 && !it->is_body_over)
        err = eddy_http_read_body(it->request, UINT64_MAX, on_body, it);
    if (is_shortage(err) || err == -EMSGSIZE)
        refuse(it, err == -EMSGSIZE ? 431 : 503, "the proxy cannot ask an upstream\n");
    else if (err < 0)
        lose(it, err);
    else
        read_on(it);
}

static void on_connect(eddy_stream *stream, int status) {
    struct link *link = eddy_container_of(stream, struct link, stream);
    struct exchange *it = link->context;
    if (it == NULL) return; /* nobody waits for it any more */
    upstream_tell(&it->proxy->settings.upstreams, link->upstream, status,
                  eddy_loop_now_ns(it->proxy->loop));
    if (status == 0) {
        (void)eddy_tcp_set_nodelay(stream, true);
        ask(it);
    } else {
        it->error = status;
        close_link(it);
        try_next(it);
    }
}

/* What cannot be repeated goes over a new connection, which the upstream is not about to close. */
static void try_next(struct exchange *it) {
    struct proxy *proxy = it->proxy;
    struct settings *settings = &proxy->settings;
    int64_t now_ns = eddy_loop_now_ns(proxy->loop);
    struct upstream *one;
    while ((one = upstream_pick(&proxy->settings.upstreams, &it->tried, now_ns)) != NULL) {
        if (it->may_repeat && !it->needs_new) it->link = links_take(&proxy->links, one);
        bool is_connected = it->link != NULL;
        int err = 0;
        if (!is_connected)
            err = link_connect(&proxy->links, one, settings->connect_ns, on_connect, &it->link);
        if (err == 0) {
            it->link->context = it;
            it->link->sent = on_link_sent;
            if (is_connected) ask(it);
            return;
        }
        if (is_shortage(err)) {
            refuse(it, 503, "the proxy is short of descriptors or memory\n");
            return;
        }
        upstream_tell(&proxy->settings.upstreams, one, err, now_ns);
    }
    refuse(it, it->error == -ETIMEDOUT ? 504 : 502, "no upstream can be reached\n");
}

/* --- The program --- */

static void on_gone(eddy_http_request *request, void *context) {
    close_link(context);
    eddy_http_abort(request);
}

static void on_done(eddy_http_request *request, void *context) {
    (void)request;
    close_link(context);
    free(context);
}

static void on_request(eddy_http_request *request, void *context) {
    struct exchange *it = malloc(sizeof *it);
    if (it == NULL) {
        eddy_http_respond(request, 503, NULL, 0);
        return;
    }
    const char *method = eddy_http_method(request), *upgrade = eddy_http_field(request, "Upgrade");
    memset(it, 0, offsetof(struct exchange, answer));
    it->at = it->used = 0;
    it->request = request;
    it->proxy = context;
    it->is_body_over = eddy_http_body_length(request) == 0;
    it->is_upgrade = upgrade != NULL && strcasecmp(upgrade, "websocket") == 0 && it->is_body_over &&
                     eddy_http_minor(request) > 0 &&
                     is_listed(eddy_http_field(request, "Connection"), "Upgrade", 7);
    it->may_repeat = it->is_body_over && !it->is_upgrade &&
                     is_listed("GET, HEAD, OPTIONS, TRACE, PUT, DELETE", method, strlen(method));
    eddy_http_on_done(request, on_done, it);
    eddy_http_on_gone(request, on_gone, it);
    try_next(it);
}

static void on_stopped(eddy_http *http, void *context) {
    struct proxy *proxy = context;
    (void)http;
    links_close(&proxy->links);
}

static void on_signal(struct signals *signals, bool is_first) {
    struct proxy *proxy = eddy_container_of(signals, struct proxy, signals);
    if (is_first) {
        eddy_http_stop(proxy->http, on_stopped, proxy);
    } else {
        eddy_http_cut(proxy->http);
        relay_close_all(&proxy->relays);
    }
}

static int start(struct proxy *proxy) {
    const struct settings *settings = &proxy->settings;
    proxy->links.loop = proxy->loop;
    proxy->links.upstreams = &settings->upstreams;
    eddy_http_config config = {.connections = settings->limit, .end_is_gone = true};
    int err = eddy_http_open(&proxy->http, proxy->loop, &config);
    if (err == 0) err = eddy_http_handle(proxy->http, NULL, "/", on_request, proxy);
    if (err == 0) err = eddy_http_handle(proxy->http, NULL, "*", on_request, proxy);
    if (err == 0) err = signals_start(&proxy->signals, proxy->loop, on_signal);
    if (err == 0)
        err = eddy_http_listen(proxy->http, &proxy->listener,
                               (const struct sockaddr *)&settings->address,
                               (socklen_t)settings->length, 0, NULL);
    return err;
}

int main(int argc, char **argv) {
    static struct proxy proxy;
    if (!settings_parse(&proxy.settings, argc, argv)) return 2;
    proxy.settings.limit *= 2; /* as many as the server has may have been upgraded */
    settings_fit(&proxy.settings, 16 + LINKS_KEPT_MAX * proxy.settings.upstreams.count);
    proxy.settings.limit = (proxy.settings.limit + 1) / 2;
    int err = eddy_loop_open(&proxy.loop, &proxy.settings.loop);
    if (err < 0) return fail("http_proxy", "loop", err);
    err = start(&proxy);
    if (err < 0) return fail("http_proxy", "start", err);
    tell_address("http_proxy", &proxy.listener.listener);
    err = eddy_loop_run(proxy.loop, EDDY_RUN_DEFAULT);
    signals_stop(&proxy.signals);
    if (eddy_http_close(proxy.http) < 0 || eddy_loop_close(proxy.loop) < 0) err = -EBUSY;
    return err < 0 ? fail("http_proxy", "end", err) : EXIT_SUCCESS;
}
