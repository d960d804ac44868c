/* show_visitors.c: see show_visitors.h. */
#include "show_visitors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "show_board.h"

enum { PATIENCE_S = 10, HEARTBEAT_S = 15 };

int show_visitors_init(struct show_visitors *visitors) {
    memset(visitors, 0, sizeof *visitors);
    visitors->batches = calloc(BATCHES, sizeof *visitors->batches);
    return visitors->batches == NULL ? -ENOMEM : 0;
}

void show_visitors_end(struct show_visitors *visitors) {
    free(visitors->batches);
}

/* Returns whether it has taken the event. One that has not for long is closed. */
static bool tell_visitor(struct show_visitor *visitor, const char *type, const char *data,
                         size_t size) {
    int err = eddy_http_event(visitor->request, type, NULL, data, size);
    int64_t now_ns = show_now_ns();
    if (err == 0) {
        visitor->refused_since_ns = 0;
        return true;
    }
    if (visitor->refused_since_ns == 0) visitor->refused_since_ns = now_ns;
    if (now_ns - visitor->refused_since_ns > PATIENCE_S * EDDY_NS_PER_S)
        eddy_http_abort(visitor->request);
    return false;
}

/* --- Batches --- */

static uint64_t first_batch(const struct show_visitors *visitors) {
    return visitors->next > BATCHES ? visitors->next - BATCHES : 0;
}

/* What was overwritten before it was sent. How many records of it there were nobody knows any more:
 * a batch is nearly full wherever that happens. */
static void skip_lost(struct show_visitor *visitor) {
    const struct show_visitors *visitors = visitor->visitors;
    uint64_t first = first_batch(visitors);
    if (visitor->batch >= first) return;
    unsigned usual = visitors->batches[first % BATCHES].records;
    visitor->lost += (first - visitor->batch) * usual;
    visitor->batch = first;
}

static void flush(struct show_visitor *visitor) {
    struct show_visitors *visitors = visitor->visitors;
    char text[48];
    skip_lost(visitor);
    if (visitor->lost > 0) {
        int length = snprintf(text, sizeof text, "{\"lost\":%" PRIu64 "}", visitor->lost);
        if (!tell_visitor(visitor, "records", text, (size_t)length)) return;
        visitor->lost = 0;
    }
    while (visitor->batch < visitors->next) {
        const struct show_batch *batch = &visitors->batches[visitor->batch % BATCHES];
        if (!tell_visitor(visitor, "records", batch->text, batch->bytes)) return;
        visitor->batch++;
    }
}

struct show_batch *show_visitors_batch(struct show_visitors *visitors) {
    return &visitors->batches[visitors->next % BATCHES];
}

void show_visitors_send_batch(struct show_visitors *visitors) {
    visitors->next++;
    for (unsigned i = 0; i < VISITORS_MAX; i++)
        if (visitors->all[i].request != NULL) flush(&visitors->all[i]);
}

void show_visitors_lose(struct show_visitors *visitors, uint64_t records) {
    for (unsigned i = 0; i < VISITORS_MAX; i++)
        if (visitors->all[i].request != NULL) visitors->all[i].lost += records;
}

/* --- Coming and going --- */

static void on_drained(eddy_http_request *request, void *context) {
    struct show_visitor *visitor = context;
    (void)request;
    if (visitor->request != NULL) flush(visitor);
}

static void on_gone(eddy_http_request *request, void *context) {
    (void)context;
    eddy_http_abort(request);
}

static void on_done(eddy_http_request *request, void *context) {
    struct show_visitor *visitor = context;
    (void)request;
    visitor->request = NULL;
    if (--visitor->visitors->count == 0) visitor->visitors->has_emptied = true;
}

void show_visitors_add(struct show_visitors *visitors, eddy_http_request *request,
                       const char *hello, size_t size) {
    static const char full[] = "too many have the page open\n";
    struct show_visitor *visitor = NULL;
    for (unsigned i = 0; i < VISITORS_MAX && visitor == NULL; i++)
        if (visitors->all[i].request == NULL) visitor = &visitors->all[i];
    if (visitor == NULL) {
        (void)eddy_http_respond_lent(request, 503, full, sizeof full - 1);
        return;
    }
    *visitor = (struct show_visitor){
        .visitors = visitors,
        .request = request,
        .batch = visitors->next,
    };
    visitors->count++;
    eddy_http_on_done(request, on_done, visitor);
    eddy_http_on_gone(request, on_gone, visitor);
    eddy_http_on_drained(request, on_drained, visitor);
    if (eddy_http_start_events(request, HEARTBEAT_S * EDDY_NS_PER_S) < 0) {
        eddy_http_abort(request);
        return;
    }
    (void)tell_visitor(visitor, "hello", hello, size);
}

void show_visitors_tell(struct show_visitors *visitors, const char *type, const char *data,
                        size_t size) {
    for (unsigned i = 0; i < VISITORS_MAX; i++) {
        struct show_visitor *visitor = &visitors->all[i];
        if (visitor->request != NULL && !tell_visitor(visitor, type, data, size))
            visitors->dropped++;
    }
}

void show_visitors_close(struct show_visitors *visitors) {
    for (unsigned i = 0; i < VISITORS_MAX; i++)
        if (visitors->all[i].request != NULL) (void)eddy_http_end(visitors->all[i].request);
}
