/* talk.h: a reader, and the other end of its connection, for tests. */
#ifndef EDDY_TESTS_TALK_H
#define EDDY_TESTS_TALK_H

#include "net.h"

#include <eddy/reader.h>

#include <stdio.h>

enum { ROOM = 64, SAID_MAX = 4096 };

/* A reader, the other end of its connection, and what its callbacks were told, as text: each answer
 * in brackets, a failure with its status before it. */
struct talk {
    eddy_reader reader;
    eddy_loop *loop;
    int peer;
    char buffer[ROOM], target[256];
    char said[SAID_MAX];
    size_t length;
    unsigned answers, nested;
    bool is_inside, told, failed, closed;
    int status;
    const char *script; /* what to ask for next; see talk_ask */
    const char *delimiter;
    int64_t delay_ns; /* of each request; 0: no deadline */
};

static inline struct talk *talk_of(eddy_reader *reader) {
    return eddy_container_of(reader, struct talk, reader);
}

static inline void talk_on_answer(eddy_reader *reader, int status, void *data, size_t size);

/* `letter`: a digit asks for so many bytes, 'i' for 10 into a target, 'u' up to the delimiter, 's'
 * for some; anything else for nothing. */
static inline int talk_ask(struct talk *talk, char letter) {
    eddy_reader *reader = &talk->reader;
    if (letter >= '0' && letter <= '9')
        return eddy_reader_exactly(reader, (size_t)(letter - '0'), talk_on_answer);
    if (letter == 'i') return eddy_reader_exactly_into(reader, talk->target, 10, talk_on_answer);
    if (letter == 'u')
        return eddy_reader_until(reader, talk->delimiter, strlen(talk->delimiter), talk_on_answer);
    if (letter == 's') return eddy_reader_some(reader, talk_on_answer);
    return -EINVAL;
}

static inline void talk_say(struct talk *talk, int status, const char *data, size_t size) {
    if (status < 0)
        talk->length += (size_t)snprintf(talk->said + talk->length, 16, "%s",
                                         status == -EPIPE       ? "end"
                                         : status == -EMSGSIZE  ? "full"
                                         : status == -ETIMEDOUT ? "late"
                                                                : "error");
    ck_assert_uint_lt(talk->length + size + 3, sizeof talk->said);
    talk->said[talk->length++] = '[';
    memcpy(talk->said + talk->length, data, size);
    talk->length += size;
    talk->said[talk->length++] = ']';
    talk->said[talk->length] = '\0';
}

/* Asks for the next, until the script ends or a request fails. */
static inline void talk_on_answer(eddy_reader *reader, int status, void *data, size_t size) {
    struct talk *talk = talk_of(reader);
    ck_assert_msg(!talk->is_inside, "a callback inside a call");
    talk->is_inside = true;
    talk->answers++;
    talk->told = true;
    talk->status = status;
    if (status < 0) talk->failed = true;
    talk_say(talk, status, data, size);
    if (talk->script[0] != '\0' && talk->script[1] != '\0') talk->script++;
    if (status == 0 && talk_ask(talk, talk->script[0]) == 0 && talk->delay_ns > 0)
        ck_assert_int_eq(eddy_reader_set_deadline(reader, talk->delay_ns), 0);
    talk->is_inside = false;
}

static inline void talk_open_on(struct talk *talk, eddy_loop *loop, size_t room) {
    int ends[2];
    memset(talk, 0, sizeof *talk);
    talk->loop = loop;
    talk->script = "u";
    talk->delimiter = "\r\n";
    test_socket_pair(ends);
    talk->peer = ends[1];
    eddy_reader_init(&talk->reader, loop, talk->buffer, room);
    ck_assert_int_eq(eddy_stream_attach(&talk->reader.stream, ends[0]), 0);
}

static inline void talk_open(struct talk *talk) {
    talk_open_on(talk, test_loop_open(), ROOM);
}

static inline void talk_on_closed(eddy_stream *stream) {
    eddy_container_of(stream, struct talk, reader.stream)->closed = true;
}

static inline void talk_close(struct talk *talk) {
    if (talk->peer >= 0) close(talk->peer);
    ck_assert_int_eq(eddy_reader_close(&talk->reader, talk_on_closed), 0);
    test_turn_until(talk->loop, &talk->closed);
    test_loop_close(talk->loop);
}

static inline void talk_send(struct talk *talk, const char *data, size_t size) {
    ck_assert_int_eq((int)send(talk->peer, data, size, 0), (int)size);
}

static inline void talk_text(struct talk *talk, const char *text) {
    talk_send(talk, text, strlen(text));
}

static inline void talk_turn(struct talk *talk) {
    ck_assert_int_ge(eddy_loop_run(talk->loop, EDDY_RUN_NOWAIT), 0);
}

/* Asks, and sees that nothing is told inside the call. */
static inline void talk_begin(struct talk *talk, const char *script) {
    unsigned before = talk->answers;
    talk->script = script;
    talk->is_inside = true;
    ck_assert_int_eq(talk_ask(talk, script[0]), 0);
    talk->is_inside = false;
    ck_assert_uint_eq(talk->answers, before);
}

static inline void talk_end(struct talk *talk) {
    close(talk->peer);
    talk->peer = -1;
    test_turn_until(talk->loop, &talk->failed);
}

#endif
