/* op_stream.c: streams in any state, asked for anything; at their other ends are ears (op_ear.c).
 * The model knows the state, and with it what each call has to answer. */
#include "operations.h"
#include "os.h"

#include <string.h>

enum life { IDLE, CONNECTING, CONNECTED, CLOSING };

struct op_stream {
    eddy_stream stream;
    struct desk *desk;
    unsigned place;
    enum life life;
    bool is_connecting; /* also while it closes */
    uint64_t said, heard, tie;
    bool has_timeout; /* of writes; it outlives the socket */
    bool may_break;   /* the other end is gone, or nobody knows who it is */
    bool is_reading, awaits_hangup, is_shut, has_failed;
    bool is_reader, is_writer; /* an end of a pipe */
    bool keeps_all;            /* what was said before the end is heard before it */
    uint64_t last;             /* so much was said; UINT64_MAX: nobody knows */
    bool is_shared;            /* jobs read and write it */
    unsigned writes;
    uint64_t write_next, write_done;
    int64_t read_due_ns;
    uint8_t *into;
    size_t into_size;
};

struct op_write {
    eddy_write write;
    struct op_stream *owner;
    uint64_t number;
    struct iovec vectors[2];
    size_t size;
    uint8_t data[];
};

void op_break_tie(uint64_t tie, uint64_t said) {
    if (tie == 0) return; /* a connection, whose stream may break from the beginning */
    for (unsigned d = 0; d < DESKS; d++)
        for (unsigned i = 0; i < STREAMS; i++)
            if (office.desks[d].streams[i] != NULL && office.desks[d].streams[i]->tie == tie) {
                office.desks[d].streams[i]->may_break = true;
                office.desks[d].streams[i]->last = said;
            }
}

/* --- What streams are told --- */

static struct op_stream *stream_of(eddy_stream *stream) {
    struct op_stream *at = eddy_container_of(stream, struct op_stream, stream);
    ledger_look(at);
    return at;
}

static bool may_fail(const struct op_stream *at) {
    return at->may_break || at->has_timeout || !ledger_is_fair();
}

static void become_idle(struct op_stream *at) {
    at->life = IDLE;
    at->is_reading = at->awaits_hangup = at->is_shut = at->has_failed = at->may_break = false;
    at->is_reader = at->is_writer = at->is_shared = at->keeps_all = false;
    at->last = UINT64_MAX;
    at->said = at->heard = at->tie = 0;
    at->read_due_ns = -1;
}

static void on_closed(eddy_stream *stream) {
    struct op_stream *at = stream_of(stream);
    ledger_paid(at);
    struct desk *desk = at->desk;
    op_enter(desk, PHASE_CLOSING);
    sim_check(at->writes == 0 && !at->is_connecting, "a stream is closed before its requests");
    desk->streams[at->place] = NULL;
    ledger_free(at->into);
    ledger_free(at);
    op_leave(desk);
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct op_stream *at = stream_of(stream);
    struct desk *desk = at->desk;
    op_enter(desk, PHASE_TIMERS | PHASE_READY | (at->is_shared ? PHASE_DEFERRED : 0));
    sim_check(at->is_reading, "a stream reads that has stopped");
    if (size > 0) {
        op_hear(data, &at->heard, (size_t)size);
        memset(data, 0xaa, (size_t)size);
    } else {
        bool is_late = size == -ETIMEDOUT && at->read_due_ns >= 0 &&
                       at->read_due_ns <= eddy_loop_now_ns(desk->party.loop);
        sim_check(size == 0 || is_late || may_fail(at), "a read gives %zd", size);
        sim_check(size == 0 || is_late || !at->keeps_all || at->has_timeout || !ledger_is_fair(),
                  "what only ends gives %zd", size);
        sim_check(size != 0 || !at->keeps_all || at->may_break, "it ends while somebody writes");
        sim_check(size != 0 || !at->keeps_all || at->last == UINT64_MAX || at->heard == at->last,
                  "the end comes before the last byte");
        at->is_reading = false;
        at->read_due_ns = -1;
    }
    op_leave(desk);
}

