/* net.c: faults while a program connects, listens, exchanges bytes and closes. Both ends are
 * streams of one loop, so that either can be the one that is hurt. */
#include "net.h"
#include "fault.h"

enum { BYTES = 4000, WRITES = 3 };

/* Several reads for that, and several turns. */
static const eddy_loop_config small = {.read_buffer_bytes = 512, .stream_bytes_per_turn = 1024};

static char sent_bytes[BYTES];

/* One end. What it was told is put together in `over`: it needs nothing more. */
struct side {
    eddy_stream stream;
    eddy_write writes[WRITES], shutdown;
    struct promise connect, writing[WRITES], shutting, closing;
    struct iovec pieces[4];
    size_t received;
    bool has_end, failed, over;
};

static eddy_loop *loop;
static eddy_listener listener;
static struct promise listener_closing;
static struct side client, server;
static bool both_over;
static bool has_deadlines = true;
static bool is_inherited; /* the listening socket */

static struct side *side_of(eddy_stream *stream) {
    return eddy_container_of(stream, struct side, stream);
}

static void side_init(struct side *side) {
    memset(side, 0, sizeof *side);
    eddy_stream_init(&side->stream, loop);
}

static bool has_all_written(const struct side *side) {
    for (int i = 0; i < WRITES; i++)
        if (promise_is_open(&side->writing[i])) return false;
    return !promise_is_open(&side->shutting);
}

static void look(struct side *side) {
    side->over = (side->failed || side->has_end) && has_all_written(side);
    both_over = client.over && server.over;
}

/* --- Closing --- */

static void on_closed(eddy_stream *stream) {
    struct side *side = side_of(stream);
    promise_keep(&side->closing);
    fault_assert(has_all_written(side) && !promise_is_open(&side->connect));
    look(side);
}

static void close_side(struct side *side, bool hard) {
    int err = hard ? eddy_stream_reset(&side->stream, on_closed)
                   : eddy_stream_close(&side->stream, on_closed);
    fault_assert(promise_give(&side->closing, err) == 0);
}

/* What a program does on any error. */
static void give_up(struct side *side) {
    fault_assert(!fault_is_unhurt());
    side->failed = true;
    if (!side->closing.given) close_side(side, false);
    look(side);
}

/* --- Writing --- */

static void on_written(eddy_write *write, int status) {
    struct side *side = side_of(write->stream);
    promise_keep(&side->writing[write - side->writes]);
    if (status < 0 && !side->closing.given) give_up(side);
    look(side);
}

static void on_shut(eddy_write *write, int status) {
    struct side *side = side_of(write->stream);
    promise_keep(&side->shutting);
    if (status < 0 && !side->closing.given) give_up(side);
    look(side);
}

/* All bytes in three writes, the second one in pieces, and the end behind them. */
static int write_all(struct side *side) {
    size_t part = BYTES / 4;
    for (size_t i = 0; i < 4; i++)
        side->pieces[i] = (struct iovec){sent_bytes + part + i * part / 2, part / 2};
    eddy_stream *stream = &side->stream;
    int err = promise_give(&side->writing[0], eddy_stream_write(stream, &side->writes[0],
                                                                sent_bytes, part, on_written));
    if (err == 0)
        err = promise_give(&side->writing[1], eddy_stream_writev(stream, &side->writes[1],
                                                                 side->pieces, 4, on_written));
    if (err == 0)
        err = promise_give(&side->writing[2],
                           eddy_stream_write(stream, &side->writes[2], sent_bytes + 3 * part,
                                             BYTES - 3 * part, on_written));
    if (err == 0)
        err = promise_give(&side->shutting, eddy_stream_shutdown(stream, &side->shutdown, on_shut));
    return err;
}

