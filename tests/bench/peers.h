/* peers.h: the same workloads on eddy, on other event loops, and on what somebody writes by hand
 * who needs nothing else. A peer is a set of functions over a loop of its own, which its file
 * keeps; one that cannot do something leaves that function out. Whatever the workloads do in the
 * callbacks is written once, and called by all peers in the same way.
 *
 * Each sample has a process of its own (bench.h), so nothing is ever closed. */
#ifndef EDDY_TESTS_BENCH_PEERS_H
#define EDDY_TESTS_BENCH_PEERS_H

#include "bench.h"

#include <stdlib.h>

enum { PEERS_SIDES = 2 };

/* Functions that return an int give 0, or a negative errno. */
struct peer {
    const char *name;
    const char *(*library)(void); /* with its version; the first peer of each library has it */

    /* Whether it can run here: 0, or a negative errno. NULL: it can. */
    int (*probe)(void);
    /* Opens the loop, or both if `has_threads`, each of which another thread may then wake. */
    int (*open)(bool has_threads);
    int (*run)(unsigned side); /* until `stop` */
    void (*stop)(unsigned side);
    int (*turn)(void); /* of the first loop, without waiting */
    /* How many waits there were so far, and events that they brought; NULL: not known. */
    void (*read_counts)(int64_t *waits, int64_t *events);

    /* Watches descriptors, after room was made for so many watchers: the i-th of them calls
     * peers_ready(i) when its descriptor can be read, again and again or once (tells_once).
     * Starting and stopping may be deferred to the next turn; until then the i-th is not started
     * again. */
    int (*watch_open)(unsigned count);
    int (*watch)(unsigned i, int fd);
    void (*unwatch)(unsigned i, int fd);
    int (*watch_one)(int fd); /* of one that can watch but one, which is the 0th; else NULL */
    /* Takes connections as streams of the library's own, sends back what comes from each, and calls
     * peers_echoed() with what has been sent; at most `active` have something under way, of at most
     * peers_reply_bytes. NULL: watchers, by which the server reads and writes itself (echo.c). */
    int (*serve)(const int *fds, unsigned count, unsigned active);
    /* The same of local sockets; NULL: by `serve`. */
    int (*serve_local)(const int *fds, unsigned count, unsigned active);
    /* Takes connections from a listener, as streams: a byte that comes is sent back, and the
     * connection is closed when it ends. For each of these peers_visited(). At most `active` at a
     * time. NULL: by watchers. */
    int (*receive_visits)(int listener, unsigned active);

    /* Each timer that fires adds to peers_fired. Called in callbacks, but for timers_make. */
    int (*timers_make)(unsigned count);
    int (*timers_start)(const int64_t *delays_ns, unsigned count);
    void (*timers_stop)(unsigned count);
    /* Restarts them with this delay, the same in each call. */
    int (*timers_push)(int64_t delay_ns, const unsigned *which, unsigned count);
    /* Stops one, or starts it so that the next turn calls it. NULL: not while the turn lasts. */
    int (*timer_change)(unsigned which, bool is_due);

    /* A timer that repeats after `period_ns` each; 0: so that every turn fires it, and none waits.
     * Calls peers_ticked(). */
    int (*tick_start)(int64_t period_ns);

    /* Makes peers_woken(side) run on that loop. */
    int (*wake_open)(unsigned side);
    void (*wake_send)(unsigned side, unsigned times);

    /* From the loop's own callbacks: makes peers_woken(0) run once, in the next turn. */
    int (*post_open)(void);
    void (*post)(void);

    /* Work for a thread, of `depth` kinds: peers_done(i) when it is done. */
    int (*jobs_make)(unsigned depth);
    int (*job_submit)(unsigned i);
    int (*file_submit)(unsigned i, int fd, void *data, size_t size, int64_t offset);