static void on_hangup(eddy_stream *stream, int status) {
    struct op_stream *at = stream_of(stream);
    op_enter(at->desk, PHASE_READY);
    sim_check(at->awaits_hangup && at->life == CONNECTED, "a hang-up is told that nobody awaits");
    sim_check(status == 0 || may_fail(at), "a hang-up with %d", status);
    at->awaits_hangup = false;
    op_leave(at->desk);
}

static void on_written(eddy_write *write, int status) {
    struct op_write *done = eddy_container_of(write, struct op_write, write);
    ledger_paid(done);
    struct op_stream *at = done->owner;
    struct desk *desk = at->desk;
    op_enter(desk, PHASE_TIMERS | PHASE_READY | PHASE_DEFERRED | PHASE_CLOSING);
    sim_check(done->number == at->write_done++, "writes are told out of order");
    sim_check(status != -ECANCELED || at->life == CLOSING, "a write is cancelled");
    sim_check(status == 0 || at->life == CLOSING || may_fail(at), "a write gives %d", status);
    sim_check(status < 0 || !at->has_failed, "a write succeeds behind one that failed");
    at->writes--;
    if (status < 0) at->has_failed = true;
    ledger_free(done);
    op_leave(desk);
}

static void on_connected(eddy_stream *stream, int status) {
    struct op_stream *at = stream_of(stream);
    struct desk *desk = at->desk;
    op_enter(desk, PHASE_TIMERS | PHASE_READY | PHASE_DEFERRED | PHASE_CLOSING);
    sim_check(at->is_connecting, "connecting is told twice");
    at->is_connecting = false;
    sim_check((status == -ECANCELED) == (at->life == CLOSING), "connecting ends with %d", status);
    if (at->life != CLOSING && status == 0) at->life = CONNECTED;
    if (at->life != CLOSING && status < 0) become_idle(at);
    op_leave(desk);
}

static void on_drained(eddy_stream *stream) {
    struct op_stream *at = stream_of(stream);
    op_enter(at->desk, PHASE_TIMERS | PHASE_READY | PHASE_DEFERRED);
    sim_check(at->life == CONNECTED && !eddy_stream_is_full(stream), "a stream is drained");
    op_leave(at->desk);
}

/* --- Operations --- */

/* What a call for a connected stream answers to this one; 0: it may go on. */
static int refusal(const struct op_stream *at) {
    return at->life == CLOSING ? -EINVAL : at->life == CONNECTED ? 0 : -ENOTCONN;
}

/* What a call that writes answers behind a shutdown, and of a reading end. */
static int write_refusal(const struct op_stream *at) {
    int expected = refusal(at);
    if (expected != 0) return expected;
    return at->is_reader ? -EBADF : at->is_shut ? -EPIPE : 0;
}

static void check_answer(const struct op_stream *at, const char *what, int err, int expected) {
    bool is_excused = op_is_weather(err) || (err == -EPIPE && may_fail(at));
    sim_check(err == expected || (expected == 0 && is_excused), "%s gives %d, not %d", what, err,
              expected);
}

static void read_start(struct op_stream *at);
static void write_some(struct op_stream *at);

static void attach(struct op_stream *at) {
    int ends[2];
    enum op_attached kind = pick(ATTACHED);
    struct party *party = &at->desk->party;
    bool is_shared = kind == SHARED_READER || kind == SHARED_WRITER;
    if (!op_ends_open(kind, ends)) return;
    int expected = at->life == CLOSING ? -EINVAL : at->life == IDLE ? 0 : -EISCONN;
    int err = is_shared ? CALL(party, eddy_stdio_attach(&at->stream, ends[0]))
                        : CALL(party, eddy_stream_attach(&at->stream, ends[0]));
    check_answer(at, "to attach", err, expected);
    if (err < 0 || is_shared) sim_close(ends[0]);
    if (err < 0) {
        sim_close(ends[1]);
        return;
    }
    at->life = CONNECTED;
    at->is_shared = is_shared;
    at->is_writer = kind == PIPE_WRITER || kind == SHARED_WRITER;
    at->is_reader = kind == PIPE_READER || kind == SHARED_READER;
    at->keeps_all = at->is_reader || kind == MANAGER;
    at->tie = ++office.ties;
    op_ear_new(kind, ends[1], at->tie);
    /* A direction alone would seldom be chosen in time, nor one kind of many. */
    bool is_terminal = kind == MANAGER || kind == TERMINAL;
    if (at->is_reader || is_terminal) read_start(at);
    if (at->is_writer || is_terminal) write_some(at);
}

