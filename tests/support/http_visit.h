/* http_visit.h: a client that reads a site's answers one by one, as slowly as it is told to.
 * Threading: one. */
#ifndef EDDY_TESTS_HTTP_VISIT_H
#define EDDY_TESTS_HTTP_VISIT_H

#include "site.h"

#include <strings.h>

struct visit {
    const struct site *site;
    int fd;
    size_t step; /* so many bytes a turn at most; 0: all that is there */
    char *bytes; /* [at, used) is no answer's yet */
    size_t at, used, room;
    bool ended;
    int error; /* that the socket told */
};

struct answer {
    int status;
    const char *head; /* ended by the NUL that replaces its last LF */
    const char *body; /* decoded, not ended */
    size_t size;
    bool whole;
    bool until_end; /* only the end of the connection shows its end */
};

/* What bodies are made of: any byte that is lost or moved shows. */
static inline char visit_pattern(size_t at) {
    return (char)('a' + (at * 7 + at / 253 + at / 65521) % 26);
}

static inline void visit_fill(char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) bytes[i] = visit_pattern(i);
}

/* One assertion for all bytes: each writes to check's file. */
static inline void visit_check(const char *bytes, size_t size) {
    size_t at = 0;
    while (at < size && bytes[at] == visit_pattern(at)) at++;
    ck_assert_msg(at == size, "byte %zu of %zu is another", at, size);
}

static inline struct visit visit_begin_with(const struct site *site, int receive_bytes) {
    struct visit visit = {.site = site, .room = 64 * 1024};
    visit.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(visit.fd, 0);
    if (receive_bytes > 0)
        ck_assert_int_eq(
            setsockopt(visit.fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes), 0);
    int err = connect(visit.fd, (const struct sockaddr *)&site->address, site->length);
    ck_assert_int_eq(err, 0);
    ck_assert_int_eq(fcntl(visit.fd, F_SETFL, O_NONBLOCK), 0);
    visit.bytes = malloc(visit.room + 1);
    ck_assert_ptr_nonnull(visit.bytes);
    return visit;
}

static inline struct visit visit_begin(const struct site *site) {
    return visit_begin_with(site, 0);
}

static inline void visit_end(struct visit *visit) {
    if (visit->fd >= 0) ck_assert_int_eq(close(visit->fd), 0);
    free(visit->bytes);
    visit->fd = -1;
    visit->bytes = NULL;
}

static inline void visit_send(const struct visit *visit, const char *text) {
    site_send(visit->fd, text, strlen(text));
}

static inline void visit_get(const struct visit *visit, const char *target) {
    char text[512];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", target);
    visit_send(visit, text);
}

/* Takes what has come. */
static inline void visit_receive(struct visit *visit) {
    if (visit->ended || visit->error != 0) return;
    if (visit->room - visit->used < 64 * 1024) {
        visit->room *= 2;
        visit->bytes = realloc(visit->bytes, visit->room + 1);
        ck_assert_ptr_nonnull(visit->bytes);
    }
    size_t most = visit->room - visit->used;
    if (visit->step > 0 && visit->step < most) most = visit->step;
    ssize_t size = recv(visit->fd, visit->bytes + visit->used, most, MSG_DONTWAIT);
    if (size < 0 && errno != EAGAIN) visit->error = errno;
    if (size == 0) visit->ended = true;
    if (size > 0) visit->used += (size_t)size;
    visit->bytes[visit->used] = '\0';
}

static inline void visit_turn(struct visit *visit) {
    int err = test_run(visit->site->loop, EDDY_RUN_NOWAIT);
    if (err < 0) ck_abort_msg("eddy_loop_run: %d", err);
    visit_receive(visit);
}

/* Turns until `*flag`, the client reading or not. */
static inline void visit_turn_until(struct visit *visit, const bool *flag) {
    int64_t give_up_ns = test_now_ns() + 20 * EDDY_NS_PER_S;
    while (!*flag) {
        visit_turn(visit);
        if (test_now_ns() > give_up_ns) ck_abort_msg("what was waited for did not happen");
    }
}

/* The value of a field of the head, up to the line's end; NULL: there is none. */
static inline const char *answer_field(const struct answer *answer, const char *name) {
    size_t length = strlen(name);
    for (const char *at = answer->head; (at = strchr(at, '\n')) != NULL;)
        if (strncasecmp(++at, name, length) == 0 && at[length] == ':') return at + length + 2;
    return NULL;
}

