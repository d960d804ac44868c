/* http_server.h: what the files of the HTTP server share.
 *
 * They use the public headers alone, as a user's program would, and stand in layers:
 *
 *     http_server       opening and stopping, listeners, how many are let in
 *     http_life         a client comes, and goes
 *     http_connection   bytes in, time limits, what goes on next
 *     http_request      the life of a request, its input
 *     http_route        from a request to its handler
 *     http_answer       what handlers call to answer, http_events with it
 *     http_body         the body of a request
 *     http_output       the bytes of an answer on their way out, http_file what is read of files
 *     http_fields       what handlers ask of a request
 *     http_memory       blocks of two sizes
 *     http_head, http_authority, http_bytes, http_chunk, http_path, http_date, http_status: pure
 *
 * A connection waits for a request without one; its first byte takes a struct eddy_http_request,
 * which is given back when all that came has been answered:
 *
 *              bytes                   head is complete
 *     idle  ----------->  collecting  ------------------>  answering
 *      ^                      ^                               |
 *      |  nothing is left     |  part of the next head        | over: ended, and in the output
 *      +----------------------+-------------------------------+
 *                                                             | the last answer
 *                                              lingering  <---+
 *
 * All that goes on goes on in eddy__http_advance(), which is called by each callback of the loop.
 * What a handler calls only notes what is to be done: either it was called by advance, which then
 * goes on with it, or `later` calls advance in phase 7. So no callback runs inside a call.
 * Threading: the loop's. */
#ifndef EDDY_HTTP_HTTP_SERVER_H
#define EDDY_HTTP_HTTP_SERVER_H

#include <eddy/file.h>
#include <eddy/http.h>
#include <eddy/local.h>
#include <eddy/loop.h>

#include <netinet/in.h>

#include "http_types.h"

enum {
    HTTP_BLOCK_BYTES = 8 * 1024, /* of a request, and of its output */
    /* Of a file, with the head before it: one write, for most. From there on it costs less to have
     * the kernel send the file. */
    HTTP_PIECE_BYTES = 48 * 1024,
    HTTP_FIRST_BYTES = 1024,      /* that are read of a longer one, at least */
    HTTP_SEND_BYTES = 256 * 1024, /* of a file that the kernel sends: tried without a thread */
    HTTP_READ_BYTES = 16 * 1024,  /* of a socket at once */
    HTTP_HEAD_ROOM = 512,         /* an answer's head without the handler's fields */
    HTTP_FIELDS_ROOM = 32 * 1024, /* all of these */
    HTTP_CHUNK_ROOM = 32,         /* around a chunk, and the last one */
    /* As many as there are connections, within these bounds: memory of many goes with them, and
     * that of a few is not fetched again for each. */
    HTTP_BLOCKS_KEPT = 1024,
    HTTP_BLOCKS_KEPT_MIN = 128,
    /* Ready answers wait for others that came with them so many turns, which do not sleep: enough
     * for files that are in memory, of which each takes one to open, one to look at and one to
     * read. */
    HTTP_GATHER_TURNS = 8,
};

/* So long a client may take for its first byte, or for the rest of a head, before it has to make
 * room for others who wait. */
#define HTTP_PATIENCE_NS (1 * EDDY_NS_PER_S)

/* How long a client may go on sending to a connection that we have shut down. Closing at once would
 * make the kernel answer such bytes with a reset, which can overtake our last answer. */
#define HTTP_LINGER_NS (2 * EDDY_NS_PER_S)

/* Blocks of one size, kept for reuse. The one given back last is taken first: its bytes are still
 * in the processor's caches. */
struct http_blocks {
    uint32_t bytes;
    uint32_t kept, kept_max;
    uint32_t taken, taken_max; /* 0: no limit */
    struct http_block {
        struct http_block *next;
    } * first;
};

struct http_route {
    struct http_route *next;
    const char *method, *prefix;
    size_t length; /* of the prefix, without a slash at its end */
    eddy_http_fn *fn;
    void *context;
};

enum http_list {
    HTTP_IDLE,       /* between two requests */
    HTTP_NEW,        /* before the first byte */
    HTTP_COLLECTING, /* with a part of a head, or lingering */
    HTTP_BUSY,
    HTTP_LISTS,
};