static void connect_to(struct op_stream *at, const struct desk *desk) {
    struct sockaddr_storage address;
    bool is_local = pick(2) == 0;
    socklen_t length = op_address(desk, is_local, &address);
    const struct sockaddr *to = (struct sockaddr *)&address;
    struct party *party = &at->desk->party;
    int64_t timeout_ns = pick(3) == 0 ? 0 : (1 + (int64_t)pick(100)) * EDDY_NS_PER_MS;
    int expected = at->life == CLOSING      ? -EINVAL
                   : at->life == CONNECTED  ? -EISCONN
                   : at->life == CONNECTING ? -EALREADY
                                            : 0;
    int err, own = pick(3) == 0 ? eddy_os_socket(to->sa_family, SOCK_STREAM, 0) : -1;
    if (own >= 0)
        err = CALL(party,
                   eddy_stream_connect(&at->stream, own, to, length, timeout_ns, on_connected));
    else if (is_local)
        err = CALL(party, eddy_local_connect(&at->stream, to, length, 0, timeout_ns, on_connected));
    else
        err = CALL(party, eddy_tcp_connect(&at->stream, to, length, timeout_ns, on_connected));
    check_answer(at, "to connect", err, expected);
    if (err < 0 && own >= 0) sim_close(own); /* it has stayed open */
    if (err < 0) return;
    at->life = CONNECTING;
    at->is_connecting = at->may_break = true;
}

/* Each is the other's end, and says what an ear would say. */
static void pair(struct op_stream *at, struct op_stream *with) {
    if (with == NULL || with == at) return;
    int expected = 0;
    if (at->life != IDLE || with->life != IDLE) expected = -EISCONN;
    if (at->life == CLOSING || with->life == CLOSING) expected = -EINVAL;
    int err = CALL(&at->desk->party, eddy_local_pair(&at->stream, &with->stream, 0));
    check_answer(at, "a pair", err, expected);
    if (err < 0) return;
    at->life = with->life = CONNECTED;
    at->may_break = with->may_break = true;
}

/* The descriptor goes to another stream, or nowhere. */
static void detach(struct op_stream *at, struct op_stream *to) {
    int expected = at->life == CONNECTING  ? -EBUSY
                   : at->life != CONNECTED ? -ENOTCONN
                   : at->writes > 0        ? -EBUSY
                   : at->is_shared         ? -ENOTSUP
                                           : 0;
    int fd = CALL(&at->desk->party, eddy_stream_detach(&at->stream));
    sim_check(fd == expected || (fd >= 0 && expected == 0), "to detach gives %d", fd);
    if (fd < 0) return;
    struct op_stream was = *at;
    become_idle(at);
    bool is_placeholder = was.is_writer && was.is_shut;
    if (to == NULL || to->life != IDLE || is_placeholder ||
        CALL(&to->desk->party, eddy_stream_attach(&to->stream, fd)) < 0) {
        sim_close(fd);
        return;
    }
    to->life = CONNECTED;
    to->said = was.said;
    to->heard = was.heard;
    to->tie = was.tie;
    to->is_reader = was.is_reader;
    to->is_writer = was.is_writer;
    to->keeps_all = was.keeps_all;
    to->last = was.last;
    to->may_break = was.may_break || was.has_failed || was.is_shut;
}

