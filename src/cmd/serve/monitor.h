/* monitor.h: measures the loops of a program: a line on stderr now and then (--stats), and a page
 * for Prometheus (--metrics). Each loop has a monitor, and all of them a board.
 *
 * Nobody waits for another loop: each shows its figures once a second (figures.h), and the one that
 * is asked puts those of all together, its own as of now. That is 250 KiB a loop, and 150 KiB more
 * while somebody asks.
 * Threading: a board is filled before its loops run, and empty after; monitors are their loops',
 * but for `window`. The line is the first loop's. */
#ifndef EDDY_CMD_SERVE_MONITOR_H
#define EDDY_CMD_SERVE_MONITOR_H

#include "context.h"
#include "metrics_page.h"

/* All zeros at first, but for the first three. */
struct monitor_board {
    const char *path;     /* of the page; NULL: there is none */
    unsigned period_s;    /* from line to line; 0: there are none */
    eddy_pool *pool;      /* that the loops share, */
    eddy_pool_stats jobs; /* and how it does */
    unsigned count;
    struct monitor *monitors[METRICS_LOOPS_MAX];
    EDDY_ATOMIC(int64_t) period_ns; /* when the time began that the next line tells of */
    /* As the last line had it: */
    uint64_t told_requests;
    eddy_histogram told_lag, told_wait;
};

struct monitor {
    struct monitor_board *board;
    struct context *context;
    eddy_http *http;
    eddy_timer tick, line;
    eddy_stats stats;
    struct figures own; /* as shown last */
    struct figures_window window;
};

/* Measures the loop of `context` and `http`, and takes over the requests for the board's path.
 * Errors, after which nothing is open: -ENOMEM, or as eddy_http_handle. */
int monitor_open(struct monitor **monitor, struct monitor_board *board, struct context *context,
                 eddy_http *http);

/* Once its loop has ended, and those of the others. NULL: nothing. */
void monitor_close(struct monitor *monitor);

#endif
