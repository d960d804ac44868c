/* events.c: streams of events, as a browser reads them. */
#include "http_visit.h"

#include <stdlib.h>

static struct site site;
static eddy_http_request *stream;
static unsigned over, drains;
static bool is_gone;
static int64_t heartbeat_ns;

static void on_done(eddy_http_request *request, void *context) {
    (void)request;
    (void)context;
    over++;
    stream = NULL;
}

static void on_gone(eddy_http_request *request, void *context) {
    (void)request;
    (void)context;
    is_gone = true;
}

static void on_drained(eddy_http_request *request, void *context) {
    (void)request;
    (void)context;
    drains++;
}

static void handle(eddy_http_request *request, void *context) {
    (void)context;
    stream = request;
    eddy_http_on_done(request, on_done, NULL);
    eddy_http_on_gone(request, on_gone, NULL);
    eddy_http_on_drained(request, on_drained, NULL);
    ck_assert_int_eq(eddy_http_start_events(request, -1), -EINVAL);
    ck_assert_int_eq(eddy_http_start_events(request, heartbeat_ns), 0);
    ck_assert_int_eq(eddy_http_start_events(request, heartbeat_ns), -EALREADY);
}

static struct visit open_stream(int receive_bytes) {
    stream = NULL;
    over = drains = 0;
    is_gone = false;
    site_open(&site, (eddy_http_config){0});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", handle, NULL), 0);
    struct visit visit = visit_begin_with(&site, receive_bytes);
    visit_get(&visit, "/");
    while (stream == NULL) visit_turn(&visit);
    return visit;
}

/* Ends the stream and returns all of it, ended by a NUL. */
static const char *finish(struct visit *visit) {
    ck_assert_int_eq(eddy_http_end(stream), 0);
    struct answer answer = visit_answer(visit);
    ck_assert_int_eq(answer.status, 200);
    ck_assert(answer_has(&answer, "Content-Type", "text/event-stream"));
    ck_assert(answer_has(&answer, "Cache-Control", "no-store"));
    char *text = malloc(answer.size + 1);
    ck_assert_ptr_nonnull(text);
    memcpy(text, answer.body, answer.size);
    text[answer.size] = '\0';
    return text;
}

static void close_stream(struct visit *visit, const char *text) {
    free((char *)(uintptr_t)text);
    visit_end(visit);
    site_close(&site);
    ck_assert_uint_eq(over, 1);
}

static int send_event(const char *type, const char *id, const char *data) {
    return eddy_http_event(stream, type, id, data, strlen(data));
}

/* --- Framing --- */

static const struct {
    const char *type, *id, *data, *text;
} cases[] = {
    {NULL, NULL, "a", "data: a\n\n"},
    {NULL, NULL, "", "data: \n\n"},
    {"t", NULL, "a", "event: t\ndata: a\n\n"},
    {NULL, "1", "a", "id: 1\ndata: a\n\n"},
    {"t", "1", " a ", "event: t\nid: 1\ndata:  a \n\n"},
    {"", "", "a", "event: \nid: \ndata: a\n\n"},
    {NULL, NULL, "a\nb", "data: a\ndata: b\n\n"},
    {NULL, NULL, "a\r\nb\rc", "data: a\ndata: b\ndata: c\n\n"},
    {NULL, NULL, "\n", "data: \ndata: \n\n"},
    {NULL, NULL, "\r\r\n\n", "data: \ndata: \ndata: \ndata: \n\n"},
    {NULL, NULL, "a\n\nevent: evil\ndata: b",
     "data: a\ndata: \ndata: event: evil\ndata: data: b\n\n"},
    {NULL, NULL, "a\n", "data: a\ndata: \n\n"},
    {NULL, NULL, ": \xc3\xa4", "data: : \xc3\xa4\n\n"},
};

/* Each line of the data is a line of data, whatever stands in it. */
START_TEST(hostile_data_makes_no_other_event) {
    char expected[2048] = "";
    struct visit visit = open_stream(0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_int_eq(send_event(cases[i].type, cases[i].id, cases[i].data), 0);
        strcat(expected, cases[i].text);
    }
    ck_assert_int_eq(send_event("a\nb", NULL, "x"), -EINVAL);
    ck_assert_int_eq(send_event("a\r", NULL, "x"), -EINVAL);
    ck_assert_int_eq(send_event(NULL, "\n", "x"), -EINVAL);
    ck_assert_int_eq(send_event("a", "1\r2", "x"), -EINVAL);
    const char *text = finish(&visit);
    ck_assert_str_eq(text, expected);
    close_stream(&visit, text);
}
END_TEST