static void read_start(struct op_stream *at) {
    int expected = refusal(at);
    if (expected == 0 && at->is_reading) expected = -EALREADY;
    if (expected == 0 && at->is_writer) expected = -EBADF;
    struct party *party = &at->desk->party;
    int err;
    if (pick(2) == 0) {
        err = CALL(party, eddy_stream_read_start(&at->stream, on_read));
    } else {
        size_t size = 1 + pick(700);
        uint8_t *into = ledger_new("buffer", size);
        err = CALL(party, eddy_stream_read_into(&at->stream, into, size, on_read));
        if (err == 0) ledger_free(at->into);
        if (err == 0)
            at->into = into;
        else
            ledger_free(into);
    }
    check_answer(at, "to read", err, expected);
    if (err < 0) return;
    at->is_reading = true;
    at->awaits_hangup = false;
}

static void hangup_start(struct op_stream *at) {
    int expected = refusal(at);
    if (expected == 0 && (at->is_reading || at->awaits_hangup)) expected = -EALREADY;
    int err = CALL(&at->desk->party, eddy_stream_hangup_start(&at->stream, on_hangup));
    check_answer(at, "to await a hang-up", err, expected);
    if (err == 0) at->awaits_hangup = true;
}

static void read_stop(struct op_stream *at) {
    CALL_VOID(&at->desk->party, eddy_stream_read_stop(&at->stream));
    if (at->is_reading) at->read_due_ns = -1;
    at->is_reading = at->awaits_hangup = false;
}

static void set_deadline(struct op_stream *at) {
    int64_t delay_ns = (int64_t)pick(4) * 3 * EDDY_NS_PER_MS - 1;
    int64_t before_ns = eddy_loop_now_ns(at->desk->party.loop);
    int err = CALL(&at->desk->party, eddy_stream_set_read_deadline(&at->stream, delay_ns));
    check_answer(at, "a read deadline", err, refusal(at));
    if (err < 0) return;
    at->read_due_ns = delay_ns < 0 ? -1 : before_ns + delay_ns;
}

static void set_write_timeout(struct op_stream *at) {
    int64_t timeout_ns = (int64_t)pick(3) * 20 * EDDY_NS_PER_MS;
    int err = CALL(&at->desk->party, eddy_stream_set_write_timeout(&at->stream, timeout_ns));
    check_answer(at, "a write timeout", err, at->life == CLOSING ? -EINVAL : 0);
    if (err == 0) at->has_timeout = at->has_timeout || timeout_ns > 0;
}

static void set_marks(struct op_stream *at) {
    size_t high = 1 + pick(3000);
    int err = CALL(&at->desk->party,
                   eddy_stream_set_marks(&at->stream, pick((unsigned)high), high, on_drained));
    check_answer(at, "marks", err, at->life == CLOSING ? -EINVAL : 0);
}

static void try_some(struct op_stream *at) {
    uint8_t data[600];
    op_speak(data, at->said, sizeof data);
    struct iovec vectors[2] = {{data, pick(300)}, {NULL, 0}};
    vectors[1] = (struct iovec){data + vectors[0].iov_len, 1 + pick(200)};
    int expected = write_refusal(at);
    int sent = CALL(&at->desk->party, (int)eddy_stream_try_write(&at->stream, vectors, 2));
    if (sent == -EAGAIN && expected == 0) return;
    if (sent > 0) at->said += (unsigned)sent;
    if (sent < 0 && may_fail(at)) {
        at->has_failed = at->has_failed || expected == 0;
        return;
    }
    check_answer(at, "a try", sent < 0 ? sent : 0, expected);
}

static void flush_now(struct op_stream *at) {
    int err = CALL(&at->desk->party, eddy_stream_flush(&at->stream));
    bool is_told = refusal(at) == 0 && (err == -EAGAIN || (err < 0 && may_fail(at)));
    if (!is_told) check_answer(at, "to flush", err, refusal(at));
    sim_check(err != 0 || eddy_stream_queued(&at->stream) == 0, "a flush leaves bytes");
    sim_check(at->life == CONNECTED || !eddy_stream_is_blocked(&at->stream), "blocked by nobody");
}

