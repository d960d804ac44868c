/* random_script.h: what a client of random.c sends, and what a model says that it gets: both made
 * from a seed. What it got is brought into the model's form, without the sizes of chunks, which
 * depend on the sockets. */
#ifndef EDDY_TESTS_RANDOM_SCRIPT_H
#define EDDY_TESTS_RANDOM_SCRIPT_H

#include "http_visit.h"
#include "system.h"

#include <stdarg.h>
#include <stdlib.h>

enum { REQUESTS_MAX = 10, BODY_MAX = 6000, ANSWER_MAX = 60000 };
#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"

enum body { NO_BODY, BY_LENGTH, IN_CHUNKS };
enum answer_kind { COPIED, LENT, A_FILE, PIECES, FILE_PIECES, EVENTS, UPGRADE, KINDS };

/* A request, how it is answered, and how far that is. */
static struct job {
    bool is_old, is_head, reads, reads_some, expects, closes, is_unknown;
    enum body body;
    size_t body_size;
    enum answer_kind kind;
    int status, delay_ms;
    size_t size, offset, piece;
    eddy_http_request *request;
    size_t body_got, given;
    bool is_ready, is_ended;
    eddy_timer timer;
} jobs[REQUESTS_MAX];

static unsigned long long seed, state;
static unsigned count, begun, over;
static char pattern[ANSWER_MAX + 200], script[256 * 1024], expected[1 << 20], raw[1 << 20],
    seen[1 << 20];
static size_t script_size, expected_size, raw_size, seen_size;
static bool has_end; /* the connection, in order */

static inline unsigned pick(unsigned limit) {
    return random_below(&state, limit);
}

static inline bool is_last(const struct job *it) {
    bool has_body = !it->is_head && it->status != 204 && it->status != 304;
    if (it->kind == UPGRADE) return true;
    return it->closes || (it->expects && !it->reads) || (it->is_old && has_body && it->is_unknown);
}

/* --- The script --- */

static inline void add(char *text, size_t *size, const void *bytes, size_t length) {
    memcpy(text + *size, bytes, length);
    *size += length;
}

__attribute__((format(printf, 3, 4))) static inline void add_text(char *text, size_t *size,
                                                                  const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    *size += (size_t)vsprintf(text + *size, format, arguments);
    va_end(arguments);
}

static inline void choose(struct job *it) {
    static const int statuses[] = {200, 200, 200, 201, 404, 204, 304};
    *it = (struct job){.status = statuses[pick(7)], .kind = (enum answer_kind)pick(KINDS)};
    it->is_old = pick(6) == 0;
    it->is_head = pick(6) == 0;
    it->closes = pick(25) == 0;
    if (pick(3) == 0) it->body = it->is_old ? BY_LENGTH : (enum body)(1 + pick(2));
    if (it->body != NO_BODY) {
        it->body_size = 1 + pick(pick(2) == 0 ? 20 : BODY_MAX);
        it->reads = pick(2) == 0;
        it->reads_some = it->reads && pick(3) == 0;
        it->expects = !it->is_old && pick(it->reads ? 3 : 12) == 0;
    }
    if (it->kind == UPGRADE && (pick(4) != 0 || it->is_old || it->is_head || it->body != NO_BODY))
        it->kind = COPIED;
    if (it->kind == EVENTS) it->status = 200;
    it->is_unknown =
        it->kind == EVENTS || ((it->kind == PIECES || it->kind == FILE_PIECES) && pick(2) == 0);
    it->size = pick(5) == 0 ? 0 : pick(pick(3) == 0 ? ANSWER_MAX : 3000);
    it->offset = pick(100);
    it->piece = 1 + pick(pick(2) == 0 ? 50 : 9000);
    if (it->size / it->piece > 500) it->piece = it->size / 500;
    it->delay_ms = pick(4) == 0 ? 1 + (int)pick(2) : 0;
}

static inline void script_body(const struct job *it) {
    size_t at = 0;
    while (it->body == IN_CHUNKS && at < it->body_size) {
        size_t size = 1 + pick((unsigned)(it->body_size - at));
        add_text(script, &script_size, "%zx\r\n", size);
        add(script, &script_size, pattern + at, size);
        add_text(script, &script_size, "\r\n");
        at += size;
    }
    if (it->body == IN_CHUNKS) add_text(script, &script_size, "0\r\n\r\n");
    if (it->body == BY_LENGTH) add(script, &script_size, pattern, it->body_size);
}

static inline void script_request(const struct job *it, unsigned number) {
    const char *method = it->is_head ? "HEAD" : it->body != NO_BODY ? "POST" : "GET";
    add_text(script, &script_size, "%s /%u HTTP/1.%d\r\nHost: h\r\n", method, number, !it->is_old);
    if (it->closes || it->is_old)
        add_text(script, &script_size, "Connection: %s\r\n", it->closes ? "close" : "keep-alive");
    if (it->expects) add_text(script, &script_size, "Expect: 100-continue\r\n");
    if (it->body == BY_LENGTH)
        add_text(script, &script_size, "Content-Length: %zu\r\n", it->body_size);
    if (it->body == IN_CHUNKS) add_text(script, &script_size, "Transfer-Encoding: chunked\r\n");
    add_text(script, &script_size, "\r\n");
    script_body(it);
    if (it->kind == UPGRADE) add_text(script, &script_size, "HELLO");
}

