/* context.h: what the connections of one loop share: what is served, the time, the log, files that
 * are kept open, memory. A context knows neither connections nor their server: it is where they
 * find each other (on_opened, on_closed).
 * Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_CONTEXT_H
#define EDDY_CMD_SERVE_CONTEXT_H

#include <eddy.h>

#include "access_log.h"
#include "file_cache.h"
#include "free_list.h"
#include "http_date.h"

struct connection;

struct connection_list {
    struct connection *first, *last;
};

struct context {
    eddy_loop *loop;
    int root; /* the directory that is served; the caller's */
    int64_t timeout_ns;
    bool is_stopping; /* no new requests */
    bool is_crowded;  /* answers end their connections, so that others get a place */

    struct connection_list busy; /* and those that have not asked yet */
    struct connection_list idle; /* between two requests, the longest idle last */
    unsigned connection_count;   /* of both lists */
    /* Set by the server: there is a connection more, and one less. */
    void (*on_opened)(struct context *context);
    void (*on_closed)(struct context *context);

    struct free_list spare_connections, spare_exchanges, spare_outputs;
    struct access_log log;
    struct file_cache cache;
    eddy_timer expiry; /* of what the cache holds; runs while it holds something */
    int64_t date_s;    /* the second that `date` shows */
    char date[HTTP_DATE_BYTES];
    uint64_t random_state;
};

struct context_config {
    eddy_loop *loop; /* stays the caller's, as does the root */
    int root;
    int64_t timeout_ns;
    unsigned cached_files;
    uint64_t seed; /* of its random numbers */
    bool log;
};

/* Errors: -ENOMEM. The callbacks and the lists of free memory are the caller's to set up. */
int context_open(struct context *context, const struct context_config *config);
void context_close(struct context *context); /* once the loop has ended … */
void context_free(struct context *context);  /* … and once it has been closed */

/* The time of day, and the Date of an answer that is made now. */
int64_t context_now_s(struct context *context);
const char *context_date(struct context *context);
/* Clients that have seen other numbers cannot guess the next. */
uint64_t context_random(struct context *context);

/* As file_cache_add; sees to it that the file is closed in time. */
struct cached_file *context_keep_file(struct context *context, const char *path, int fd,
                                      const eddy_stat *stat);

#endif
