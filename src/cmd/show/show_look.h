/* show_look.h: what the observed loop holds at one moment, copied out in its own thread, from where
 * the serving one takes it. Bounded, however much there is. */
#ifndef EDDY_CMD_SHOW_LOOK_H
#define EDDY_CMD_SHOW_LOOK_H

#include <eddy.h>
#include <eddy/http.h>

#include "show_window.h"

enum { LOOK_TIMERS = 8, LOOK_FDS = 24, LOOK_JOBS = 8, LOOK_LABEL_BYTES = 24, LOOK_CLIENTS = 32 };

struct show_look {
    int64_t time_ns;
    unsigned opened; /* how often the loop has been opened: counts begin anew each time */
    const char *backend;
    eddy_metrics metrics;
    eddy_pool_metrics pool;
    eddy_http_counts http;
    struct show_figures lag, late;
    int64_t late_last_ns;
    unsigned pool_threads;
    unsigned timer_count, fd_count, inbox, deferred, closing, job_count;
    struct {
        char label[LOOK_LABEL_BYTES];
        int64_t due_ns;
    } timers[LOOK_TIMERS]; /* the next ones, in order */
    struct {
        char label[LOOK_LABEL_BYTES];
        int fd;
    } fds[LOOK_FDS];
    struct {
        char label[LOOK_LABEL_BYTES];
        int64_t since_ns; /* 0: it is queued, or nobody knows */
        int lane;         /* -1: nobody knows */
    } jobs[LOOK_JOBS];
};

/* Names for the connections of the observed server, whose streams are inside of it. */
struct show_clients {
    struct show_client {
        eddy_label label;
        void *stream; /* NULL: the place is free */
        int fd;
        bool is_seen;
        char text[LOOK_LABEL_BYTES];
    } all[LOOK_CLIENTS];
    unsigned next; /* number of a connection */
};

void show_clients_init(struct show_clients *clients, eddy_loop *loop);
void show_clients_end(struct show_clients *clients);

/* Since when a job runs, and in which lane; false: it is none of ours. */
typedef bool show_job_fn(const void *work, int64_t *since_ns, int *lane, void *context);

/* Walks the loop and fills in what it tells, and names the connections that have no name yet. */
void show_look_take(struct show_look *look, eddy_loop *loop, struct show_clients *clients,
                    show_job_fn *job, void *context);

#endif
