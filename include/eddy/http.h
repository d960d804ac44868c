/* http.h: an HTTP/1.1 server on a loop (RFC 9110, RFC 9112). Not part of eddy.h, and linked only
 * into programs that use it. Loop thread only: the answer of another thread comes with eddy_post.
 *
 *     static void hello(eddy_http_request *request, void *context) {
 *         eddy_http_respond(request, 200, "Hello\n", 6);
 *     }
 *     ...
 *     eddy_http_open(&http, loop, NULL);
 *     eddy_http_handle(http, "GET", "/", hello, NULL);
 *     eddy_http_listen(http, &listener, address, length, 0, NULL);
 *
 * A handler is called once the head of a request is there, and ends the request, now or in any
 * later turn, with exactly one of: eddy_http_respond and its like, eddy_http_end after
 * eddy_http_start, eddy_http_upgrade, eddy_http_abort. From then on it may only be touched in its
 * `done` callback, after which it is gone. The requests of a connection are handled one after the
 * other, so that answers are in order; what a client sends meanwhile waits. If the client goes away
 * before the request is ended, `gone` is called, once; ending it is still the handler's business,
 * and harmless.
 *
 * Handlers that wait are in docs/13-http.md, one that asks other servers in docs/15-proxy.md.
 *
 * No callback runs inside a call of this header. Answers go out when the handler that gave them has
 * returned, those to pipelined requests together; those that are given elsewhere go out in phase 7.
 *
 * Memory comes from the server's allocator. A connection takes about 300 bytes while it waits for a
 * request. While it has one it takes 8 KiB more, for longer heads as much as the limits below
 * allow, for an answer that the client has not taken yet 16 KiB at most beside what the handler
 * itself has lent, and 16 KiB for what was sent too early. Of what requests have given back 8 KiB a
 * connection stay with the server, for the next ones, at least 1 MiB in all and at most 8. What
 * files are read into is shared by all (`buffer_bytes`), and stays. Whether the system has back
 * what the server gives back is the allocator's business: malloc keeps what is below a block in
 * use, which mapped pages for blocks of 8 KiB and more do not.
 * @since 0.1 */
#ifndef EDDY_HTTP_H
#define EDDY_HTTP_H

#include <eddy/stream.h>
#include <eddy/tcp.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_http eddy_http;
typedef struct eddy_http_request eddy_http_request;

typedef void eddy_http_fn(eddy_http_request *request, void *context);

/* How a request ended, for the log. */
typedef struct eddy_http_outcome {
    int status;         /* that was answered; 0: none, as the client had gone or was cut off */
    int error;          /* 0, or why the answer was cut, as -ECONNRESET */
    int64_t body_bytes; /* of the answer's body, as far as it was given to the kernel */
    int64_t taken_ns;   /* since the request's first byte */
} eddy_http_outcome;

/* Called for each request, also those that no handler was called for, before `done`. The request
 * may be asked for all that it has; what was not read of a head that is refused is NULL or empty.
 */
typedef void eddy_http_log_fn(eddy_http_request *request, const eddy_http_outcome *outcome,
                              void *context);

/* Answers for the server, as a handler does: `status` is why no handler can. If it cannot either
 * (eddy_http_abort, or an answer that is refused), the connection ends without an answer. Of a 405
 * the field Allow has been added. Also called for a request that a handler has answered with a
 * file, if that turns out to be unreadable before any of it is sent; what the handler has set for
 * `done` stands. */
typedef void eddy_http_error_fn(eddy_http_request *request, int status, void *context);

/* Zeros mean the defaults, which stand here. What a limit ends is answered with the status beside
 * it. All sizes count the line ends. */
typedef struct eddy_http_config {
    uint32_t line_bytes;    /* of a request line; 8 KiB; 414 */
    uint32_t field_bytes;   /* of a field line; 8 KiB; 431 */
    uint32_t fields_bytes;  /* of all field lines together; 32 KiB; 431 */
    uint32_t fields;        /* lines; 100, and not more than 128; 431 */
    uint64_t body_bytes;    /* of a body that a handler reads; 1 MiB; see eddy_http_read_body */
    uint64_t discard_bytes; /* of a body that nobody reads; 64 KiB. Beyond it the connection ends */
    uint32_t connections;   /* at once; 10,000. Further ones wait, see eddy_http_listen */
    uint32_t buffer_bytes;  /* of all buffers for files together; 4 MiB, at least 48 KiB */
    int64_t idle_ns;        /* until the first byte of a request; 60 s */
    int64_t head_ns;        /* from there to the end of its head; 60 s; 408 */
    int64_t body_ns;        /* in which some of a body has to come while it is read; 60 s */
    int64_t answer_ns;      /* in which the client has to take some of an answer; 60 s */
    /* A client that sends no more has gone, as nginx and Go have it: `gone` is called. Else it is
     * taken to wait for its answer, as one that half-closes does, until writing tells otherwise. */
    bool end_is_gone;
    const char *server; /* the field Server; "eddy"; "": none. Must stay */
    eddy_http_log_fn *log;
    eddy_http_error_fn *error;       /* NULL: a line of text */
    void *context;                   /* of both */
    const eddy_allocator *allocator; /* copied; NULL: the loop's */
    int64_t (*time_s)(void);         /* the time of day, in seconds since 1970; NULL: time(2) */
    void (*close)(int fd);           /* NULL: close(2) */
} eddy_http_config;

