/* stream_record.c: reading and writing where each piece is a record: SOCK_SEQPACKET. They have a
 * watcher's callback of their own, so that streams of bytes need not ask what they are.
 * Invariant: a record is received by one call and sent by one. Threading: loop thread only. */
#include "net.h"

/* Small ones would be many in the bytes that a stream may read in a turn. */
enum { RECORDS_PER_TURN = 64, RECORD_PIECES_MAX = 1024 };

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
        CALLBACK(stream_loop(stream), stream, stream->read_fn(stream, stream->read_data, size));
        if (!(stream->state & STREAM_READING)) return;
    }
}

ssize_t eddy__record_receive(const eddy_stream *stream) {
    stream_loop(stream)->metrics.reads++;
    return eddy_os_receive_record(stream_fd(stream), stream->read_data, stream->read_size);
}

/* What the socket can never take leaves no hole: it counts as sent, with its error. */
ssize_t eddy__record_send(eddy_stream *stream, eddy_write *write, size_t *asked) {
    ssize_t sent = -EMSGSIZE;
    *asked = 0;
    for (int i = 0; i < write->count; i++) *asked += write->vectors[i].iov_len;
    if (write->count <= RECORD_PIECES_MAX && *asked <= EDDY_OS_TRANSFER_MAX)
        sent = stream_send_vectors(stream, write->vectors, write->count);
    if (sent != -EMSGSIZE) return sent;
    write->count = WRITE_DONE;
    write->status = -EMSGSIZE;
    return (ssize_t)*asked;
}