/* --- The model --- */

static inline void expect_answer(const struct job *it, unsigned number) {
    bool is_empty = it->status == 204 || it->status == 304;
    int status = it->kind == UPGRADE ? 101 : it->status;
    add_text(expected, &expected_size, "HTTP/1.1 %d %s\r\nDate: " DATE "\r\n", status,
             eddy_http_reason(status));
    if (status == 101) {
        add_text(expected, &expected_size,
                 "Connection: Upgrade\r\nNumber: %u\r\nUpgrade: mine\r\n\r\nover|", number);
        return;
    }
    if (!is_empty && !it->is_unknown)
        add_text(expected, &expected_size, "Content-Length: %zu\r\n", it->size);
    if (!is_empty && it->is_unknown && !it->is_old)
        add_text(expected, &expected_size, "Transfer-Encoding: chunked\r\n");
    if (is_last(it) || it->is_old)
        add_text(expected, &expected_size, "Connection: %s\r\n",
                 is_last(it) ? "close" : "keep-alive");
    add_text(expected, &expected_size, "Number: %u\r\n", number);
    if (it->kind == EVENTS)
        add_text(expected, &expected_size,
                 "Content-Type: text/event-stream\r\nCache-Control: no-store\r\n");
    add_text(expected, &expected_size, "\r\n");
    if (!is_empty && !it->is_head && it->kind != EVENTS)
        add(expected, &expected_size, pattern + it->offset, it->size);
    for (size_t i = 0; i < it->size % 5 && !it->is_head && it->kind == EVENTS; i++)
        add_text(expected, &expected_size, "event: e\ndata: %.*s\n\n", (int)it->offset, pattern);
    add_text(expected, &expected_size, "|");
}

static inline void make_script(void) {
    bool has_ended = false;
    script_size = expected_size = raw_size = seen_size = 0;
    begun = over = 0;
    count = 1 + pick(REQUESTS_MAX);
    for (unsigned i = 0; i < count && !has_ended; i++) {
        choose(&jobs[i]);
        script_request(&jobs[i], i);
        expect_answer(&jobs[i], i);
        has_ended = is_last(&jobs[i]);
        if (has_ended) count = i + 1;
    }
    /* Behind the last one nothing is answered. */
    if (has_ended && jobs[count - 1].kind != UPGRADE && pick(2) == 0)
        add_text(script, &script_size, "GET /99 HTTP/1.1\r\nHost: h\r\n\r\n");
}

/* --- What came --- */

/* A part of `raw` as it is, at most `size`; false: it is not all there. */
static inline bool see(size_t *at, size_t size) {
    size_t here = raw_size - *at < size ? raw_size - *at : size;
    add(seen, &seen_size, raw + *at, here);
    *at += here;
    return here == size;
}

/* Chunks without their sizes. */
static inline bool see_chunks(size_t *at) {
    for (;;) {
        const char *end = memmem(raw + *at, raw_size - *at, "\r\n", 2);
        if (end == NULL) return false;
        size_t size = strtoul(raw + *at, NULL, 16);
        *at = (size_t)(end + 2 - raw);
        if (!see(at, size) || raw_size - *at < 2) return false;
        ck_assert_msg(memcmp(raw + *at, "\r\n", 2) == 0, "seed %llu: a chunk is longer", seed);
        *at += 2;
        if (size == 0) return true;
    }
}

static inline bool see_answer(size_t *at, const struct job *it) {
    char *end = memmem(raw + *at, raw_size - *at, "\r\n\r\n", 4);
    if (end == NULL) return see(at, raw_size - *at) && false;
    size_t head = *at;
    (void)see(at, (size_t)(end + 4 - (raw + *at)));
    *end = '\0';
    int status = atoi(raw + head + 9);
    const char *length = strstr(raw + head, "\r\nContent-Length: ");
    bool is_chunked = strstr(raw + head, "\r\nTransfer-Encoding: ") != NULL;
    if (status == 101) return see(at, 4);
    if (it->is_head || status == 204 || status == 304) return true;
    if (is_chunked) return see_chunks(at);
    if (length != NULL) return see(at, strtoul(length + 18, NULL, 10));
    return see(at, raw_size - *at) && has_end;
}

/* A 100 comes only to who waits for it, and before the answer. */
static inline void see_all(void) {
    size_t at = 0;
    for (unsigned i = 0; i < count && at < raw_size; i++) {
        size_t left = raw_size - at;
        if (left >= 25 && memcmp(raw + at, "HTTP/1.1 100 Continue\r\n\r\n", 25) == 0) {
            ck_assert_msg(jobs[i].expects && jobs[i].reads, "seed %llu: a 100", seed);
            at += 25;
        }
        if (!see_answer(&at, &jobs[i])) return;
        add(seen, &seen_size, "|", 1);
    }
    ck_assert_msg(at == raw_size, "seed %llu: more than there was to say", seed);
}

#endif
