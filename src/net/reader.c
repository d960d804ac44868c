/* reader.c: requests for so many bytes, or up to a delimiter, on top of a stream.
 * Invariants: the stream reads, or `later` is queued, or callbacks run in a row, exactly while
 * there is a request; what is in the buffer before a read is less than the request. So all of it
 * belongs to that request, and moving it to the buffer's start before each read moves no byte
 * twice. Threading: loop thread only. */
#include "net.h"

#include <eddy/reader.h>

#include <string.h>

/* Of `eddy_reader.kind`. */
enum {
    READER_EXACTLY,
    READER_INTO,
    READER_UNTIL,
    READER_FULL, /* an UNTIL that was told so; its last `done` bytes may begin a delimiter */
    READER_SOME, /* all but the last `done` bytes */
};

struct reader_answer {
    int status;
    char *data;
    size_t size;
};

static size_t reader_held(const eddy_reader *reader) {
    return reader->end - reader->start;
}

/* --- Answers --- */

static struct reader_answer reader_take(eddy_reader *reader, size_t size) {
    char *data = reader->buffer + reader->start;
    reader->start += size;
    return (struct reader_answer){.data = data, .size = size};
}

/* Up to the first delimiter that begins at `done` or behind it; 0: there is none. */
static size_t reader_find(eddy_reader *reader) {
    const char *data = reader->buffer + reader->start;
    size_t held = reader_held(reader), size = reader->wanted;
    while (held - reader->done >= size) {
        size_t starts = held - reader->done - size + 1; /* so many places are left for it */
        const char *at = memchr(data + reader->done, reader->delimiter[0], starts);
        if (at == NULL) {
            reader->done += starts;
            return 0;
        }
        reader->done = (size_t)(at - data);
        if (memcmp(at, reader->delimiter, size) == 0) return reader->done + size;
        reader->done++;
    }
    return 0;
}

/* What there is of a request that cannot be answered. */
static struct reader_answer reader_failure(eddy_reader *reader, int status) {
    if (reader->kind == READER_INTO)
        return (struct reader_answer){status, reader->target, reader->done};
    return (struct reader_answer){status, reader->buffer + reader->start, reader_held(reader)};
}

/* The buffer is full: who skips what is in it must not skip half a delimiter. */
static struct reader_answer reader_full(eddy_reader *reader) {
    const char *data = reader->buffer + reader->start;
    size_t held = reader_held(reader), kept = reader->wanted - 1;
    while (memcmp(data + held - kept, reader->delimiter, kept) != 0) kept--;
    reader->kind = READER_FULL;
    reader->done = kept;
    return reader_failure(reader, -EMSGSIZE);
}

static void reader_copy_to_target(eddy_reader *reader) {
    size_t size = reader->wanted - reader->done;
    if (size > reader_held(reader)) size = reader_held(reader);
    if (size == 0) return; /* the target of none may be NULL */
    struct reader_answer part = reader_take(reader, size);
    memcpy(reader->target + reader->done, part.data, part.size);
    reader->done += size;
}

/* Whether the request can be answered, without reading. */
static bool reader_answers(eddy_reader *reader, struct reader_answer *answer) {
    size_t held = reader_held(reader), size;
    switch (reader->kind) {
    case READER_EXACTLY:
        if (held < reader->wanted) return false;
        *answer = reader_take(reader, reader->wanted);
        return true;
    case READER_INTO:
        reader_copy_to_target(reader);
        if (reader->done < reader->wanted) return false;
        *answer = (struct reader_answer){.data = reader->target, .size = reader->done};
        return true;
    case READER_UNTIL:
        size = reader_find(reader);
        if (size == 0 && held < reader->size) return false;
        *answer = size > 0 ? reader_take(reader, size) : reader_full(reader);
        return true;
    default:
        if (held == 0) return false;
        *answer = reader_take(reader, held - reader->done);
        return true;
    }
}

/* False: the reader is its owner's again, and may be gone. */
static bool reader_tell(eddy_reader *reader, struct reader_answer answer) {
    eddy_reader_fn *fn = reader->fn;
    bool is_over = false;
    if (reader->start == reader->end) reader->start = reader->end = 0;
    reader->fn = NULL;
    reader->due_ns = NEVER_NS;
    /* cppcheck-suppress autoVariables */ /* for the time of the call */
    reader->is_over = &is_over;
    CALLBACK(stream_loop(&reader->stream), EDDY_KIND_STREAM, &reader->stream, fn, reader,
             answer.status, answer.data, answer.size);
    if (is_over) return false;
    reader->is_over = NULL;
    return true;
}

