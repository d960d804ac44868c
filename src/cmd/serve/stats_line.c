/* stats_line.c: see stats_line.h. */
#include "stats_line.h"

/* Three digits: "950ns", "12.3us", "4.56s". */
static void put_time(struct text *text, int64_t time_ns) {
    static const char *const units[] = {"ns", "us", "ms", "s"};
    uint64_t whole = time_ns > 0 ? (uint64_t)time_ns : 0, rest = 0;
    unsigned unit = 0;
    for (; whole >= 1000 && unit < 3; unit++) {
        rest = whole % 1000;
        whole /= 1000;
    }
    text_put_number(text, whole);
    if (unit > 0 && whole < 100) {
        text_put_literal(text, ".");
        text_put_number(text, rest / 100);
        if (whole < 10) text_put_number(text, rest / 10 % 10);
    }
    text_put_string(text, units[unit]);
}

static void put_named_time(struct text *text, const char *name, int64_t time_ns) {
    text_put_string(text, name);
    put_time(text, time_ns);
}

static void put_slowest(struct text *text, const eddy_slow_call *call) {
    text_put_literal(text, ", slowest callback ");
    if (call->taken_ns == 0) {
        text_put_literal(text, "none");
        return;
    }
    put_time(text, call->taken_ns);
    text_put_literal(text, " (");
    text_put_string(text, eddy_kind_name((eddy_kind)call->kind));
    if (call->label[0] != '\0') text_put_literal(text, " ");
    for (const char *at = call->label; *at != '\0'; at++)
        text_put(text, *at > ' ' && *at < 0x7F ? at : "?", 1);
    text_put_literal(text, ")");
}

void stats_line_put(struct text *text, const struct stats_span *span) {
    uint64_t time_ms = (uint64_t)(span->time_ns / EDDY_NS_PER_MS);
    text_put_number(text, time_ms > 0 ? span->requests * 1000 / time_ms : 0);
    text_put_literal(text, " requests/s, ");
    text_put_number(text, span->connections);
    text_put_literal(text, " connections");
    put_named_time(text, ", lag p50 ", eddy_histogram_at_ns(span->lag, 0.5));
    put_named_time(text, " p99 ", eddy_histogram_at_ns(span->lag, 0.99));
    put_named_time(text, " max ", eddy_histogram_at_ns(span->lag, 1));
    put_slowest(text, span->slowest);
    text_put_literal(text, ", pool ");
    text_put_number(text, span->queued);
    put_named_time(text, " queued, wait p99 ", eddy_histogram_at_ns(span->wait, 0.99));
}