    /* Starts a program of the PATH as the i-th of `depth` children: peers_exited(i) when it has
     * ended. */
    int (*spawn_open)(unsigned depth);
    int (*spawn)(unsigned i, char *const *arguments);
    /* Writes to a pipe, in order: peers_written(i) when the kernel has taken all of the i-th of
     * `depth`. */
    int (*pipe_open)(int fd, unsigned depth);
    int (*pipe_write)(unsigned i, void *data, size_t size);
    /* Sends `fd`, with a byte, from one end of a pair of local sockets: what comes at the other one
     * is closed, and peers_passed() called. One at a time. */
    int (*pass_open)(int from_fd, int to_fd, int fd);
    int (*pass_send)(void);

    /* Differs from the same library's first peer only in how connections are served, and is left
     * out of all else. */
    bool is_server;
    /* A timer that starts or stops is only noted; the turn does it. What measures no turn leaves
     * it out. */
    bool defers_timers;
    /* What is watched has to be read until nothing is left: it tells of it when it comes. */
    bool tells_once;
};

/* The raw ones first; NULL ends it. */
extern const struct peer *const peers_all[];

extern const struct peer peer_epoll, peer_epoll_large, peer_pipe, peer_pread, peer_calls;
extern const struct peer peer_wheel;
extern const struct peer peer_uring_poll, peer_uring_streams;
extern const struct peer peer_eddy, peer_eddy_large, peer_eddy_stream, peer_eddy_pool;
extern const struct peer peer_eddy_try, peer_eddy_eventfd;
extern const struct peer peer_eddy_stats, peer_eddy_stream_stats;
extern const struct peer peer_ae;
extern const struct peer peer_libev;
extern const struct peer peer_libuv, peer_libuv_try, peer_libuv_poll, peer_libuv_uring;
extern const struct peer peer_libevent, peer_libevent_changelist, peer_bufferevent;
extern const struct peer peer_usockets;
extern const struct peer peer_libxev;

/* --- What peers call --- */

/* What a message has as a rule, and the most that a server's read takes at once. */
enum { PEERS_MESSAGE_BYTES = 64, PEERS_READ_BYTES = 65536 };
extern size_t peers_reply_bytes; /* the most that is under way on one connection */

extern void (*peers_ready)(unsigned i);
extern void (*peers_ticked)(void);
extern void (*peers_woken)(unsigned side);
extern void (*peers_done)(unsigned i, int64_t result);
extern unsigned long peers_fired;
void peers_echoed(size_t bytes);
/* Memory for what waits to be sent, of one size in a process. What is given back is kept for the
 * next one. NULL: there is none left. */
struct peers_block {
    struct peers_block *next;
};
extern struct peers_block *peers_blocks;

static inline void *peers_block_take(size_t bytes) {
    struct peers_block *block = peers_blocks;
    if (block == NULL) return malloc(bytes);
    peers_blocks = block->next;
    return block;
}

static inline void peers_block_give(void *block) {
    struct peers_block *it = block;
    it->next = peers_blocks;
    peers_blocks = it;
}
void peers_visited(void);
void peers_exited(unsigned i, int status); /* -1: by a signal */
void peers_written(unsigned i);
void peers_passed(void);
/* A callback met an error: the sample is worth nothing, and the loop stops. */
void peers_fail(int error);

/* --- What workloads call --- */

/* While there is more to do: in time, or in operations when these are counted. */
bool peers_go_on(const struct bench_case *it, const struct bench_sample *sample);
/* Around the part of a round that counts. The first round warms up. */
void peers_begin(void);
void peers_end(struct bench_sample *sample, uint64_t operations);
int peers_error(void);
/* Whether operations are counted: by callgrind, which wants each run to be like the last one. */
bool peers_is_counting(void);

const struct peer *peers_of(const struct bench_case *it);

/* --- What comes out (verdict.c) --- */

struct bench_samples;
/* Where eddy is behind those that do the same in the same way, with intervals. */
void peers_conclude(FILE *out, const struct bench_samples *samples);
/* The tables of docs/11-benchmarks.md. */
void peers_tell_markdown(FILE *out, const struct bench_result *results, size_t count);

/* --- Workloads; numbers[0] is the size --- */

