/* run.c: takes the samples, in turn, each in a process of its own.
 * Threading: one; the children are waited for one at a time. */
#include "bench.h"
#include "bench_guard.h"
#include "counted_calls.h"
#include "figure.h"
#include "progress.h"
#include "rates.h"
#include "samples.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PATIENCE_S = 120, /* with a sample, beside its time: setting up 10,000 processes takes long */
};

void bench_cannot(struct bench_sample *sample, const char *what, int error) {
    char text[64];
    sample->error = error;
    if (error == -ERANGE) /* what the system says of it is about mathematics */
        snprintf(text, sizeof text, "more descriptors than the backend can watch");
    else
        eddy_strerror(error, text, sizeof text);
    snprintf(sample->why, sizeof sample->why, "%s: %s", what, text);
}

static void on_alarm(int number) {
    (void)number;
    _exit(124);
}

/* Memory that the process of a sample shares. */
struct shared {
    struct bench_sample sample;
    _Atomic(bool) is_measuring;
};

struct run {
    struct bench_samples *samples;
    const struct bench_plan *plan;
    struct bench_guard guard;
    struct bench_progress progress;
    struct shared *shared;
    size_t *order; /* of a group's rows in a round */
    pid_t runner;
    uint64_t random;
};

/* --- A sample --- */

static void run_child(const struct run *run, const struct bench_case *it, bool counts_calls) {
    struct bench_sample *sample = &run->shared->sample;
    bench_guard_join(&run->guard, run->runner);
    bench_counters_open();
    bench_tell_measuring(&run->shared->is_measuring);
    int err = counts_calls ? bench_calls_allow() : 0;
    if (err < 0) {
        bench_cannot(sample, "calls cannot be counted", err);
        _exit(0);
    }
    signal(SIGALRM, on_alarm);
    alarm((unsigned)(it->time_ns / EDDY_NS_PER_S) + PATIENCE_S);
    signal(SIGPIPE, SIG_IGN); /* of the workloads' own writes, when the other side gives up */
    it->run(it, sample);
    bench_write_trace(it, sample);
    _exit(0);
}

/* What an interruption has ended is no sample. */
static struct bench_sample *take_sample(const struct run *run, struct bench_case *it,
                                        bool counts_calls) {
    struct bench_sample *sample = &run->shared->sample;
    memset(sample, 0, sizeof *sample);
    sample->cpu_ns = sample->calls = sample->memory_bytes = sample->switches = -1;
    sample->before_bytes = sample->kernel_bytes = sample->served = sample->due = -1;
    sample->spread = -1;
    for (int i = 0; i < BENCH_COUNTERS; i++) sample->counters[i] = -1;
    int64_t counted = -1;
    it->runner = run->runner;
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        bench_cannot(sample, "fork", -errno);
        return sample;
    }
    if (child == 0) run_child(run, it, counts_calls);
    int status = counts_calls ? bench_calls_count(child, &run->shared->is_measuring, &counted)
                              : bench_guard_wait(child);
    sample->counted = counted;
    if (WIFSIGNALED(status)) {
        bench_cannot(sample, "the process died", -EIO);
        snprintf(sample->why, sizeof sample->why, "died of signal %d", WTERMSIG(status));
    } else if (WEXITSTATUS(status) == 124) {
        bench_cannot(sample, "took too long", -ETIMEDOUT);
    } else if (WEXITSTATUS(status) != 0) {
        bench_cannot(sample, "gave up", -EIO);
    } else if (sample->error == 0 && sample->operations == 0) {
        bench_cannot(sample, "nothing was done", -EIO);
    }
    return sample;
}

/* --- Order --- */

/* Fisher and Yates: each order is as likely as any other. */
static void shuffle(size_t *rows, size_t count, uint64_t *random) {
    for (size_t i = count; i > 1; i--) {
        size_t k = (size_t)(bench_random(random) % i), row = rows[k];
        rows[k] = rows[i - 1];
        rows[i - 1] = row;
    }
}

/* Of a sweep: what a subject fell behind at, or could not run at, it is not asked more than. The
 * rates of a group of rates ascend. */
static bool is_beyond(const struct run *run, size_t row) {
    const struct bench_row *rows = run->samples->rows;
    double values[BENCH_ROUNDS_MAX];
    for (size_t i = row; run->plan->is_sweep && i-- > 0;) {
        const struct bench_case *it = rows[row].of, *before = rows[i].of;
        if (before->size != it->size || strcmp(before->workload, it->workload) != 0) break;
        if (strcmp(before->subject, it->subject) != 0 || rows[i].is_control != rows[row].is_control)
            continue;
        size_t count = bench_samples_values(run->samples, i, BENCH_ANSWERED, values);
        return count == 0 || !bench_keeps_up(bench_figure_of(values, count).median);
    }
    return false;
}