START_TEST(data_may_hold_a_nul) {
    struct visit visit = open_stream(0);
    ck_assert_int_eq(eddy_http_event(stream, NULL, NULL, "a\0b", 3), 0);
    ck_assert_int_eq(eddy_http_event(stream, NULL, NULL, NULL, 0), 0);
    ck_assert_int_eq(eddy_http_end(stream), 0);
    struct answer answer = visit_answer(&visit);
    ck_assert_uint_eq(answer.size, 11 + 8);
    ck_assert(memcmp(answer.body, "data: a\0b\n\ndata: \n\n", 19) == 0);
    close_stream(&visit, NULL);
}
END_TEST

/* --- Sizes --- */

enum { EVENT_BYTES = 8192 };

static char large[EVENT_BYTES + 1];

/* The largest has 8 KiB with its names and ends; a line end takes as many as "data: " more. */
START_TEST(events_have_a_largest_size) {
    struct visit visit = open_stream(0);
    memset(large, 'l', sizeof large);
    ck_assert_int_eq(eddy_http_event(stream, NULL, NULL, large, EVENT_BYTES - 7), -EMSGSIZE);
    ck_assert_int_eq(eddy_http_event(stream, NULL, NULL, large, EVENT_BYTES + 1), -EMSGSIZE);
    ck_assert_int_eq(eddy_http_event(stream, "t", NULL, large, EVENT_BYTES - 8), -EMSGSIZE);
    memset(large, '\n', sizeof large);
    ck_assert_int_eq(eddy_http_event(stream, NULL, NULL, large, EVENT_BYTES / 7), -EMSGSIZE);
    memset(large, 'l', sizeof large);
    /* The first one too, though the head is still in its way, and several in one turn. */
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(eddy_http_event(stream, NULL, NULL, large, EVENT_BYTES - 8), 0);
    const char *text = finish(&visit);
    ck_assert_uint_eq(strlen(text), 5 * EVENT_BYTES);
    for (int i = 0; i < 5; i++) ck_assert(memcmp(text + i * EVENT_BYTES, "data: lll", 9) == 0);
    close_stream(&visit, text);
}
END_TEST

static uint64_t memory_bytes(void) {
    eddy_http_counts counts;
    eddy_http_read_counts(site.http, &counts, sizeof counts);
    return counts.memory_bytes;
}

/* Events are whole or not there at all, for a client that stops reading, and goes on. */
START_TEST(a_client_that_does_not_keep_up_loses_whole_events) {
    enum { COUNT = 4000 };
    char data[3000], *sent = calloc(1, COUNT);
    ck_assert_ptr_nonnull(sent);
    struct visit visit = open_stream(4096);
    uint64_t before = memory_bytes();
    unsigned lost = 0, accepted = 0;
    for (int i = 0; i < COUNT; i++) {
        int length = snprintf(data, sizeof data, "%d ", i);
        memset(data + length, 'd', sizeof data - (size_t)length);
        size_t size = (size_t)i * 7919 % (sizeof data - 8) + 8;
        int err = eddy_http_event(stream, NULL, NULL, data, size);
        if (err != 0 && err != -EAGAIN) ck_abort_msg("eddy_http_event: %d", err);
        sent[i] = err == 0;
        accepted += err == 0;
        lost += err != 0;
        if (i % 16 == 0) ck_assert_int_ge(test_run(site.loop, EDDY_RUN_NOWAIT), 0);
        if (i > COUNT / 2) visit_receive(&visit);
    }
    ck_assert_uint_le(memory_bytes(), before + 17 * 1024);
    ck_assert_uint_gt(lost, 100);
    ck_assert_uint_gt(accepted, 100);
    while (drains == 0) visit_turn(&visit);
    const char *text = finish(&visit), *at = text;
    for (int i = 0; i < COUNT; i++) {
        if (!sent[i]) continue;
        int length = snprintf(data, sizeof data, "data: %d d", i);
        size_t size = (size_t)i * 7919 % 2992 + 8;
        ck_assert_msg(strncmp(at, data, (size_t)length) == 0, "event %d is %.20s", i, at);
        at += size + 8;
        ck_assert(at[-1] == '\n' && at[-2] == '\n');
    }
    ck_assert_str_eq(at, "");
    free(sent);
    close_stream(&visit, text);
}
END_TEST

