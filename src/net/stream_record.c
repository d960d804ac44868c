/* stream_record.c: reading and writing where each piece is a record: SOCK_SEQPACKET. They have a
 * watcher's callback of their own, so that streams of bytes need not ask what they are.
 * Invariant: a record is received by one call and sent by one. Threading: loop thread only. */
#include "net.h"

/* Small ones would be many in the bytes that a stream may read in a turn. */
enum { RECORDS_PER_TURN = 64, RECORD_PIECES_MAX = 1024 };

static bool record_fits(int count, size_t bytes) {
    return count <= RECORD_PIECES_MAX && bytes <= EDDY_OS_TRANSFER_MAX;
}

void eddy__record_ready(eddy_io *io, unsigned events) {
    eddy__stream_ready_for_more(eddy_container_of(io, eddy_stream, io), events);
}

/* That one is read says nothing of whether there is another. */
void eddy__record_read(eddy_stream *stream) {
    size_t budget = stream_loop(stream)->config.stream_bytes_per_turn, total = 0;
    for (unsigned i = 0; i < RECORDS_PER_TURN && total < budget; i++) {
        ssize_t size = eddy__record_receive(stream);
        if (size <= 0) {
            eddy__stream_read_verdict(stream, size);
            return;
        }
        total += (size_t)size;
        CALLBACK(stream_loop(stream), handle_called(&stream->io.handle, EDDY_KIND_STREAM), stream,
                 stream->read_fn, stream, stream->read_data, size);
        const unsigned ways = STREAM_READING | STREAM_RECORDS;
        if ((stream->state & ways) != ways || eddy__pass_receives(stream)) return;
    }
}

ssize_t eddy__record_receive(const eddy_stream *stream) {
    stream_loop(stream)->metrics.reads++;
    ssize_t size = eddy_os_receive_record(stream_fd(stream), stream->read_data, stream->read_size);
    observe_note(stream_loop(stream), EDDY_TRACE_READ, EDDY_KIND_STREAM, stream, size);
    return size;
}

/* What the socket can never take leaves no hole: it counts as sent, with its error. */
ssize_t eddy__record_send(eddy_stream *stream, eddy_write *write, size_t *asked) {
    ssize_t sent = -EMSGSIZE;
    *asked = 0;
    for (int i = 0; i < write->count; i++) *asked += write->vectors[i].iov_len;
    if (record_fits(write->count, *asked))
        sent = stream_send_vectors(stream, write->vectors, write->count);
    if (sent != -EMSGSIZE) return sent;
    write->count = WRITE_DONE;
    write->status = -EMSGSIZE;
    return (ssize_t)*asked;
}

ssize_t eddy__record_try(eddy_stream *stream, const struct iovec *vectors, int count) {
    size_t bytes = 0;
    if (count < 0) return -EINVAL;
    for (int i = 0; i < count; i++) {
        if (vectors[i].iov_len > WRITE_BYTES_MAX - bytes) return -EINVAL;
        bytes += vectors[i].iov_len;
    }
    if (bytes == 0) return 0; /* it would look like the end */
    if (!record_fits(count, bytes)) return -EMSGSIZE;
    return stream_send_vectors(stream, vectors, count);
}
