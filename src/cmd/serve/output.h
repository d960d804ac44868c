/* output.h: bytes on their way to a client.
 *
 * Answers gather here, head and body, one behind the other, and go to the socket when the buffer is
 * full or nothing else is to be answered now: a small file costs one write, and so do the answers
 * to requests that came together. Invariants: as long as is_sent is false, the answer being made is
 * between answer_start and `used`; while is_flushing the bytes are not touched. Threading: the
 * loop's. */
#ifndef EDDY_CMD_SERVE_OUTPUT_H
#define EDDY_CMD_SERVE_OUTPUT_H

#include <eddy.h>

enum {
    /* A file of 100 KiB goes out with one write. Longer ones take turns with the socket: while the
     * kernel's send buffer drains, the next piece is read, so that a second buffer here would gain
     * nothing. */
    OUTPUT_BYTES = 128 * 1024,
    /* The next pipelined answer may begin behind the last one when so much is left: room for a head
     * with the longest Location, its page, and some of a body. */
    OUTPUT_ROOM = 48 * 1024,
};

struct output {
    eddy_stream *stream;
    eddy_write write;
    /* Set by the connection: what output_flush() has left to the loop is with the kernel, or, with
     * a negative status, never will be. */
    void (*on_flushed)(struct output *output, int status);
    char *bytes; /* NULL or OUTPUT_BYTES */
    uint32_t used;
    uint32_t answer_start;
    bool is_sent;     /* some of this answer has been sent */
    bool is_flushing; /* `write` is under way */
};

/* Sends what has gathered. 1: all of it is with the kernel; 0: it will be when on_flushed is
 * called; negative: the connection is broken. */
int output_flush(struct output *output);

#endif
