/* mesh_conn.c: an end of a line that is a stream, on whichever loop.
 * Invariant: what `struct conn` says of the stream is what its owner may rely on; each callback
 * looks whether it may come at all. Threading: a conn belongs to its house's thread; while it moves
 * it belongs to the post. */
#include "mesh.h"

#include <string.h>

/* --- Coming and going --- */

static void enter(struct conn *conn, struct house *house) {
    unsigned place = 0;
    while (place < CONNS_MAX - 1 && house->conns[place] != NULL) place++;
    sim_check(house->conns[place] == NULL, "the mesh has too many streams");
    house->conns[place] = conn;
    conn->place = place;
    conn->house = house;
    eddy_stream_init(&conn->stream, house->party.loop);
    conn->high = 256 << 10;
    conn->low = 64 << 10;
    conn->read_due_ns = -1;
    conn->write_timeout_ns = 0;
    conn->is_closing = conn->waits_for_drain = false;
    (void)conn_set_marks(conn, conn->low, conn->high);
}

struct conn *conn_new(struct house *house, struct line *line, bool is_caller) {
    struct conn *conn = ledger_new("stream", sizeof *conn);
    enter(conn, house);
    conn->first_house = house;
    conn->line = line;
    conn->is_caller = is_caller;
    mesh.conns_open++;
    return conn;
}

int conn_attach(struct conn *conn, int fd) {
    int err = CALL(&conn->house->party, eddy_stream_attach(&conn->stream, fd));
    if (ledger_result("eddy_stream_attach", err) == 0) conn->is_connected = true;
    return err;
}

static void on_arrived(eddy_post *post) {
    struct conn *conn = eddy_container_of(post, struct conn, post);
    ledger_paid(conn);
    struct house *house = conn->next_house;
    party_callback(&house->party, PHASE_INBOX);
    house->completions++;
    conn->next_house = NULL;
    enter(conn, house);
    if (conn_attach(conn, conn->fd) < 0) {
        sim_close(conn->fd);
        conn_close(conn, false);
        return;
    }
    conn_read(conn);
    conn_push(conn);
}

static void leave_for_ever(struct conn *conn) {
    line_leave(conn->line);
    ledger_free(conn);
    mesh.conns_open--;
    mesh_maybe_finish();
}

static void on_closed(eddy_stream *stream) {
    struct conn *conn = conn_of(stream);
    party_callback(&conn->house->party, PHASE_CLOSING);
    ledger_paid(conn);
    sim_check(conn->writes == 0, "a stream is closed before %u of its writes", conn->writes);
    sim_check(!conn->is_connecting, "a stream is closed before it is told of connecting");
    conn->house->closed++;
    conn->house->conns[conn->place] = NULL;
    ledger_free(conn->into);
    conn->into = NULL;
    if (conn->next_house == NULL) {
        leave_for_ever(conn);
        return;
    }
    ledger_owe(conn);
    eddy_loop_post(conn->next_house->party.loop, &conn->post, on_arrived);
}

static void close_now(struct conn *conn, bool reset) {
    struct party *party = &conn->house->party;
    int err = reset ? CALL(party, eddy_stream_reset(&conn->stream, on_closed))
                    : CALL(party, eddy_stream_close(&conn->stream, on_closed));
    sim_check(err == 0, "eddy_stream_close gives %d", err);
    ledger_owe(conn);
    conn->is_closing = true;
    conn->is_connected = conn->is_reading = false;
}

void conn_close(struct conn *conn, bool reset) {
    if (conn->is_closing) return;
    if (!conn->has_finished || reset) {
        line_excuse(conn->line);
        if (conn->line == NULL) conn->first_house->is_rude = true;
    }
    close_now(conn, reset);
}

void conn_move(struct conn *conn, struct house *to) {
    int fd = CALL(&conn->house->party, eddy_stream_detach(&conn->stream));
    if (conn->writes > 0 || conn->is_connecting) {
        sim_check(fd == -EBUSY, "a detach of a busy stream gives %d", fd);
        return;
    }
    sim_check(fd >= 0, "a detach gives %d", fd);
    sim_check(eddy_stream_fd(&conn->stream) == -1, "a detached stream has a descriptor");
    conn->is_connected = conn->is_reading = conn->waits_for_drain = false;
    conn->read_due_ns = -1;
    conn->has_moved = true;
    conn->read_turn = conn->read_bytes = conn->reads_anew = 0;
    if (to == conn->house) {
        if (conn_attach(conn, fd) == 0) {
            conn_read(conn);
            return;
        }
        sim_close(fd);
        conn_close(conn, false);
        return;
    }
    conn->fd = fd;
    conn->next_house = to;
    close_now(conn, false);
}

/* --- Reading --- */

/* The first two bytes tell whose echo this is. False: not yet, or its caller has gone. */
static bool identify(struct conn *conn, const uint8_t *data, size_t size) {
    if (conn->line != NULL) return true;
    if (conn->id_bytes + size < 2) {
        conn->id = data[0];
        conn->id_bytes = 1;
        return false;
    }
    uint8_t first = conn->id_bytes > 0 ? conn->id : data[0];
    conn->line = line_get(first | (unsigned)data[1 - conn->id_bytes] << 8);
    if (conn->line == NULL) {
        conn_close(conn, false);
        return false;
    }
    conn->line->ends++;
    return true;
}

