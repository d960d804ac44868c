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
 *                 in the layers below (server.h); bytes that come meanwhile wait in the exchange
 *     lingering   is_lingering: our end is shut down, what still comes is thrown away
 *
 * Every callback of the loop ends in connection.c, which moves a connection as far as it gets
 * without waiting.
 * Threading: a connection belongs to one loop. */
#ifndef EDDY_CMD_SERVE_CONNECTION_H
#define EDDY_CMD_SERVE_CONNECTION_H

#include <eddy.h>

#include "context.h"
#include "exchange.h"

struct connection {
    eddy_stream stream;
    struct context *context;
    struct exchange *exchange;
    struct connection *prev, *next;
    struct access_peer peer; /* for the log */
    bool is_idle;            /* in its context's list of those */
    bool is_reading;
    bool is_lingering;
    bool has_end;    /* the client sends no more */
    bool is_closing; /* eddy_stream_close has been called … */
    bool is_closed;  /* … and has called back */
};

_Static_assert(sizeof(struct connection) <= 256, "an idle connection is to be small");

/* Takes over the accepted socket, and enters the context's list. */
void connection_open(struct context *context, int fd, const struct sockaddr *peer);

/* Ends at once. A reset tells the client that the answer is not whole. */
void connection_close(struct connection *connection);
void connection_reset(struct connection *connection);

/* No new requests: closes if none is being answered. */
void connection_finish(struct connection *connection);

#endif
