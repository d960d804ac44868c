/* pipe.c: pipes. What is written is there at once. As POSIX has it, up to PIPE_BUF bytes go in
 * whole or not at all; as Linux has it, the reading end of a drained pipe without writers hangs up
 * and is not readable. Invariant: a pipe lives as long as one of its ends. */
#include "channel.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { READER, WRITER, ATOMIC_BYTES = 512 }; /* POSIX's least PIPE_BUF */

struct pipe {
    struct sim_channel channel;
    struct sim_description *ends[2]; /* NULL: closed */
};

static bool has_room(const struct pipe *pipe) {
    return channel_room(&pipe->channel) >= ATOMIC_BYTES;
}

static ssize_t pipe_read(void *object, void *data, size_t size) {
    struct pipe *pipe = object;
    if (pipe->channel.arrived == 0) return pipe->ends[WRITER] == NULL ? 0 : -EAGAIN;
    bool had_room = has_room(pipe);
    size_t taken = channel_take(&pipe->channel, data, size);
    sim_progress();
    if (!had_room && has_room(pipe)) sim_description_changed(pipe->ends[WRITER], EDDY_WRITE);
    return (ssize_t)taken;
}

static ssize_t pipe_write(void *object, const void *data, size_t size) {
    struct pipe *pipe = object;
    if (pipe->ends[READER] == NULL) return -EPIPE;
    size_t room = channel_room(&pipe->channel);
    if (room < size && (size <= ATOMIC_BYTES || room == 0)) return -EAGAIN;
    if (size > room) size = room;
    bool is_edge = pipe->channel.arrived == 0 || !sim_weather()->edges_if_empty;
    channel_put(&pipe->channel, data, size);
    sim_progress();
    if (is_edge) sim_description_changed(pipe->ends[READER], EDDY_READ);
    return (ssize_t)size;
}

static unsigned reader_ready(void *object) {
    const struct pipe *pipe = object;
    unsigned ready = pipe->channel.arrived > 0 ? EDDY_READ : 0;
    return pipe->ends[WRITER] == NULL ? ready | EDDY_HANGUP : ready;
}

static unsigned writer_ready(void *object) {
    const struct pipe *pipe = object;
    unsigned ready = has_room(pipe) ? EDDY_WRITE : 0;
    return pipe->ends[READER] == NULL ? ready | EDDY_ERROR : ready;
}

static void close_end(struct pipe *pipe, int end) {
    pipe->ends[end] = NULL;
    if (pipe->ends[1 - end] != NULL) {
        sim_description_changed(pipe->ends[1 - end], SIM_BOTH);
        return;
    }
    channel_close(&pipe->channel);
    free(pipe);
}

static void reader_close(void *object) {
    close_end(object, READER);
}

static void writer_close(void *object) {
    close_end(object, WRITER);
}

static const struct sim_kind reader_kind = {
    .name = "reading end of a pipe",
    .read = pipe_read,
    .ready = reader_ready,
    .close = reader_close,
    .can_be_watched = true,
};

static const struct sim_kind writer_kind = {
    .name = "writing end of a pipe",
    .write = pipe_write,
    .ready = writer_ready,
    .close = writer_close,
    .can_be_watched = true,
};

static int open_pipe(int ends[2]) {
    struct pipe *pipe = calloc(1, sizeof *pipe);
    if (pipe == NULL) sim_fail("no memory for the simulation itself");
    size_t window = sim_weather()->window_bytes;
    pipe->channel.window = window < ATOMIC_BYTES ? ATOMIC_BYTES : window;
    ends[0] = sim_descriptor_add(&reader_kind, pipe);
    if (ends[0] < 0) {
        free(pipe);
        return ends[0];
    }
    pipe->ends[READER] = sim_descriptor_get(ends[0]);
    ends[1] = sim_descriptor_add(&writer_kind, pipe);
    if (ends[1] < 0) {
        sim_descriptor_close(ends[0]);
        return ends[1];
    }
    pipe->ends[WRITER] = sim_descriptor_get(ends[1]);
    sim_note("pipe: %d %d", ends[0], ends[1]);
    return 0;
}

int eddy_os_pipe(int ends[2]) {
    int err = sim_enter(OS_CALL_pipe);
    return err < 0 ? err : open_pipe(ends);
}

/* --- Streams of them --- */

int eddy_os_access_mode(int fd) {
    int err = sim_enter(OS_CALL_access_mode);
    const struct sim_description *description = sim_descriptor_get(fd);
    if (description == NULL) return -EBADF;
    (void)err; /* of one that is open a lie, after which nobody would close it */
    if (description->kind->write == NULL) return O_RDONLY;
    return description->kind->read == NULL ? O_WRONLY : O_RDWR;
}

/* In one go, as what fits PIPE_BUF is whole. */
ssize_t eddy_os_write_vectors(int fd, const struct iovec *vectors, int count, bool *refused) {
    (void)refused;
    int err = sim_enter(OS_CALL_write_vectors);
    struct sim_description *description = sim_descriptor_get(fd);
    if (description == NULL) return -EBADF;
    if (description->kind->write == NULL) return -EINVAL;
    if (err == -EAGAIN) sim_description_changed(description, EDDY_WRITE);
    if (err < 0) return err;
    size_t size = 0, used = 0;
    for (int i = 0; i < count; i++) size += vectors[i].iov_len;
    size_t limit = sim_shorten(size);
    char *bytes = malloc(size + 1);
    if (bytes == NULL) sim_fail("no memory for the simulation itself");
    for (int i = 0; i < count; i++) {
        memcpy(bytes + used, vectors[i].iov_base, vectors[i].iov_len);
        used += vectors[i].iov_len;
    }
    ssize_t written = description->kind->write(description->object, bytes, limit);
    free(bytes);
    if (written == (ssize_t)limit && limit < size) sim_description_changed(description, EDDY_WRITE);
    sim_note("write %d: %s", fd, sim_result(written));
    return written;
}

/* There is no /proc. */
int eddy_os_reopen(int fd) {
    int err = sim_enter(OS_CALL_reopen);
    if (sim_descriptor_get(fd) == NULL) return -EBADF;
    return err < 0 ? err : -ENOENT;
}

int eddy_os_child_pipe(int ends[2]) {
    int err = sim_enter(OS_CALL_child_pipe);
    if (err == 0) err = open_pipe(ends);
    for (int i = 0; err == 0 && i < 2; i++) sim_descriptor_get(ends[i])->is_programs = true;
    return err;
}

void sim_pipe(int ends[2]) {
    sim_faults_off();
    int err = open_pipe(ends);
    sim_faults_on();
    sim_check(err == 0, "sim_pipe: all numbers are taken");
    for (int i = 0; i < 2; i++) sim_descriptor_get(ends[i])->is_programs = true;
}
