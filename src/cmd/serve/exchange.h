/* exchange.h: a request and the answer to it: what a connection needs only while bytes of one of
 * them are at hand. The layers above move it on: connection.c collects the request, file_handler.c
 * and listing.c find out what answers it, answer.c makes the answer.
 *
 * The files are read by requests to the library ("file requests"). Each of their callbacks begins
 * with exchange_landed(), and ends with exchange->advance(), after which the exchange may be gone.
 * What goes wrong for good is noted in `failure`, on which advance() acts.
 * Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_EXCHANGE_H
#define EDDY_CMD_SERVE_EXCHANGE_H

#include <eddy.h>

#include "context.h"
#include "http_path.h"
#include "http_range.h"
#include "http_request.h"
#include "output.h"

enum {
    /* One read of a socket: the size of the buffer that a loop lends. */
    READ_BYTES = 16 * 1024,
    /* A whole head within the parser's limits (8 + 32 KiB), and one more read: so a read that is
     * allowed always fits. */
    INPUT_BYTES = 40 * 1024 + HTTP_LEADING_BYTES + READ_BYTES,
};

/* What is to become of the connection of an answer that cannot be given. */
enum exchange_failure {
    EXCHANGE_GOES_ON,
    EXCHANGE_CLOSES, /* it is broken, or there is no memory for an answer */
    EXCHANGE_RESETS, /* a part of the answer is out: a reset tells that it is not whole */
};

/* A body in memory. */
struct page {
    char *text;
    size_t length;
    void (*free)(struct page *page); /* of the layer that made it */
};

struct exchange {
    struct context *context;
    struct connection *connection;
    void (*advance)(struct exchange *exchange); /* set by the connection */
    const struct access_peer *peer;

    /* From here to `ranges` all is zero in a new exchange. */
    struct output output;
    eddy_file file;
    unsigned in_flight; /* file requests */
    enum exchange_failure failure;
    bool is_cancelled; /* the connection is closing: file requests still come back */
    bool is_answering;
    bool is_waiting;   /* the deadline of a head that is not complete is running */
    bool is_last;      /* close after this answer */
    bool is_multipart; /* the body has parts with heads of their own */
    bool is_index;     /* the file that is opened is a directory's index.html */

    /* The answer: status, then the parts of the body. */
    int status;
    int fd;                     /* of the file that is sent, or -1 */
    struct cached_file *cached; /* whose descriptor that is, or NULL: it is the exchange's own */
    unsigned next_part;
    uint32_t wanted;      /* bytes of the read under way */
    int64_t offset, left; /* of the part being sent */
    int64_t body_bytes;   /* put into the output so far, for the log */
    uint64_t boundary;
    const char *type;  /* of the file */
    struct page *page; /* that is sent instead of a file, or NULL */
    struct http_ranges ranges;
    eddy_stat stat;

    /* Input: [start, used) has not been dealt with; the request begins at `start`. */
    uint32_t start, used;
    uint64_t skip; /* bytes of a body, to be thrown away before the next request */
    struct http_request request;
    struct http_path path;
    char input[INPUT_BYTES];
};

/* NULL: no memory. `connection`, `peer` and both callbacks are the caller's to set. */
struct exchange *exchange_open(struct context *context, eddy_stream *stream);
void exchange_close(struct exchange *exchange);

/* Gives the memory of the output back, which is empty. */
void exchange_free_output(struct exchange *exchange);

/* The end of the answer, whole or cut off: gives back what it held and writes the log. */
void exchange_end(struct exchange *exchange);

/* As output_flush. True: all of it is with the kernel. False: it will be, or `failure` is set. */
static inline bool exchange_flush(struct exchange *exchange) {
    int flushed = output_flush(&exchange->output);
    if (flushed < 0) exchange->failure = EXCHANGE_CLOSES;
    return flushed > 0;
}

/* False: the connection is closing, and the exchange may be gone; the callback does nothing. */
static inline bool exchange_landed(struct exchange *exchange) {
    exchange->in_flight--;
    if (!exchange->is_cancelled) return true;
    exchange->advance(exchange);
    return false;
}

#endif