/* --- Reading --- */

static void reader_on_read(eddy_stream *stream, void *data, ssize_t size);

static bool reader_is_reading(const eddy_reader *reader) {
    const eddy_stream *stream = &reader->stream;
    return (stream->state & STREAM_READING) && stream->read_fn == reader_on_read;
}

/* Another reader of the stream is not this one's to stop. */
static void reader_pause(eddy_reader *reader) {
    if (reader_is_reading(reader)) eddy_stream_read_stop(&reader->stream);
}

/* A deadline that has passed, and waits for bytes that came in time, keeps its count of them. */
static int64_t reader_due_ns(const eddy_reader *reader) {
    const eddy_stream *stream = &reader->stream;
    bool is_past = reader->due_ns <= stream_loop(stream)->now_ns;
    bool is_counted = reader_is_reading(reader) && stream->read_due_ns < 0;
    return is_past && is_counted ? stream->read_due_ns : reader->due_ns;
}

static int reader_read(eddy_reader *reader) {
    eddy_stream *stream = &reader->stream;
    int64_t due_ns = reader_due_ns(reader);
    size_t held = reader_held(reader);
    if (held > 0 && reader->start > 0)
        memmove(reader->buffer, reader->buffer + reader->start, held);
    reader->start = 0;
    reader->end = held;
    bool is_into = reader->kind == READER_INTO;
    char *at = is_into ? reader->target + reader->done : reader->buffer + held;
    size_t room = is_into ? reader->wanted - reader->done : reader->size - held;
    /* What is no socket has something else in `read_data`, and is started anew each time. */
    if (!reader_is_reading(reader) || stream->read_data != at || stream->read_size != room) {
        reader_pause(reader);
        int err = eddy_stream_read_into(stream, at, room, reader_on_read);
        if (err < 0) return err;
    }
    int err = eddy__stream_arm(stream, due_ns);
    if (err < 0) {
        eddy_stream_read_stop(stream);
        return err;
    }
    stream->read_due_ns = due_ns;
    return 0;
}

/* --- In a row --- */

static void reader_look(eddy_defer *defer);

static void reader_look_later(eddy_reader *reader) {
    reader_pause(reader);
    int err = eddy_defer_start(&reader->later, reader_look);
    EDDY_ASSERT(err == 0);
}

/* Whether there is something to tell: an answer, or why there will be none. Else it reads on. */
static bool reader_has_news(eddy_reader *reader, struct reader_answer *answer) {
    if (reader_answers(reader, answer)) return true;
    int err = reader_read(reader);
    if (err < 0) *answer = reader_failure(reader, err);
    return err < 0;
}

/* Goes on for as long as each callback makes a request that the buffer can answer. After a failure
 * the next waits for phase 7: one that asks again, whatever it is told, would go on for ever. */
static void reader_run(eddy_reader *reader) {
    size_t left = stream_loop(&reader->stream)->config.stream_bytes_per_turn;
    struct reader_answer answer = {0};
    while (reader->fn != NULL) {
        if (left == 0 || answer.status < 0) {
            reader_look_later(reader);
            return;
        }
        if (!reader_has_news(reader, &answer)) return;
        size_t cost = answer.size > 0 ? answer.size : 1;
        left -= cost < left ? cost : left;
        if (!reader_tell(reader, answer)) return;
    }
    reader_pause(reader);
}

static void reader_look(eddy_defer *defer) {
    eddy_reader *reader = eddy_container_of(defer, eddy_reader, later);
    if (reader->stream.state & STREAM_CLOSING)
        reader->fn = NULL; /* as reading ends with the stream */
    else
        reader_run(reader);
}

/* The stream has stopped reading. */
static void reader_fail(eddy_reader *reader, int status) {
    if (reader_tell(reader, reader_failure(reader, status)) && reader->fn != NULL)
        reader_look_later(reader);
}

static void reader_on_read(eddy_stream *stream, void *data, ssize_t size) {
    eddy_reader *reader = eddy_container_of(stream, eddy_reader, stream);
    (void)data;
    if (size <= 0) {
        reader_fail(reader, size == 0 ? -EPIPE : (int)size);
        return;
    }
    if (reader->kind == READER_INTO)
        reader->done += (size_t)size;
    else
        reader->end += (size_t)size;
    reader_run(reader);
}

/* --- Requests --- */

