/* show_serving.c: see show_serving.h. */
#include "show_serving.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "page.h"

enum { STATE_MS = 100, RECORDS_MS = 50 };

/* --- Who may ask --- */

/* A page of another site can make a browser ask us, and a name of its own can lead here: whoever
 * does not call this machine by its own name is turned away. */
static bool is_host_ours(eddy_http_request *request) {
    size_t length = 0;
    const char *host = eddy_http_authority(request, &length);
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; host != NULL && i < sizeof names / sizeof names[0]; i++) {
        size_t size = strlen(names[i]);
        if (length >= size && memcmp(host, names[i], size) == 0 &&
            (length == size || host[size] == ':'))
            return true;
    }
    return false;
}

static bool is_origin_ours(eddy_http_request *request) {
    const char *origin = eddy_http_field(request, "Origin");
    size_t length = 0;
    const char *host = eddy_http_authority(request, &length);
    return origin == NULL ||
           (host != NULL && strncmp(origin, "http://", 7) == 0 && strlen(origin + 7) == length &&
            memcmp(origin + 7, host, length) == 0);
}

static bool is_welcome(eddy_http_request *request) {
    static const char no[] = "this is for the machine that it runs on\n";
    if (is_host_ours(request) && is_origin_ours(request)) return true;
    (void)eddy_http_respond_lent(request, 403, no, sizeof no - 1);
    return false;
}

/* --- Requests --- */

static void on_page(eddy_http_request *request, void *context) {
    static const char no[] = "no such page\n";
    (void)context;
    if (!is_welcome(request)) return;
    if (strcmp(eddy_http_path(request), "/") != 0) {
        (void)eddy_http_respond_lent(request, 404, no, sizeof no - 1);
        return;
    }
    (void)eddy_http_add(request, "Content-Type", "text/html; charset=utf-8");
    (void)eddy_http_add(request, "Cache-Control", "no-cache");
    (void)eddy_http_respond_lent(request, 200, show_page, show_page_bytes);
}

/* Nobody has looked for a moment: whoever comes then finds the loop live. */
static void leave_if_empty(struct show *show) {
    if (show->visitors.has_emptied) show_controls_leave(&show->controls);
    show->visitors.has_emptied = false;
}

static void on_events(eddy_http_request *request, void *context) {
    struct show *show = context;
    if (!is_welcome(request)) return;
    if (show->visitors.count == 0) {
        show->line = 1;
        show->played_since_ns = show_now_ns();
    }
    if (show->options.file == NULL) { /* the backend may be another one by now */
        struct json hello;
        leave_if_empty(show);
        json_begin(&hello, show->hello, sizeof show->hello);
        show_hello_write(&hello, &show->observed, show->options.guide != NULL);
        show->hello_bytes = hello.used;
    }
    show_visitors_add(&show->visitors, request, show->hello, show->hello_bytes);
}

static void on_costs(eddy_http_request *request, void *context) {
    struct show *show = context;
    if (is_welcome(request)) show_measure_costs(&show->measure, request);
}

static void on_way(eddy_http_request *request, void *context) {
    struct show *show = context;
    if (is_welcome(request)) show_way_answer(&show->way, request);
}

struct copy {
    struct show *show;
    char *text;
};

static void on_copy_done(eddy_http_request *request, void *context) {
    struct copy *copy = context;
    (void)request;
    copy->show->copies--;
    free(copy->text);
    free(copy);
}

static void on_record(eddy_http_request *request, void *context) {
    static const char full[] = "too many of them are under way\n";
    struct show *show = context;
    size_t size = 0;
    if (!is_welcome(request)) return;
    (void)eddy_http_add(request, "Content-Type", "application/x-ndjson");
    if (show->options.file != NULL) {
        (void)eddy_http_respond_lent(request, 200, show->playback.text, show->playback.bytes);
        return;
    }
    struct copy *copy = show->copies < COPIES_MAX ? calloc(1, sizeof *copy) : NULL;
    char *text = copy != NULL ? show_recording_copy(&show->recording, &size) : NULL;
    if (text == NULL) {
        free(copy);
        (void)eddy_http_respond_lent(request, 503, full, sizeof full - 1);
        return;
    }
    *copy = (struct copy){show, text};
    show->copies++;
    eddy_http_on_done(request, on_copy_done, copy);
    (void)eddy_http_respond_lent(request, 200, text, size);
}

/* What to do, until it is there as a whole. */
struct order {
    struct show *show;
    size_t used;
    char text[DO_BYTES];
};

static void on_order_done(eddy_http_request *request, void *context) {
    (void)request;
    free(context);
}

static void on_order(eddy_http_request *request, const void *data, ssize_t size, void *context) {
    struct order *order = context;
    char answer[128];
    if (size > 0) {
        memcpy(order->text + order->used, data, (size_t)size); /* the limit is DO_BYTES */
        order->used += (size_t)size;
        return;
    }
    if (size < 0) {
        (void)eddy_http_respond(request, size == -EMSGSIZE ? 413 : 400, "no form\n", 8);
        return;
    }
    const char *why = show_do(&order->show->controls, order->text, order->used);
    if (why == NULL) {
        (void)eddy_http_respond(request, 204, NULL, 0);
        return;
    }
    int length = snprintf(answer, sizeof answer, "%s\n", why);
    (void)eddy_http_respond(request, 400, answer, (size_t)length);
}

static void on_do(eddy_http_request *request, void *context) {
    if (!is_welcome(request)) return;
    struct order *order = calloc(1, sizeof *order);
    if (order == NULL) {
        eddy_http_abort(request);
        return;
    }
    order->show = context;
    eddy_http_on_done(request, on_order_done, order);
    int err = eddy_http_read_body(request, DO_BYTES, on_order, order);
    if (err < 0) (void)eddy_http_respond(request, 413, "too long\n", 9);
}

