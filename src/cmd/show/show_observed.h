/* show_observed.h: the loop that is shown, in a thread of its own: a small HTTP server, a ticker of
 * 10 ms, and the scenes. Another backend or another pool is had by closing it and opening it anew;
 * its socket stays, so that clients wait in the backlog meanwhile.
 *
 * Nothing here waits for who looks. Others leave actions, which a post has taken; and a look is
 * taken by a post too, at most one at a time.
 * Threading: each function says whose it is. */
#ifndef EDDY_CMD_SHOW_OBSERVED_H
#define EDDY_CMD_SHOW_OBSERVED_H

#include <netinet/in.h>

#include "show_look.h"
#include "show_scenes.h"
#include "show_stalls.h"
#include "show_watch.h"

enum {
    OBSERVED_ACTIONS = 64,
    OBSERVED_TRACE_BYTES = 4 << 20,
    OBSERVED_POOL_MAX = 64,
};

enum show_action_kind { ACTION_SCENE, ACTION_BACKEND, ACTION_POOL };

struct show_action {
    enum show_action_kind kind;
    enum show_scene scene;
    bool on;
    unsigned threads;
    const char *backend; /* of eddy_backend_at, which stay */
};

struct show_observed {
    struct show_board *board;
    const char *postgres;
    pthread_t thread;
    int socket; /* that listens, for all loops in turn */
    struct sockaddr_storage address;
    socklen_t address_length;
    struct show_watch watch;
    struct show_stalls stalls;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* `opened` or `error` */
    /* All of these: lock. */
    eddy_loop *loop; /* NULL: just being opened anew */
    unsigned opened;
    int error; /* why it has ended */
    bool is_ending;
    struct show_action actions[OBSERVED_ACTIONS];
    unsigned action_count;
    bool is_kicked, is_asked;
    int64_t asked_ns;      /* of a look that has not come */
    struct show_look look; /* the last one */

    pthread_mutex_t trace_lock; /* held by who reads the trace; taken by the loop only to open it */
    eddy_trace *trace;          /* trace_lock; NULL: there is none just now */
    unsigned trace_opened;      /* trace_lock; how often */

    /* The observed thread's. */
    eddy_post kick, ask;
    const char *backend;
    unsigned threads;
    bool is_reopening;
    eddy_pool *pool;
    eddy_http *http;
    eddy_http_listener listener;
    eddy_timer ticker;
    int64_t tick_due_ns, late_last_ns;
    struct show_window late;
    struct show_look taken;
    eddy_label labels[4];
    struct show_clients clients;
    struct show_scenes scenes;
    void *trace_memory;
    char *large; /* what a client that asks for much gets */
};

/* Starts the thread and waits until its loop is open. `backend` may be NULL. Errors: as
 * eddy_loop_open, eddy_http_open, eddy_trace_open, eddy_watchdog_start, of sockets and threads.
 * Serving thread. */
int show_observed_start(struct show_observed *observed, struct show_board *board,
                        const char *backend, const char *postgres);
/* Ends it, also while it is held, and waits for its thread. Serving thread. */
void show_observed_end(struct show_observed *observed);

/* Leaves an action for it. Errors: -EAGAIN (too many wait). Any thread. */
int show_observed_do(struct show_observed *observed, const struct show_action *action);

/* Asks for a look, if none is asked for, and copies the last one. Returns for how long the one that
 * was asked for before has been waiting. Any thread. */
int64_t show_observed_look(struct show_observed *observed, struct show_look *look);

/* Why it has ended by itself; 0: it has not. Any thread. */
int show_observed_error(struct show_observed *observed);

#endif