static void echo(struct conn *conn, const uint8_t *data, size_t size) {
    if (!identify(conn, data, size)) return;
    if (conn->id_bytes > 0) {
        line_check(conn->line, &conn->line->seen, &conn->id, 1);
        conn->id_bytes = 0;
        if (conn_send(conn, &conn->id, 1) < 0) return;
    }
    line_check(conn->line, &conn->line->seen, data, size);
    if (conn_send(conn, data, size) < 0) return;
    if (!conn->is_connected || !eddy_stream_is_full(&conn->stream)) return;
    CALL_VOID(&conn->house->party, eddy_stream_read_stop(&conn->stream));
    conn->is_reading = false;
    conn->read_due_ns = -1;
    conn->waits_for_drain = true;
}

static void on_end(struct conn *conn) {
    if (conn->is_caller) {
        line_ended_at_caller(conn->line);
        conn->has_finished = true;
        conn_close(conn, false);
    } else {
        if (conn->line != NULL) line_ended_at_echo(conn->line);
        conn_shut_down(conn);
    }
}

static void on_read_error(struct conn *conn, int error) {
    if (error == -ETIMEDOUT && conn->read_due_ns >= 0 && conn->read_due_ns <= conn_now_ns(conn))
        line_excuse(conn->line);
    else
        line_fails(conn->line, "a read", error);
    conn_close(conn, false);
}

/* One stream must not take a turn for itself. A deadline may have it read once
 * more in a turn, and each wait. */
static void check_share(struct conn *conn, size_t size) {
    uint64_t turn = party_turns(&conn->house->party);
    size_t share = conn->house->stream_bytes_per_turn;
    if (conn->read_turn != turn) conn->read_bytes = conn->reads_anew = 0;
    conn->read_turn = turn;
    if (share > 0 && conn->read_bytes >= share) {
        sim_check(conn->reads_anew++ < conn->house->waits_per_turn,
                  "a stream reads %zu bytes in a turn", conn->read_bytes);
        conn->read_bytes = 0;
    }
    conn->read_bytes += size;
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct conn *conn = conn_of(stream);
    party_callback(&conn->house->party, PHASE_TIMERS | PHASE_READY);
    sim_check(conn->is_reading, "a read callback though reading has stopped");
    if (size <= 0) {
        conn->is_reading = false;
        conn->was_told_end = true;
        if (size == 0)
            on_end(conn);
        else
            on_read_error(conn, (int)size);
        return;
    }
    check_share(conn, (size_t)size);
    sim_check(conn->into == NULL || (data == conn->into && (size_t)size <= conn->into_size),
              "a read into a buffer that is not ours");
    if (conn->is_caller)
        line_check(conn->line, &conn->line->heard, data, (size_t)size);
    else
        echo(conn, data, (size_t)size);
    memset(data, 0xaa, (size_t)size); /* it may be changed */
    if (!conn->is_closing && mesh_whim()) conn_whim(conn);
    if (sim_below(4) == 0) conn_push(conn);
}

void conn_read(struct conn *conn) {
    if (!conn->is_connected || conn->is_reading || conn->was_told_end || conn->waits_for_drain)
        return;
    struct party *party = &conn->house->party;
    int err;
    if (sim_below(2) == 0) {
        ledger_free(conn->into);
        conn->into_size = 1 + sim_below(sim_below(2) == 0 ? 40 : 3000);
        conn->into = ledger_new("buffer", conn->into_size);
        err =
            CALL(party, eddy_stream_read_into(&conn->stream, conn->into, conn->into_size, on_read));
    } else {
        err = CALL(party, eddy_stream_read_start(&conn->stream, on_read));
        if (err == 0) {
            ledger_free(conn->into);
            conn->into = NULL;
        }
    }
    if (err == 0) {
        conn->is_reading = true;
        return;
    }
    line_fails(conn->line, "to read", err);
    conn_close(conn, false);
}

/* --- Connecting --- */

static void on_connected(eddy_stream *stream, int status) {
    struct conn *conn = conn_of(stream);
    party_callback(&conn->house->party,
                   PHASE_TIMERS | PHASE_READY | PHASE_DEFERRED | PHASE_CLOSING);
    sim_check(conn->is_connecting, "connecting is told twice");
    conn->is_connecting = false;
    if (status == -ECANCELED) {
        sim_check(conn->is_closing, "connecting is cancelled though nobody closes");
        return;
    }
    sim_check(!conn->is_closing, "connecting ends with %d after a close", status);
    /* The kernel has a patience of its own, too. */
    if (status == -ETIMEDOUT && conn->read_due_ns >= 0 && conn->read_due_ns <= conn_now_ns(conn)) {
        line_excuse(conn->line);
    } else if (status < 0) {
        line_fails(conn->line, "connecting", status);
    }
    conn->read_due_ns = -1;
    if (status < 0) {
        conn_close(conn, false);
        return;
    }
    conn->is_connected = true;
    if (mesh_whim()) conn_whim(conn);
    conn_read(conn);
    conn_push(conn);
}

int conn_connect(struct conn *conn, const struct house *target) {
    int64_t timeout_ns = 0;
    if (mesh_whim()) timeout_ns = 1 + (int64_t)sim_below(100000000);
    int64_t now_ns = conn_now_ns(conn);
    int err = CALL(&conn->house->party,
                   eddy_tcp_connect(&conn->stream, (const struct sockaddr *)&target->address,
                                    target->address_length, timeout_ns, on_connected));
    if (err < 0) {
        line_fails(conn->line, "to connect", err);
        conn_close(conn, false);
        return err;
    }
    conn->is_connecting = true;
    /* There is nothing to read yet: the deadline's place is free. */
    if (timeout_ns > 0) conn->read_due_ns = now_ns + timeout_ns;
    return 0;
}
