/* report_page.h: report.html: one file without script, with charts, the figures behind them and
 * the machines; of one report, or of several beside each other. */
#ifndef EDDY_CMD_BENCH_REPORT_PAGE_H
#define EDDY_CMD_BENCH_REPORT_PAGE_H

#include "panels.h"
#include "raw.h"

enum { REPORT_MACHINE_MAX = 128 * 1024 };

/* A report that was read from its directory. */
struct report_source {
    const char *label; /* on a page with several; NULL: none */
    struct raw raw;
    char *machine; /* one JSON object, which json_check has taken; NULL: it is missing */
    size_t machine_bytes;
    struct bench_result *results; /* of the rows of which there is anything */
    size_t count;
};

/* Reads raw.jsonl and machine.json of a directory, which may be anybody's. Returns 0, or a negative
 * errno with a line in `error` that says what is wrong and where. report_source_free is due in any
 * case. */
int report_source_read(struct report_source *source, const char *directory, const char *label,
                       char *error, size_t error_size);
void report_source_free(struct report_source *source);

/* Returns 0 or -ENOMEM; whether all could be written the stream knows. */
int report_page_write(FILE *out, const struct report_source *sources, size_t count);
/* The figures below the charts. */
void report_page_put_figures(FILE *out, const struct panels *panels);
/* What is known of the machines. */
void report_page_put_machines(FILE *out, const struct report_source *sources, size_t count);

#endif
