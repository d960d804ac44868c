/* mesh_write.c: what an end of a line that is a stream has to say.
 * Invariant: the callbacks of writes come in order, each once, and after one that failed there is
 * no success. */
#include "mesh.h"

#include <string.h>

enum { PIECES = 5 };

/* A write under way, or the end of all writes. */
struct chunk {
    eddy_write write;
    struct conn *conn;
    uint64_t number;
    size_t size;
    bool is_end;
    struct iovec vectors[PIECES];
    uint8_t data[];
};

static void judge_write(struct conn *conn, size_t size, int status) {
    if (status == 0) {
        sim_check(!conn->has_failed, "a write succeeds behind one that failed");
        if (size > 0) conn->write_since_ns = conn_now_ns(conn); /* the kernel has just taken it */
        return;
    }
    conn->has_failed = true;
    if (status == -ECANCELED) {
        sim_check(conn->is_closing, "a write is cancelled though the stream is not closed");
    } else if (status == -ETIMEDOUT && conn->write_timeout_ns > 0 &&
               conn_now_ns(conn) - conn->write_since_ns >= conn->write_timeout_ns) {
        line_excuse(conn->line);
    } else {
        line_fails(conn->line, "a write", status);
    }
}

static void on_written(eddy_write *write, int status) {
    struct chunk *chunk = eddy_container_of(write, struct chunk, write);
    ledger_paid(chunk);
    struct conn *conn = chunk->conn;
    party_callback(&conn->house->party,
                   PHASE_TIMERS | PHASE_READY | PHASE_DEFERRED | PHASE_CLOSING);
    sim_check(write->stream == &conn->stream, "a write's stream is another");
    sim_check(chunk->number == conn->write_done, "write %llu is told before write %llu",
              (unsigned long long)chunk->number, (unsigned long long)conn->write_done);
    conn->write_done++;
    conn->writes--;
    conn->write_bytes -= chunk->size;
    judge_write(conn, chunk->size, status);
    bool is_end = chunk->is_end;
    ledger_free(chunk);
    if (conn->is_closing) return;
    if (status == 0 && is_end && !conn->is_caller) conn->has_finished = true;
    if (status < 0 || conn->has_finished)
        conn_close(conn, false);
    else if (mesh_whim())
        conn_whim(conn);
    if (conn->writes == 0 || sim_below(2) == 0) conn_push(conn);
}

static struct chunk *new_chunk(struct conn *conn, size_t size) {
    struct chunk *chunk = ledger_new("write", sizeof *chunk + size);
    chunk->conn = conn;
    chunk->size = size;
    return chunk;
}

/* No callback may come in it. What fails is told to the writes as well. */
static void flush_now(struct conn *conn) {
    int err = CALL(&conn->house->party, eddy_stream_flush(&conn->stream));
    bool waits = eddy_stream_queued(&conn->stream) > 0;
    sim_check(err != 0 || !waits, "a flush leaves bytes and does not say so");
    sim_check(!eddy_stream_is_blocked(&conn->stream) || waits, "blocked with nothing queued");
    if (err < 0 && err != -EAGAIN) line_fails(conn->line, "a flush", err);
}

/* A write that is on its way, or not. */
static int started(struct conn *conn, struct chunk *chunk, int err) {
    if (err < 0) {
        ledger_free(chunk);
        line_fails(conn->line, "to write", err);
        conn_close(conn, false);
        return err;
    }
    ledger_owe(chunk);
    chunk->number = conn->write_next++;
    if (conn->writes++ == 0) conn->write_since_ns = conn_now_ns(conn);
    conn->write_bytes += chunk->size;
    size_t queued = eddy_stream_queued(&conn->stream);
    sim_check(queued <= conn->write_bytes, "more is queued than was written");
    sim_check(queued < conn->high || eddy_stream_is_full(&conn->stream), "a full stream is not");
    if (sim_below(8) == 0) flush_now(conn);
    return 0;
}

