/* stdio_job.c: a stream whose transfers are jobs of the pool, through a buffer of its own.
 *
 * A direction is ready: at once where the descriptor cannot be watched, else when the loop was told
 * so of a second duplicate. Then one job reads or writes; what came of it is given to the stream by
 * a deferred call, as if the kernel gave it, and the direction is to become ready again. So the
 * stream sees a descriptor that gives -EAGAIN while a job is under way.
 *
 * Invariants: of a direction there is a job under way, or a result that the stream has not taken,
 * or neither; a job touches only the buffers of this block, which outlives it.
 * Threading: loop thread only; the jobs are file requests. */
#include "stdio_job.h"

#include "../core/room.h"

#include <eddy/file.h>

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#ifndef PIPE_BUF
#define PIPE_BUF 512 /* the least that POSIX has */
#endif

enum {
    JOB_BYTES =
        64 * 1024, /* of a transfer: a hand-over to a thread costs as much as copying them */
    JOB_GATED_BYTES = PIPE_BUF, /* more might wait, though the descriptor is ready */
};

struct job {
    eddy_file file;
    char *bytes;
    size_t size;    /* of `bytes` */
    size_t taken;   /* of the result */
    ssize_t result; /* of the last job, once it has ended */
    bool is_under_way;
    bool has_result;
    bool is_ready; /* the descriptor was; always, where it is not watched */
};

struct job_channel {
    struct channel channel;
    eddy_stream *stream;
    eddy_defer look; /* at what can be told, or begun */
    bool is_watched;
    bool is_closing;
    struct job read, write;
};
ROOM_FITS(sizeof(struct job_channel) + JOB_BYTES, EDDY_TRANSFER_BYTES);

static struct job_channel *job_channel_of(const eddy_stream *stream) {
    return eddy_container_of(channel_of(stream), struct job_channel, channel);
}

/* --- What a direction waits for --- */

static bool job_wants_read(const eddy_stream *stream) {
    return (stream->state & (STREAM_READING | STREAM_READ_AGAIN)) == STREAM_READING;
}

static bool job_wants_write(const eddy_stream *stream) {
    return (stream->state & (STREAM_BLOCKED | STREAM_WRITE_AGAIN)) == STREAM_BLOCKED;
}

/* Something for the stream to do, without the kernel's word. */
static bool job_can_go_on(const struct job *job) {
    return job->has_result || (job->is_ready && !job->is_under_way);
}

static unsigned job_events(const struct job_channel *it) {
    unsigned events = 0;
    if (job_wants_read(it->stream) && job_can_go_on(&it->read)) events |= EDDY_READ;
    if (job_wants_write(it->stream) && job_can_go_on(&it->write)) events |= EDDY_WRITE;
    return events;
}

static unsigned job_interest(const struct job_channel *it) {
    unsigned events = it->stream->state & STREAM_HANGUP ? EDDY_HANGUP : 0;
    if (!it->is_watched) return 0;
    if (job_wants_read(it->stream) && !it->read.has_result && !it->read.is_under_way)
        events |= EDDY_READ;
    if (job_wants_write(it->stream) && !it->write.has_result && !it->write.is_under_way)
        events |= EDDY_WRITE;
    return events;
}

static void job_on_look(eddy_defer *defer);

/* No callback from inside a call: what can go on does so in phase 7. */
static void job_update(eddy_stream *stream) {
    struct job_channel *it = job_channel_of(stream);
    int err = eddy_io_change(&stream->io, job_interest(it));
    EDDY_ASSERT(err == 0);
    if (job_events(it) != 0) (void)eddy_defer_start(&it->look, job_on_look);
}

static void job_cancel(struct job_channel *it) {
    if (it->read.is_under_way) (void)eddy_file_cancel(&it->read.file);
    if (it->write.is_under_way) (void)eddy_file_cancel(&it->write.file);
}

static void job_on_look(eddy_defer *defer) {
    struct job_channel *it = eddy_container_of(defer, struct job_channel, look);
    eddy_stream *stream = it->stream;
    if (it->is_closing) { /* in a child */
        job_cancel(it);
        return;
    }
    unsigned events = job_events(it);
    if (events != 0) eddy__stream_ready_for_more(stream, events); /* `it` may be gone now */
}

static void job_ready(eddy_io *io, unsigned events) {
    eddy_stream *stream = eddy_container_of(io, eddy_stream, io);
    struct job_channel *it = job_channel_of(stream);
    if (events & EDDY_READ) it->read.is_ready = true;
    if (events & EDDY_WRITE) it->write.is_ready = true;
    eddy__stream_ready_for_more(stream, events);
}

/* --- Jobs --- */

static void job_release(struct job_channel *it) {
    if (!net_has_lost(it->stream->error)) eddy_os_close(it->channel.fd);
    eddy_defer_stop(&it->look);
}

/* The last job of a stream that was closed in the meantime. */
static void job_end_close(struct job_channel *it) {
    if (it->read.is_under_way || it->write.is_under_way) return;
    eddy_stream *stream = it->stream;
    link_remove(&it->channel.ending);
    job_release(it);
    eddy__resize(stream_loop(stream), it, it->channel.bytes, 0);
    eddy__stream_closed(stream);
}

/* -EAGAIN: somebody has made the description non-blocking. Where nothing tells when it is ready the
 * timer tries again, as after want of memory. */
static void job_ended(struct job_channel *it, struct job *job) {
    job->is_under_way = false;
    if (it->is_closing) {
        job_end_close(it);
        return;
    }
    job->result = (ssize_t)job->file.result;
    if (job->result == -EAGAIN && !it->is_watched) job->result = -ENOBUFS;
    job->has_result = true;
    job->taken = 0;
    job_update(it->stream);
}

