/* local.c: faults while a program listens at a name that was left behind, is connected to, asks who
 * that is, waits for a backlog, exchanges records, and removes the name. */
#include "fault.h"
#include "local_net.h"

enum { RECORDS = 3 };

struct side {
    eddy_stream stream;
    eddy_write writes[RECORDS], shutdown;
    struct promise connect, writing[RECORDS], shutting, closing;
    unsigned received;
    bool has_end, over;
};

static eddy_loop *loop;
static eddy_listener listener;
static struct promise listener_closing;
static struct side client, server;
static struct local_place place;
static bool both_over, has_records;

static struct side *side_of(eddy_stream *stream) {
    return eddy_container_of(stream, struct side, stream);
}

static void on_closed(eddy_stream *stream) {
    struct side *side = side_of(stream);
    promise_keep(&side->closing);
    fault_assert(!promise_is_open(&side->connect));
    side->over = true;
    both_over = client.over && server.over;
}

static void close_side(struct side *side) {
    if (side->closing.given) return;
    int err = eddy_stream_close(&side->stream, on_closed);
    fault_assert(promise_give(&side->closing, err) == 0);
}

/* Has said and heard all. */
static bool is_done(const struct side *side) {
    return side->has_end && !promise_is_open(&side->shutting);
}

static void on_written(eddy_write *write, int status) {
    struct side *side = side_of(write->stream);
    fault_assert(status == 0 || !fault_is_unhurt() || side->closing.given);
    for (int i = 0; i < RECORDS; i++)
        if (write == &side->writes[i]) promise_keep(&side->writing[i]);
    if (write == &side->shutdown) promise_keep(&side->shutting);
    if (status < 0 || is_done(side)) close_side(side);
}

/* A record is whole or is not there. */
static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct side *side = side_of(stream);
    bool is_whole = size == 5 && memcmp(data, "hello", 5) == 0;
    fault_assert(size <= 0 || is_whole || !has_records);
    fault_assert(size >= 0 || !fault_is_unhurt());
    side->received += size > 0;
    side->has_end = size == 0;
    if (size < 0 || is_done(side)) close_side(side);
}

static int say(struct side *side) {
    int err = 0;
    for (int i = 0; err == 0 && i < RECORDS; i++) {
        err = eddy_stream_write(&side->stream, &side->writes[i], "hello", 5, on_written);
        promise_give(&side->writing[i], err);
    }
    if (err == 0) {
        err = eddy_stream_shutdown(&side->stream, &side->shutdown, on_written);
        promise_give(&side->shutting, err);
    }
    return err == 0 ? eddy_stream_read_start(&side->stream, on_read) : err;
}

static void begin(void) {
    memset(&client, 0, sizeof client);
    memset(&server, 0, sizeof server);
    both_over = false;
    eddy_stream_init(&client.stream, loop);
    eddy_stream_init(&server.stream, loop);
}

static void finish(void) {
    close_side(&client);
    close_side(&server);
    fault_loop_close(loop);
    fault_assert(both_over);
}

/* --- A client and a server --- */

static void on_connected(eddy_stream *stream, int status) {
    struct side *side = side_of(stream);
    promise_keep(&side->connect);
    fault_assert(status == 0 || !fault_is_unhurt() || side->closing.given);
    if (status == 0) status = say(side);
    if (status < 0) close_side(side);
    if (status < 0) close_side(&server);
}

static void on_accept(eddy_listener *it, int fd, const struct sockaddr *peer) {
    eddy_credentials credentials;
    (void)it;
    fault_assert(fd >= 0 || !fault_is_unhurt());
    int err = fd < 0 ? fd : eddy_local_peer_credentials(fd, &credentials);
    if (err == 0) fault_assert(credentials.uid == geteuid() && peer->sa_family == AF_UNIX);
    fault_assert(err == 0 || !fault_is_unhurt());
    err = fd < 0 ? fd : eddy_stream_attach(&server.stream, fd);
    if (err < 0 && fd >= 0) close(fd);
    if (err == 0) err = say(&server);
    if (err < 0) close_side(&server);
}

static void on_listener_closed(eddy_listener *it) {
    (void)it;
    promise_keep(&listener_closing);
}

/* What could not listen has left the stale name or none, unless it could not even remove it. */
static void look_for_name(void) {
    struct stat stat;
    if (fault_is_of(OS_CALL_name_remove) || seam_is_lasting()) return;
    if (lstat(place.path, &stat) == 0) fault_assert((stat.st_mode & 0777) != 0666);
}

