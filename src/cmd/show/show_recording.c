/* show_recording.c: see show_recording.h. */
#include "show_recording.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- In memory --- */

static void drop_line(struct show_recording *recording) {
    do {
        char c = recording->kept[recording->first];
        recording->first = (recording->first + 1) % RECORDING_KEPT;
        recording->used--;
        if (c == '\n') return;
    } while (recording->used > 0);
}

static void keep(struct show_recording *recording, const char *text, size_t size) {
    while (recording->used + size > RECORDING_KEPT) drop_line(recording);
    size_t end = (recording->first + recording->used) % RECORDING_KEPT;
    size_t piece = size < RECORDING_KEPT - end ? size : RECORDING_KEPT - end;
    memcpy(recording->kept + end, text, piece);
    memcpy(recording->kept, text + piece, size - piece);
    recording->used += size;
}

char *show_recording_copy(const struct show_recording *recording, size_t *size) {
    char *copy = malloc(recording->hello_bytes + recording->used);
    if (copy == NULL) return NULL;
    size_t room = RECORDING_KEPT - recording->first;
    size_t piece = recording->used < room ? recording->used : room;
    memcpy(copy, recording->hello, recording->hello_bytes);
    memcpy(copy + recording->hello_bytes, recording->kept + recording->first, piece);
    memcpy(copy + recording->hello_bytes + piece, recording->kept, recording->used - piece);
    *size = recording->hello_bytes + recording->used;
    return copy;
}

/* --- Into the file, by the pool --- */

static void fail(struct show_recording *recording, int error) {
    char text[64];
    show_say(recording->board, "The file of the recording cannot be written: %s.",
             eddy_strerror(error, text, sizeof text));
    fprintf(stderr, "eddy: the file of the recording cannot be written: %s\n", text);
    close(recording->fd);
    recording->fd = -1;
}

static void begin_writing(struct show_recording *recording);

static void on_written(eddy_file *file) {
    struct show_recording *recording = eddy_container_of(file, struct show_recording, file);
    recording->is_writing = false;
    if (file->result < 0)
        fail(recording, (int)file->result);
    else if (recording->filled > RECORDING_BUFFER / 2)
        begin_writing(recording);
}

static void begin_writing(struct show_recording *recording) {
    char *buffer = recording->buffers[0];
    int err = eddy_file_write(recording->loop, &recording->file, recording->fd, buffer,
                              recording->filled, -1, on_written);
    if (err < 0) {
        fail(recording, err);
        return;
    }
    recording->is_writing = true;
    recording->buffers[0] = recording->buffers[1];
    recording->buffers[1] = buffer;
    recording->filled = 0;
}

static void write_line(struct show_recording *recording, const char *text, size_t size) {
    if (recording->fd < 0) return;
    if (recording->filled + size > RECORDING_BUFFER) {
        if (!recording->has_lost)
            show_say(recording->board, "The recording has gaps: its disk does not keep up.");
        recording->has_lost = true;
        return;
    }
    memcpy(recording->buffers[0] + recording->filled, text, size);
    recording->filled += size;
    if (!recording->is_writing && recording->filled > RECORDING_BUFFER / 16)
        begin_writing(recording);
}

/* --- Both --- */

static size_t make_line(char *line, int64_t at_ms, const char *event, const char *data,
                        size_t size) {
    int length =
        snprintf(line, RECORDING_LINE, "{\"at_ms\":%" PRId64 ",\"event\":\"%s\",\"data\":%.*s}\n",
                 at_ms, event, (int)size, data);
    return length > 0 && length < RECORDING_LINE ? (size_t)length : 0;
}

void show_recording_add(struct show_recording *recording, const char *event, const char *data,
                        size_t size) {
    char line[RECORDING_LINE];
    int64_t at_ms = (show_now_ns() - recording->started_ns) / EDDY_NS_PER_MS;
    size_t length = make_line(line, at_ms, event, data, size);
    keep(recording, line, length);
    write_line(recording, line, length);
}

int show_recording_init(struct show_recording *recording, eddy_loop *loop, struct show_board *board,
                        const char *file, const char *hello, size_t hello_bytes) {
    memset(recording, 0, sizeof *recording);
    recording->loop = loop;
    recording->board = board;
    recording->started_ns = show_now_ns();
    recording->fd = -1;
    recording->hello_bytes = make_line(recording->hello, 0, "hello", hello, hello_bytes);
    recording->kept = malloc(RECORDING_KEPT);
    if (recording->kept == NULL) return -ENOMEM;
    if (file == NULL) return 0;
    for (int i = 0; i < 2; i++) {
        recording->buffers[i] = malloc(RECORDING_BUFFER);
        if (recording->buffers[i] == NULL) return -ENOMEM;
    }
    recording->fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (recording->fd < 0) return -errno;
    write_line(recording, recording->hello, recording->hello_bytes);
    return 0;
}

int show_recording_end(struct show_recording *recording) {
    int err = 0;
    size_t done = 0;
    while (recording->fd >= 0 && err == 0 && done < recording->filled) {
        ssize_t wrote =
            write(recording->fd, recording->buffers[0] + done, recording->filled - done);
        if (wrote < 0 && errno != EINTR) err = -errno;
        if (wrote > 0) done += (size_t)wrote;
    }
    if (recording->fd >= 0 && close(recording->fd) < 0 && err == 0) err = -errno;
    free(recording->kept);
    free(recording->buffers[0]);
    free(recording->buffers[1]);
    return err;
}
