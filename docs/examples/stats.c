/* stats.c: a loop that is measured, and who holds it up. A clock ticks each millisecond, jobs run
 * on the pool, and a report is written in a callback that computes for 20 ms, on purpose: the
 * figures tell which one it is, and what it does to the others. Read beside it: docs/02-turn.md
 * and include/eddy/stats.h.
 *     ./example_stats */
#include <eddy.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* --- To be copied into a program --- */

static void print_times(const char *name, const eddy_histogram *histogram) {
    printf("%-14s %8llu  p50 %7lld us  p99 %7lld us  max %7lld us\n", name,
           (unsigned long long)histogram->count,
           (long long)(eddy_histogram_at_ns(histogram, 0.5) / EDDY_NS_PER_US),
           (long long)(eddy_histogram_at_ns(histogram, 0.99) / EDDY_NS_PER_US),
           (long long)(eddy_histogram_at_ns(histogram, 1) / EDDY_NS_PER_US));
}

static void print_slow(const eddy_slow_call *call) {
    printf("%8lld us  phase %u  %s %s\n", (long long)(call->taken_ns / EDDY_NS_PER_US), call->phase,
           eddy_kind_name((eddy_kind)call->kind),
           call->label[0] != '\0' ? call->label : "without a label");
}

static int print_stats(eddy_loop *loop, eddy_pool *pool) {
    static eddy_loop_stats figures; /* tens of KiB: too much for many a stack */
    static eddy_pool_stats jobs;
    int err = eddy_loop_read_stats(loop, &figures, sizeof figures);
    if (err == 0) err = eddy_pool_read_stats(pool, &jobs, sizeof jobs);
    if (err < 0) return err;
    double all_ns = (double)(figures.now_ns - figures.since_ns);
    printf("at work        %7.1f %% of the time\n",
           100 - 100 * (double)figures.phases[2].sum_ns / all_ns);
    print_times("lag", &figures.lag);
    print_times("callbacks", &figures.calls);
    print_times("timers late", &figures.late);
    print_times("jobs waited", &jobs.lanes[EDDY_LANE_CPU].wait);
    print_times("jobs ran", &jobs.lanes[EDDY_LANE_CPU].run);
    printf("the slowest:\n");
    for (unsigned i = 0; i < 3 && i < figures.slow_count; i++) print_slow(&figures.slowest[i]);
    return 0;
}

/* --- A program with a callback that is too long --- */

enum { TICKS = 100, JOBS = 5 };

struct office {
    eddy_timer clock;
    eddy_timer report;
    eddy_work jobs[JOBS];
    eddy_label labels[2];
    int ticks;
};

static void compute(int64_t time_ns) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t begin_ns = now.tv_sec * EDDY_NS_PER_S + now.tv_nsec, passed_ns = 0;
    while (passed_ns < time_ns) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        passed_ns = now.tv_sec * EDDY_NS_PER_S + now.tv_nsec - begin_ns;
    }
}

static void on_tick(eddy_timer *timer) {
    struct office *office = eddy_container_of(timer, struct office, clock);
    if (++office->ticks == TICKS) eddy_timer_stop(timer);
}

static void on_report(eddy_timer *timer) {
    (void)timer;
    compute(20 * EDDY_NS_PER_MS); /* on a thread of the pool it would hold up nobody: work.h */
}

static void run_job(eddy_work *work) {
    (void)work;
    compute(2 * EDDY_NS_PER_MS);
}

static void on_done(eddy_work *work, int status) {
    (void)work;
    (void)status;
}

static int office_open(struct office *office, eddy_loop *loop) {
    eddy_timer_init(&office->clock, loop);
    eddy_timer_init(&office->report, loop);
    for (int i = 0; i < 2; i++) eddy_label_init(&office->labels[i], loop);
    (void)eddy_label_set(&office->labels[0], &office->clock, "the clock"); /* or it has no name */
    (void)eddy_label_set(&office->labels[1], &office->report, "the report");
    int err = eddy_timer_start(&office->clock, on_tick, EDDY_NS_PER_MS, EDDY_NS_PER_MS);
    if (err == 0) err = eddy_timer_start(&office->report, on_report, 30 * EDDY_NS_PER_MS, 0);
    for (int i = 0; i < JOBS && err == 0; i++)
        err = eddy_work_submit(loop, &office->jobs[i], EDDY_LANE_CPU, run_job, on_done);
    return err;
}

int main(void) {
    static eddy_stats stats;
    static eddy_pool_stats pool_stats;
    static struct office office;
    eddy_loop *loop;
    char text[64];
    int err = eddy_loop_open(&loop, NULL);
    eddy_pool *pool = err == 0 ? eddy_loop_pool(loop) : NULL;
    if (err == 0 && pool == NULL) err = -ENOMEM;
    if (err == 0) err = eddy_stats_start(&stats, loop);
    if (err == 0) err = eddy_pool_stats_start(pool, &pool_stats);
    if (err == 0) err = office_open(&office, loop);
    if (err == 0) err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    if (err == 0) err = print_stats(loop, pool);
    if (err < 0) {
        fprintf(stderr, "stats: %s\n", eddy_strerror(err, text, sizeof text));
        return 1;
    }
    eddy_pool_stats_stop(pool);
    eddy_stats_stop(&stats);
    for (int i = 0; i < 2; i++) eddy_label_clear(&office.labels[i]);
    return eddy_loop_close(loop) == 0 ? 0 : 1;
}
