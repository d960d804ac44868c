/* raw.h: samples in a file, raw.jsonl of a report: a line of JSON for what was run, one for each
 * sample as it is taken, and one for each row that could not be measured. Each line says all that
 * it is of, so that other programs can read them one by one; docs/11-benchmarks.md has the members.
 *
 * What is read may be anybody's file: it is refused with the number of the line that is wrong. */
#ifndef EDDY_CMD_BENCH_RAW_H
#define EDDY_CMD_BENCH_RAW_H

#include "samples.h"

enum { RAW_VERSION = 1, RAW_ROWS_MAX = 4096, RAW_LINE_MAX = 8192, RAW_TEXT_MAX = 128 };

/* What a kind is called in a file. */
enum { RAW_KINDS = BENCH_CLIENTS + 1 };
extern const char *const raw_kinds[RAW_KINDS];

/* What was run. */
struct raw_head {
    char command[RAW_TEXT_MAX]; /* "eddy bench backends" */
    char eddy[32];              /* the version */
    uint64_t seed;
    unsigned rounds, sample_ms;
};

void raw_write_head(FILE *out, const struct raw_head *head);
void raw_write_record(FILE *out, const struct bench_samples *samples,
                      const struct bench_record *record);
void raw_write_failures(FILE *out, const struct bench_samples *samples);

/* Samples as they were, but for the histograms of latencies. Rows of which no line tells have no
 * case, and nothing is known of them. */
struct raw {
    struct raw_head head;
    struct bench_samples samples; /* each row has a case of its own, allocated as its texts are */
    size_t room;                  /* for rows */
};

/* Reads a file to its end. A last line without an end is left out: the run was killed as it wrote.
 * Returns 0; -EINVAL with `error` filled in ("line 7: …"); -ENOMEM; -EIO. raw_free is due in any
 * case. */
int raw_read(struct raw *raw, FILE *file, char *error, size_t error_size);
void raw_free(struct raw *raw);

#endif