/* --- What is told --- */

static void tell(void *context, const char *type, const char *data, size_t size) {
    struct show *show = context;
    show_recording_add(&show->recording, type, data, size);
    show_visitors_tell(&show->visitors, type, data, size);
}

static void tell_lines(struct show *show) {
    char line[BOARD_LINE_BYTES], text[2 * BOARD_LINE_BYTES];
    while (show_board_take(&show->board, line)) {
        struct json json;
        json_begin(&json, text, sizeof text);
        json_add(&json, "{\"text\":");
        json_add_text(&json, line);
        json_add(&json, "}");
        if (!json.is_cut) tell(show, "said", text, json.used);
    }
}

static void on_state(eddy_timer *timer) {
    struct show *show = eddy_container_of(timer, struct show, state_timer);
    char text[STATE_BYTES];
    struct json json;
    json_begin(&json, text, sizeof text);
    show_state_write(&show->state, &json);
    if (!json.is_cut) tell(show, "state", text, json.used);
    show_stalls_tell(&show->observed.stalls, &show->frames, tell, show);
    tell_lines(show);
    leave_if_empty(show);
    int err = show_observed_error(&show->observed);
    if (err < 0) {
        fprintf(stderr, "eddy: the loop has ended: %s\n", eddy_strerror(err, text, sizeof text));
        show->status = 1;
        show_serving_stop(show);
    }
}

static void on_records(eddy_timer *timer) {
    struct show *show = eddy_container_of(timer, struct show, records_timer);
    uint64_t before = show->visitors.next;
    show_records_send(&show->records, &show->visitors);
    for (uint64_t i = before; i < show->visitors.next; i++) {
        const struct show_batch *batch = &show->visitors.batches[i % BATCHES];
        show_recording_add(&show->recording, "records", batch->text, batch->bytes);
    }
}

static void on_play(eddy_timer *timer) {
    struct show *show = eddy_container_of(timer, struct show, records_timer);
    const struct show_playback *playback = &show->playback;
    int64_t at_ms = (show_now_ns() - show->played_since_ns) / EDDY_NS_PER_MS;
    if (show->visitors.count == 0) return;
    while (show->line < playback->count && playback->lines[show->line].at_ms <= at_ms) {
        const struct show_line *line = &playback->lines[show->line++];
        if (!line->is_answer)
            show_visitors_tell(&show->visitors, line->event, line->data, line->data_bytes);
    }
}

/* --- Start and end --- */

static int listen_at(struct show *show, unsigned port) {
    struct sockaddr_storage address;
    int length = eddy_address_parse(&address, "127.0.0.1", port);
    if (length < 0) return length;
    return eddy_http_listen(show->http, &show->listener, (struct sockaddr *)&address,
                            (socklen_t)length, 0, NULL);
}

static int start_listening(struct show *show) {
    enum { USUAL = 8020 };
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    bool is_usual = show->options.port == SHOW_PORT_USUAL;
    int err = listen_at(show, is_usual ? USUAL : show->options.port);
    if (is_usual && err == -EADDRINUSE) err = listen_at(show, 0);
    if (err < 0) return err;
    err = eddy_listener_address(&show->listener.listener, (struct sockaddr *)&address, &length);
    if (err < 0) return err;
    err = eddy_address_format((struct sockaddr *)&address, show->address, sizeof show->address);
    return err < 0 ? err : 0;
}

int show_serving_start(struct show *show) {
    bool is_live = show->options.file == NULL;
    int err = eddy_http_handle(show->http, "GET", "/", on_page, show);
    if (err == 0) err = eddy_http_handle(show->http, "GET", "/events", on_events, show);
    if (err == 0) err = eddy_http_handle(show->http, "GET", "/record", on_record, show);
    if (err == 0)
        err = eddy_http_handle(show->http, "GET", "/guide", show_guide_answer, &show->guide);
    if (err == 0) err = eddy_http_handle(show->http, "GET", "/costs", on_costs, show);
    if (err == 0 && is_live) err = eddy_http_handle(show->http, "GET", "/way", on_way, show);
    if (err == 0 && is_live) err = eddy_http_handle(show->http, "POST", "/do", on_do, show);
    if (err == 0) err = start_listening(show);
    if (err == 0 && is_live)
        err = eddy_timer_start(&show->state_timer, on_state, STATE_MS * EDDY_NS_PER_MS,
                               STATE_MS * EDDY_NS_PER_MS);
    if (err == 0)
        err = eddy_timer_start(&show->records_timer, is_live ? on_records : on_play,
                               RECORDS_MS * EDDY_NS_PER_MS, RECORDS_MS * EDDY_NS_PER_MS);
    return err;
}

void show_serving_stop(struct show *show) {
    eddy_timer_stop(&show->end);
    eddy_timer_stop(&show->state_timer);
    eddy_timer_stop(&show->records_timer);
    eddy_signal_stop(&show->interrupt);
    eddy_signal_stop(&show->terminate);
    if (show->options.opens) eddy_child_stop(&show->browser);
    if (show->options.file == NULL) show_way_stop(&show->way);
    show_measure_stop(&show->measure);
    show_frames_stop(&show->frames);
    show_visitors_close(&show->visitors);
    eddy_http_cut(show->http);
    (void)eddy_http_stop(show->http, NULL, NULL);
}

void show_serving_tell(void *context, const char *type, const char *data, size_t size) {
    tell(context, type, data, size);
}
