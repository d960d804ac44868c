/* connection.h: one client of eddy serve: its stream, and the exchange that is going on.
 *
 * A connection is small, since most of them idle: what is needed only while bytes of a request or
 * an answer are at hand is in its exchange, which idle connections do not have.
 *
 *              bytes                   head is complete
 *     idle  ----------->  collecting  ------------------>  answering
 *      ^                      ^                               |
 *      |  nothing is left     |  part of the next head        | answered, and sent
 *      +----------------------+-------------------------------+
 *                                                             | the last answer
 *                                              lingering  <---+
 *
 *     idle        exchange is NULL
 *     collecting  exchange is set, is_answering is false
 *     answering   exchange->is_answering: the file requests and writes of one request at a time,
 *                 in exchange.c and answer.c; bytes that come meanwhile wait in the exchange
 *     lingering   is_lingering: our end is shut down, what still comes is thrown away
 *
 * Every callback of the loop ends in connection_advance(), which moves a connection as far as it
 * gets without waiting.
 * Threading: a connection belongs to its server's loop. */
#ifndef EDDY_CMD_SERVE_CONNECTION_H
#define EDDY_CMD_SERVE_CONNECTION_H

#include <eddy.h>

#include "http_path.h"
#include "http_range.h"
#include "http_request.h"
#include "server.h"
#include "system.h"

enum {
    /* One read of a socket: the size of the buffer that a loop lends. */
    READ_BYTES = 16 * 1024,
    /* A whole head within the parser's limits (8 + 32 KiB), and one more read: so a read that is
     * allowed always fits. */
    INPUT_BYTES = 40 * 1024 + HTTP_LEADING_BYTES + READ_BYTES,
    /* An answer gathers here, head and body, and goes out with one write when it fits: so does a
     * file of 100 KiB. Longer ones take turns with the socket: while the kernel's send buffer
     * drains, the next piece is read, so that a second buffer here would gain nothing. */
    OUTPUT_BYTES = 128 * 1024,
    /* The next pipelined answer may begin behind the last one when so much is left: room for a head
     * with the longest Location, its page, and some of a body. */
    OUTPUT_ROOM = 48 * 1024,
};

struct connection {
    eddy_stream stream;
    struct server *server;
    struct exchange *exchange;
    struct connection *prev, *next;
    unsigned char peer[16]; /* its IP address, for the log */
    bool peer_is_v6;
    bool is_idle; /* in its server's list of those */
    bool is_reading;
    bool is_lingering;
    bool has_end;    /* the client sends no more */
    bool is_closing; /* eddy_stream_close has been called … */
    bool is_closed;  /* … and has called back */
};

_Static_assert(sizeof(struct connection) <= 256, "an idle connection is to be small");

struct listing;

/* What a connection needs while it collects a request or answers it. */
struct exchange {
    struct connection *connection;
    eddy_file file;
    eddy_write write;
    unsigned in_flight; /* file requests */
    bool is_answering;
    bool is_flushing;  /* `write` is under way */
    bool is_waiting;   /* the deadline of a head that is not complete is running */
    bool is_last;      /* close after this answer */
    bool is_multipart; /* the body has parts with heads of their own */
    bool is_index;     /* the file that is opened is a directory's index.html */

    /* Output: the bytes of answers that are not with the kernel yet. */
    char *output; /* NULL or OUTPUT_BYTES */
    uint32_t output_used;
    uint32_t answer_start; /* where this answer begins, while none of it has been sent */
    bool is_sent;          /* some of this answer has been sent */

    /* The answer: status, then the parts of the body. */
    int status;
    int fd;                     /* of the file that is sent, or -1 */
    struct cached_file *cached; /* whose descriptor that is, or NULL: it is the exchange's own */
    unsigned next_part;
    int64_t offset, left; /* of the part being sent */
    uint32_t wanted;      /* bytes of the read under way */
    int64_t body_bytes;   /* put into the output so far, for the log */
    uint64_t boundary;
    const char *type;        /* of the file */
    struct listing *listing; /* the page that is sent instead of a file */
    struct http_ranges ranges;
    eddy_stat stat;

    /* Input: [start, used) has not been dealt with; the request begins at `start`. */
    uint32_t start, used;
    uint64_t skip; /* bytes of a body, to be thrown away before the next request */
    struct http_request request;
    struct http_path path;
    char input[INPUT_BYTES];
};

/* Takes over the accepted socket. */
void connection_open(struct server *server, int fd, const struct sockaddr *peer);

/* Moves on as far as possible: answers requests that are complete, sends what has gathered, and
 * then waits for more, or closes. */
void connection_advance(struct connection *connection);

/* Ends at once. A reset tells the client that the answer is not whole. */
void connection_close(struct connection *connection);
void connection_reset(struct connection *connection);

/* No new requests: closes if none is being answered. */
void connection_finish(struct connection *connection);

/* Puts one file request on its way: `err` is what the call that makes it returned. Falls back on
 * the status 503 if it could not be made. Each callback of such a request begins with
 * exchange_landed(), and does nothing when that is false: the connection is gone. */
bool exchange_launched(struct exchange *exchange, int err);
bool exchange_landed(struct exchange *exchange);

/* exchange.c: answers the request in exchange->request. */
void exchange_begin(struct exchange *exchange);

/* answer.c */

/* An answer without a file: a page that tells the status. */
void answer_status(struct exchange *exchange, int status);
void answer_redirect(struct exchange *exchange); /* to the same directory with its slash */
/* The status that says why a file could not be opened or read. */
void answer_error(struct exchange *exchange, int error);
/* exchange->fd and exchange->stat are those of a regular file. */
void answer_file(struct exchange *exchange);
void answer_listing(struct exchange *exchange);
/* Sends what has gathered. True: all of it is with the kernel. False: it will be, or the connection
 * is closing; connection_advance() is called then. */
bool answer_flush(struct exchange *exchange);
/* The end of the answer, whole or cut off: gives back what it held and writes the log. */
void answer_end(struct exchange *exchange);

/* listing.c: reads the open directory exchange->fd, then calls answer_listing(). */
void listing_begin(struct exchange *exchange);
void listing_free(struct listing *listing);
/* The page. */
const char *listing_text(const struct listing *listing, size_t *length);

#endif
