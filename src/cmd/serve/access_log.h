/* access_log.h: a line for each request, in the Common Log Format, to stdout.
 *
 * Lines gather in memory and are written once a turn by a thread of the pool, so that a reader of
 * stdout that has stalled holds up no client. When it has stalled for so long that the memory is
 * full, lines are dropped and counted: a server is there for its clients first.
 * Threading: a log belongs to one loop; the writes of several loops do not tear lines, as each ends
 * with one. */
#ifndef EDDY_CMD_SERVE_ACCESS_LOG_H
#define EDDY_CMD_SERVE_ACCESS_LOG_H

#include <eddy.h>

enum { ACCESS_LOG_BYTES = 64 * 1024 }; /* of lines while others are being written */

struct access_log {
    eddy_file write;
    eddy_defer flush;
    eddy_loop *loop;
    char *filling, *writing; /* NULL: nothing is logged */
    size_t used, writing_bytes;
    uint64_t dropped; /* lines */
    bool is_writing;
    int64_t stamp_s; /* the second that `stamp` shows */
    char stamp[32];
};

struct access_line {
    const struct sockaddr *peer;
    const char *request; /* the request line as it came; NULL: none came */
    size_t request_length;
    int status;
    int64_t body_bytes;
};

/* Errors: -ENOMEM. With `enabled` false, lines are thrown away. */
int access_log_open(struct access_log *log, eddy_loop *loop, bool enabled);
static inline bool access_log_is_on(const struct access_log *log) {
    return log->filling != NULL;
}
void access_log_put(struct access_log *log, const struct access_line *line);
void access_log_close(struct access_log *log); /* once its loop has ended */

#endif
