/* serve_program.h: what the files of the command share. serve_command.c has the threads, and the
 * order of things; serve_start.c opens loops and listens, serve_signals.c has what signals do.
 * Threading: a program is the main thread's, but for `running` and `error`. */
#ifndef EDDY_CMD_SERVE_SERVE_PROGRAM_H
#define EDDY_CMD_SERVE_SERVE_PROGRAM_H

#include <pthread.h>
#include <stdatomic.h>

#include "account.h"
#include "hosts.h"
#include "policy_load.h"
#include "serve_options.h"
#include "serve_trace.h"
#include "server.h"
#include "sockets.h"
#include "stalls.h"
#include "successor.h"

struct program;

/* A server and the thread it runs on, which for the first one is the main thread. */
struct server_thread {
    struct server server;
    struct program *program;
    pthread_t id;
};

struct program {
    char **arguments; /* all of them, the program's name first */
    struct options options;
    struct account account; /* if options.user is set */
    struct made_policy policy;
    struct host_address addresses[HOST_ADDRESSES_MAX];
    unsigned address_count;
    unsigned port_count;    /* the first of them, which have a port */
    struct sockets sockets; /* that listen; to be handed on */
    int root;
    eddy_pool *pool;
    struct monitor_board *board; /* NULL: nothing is measured */
    struct stalls stalls;
    struct server_thread *threads; /* options.loops of them */
    unsigned opened, started;      /* how many have a server, and a thread */
    struct log_file log_file;
    struct serve_trace trace;
    struct serve_traced *traced;                               /* options.loops of them */
    eddy_signal interrupt, terminate, reopen, reload, restart; /* in the first loop */
    struct successor successor;                                /* the same */
    eddy_wake ended;               /* a server of another thread has ended */
    EDDY_ATOMIC(unsigned) running; /* threads */
    int stop_level;
    EDDY_ATOMIC(int) error; /* the first that a server ended with, or 0 */
};

/* Says so on stderr. Returns 1, the exit status. */
int program_fail(int error, const char *what, const char *name);

/* --- serve_start.c. These return the exit status: 0, or what is wrong has been said. --- */

int program_find_addresses(struct program *program);
int program_open_log(struct program *program);
int program_open_servers(struct program *program);
int program_listen(struct program *program);

/* The watchdog, for all loops, if it was asked for. Errors: as stalls_open. */
int program_guard(struct program *program);

/* The names of --unix whose sockets another process has handed on are this one's to remove from now
 * on. The other one leaves them once it hears that it has been taken over. */
void program_own_names(struct program *program);
void program_leave_names(struct program *program);

/* --- serve_signals.c --- */

/* Has all servers stop, if they do not already. */
void program_stop(struct program *program, int level);

/* Errors: as eddy_signal_start. */
int program_watch_signals(struct program *program);
void program_unwatch_signals(struct program *program);

#endif