static void job_on_read(eddy_file *file) {
    struct job_channel *it = eddy_container_of(file, struct job_channel, read.file);
    job_ended(it, &it->read);
}

static void job_on_written(eddy_file *file) {
    struct job_channel *it = eddy_container_of(file, struct job_channel, write.file);
    job_ended(it, &it->write);
}

/* `err` is what starting it gave. Without a thread for it, it is tried again later. */
static ssize_t job_started(struct job_channel *it, struct job *job, int err) {
    if (err < 0) return -ENOBUFS;
    job->file.is_inner = true;
    job->is_under_way = true;
    job->is_ready = !it->is_watched;
    job_update(it->stream);
    return -EAGAIN;
}

static ssize_t job_read(eddy_stream *stream, void *data, size_t size) {
    struct job_channel *it = job_channel_of(stream);
    struct job *job = &it->read;
    if (!job->has_result) {
        if (job->is_under_way || !job->is_ready) return -EAGAIN;
        return job_started(it, job,
                           eddy_file_read(stream_loop(stream), &job->file, it->channel.fd,
                                          job->bytes, job->size, -1, job_on_read));
    }
    ssize_t result = job->result;
    if (result > 0) {
        size_t left = (size_t)result - job->taken;
        if (size > left) size = left;
        memcpy(data, job->bytes + job->taken, size);
        job->taken += size;
        result = (ssize_t)size;
    }
    job->has_result = job->result > 0 && job->taken < (size_t)job->result;
    job_update(stream);
    return result;
}

/* What was written is the beginning of the queue, which has only grown since. */
static ssize_t job_write(eddy_stream *stream, const struct iovec *vectors, int count) {
    struct job_channel *it = job_channel_of(stream);
    struct job *job = &it->write;
    if (job->has_result) {
        job->has_result = false;
        job_update(stream); /* the rest is still blocked, which nobody will tell again */
        return job->result;
    }
    if (job->is_under_way || !job->is_ready) return -EAGAIN;
    size_t size = 0;
    for (int i = 0; i < count && size < job->size; i++) {
        size_t part = vectors[i].iov_len;
        if (part > job->size - size) part = job->size - size;
        if (part > 0) memcpy(job->bytes + size, vectors[i].iov_base, part);
        size += part;
    }
    return job_started(it, job,
                       eddy_file_write(stream_loop(stream), &job->file, it->channel.fd, job->bytes,
                                       size, -1, job_on_written));
}

static int job_end(eddy_stream *stream) {
    (void)stream; /* the caller's descriptor is open all the same */
    return 0;
}

static bool job_close(eddy_stream *stream) {
    struct job_channel *it = job_channel_of(stream);
    it->is_closing = it->read.is_under_way || it->write.is_under_way;
    job_cancel(it);
    if (it->is_closing) {
        eddy_defer_stop(&it->look);
        link_add_last(&net_part_of(stream)->ending, &it->channel.ending);
    } else {
        job_release(it);
    }
    return it->is_closing;
}

/* The job that a thread of the parent has: it is taken back as soon as all parts know that they are
 * a child's. */
static void job_end_in_child(struct channel *channel) {
    struct job_channel *it = eddy_container_of(channel, struct job_channel, channel);
    (void)eddy_defer_start(&it->look, job_on_look);
}

static const struct channel_calls job_calls = {
    .ready = job_ready,
    .read = job_read,
    .write = job_write,
    .end = job_end,
    .update = job_update,
    .close = job_close,
    .end_in_child = job_end_in_child,
};

/* --- The beginning --- */

/* What cannot be watched has a descriptor in its place that tells nothing. */
static int job_watch(eddy_stream *stream, struct job_channel *it) {
    int fd = eddy_os_duplicate(it->channel.fd);
    if (fd < 0) return fd;
    it->is_watched = true;
    int err = eddy__channel_begin(stream, fd, &it->channel);
    if (err == -EPERM) {
        eddy_os_close(fd);
        fd = eddy_os_open_reserve();
        if (fd < 0) return fd;
        it->is_watched = false;
        err = eddy__channel_begin(stream, fd, &it->channel);
    }
    if (err < 0) eddy_os_close(fd);
    it->read.is_ready = it->write.is_ready = !it->is_watched;
    if (it->is_watched) it->write.size = JOB_GATED_BYTES;
    return err;
}

int eddy__job_attach(eddy_stream *stream, int own) {
    eddy_loop *loop = stream_loop(stream);
    int mode = eddy_os_access_mode(own);
    if (mode < 0) return mode;
    bool can_read = mode != O_WRONLY, can_write = mode != O_RDONLY;
    size_t bytes = sizeof(struct job_channel) + ((size_t)can_read + can_write) * JOB_BYTES;
    struct job_channel *it = eddy__resize(loop, NULL, 0, bytes);
    if (it == NULL) return -ENOMEM;
    *it = (struct job_channel){.channel = {.calls = &job_calls,
                                           .bytes = bytes,
                                           .fd = own,
                                           .can_read = can_read,
                                           .can_write = can_write},
                               .stream = stream,
                               .read = {.bytes = (char *)(it + 1), .size = JOB_BYTES},
                               .write = {.size = JOB_BYTES}};
    it->write.bytes = it->read.bytes + (can_read ? JOB_BYTES : 0);
    eddy_defer_init(&it->look, loop);
    handle_set_inner(&it->look.handle);
    int err = job_watch(stream, it);
    if (err < 0) eddy__resize(loop, it, bytes, 0);
    return err;
}
