/* stdio.c: a stream of what others share, without a change to it: docs/07-streams.md.
 * Invariant: the caller's descriptor is only duplicated or opened anew, and O_NONBLOCK is set on
 * nothing but what was opened here. Threading: loop thread only. */
#include "stdio_job.h"

#include <eddy/stdio.h>

#include <fcntl.h>

/* --- A socket: each call says that it does not wait --- */

static ssize_t shared_read(eddy_stream *stream, void *data, size_t size) {
    return eddy_os_receive_shared(stream_fd(stream), data, size);
}

static ssize_t shared_write(eddy_stream *stream, const struct iovec *vectors, int count) {
    return eddy_os_send_shared(stream_fd(stream), vectors, count);
}

/* It is the others' connection as well, who may write more. */
static int shared_end(eddy_stream *stream) {
    (void)stream;
    return 0;
}

static const struct channel_calls shared_calls = {
    .ready = eddy__channel_ready,
    .read = shared_read,
    .write = shared_write,
    .end = shared_end,
};

/* `own` is a duplicate of the socket. */
static int stdio_attach_socket(eddy_stream *stream, int own) {
    eddy_loop *loop = stream_loop(stream);
    int type = eddy_os_socket_type(own);
    if (type != SOCK_STREAM) return type < 0 ? type : -EPROTOTYPE;
    int is_listening = eddy_os_is_listening(own);
    if (is_listening != 0) return is_listening < 0 ? is_listening : -EINVAL;
    struct channel *channel = eddy__resize(loop, NULL, 0, sizeof *channel);
    if (channel == NULL) return -ENOMEM;
    *channel = (struct channel){.calls = &shared_calls,
                                .bytes = sizeof *channel,
                                .fd = -1,
                                .can_read = true,
                                .can_write = true,
                                .is_socket = true};
    int err = eddy__channel_begin(stream, own, channel);
    if (err < 0) eddy__resize(loop, channel, sizeof *channel, 0);
    return err;
}

/* --- Which of the ways --- */

static int stdio_attach_own(eddy_stream *stream, int own, int (*attach)(eddy_stream *, int)) {
    if (own < 0) return own;
    int err = attach(stream, own);
    if (err < 0) eddy_os_close(own);
    return err;
}

int eddy_stdio_attach(eddy_stream *stream, int fd) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    EDDY_ASSERT(handle_is_initialised(&stream->io.handle));
    if (stream->state & STREAM_CLOSING) return -EINVAL;
    if (stream->state != 0) return -EISCONN;
    int err = net_join(stream_loop(stream));
    if (err < 0) return err;
    err = eddy_os_local_address(fd, (struct sockaddr *)&address, &length);
    if (err == 0)
        return stdio_attach_own(stream, eddy_os_duplicate(fd),
                                EDDY_OS_SENDS_WAIT ? eddy__job_attach : stdio_attach_socket);
    if (err != -ENOTSOCK) return err;
    err = stdio_attach_own(stream, eddy_os_reopen(fd), eddy__channel_attach);
    if (err == 0 || err == -EMFILE || err == -ENFILE || err == -ENOMEM || err == -EBADF) return err;
    return stdio_attach_own(stream, eddy_os_duplicate(fd), eddy__job_attach);
}