/* --- Heartbeats --- */

START_TEST(a_silent_stream_has_heartbeats) {
    heartbeat_ns = EDDY_NS_PER_S / 100;
    struct visit visit = open_stream(0);
    test_turn_for(site.loop, EDDY_NS_PER_S / 10);
    const char *text = finish(&visit), *at = text;
    for (; strncmp(at, ":\n\n", 3) == 0; at += 3) {
    }
    ck_assert_str_eq(at, "");
    ck_assert_int_ge(at - text, 3);
    ck_assert_int_le(at - text, 3 * 10);
    close_stream(&visit, text);
}
END_TEST

/* A comment is sent each heartbeat without an event, so there is none in a busy stream. */
START_TEST(a_stream_with_events_needs_no_heartbeat) {
    heartbeat_ns = EDDY_NS_PER_S / 2;
    struct visit visit = open_stream(0);
    int64_t begun_ns = test_now_ns(), last_ns = begun_ns, longest_ns = 0;
    while (test_now_ns() < begun_ns + EDDY_NS_PER_S) {
        ck_assert_int_eq(send_event(NULL, NULL, "a"), 0);
        test_turn_for(site.loop, EDDY_NS_PER_S / 50);
        int64_t now_ns = test_now_ns();
        if (now_ns - last_ns > longest_ns) longest_ns = now_ns - last_ns;
        last_ns = now_ns;
    }
    const char *text = finish(&visit);
    /* On a machine that was that slow there may be one. */
    if (longest_ns < heartbeat_ns) ck_assert_ptr_null(strchr(text, ':') == text ? text : NULL);
    if (longest_ns < heartbeat_ns) ck_assert_ptr_null(strstr(text, "\n:"));
    close_stream(&visit, text);
}
END_TEST

/* A part of a comment would make a comment of the event behind it. */
START_TEST(a_heartbeat_is_whole_or_not_there) {
    heartbeat_ns = EDDY_NS_PER_S / 1000;
    struct visit visit = open_stream(4096);
    memset(large, 'l', sizeof large);
    for (size_t round = 0; round < 3; round++) {
        while (eddy_http_event(stream, NULL, NULL, large, 4000) == 0)
            ck_assert_int_ge(test_run(site.loop, EDDY_RUN_NOWAIT), 0);
        /* The kernel takes no more. The first one has each round leave another rest of the room. */
        int err = eddy_http_event(stream, NULL, NULL, large, 100 + round);
        while (err == 0) err = eddy_http_event(stream, NULL, NULL, large, 1);
        test_turn_for(site.loop, EDDY_NS_PER_S / 200);
        unsigned before = drains;
        while (drains == before) visit_turn(&visit);
    }
    const char *text = finish(&visit);
    for (const char *at = text; *at != '\0'; at = strstr(at, "\n\n") + 2)
        ck_assert_msg(strncmp(at, "data: l", 7) == 0 || strncmp(at, ":\n\n", 3) == 0, "%.20s", at);
    close_stream(&visit, text);
}
END_TEST

/* Nobody reads the request's connection, and no event comes. */
START_TEST(a_heartbeat_finds_out_that_the_client_is_dead) {
    struct linger at_once = {.l_onoff = 1};
    heartbeat_ns = EDDY_NS_PER_S / 100;
    struct visit visit = open_stream(0);
    ck_assert_int_eq(setsockopt(visit.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    visit_end(&visit);
    test_turn_until(site.loop, &is_gone);
    ck_assert_int_eq(send_event(NULL, NULL, "a"), -EPIPE);
    ck_assert_int_eq(eddy_http_end(stream), -EPIPE);
    site_close(&site);
    ck_assert_uint_eq(over, 1);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("events");
    ck_add(suite, "framing", hostile_data_makes_no_other_event, data_may_hold_a_nul);
    ck_add(suite, "sizes", events_have_a_largest_size,
           a_client_that_does_not_keep_up_loses_whole_events);
    ck_add(suite, "heartbeats", a_silent_stream_has_heartbeats,
           a_stream_with_events_needs_no_heartbeat, a_heartbeat_is_whole_or_not_there,
           a_heartbeat_finds_out_that_the_client_is_dead);
    return suite;
}
