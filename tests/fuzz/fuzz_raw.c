/* fuzz_raw.c: any bytes as the samples of a report. A file that is taken has rows and records
 * within their bounds, and a page; one that is not is refused with a reason that begins with a
 * place. */
#include <errno.h>
#include <stdio.h>

#include "fuzz.h"
#include "raw.h"

static void check_records(const struct raw *raw) {
    const struct bench_samples *samples = &raw->samples;
    FUZZ_CHECK(samples->row_count <= RAW_ROWS_MAX);
    for (size_t i = 0; i < samples->row_count; i++) {
        const struct bench_row *row = &samples->rows[i];
        FUZZ_CHECK(row->first <= i);
        FUZZ_CHECK(row->of == NULL || (row->of->workload != NULL && row->of->subject != NULL));
    }
    for (size_t i = 0; i < samples->count; i++) {
        const struct bench_record *record = &samples->records[i];
        FUZZ_CHECK(record->row < samples->row_count);
        FUZZ_CHECK(samples->rows[record->row].of != NULL);
        FUZZ_CHECK(record->round >= 1 && record->round <= BENCH_VALUES_MAX);
        FUZZ_CHECK(record->values[BENCH_TIME] > 0 || record->values[BENCH_COUNTED] >= 0);
    }
}

/* What was taken is taken again when it is written, and means the same. */
static void check_again(const struct raw *raw) {
    char error[256] = "";
    char *text = NULL;
    size_t size = 0;
    struct raw again;
    FILE *out = open_memstream(&text, &size);
    FUZZ_CHECK(out != NULL);
    raw_write_head(out, &raw->head);
    for (size_t i = 0; i < raw->samples.count; i++)
        raw_write_record(out, &raw->samples, &raw->samples.records[i]);
    fclose(out);
    FILE *in = fmemopen(text, size, "r");
    FUZZ_CHECK(in != NULL);
    FUZZ_CHECK(raw_read(&again, in, error, sizeof error) == 0);
    FUZZ_CHECK(again.samples.count == raw->samples.count);
    fclose(in);
    raw_free(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct raw raw;
    char error[256] = "";
    char *text = malloc(size + 1);
    FUZZ_CHECK(text != NULL);
    if (size > 0) memcpy(text, data, size);
    FILE *file = fmemopen(text, size + 1, "r");
    FUZZ_CHECK(file != NULL);
    text[size] = '\n'; /* so that a last line counts as well */
    int err = raw_read(&raw, file, error, sizeof error);
    FUZZ_CHECK(err == 0 || err == -EINVAL);
    FUZZ_CHECK((err == 0) == (error[0] == '\0'));
    FUZZ_CHECK(err == 0 || strncmp(error, "line ", 5) == 0 || strncmp(error, "row ", 4) == 0);
    if (err == 0) {
        check_records(&raw);
        check_again(&raw);
    }
    raw_free(&raw);
    fclose(file);
    free(text);
    return 0;
}
