/* plot.c: draws results with gnuplot, which is asked to read its data behind its commands. A panel
 * or two for each workload, a curve for each subject. Without state. */
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

enum { WIDTH = 900, HEIGHT = 360, SUBJECTS_MAX = 16 };

static bool is_first_of_workload(const struct bench_result *results, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (strcmp(results[k].of->workload, results[i].of->workload) == 0) return false;
    return true;
}

/* The subjects of a workload, each once. */
static size_t find_subjects(const struct bench_result *results, size_t count, const char *workload,
                            const char *subjects[SUBJECTS_MAX]) {
    size_t found = 0;
    for (size_t i = 0; i < count && found < SUBJECTS_MAX; i++) {
        if (strcmp(results[i].of->workload, workload) != 0 || results[i].error != 0) continue;
        size_t k = 0;
        while (k < found && strcmp(subjects[k], results[i].of->subject) != 0) k++;
        if (k == found) subjects[found++] = results[i].of->subject;
    }
    return found;
}

/* What a panel shows. */
struct quantity {
    const char *title, *size; /* of the axes; a title NULL: so many ns per operation */
    struct bench_figure (*of)(const struct bench_result *it);
};

static struct bench_figure time_of(const struct bench_result *it) {
    return it->time_ns;
}

static struct bench_figure rate_of(const struct bench_result *it) {
    const struct bench_figure *time = &it->time_ns;
    return (struct bench_figure){1e9 / time->median, 1e9 / time->high, 1e9 / time->low};
}

static struct bench_figure memory_of(const struct bench_result *it) {
    return (struct bench_figure){it->memory_bytes, it->memory_bytes, it->memory_bytes};
}

enum { QUANTITIES_MAX = 2 };

static const struct quantity quantities[][QUANTITIES_MAX] = {
    [BENCH_OPERATIONS] = {{NULL, "size", time_of}},
    [BENCH_SERVERS] = {{"requests a second", "connections", rate_of},
                       {"bytes of memory", "connections", memory_of}},
    [BENCH_COSTS] = {{NULL, "size", time_of}},
};

static size_t count_quantities(const struct bench_case *it) {
    size_t count = 0;
    while (count < QUANTITIES_MAX && quantities[it->kind][count].of != NULL) count++;
    return count;
}

static void write_curve(FILE *to, const struct bench_result *results, size_t count,
                        const char *workload, const char *subject,
                        const struct quantity *quantity) {
    for (size_t i = 0; i < count; i++) {
        const struct bench_result *it = &results[i];
        if (it->error != 0 || it->is_control) continue;
        if (strcmp(it->of->workload, workload) != 0) continue;
        if (strcmp(it->of->subject, subject) != 0) continue;
        struct bench_figure figure = quantity->of(it);
        fprintf(to, "%lld %.6g %.6g %.6g\n", (long long)it->of->size, figure.median, figure.low,
                figure.high);
    }
    fputs("e\n", to);
}

static void write_panel(FILE *to, const struct bench_result *results, size_t count,
                        const struct bench_case *it, const struct quantity *quantity) {
    const char *subjects[SUBJECTS_MAX];
    size_t found = find_subjects(results, count, it->workload, subjects);
    if (found == 0) return;
    fprintf(to, "set xlabel '%s'\nset title '%s'\nset ylabel '%s%s'\nplot ", quantity->size,
            it->workload, quantity->title != NULL ? quantity->title : "ns per ",
            quantity->title != NULL ? "" : it->operation);
    for (size_t i = 0; i < found; i++)
        fprintf(to, "%s'-' using 1:2:3:4 with yerrorlines title '%s'", i == 0 ? "" : ", ",
                subjects[i]);
    fputc('\n', to);
    for (size_t i = 0; i < found; i++)
        write_curve(to, results, count, it->workload, subjects[i], quantity);
}

int bench_plot(const char *path, const struct bench_result *results, size_t count) {
    size_t panels = 0;
    for (size_t i = 0; i < count; i++)
        if (is_first_of_workload(results, i)) panels += count_quantities(results[i].of);
    if (strpbrk(path, "'\n") != NULL) return -EINVAL; /* it stands quoted in gnuplot's language */
    if (panels == 0) return -EINVAL;
    void (*was)(int) = signal(SIGPIPE, SIG_IGN); /* there may be no gnuplot, or one that gives up */
    FILE *to = popen("gnuplot", "w");
    if (to == NULL) {
        int err = -errno;
        signal(SIGPIPE, was);
        return err;
    }
    /* A name that began with a bar would be a command to gnuplot. */
    fprintf(to,
            "set terminal svg size %d,%zu background 'white'\nset output '%s%s'\n"
            "set multiplot layout %zu,1\nset logscale xy\nset grid\nset key left top\n",
            WIDTH, HEIGHT * panels, path[0] == '/' ? "" : "./", path, panels);
    for (size_t i = 0; i < count; i++) {
        const struct bench_case *it = results[i].of;
        if (!is_first_of_workload(results, i)) continue;
        for (size_t k = 0; k < count_quantities(it); k++)
            write_panel(to, results, count, it, &quantities[it->kind][k]);
    }
    fputs("unset multiplot\n", to);
    int status = pclose(to);
    signal(SIGPIPE, was);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) return -ENOENT;
    return status == 0 ? 0 : -EIO;
}