/* Makes a server on `loop`, without a listener. `config` may be NULL. Errors: -ENOMEM, -EINVAL (a
 * limit below 16 bytes, heads beyond 64 KiB, a negative time, more than 128 fields, a name of the
 * server beyond 63 bytes, or that no field can have). */
EDDY_API int eddy_http_open(eddy_http **http, eddy_loop *loop, const eddy_http_config *config);

/* Ends listening, lets requests that are being answered finish, and closes all other connections.
 * Then calls `fn`, once nothing is left: no connection, and no request that is not ended. Errors:
 * -EALREADY. */
EDDY_API int eddy_http_stop(eddy_http *http, void (*fn)(eddy_http *http, void *context),
                            void *context);

/* As eddy_http_stop, but nobody who is connected is turned away: each connection may still ask,
 * and is closed after its answer, which says so. It ends when all have left, or their time limits
 * have; to end it before, call eddy_http_stop, whose `fn` is called in place of this one's, or
 * eddy_http_cut. For a server whose sockets another process listens on as well, so that nobody is
 * lost when that takes over. Errors: -EALREADY, also when it has been stopped. */
EDDY_API int eddy_http_drain(eddy_http *http, void (*fn)(eddy_http *http, void *context),
                             void *context);

/* Cuts all connections off; those that were being answered get a reset. `fn` of eddy_http_stop, if
 * it was called, follows; without it, listening goes on. */
EDDY_API void eddy_http_cut(eddy_http *http);

/* Frees the server. Errors: -EBUSY, while listeners, connections or requests are left: stop first.
 */
EDDY_API int eddy_http_close(eddy_http *http);

/* The loop that it was opened on. */
EDDY_API eddy_loop *eddy_http_loop(const eddy_http *http);

/* --- Who may connect --- */

/* Its memory is the server's from eddy_http_listen until the server has stopped, also after
 * `failed`. Fields are private, but for `listener`: its address and counts may be asked for. */
typedef struct eddy_http_listener {
    eddy_listener listener;
    eddy_http *http;
    struct eddy_http_listener *next;
    void (*failed)(struct eddy_http_listener *listener, int status);
} eddy_http_listener;

/* Serves who connects to `address`, with the options of eddy_tcp_listen or, at a local address, of
 * eddy_local_listen (bytes, not records); as many listeners as you like. When all places are taken,
 * the connection that has waited longest for its first or next request makes room, then the one
 * whose head has been incomplete for longest; while all of them are being answered, listeners
 * pause, and clients wait in the kernel's backlog. `failed` (may be NULL) tells that a listener has
 * ended for good, and why. Errors: as eddy_tcp_listen or eddy_local_listen, -EINVAL (records),
 * -ECANCELED (stopped), -EALREADY (`listener` listens). */
EDDY_API int eddy_http_listen(eddy_http *http, eddy_http_listener *listener,
                              const struct sockaddr *address, socklen_t length, unsigned options,
                              void (*failed)(eddy_http_listener *listener, int status));

/* The same with a socket that listens already, as eddy_listener_attach has it. Errors, which leave
 * `fd` yours: as eddy_listener_attach, -ECANCELED (stopped). */
EDDY_API int eddy_http_attach(eddy_http *http, eddy_http_listener *listener, int fd,
                              void (*failed)(eddy_http_listener *listener, int status));

/* Serves a socket that a listener of yours has accepted, in this thread or another. Errors, which
 * leave `fd` yours: -ENOMEM, -EAGAIN (all places are taken by requests being answered), -ECANCELED
 * (stopped), or as eddy_stream_attach. */
EDDY_API int eddy_http_accept(eddy_http *http, int fd, const struct sockaddr *peer);