static void write_some(struct op_stream *at) {
    unsigned how = pick(6);
    size_t size = how == 0 || pick(2) == 0 ? 0 : pick(3000);
    struct op_write *write = ledger_new("write", sizeof *write + size);
    write->owner = at;
    write->size = size;
    op_speak(write->data, at->said, size);
    size_t first = pick((unsigned)size + 1);
    write->vectors[0] = (struct iovec){write->data, first};
    write->vectors[1] = (struct iovec){write->data + first, size - first};
    struct party *party = &at->desk->party;
    eddy_stream *stream = &at->stream;
    int err;
    if (how < 3)
        err = CALL(party, eddy_stream_writev(stream, &write->write, write->vectors, 2, on_written));
    else
        err = CALL(party, eddy_stream_write(stream, &write->write, write->data, size, on_written));
    int expected = write_refusal(at);
    if (expected == 0 && at->has_failed) expected = -EPIPE;
    check_answer(at, "to write", err, expected);
    if (err < 0) {
        ledger_free(write);
        return;
    }
    ledger_owe(write);
    write->number = at->write_next++;
    at->writes++;
    at->said += size;
}

static void shut_down(struct op_stream *at) {
    struct op_write *write = ledger_new("write", sizeof *write);
    write->owner = at;
    int err = CALL(&at->desk->party, eddy_stream_shutdown(&at->stream, &write->write, on_written));
    int expected = write_refusal(at);
    if (expected == 0 && at->has_failed) expected = -EPIPE;
    check_answer(at, "to shut down", err, expected);
    if (err < 0) {
        ledger_free(write);
        return;
    }
    ledger_owe(write);
    write->number = at->write_next++;
    at->writes++;
    at->is_shut = true;
}

static void stream_close(struct op_stream *at, bool reset) {
    struct party *party = &at->desk->party;
    int err = reset ? CALL(party, eddy_stream_reset(&at->stream, on_closed))
                    : CALL(party, eddy_stream_close(&at->stream, on_closed));
    sim_check(err == (at->life == CLOSING ? -EALREADY : 0), "a stream's close gives %d", err);
    if (err < 0) return;
    ledger_owe(at);
    at->life = CLOSING;
    at->is_reading = at->awaits_hangup = false;
}

static struct op_stream *stream_new(struct desk *desk, unsigned place) {
    struct op_stream *at = ledger_new("stream", sizeof *at);
    at->desk = desk;
    at->place = place;
    eddy_stream_init(&at->stream, desk->party.loop);
    become_idle(at);
    desk->streams[place] = at;
    return at;
}

void op_stream(struct desk *desk) {
    unsigned place = pick(STREAMS);
    struct op_stream *at = desk->streams[place];
    if (at == NULL) at = stream_new(desk, place);
    struct desk *other = some_desk();
    switch (pick(21)) {
    case 0:
        stream_close(at, pick(2) == 0);
        break;
    case 1:
        read_stop(at);
        break;
    case 2:
        set_deadline(at);
        break;
    case 3:
        set_write_timeout(at);
        break;
    case 4:
        set_marks(at);
        break;
    case 5:
        detach(at, other->streams[pick(STREAMS)]);
        break;
    case 6:
        shut_down(at);
        break;
    case 7:
    case 8:
        try_some(at);
        break;
    case 9:
    case 10:
        read_start(at);
        break;
    case 11:
    case 12:
        attach(at);
        break;
    case 13:
        connect_to(at, other);
        break;
    case 14:
        op_listener(desk);
        break;
    case 15:
        op_ear();
        break;
    case 16:
        flush_now(at);
        break;
    case 17:
        hangup_start(at);
        break;
    case 18:
        pair(at, desk->streams[pick(STREAMS)]);
        break;
    default:
        write_some(at);
        break;
    }
}

void op_stream_end(struct desk *desk) {
    op_listener_end(desk);
    for (unsigned i = 0; i < STREAMS; i++)
        if (desk->streams[i] != NULL && desk->streams[i]->life != CLOSING)
            stream_close(desk->streams[i], pick(4) == 0);
}
