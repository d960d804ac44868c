/* split.c: what it costs to have lines cut by a reader (eddy/reader.h), and by hand. One stream
 * writes lines to another in this process; the other one reads them in either way, three times
 * each:
 *
 *     split [MEBIBYTES] [LINE_BYTES]      64 and 32
 *
 * By hand means memchr over the buffer that the loop lends, and the half line at its end kept for
 * the next read: as fast as it gets, and without limits, deadlines, or a pause between two lines.
 */
#include <eddy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "number.h"

enum { CHUNK_BYTES = 1 << 16, LINE_MAX_BYTES = 4096, ROUNDS = 3 };

struct measured {
    eddy_loop *loop;
    eddy_stream writer;
    eddy_write write;
    eddy_reader reader;
    size_t left, chunk; /* bytes to write */
    uint64_t lines, sum;
    size_t half; /* by hand: bytes of a line that has not ended */
    int error;
    char line[LINE_MAX_BYTES];
};

static char chunk[CHUNK_BYTES], buffer[CHUNK_BYTES];

/* What a program would do with a line: look at it, a little. */
static void use_line(struct measured *it, const char *line, size_t size) {
    it->lines++;
    it->sum = it->sum * 31 + size + (unsigned char)line[0];
}

static void stop(struct measured *it, int error) {
    if (it->error == 0) it->error = error;
    eddy_reader_close(&it->reader, NULL);
    eddy_stream_close(&it->writer, NULL);
}

/* --- The writer --- */

static void on_written(eddy_write *write, int status);

static void write_some(struct measured *it) {
    size_t size = it->left < it->chunk ? it->left : it->chunk;
    int err = size > 0 ? eddy_stream_write(&it->writer, &it->write, chunk, size, on_written)
                       : eddy_stream_close(&it->writer, NULL);
    it->left -= size;
    if (err < 0) stop(it, err);
}

static void on_written(eddy_write *write, int status) {
    struct measured *it = eddy_container_of(write, struct measured, write);
    if (status == 0)
        write_some(it);
    else if (status != -ECANCELED)
        stop(it, status);
}

/* --- The two ways --- */

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct measured *it = eddy_container_of(stream, struct measured, reader.stream);
    if (size <= 0) {
        stop(it, (int)size);
        return;
    }
    const char *at = data, *end = at + size, *newline;
    while ((newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        size_t length = (size_t)(newline + 1 - at);
        if (it->half > 0) {
            if (it->half + length > sizeof it->line) {
                stop(it, -EMSGSIZE);
                return;
            }
            memcpy(it->line + it->half, at, length);
            use_line(it, it->line, it->half + length);
            it->half = 0;
        } else {
            use_line(it, at, length);
        }
        at = newline + 1;
    }
    if ((size_t)(end - at) > sizeof it->line - it->half) {
        stop(it, -EMSGSIZE);
        return;
    }
    memcpy(it->line + it->half, at, (size_t)(end - at));
    it->half += (size_t)(end - at);
}

static void on_line(eddy_reader *reader, int status, void *data, size_t size) {
    struct measured *it = eddy_container_of(reader, struct measured, reader);
    if (status == 0) use_line(it, data, size);
    if (status == 0) status = eddy_reader_until(reader, "\n", 1, on_line);
    if (status < 0) stop(it, status == -EPIPE ? 0 : status);
}

/* --- Both --- */

static int run(struct measured *it, size_t bytes, size_t line_bytes, bool by_hand, double *took_s) {
    *it = (struct measured){.left = bytes, .chunk = CHUNK_BYTES / line_bytes * line_bytes};
    int err = eddy_loop_open(&it->loop, NULL);
    if (err < 0) return err;
    eddy_stream_init(&it->writer, it->loop);
    eddy_reader_init(&it->reader, it->loop, buffer, sizeof buffer);
    err = eddy_local_pair(&it->writer, &it->reader.stream, 0);
    if (err == 0)
        err = by_hand ? eddy_stream_read_start(&it->reader.stream, on_read)
                      : eddy_reader_until(&it->reader, "\n", 1, on_line);
    clock_t began = clock();
    if (err == 0)
        write_some(it);
    else
        stop(it, err);
    err = eddy_loop_run(it->loop, EDDY_RUN_DEFAULT);
    *took_s = (double)(clock() - began) / CLOCKS_PER_SEC;
    if (err >= 0) err = it->error;
    eddy_loop_close(it->loop);
    return err;
}

int main(int argc, char **argv) {
    static struct measured hand, reader;
    long mebibytes = 64, size = 32;
    if (argc > 3 || (argc > 1 && !number_parse(argv[1], 1, 1024, &mebibytes)) ||
        (argc > 2 && !number_parse(argv[2], 1, LINE_MAX_BYTES, &size))) {
        fprintf(stderr, "usage: split [MEBIBYTES (1 to 1024)] [LINE_BYTES (1 to 4096)]\n");
        return 2;
    }
    const size_t line_bytes = (size_t)size;
    for (size_t i = 0; i < sizeof chunk; i++)
        chunk[i] = (i + 1) % line_bytes == 0 ? '\n' : (char)('a' + i % 26);
    size_t bytes = ((size_t)mebibytes << 20) / line_bytes * line_bytes;
    for (int round = 0; round < ROUNDS; round++) {
        double hand_s, reader_s;
        int err = run(&hand, bytes, line_bytes, true, &hand_s);
        if (err >= 0) err = run(&reader, bytes, line_bytes, false, &reader_s);
        if (err < 0) {
            char text[80];
            fprintf(stderr, "split: %s\n", eddy_strerror(err, text, sizeof text));
            return EXIT_FAILURE;
        }
        if (hand.lines != reader.lines || hand.sum != reader.sum) {
            fprintf(stderr, "split: the two have not seen the same lines\n");
            return EXIT_FAILURE;
        }
        printf("%9llu lines: by hand %6.1f, by a reader %6.1f million a second of processor time\n",
               (unsigned long long)hand.lines, (double)hand.lines / hand_s / 1e6,
               (double)reader.lines / reader_s / 1e6);
    }
    return EXIT_SUCCESS;
}
