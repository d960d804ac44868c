/* models.h: the models of servers that `eddy bench models` compares, and how one is measured.
 *
 * A sample takes three processes and, where the model has them, more: the one that measures
 * (models_run.c), the server (models_blocking.c, models_loop.c) and the load (models_load.c). They
 * share some memory, and the one that measures has a socket to each of the others. When that ends,
 * for whatever reason, they end; and each has an alarm of its own, so that none stays behind. */
#ifndef EDDY_CMD_BENCH_MODELS_H
#define EDDY_CMD_BENCH_MODELS_H

#include "rates.h"

#include <limits.h>
#include <stdatomic.h>

enum {
    MODELS_MESSAGE_BYTES = 32, /* a request, which begins with a models_wait, and an answer */
    MODELS_BACKLOG = 4096,
    MODELS_LIFE_S = 180,  /* no process lives longer, whatever happens */
    MODELS_SPARE = 64,    /* connections of before that may still be closing */
    MODELS_ALL = INT_MAX, /* of struct model.at_once */
    MODELS_THREADS = 0,
};

struct models_job;

/* How many microseconds the server is to wait, in its own order of bytes: both ends are here. The
 * clients draw the times, each from a sequence of its own, so that all models are asked the same.
 */
typedef uint32_t models_wait;

struct model {
    const char *name;
    const char *help;
    unsigned
        at_once; /* connections that it serves at a time: a number, MODELS_ALL, MODELS_THREADS */
    /* Listens, calls models_ready() and serves until the process is ended. */
    void (*serve)(struct models_job *job);
};

extern const struct model models_list[];
extern const size_t models_count;

struct models_settings {
    enum bench_arrivals arrivals;
    unsigned rate;       /* of all clients, a second, if not closed */
    unsigned wait_ms;    /* on average */
    bool is_fixed;       /* each wait is the average one; else up to twice as long */
    uint64_t burn_steps; /* of models_burn() */
    unsigned requests;   /* of a connection, before it makes place for the next one */
    unsigned threads;    /* of the pool */
    unsigned live_ms;    /* how often to tell how it goes, while it is measured; 0: never */
};

/* bench_case.extra; the size is the number of connections. */
struct models_subject {
    char name[24]; /* the model's, and the number of threads where that is a setting */
    const struct model *model;
    struct models_settings settings;
};

/* In this order. */
enum models_phase { MODELS_WARMING, MODELS_MEASURING, MODELS_OVER, MODELS_ENDING };

/* What getrusage tells, as far as it is of interest. Wraps; differences are right. */
struct models_usage {
    unsigned cpu_us, switches;
};

/* How it went since it was told before. */
struct models_live {
    _Atomic(int64_t) after_ns, time_ns; /* since measuring began, since it was told before */
    _Atomic(int64_t) answers, p50_ns, p99_ns;
    _Atomic(unsigned) served; /* so far */
};

/* Shared by all processes of a sample. */
struct models_shared {
    _Atomic(int) phase;      /* set by the load; the last one by the server */
    _Atomic(int) is_failing; /* set by the process that finds out first, which then writes `why` and
                                `error` */
    _Atomic(int) error;
    char why[64];
    struct models_live live;   /* written by the load before it tells */
    unsigned port;             /* written before models_ready() tells */
    struct models_usage usage; /* of the server while measuring; written before it tells */
    /* What children of the server have used: while measuring, and, once they end, all of it. */
    _Atomic(unsigned) window_cpu_us, window_switches, life_cpu_us, life_switches;
};

/* A sample, as each of its processes sees it. */
struct models_job {
    struct bench_sample *sample; /* shared as well: the load fills in what it has found */
    struct models_shared *shared;
    const struct model *model;
    struct models_settings settings;
    unsigned connections, at_once;
    int64_t time_ns;
    int control_fd; /* to the process that measures */
};

/* --- For servers --- */

/* Tells that the server listens on `port` of the loopback address. */
void models_ready(struct models_job *job, unsigned port);
/* The model cannot go on: `what` failed with `error`, a negative errno. Does not return. */
_Noreturn void models_fail(struct models_job *job, const char *what, int error);
/* Zeroed memory, to be freed. Does not return without any. */
void *models_memory(struct models_job *job, size_t bytes);
/* Takes a fixed time of a processor a step. */
void models_burn(uint64_t steps);
void models_read_usage(int who, struct models_usage *usage);

void models_serve_one(struct models_job *job);
void models_serve_fork(struct models_job *job);
void models_serve_thread(struct models_job *job);
void models_serve_pool(struct models_job *job);
void models_serve_loop(struct models_job *job);
void models_serve_loop_pool(struct models_job *job);

/* --- The rest --- */

/* Notes the first failure of the sample; later ones are its consequences. */
void models_note(struct models_shared *shared, const char *what, int error);
/* The process of the load. Does not return. */
_Noreturn void models_load(struct models_job *job);
/* bench_case.run */
void models_run(const struct bench_case *it, struct bench_sample *sample);

/* The command; returns the exit status. */
int bench_models_main(int argc, char **argv);

#endif
