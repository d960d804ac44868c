/* cat.c: standard input, or the files that are named, to standard output.
 *
 * Whatever the two are, pipe, terminal, file, socket, the calls are the same: eddy_stdio_attach, a
 * stream on each side, and reading that pauses while the writing is behind, so that memory stays
 * bounded. What others share with this program is as it was, however it ends. The exit status is
 * cat's: 1 after an error that was told, and after a reader that has gone, quietly, 141 as the
 * shell would tell it of a program that SIGPIPE has ended.
 *
 *     cat [FILE...]      FILE may be -: standard input */
#include <eddy.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FAILED = 1, USAGE = 2, READER_GONE = 141 };

struct piece {
    eddy_write write;
    char bytes[];
};

static eddy_loop *loop;
static eddy_stream in, out;
static char **names; /* the files to come, ended by NULL */
static int in_fd;
static int status;
static bool is_over;

static void next_file(void);

static void on_in_closed(eddy_stream *stream) {
    (void)stream;
    if (in_fd > STDERR_FILENO) close(in_fd);
    if (!is_over) next_file();
}

static void complain(const char *what, int error) {
    char text[64];
    fprintf(stderr, "cat: %s: %s\n", what, eddy_strerror(error, text, sizeof text));
    status = FAILED;
}

/* Closes what is still open: then nothing keeps the loop. */
static void finish(void) {
    is_over = true;
    (void)eddy_stream_close(&in, on_in_closed);
    (void)eddy_stream_close(&out, NULL);
}

static void give_up(int error) {
    if (is_over) return; /* the other writes fail with it */
    if (error == -EPIPE)
        status = READER_GONE;
    else
        complain("standard output", error);
    finish();
}

static void on_written(eddy_write *write, int error) {
    free(eddy_container_of(write, struct piece, write));
    if (error < 0) give_up(error);
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    if (size <= 0) {
        if (size < 0) complain(*names, (int)size);
        names++;
        eddy_stream_close(stream, on_in_closed);
        return;
    }
    struct piece *piece = malloc(sizeof *piece + (size_t)size);
    int err = -ENOMEM;
    if (piece != NULL) {
        memcpy(piece->bytes, data, (size_t)size);
        err = eddy_stream_write(&out, &piece->write, piece->bytes, (size_t)size, on_written);
    }
    if (err < 0) {
        free(piece);
        give_up(err);
    } else if (eddy_stream_is_full(&out)) {
        eddy_stream_read_stop(stream);
    }
}

/* Between two files, and after the last, there is nothing to go on with. */
static void on_drained(eddy_stream *stream) {
    (void)stream;
    if (!is_over && eddy_stream_fd(&in) >= 0) (void)eddy_stream_read_start(&in, on_read);
}

static void on_all_written(eddy_write *write, int error) {
    (void)write;
    if (error < 0)
        give_up(error);
    else
        finish();
}

/* Opens the next one that can be, or ends the output. */
static void next_file(void) {
    static eddy_write end;
    for (; *names != NULL; names++) {
        bool is_input = strcmp(*names, "-") == 0;
        in_fd = is_input ? STDIN_FILENO : open(*names, O_RDONLY | O_CLOEXEC);
        eddy_stream_init(&in, loop);
        int err = in_fd < 0 ? -errno : eddy_stdio_attach(&in, in_fd);
        if (err == 0) err = eddy_stream_read_start(&in, on_read);
        if (err == 0) return;
        complain(*names, err);
        if (in_fd > STDERR_FILENO) close(in_fd);
    }
    int err = eddy_stream_shutdown(&out, &end, on_all_written);
    if (err < 0) give_up(err);
}

int main(int count, char **arguments) {
    static char input[] = "-", *only_input[] = {input, NULL};
    if (count > 1 && arguments[1][0] == '-' && arguments[1][1] != '\0') {
        fprintf(stderr, "usage: cat [FILE...]\n");
        return USAGE;
    }
    names = count > 1 ? arguments + 1 : only_input;
    int err = eddy_loop_open(&loop, NULL);
    if (err < 0) {
        complain("loop", err);
        return FAILED;
    }
    eddy_stream_init(&out, loop);
    err = eddy_stdio_attach(&out, STDOUT_FILENO);
    if (err == 0) err = eddy_stream_set_marks(&out, 64 << 10, 256 << 10, on_drained);
    if (err < 0) {
        complain("standard output", err);
    } else {
        next_file();
        err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
        if (err < 0) complain("loop", err);
    }
    eddy_loop_close(loop);
    return status;
}
