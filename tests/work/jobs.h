/* jobs.h: jobs that count what happens to them, and a gate to hold them up at.
 * Threading: a gate is anyone's; a job's counts are its loop's, but for `ran`. */
#ifndef EDDY_TESTS_JOBS_H
#define EDDY_TESTS_JOBS_H

#include "suite.h"
#include "system.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    int waiting; /* who stands before it now */
};

#define GATE_CLOSED \
    { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER }

static inline void gate_pass(struct gate *gate) {
    pthread_mutex_lock(&gate->lock);
    gate->waiting++;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open) pthread_cond_wait(&gate->changed, &gate->lock);
    gate->waiting--;
    pthread_mutex_unlock(&gate->lock);
}

static inline void gate_set(struct gate *gate, bool open) {
    pthread_mutex_lock(&gate->lock);
    gate->open = open;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

/* Waits until `count` stand before the gate, or for 10 s; returns how many do. */
static inline int gate_await(struct gate *gate, int count) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&gate->lock);
    int err = 0;
    while (gate->waiting < count && err == 0)
        err = pthread_cond_timedwait(&gate->changed, &gate->lock, &until);
    int waiting = gate->waiting;
    pthread_mutex_unlock(&gate->lock);
    return waiting;
}

struct job {
    eddy_work work;
    struct gate *gate; /* NULL: runs through */
    atomic_int ran;
    int done, status;
    unsigned order; /* of the callbacks, from 1 */
    unsigned *clock;
};

static inline void job_run(eddy_work *work) {
    struct job *job = eddy_container_of(work, struct job, work);
    if (job->gate != NULL) gate_pass(job->gate);
    atomic_fetch_add(&job->ran, 1);
}

static inline void job_done(eddy_work *work, int status) {
    struct job *job = eddy_container_of(work, struct job, work);
    job->done++;
    job->status = status;
    if (job->clock != NULL) job->order = ++*job->clock;
}

static inline void job_submit(eddy_loop *loop, struct job *job, eddy_lane lane) {
    ck_assert_int_eq(eddy_work_submit(loop, &job->work, lane, job_run, job_done), 0);
}

/* One turn that does not wait: what was submitted is with the pool then. */
static inline void hand_over(eddy_loop *loop) {
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
}

static inline void run_out(eddy_loop *loop) {
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
}

static inline eddy_pool *pool_open(eddy_pool_config config) {
    eddy_pool *pool;
    ck_assert_int_eq(eddy_pool_open(&pool, &config), 0);
    return pool;
}

static inline eddy_pool_metrics pool_metrics(eddy_pool *pool) {
    eddy_pool_metrics metrics;
    eddy_pool_read_metrics(pool, &metrics, sizeof metrics);
    return metrics;
}

static inline eddy_loop *loop_with(eddy_pool *pool) {
    return test_loop_open_with((eddy_loop_config){.pool = pool});
}

#endif
