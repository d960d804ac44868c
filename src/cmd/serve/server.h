/* server.h: one loop that serves: its listeners, and how many connections it lets in.
 *
 * The files of the server stand in layers. Each includes the headers of lower layers only:
 *
 *     serve_command         from start to end, and threads; serve_start, serve_signals
 *     account, hosts, port, sockets, stalls, successor; serve_options, policy_load
 *     server                listening, stopping
 *     monitor               figures of the loops: a line, a page
 *     file_handler          from a request to the file that answers it
 *     listing               the page of a directory
 *     survey                what is in a directory
 *     answer, parts         the head and body of an answer
 *     lookup                the file that a path leads to, once for all who ask in a turn
 *     exchange              what a request holds until its answer is over
 *     entries               of a directory, packed
 *     context               what the requests of one loop share
 *     access_log            the lines of one loop
 *     log_writer            the one that writes those of all loops
 *     file_cache, known_files, free_list, page_memory; system; and pure functions: accept,
 *     access_line, conditional, etag, figures, listing_order, listing_page, metrics_page, mime,
 *     multipart, page_frame, path_key, policy, range, stats_line, status_page, text
 *
 * Below them is the library's HTTP server (eddy/http.h), which has the connections.
 *
 * Threading: a server belongs to the thread that runs its loop. Others may only send `stop`, and
 * set `stop_level` before. */
#ifndef EDDY_CMD_SERVE_SERVER_H
#define EDDY_CMD_SERVE_SERVER_H

#include <eddy.h>
#include <eddy/http.h>

#include "context.h"
#include "monitor.h"

/* How much is to be stopped. */
enum {
    SERVER_RUNS,
    SERVER_DRAINS,   /* no new connections; each that there is may still ask once, for a while */
    SERVER_FINISHES, /* no new connections or requests; running transfers go on for a while */
    SERVER_ENDS,     /* transfers are cut off */
};

enum { SERVER_LISTENERS_MAX = 16 };

struct server_config {
    int root; /* the directory; stays the caller's */
    const char *backend;
    eddy_files_kind files;
    eddy_pool *pool;
    unsigned connections_max;
    int64_t timeout_ns;
    int64_t grace_ns;      /* for running transfers when it finishes; 0: 10 s */
    unsigned cached_files; /* kept open for a second each; 0: none */
    bool log;
    struct log_config log_config; /* zeros: the common format to stdout */
    bool stays;                   /* the loop ends after server_let_end, not before */
    const struct policy *policy;  /* what is served, and how; the caller's; NULL: policy_default */
    struct monitor_board *board;  /* where its figures are shown; NULL: it is not measured */
};

struct server {
    struct server_config config;
    struct context context;
    eddy_http *http;
    struct monitor *monitor; /* NULL: there is none */
    struct server_listener {
        eddy_http_listener http;
        struct server *server;
    } listeners[SERVER_LISTENERS_MAX];
    unsigned listener_count;
    eddy_timer grace; /* between SERVER_FINISHES and SERVER_ENDS, then until the loop is left */
    eddy_wake stop;
    EDDY_ATOMIC(int) stop_level;
    int error; /* why a listener has failed, or 0 */
    bool is_draining, is_finishing, is_ending;
    bool is_over; /* nothing is left to serve, or soon nothing */
};

/* Opens the loop. Errors as of eddy_loop_open, or -ENOMEM. Nothing is left open after an error. */
int server_open(struct server *server, const struct server_config *config);

/* Listens on one more address. Errors as of eddy_tcp_listen, -ENOSPC (there are as many as it
 * takes).
 */
int server_listen(struct server *server, const struct sockaddr_storage *address, socklen_t length,
                  unsigned listen_options);

/* Listens on a socket that listens already, which is the server's then. Errors, which leave it
 * yours: as eddy_listener_attach, -ENOSPC. */
int server_attach(struct server *server, int fd);

/* Serves until it has been stopped. Returns 0, or what the backend's wait gave. */
int server_run(struct server *server);

/* That are open just now. */
unsigned server_connections(const struct server *server);

/* Its loop may end, as others that use its log have ended. Loop thread only. */
void server_let_end(struct server *server);

/* Any thread. */
void server_stop(struct server *server, int level);

/* Frees everything. Errors: -EBUSY, and then nothing is freed: a file request is stuck in the
 * kernel, and will still write into our memory when it comes back. */
int server_close(struct server *server);

#endif