/* Cuts what is in the chunk into pieces, empty ones too. */
static int cut(struct chunk *chunk) {
    int count = 1 + (int)sim_below(PIECES);
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        size_t left = chunk->size - at;
        size_t size = i == count - 1 ? left : sim_below((unsigned)left + 1);
        chunk->vectors[i] = (struct iovec){chunk->data + at, size};
        at += size;
    }
    return count;
}

/* Returns how much of `size` went at once. */
static size_t try_some(struct conn *conn, struct chunk *chunk) {
    int count = cut(chunk);
    int sent =
        CALL(&conn->house->party, (int)eddy_stream_try_write(&conn->stream, chunk->vectors, count));
    if (sent >= 0) {
        sim_check(eddy_stream_queued(&conn->stream) == 0, "a try goes before what is queued");
        sim_check((size_t)sent <= chunk->size, "a try sends more than there is");
        return (size_t)sent;
    }
    if (sent == -EAGAIN) return 0;
    line_fails(conn->line, "a try", sent);
    conn_close(conn, false);
    return 0;
}

static int send_chunk(struct conn *conn, struct chunk *chunk) {
    struct party *party = &conn->house->party;
    if (sim_below(3) == 0) {
        size_t sent = try_some(conn, chunk);
        if (conn->is_closing || sent == chunk->size) {
            ledger_free(chunk);
            return conn->is_closing ? -EPIPE : 0;
        }
        memmove(chunk->data, chunk->data + sent, chunk->size - sent);
        chunk->size -= sent;
    }
    int err;
    if (sim_below(2) == 0) {
        err = CALL(party, eddy_stream_write(&conn->stream, &chunk->write, chunk->data, chunk->size,
                                            on_written));
    } else {
        int count = cut(chunk);
        err = CALL(party, eddy_stream_writev(&conn->stream, &chunk->write, chunk->vectors, count,
                                             on_written));
    }
    return started(conn, chunk, err);
}

int conn_send(struct conn *conn, const uint8_t *data, size_t size) {
    struct chunk *chunk = new_chunk(conn, size);
    memcpy(chunk->data, data, size);
    return send_chunk(conn, chunk);
}

void conn_shut_down(struct conn *conn) {
    struct chunk *chunk = new_chunk(conn, 0);
    chunk->is_end = true;
    int err =
        CALL(&conn->house->party, eddy_stream_shutdown(&conn->stream, &chunk->write, on_written));
    conn->is_shut = true;
    (void)started(conn, chunk, err);
}

void conn_push(struct conn *conn) {
    struct line *line = conn->line;
    if (!conn->is_caller || !conn->is_connected || conn->is_shut) return;
    unsigned left = 1 + sim_below(4);
    while (line->sent < line->length) {
        /* A write under way calls again when it is done, a full stream when it is drained. */
        if (eddy_stream_is_full(&conn->stream) || (left == 0 && conn->writes > 0)) return;
        if (left > 0) left--;
        uint64_t rest = line->length - line->sent;
        size_t size = 1 + sim_below(sim_below(4) == 0 ? 20000 : 700);
        if (size > rest) size = (size_t)rest;
        struct chunk *chunk = new_chunk(conn, size);
        line_fill(line, line->sent, chunk->data, size);
        line->sent += size;
        if (send_chunk(conn, chunk) < 0) return;
    }
    conn_shut_down(conn);
}

static void on_drained(eddy_stream *stream) {
    struct conn *conn = conn_of(stream);
    party_callback(&conn->house->party, PHASE_TIMERS | PHASE_READY | PHASE_DEFERRED);
    sim_check(conn->is_connected, "a stream is drained that is not connected");
    sim_check(!eddy_stream_is_full(stream) && eddy_stream_queued(stream) < conn->high,
              "a stream is drained with %zu bytes queued", eddy_stream_queued(stream));
    conn->waits_for_drain = false;
    if (mesh_whim()) conn_whim(conn);
    conn_read(conn);
    conn_push(conn);
}

int conn_set_marks(struct conn *conn, size_t low, size_t high) {
    int err =
        CALL(&conn->house->party, eddy_stream_set_marks(&conn->stream, low, high, on_drained));
    if (err == 0) {
        conn->low = low;
        conn->high = high;
    }
    return err;
}
