/* operations.h: what the files of `operations` share.
 *
 *   operations.c   the choices, the desks (a loop each), and the end of it all
 *   op_time.c      timers, hooks, deferred calls
 *   op_calls.c     wakes, posts, signals, and the thread that sends them
 *   op_watch.c     watchers of descriptors
 *   op_wire.c      what they watch
 *   op_work.c      jobs and pools
 *   op_file.c      file requests
 *   op_stream.c    streams
 *   op_reader.c    readers
 *   op_child.c     children
 *   op_terminal.c  terminals
 *   op_resize.c    and watchers of their size
 *   op_ear.c       listeners, and what is at the other ends of streams
 *   op_fork.c      a fork, and what the models become in the child
 *
 * Each of them has a model of what it started, does one random operation when asked, and looks in
 * its callbacks whether the model knows of them. Any callback may do further operations. */
#ifndef EDDY_TESTS_SIM_OPERATIONS_H
#define EDDY_TESTS_SIM_OPERATIONS_H

#include "ledger.h"
#include "programs.h"

#include <errno.h>

enum {
    DESKS = 3,
    POOLS = 2,
    TIMERS = 4,
    HOOKS = 4,
    DEFERS = 4,
    WAKES = 3,
    SIGNALS = 3,
    JOBS = 6,
    QUEUES = 2,
    ACTORS = 3,
    STREAMS = 4,
    READERS = 2,
    CHILDREN = 3,
    RESIZES = 2,
};

/* A loop, and what is on it. Objects are blocks of the ledger; NULL: not there. */
struct desk {
    struct party party;
    unsigned number;
    unsigned in;           /* the phases that the callback under way may be in; 0: none is */
    struct pool_box *pool; /* shared, or NULL */
    eddy_arena arena;      /* of a loop without a heap */
    unsigned senders;      /* that are inside eddy_loop_post */
    struct op_timer *timers[TIMERS];
    struct op_hook *hooks[HOOKS];
    struct op_defer *defers[DEFERS];
    struct op_wake *wakes[WAKES];
    struct op_signal *signals[SIGNALS];
    struct op_job *jobs[JOBS];
    struct op_queue *queues[QUEUES];
    struct op_actor *actors[ACTORS];
    struct op_stream *streams[STREAMS];
    struct op_reader *readers[READERS];
    struct op_child *children[CHILDREN];
    struct op_resize *resizes[RESIZES];
    struct op_listener *listener;
    struct op_timer *guard; /* ends a run */
    uint64_t hook_order, hook_turn;
    unsigned hook_kind;
    uint64_t defer_next, post_next, post_floor, post_done;
    unsigned posts;                /* under way */
    uint64_t job_last[EDDY_LANES]; /* that began, in a pool of one thread */
    bool is_closing;
    int64_t look_ns; /* when the look began: what was due then must be told */
};

extern struct office {
    const struct sim_choices *choices;
    struct desk desks[DESKS];
    struct pool_box *pools[POOLS];
    uint64_t fork_at, child_ends; /* in steps */
    uint64_t hook_orders, job_numbers, actor_numbers, ties, callbacks;
    unsigned depth; /* of operations inside callbacks */
    bool is_quiet;  /* callbacks only finish what is there */
    bool ends;
    struct desk *sending; /* whose wake the sender is just sending */
    bool sender_ended;
} office;

/* --- operations.c --- */

unsigned pick(unsigned limit);
/* Every callback begins and ends with these. */
void op_enter(struct desk *desk, unsigned phases);
void op_leave(struct desk *desk);
/* Whether `err` is one of those that only the weather explains; in fair weather it never is. */
bool op_is_weather(int err);
/* An open desk, or NULL. */
struct desk *some_desk(void);
bool is_open(const struct desk *desk);
void desk_close(struct desk *desk);
void send_some(void *context); /* a thread */

/* --- op_fork.c --- */

void op_fork(void);
/* In the child, before eddy_loop_after_fork: what threads of the parent had in their hands. */
void op_calls_fork(struct desk *desk);
void op_work_fork(struct desk *desk);
void op_file_fork(struct desk *desk);
void op_pools_fork(void);
/* After it: nobody else will ever end those requests. */
void op_work_take_back(struct desk *desk);
void op_file_take_back(struct desk *desk);

/* --- Each kind: one operation; what is to be looked at when nothing more is done; the end --- */

void op_time(struct desk *desk);
void op_time_look(struct desk *desk, unsigned turns);
void op_time_begin_look(struct desk *desk);
void op_time_walk(struct desk *desk); /* tells the labels */
void op_time_end(struct desk *desk);
bool op_guard_start(struct desk *desk, int64_t delay_ns); /* the next run ends by then */
void op_guard_stop(struct desk *desk);

void op_calls(struct desk *desk);
void op_calls_look(struct desk *desk);
void op_calls_end(struct desk *desk);
void op_signal_sent(int number); /* by somebody else, and nothing was called since */
void op_send(void);              /* from another thread */
void op_post(struct desk *desk);

void op_watch_begin(void);
void op_watch(struct desk *desk);
void op_watch_begin_look(void);
void op_watch_look(void);
void op_watch_end(struct desk *desk); /* stops what watches on it */
void op_wires_end(void);

void op_work(struct desk *desk);
void op_work_end(struct desk *desk); /* all jobs are done */
void op_pools(void);
void op_pools_end(void);
struct pool_box *op_pool_of_use(struct pool_box *box); /* NULL if it is the parent's */
eddy_pool *op_pool_use(struct pool_box *box, int by);  /* one desk more or less; NULL for NULL */

void op_file(struct desk *desk);
void op_file_begin(void);
void op_file_end(struct desk *desk);

void op_stream(struct desk *desk);
void op_stream_end(struct desk *desk);

void op_reader(struct desk *desk);
void op_reader_begin_look(struct desk *desk);
void op_reader_look(struct desk *desk);
void op_reader_end(struct desk *desk);

void op_child(struct desk *desk);
void op_child_fork(struct desk *desk);
void op_child_end(struct desk *desk);

void op_terminals_begin(void);
void op_terminal(struct desk *desk);
void op_terminal_fork(void);
void op_terminal_look(struct desk *desk);
void op_terminal_end(struct desk *desk);
void op_terminals_end(void);

/* The other end of a stream is gone, after it has said so much; UINT64_MAX: nobody knows. */
void op_break_tie(uint64_t tie, uint64_t said);

/* What a stream is attached to. */
enum op_attached {
    LOCAL,
    TCP,
    PIPE_READER,
    PIPE_WRITER,
    SHARED_READER,
    SHARED_WRITER,
    MANAGER,
    TERMINAL,
    ATTACHED
};

void op_speak(uint8_t *data, uint64_t at, size_t size);
void op_hear(const uint8_t *data, uint64_t *at, size_t size);
void op_ear(void);
bool op_ends_open(enum op_attached kind, int ends[2]); /* the stream's end, the other one; or not */
void op_ear_new(enum op_attached kind, int fd, uint64_t tie); /* `kind`: of the stream */
void op_ears_end(void);
void op_listener(struct desk *desk);
void op_listener_end(struct desk *desk);
socklen_t op_address(const struct desk *desk, bool is_local, struct sockaddr_storage *address);

#endif