static int listen_and_connect(unsigned type) {
    int err = eddy_local_listen(&listener, local_at(&place), place.length, 0,
                                type | EDDY_REPLACE_STALE | EDDY_LOCAL_MODE(0666), on_accept);
    if (err < 0) look_for_name();
    if (err < 0) return err;
    err = eddy_local_connect(&client.stream, local_at(&place), place.length, type,
                             20 * EDDY_NS_PER_S, on_connected);
    return promise_give(&client.connect, err);
}

/* The name is stale at the start; at the end it is gone, unless a fault has kept it. */
static void serve_at_name(unsigned type) {
    if (fault_loop_open(&loop, (eddy_loop_config){0}) < 0) return;
    begin();
    has_records = type != 0;
    unlink(place.path);
    close(local_bind_plain(&place, type != 0 ? SOCK_SEQPACKET : SOCK_STREAM));
    eddy_listener_init(&listener, loop);
    int err = listen_and_connect(type);
    fault_assert(err == 0 || !fault_is_unhurt());
    if (err == 0) (void)fault_turn_until(loop, &client.over);
    if (err == 0 && fault_is_unhurt()) (void)fault_turn_until(loop, &both_over);
    if (fault_is_unhurt() && has_records)
        fault_assert(client.received == RECORDS && server.received == RECORDS);
    if (fault_is_unhurt()) fault_assert(client.has_end && server.has_end);
    int closed = eddy_listener_close(&listener, on_listener_closed);
    fault_assert(promise_give(&listener_closing, closed) == 0);
    if (err == 0 && fault_is_unhurt()) fault_assert(!local_is_there(place.path));
    finish();
    fault_assert(listener_closing.kept);
}

static void serve_bytes(void) {
    serve_at_name(0);
}

static void serve_records(void) {
    serve_at_name(EDDY_SEQPACKET);
}

START_TEST(a_server_at_a_stale_name_serves_or_says_why_not) {
    local_place_make(&place);
    fault_loop("local bytes", serve_bytes);
    fault_loop("local records", serve_records);
    unlink(place.path);
    local_place_remove(&place);
}
END_TEST

/* --- Pairs --- */

static void talk_in_pair(void) {
    if (fault_loop_open(&loop, (eddy_loop_config){0}) < 0) return;
    begin();
    has_records = true;
    int err = eddy_local_pair(&client.stream, &server.stream, EDDY_SEQPACKET);
    fault_assert(err == 0 || !fault_is_unhurt());
    if (err < 0) {
        fault_assert(eddy_stream_fd(&client.stream) == -1 && eddy_stream_fd(&server.stream) == -1);
    } else {
        if (say(&client) < 0) close_side(&client);
        if (say(&server) < 0) close_side(&server);
        (void)fault_turn_until(loop, &both_over);
    }
    finish();
}

START_TEST(a_pair_exchanges_records_or_is_none) {
    fault_loop("local pair", talk_in_pair);
}
END_TEST

/* --- A full backlog --- */

static void on_waited(eddy_stream *stream, int status) {
    promise_keep(&side_of(stream)->connect);
    fault_assert(status < 0);
    side_of(stream)->over = true;
}

/* Nobody accepts: it waits until the listener is gone. */
static void wait_for_backlog(void) {
    int fillers[8], count = 0;
    if (fault_loop_open(&loop, (eddy_loop_config){0}) < 0) return;
    begin();
    unlink(place.path);
    int fd = local_bind_plain(&place, SOCK_STREAM);
    fault_assert(listen(fd, 0) == 0);
    while (count < 8 &&
           (fillers[count] = local_connect_plain(local_at(&place), place.length, SOCK_STREAM)) >= 0)
        count++;
    int err = eddy_local_connect(&client.stream, local_at(&place), place.length, 0,
                                 20 * EDDY_NS_PER_S, on_waited);
    fault_assert(err == 0 || !fault_is_unhurt());
    if (promise_give(&client.connect, err) == 0) {
        for (int i = 0; i < 2; i++) (void)eddy_loop_run(loop, EDDY_RUN_NOWAIT);
        close(fd);
        fd = -1;
        (void)fault_turn_until(loop, &client.over);
    }
    client.over = false;
    if (fd >= 0) close(fd);
    while (count > 0) close(fillers[--count]);
    finish();
}

START_TEST(a_wait_for_the_backlog_ends_or_never_begins) {
    local_place_make(&place);
    fault_loop("local backlog", wait_for_backlog);
    unlink(place.path);
    local_place_remove(&place);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fault local");
    ck_add(suite, "local", a_server_at_a_stale_name_serves_or_says_why_not,
           a_pair_exchanges_records_or_is_none, a_wait_for_the_backlog_ends_or_never_begins);
    return suite;
}
