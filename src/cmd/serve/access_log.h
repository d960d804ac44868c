/* access_log.h: the log of one loop: a line for each request, gathered in blocks for the writer of
 * the program (log_writer.h).
 *
 * A block goes to the writer once a turn, or when it is full; while one is with the writer, those
 * that are full. Memory: two blocks, and up to ACCESS_LOG_BLOCKS (1 MiB) while the writer is
 * behind. Beyond that lines are lost, and counted: a server is there for its clients first. So that
 * nobody can keep the requests of others out of the log, only the first half of the memory is
 * whoever's comes first: of the other half each of PEER_GROUPS groups of addresses, which nobody
 * knows, has a share of its own. Threading: a log belongs to one loop. */
#ifndef EDDY_CMD_SERVE_ACCESS_LOG_H
#define EDDY_CMD_SERVE_ACCESS_LOG_H

#include <eddy.h>

#include "access_line.h"
#include "log_writer.h"

enum {
    ACCESS_LOG_BLOCKS = 16,
    ACCESS_LOG_BYTES = ACCESS_LOG_BLOCKS * LOG_BLOCK_BYTES,
    PEER_GROUPS = 64,
};

struct access_log {
    eddy_loop *loop;
    struct log_writer *writer; /* NULL: nothing is logged */
    enum access_format format;
    bool trusts_proxy;
    eddy_defer flush;
    eddy_wake returned;         /* blocks, from the writer's thread … */
    struct log_passage passage; /* … by here */
    struct log_block *filling, *spare;
    unsigned blocks, out; /* that there are, and that are with the writer */
    bool is_shared_out;   /* `taken` holds something */
    uint64_t seed;
    uint16_t taken[PEER_GROUPS]; /* bytes of the second half of the memory */
    struct access_stamp stamp;
};

struct access_log_config {
    eddy_loop *loop;
    struct log_writer *writer; /* NULL: lines are thrown away */
    enum access_format format;
    bool trusts_proxy;
};

/* Errors: -ENOMEM, or as eddy_wake_start. */
int access_log_open(struct access_log *log, const struct access_log_config *config);
void access_log_put(struct access_log *log, const struct access_line *line);

/* Hands everything over at once: no more lines are to come. */
void access_log_flush(struct access_log *log);
void access_log_close(struct access_log *log); /* once its loop has ended, before the writer */

#endif
