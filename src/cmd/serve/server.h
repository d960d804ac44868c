/* server.h: one loop that serves: its listener, its connections, its memory.
 * Threading: a server belongs to the thread that runs its loop. Others may only send `stop`, and
 * set `stop_level` before. */
#ifndef EDDY_CMD_SERVE_SERVER_H
#define EDDY_CMD_SERVE_SERVER_H

#include <eddy.h>

#include "access_log.h"
#include "file_cache.h"
#include "http_date.h"
#include "stock.h"

struct connection;

struct connection_list {
    struct connection *first, *last;
};

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
    eddy_loop *loop;
    eddy_listener listener;
    eddy_timer grace; /* between SERVER_FINISHES and SERVER_ENDS, then until the loop is left */
    eddy_wake stop;
    EDDY_ATOMIC(int) stop_level;
    int error; /* why the listener has failed, or 0 */
    bool is_stopping;
    bool is_ending;
    bool is_full;    /* connections_max reached: the listener is paused */
    bool is_crowded; /* has been full, and is not yet down to 3/4 of it */

    struct connection_list busy; /* and those that have not asked yet */
    struct connection_list idle; /* between two requests, the longest idle last */
    unsigned connection_count;   /* of both lists */

    struct stock connection_stock;
    struct stock exchange_stock;
    struct stock output_stock;

    struct access_log log;
    struct file_cache cache;
    eddy_timer expiry; /* of what it holds; runs while it holds something */
    int64_t date_s;    /* the second that `date` shows */
    char date[HTTP_DATE_BYTES];
    uint64_t random_state;
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

/* Frees everything. Errors: -EBUSY, and then nothing is freed: a file request hangs in the kernel,
 * and will still write into our memory when it comes back. */
int server_close(struct server *server);

/* For connections: */

/* The time of day, and the Date of an answer that is made now. */
int64_t server_now_s(struct server *server);
const char *server_date(struct server *server);
/* Not to be guessed by who has seen others. */
uint64_t server_random(struct server *server);
/* Takes a new connection in; lets one go, and takes its memory back. */
void server_admit(struct server *server, struct connection *connection);
void server_forget(struct server *server, struct connection *connection);
/* It waits for its client's next request, or has one. */
void server_set_idle(struct server *server, struct connection *connection, bool is_idle);

/* Something was put into the cache, and has to be closed in time. */
void server_expect_expiry(struct server *server);

#endif