static int run_row(struct run *run, size_t row, unsigned round, unsigned position) {
    const struct bench_plan *plan = run->plan;
    struct bench_case it = *run->samples->rows[row].of;
    it.time_ns = round == 0 ? plan->time_ns / 4 : plan->time_ns;
    bench_progress_tell(&run->progress, &it, round, plan->rounds);
    const struct bench_sample *sample = take_sample(run, &it, false);
    if (bench_interrupted() != 0 || (round == 0 && sample->error == 0)) return 0;
    return bench_samples_add(run->samples, row, round, position, sample);
}

/* A round of its own; what cannot be counted leaves the row as it is. */
static int count_row(struct run *run, size_t row, unsigned position) {
    const struct bench_plan *plan = run->plan;
    struct bench_case it = *run->samples->rows[row].of;
    it.time_ns = plan->time_ns;
    bench_progress_tell(&run->progress, &it, plan->rounds, plan->rounds);
    const struct bench_sample *sample = take_sample(run, &it, true);
    if (bench_interrupted() != 0 || sample->error != 0) return 0;
    return bench_samples_add(run->samples, row, plan->rounds + 1, position, sample);
}

/* The group of the rows from `from` to before `to`. */
static int run_group(struct run *run, size_t from, size_t to) {
    size_t *order = run->order;
    int err = 0;
    for (size_t i = from; i < to; i++) order[i - from] = i;
    for (unsigned round = run->plan->is_cold ? 1 : 0; round <= run->plan->rounds; round++) {
        shuffle(order, to - from, &run->random);
        for (size_t i = 0; i < to - from && err == 0 && bench_interrupted() == 0; i++)
            if (run->samples->rows[order[i]].error == 0 && !is_beyond(run, order[i]))
                err = run_row(run, order[i], round, (unsigned)i);
    }
    for (size_t i = from; i < to && err == 0 && run->plan->counts_calls; i++)
        if (run->samples->rows[i].error == 0 && bench_interrupted() == 0 && !is_beyond(run, i))
            err = count_row(run, i, (unsigned)(i - from));
    return err;
}

/* "trace-ring-epoll-100.txt" of "trace.txt". */
static void trace_row(const struct run *run, const struct bench_row *row, bool is_one_of_several) {
    struct bench_case it = *row->of;
    char suffix[128], path[TRACE_PATH_MAX];
    snprintf(suffix, sizeof suffix, "%s-%s-%lld", it.workload, it.subject, (long long)it.size);
    trace_path_with(path, run->plan->trace, is_one_of_several ? suffix : NULL);
    it.trace = path;
    it.time_ns = run->plan->time_ns / 4;
    const struct bench_sample *sample = take_sample(run, &it, false);
    if (sample->error != 0) fprintf(stderr, "eddy: %s: %s\n", path, sample->why);
}

static void trace_group(const struct run *run, size_t from, size_t to) {
    const struct bench_samples *samples = run->samples;
    bool is_one_of_several = samples->rows[samples->row_count - 1].of != samples->rows[0].of;
    for (size_t i = from; i < to && bench_interrupted() == 0; i++)
        if (samples->rows[i].error == 0 && !samples->rows[i].is_control && !is_beyond(run, i))
            trace_row(run, &samples->rows[i], is_one_of_several);
}

static int run_all(struct run *run) {
    const struct bench_samples *samples = run->samples;
    unsigned rounds = run->plan->rounds + (run->plan->is_cold ? 0 : 1) + run->plan->counts_calls;
    int err = bench_guard_open(&run->guard);
    if (err < 0) return err;
    bench_progress_begin(&run->progress, (unsigned)samples->row_count * rounds,
                         run->plan->show_progress);
    for (size_t from = 0, to = 0; from < samples->row_count && err == 0; from = to) {
        while (to < samples->row_count && samples->rows[to].first == from) to++;
        err = run_group(run, from, to);
        if (err == 0 && run->plan->trace != NULL) trace_group(run, from, to);
    }
    bench_progress_end(&run->progress);
    bench_guard_close(&run->guard);
    return err;
}

int bench_run(struct bench_samples *samples, const struct bench_plan *plan) {
    if (plan->rounds == 0 || plan->rounds > BENCH_ROUNDS_MAX) return -EINVAL;
    struct run run = {.samples = samples, .plan = plan, .runner = getpid(), .random = plan->seed};
    run.order = calloc(samples->row_count + 1, sizeof *run.order);
    run.shared =
        mmap(NULL, sizeof *run.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int err = run.order == NULL || run.shared == MAP_FAILED ? -ENOMEM : run_all(&run);
    if (run.shared != MAP_FAILED) munmap(run.shared, sizeof *run.shared);
    free(run.order);
    return err;
}