/* --- Who answers --- */

/* Has requests with `method` ("GET"; NULL: any) for `prefix` and what is below it handled by `fn`:
 * "/api" and "/api/" stand for the paths "/api" and "/api/…", and "/" for all but the "*" of
 * "OPTIONS *", which is a prefix of its own. The longest prefix decides, whatever the order, and
 * then an exact method goes before NULL. HEAD goes to who takes GET if nobody takes HEAD by name.
 * Where a prefix is known but not the method, the answer is 405 with Allow, or 501 for a method
 * that HTTP does not know, and 404 where no prefix is. `prefix` and `method` must stay. Errors:
 * -ENOMEM, -EINVAL (no "/" at the beginning, a method that is no token), -EEXIST. Looked for one by
 * one. */
EDDY_API int eddy_http_handle(eddy_http *http, const char *method, const char *prefix,
                              eddy_http_fn *fn, void *context);

/* --- What is asked for. All of it stays until `done` has returned. --- */

/* The server that it came to, its method ("GET"), and the minor version, 0 or 1, of HTTP/1. */
EDDY_API eddy_http *eddy_http_server(const eddy_http_request *request);
EDDY_API const char *eddy_http_method(const eddy_http_request *request);
EDDY_API int eddy_http_minor(const eddy_http_request *request);

/* The path, decoded once, beginning with "/", without empty, "." and ".." segments and NULs, so
 * that it names nothing above "/"; ended by a NUL. It ends in "/" if the target did. An escaped
 * slash is a 404 before any handler is called. "*" of OPTIONS. */
EDDY_API const char *eddy_http_path(const eddy_http_request *request);

/* As they came, not ended by a NUL: the target (of an absolute one what is behind its authority),
 * the query (without its "?"; NULL: none), and the whole request line, which is all that there may
 * be of a request that was refused. */
EDDY_API const char *eddy_http_target(const eddy_http_request *request, size_t *length);
EDDY_API const char *eddy_http_query(const eddy_http_request *request, size_t *length);
EDDY_API const char *eddy_http_line(const eddy_http_request *request, size_t *length);

/* Who was asked, "host" or "host:port": the authority of an absolute target, else the value of the
 * field Host, which may be empty; RFC 9112 §3.2.2 has the target's replace the field's. Not ended
 * by a NUL. NULL: neither came. Combines lines, as eddy_http_field does. */
EDDY_API const char *eddy_http_authority(const eddy_http_request *request, size_t *length);

/* The value of `name=value` in the query, decoded ("+" and %XX), ended, in `text`. Returns its
 * length, as snprintf does: if it is not less than `size` it was cut. Errors: -ENOENT (no such
 * name), -EINVAL (a bad escape, or a NUL). The first, if there are several. */
EDDY_API int eddy_http_query_value(const eddy_http_request *request, const char *name, char *text,
                                   size_t size);

/* The value of the field `name`, in whatever case; NULL if it did not come. Several lines are
 * combined, with ", " between them, or "; " for Cookie (RFC 9110 §5.3, RFC 9113 §8.2.3). */
EDDY_API const char *eddy_http_field(eddy_http_request *request, const char *name);

/* Walks the field lines, in their order and each by itself. `*position` starts at 0. False after
 * the last. Before eddy_http_field and eddy_http_authority: their first call combines all that
 * there are several of, and moves them. */
EDDY_API bool eddy_http_field_next(eddy_http_request *request, size_t *position, const char **name,
                                   size_t *name_length, const char **value);

/* Who asks. Of a local socket it is always an address without a name; who is behind it
 * eddy_local_peer_credentials tells, in the accept callback of a listener of yours
 * (eddy_http_accept). Of any other kind only the family is there. */
EDDY_API const struct sockaddr *eddy_http_peer(const eddy_http_request *request);

/* --- The body of the request --- */

/* What is announced: 0 without a body; -1: chunked, so nobody knows. */
EDDY_API int64_t eddy_http_body_length(const eddy_http_request *request);

/* `size` > 0: so many bytes at `data`, any number, decoded if they were chunked, there during the
 * call. 0: the end. Negative, and nothing more comes: -EMSGSIZE (a chunked body is too long: 413 is
 * due), -EBADMSG (it is not as announced: 400), -ETIMEDOUT (408), -ECONNRESET and its like. The
 * request has to be ended all the same, and the connection ends with it. */
typedef void eddy_http_body_fn(eddy_http_request *request, const void *data, ssize_t size,
                               void *context);

