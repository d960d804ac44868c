/* server.h: one loop that serves: its listener, and how many connections it lets in.
 *
 * The files of the server stand in layers. Each includes the headers of lower layers only, and
 * calls upwards only through a function pointer that the upper layer has set:
 *
 *     serve_command         a server for each loop; signals and threads
 *     server                the listener, limits, stopping
 *     connection            a client: bytes in, deadlines, opening and closing
 *     file_handler          from a request to the file that answers it
 *     listing               the page of a directory
 *     answer                the head and body of an answer
 *     exchange              the request and the answer under way, and what they hold
 *     output                bytes out
 *     context               what the connections of one loop share
 *     access_log, file_cache, free_list; system; http_*, which are pure functions
 *
 *     context->on_opened, on_closed    to the server      there is a connection more, or one less
 *     exchange->advance                to the connection  a file request has moved an exchange on
 *     output->on_flushed               to the connection  the socket has taken what it first did
 * not page->free                       to the listing     its page is sent
 *
 * Threading: a server belongs to the thread that runs its loop. Others may only send `stop`, and
 * set `stop_level` before. */
#ifndef EDDY_CMD_SERVE_SERVER_H
#define EDDY_CMD_SERVE_SERVER_H

#include <eddy.h>

#include "context.h"

/* How much is to be stopped. */
enum {
    SERVER_RUNS,
    SERVER_FINISHES, /* no new connections or requests; running transfers go on for a while */
    SERVER_ENDS,     /* transfers are cut off */
};

struct server_config {
    int root; /* the directory; stays the caller's */
    const char *backend;
    eddy_pool *pool;
    unsigned connections_max;
    int64_t timeout_ns;
    unsigned cached_files; /* kept open for a second each; 0: none */
    bool log;
};

struct server {
    struct server_config config;
    struct context context;
    eddy_listener listener;
    eddy_timer grace; /* between SERVER_FINISHES and SERVER_ENDS, then until the loop is left */
    eddy_wake stop;
    EDDY_ATOMIC(int) stop_level;
    int error;      /* why the listener has failed, or 0 */
    bool is_full;   /* connections_max reached: the listener is paused */
    bool is_ending; /* transfers have been cut off */
};

/* Opens the loop. Errors as of eddy_loop_open, or -ENOMEM. Nothing is left open after an error. */
int server_open(struct server *server, const struct server_config *config);

/* Errors as of eddy_tcp_listen. */
int server_listen(struct server *server, const struct sockaddr_storage *address, socklen_t length,
                  unsigned listen_options);

/* Serves until it has been stopped. Returns 0, or what the backend's wait gave. */
int server_run(struct server *server);

/* Any thread. */
void server_stop(struct server *server, int level);

/* Frees everything. Errors: -EBUSY, and then nothing is freed: a file request is stuck in the
 * kernel, and will still write into our memory when it comes back. */
int server_close(struct server *server);

#endif
