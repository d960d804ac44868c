/* mesh_whim.c: what comes to a stream's owner's mind, in the middle of any callback: everything
 * that the headers allow, and some of what they refuse. */
#include "mesh.h"

#include <netinet/in.h>

bool mesh_whim(void) {
    return !mesh.ends && sim_chance(mesh.whims);
}

static struct party *party_of(struct conn *conn) {
    return &conn->house->party;
}

static void pause(struct conn *conn) {
    CALL_VOID(party_of(conn), eddy_stream_read_stop(&conn->stream));
    conn->is_reading = false;
    conn->read_due_ns = -1;
    if (sim_below(2) == 0) conn_read(conn);
}

static void set_read_deadline(struct conn *conn) {
    const int64_t delays_ns[] = {-1, 0, 1000, 3 * EDDY_NS_PER_MS, 5 * EDDY_NS_PER_S, INT64_MAX};
    int64_t delay_ns = delays_ns[sim_below(6)];
    if (sim_below(3) > 0 && delay_ns < EDDY_NS_PER_S) delay_ns = 500 * EDDY_NS_PER_S;
    if (!conn->is_reading) return; /* without a reader it waits for one: the owner would wonder */
    int64_t now_ns = conn_now_ns(conn);
    int err = CALL(party_of(conn), eddy_stream_set_read_deadline(&conn->stream, delay_ns));
    sim_check(err == 0 || err == -ENOMEM, "a read deadline gives %d", err);
    if (ledger_result("eddy_stream_set_read_deadline", err) < 0) return;
    conn->read_due_ns = delay_ns < 0 || delay_ns > INT64_MAX - now_ns ? -1 : now_ns + delay_ns;
}

static void set_write_timeout(struct conn *conn) {
    const int64_t timeouts_ns[] = {0, 1, 2 * EDDY_NS_PER_MS, 400 * EDDY_NS_PER_S};
    int64_t timeout_ns = timeouts_ns[sim_below(3) > 0 ? 3 : sim_below(4)];
    int err = CALL(party_of(conn), eddy_stream_set_write_timeout(&conn->stream, timeout_ns));
    sim_check(err == 0 || err == -ENOMEM, "a write timeout gives %d", err);
    if (ledger_result("eddy_stream_set_write_timeout", err) < 0) return;
    conn->write_timeout_ns = timeout_ns;
    conn->write_since_ns = conn_now_ns(conn);
}

static void set_marks(struct conn *conn) {
    size_t high = 1 + sim_below(5000), low = sim_below(2) * sim_below((unsigned)high + 1);
    int err = conn_set_marks(conn, low, high);
    sim_check(err == 0, "marks give %d", err);
    sim_check(conn_set_marks(conn, high + 1, high) == -EINVAL, "the low mark is above the high");
    sim_check(conn_set_marks(conn, 0, 0) == -EINVAL, "a high mark of 0");
}

static void set_options(struct conn *conn) {
    struct sockaddr_storage address;
    struct sockaddr *where = (struct sockaddr *)&address;
    socklen_t length = sizeof address;
    eddy_stream *stream = &conn->stream;
    struct party *party = party_of(conn);
    int err = CALL(party, eddy_tcp_local_address(stream, where, &length));
    bool is_local = err == -EAFNOSUPPORT;
    if (is_local) {
        err = CALL(party, eddy_local_address(stream, where, &length));
        sim_check(err == 0 || !ledger_is_fair(), "a local socket's address gives %d", err);
    } else if (err == 0) {
        char text[80];
        int printed = eddy_address_format(where, text, sizeof text);
        sim_check(printed > 0 && eddy_address_port(where) >= 0, "an address cannot be told");
        (void)ledger_result("TCP_NODELAY", CALL(party, eddy_tcp_set_nodelay(stream, true)));
        (void)ledger_result("keepalive", CALL(party, eddy_tcp_set_keepalive(stream, 10, 0, 3)));
    }
    length = sizeof address;
    err = is_local ? CALL(party, eddy_local_peer_address(stream, where, &length))
                   : CALL(party, eddy_tcp_peer_address(stream, where, &length));
    sim_check(err == 0 || err == -ENOTCONN || !ledger_is_fair(), "the peer's address gives %d",
              err);
}

static void on_nothing(eddy_stream *stream, int status) {
    (void)stream;
    sim_fail("a connect that was refused is told of: %d", status);
}

static void on_no_write(eddy_write *write, int status) {
    (void)write;
    sim_fail("a write that was refused is told of: %d", status);
}

