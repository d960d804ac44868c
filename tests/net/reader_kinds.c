/* reader_kinds.c: a reader over what is no socket: a pipe, and a regular file and /dev/null, which
 * go by way of the pool. */
#include "net.h"

#include <eddy/reader.h>
#include <eddy/stdio.h>

#include <stdio.h>
#include <stdlib.h>

enum { FRAMES = 400, FRAME_MAX = 300 };

struct talk {
    eddy_reader reader;
    char buffer[128], frame[FRAME_MAX];
    unsigned frames;
    int status;
    bool over, closed;
};

static void on_head(eddy_reader *reader, int status, void *data, size_t size);

static size_t frame_size(unsigned number) {
    return number * 7 % FRAME_MAX;
}

static void end(struct talk *talk, int status, size_t size) {
    ck_assert_uint_eq(size, 0);
    talk->status = status;
    talk->over = true;
}

static void on_frame(eddy_reader *reader, int status, void *data, size_t size) {
    struct talk *talk = eddy_container_of(reader, struct talk, reader);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(size, frame_size(talk->frames));
    for (size_t i = 0; i < size; i++)
        ck_assert_int_eq(((char *)data)[i], (char)('a' + (talk->frames + i) % 26));
    talk->frames++;
    ck_assert_int_eq(eddy_reader_until(reader, "\r\n", 2, on_head), 0);
}

static void on_head(eddy_reader *reader, int status, void *data, size_t size) {
    struct talk *talk = eddy_container_of(reader, struct talk, reader);
    if (status < 0) {
        end(talk, status, size);
        return;
    }
    size_t wanted = strtoul(data, NULL, 10);
    int err = wanted % 2 == 0 || wanted > sizeof talk->buffer
                  ? eddy_reader_exactly_into(reader, talk->frame, wanted, on_frame)
                  : eddy_reader_exactly(reader, wanted, on_frame);
    ck_assert_int_eq(err, 0);
}

/* The whole conversation. Returns its length. */
static size_t compose(char *text) {
    size_t length = 0;
    for (unsigned i = 0; i < FRAMES; i++) {
        length += (size_t)sprintf(text + length, "%zu\r\n", frame_size(i));
        for (size_t k = 0; k < frame_size(i); k++) text[length++] = (char)('a' + (i + k) % 26);
    }
    return length;
}

static char text[FRAMES * (FRAME_MAX + 8)];

static void on_closed(eddy_stream *stream) {
    eddy_container_of(stream, struct talk, reader.stream)->closed = true;
}

static void talk_begin(struct talk *talk, eddy_loop *loop) {
    memset(talk, 0, sizeof *talk);
    eddy_reader_init(&talk->reader, loop, talk->buffer, sizeof talk->buffer);
}

static void talk_end(struct talk *talk, eddy_loop *loop, unsigned frames) {
    test_turn_until(loop, &talk->over);
    ck_assert_int_eq(talk->status, -EPIPE);
    ck_assert_uint_eq(talk->frames, frames);
    ck_assert_int_eq(eddy_reader_close(&talk->reader, on_closed), 0);
    test_turn_until(loop, &talk->closed);
    test_loop_close(loop);
}

START_TEST(reads_from_a_pipe) {
    struct talk talk;
    int ends[2];
    eddy_loop *loop = test_loop_open();
    size_t length = compose(text), sent = 0;
    test_pipe(ends);
    talk_begin(&talk, loop);
    ck_assert_int_eq(eddy_stream_attach(&talk.reader.stream, ends[0]), 0);
    ck_assert_int_eq(eddy_reader_until(&talk.reader, "\r\n", 2, on_head), 0);
    while (sent < length) {
        ssize_t size = write(ends[1], text + sent, length - sent < 777 ? length - sent : 777);
        if (size > 0) sent += (size_t)size;
        ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    }
    close(ends[1]);
    talk_end(&talk, loop, FRAMES);
}
END_TEST

START_TEST(reads_from_a_file) {
    struct talk talk;
    eddy_loop *loop = test_loop_open();
    size_t length = compose(text);
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, length, file), length);
    rewind(file);
    talk_begin(&talk, loop);
    ck_assert_int_eq(eddy_stdio_attach(&talk.reader.stream, fileno(file)), 0);
    ck_assert_int_eq(eddy_reader_until(&talk.reader, "\r\n", 2, on_head), 0);
    talk_end(&talk, loop, FRAMES);
    fclose(file);
}
END_TEST

START_TEST(nothing_is_the_end_at_once) {
    struct talk talk;
    eddy_loop *loop = test_loop_open();
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    talk_begin(&talk, loop);
    ck_assert_int_eq(eddy_stdio_attach(&talk.reader.stream, fd), 0);
    ck_assert_int_eq(eddy_reader_until(&talk.reader, "\r\n", 2, on_head), 0);
    talk_end(&talk, loop, 0);
    close(fd);
}
END_TEST

/* While a job of the pool reads: what it reads into is not the reader's memory. */
START_TEST(stopped_while_a_job_reads) {
    struct talk talk;
    eddy_loop *loop = test_loop_open();
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs("5\r\nhello", file), 0);
    rewind(file);
    talk_begin(&talk, loop);
    ck_assert_int_eq(eddy_stdio_attach(&talk.reader.stream, fileno(file)), 0);
    ck_assert_int_eq(eddy_reader_until(&talk.reader, "\r\n", 2, on_head), 0);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_int_eq(eddy_reader_close(&talk.reader, on_closed), 0);
    test_turn_until(loop, &talk.closed);
    ck_assert(!talk.over);
    test_loop_close(loop);
    fclose(file);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("reader_kinds");
    ck_add(suite, "kinds", reads_from_a_pipe, reads_from_a_file, nothing_is_the_end_at_once,
           stopped_while_a_job_reads);
    return suite;
}