/* --- Reading --- */

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct side *side = side_of(stream);
    fault_assert(!side->has_end && !side->failed);
    if (size > 0) {
        fault_assert(side->received + (size_t)size <= BYTES);
        fault_assert(memcmp(data, sent_bytes + side->received, (size_t)size) == 0);
        side->received += (size_t)size;
        return;
    }
    if (size < 0) {
        give_up(side);
        return;
    }
    side->has_end = true;
    /* An end before the last byte: the other side has given up. */
    if (side->received < BYTES) {
        give_up(side);
    } else if (side == &server) { /* it answers when it has heard all */
        if (write_all(side) < 0) give_up(side);
    }
    look(side);
}

/* --- Connecting and accepting --- */

static int prepare(struct side *side) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address, room = sizeof address;
    eddy_stream *stream = &side->stream;
    int err = eddy_tcp_set_nodelay(stream, true);
    if (err == 0) err = eddy_tcp_set_keepalive(stream, 60, 0, 0);
    if (err == 0) err = eddy_tcp_local_address(stream, (struct sockaddr *)&address, &length);
    if (err == 0) err = eddy_tcp_peer_address(stream, (struct sockaddr *)&address, &room);
    int64_t timeout_ns = has_deadlines ? 20 * EDDY_NS_PER_S : 0;
    if (err == 0) err = eddy_stream_set_write_timeout(stream, timeout_ns);
    if (err == 0) err = eddy_stream_set_read_deadline(stream, has_deadlines ? timeout_ns : -1);
    return err == 0 ? eddy_stream_read_start(stream, on_read) : err;
}

static void on_connected(eddy_stream *stream, int status) {
    struct side *side = side_of(stream);
    promise_keep(&side->connect);
    if (status == 0) status = prepare(side);
    if (status == 0) status = write_all(side);
    if (status < 0 && !side->closing.given) give_up(side);
}

static void on_accept(eddy_listener *it, int fd, const struct sockaddr *peer) {
    (void)peer;
    fault_assert(fd >= 0 || !fault_is_unhurt());
    fault_assert(fd >= 0 || !eddy_is_active(&it->io.handle));
    int err = fd < 0 ? fd : eddy_stream_attach(&server.stream, fd);
    if (err < 0) {
        if (fd >= 0) close(fd);
        give_up(&server);
    } else if (prepare(&server) < 0) {
        give_up(&server);
    }
}

static void on_listener_closed(eddy_listener *it) {
    (void)it;
    promise_keep(&listener_closing);
}

/* What fails leaves the descriptor the program's, unless somebody else has closed it. */
static int listen_inherited(const struct sockaddr *address, socklen_t length) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fault_assert(fd >= 0 && bind(fd, address, length) == 0 && listen(fd, 8) == 0);
    int err = eddy_listener_attach(&listener, fd, on_accept);
    if (err < 0) close(fd);
    return err;
}

static int listen_and_connect(unsigned options) {
    struct sockaddr_storage address;
    socklen_t length = (socklen_t)eddy_address_parse(&address, "127.0.0.1", 0);
    struct sockaddr *plain = (struct sockaddr *)&address;
    int err = is_inherited ? listen_inherited(plain, length)
                           : eddy_tcp_listen(&listener, plain, length, 0, options, on_accept);
    if (err == 0) err = eddy_listener_address(&listener, plain, &length);
    if (err < 0) return err;
    /* It leaves the backend and comes back. */
    eddy_listener_pause(&listener);
    (void)eddy_loop_run(loop, EDDY_RUN_NOWAIT);
    err = eddy_listener_resume(&listener);
    fault_assert(err == 0);
    err = eddy_tcp_connect(&client.stream, plain, length, 20 * EDDY_NS_PER_S, on_connected);
    return promise_give(&client.connect, err);
}

static void close_everything(bool hard) {
    if (!client.closing.given) close_side(&client, hard);
    if (!server.closing.given) close_side(&server, hard);
    fault_loop_close(loop);
    fault_assert(client.closing.kept && server.closing.kept);
}

static void begin(void) {
    for (size_t i = 0; i < BYTES; i++) sent_bytes[i] = (char)(i * 7 + i / 251);
    both_over = false;
    side_init(&client);
    side_init(&server);
}