struct eddy_http {
    eddy_loop *loop;
    eddy_http_config config;
    eddy_allocator allocator;
    struct http_head_limits limits;
    struct http_blocks small, big, connections;
    struct http_list_ends {
        struct http_connection *first, *last; /* whoever has been there longest is the last */
    } lists[HTTP_LISTS];
    eddy_http_request *waiting, **waiting_end; /* for a big block */
    eddy_http_listener *listeners;
    uint32_t listening; /* of which are not closed yet */
    uint32_t kept;      /* connections that are not freed yet */
    struct http_route *routes;
    eddy_defer stopped;
    eddy_timer patience; /* until somebody could make room, while nobody can */
    void (*stop_fn)(eddy_http *http, void *context);
    void *stop_context;
    bool is_draining; /* no new connections, and each answer is its connection's last */
    bool is_stopping; /* and no new requests */
    bool is_full;
    int64_t date_s; /* the second that `date` shows */
    char date[EDDY_HTTP_DATE_BYTES];
    eddy_http_counts counts;
    char read_buffer[HTTP_READ_BYTES]; /* nothing is left in it between two reads */
};

/* Which time limit runs: it is that of the stream's reader. */
enum http_limit {
    HTTP_NO_LIMIT,
    HTTP_IDLE_LIMIT,
    HTTP_HEAD_LIMIT,
    HTTP_BODY_LIMIT,
    HTTP_OLD_LIMIT, /* that is over: one has to be set anew */
};

struct http_connection {
    eddy_stream stream;
    eddy_http *http;
    eddy_http_request *request;
    struct http_connection *prev, *next;
    int64_t since_ns; /* it is in its list */
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } peer;
    uint8_t list;  /* enum http_list */
    uint8_t limit; /* enum http_limit */
    bool is_reading, is_watching;
    bool has_end, has_left; /* the client sends no more: all has been read, or not yet */
    bool is_lingering;      /* our end is shut down, what still comes is thrown away */
    bool is_advancing;
    uint8_t gathered; /* so many turns what is ready has waited for more */
    bool is_torn;     /* only a reset tells that its last answer is not whole */
    bool is_closing;  /* eddy_stream_close has been called, or is_sending puts it off … */
    bool is_closed;   /* … and has called back */
};

/* --- http_memory.c --- */

/* From the server's allocator, counted. */
void *eddy__http_resize(eddy_http *http, void *memory, size_t old_bytes, size_t new_bytes);
void eddy__http_blocks_init(struct http_blocks *blocks, uint32_t bytes, uint32_t kept_max,
                            uint32_t taken_max);
/* NULL: no memory, or taken_max are taken. */
void *eddy__http_take(eddy_http *http, struct http_blocks *blocks);
void eddy__http_give(eddy_http *http, struct http_blocks *blocks, void *block);
void eddy__http_blocks_trim(eddy_http *http, struct http_blocks *blocks, uint32_t left);

/* --- http_server.c --- */

void eddy__http_list_add(struct http_connection *it, enum http_list list);
void eddy__http_list_remove(struct http_connection *it);
void eddy__http_set_list(struct http_connection *it, enum http_list list);
/* Pauses the listeners when nobody could make room for one more, and has them go on. */
void eddy__http_update_places(eddy_http *http);
/* A connection's memory is the server's again. */
void eddy__http_left(eddy_http *http, struct http_connection *it);
const char *eddy__http_date(eddy_http *http);

/* --- http_request.c --- */

/* Has advance called: by whoever runs it now, or in phase 7; or in phase 7 in any case. */
void eddy__http_later(eddy_http_request *request);
void eddy__http_defer(eddy_http_request *request);
/* Adds to the input, of a request that is taken for it if there is none. False: no memory. */
bool eddy__http_keep_bytes(struct http_connection *it, const char *bytes, size_t size);
/* From here on a handler, or the server for it, has to end the request. */
void eddy__http_begin_answering(struct http_connection *it);
/* The answer has been given, whole or not: nothing of the handler's is needed any more. */
void eddy__http_end_request(struct http_connection *it);
void eddy__http_tell_log(eddy_http_request *request);
void eddy__http_give_request(struct http_connection *it);

/* --- http_connection.c --- */

void eddy__http_advance(struct http_connection *it);

/* --- http_life.c --- */

