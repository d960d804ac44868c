/* bench.h: what the benches share: how something is measured, in which order, and how it is told.
 *
 * Each sample is taken in a process of its own, so that neither memory nor descriptors of one
 * measurement weigh on the next. The cases of a group, which are to be compared, take turns, in an
 * order that is shuffled for each round: what disturbs the machine for a while disturbs all of them
 * alike, and none always comes behind the same other one. The first of a group is measured twice
 * in each round; how far the second is from it is what the machine's noise can do. The first round
 * warms up and is thrown away. What is told is the median over the rounds, with the spread.
 *
 * Figures of different runs are not to be compared; ratios within a run are. */
#ifndef EDDY_CMD_BENCH_H
#define EDDY_CMD_BENCH_H

#include "counters.h"
#include "trace_request.h"
#include <eddy.h>

#include <stdatomic.h>
#include <stdio.h>
#include <sys/types.h>

/* --- Samples --- */

/* What one run of a case found. A case that cannot run here says why. */
struct bench_sample {
    int error; /* negative errno; else 0 */
    char why[96];
    uint64_t operations;
    int64_t time_ns;       /* of all of them */
    int64_t cpu_ns;        /* of the process, user and system, in that time; -1: not known */
    int64_t calls;         /* system calls in that time; -1: not known */
    int64_t memory_bytes;  /* that the case has taken for what it holds; -1: not known */
    int64_t before_bytes;  /* that a server took before it had connections; -1: not known */
    int64_t kernel_bytes;  /* that its connections took in the kernel, both ends; -1: not known */
    int64_t switches;      /* context switches in that time; -1: not known */
    int64_t waits, events; /* of the loop in that time; 0 waits: not known */
    int64_t counters[BENCH_COUNTERS]; /* of the processor, in that time; -1: not known */
    int64_t counted;        /* system calls, counted from outside; -1: not in this sample */
    int64_t due;            /* requests at a rate, in that time; -1: it was closed, or not known */
    double spread;          /* of several loops: what the busiest did, to an even part; -1: one */
    int64_t served;         /* how many of the case's connections got an answer; -1: has none */
    eddy_histogram latency; /* of single operations, if they were timed one by one */
};

/* Fills in the error. `what` failed with `error`, a negative errno. */
void bench_cannot(struct bench_sample *sample, const char *what, int error);

/* --- Cases --- */

enum {
    BENCH_NUMBERS = 4,
    BENCH_ROUNDS_MAX = 100,
    BENCH_VALUES_MAX = BENCH_ROUNDS_MAX + 1, /* of a row: calls are counted in one round more */
};

/* Which figures of a case people are shown; machines are given all. */
enum bench_kind {
    BENCH_OPERATIONS, /* time per operation */
    BENCH_SERVERS,    /* operations per second, and what each of `size` connections takes */
    BENCH_COSTS,      /* time per operation, and how many of the group's first that is */
    BENCH_LOOPS,      /* as the next one, for servers of several loops */
    BENCH_CLIENTS,    /* the server's CPU time per operation: who asks for it is another process */
};

struct bench_case {
    enum bench_kind kind;
    const char *workload;            /* "ring" */
    const char *subject;             /* what is compared: a backend, a library, a model */
    const char *operation;           /* what is counted, in the singular: "event" */
    char setting[64];                /* "1000 pairs, 10 active": the same within a group */
    size_t path_at;                  /* where in it the user's path is; 0: there is none */
    int64_t size;                    /* the x of a plot */
    unsigned rate;                   /* of requests a second, then the x of a plot; 0: none */
    unsigned numbers[BENCH_NUMBERS]; /* whatever `run` needs to know */
    unsigned memory_items;           /* the table divides the memory among so many; 0: does not */
    const void *extra;
    int64_t time_ns;   /* to measure for, at least; set by the runner */
    pid_t runner;      /* the process that takes the samples; set by the runner */
    const char *trace; /* the file for its loop's trace, or NULL; set by the runner */
    void (*run)(const struct bench_case *it, struct bench_sample *sample);
};

/* --- Within `run` --- */

/* The measured part: from start to stop. */
struct bench_meter {
    int64_t start_ns, start_cpu_ns, start_switches;
    const eddy_loop *loop; /* or NULL */
    int64_t start_calls, start_waits, start_events;
    int64_t start_counters[BENCH_COUNTERS];
};

/* Opens a loop on the backend that the case is of. If it is to be traced, the first loop of the
 * process is, from here on. */
