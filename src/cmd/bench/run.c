/* run.c: takes the samples, in turn, each in a process of its own, and makes figures of them.
 * Threading: one; the children are waited for one at a time. */
#include "bench.h"
#include "figure.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ROUNDS_MAX = 100,
    PATIENCE_S = 120, /* with a sample, beside its time: setting up 10,000 processes takes long */
};

/* A spread (between the quartiles) of more than this share of the median is too wide. */
static const double spread_max = 0.10;

/* What the rounds of a case gave, per operation. */
struct rounds {
    double time_ns[ROUNDS_MAX], cpu_ns[ROUNDS_MAX], calls[ROUNDS_MAX], switches[ROUNDS_MAX];
    double memory_bytes[ROUNDS_MAX], before_bytes[ROUNDS_MAX], kernel_bytes[ROUNDS_MAX];
    double ratio[ROUNDS_MAX], served[ROUNDS_MAX];
    size_t count;
    eddy_histogram latency;
    int error;
    char why[96];
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

static void run_child(const struct bench_case *it, struct bench_sample *sample) {
    signal(SIGALRM, on_alarm);
    alarm((unsigned)(it->time_ns / EDDY_NS_PER_S) + PATIENCE_S);
    signal(SIGPIPE, SIG_IGN); /* of the workloads' own writes, when the other side gives up */
    it->run(it, sample);
    bench_write_trace(it, sample);
    _exit(0);
}

/* The sample stands in memory that both processes see. */
static void take_sample(const struct bench_case *it, struct bench_sample *sample) {
    memset(sample, 0, sizeof *sample);
    sample->cpu_ns = sample->calls = sample->memory_bytes = sample->switches = -1;
    sample->before_bytes = sample->kernel_bytes = sample->served = -1;
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        bench_cannot(sample, "fork", -errno);
        return;
    }
    if (child == 0) run_child(it, sample);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
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
}

static void keep_sample(struct rounds *rounds, const struct rounds *first,
                        const struct bench_sample *sample) {
    if (sample->error != 0) {
        rounds->error = sample->error;
        memcpy(rounds->why, sample->why, sizeof rounds->why);
        return;
    }
    size_t i = rounds->count++;
    double operations = (double)sample->operations;
    rounds->time_ns[i] = (double)sample->time_ns / operations;
    rounds->cpu_ns[i] = sample->cpu_ns < 0 ? -1 : (double)sample->cpu_ns / operations;
    rounds->calls[i] = sample->calls < 0 ? -1 : (double)sample->calls / operations;
    rounds->switches[i] = sample->switches < 0 ? -1 : (double)sample->switches / operations;
    rounds->memory_bytes[i] = (double)sample->memory_bytes;
    rounds->before_bytes[i] = (double)sample->before_bytes;
    rounds->kernel_bytes[i] = (double)sample->kernel_bytes;
    rounds->served[i] = (double)sample->served;
    rounds->ratio[i] = first->count > i ? rounds->time_ns[i] / first->time_ns[i] : -1;
    eddy_histogram_merge(&rounds->latency, &sample->latency);
}

static void make_result(struct bench_result *result, const struct bench_case *it,
                        struct rounds *rounds) {
    *result = (struct bench_result){.of = it, .error = rounds->error};
    memcpy(result->why, rounds->why, sizeof result->why);
    if (rounds->error != 0) return;
    size_t count = rounds->count;
    result->time_ns = bench_figure_of(rounds->time_ns, count);
    result->cpu_ns = bench_figure_of(rounds->cpu_ns, count);
    result->calls = bench_figure_of(rounds->calls, count);
    result->switches = bench_figure_of(rounds->switches, count);
    result->ratio = bench_figure_of(rounds->ratio, count);
    result->memory_bytes = bench_figure_of(rounds->memory_bytes, count).median;
    result->before_bytes = bench_figure_of(rounds->before_bytes, count).median;
    result->kernel_bytes = bench_figure_of(rounds->kernel_bytes, count).median;
    result->served = bench_figure_of(rounds->served, count).median;
    result->p50_ns = eddy_histogram_at_ns(&rounds->latency, 0.5);
    result->p99_ns = eddy_histogram_at_ns(&rounds->latency, 0.99);
    result->p999_ns = eddy_histogram_at_ns(&rounds->latency, 0.999);
    const struct bench_figure *time = &result->time_ns;
    result->is_wide = time->high - time->low > spread_max * time->median;
}

static bool is_same_group(const struct bench_case *a, const struct bench_case *b) {
    return strcmp(a->workload, b->workload) == 0 && strcmp(a->setting, b->setting) == 0;
}

static void tell_progress(const struct bench_plan *plan, const struct bench_case *it,
                          unsigned round) {
    if (!plan->show_progress) return;
    fprintf(stderr, "\r\033[K%s, %s: %s, round %u of %u", it->workload, it->setting, it->subject,
            round, plan->rounds);
    fflush(stderr);
}

static void run_group(const struct bench_case *cases, size_t count, const struct bench_plan *plan,
                      struct rounds *rounds, struct bench_sample *sample) {
    for (unsigned round = plan->is_cold ? 1 : 0; round <= plan->rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            if (rounds[i].error != 0) continue;
            struct bench_case it = cases[i];
            it.runner = getpid();
            it.time_ns = round == 0 ? plan->time_ns / 4 : plan->time_ns;
            tell_progress(plan, &it, round);
            take_sample(&it, sample);
            if (round > 0 || sample->error != 0) keep_sample(&rounds[i], &rounds[0], sample);
        }
    }
}

/* "trace-ring-epoll-100.txt" of "trace.txt". */
static void trace_case(struct bench_case it, const struct bench_plan *plan, bool is_one_of_several,
                       struct bench_sample *sample) {
    char suffix[128], path[TRACE_PATH_MAX];
    snprintf(suffix, sizeof suffix, "%s-%s-%lld", it.workload, it.subject, (long long)it.size);
    trace_path_with(path, plan->trace, is_one_of_several ? suffix : NULL);
    it.trace = path;
    it.runner = getpid();
    it.time_ns = plan->time_ns / 4;
    take_sample(&it, sample);
    if (sample->error != 0) fprintf(stderr, "eddy: %s: %s\n", path, sample->why);
}

int bench_run(const struct bench_case *cases, size_t count, const struct bench_plan *plan,
              struct bench_result *results) {
    if (plan->rounds == 0 || plan->rounds > ROUNDS_MAX) return -EINVAL;
    struct bench_sample *sample =
        mmap(NULL, sizeof *sample, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sample == MAP_FAILED) return -ENOMEM;
    int err = 0;
    for (size_t from = 0, to = 0; from < count && err == 0; from = to) {
        while (to < count && is_same_group(&cases[from], &cases[to])) to++;
        struct rounds *rounds = calloc(to - from, sizeof *rounds);
        if (rounds == NULL) {
            err = -ENOMEM;
            break;
        }
        run_group(cases + from, to - from, plan, rounds, sample);
        for (size_t i = from; i < to && plan->trace != NULL; i++)
            if (rounds[i - from].error == 0) trace_case(cases[i], plan, count > 1, sample);
        for (size_t i = from; i < to; i++) make_result(&results[i], &cases[i], &rounds[i - from]);
        free(rounds);
    }
    if (plan->show_progress) fputs("\r\033[K", stderr);
    munmap(sample, sizeof *sample);
    return err;
}
