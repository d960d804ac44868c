/* successor.h: the process that takes over: this program, started again with the same arguments and
 * with the sockets, so that no connection is refused in between.
 *
 * It is found as it was the first time, so that a new version is taken where the file has been
 * replaced. When it is ready to serve it writes a byte into a pipe; if it ends before, nothing has
 * changed. Threading: the loop's, which is the main thread's. */
#ifndef EDDY_CMD_SERVE_SUCCESSOR_H
#define EDDY_CMD_SERVE_SUCCESSOR_H

#include <eddy.h>
#include <sys/types.h>

#include "sockets.h"

struct successor {
    pid_t pid; /* that is being started, or 0 */
    int pipe;  /* from which its byte comes, while it is */
    eddy_io ready;
    eddy_signal ended;
    void (*took_over)(struct successor *successor);
};

void successor_init(struct successor *successor, eddy_loop *loop);

/* Starts it; `arguments` is the whole vector of main. `took_over` follows once it is ready; that it
 * has failed is said on stderr. Errors: -EALREADY (one is being started), as of pipe(2) and
 * posix_spawnp(3), or as eddy_io_start. */
int successor_start(struct successor *successor, char **arguments, const struct sockets *sockets,
                    void (*took_over)(struct successor *successor));

/* Ends one that is being started: SIGTERM. Nothing if there is none. */
void successor_cancel(struct successor *successor);

#endif
