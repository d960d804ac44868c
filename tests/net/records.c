/* records.c: streams of records (SOCK_SEQPACKET). Where the system has none, all of them pass. */
#include "local_net.h"

enum { RECORDS = 300, RECORD_MAX = 900 };

/* What a reader was given, record by record. */
struct reader {
    struct end end;
    size_t sizes[RECORDS];
    unsigned count;
    bool all;
};

static void on_record(eddy_stream *stream, void *data, ssize_t size) {
    struct reader *reader = eddy_container_of(end_of(stream), struct reader, end);
    if (size > 0) {
        reader->sizes[reader->count++] = (size_t)size;
        reader->all = reader->count == RECORDS;
    }
    end_on_read(stream, data, size);
}

static bool open_pair(struct end *one, struct end *other, eddy_loop *loop) {
    end_init(one, loop);
    end_init(other, loop);
    int err = eddy_local_pair(&one->stream, &other->stream, EDDY_SEQPACKET);
    ck_assert(err == 0 || err == -EPROTONOSUPPORT);
    return err == 0;
}

/* Those of one turn, of several pieces, more than the socket takes at a time: none is joined to
 * another, none is cut. */
START_TEST(records_keep_their_bounds) {
    eddy_loop *loop = test_loop_open();
    struct reader reader = {0};
    struct end writer;
    static char data[RECORD_MAX];
    static eddy_write writes[RECORDS];
    static struct iovec pieces[RECORDS][100];
    if (open_pair(&writer, &reader.end, loop)) {
        ck_assert_int_eq(eddy_stream_read_start(&reader.end.stream, on_record), 0);
        for (unsigned i = 0; i < RECORDS; i++) {
            int count = (int)(i % 100) + 1;
            for (int k = 0; k < count; k++)
                pieces[i][k] = (struct iovec){.iov_base = data, .iov_len = i % 9 + (k == 0)};
            int err = i % 3 == 0 ? eddy_stream_write(&writer.stream, &writes[i], data,
                                                     i % RECORD_MAX + 1, end_on_written)
                                 : eddy_stream_writev(&writer.stream, &writes[i], pieces[i], count,
                                                      end_on_written);
            ck_assert_int_eq(err, 0);
        }
        test_turn_until(loop, &reader.all);
        for (unsigned i = 0; i < RECORDS; i++) {
            size_t size = i % 3 == 0 ? i % RECORD_MAX + 1 : (i % 9) * (i % 100 + 1) + 1;
            ck_assert_uint_eq(reader.sizes[i], size);
        }
        ck_assert_uint_eq(writer.written, RECORDS);
        ck_assert_uint_eq(eddy_stream_queued(&writer.stream), 0);
        end_close(&writer);
        test_turn_until(loop, &reader.end.ended);
        end_close(&reader.end);
    }
    test_loop_close(loop);
}
END_TEST

/* It is told to its own write, also when it is alone; the others go on, and an empty one is done.
 */
START_TEST(a_record_that_can_never_be_sent_fails_alone) {
    eddy_loop *loop = test_loop_open();
    struct reader reader = {0};
    struct end writer;
    static char data[4 << 20];
    static struct iovec pieces[1100];
    eddy_write writes[4];
    if (open_pair(&writer, &reader.end, loop)) {
        ck_assert_int_eq(eddy_stream_read_start(&reader.end.stream, on_record), 0);
        for (int i = 0; i < 1100; i++) pieces[i] = (struct iovec){.iov_base = data, .iov_len = 1};
        eddy_stream *stream = &writer.stream;
        ck_assert_int_eq(eddy_stream_write(stream, &writes[0], data, sizeof data, end_on_written),
                         0);
        while (writer.written < 1) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        ck_assert_int_eq(writer.status, -EMSGSIZE);
        ck_assert_int_eq(eddy_stream_writev(stream, &writes[0], pieces, 1100, end_on_written), 0);
        ck_assert_int_eq(eddy_stream_write(stream, &writes[1], "", 0, end_on_written), 0);
        ck_assert_int_eq(eddy_stream_write(stream, &writes[2], data, 3, end_on_written), 0);
        ck_assert_int_eq(eddy_stream_shutdown(stream, &writes[3], end_on_written), 0);
        test_turn_until(loop, &reader.end.ended);
        ck_assert_uint_eq(writer.written, 5);
        ck_assert_int_eq(writer.status, 0);
        ck_assert_uint_eq(reader.count, 1);
        ck_assert_uint_eq(reader.sizes[0], 3);
        end_close(&writer);
        end_close(&reader.end);
    }
    test_loop_close(loop);
}
END_TEST