int eddy__http_connect(eddy_http *http, int fd, const struct sockaddr *peer);
void eddy__http_disconnect(struct http_connection *it, bool with_reset);
/* Of a connection that is closing: closes its stream, unless a file is being sent into it. */
void eddy__http_go_on_closing(struct http_connection *it);
/* No new requests: closes it unless it is answering. */
void eddy__http_finish(struct http_connection *it);
/* Frees it, if nothing holds it any more. */
void eddy__http_let_go(struct http_connection *it);
/* The connection is somebody else's now, as its request has become an upgrade. */
void eddy__http_hand_over(struct http_connection *it);

/* --- http_route.c --- */

/* Calls the handler, or refuses the request. */
void eddy__http_dispatch(eddy_http_request *request);
/* Has `status` answered, by the program's function for it or with a line of text. */
void eddy__http_refuse(eddy_http_request *request, int status);
void eddy__http_free_routes(eddy_http *http);

/* --- http_answer.c --- */

bool eddy__http_is_gone(const eddy_http_request *request);
/* As eddy_http_write, but all or nothing: 0, or -EAGAIN and its like. */
int eddy__http_write_whole(eddy_http_request *request, const void *data, size_t size);

/* --- http_answer_head.c --- */

/* Puts the head into the output. False: not yet, as something is under way, or the connection is
 * closing for want of memory. */
bool eddy__http_put_head(eddy_http_request *request);

/* --- http_status.c --- */

/* The status for what a request needs and the system refuses. */
int eddy__http_status_of(int error);

/* --- http_output.c --- */

enum http_progress { HTTP_WAITS, HTTP_DONE };

/* Has room for so many bytes behind `used`. 0, -EAGAIN (something is under way), -ENOMEM. */
int eddy__http_reserve(eddy_http_request *request, uint32_t bytes);
/* Offers the kernel what has gathered, so that it need not grow. What fails here fails again. */
void eddy__http_send_some(eddy_http_request *request);
/* Goes on with the body. HTTP_DONE: all that the handler has given is in the output, or with the
 * kernel. */
enum http_progress eddy__http_fill(eddy_http_request *request);
/* Offers the kernel what has gathered. HTTP_WAITS: not all went, or the connection is closing. */
enum http_progress eddy__http_flush(struct http_connection *it);
/* Puts bytes there, for which there is room, that are no file's. */
void eddy__http_put(eddy_http_request *request, const void *bytes, size_t length);
/* Ends the answer where it is; whatever follows is not sent. */
void eddy__http_cut_answer(eddy_http_request *request, int error);
/* Frees the output, of which nothing is under way. */
void eddy__http_free_output(eddy_http_request *request);
/* What the handler gave is not needed any more, or given up. */
void eddy__http_forget_sources(eddy_http_request *request);

/* What is not sent moves to the beginning of `bytes`. */
void eddy__http_move_output(eddy_http_request *request, char *bytes, uint32_t size,
                            enum http_memory_kind kind);

/* --- http_file.c --- */

/* Begins to read a small file at once, in its handler. False: advance has to. */
bool eddy__http_start_file(eddy_http_request *request);
/* Reads the next piece of a file behind what has gathered, or waits for what that takes. */
void eddy__http_read_piece(eddy_http_request *request);
/* A big block goes to whoever has waited for one longest. */
void eddy__http_give_big(eddy_http *http, void *block);
void eddy__http_dequeue(eddy_http_request *request);

/* --- http_body.c --- */

/* Decides what follows the head. */
void eddy__http_begin_body(eddy_http_request *request);
/* Takes body bytes out of `bytes`; returns how many. Calls body_fn, after which anything may be. */
size_t eddy__http_take_body(eddy_http_request *request, const char *bytes, size_t length);
/* Tells body_fn that no more comes. */
void eddy__http_fail_body(eddy_http_request *request, int error);
/* The connection cannot go on behind a body that nobody will skip. */
bool eddy__http_body_ends_connection(const eddy_http_request *request);

/* --- http_path.c --- */

/* Decodes `target` up to its query into `path`, which holds `length` + 2 bytes. Returns 0 with the
 * length of the path and where the query begins, or 400 or 404. */
int eddy__http_path_decode(char *path, uint32_t *path_length, const char *target, uint32_t length,
                           uint32_t *query);

/* --- http_events.c --- */

void eddy__http_heartbeat(eddy_timer *timer);

static inline struct http_connection *http_connection_of(eddy_stream *stream) {
    return eddy_container_of(stream, struct http_connection, stream);
}

#endif