/* Has the body read: `fn` gets its pieces, from the loop. A client that waits for it is told "100
 * Continue". Of a body that nobody reads, or that is not read to its end before the request is
 * ended, the rest is skipped if it is not longer than `discard_bytes`. Errors: -EMSGSIZE (it is
 * longer than `limit`; 0 means the server's `body_bytes`), -EALREADY (it is read, or the
 * request was ended), -EPIPE (the client has gone). */
EDDY_API int eddy_http_read_body(eddy_http_request *request, uint64_t limit, eddy_http_body_fn *fn,
                                 void *context);

/* Nothing is read while a body is paused: the client has to wait. Idempotent. */
EDDY_API void eddy_http_pause_body(eddy_http_request *request);
EDDY_API void eddy_http_resume_body(eddy_http_request *request);

/* --- What is told of it. Each may be set at any time until the request is ended, NULL unsets. ---
 */

/* `done`: the request is over: all of its answer is with the kernel, or in the server's own
 * buffers, from where it goes out with what follows, or it was given up; what you have lent is
 * yours again, and then the request is gone. From the loop, once, whatever happens; also for a
 * request that is aborted. `gone`: the client has gone away before the request was ended; not where
 * a call that ended it has told so first, by -EPIPE. A client's close looks like a half-close,
 * after which it may still wait for its answer: whether that counts says `end_is_gone`, and if it
 * does the request may be answered all the same, in case it is heard. Where the backend cannot see
 * it (EDDY_CAN_HANGUP) it is found out when something is written. */
EDDY_API void eddy_http_on_done(eddy_http_request *request, eddy_http_fn *done, void *context);
EDDY_API void eddy_http_on_gone(eddy_http_request *request, eddy_http_fn *gone, void *context);

/* The context of `done`, NULL if none was set: for the server's functions for errors and the log.
 */
EDDY_API void *eddy_http_done_context(const eddy_http_request *request);

/* --- The answer. All of these return 0, or -EPIPE when the client has gone, -EALREADY when it has
 * begun or has been ended; where they end the request, they do so whatever they return. A HEAD, and
 * the statuses 204, 205 and 304, get no body, whatever is given. --- */

/* Adds a field to the head. Before the answer begins. The server's own are Date, Server,
 * Content-Length, Transfer-Encoding and Connection: -EINVAL, as for a name that is no token and for
 * control characters but tabs in a value. "Connection: Upgrade" is taken, for who adds an Upgrade
 * field: it goes into one line with what the server says of the connection. Errors also: -EMSGSIZE
 * (32 KiB of them), -ENOMEM. */
EDDY_API int eddy_http_add(eddy_http_request *request, const char *name, const char *value);

/* Takes back what has been added. */
EDDY_API void eddy_http_clear(eddy_http_request *request);

/* The connection is to end after this answer. Before the answer begins. */
EDDY_API void eddy_http_set_last(eddy_http_request *request);

/* The whole answer: `size` bytes at `body`, which are copied, or which stay with you until `done`.
 * `status` is 200 to 599. Errors also: -ENOMEM and -EINVAL, after which the client gets a 503 or a
 * 500. */
EDDY_API int eddy_http_respond(eddy_http_request *request, int status, const void *body,
                               size_t size);
EDDY_API int eddy_http_respond_lent(eddy_http_request *request, int status, const void *body,
                                    size_t size);

/* The same, with `length` bytes of a file from `offset` on. `fd` must stay open until `done`, and
 * is read by file requests (file.h), so that no disk holds up the loop. Of more than 48 KiB the
 * first few are read, and the kernel sends the rest (eddy_file_send). If it turns out to be
 * shorter, the answer is cut, or a 500 if nothing has been sent. */
EDDY_API int eddy_http_respond_file(eddy_http_request *request, int status, int fd, int64_t offset,
                                    int64_t length);

/* Begins an answer whose body comes in pieces: `length` bytes, or -1 if nobody knows, which is
 * chunked for a client of HTTP/1.1 and goes to the end of the connection for one of HTTP/1.0. The
 * head goes out with the first piece, or in phase 7. Errors also: -ENOMEM, -EINVAL. */
EDDY_API int eddy_http_start(eddy_http_request *request, int status, int64_t length);

/* Takes as much of `data` as there is room for, at least 4 KiB when nothing waits, and returns how
 * much: where the client gets no body, all of it, so that a loop which writes until there is no
 * room has no end. If that was not all, the callback of eddy_http_on_drained says when to go on.
 * Errors: -EPIPE, -EAGAIN (no room), -EMSGSIZE (more than the length that was announced), -EINVAL
 * (no answer has begun). */
