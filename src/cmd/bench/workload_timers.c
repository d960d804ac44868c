/* workload_timers.c: what a timer costs to start, to stop, to fire, and to push away, among many
 * others. Deadlines are random. Starting and stopping take turns
 * within a sample, and only one of them is timed. */
#include "bench.h"
#include "workloads.h"

#include <errno.h>
#include <stdlib.h>

struct timers {
    eddy_loop *loop;
    eddy_timer *timers;
    unsigned count;
    uint64_t random;
    eddy_timer turn; /* of pushes */
    unsigned pushed;
    int error;
};

static unsigned long fired;

static void on_timer(eddy_timer *timer) {
    (void)timer;
    fired++;
}

static int open_timers(struct timers *it, const struct bench_case *of) {
    it->count = of->numbers[0];
    it->random = 1;
    it->error = 0;
    it->timers = calloc(it->count, sizeof *it->timers);
    if (it->timers == NULL) return -ENOMEM;
    int err = bench_open_loop(&it->loop, of);
    if (err < 0) return err;
    for (unsigned i = 0; i < it->count; i++) eddy_timer_init(&it->timers[i], it->loop);
    eddy_timer_init(&it->turn, it->loop);
    return 0;
}

/* Random, `from_ns` to `to_ns` from now. */
static int start_all(struct timers *it, int64_t from_ns, int64_t to_ns) {
    for (unsigned i = 0; i < it->count; i++) {
        int64_t delay_ns =
            from_ns + (int64_t)(bench_random(&it->random) % (uint64_t)(to_ns - from_ns));
        int err = eddy_timer_start(&it->timers[i], on_timer, delay_ns, 0);
        if (err < 0) return err;
    }
    return 0;
}

static void stop_all(struct timers *it) {
    for (unsigned i = 0; i < it->count; i++) eddy_timer_stop(&it->timers[i]);
}

enum part { START, STOP, FIRE, PUSH };

static void add_part(struct bench_sample *sum, const struct bench_sample *part, unsigned count) {
    sum->operations += count;
    sum->time_ns += part->time_ns;
    sum->cpu_ns = (sum->cpu_ns < 0 ? 0 : sum->cpu_ns) + part->cpu_ns;
}

/* All are due when the first of the turns that are timed begins. */
static int fire_all(struct timers *it, struct bench_sample *part) {
    struct bench_meter meter;
    fired = 0;
    eddy_loop_update_now(it->loop);
    int err = start_all(it, EDDY_NS_PER_MS, 10 * EDDY_NS_PER_MS);
    int64_t until_ns = bench_now_ns() + 12 * EDDY_NS_PER_MS;
    while (bench_now_ns() < until_ns) continue;
    bench_start(&meter);
    while (err >= 0 && fired < it->count) err = eddy_loop_run(it->loop, EDDY_RUN_ONCE);
    bench_stop(&meter, part);
    return err < 0 ? err : fired == it->count ? 0 : -EIO;
}

static int start_or_stop_all(struct timers *it, enum part what, struct bench_sample *part) {
    struct bench_meter meter;
    bench_start(&meter);
    int err = start_all(it, EDDY_NS_PER_S, 3600 * EDDY_NS_PER_S);
    if (what == START) bench_stop(&meter, part);
    if (what == STOP) bench_start(&meter);
    stop_all(it);
    if (what == STOP) bench_stop(&meter, part);
    return err;
}

enum { PUSHES_PER_TURN = 16 };

/* Calls itself in each turn, so that none sleeps, and each asks all the same for how long it may.
 */
static void push_some(eddy_timer *timer) {
    struct timers *it = eddy_container_of(timer, struct timers, turn);
    unsigned end =
        it->pushed + PUSHES_PER_TURN < it->count ? it->pushed + PUSHES_PER_TURN : it->count;
    for (; it->pushed < end && it->error == 0; it->pushed++)
        it->error = eddy_timer_start(&it->timers[it->pushed], on_timer, 5 * EDDY_NS_PER_S, 0);
    if (it->pushed == it->count || it->error < 0) eddy_timer_stop(timer);
}

/* As a server does with idle timeouts at the requests of each turn: the same delay again, from a
 * clock that has moved on a little. The turns count: what a push puts off is done there. */
static int push_all(struct timers *it, struct bench_sample *part) {
    struct bench_meter meter;
    it->pushed = 0;
    int err = eddy_timer_start(&it->turn, push_some, 0, 1);
    bench_start(&meter);
    while (err >= 0 && eddy_is_active(&it->turn.handle))
        err = eddy_loop_run(it->loop, EDDY_RUN_ONCE);
    bench_stop(&meter, part);
    return err < 0 ? err : it->error;
}

static void run(const struct bench_case *of, enum part what, struct bench_sample *sample) {
    struct timers it;
    int64_t before_bytes = bench_memory_bytes();
    int err = open_timers(&it, of);
    if (err == 0 && what == PUSH) err = start_all(&it, EDDY_NS_PER_S, 60 * EDDY_NS_PER_S);
    bool is_warm = false;
    int64_t end_ns = bench_now_ns() + of->time_ns;
    while (err == 0 && (sample->operations == 0 || bench_now_ns() < end_ns)) {
        struct bench_sample part = {0};
        if (what == FIRE) err = fire_all(&it, &part);
        if (what == START || what == STOP) err = start_or_stop_all(&it, what, &part);
        if (what == PUSH) err = push_all(&it, &part);
        if (is_warm) add_part(sample, &part, it.count);
        is_warm = true;
    }
    if (before_bytes >= 0) sample->memory_bytes = bench_memory_bytes() - before_bytes;
    if (err < 0) bench_cannot(sample, "timers", err);
}

void bench_timer_start_run(const struct bench_case *it, struct bench_sample *sample) {
    run(it, START, sample);
}

void bench_timer_stop_run(const struct bench_case *it, struct bench_sample *sample) {
    run(it, STOP, sample);
}

void bench_timer_fire_run(const struct bench_case *it, struct bench_sample *sample) {
    run(it, FIRE, sample);
}

void bench_timer_push_run(const struct bench_case *it, struct bench_sample *sample) {
    run(it, PUSH, sample);
}