static void on_no_read(eddy_stream *stream, void *data, ssize_t size) {
    (void)stream, (void)data;
    sim_fail("a read that was refused is told of: %zd", size);
}

/* What must be refused, and change nothing. */
static void misuse(struct conn *conn) {
    eddy_stream *stream = &conn->stream;
    struct party *party = party_of(conn);
    eddy_write write;
    struct sockaddr_in any = {.sin_family = AF_INET};
    int err = CALL(party, eddy_stream_attach(stream, eddy_stream_fd(stream)));
    sim_check(err == -EISCONN, "attach to a connected stream gives %d", err);
    err = CALL(party, eddy_tcp_connect(stream, (struct sockaddr *)&any, sizeof any, 0, on_nothing));
    sim_check(err == -EISCONN, "connect of a connected stream gives %d", err);
    err = conn->is_reading ? CALL(party, eddy_stream_read_start(stream, on_no_read)) : -EALREADY;
    sim_check(err == -EALREADY, "a second start of reading gives %d", err);
    err = CALL(party, eddy_stream_set_read_deadline(stream, -2));
    sim_check(err == -EINVAL, "a negative delay gives %d", err);
    err = CALL(party, eddy_stream_set_write_timeout(stream, -1));
    sim_check(err == -EINVAL, "a negative timeout gives %d", err);
    if (!conn->is_shut || conn->has_moved) return;
    err = CALL(party, eddy_stream_write(stream, &write, "", 1, on_no_write));
    sim_check(err == -EPIPE, "a write after the end gives %d", err);
    err = CALL(party, eddy_stream_shutdown(stream, &write, on_no_write));
    sim_check(err == -EPIPE, "a second end gives %d", err);
}

/* It stays with its house's streams, and closes one of them, or this one again. */
static struct conn *neighbour(const struct conn *conn) {
    const struct house *house = conn->house;
    struct conn *chosen = NULL;
    unsigned count = 0;
    for (unsigned i = 0; i < CONNS_MAX; i++)
        if (house->conns[i] != NULL && house->conns[i]->is_connected && sim_below(++count) == 0)
            chosen = house->conns[i];
    return chosen;
}

void conn_whim(struct conn *conn) {
    if (sim_below(3) == 0) conn = neighbour(conn);
    if (conn == NULL || !conn->is_connected) return;
    unsigned what = sim_below(14);
    sim_note("stream %llu: whim %u", (unsigned long long)ledger_number(conn), what);
    switch (what) {
    case 0:
        conn_close(conn, false);
        break;
    case 1:
        conn_close(conn, true);
        break;
    case 2:
    case 3:
        pause(conn);
        break;
    case 4:
    case 5:
        set_read_deadline(conn);
        break;
    case 6:
        set_write_timeout(conn);
        break;
    case 7:
        set_marks(conn);
        break;
    case 8:
        set_options(conn);
        break;
    case 9:
        misuse(conn);
        break;
    case 10:
    case 11:
        conn_move(conn, some_house());
        break;
    case 12:
        conn_move(conn, conn->house);
        break;
    default:
        sim_sleep(sim_below(3000000));
        break; /* a long callback */
    }
}

/* --- What an owner looks after at each beat --- */

static void check_deadlines(struct conn *conn) {
    int64_t beat_ns = conn->house->beat_ns; /* the last one: what was due then is told by now */
    /* Unless what came in time is still being read. */
    bool is_late = conn->is_reading && conn->read_turn + 1 >= party_turns(&conn->house->party);
    sim_check((!conn->is_connecting && !conn->is_reading) || conn->read_due_ns < 0 || is_late ||
                  conn->read_due_ns >= beat_ns,
              "a read deadline is missed by %lld ns", (long long)(beat_ns - conn->read_due_ns));
    size_t queued = eddy_stream_queued(&conn->stream);
    if (queued != conn->stall_bytes || conn->write_next != conn->stall_write || queued == 0 ||
        conn->write_since_ns > conn->stall_ns) {
        conn->stall_ns = conn_now_ns(conn);
        conn->stall_bytes = queued;
        conn->stall_write = conn->write_next;
    }
    sim_check(conn->write_timeout_ns == 0 || queued == 0 ||
                  beat_ns - conn->stall_ns <= conn->write_timeout_ns,
              "a write timeout is missed");
}

void conn_beat(struct conn *conn) {
    if (conn->is_closing) return;
    check_deadlines(conn);
    if (mesh_whim()) conn_whim(conn);
    if (mesh.ends || sim_below(2) == 0) conn_read(conn);
    conn_push(conn);
}
