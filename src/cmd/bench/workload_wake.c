/* workload_wake.c: what it costs to wake a loop from another thread: one way, while the loop has
 * not got round to it; and there and back between two loops. */
#include "bench.h"
#include "workloads.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SENDS = 100000, TRIPS = 1000 };

static void on_wake(eddy_wake *wake) {
    (void)wake;
}

/* The loop is behind: the first of them writes a byte, the others find that it is on its way. */
void bench_wake_send_run(const struct bench_case *it, struct bench_sample *sample) {
    eddy_loop *loop;
    eddy_wake wake;
    struct bench_meter meter;
    int err = bench_open_loop(&loop, it);
    if (err == 0) {
        eddy_wake_init(&wake, loop);
        err = eddy_wake_start(&wake, on_wake);
    }
    bench_start(&meter);
    while (err >= 0 && (sample->operations == 0 || bench_now_ns() - meter.start_ns < it->time_ns)) {
        for (int i = 0; i < SENDS; i++) eddy_wake_send(&wake);
        sample->operations += SENDS;
        err = eddy_loop_run(loop, EDDY_RUN_NOWAIT);
    }
    bench_stop(&meter, sample);
    if (err < 0) bench_cannot(sample, "wake", err);
}

struct side {
    eddy_loop *loop;
    eddy_wake wake;
    struct side *other;
    _Atomic(bool) is_over;
    unsigned left; /* trips of the round under way */
};

static void on_back(eddy_wake *wake) {
    struct side *side = eddy_container_of(wake, struct side, wake);
    if (--side->left == 0)
        eddy_loop_stop(side->loop);
    else
        eddy_wake_send(&side->other->wake);
}

static void on_there(eddy_wake *wake) {
    struct side *side = eddy_container_of(wake, struct side, wake);
    if (atomic_load(&side->is_over))
        eddy_loop_stop(side->loop);
    else
        eddy_wake_send(&side->other->wake);
}

static void *run_there(void *argument) {
    struct side *side = argument;
    (void)eddy_loop_run(side->loop, EDDY_RUN_DEFAULT);
    return NULL;
}

static int open_side(struct side *side, struct side *other, const struct bench_case *it,
                     eddy_wake_fn *fn) {
    side->other = other;
    atomic_init(&side->is_over, false);
    int err = bench_open_loop(&side->loop, it);
    if (err < 0) return err;
    eddy_wake_init(&side->wake, side->loop);
    return eddy_wake_start(&side->wake, fn);
}

void bench_wake_trip_run(const struct bench_case *it, struct bench_sample *sample) {
    struct side here, there;
    pthread_t thread;
    struct bench_meter meter;
    int err = open_side(&here, &there, it, on_back);
    if (err == 0) err = open_side(&there, &here, it, on_there);
    if (err == 0) err = -pthread_create(&thread, NULL, run_there, &there);
    if (err < 0) {
        bench_cannot(sample, "wake", err);
        return;
    }
    int64_t calls = -bench_loop_calls(here.loop);
    bench_start(&meter);
    while (err >= 0 && (sample->operations == 0 || bench_now_ns() - meter.start_ns < it->time_ns)) {
        here.left = TRIPS;
        eddy_wake_send(&there.wake);
        err = eddy_loop_run(here.loop, EDDY_RUN_DEFAULT);
        sample->operations += TRIPS;
    }
    bench_stop(&meter, sample);
    /* Of both sides: a wait and a read each, and a write by the other one. */
    sample->calls = 2 * (calls + bench_loop_calls(here.loop) + (int64_t)sample->operations);
    atomic_store(&there.is_over, true);
    eddy_wake_send(&there.wake);
    pthread_join(thread, NULL);
    if (err < 0) bench_cannot(sample, "wake", err);
}