/* Without a request it is the same, and nothing is changed by what cannot be sent. */
START_TEST(a_record_that_is_tried_is_whole_or_not_sent) {
    eddy_loop *loop = test_loop_open();
    struct reader reader = {0};
    struct end writer;
    static char data[4 << 20];
    static struct iovec pieces[1100];
    eddy_write end;
    if (open_pair(&writer, &reader.end, loop)) {
        eddy_stream *stream = &writer.stream;
        struct iovec large = {data, sizeof data}, empty = {data, 0};
        ck_assert_int_eq(eddy_stream_read_start(&reader.end.stream, on_record), 0);
        for (int i = 0; i < 1100; i++) pieces[i] = (struct iovec){.iov_base = data, .iov_len = 1};
        ck_assert_int_eq(eddy_stream_try_write(stream, &large, 1), -EMSGSIZE);
        ck_assert_int_eq(eddy_stream_try_write(stream, pieces, 1100), -EMSGSIZE);
        ck_assert_int_eq(eddy_stream_try_write(stream, pieces, -1), -EINVAL);
        ck_assert_int_eq(eddy_stream_try_write(stream, &empty, 1), 0);
        ck_assert_int_eq(eddy_stream_try_write(stream, NULL, 0), 0);
        ck_assert_int_eq(eddy_stream_try_write(stream, pieces, 1000), 1000);
        ck_assert_int_eq(eddy_stream_shutdown(stream, &end, end_on_written), 0);
        test_turn_until(loop, &reader.end.ended);
        ck_assert_int_eq(reader.end.error, 0);
        ck_assert_uint_eq(reader.count, 1);
        ck_assert_uint_eq(reader.sizes[0], 1000);
        end_close(&writer);
        end_close(&reader.end);
    }
    test_loop_close(loop);
}
END_TEST

/* A reader with too little room is told that it has lost one, and may go on. */
START_TEST(a_record_that_is_cut_is_told_and_the_next_is_whole) {
    eddy_loop *loop = test_loop_open();
    struct reader reader = {0};
    struct end writer;
    char room[4];
    eddy_write writes[4];
    if (open_pair(&writer, &reader.end, loop)) {
        eddy_stream *stream = &reader.end.stream;
        static const char *const texts[] = {"abcd", "abcde", "ab"};
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(eddy_stream_write(&writer.stream, &writes[i], texts[i],
                                               strlen(texts[i]), end_on_written),
                             0);
        ck_assert_int_eq(eddy_stream_read_into(stream, room, sizeof room, on_record), 0);
        test_turn_until(loop, &reader.end.told);
        ck_assert_int_eq(reader.end.error, -EMSGSIZE);
        ck_assert_uint_eq(reader.count, 1);
        ck_assert_uint_eq(reader.sizes[0], 4);
        reader.end.told = false;
        end_close(&writer);
        ck_assert_int_eq(eddy_stream_read_into(stream, room, sizeof room, on_record), 0);
        test_turn_until(loop, &reader.end.ended);
        ck_assert_uint_eq(reader.count, 2);
        ck_assert_uint_eq(reader.sizes[1], 2);
        end_close(&reader.end);
    }
    test_loop_close(loop);
}
END_TEST

/* A deadline does not lose what has come in time. */
START_TEST(records_that_came_in_time_are_read_before_the_deadline_is_told) {
    eddy_loop *loop = test_loop_open_with((eddy_loop_config){.stream_bytes_per_turn = 64});
    struct reader reader = {0};
    struct end writer;
    eddy_write writes[40];
    if (open_pair(&writer, &reader.end, loop)) {
        for (int i = 0; i < 40; i++)
            ck_assert_int_eq(
                eddy_stream_write(&writer.stream, &writes[i], "0123456789", 10, end_on_written), 0);
        while (writer.written < 40) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        ck_assert_int_eq(eddy_stream_read_start(&reader.end.stream, on_record), 0);
        ck_assert_int_eq(eddy_stream_set_read_deadline(&reader.end.stream, 0), 0);
        test_turn_until(loop, &reader.end.told);
        ck_assert_int_eq(reader.end.error, -ETIMEDOUT);
        ck_assert_uint_eq(reader.count, 40);
        end_close(&writer);
        end_close(&reader.end);
    }
    test_loop_close(loop);
}
END_TEST