static int reader_check(const eddy_reader *reader, eddy_reader_fn *fn) {
    const eddy_stream *stream = &reader->stream;
    if (fn == NULL) return -EINVAL;
    if (stream->state & STREAM_CLOSING) return -EINVAL;
    if (!(stream->state & STREAM_CONNECTED)) return -ENOTCONN;
    if (stream->state & STREAM_RECORDS) return -ENOTSUP;
    return reader->fn != NULL ? -EALREADY : 0;
}

/* In a callback of the reader what it asks for is looked at when it has returned. */
static int reader_ask(eddy_reader *reader, unsigned kind, size_t wanted, eddy_reader_fn *fn) {
    int err = 0;
    reader->kind = kind;
    reader->wanted = wanted;
    reader->done = 0;
    if (reader->is_over == NULL) {
        bool may_have_it = reader_held(reader) > 0 || wanted == 0;
        err = may_have_it ? eddy_defer_start(&reader->later, reader_look) : reader_read(reader);
    }
    if (err == 0) reader->fn = fn;
    return err;
}

int eddy_reader_exactly(eddy_reader *reader, size_t count, eddy_reader_fn *fn) {
    int err = reader_check(reader, fn);
    if (err < 0) return err;
    if (count > reader->size) return -EMSGSIZE;
    return reader_ask(reader, READER_EXACTLY, count, fn);
}

int eddy_reader_exactly_into(eddy_reader *reader, void *data, size_t count, eddy_reader_fn *fn) {
    int err = reader_check(reader, fn);
    if (err < 0) return err;
    reader->target = data;
    return reader_ask(reader, READER_INTO, count, fn);
}

int eddy_reader_until(eddy_reader *reader, const void *delimiter, size_t size, eddy_reader_fn *fn) {
    int err = reader_check(reader, fn);
    if (err < 0) return err;
    if (size == 0) return -EINVAL;
    if (size > reader->size) return -EMSGSIZE;
    reader->delimiter = delimiter;
    return reader_ask(reader, READER_UNTIL, size, fn);
}

int eddy_reader_some(eddy_reader *reader, eddy_reader_fn *fn) {
    size_t kept = reader->kind == READER_FULL ? reader->done : 0;
    int err = reader_check(reader, fn);
    if (err == 0) err = reader_ask(reader, READER_SOME, 1, fn);
    if (err == 0) reader->done = kept;
    return err;
}

int eddy_reader_set_deadline(eddy_reader *reader, int64_t delay_ns) {
    eddy_stream *stream = &reader->stream;
    if (delay_ns < -1 || reader->fn == NULL || (stream->state & STREAM_CLOSING)) return -EINVAL;
    int64_t due_ns = delay_ns < 0 ? NEVER_NS : due_after_ns(stream_loop(stream), delay_ns);
    int err = eddy__stream_arm(stream, due_ns);
    if (err < 0) return err;
    reader->due_ns = due_ns;
    if (reader_is_reading(reader)) stream->read_due_ns = due_ns;
    return 0;
}

/* --- Life --- */

void eddy_reader_init(eddy_reader *reader, eddy_loop *loop, void *buffer, size_t size) {
    EDDY_ASSERT(buffer != NULL && size > 0);
    *reader = (eddy_reader){.buffer = buffer, .size = size, .due_ns = NEVER_NS};
    eddy_stream_init(&reader->stream, loop);
    handle_set_relays(&reader->stream.io.handle);
    eddy_defer_init(&reader->later, loop);
    handle_set_inner(&reader->later.handle);
}

void eddy_reader_stop(eddy_reader *reader) {
    if (reader->is_over != NULL) *reader->is_over = true;
    reader->is_over = NULL;
    /* A line's remainder that was asked for, and not taken, is still to be skipped. */
    if (reader->fn != NULL && reader->kind == READER_SOME && reader->done > 0)
        reader->kind = READER_FULL;
    reader->fn = NULL;
    reader->due_ns = NEVER_NS;
    eddy_defer_stop(&reader->later);
    reader_pause(reader);
}

size_t eddy_reader_rest(eddy_reader *reader, void **data) {
    size_t size = reader->fn == NULL ? reader_held(reader) : 0;
    *data = reader->buffer + reader->start;
    if (size == 0) return 0;
    reader->start = reader->end = 0;
    reader->kind = READER_SOME;
    return size;
}

int eddy_reader_close(eddy_reader *reader, eddy_stream_fn *fn) {
    eddy_reader_stop(reader);
    return eddy_stream_close(&reader->stream, fn);
}
