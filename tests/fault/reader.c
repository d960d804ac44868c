/* reader.c: faults while a program connects a socket of its own, bound before, and speaks a
 * protocol of lines and lengths through a reader at each end. */
#include "fault.h"
#include "net.h"

enum { FRAME_BYTES = 700, ROOM = 64 };

struct side {
    eddy_reader reader;
    eddy_write writes[2];
    struct promise connect, writing[2], asking, closing;
    char buffer[ROOM], frame[FRAME_BYTES];
    unsigned heard;
    bool over;
};

static const eddy_loop_config small = {.stream_bytes_per_turn = 100};
static char sent_frame[FRAME_BYTES];

static eddy_loop *loop;
static eddy_listener listener;
static struct side client, server;
static bool both_over;

static void on_line(eddy_reader *reader, int status, void *data, size_t size);

static struct side *side_of(eddy_stream *stream) {
    return eddy_container_of(stream, struct side, reader.stream);
}

static void on_closed(eddy_stream *stream) {
    struct side *side = side_of(stream);
    promise_keep(&side->closing);
    fault_assert(!promise_is_open(&side->connect) && !promise_is_open(&side->writing[0]) &&
                 !promise_is_open(&side->writing[1]));
    side->over = true;
    both_over = client.over && server.over;
}

/* A request is taken back by that: its callback must not come. */
static void close_side(struct side *side) {
    if (side->closing.given) return;
    side->asking.given = false;
    fault_assert(promise_give(&side->closing, eddy_reader_close(&side->reader, on_closed)) == 0);
}

static void give_up(struct side *side) {
    fault_assert(!fault_is_unhurt());
    close_side(side);
}

static void on_written(eddy_write *write, int status) {
    struct side *side = side_of(write->stream);
    promise_keep(&side->writing[write - side->writes]);
    if (status < 0 && !side->closing.given) give_up(side);
}

/* A line, and a frame which is larger than the buffer. */
static int say(struct side *side) {
    eddy_stream *stream = &side->reader.stream;
    int err = eddy_stream_write(stream, &side->writes[0], "hello\r\n", 7, on_written);
    if (promise_give(&side->writing[0], err) < 0) return err;
    err = eddy_stream_write(stream, &side->writes[1], sent_frame, FRAME_BYTES, on_written);
    return promise_give(&side->writing[1], err);
}

static int ask_line(struct side *side) {
    int err = eddy_reader_until(&side->reader, "\r\n", 2, on_line);
    if (promise_give(&side->asking, err) < 0) return err;
    return eddy_reader_set_deadline(&side->reader, 20 * EDDY_NS_PER_S);
}

static void on_end(eddy_reader *reader, int status, void *data, size_t size) {
    struct side *side = eddy_container_of(reader, struct side, reader);
    (void)data;
    promise_keep(&side->asking);
    fault_assert(status < 0 && size == 0);
    if (status != -EPIPE)
        give_up(side);
    else
        close_side(side);
}

/* The client closes when it has heard all, which the server waits for. */
static void on_frame(eddy_reader *reader, int status, void *data, size_t size) {
    struct side *side = eddy_container_of(reader, struct side, reader);
    promise_keep(&side->asking);
    fault_assert(size <= FRAME_BYTES && data == side->frame && memcmp(data, sent_frame, size) == 0);
    if (status < 0) {
        give_up(side);
        return;
    }
    fault_assert(size == FRAME_BYTES);
    side->heard++;
    if (side == &client) {
        close_side(side);
        return;
    }
    int err = say(side);
    if (err == 0) err = promise_give(&side->asking, eddy_reader_some(reader, on_end));
    if (err < 0) give_up(side);
}

static void on_line(eddy_reader *reader, int status, void *data, size_t size) {
    struct side *side = eddy_container_of(reader, struct side, reader);
    promise_keep(&side->asking);
    fault_assert(size <= 7 && memcmp(data, "hello\r\n", size) == 0);
    if (status == 0)
        status = promise_give(&side->asking,
                              eddy_reader_exactly_into(reader, side->frame, FRAME_BYTES, on_frame));
    if (status < 0) give_up(side);
}

static void on_connected(eddy_stream *stream, int status) {
    struct side *side = side_of(stream);
    promise_keep(&side->connect);
    if (status == 0) status = say(side);
    if (status == 0) status = ask_line(side);
    if (status < 0 && !side->closing.given) give_up(side);
    if (status < 0) close_side(&server); /* nobody may ever come */
}

static void on_accept(eddy_listener *it, int fd, const struct sockaddr *peer) {
    (void)it, (void)peer;
    fault_assert(fd >= 0 || !fault_is_unhurt());
    int err = fd < 0 ? fd : eddy_stream_attach(&server.reader.stream, fd);
    if (err < 0 && fd >= 0) close(fd);
    if (err == 0) err = ask_line(&server);
    if (err < 0) give_up(&server);
}

/* An error leaves the socket the program's, unless it was lost meanwhile. */
static int connect_own(const struct sockaddr *to, socklen_t length) {
    struct sockaddr_storage own;
    socklen_t own_length = loopback(&own, AF_INET);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fault_assert(fd >= 0 && bind(fd, (struct sockaddr *)&own, own_length) == 0);
    int err = eddy_stream_connect(&client.reader.stream, fd, to, length, 20 * EDDY_NS_PER_S,
                                  on_connected);
    if (err < 0) close(fd);
    return promise_give(&client.connect, err);
}

static void side_init(struct side *side) {
    memset(side, 0, sizeof *side);
    eddy_reader_init(&side->reader, loop, side->buffer, ROOM);
}

static void speak(void) {
    struct sockaddr_storage address;
    struct sockaddr *plain = (struct sockaddr *)&address;
    if (fault_loop_open(&loop, small) < 0) return;
    for (size_t i = 0; i < FRAME_BYTES; i++) sent_frame[i] = (char)(i * 7);
    both_over = false;
    side_init(&client);
    side_init(&server);
    eddy_listener_init(&listener, loop);
    socklen_t length = loopback(&address, AF_INET);
    int err = eddy_tcp_listen(&listener, plain, length, 0, 0, on_accept);
    if (err == 0) err = eddy_listener_address(&listener, plain, &length);
    if (err == 0) err = connect_own(plain, length);
    fault_assert(err == 0 || !fault_is_unhurt());
    if (err == 0) (void)fault_turn_until(loop, &client.over);
    if (fault_is_unhurt()) (void)fault_turn_until(loop, &both_over);
    fault_assert(!fault_is_unhurt() || (client.heard == 1 && server.heard == 1));
    fault_assert(eddy_listener_close(&listener, NULL) == 0);
    close_side(&client);
    close_side(&server);
    fault_loop_close(loop);
    fault_assert(both_over);
}

START_TEST(requests_are_answered_or_told_of_an_error) {
    fault_loop("reader", speak);
}
END_TEST

START_TEST(requests_in_small_pieces_do_the_same) {
    seam_set_piece(90);
    fault_loop("reader in pieces", speak);
    seam_set_piece(SIZE_MAX);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fault reader");
    ck_add(suite, "reader", requests_are_answered_or_told_of_an_error,
           requests_in_small_pieces_do_the_same);
    return suite;
}