static inline bool answer_has(const struct answer *answer, const char *name, const char *value) {
    const char *at = answer_field(answer, name);
    if (at == NULL || value == NULL) return (at == NULL) == (value == NULL);
    return strncmp(at, value, strlen(value)) == 0 && at[strlen(value)] == '\r';
}

/* Decodes chunks in place. False: there is more to come. */
static inline bool visit_take_chunks(struct visit *visit, struct answer *answer, size_t at) {
    size_t out = at, start = at;
    for (;;) {
        const char *text = visit->bytes + at, *end = strstr(text, "\r\n");
        char *digits_end;
        if (end == NULL) return false;
        unsigned long size = strtoul(text, &digits_end, 16);
        ck_assert_msg(digits_end == end && digits_end != text, "no chunk: %.20s", text);
        at += (size_t)(end - text) + 2;
        if (visit->used - at < size + 2) return false;
        ck_assert_msg(memcmp(visit->bytes + at + size, "\r\n", 2) == 0, "a chunk of another size");
        if (size == 0) break;
        if (answer == NULL) {
            at += size + 2;
            continue;
        }
        memmove(visit->bytes + out, visit->bytes + at, size);
        out += size;
        at += size + 2;
    }
    if (answer == NULL) return true;
    answer->size = out - start;
    visit->at = at + 2;
    return true;
}

/* Takes the body, of which the connection's end may be a part. False: there is more to come. */
static inline bool visit_take_body(struct visit *visit, struct answer *answer, bool is_head,
                                   size_t at) {
    const char *length = answer_field(answer, "Content-Length");
    bool is_over = visit->ended || visit->error != 0;
    bool is_empty =
        is_head || answer->status < 200 || answer->status == 204 || answer->status == 304;
    answer->body = visit->bytes + at;
    answer->size = is_empty ? 0 : visit->used - at;
    if (!is_empty && answer_has(answer, "Transfer-Encoding", "chunked")) {
        answer->whole = visit_take_chunks(visit, NULL, at) && visit_take_chunks(visit, answer, at);
        if (!answer->whole && is_over) visit->at = visit->used;
        return answer->whole || is_over;
    }
    answer->until_end = !is_empty && length == NULL;
    if (!is_empty && length != NULL) {
        size_t wanted = strtoull(length, NULL, 10);
        answer->whole = answer->size >= wanted;
        if (answer->whole) answer->size = wanted;
    } else {
        answer->whole = is_empty || visit->ended;
    }
    if (!answer->whole && !is_over) return false;
    visit->at = at + answer->size;
    return true;
}

/* Waits for the next answer. False: the connection ended, or was reset, before its end; what came
 * of it is in `answer`, whose status is 0 if that was not even a head. */
static inline bool visit_answer_to(struct visit *visit, bool is_head, struct answer *answer) {
    int64_t give_up_ns = test_now_ns() + 30 * EDDY_NS_PER_S;
    size_t seen = (size_t)-1;
    for (;; visit_turn(visit)) {
        if (test_now_ns() > give_up_ns)
            ck_abort_msg("no answer, but %.200s", visit->bytes + visit->at);
        if (visit->used == seen && !visit->ended && visit->error == 0) continue;
        seen = visit->used;
        *answer = (struct answer){.head = visit->bytes + visit->at};
        visit->bytes[visit->used] = '\0';
        char *end = strstr(visit->bytes + visit->at, "\r\n\r\n");
        if (end == NULL && (visit->ended || visit->error != 0)) return false;
        if (end == NULL) continue;
        end[3] = '\0';
        ck_assert_msg(sscanf(answer->head, "HTTP/1.1 %3d ", &answer->status) == 1, "no answer: %s",
                      answer->head);
        if (visit_take_body(visit, answer, is_head, (size_t)(end + 4 - visit->bytes)))
            return answer->whole;
        end[3] = '\n';
    }
}

static inline struct answer visit_answer(struct visit *visit) {
    struct answer answer;
    ck_assert_msg(visit_answer_to(visit, false, &answer), "an answer was cut, with status %d",
                  answer.status);
    return answer;
}

/* Waits for the end of the connection, before which nothing more may come. */
static inline void visit_expect_end(struct visit *visit) {
    int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (!visit->ended && visit->error == 0) {
        visit_turn(visit);
        ck_assert_msg(test_now_ns() < give_up_ns, "the connection goes on");
    }
    ck_assert_int_eq(visit->error, 0);
    ck_assert_msg(visit->at == visit->used, "more came: %s", visit->bytes + visit->at);
}

#endif