int bench_open_loop(eddy_loop **loop, const struct bench_case *it);
int64_t bench_now_ns(void);
void bench_start(struct bench_meter *meter);
/* The same; what the loop counts is found as well: its system calls, waits and events. */
void bench_start_loop(struct bench_meter *meter, const eddy_loop *loop);
void bench_stop(const struct bench_meter *meter, struct bench_sample *sample);
/* Has the meters of this process set `is_measuring` while they run. */
void bench_tell_measuring(_Atomic(bool) *is_measuring);
/* Private memory of this process, in bytes; -1 where the system does not tell. */
int64_t bench_memory_bytes(void);
/* Of that, what is in huge pages without a file. */
int64_t bench_huge_bytes(void);
/* A process and its children. */
struct bench_family {
    int64_t memory_bytes; /* pages that several processes have in common shared out among them
                           * (proportional set size); -1: the system does not tell */
    int processes, threads;
};
void bench_read_family(pid_t parent, struct bench_family *family);
/* What the kernel of this system needs for itself, in bytes: slabs, page tables, stacks, and what
 * it has for each processor; -1 where the system does not tell. */
int64_t bench_kernel_memory_bytes(void);
/* What the TCP sockets of this system have in their buffers; -1 where the system does not tell. */
int64_t bench_socket_memory_bytes(void);
/* System calls that a loop has made since it was opened. */
int64_t bench_loop_calls(const eddy_loop *loop);
/* Raises the limit of descriptors as far as it goes; false if fewer than `needed` are allowed. */
bool bench_allow_descriptors(unsigned needed, struct bench_sample *sample);
uint64_t bench_random(uint64_t *state);
/* Distributed exponentially, 1 on average: the gaps between events that know nothing of each other.
 */
double bench_random_exponential(uint64_t *state);

/* --- Traces --- */

/* Writes what has been traced, if anything was: the end of it. Fills in the error. */
void bench_write_trace(const struct bench_case *it, struct bench_sample *sample);

/* --- Runs --- */

struct bench_plan {
    unsigned rounds;    /* that count */
    bool is_cold;       /* without one before them to warm up */
    int64_t time_ns;    /* of a sample */
    uint64_t seed;      /* of the order in each round */
    bool counts_calls;  /* in one sample more of each, which counts for nothing else */
    bool is_sweep;      /* a subject is asked for no more than the first rate it fell behind at */
    bool show_progress; /* on stderr */
    /* Of each case one sample more, which counts for nothing, and whose loop is traced; NULL: no.
     * Where there are several cases, each file has the case in its name. */
    const struct trace_request *trace;
};

struct bench_figure {
    double median, low, high;
};

/* Over all rounds of a row. Per operation, unless said otherwise; negative: not known. */
struct bench_result {
    const struct bench_case *of;
    bool is_control; /* the group's first once more */
    int error;       /* of the first sample that failed: the rest is not there */
    char why[96];
    unsigned rounds;                                              /* that were measured */
    struct bench_figure time_ns, cpu_ns, calls, switches, events; /* low and high: the quartiles */
    struct bench_figure counters[BENCH_COUNTERS];
    struct bench_figure counted; /* calls, counted from outside, where that was asked for */
    struct bench_figure busy;    /* the share of the time in which it had a processor */
    /* Of time (BENCH_CLIENTS: of CPU time) to the group's first in the same round; low and high:
     * the interval of the median. */
    struct bench_figure ratio;
    double memory_bytes;             /* in all */
    double before_bytes;             /* of that, without connections */
    double kernel_bytes;             /* beside that, what the connections took in the kernel */
    double served;                   /* connections, the median */
    double spread;                   /* what the busiest loop did, to an even part */
    double answered;                 /* of those due at a rate, the share */
    uint64_t timed;                  /* operations, one by one; of these: */
    int64_t p50_ns, p99_ns, p999_ns; /* 0: too few for it */
    bool is_wide;                    /* the spread is too wide to conclude from, or there is none */
};

struct bench_samples;

/* Takes the samples of all rows, or those up to an interruption (bench_guard.h). Returns 0, or a
 * negative errno. A case that fails is told in its row, and the rest goes on. */
int bench_run(struct bench_samples *samples, const struct bench_plan *plan);

/* What comes out for a row. */
void bench_result_of(const struct bench_samples *samples, size_t row, struct bench_result *result);

/* --- Telling --- */

enum bench_format { BENCH_TABLE, BENCH_JSON, BENCH_CSV };

/* `seed`: of the order in which they were measured. */
void bench_tell(FILE *out, enum bench_format format, uint64_t seed,
                const struct bench_result *results, size_t count);
void bench_tell_table(FILE *out, const struct bench_result *results, size_t count);
/* The machine, in one line. */
void bench_tell_machine(FILE *out, enum bench_format format);

/* Draws them as SVG: the charts of a report (panels.h), three in a row. Returns 0, -EINVAL (nothing
 * to draw), or what writing the file gave. */
int bench_plot(const char *path, const struct bench_result *results, size_t count);

#endif