enum { PEERS_SIZES = 5 };

/* What is told of a workload, if not the processor time of its process alone: as far as it never
 * waits, that is the time that it would take if nobody else used the processor. */
enum {
    PEERS_MEMORY = 1,     /* of each of `size`, as well */
    PEERS_SERVER_CPU = 2, /* the processor time of a process that waits for others */
    PEERS_ELAPSED = 4,    /* time, with all that is waited for */
};

struct peers_workload {
    const char *name;
    const char *help;
    const char *operation;
    const char *setting; /* with the size in it */
    void (*run)(const struct bench_case *it, struct bench_sample *sample);
    bool (*can)(const struct peer *it);
    unsigned sizes[PEERS_SIZES];
    unsigned told;
    bool is_alone; /* nothing to compare, or long: only run when it is asked for */
};

extern const struct peers_workload peers_workloads[];
extern const size_t peers_workload_count;

void peers_ring_run(const struct bench_case *it, struct bench_sample *sample);
void peers_watch_run(const struct bench_case *it, struct bench_sample *sample);
void peers_echo_run(const struct bench_case *it, struct bench_sample *sample);
void peers_local_echo_run(const struct bench_case *it, struct bench_sample *sample);
void peers_size_run(const struct bench_case *it, struct bench_sample *sample);
void peers_size_tcp_run(const struct bench_case *it, struct bench_sample *sample);
void peers_rate_run(const struct bench_case *it, struct bench_sample *sample);
void peers_rate_poisson_run(const struct bench_case *it, struct bench_sample *sample);
void peers_accept_run(const struct bench_case *it, struct bench_sample *sample);
void peers_idle_run(const struct bench_case *it, struct bench_sample *sample);
void peers_timer_start_run(const struct bench_case *it, struct bench_sample *sample);
void peers_timer_stop_run(const struct bench_case *it, struct bench_sample *sample);
void peers_timer_fire_run(const struct bench_case *it, struct bench_sample *sample);
void peers_timer_push_run(const struct bench_case *it, struct bench_sample *sample);
void peers_timer_push_random_run(const struct bench_case *it, struct bench_sample *sample);
void peers_timer_mix_run(const struct bench_case *it, struct bench_sample *sample);
void peers_turn_io_run(const struct bench_case *it, struct bench_sample *sample);
void peers_turn_far_run(const struct bench_case *it, struct bench_sample *sample);
void peers_turn_tick_run(const struct bench_case *it, struct bench_sample *sample);
void peers_turn_post_run(const struct bench_case *it, struct bench_sample *sample);
void peers_wake_send_run(const struct bench_case *it, struct bench_sample *sample);
void peers_wake_trip_run(const struct bench_case *it, struct bench_sample *sample);
void peers_pool_run(const struct bench_case *it, struct bench_sample *sample);
void peers_file_run(const struct bench_case *it, struct bench_sample *sample);
void peers_spawn_run(const struct bench_case *it, struct bench_sample *sample);
void peers_spawn_large_run(const struct bench_case *it, struct bench_sample *sample);
void peers_pipe_run(const struct bench_case *it, struct bench_sample *sample);
void peers_pass_run(const struct bench_case *it, struct bench_sample *sample);

/* Of eddy alone, for instructions.sh: its operations that are no matter of comparison. */
void peers_post_run(const struct bench_case *it, struct bench_sample *sample);
void peers_mark_run(const struct bench_case *it, struct bench_sample *sample);
void peers_try_write_run(const struct bench_case *it, struct bench_sample *sample);
void peers_request_run(const struct bench_case *it, struct bench_sample *sample);
/* The same, with many of what their cost may depend on. */
void peers_watch_shared_run(const struct bench_case *it, struct bench_sample *sample);
void peers_wake_stop_run(const struct bench_case *it, struct bench_sample *sample);
void peers_signal_stop_run(const struct bench_case *it, struct bench_sample *sample);

/* Has them count `operations`, instead of measuring time. */
void peers_count(uint64_t operations);

#endif
