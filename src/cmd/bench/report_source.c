/* report_source.c: reads a report from its directory (report_page.h). Without state. */
#include "figure.h"
#include "json.h"
#include "report_page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static FILE *open_in(const char *directory, const char *name, char *path, size_t size) {
    if ((size_t)snprintf(path, size, "%s/%s", directory, name) >= size) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    return fopen(path, "re");
}

static int fails(char *error, size_t size, const char *path, int err) {
    char text[64];
    snprintf(error, size, "\"%s\" cannot be read: %s", path, eddy_strerror(err, text, sizeof text));
    return err;
}

static int read_raw(struct report_source *source, const char *directory, char *error,
                    size_t error_size) {
    char path[1024], why[256] = "";
    FILE *file = open_in(directory, "raw.jsonl", path, sizeof path);
    if (file == NULL) return fails(error, error_size, path, -errno);
    int err = raw_read(&source->raw, file, why, sizeof why);
    fclose(file);
    if (err == -EINVAL)
        snprintf(error, error_size, "\"%s\", %s", path, why);
    else if (err < 0)
        fails(error, error_size, path, err);
    return err;
}

/* A report without one is still a report. */
static int read_machine(struct report_source *source, const char *directory, char *error,
                        size_t error_size) {
    char path[1024];
    const char *why = NULL;
    FILE *file = open_in(directory, "machine.json", path, sizeof path);
    if (file == NULL) return errno == ENOENT ? 0 : fails(error, error_size, path, -errno);
    source->machine = malloc(REPORT_MACHINE_MAX);
    size_t bytes =
        source->machine == NULL ? 0 : fread(source->machine, 1, REPORT_MACHINE_MAX, file);
    fclose(file);
    source->machine_bytes = bytes;
    if (source->machine == NULL) return fails(error, error_size, path, -ENOMEM);
    if (bytes < REPORT_MACHINE_MAX && json_check(source->machine, bytes, &why)) return 0;
    snprintf(error, error_size, "\"%s\": %s", path,
             bytes < REPORT_MACHINE_MAX ? why : "it is too long");
    return -EINVAL;
}

/* Histograms are not in the file: the median of the rounds' own quantiles is. */
static int64_t quantile(const struct bench_samples *samples, size_t row, enum bench_metric metric) {
    double values[BENCH_VALUES_MAX];
    double median =
        bench_figure_of(values, bench_samples_values(samples, row, metric, values)).median;
    return median > 0 && median < 1e18 ? (int64_t)median : 0;
}

static int make_results(struct report_source *source) {
    const struct bench_samples *samples = &source->raw.samples;
    source->results = calloc(samples->row_count + 1, sizeof *source->results);
    if (source->results == NULL) return -ENOMEM;
    for (size_t i = 0; i < samples->row_count; i++) {
        struct bench_result *result = &source->results[source->count];
        if (samples->rows[i].of == NULL) continue;
        bench_result_of(samples, i, result);
        result->p50_ns = quantile(samples, i, BENCH_P50);
        result->p99_ns = quantile(samples, i, BENCH_P99);
        result->p999_ns = quantile(samples, i, BENCH_P999);
        source->count++;
    }
    return 0;
}

int report_source_read(struct report_source *source, const char *directory, const char *label,
                       char *error, size_t error_size) {
    *source = (struct report_source){.label = label};
    int err = read_raw(source, directory, error, error_size);
    if (err == 0) err = read_machine(source, directory, error, error_size);
    if (err < 0) return err;
    err = make_results(source);
    if (err == 0 && source->count > 0) return 0;
    snprintf(error, error_size, "\"%s/raw.jsonl\" has no sample", directory);
    return err < 0 ? err : -ENOENT;
}

void report_source_free(struct report_source *source) {
    raw_free(&source->raw);
    free(source->machine);
    free(source->results);
}