EDDY_API ssize_t eddy_http_write(eddy_http_request *request, const void *data, size_t size);

/* The next piece is a part of a file, as of eddy_http_respond_file. One at a time: nothing can be
 * written behind it (-EAGAIN) until it is with the kernel, which is told as drained. Errors: as
 * eddy_http_write. */
EDDY_API int eddy_http_write_file(eddy_http_request *request, int fd, int64_t offset,
                                  int64_t length);

/* There is room again, after a write that did not take all; always, after eddy_http_write_file. */
EDDY_API void eddy_http_on_drained(eddy_http_request *request, eddy_http_fn *drained,
                                   void *context);

/* The body is complete. If it is shorter than announced the answer is cut. Errors also: -EINVAL (no
 * answer has begun), after which the client gets a 500. */
EDDY_API int eddy_http_end(eddy_http_request *request);

/* Ends a request that cannot be answered: a 500 if the answer has not begun; else it is cut, which
 * its length or its chunks show to the client: the connection ends without the rest. */
EDDY_API void eddy_http_abort(eddy_http_request *request);

/* --- Event streams (text/event-stream, of HTML's server-sent events) --- */

/* Begins an answer of status 200 that is a stream of events, and adds Content-Type and
 * Cache-Control: no-store to its fields. It goes on until it is ended, also that to a HEAD, and
 * also when the server is stopped. Each `heartbeat_ns` without an event a comment is sent, so that
 * nobody between takes the connection for dead, and one that is dead is found out; 0: never.
 * Errors: as eddy_http_start. */
EDDY_API int eddy_http_start_events(eddy_http_request *request, int64_t heartbeat_ns);

/* Sends an event, whole or not at all. `type` and `id` may be NULL; each line of `data` becomes a
 * line of it. Errors: -EAGAIN (the client does not keep up: drop it or wait for drained), -EINVAL
 * (a line end in `type` or `id`), -EMSGSIZE (more than 8 KiB in all), -EPIPE. */
EDDY_API int eddy_http_event(eddy_http_request *request, const char *type, const char *id,
                             const char *data, size_t size);

/* --- Another protocol --- */

/* Gets the connection after a 101: `fd` is yours, and does not block; `size` bytes that the client
 * has sent already are at `data`, there during the call. `fd` -1: the client has gone. */
typedef void eddy_http_upgrade_fn(int fd, const void *data, size_t size, void *context);

/* Ends the request with 101, "Connection: Upgrade" and the fields that were added, Upgrade among
 * them, and hands the connection over once that is with the kernel. Whether the client has asked
 * for that protocol (its field Upgrade) is for the handler to see. Errors also: -EINVAL (a request
 * with a body that was not read, or of HTTP/1.0), after which the client gets a 500. */
EDDY_API int eddy_http_upgrade(eddy_http_request *request, eddy_http_upgrade_fn *fn, void *context);

/* --- Counts --- */

typedef struct eddy_http_counts {
    uint64_t connections;  /* accepted so far */
    uint64_t requests;     /* whose head was complete or refused */
    uint64_t evicted;      /* connections that made room for others */
    uint64_t refused;      /* requests that no handler was called for */
    uint64_t gone;         /* clients that went before their request was over */
    uint64_t timed_out;    /* connections and requests that a time limit ended */
    uint32_t open;         /* connections just now */
    uint32_t answering;    /* of these, with a request that is not over */
    uint64_t memory_bytes; /* that the server holds just now */
} eddy_http_counts;

/* Copies the counts: as much as `size` says, which is sizeof *counts. What a caller knows beyond
 * this library is zeroed. */
EDDY_API void eddy_http_read_counts(const eddy_http *http, eddy_http_counts *counts, size_t size);

/* --- Odds and ends. Any thread. --- */

/* "Not Found"; "" for a status without a name. */
EDDY_API const char *eddy_http_reason(int status);

enum { EDDY_HTTP_DATE_BYTES = 30 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" and its end */

/* A date as HTTP has it (RFC 9110 §5.6.7), without locale and time zone. Times outside of 1970 to
 * 9999 become the nearest one inside. */
EDDY_API void eddy_http_date_format(char text[EDDY_HTTP_DATE_BYTES], int64_t time_s);

/* Reads any of the three forms, strictly: the weekday has to fit. A year of two digits is in 1970
 * to 2069. Errors, which leave `*time_s` alone: -EINVAL. */
EDDY_API int eddy_http_date_parse(const char *text, size_t length, int64_t *time_s);

#ifdef __cplusplus
}
#endif
#endif
