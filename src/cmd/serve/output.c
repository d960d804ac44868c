/* output.c: see output.h. */
#include "output.h"

#include <errno.h>

static void on_written(eddy_write *write, int status) {
    struct output *output = eddy_container_of(write, struct output, write);
    output->is_flushing = false;
    output->used = 0;
    output->on_flushed(output, status);
}

int output_flush(struct output *output) {
    if (output->is_flushing) return 0;
    if (output->used == 0) return 1;
    struct iovec all = {output->bytes, output->used};
    ssize_t sent = eddy_stream_try_write(output->stream, &all, 1);
    if (sent < 0 && sent != -EAGAIN) return (int)sent;
    output->is_sent = true;
    uint32_t done = sent > 0 ? (uint32_t)sent : 0;
    if (done == output->used) {
        output->used = 0;
        return 1;
    }
    int err = eddy_stream_write(output->stream, &output->write, output->bytes + done,
                                output->used - done, on_written);
    output->is_flushing = err == 0;
    return err;
}