/* Connecting and accepting are as with bytes; the descriptor tells that it is of records. */
START_TEST(records_have_clients_and_servers_too) {
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server server;
    struct reader reader = {0};
    struct end client;
    eddy_write writes[2];
    local_place_make(&place);
    int err = local_listen(&server, loop, &place, EDDY_SEQPACKET);
    if (err != -EPROTONOSUPPORT) {
        ck_assert_int_eq(err, 0);
        ck_assert_int_eq(local_connect(&client, loop, &place, 0, 0), 0);
        ck_assert_int_eq(local_outcome(&client), -EPROTOTYPE);
        end_close(&client);
        ck_assert_int_eq(local_connect(&client, loop, &place, EDDY_SEQPACKET, 0), 0);
        ck_assert_int_eq(local_outcome(&client), 0);
        test_turn_until(loop, &server.any);
        end_init(&reader.end, loop);
        ck_assert_int_eq(eddy_stream_attach(&reader.end.stream, server.accepted[0]), 0);
        server.count = 0;
        ck_assert_int_eq(eddy_stream_read_start(&reader.end.stream, on_record), 0);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(
                eddy_stream_write(&client.stream, &writes[i], "abc", 3, end_on_written), 0);
        while (client.written < 2) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        end_close(&client);
        test_turn_until(loop, &reader.end.ended);
        ck_assert_uint_eq(reader.count, 2);
        end_close(&reader.end);
        local_server_close(&server);
    }
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

/* As systemd passes it: blocking, and shared with who has made it. */
START_TEST(inherited_listener_of_records_accepts_them) {
    struct local_place place;
    struct local_server server = {0};
    struct reader reader = {0};
    eddy_loop *loop = test_loop_open();
    int made = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (made >= 0) {
        local_place_make(&place);
        ck_assert_int_eq(bind(made, local_at(&place), place.length), 0);
        ck_assert_int_eq(listen(made, 5), 0);
        int early = local_connect_plain(local_at(&place), place.length, SOCK_SEQPACKET);
        ck_assert_int_ge(early, 0);
        eddy_listener_init(&server.listener, loop);
        ck_assert_int_eq(eddy_listener_attach(&server.listener, fcntl(made, F_DUPFD_CLOEXEC, 0),
                                              local_on_accept),
                         0);
        test_turn_until(loop, &server.any);
        end_init(&reader.end, loop);
        ck_assert_int_eq(eddy_stream_attach(&reader.end.stream, server.accepted[0]), 0);
        server.count = 0;
        ck_assert_int_eq(eddy_stream_read_start(&reader.end.stream, on_record), 0);
        ck_assert_int_eq((int)send(early, "one", 3, 0), 3);
        ck_assert_int_eq((int)send(early, "three", 5, 0), 5);
        close(early);
        test_turn_until(loop, &reader.end.ended);
        ck_assert_uint_eq(reader.count, 2);
        ck_assert_uint_eq(reader.sizes[1], 5);
        end_close(&reader.end);
        local_server_close(&server);
        ck_assert(local_is_there(place.path));                  /* the name is its maker's */
        ck_assert_int_ne(fcntl(made, F_GETFL) & O_NONBLOCK, 0); /* and so tcp.h says */
        close(made);
        unlink(place.path);
        local_place_remove(&place);
    }
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("records");
    ck_add(suite, "records", records_keep_their_bounds, a_record_that_can_never_be_sent_fails_alone,
           a_record_that_is_tried_is_whole_or_not_sent,
           a_record_that_is_cut_is_told_and_the_next_is_whole,
           records_that_came_in_time_are_read_before_the_deadline_is_told,
           records_have_clients_and_servers_too, inherited_listener_of_records_accepts_them);
    return suite;
}
