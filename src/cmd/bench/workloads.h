/* workloads.h: the workloads of `eddy bench backends`. Each runs in a process of its own, which
 * ends with it, and needs not give back what it took. bench_case.numbers is what each says. */
#ifndef EDDY_CMD_BENCH_WORKLOADS_H
#define EDDY_CMD_BENCH_WORKLOADS_H

#include "bench.h"

/* pairs, active, bytes of a round */
void bench_ring_run(const struct bench_case *it, struct bench_sample *sample);

/* connections, active; of echo-io also 0, EDDY_EDGE or EDDY_ONESHOT; arrivals at a rate */
void bench_echo_run(const struct bench_case *it, struct bench_sample *sample);
void bench_echo_io_run(const struct bench_case *it, struct bench_sample *sample);

/* bytes of a message */
void bench_echo_size_run(const struct bench_case *it, struct bench_sample *sample);

/* connections; of fan-out and slow-readers: receivers, of whom so many read little */
void bench_fan_in_run(const struct bench_case *it, struct bench_sample *sample);
void bench_fan_out_run(const struct bench_case *it, struct bench_sample *sample);
void bench_slow_readers_run(const struct bench_case *it, struct bench_sample *sample);

/* connections at a time */
void bench_accept_run(const struct bench_case *it, struct bench_sample *sample);

/* descriptors */
void bench_churn_start_run(const struct bench_case *it, struct bench_sample *sample);
void bench_churn_change_run(const struct bench_case *it, struct bench_sample *sample);

/* timers */
void bench_timer_start_run(const struct bench_case *it, struct bench_sample *sample);
void bench_timer_stop_run(const struct bench_case *it, struct bench_sample *sample);
void bench_timer_fire_run(const struct bench_case *it, struct bench_sample *sample);
void bench_timer_push_run(const struct bench_case *it, struct bench_sample *sample);

/* threads */
void bench_wake_send_run(const struct bench_case *it, struct bench_sample *sample);

/* no numbers */
void bench_wake_trip_run(const struct bench_case *it, struct bench_sample *sample);

/* jobs or reads under way at a time */
void bench_pool_run(const struct bench_case *it, struct bench_sample *sample);
void bench_file_pool_run(const struct bench_case *it, struct bench_sample *sample);
void bench_file_attempt_run(const struct bench_case *it, struct bench_sample *sample);

enum { BENCH_SIZES_MAX = 6 };

struct bench_workload {
    const char *name;
    const char *help;
    const char *operation;
    void (*run)(const struct bench_case *it, struct bench_sample *sample);
    unsigned sizes[BENCH_SIZES_MAX]; /* 0: no more */
    /* Fills in the setting and the numbers for a size, and the kind if it is another one. */
    void (*set)(struct bench_case *it, unsigned size);
};

extern const struct bench_workload bench_workloads[];
extern const size_t bench_workload_count;

/* NULL: there is none of that name. */
const struct bench_workload *bench_workload_find(const char *name);
/* Whether its clients can send at bench_case.rate; numbers[3] are the arrivals then. */
bool bench_workload_has_rates(const struct bench_workload *workload);
/* The case of a workload, as the command makes it. The text must stay. */
void bench_workload_make(struct bench_case *it, const struct bench_workload *workload,
                         const char *backend, unsigned size);

/* The command; returns the exit status. */
int bench_backends_main(int argc, char **argv);

#endif
