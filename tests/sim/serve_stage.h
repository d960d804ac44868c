/* serve_stage.h: a server in the simulation, from its files to its end: for serve.c, which lets
 * clients loose on it, and for tests/fuzz, which gives it bytes. */
#ifndef EDDY_TESTS_SIM_SERVE_STAGE_H
#define EDDY_TESTS_SIM_SERVE_STAGE_H

#include <netinet/in.h>
#include <stdbool.h>

#include "server.h"

struct serve_stage {
    struct server server;
    eddy_pool *pool;
    struct sockaddr_in address; /* where it listens */
    int standard[3], root;
    bool is_over;       /* it has ended */
    int level;          /* of what it was told to stop */
    int64_t stopped_ns; /* when it was first told to, or 0 */
    int64_t cut_ns;     /* when it was told to do so at once, or 0 */
};

/* Puts the files and opens what serves them: `config` without the root and the pool. What fails is
 * tried again. */
void serve_stage_open(struct serve_stage *stage, const struct server_config *config,
                      unsigned pool_threads, size_t large_bytes);
/* Any thread. */
void serve_stage_stop(struct serve_stage *stage, int level);
/* Serves until it has been stopped, and checks that it ends in time and leaves nothing. */
void serve_stage_run(struct serve_stage *stage);
/* Checks that nothing grows beyond its bounds. */
void serve_stage_check(const struct serve_stage *stage);
void serve_stage_close(struct serve_stage *stage);

/* What was written to the log, whole lines of what a terminal may be shown. Returns how many. */
unsigned serve_stage_log_lines(void);

#endif