/* A client that never got through leaves nobody for the server to hear from. */
static void connect_and_exchange(void) {
    if (fault_loop_open(&loop, small) < 0) return;
    begin();
    eddy_listener_init(&listener, loop);
    int err = listen_and_connect(EDDY_REUSEPORT);
    fault_assert(err == 0 || !fault_is_unhurt());
    if (err == 0) {
        (void)fault_turn_until(loop, &client.over);
        if (fault_is_unhurt()) (void)fault_turn_until(loop, &both_over);
    }
    bool hurt = !fault_is_unhurt();
    fault_assert(hurt || (client.received == BYTES && server.received == BYTES));
    int closed = eddy_listener_close(&listener, on_listener_closed);
    fault_assert(promise_give(&listener_closing, closed) == 0);
    close_everything(false);
    fault_assert(listener_closing.kept);
}

START_TEST(connection_exchanges_bytes_or_tells_of_an_error) {
    fault_loop("connection", connect_and_exchange);
}
END_TEST

START_TEST(inherited_listener_does_the_same) {
    is_inherited = true;
    fault_loop("inherited", connect_and_exchange);
    is_inherited = false;
}
END_TEST

/* The kernel takes and gives little: queues wait for EDDY_WRITE, and bytes for the next turn. No
 * deadline saves who waits for what never comes. */
START_TEST(connection_in_small_pieces_does_the_same) {
    seam_set_piece(700);
    has_deadlines = false;
    fault_loop("connection in pieces", connect_and_exchange);
    has_deadlines = true;
    seam_set_piece(SIZE_MAX);
}
END_TEST

/* --- Other ways in and out --- */

static void on_refused(eddy_stream *stream, int status) {
    promise_keep(&side_of(stream)->connect);
    fault_assert(status < 0);
    side_of(stream)->over = true;
}

/* Nobody listens: the connection fails, and the stream may try again. */
static void connect_to_nobody(void) {
    struct sockaddr_storage address;
    socklen_t length;
    if (fault_loop_open(&loop, small) < 0) return;
    begin();
    int held = hold_plain(&address, &length);
    for (int i = 0; i < 2; i++) {
        client.over = false;
        int err = eddy_tcp_connect(&client.stream, (struct sockaddr *)&address, length,
                                   EDDY_NS_PER_S, on_refused);
        fault_assert(err == 0 || !fault_is_unhurt());
        if (promise_give(&client.connect, err) < 0) continue;
        if (fault_turn_until(loop, &client.over) < 0) break;
    }
    close_everything(false);
    close(held);
    fault_assert(!promise_is_open(&client.connect));
}

START_TEST(refused_connection_is_told_and_tried_again) {
    fault_loop("refused", connect_to_nobody);
}
END_TEST

static void attach(struct side *side, int fd) {
    int err = eddy_stream_attach(&side->stream, fd);
    if (err < 0) close(fd);
    if (err == 0) err = eddy_stream_read_start(&side->stream, on_read);
    if (err < 0) give_up(side);
}

/* A socket goes from one stream to another, then bytes through it, then a reset. */
static void attach_and_detach(void) {
    int ends[2];
    if (fault_loop_open(&loop, small) < 0) return;
    begin();
    tcp_pair(ends);
    attach(&client, ends[0]);
    if (!client.failed) {
        int fd = eddy_stream_detach(&client.stream);
        fault_assert(fd == ends[0] && eddy_stream_fd(&client.stream) == -1);
        attach(&client, fd);
    }
    attach(&server, ends[1]);
    if (!client.failed && !server.failed) {
        if (write_all(&client) < 0) give_up(&client);
        (void)fault_turn_until(loop, &server.over);
    }
    close_everything(true);
}

START_TEST(socket_moves_between_streams_or_stays_its_owners) {
    fault_loop("attach", attach_and_detach);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fault net");
    ck_add(suite, "net", connection_exchanges_bytes_or_tells_of_an_error,
           inherited_listener_does_the_same, connection_in_small_pieces_does_the_same,
           refused_connection_is_told_and_tried_again,
           socket_moves_between_streams_or_stays_its_owners);
    return suite;
}
