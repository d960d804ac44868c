/* raw_read.c: see raw.h. Without state. */
#include "json.h"
#include "rates.h"
#include "raw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ROUND_VALUE_MAX = 1000000000 };

/* What is made of them, rates and ratios, is a number as well. */
#define VALUE_MAX 1e18
#define TIME_MIN  1e-6

/* A line, which json_check has taken, and what is wrong with it. */
struct line {
    const char *text;
    size_t length;
    char *error;
    size_t error_size;
};

static bool fails(struct line *line, const char *name, const char *wants) {
    snprintf(line->error, line->error_size, "\"%s\" is not %s", name, wants);
    return false;
}

static bool take_text(struct line *line, const char *name, char *text, size_t size) {
    const char *value;
    size_t length;
    bool is_good = json_find(line->text, line->length, name, &value, &length) &&
                   json_read_text(value, length, text, size);
    return is_good || fails(line, name, "a text, or is too long");
}

/* Whole and from 0 to `max`. */
static bool take_whole(struct line *line, const char *name, double max, double *number) {
    const char *value;
    size_t length;
    bool is_good = json_find(line->text, line->length, name, &value, &length) &&
                   json_read_number(value, length, number) && *number >= 0 && *number <= max &&
                   *number == (double)(int64_t)*number;
    return is_good || fails(line, name, "a whole number, or out of its range");
}

static bool take_head(struct raw_head *head, struct line *line) {
    char format[16] = "", seed[32];
    double version = 0, rounds, sample_ms;
    if (!take_text(line, "format", format, sizeof format) || strcmp(format, "eddy bench") != 0)
        return fails(line, "format", "\"eddy bench\": this is no raw.jsonl of a report");
    if (!take_whole(line, "version", ROUND_VALUE_MAX, &version)) return false;
    if (version != (double)RAW_VERSION) {
        snprintf(line->error, line->error_size,
                 "the file's format is version %.0f, and this program reads version %d", version,
                 RAW_VERSION);
        return false;
    }
    if (!take_text(line, "eddy", head->eddy, sizeof head->eddy) ||
        !take_text(line, "command", head->command, sizeof head->command) ||
        !take_text(line, "seed", seed, sizeof seed) ||
        !take_whole(line, "rounds", BENCH_ROUNDS_MAX, &rounds) ||
        !take_whole(line, "sample_ms", ROUND_VALUE_MAX, &sample_ms))
        return false;
    char *end;
    head->seed = strtoull(seed, &end, 10);
    if (end == seed || *end != '\0') return fails(line, "seed", "a number in a text");
    head->rounds = (unsigned)rounds;
    head->sample_ms = (unsigned)sample_ms;
    return true;
}

/* --- Rows --- */

/* What a line says of its row. */
struct row_text {
    double row, first, size, rate; /* rate 0: it has none */
    char kind[16], workload[RAW_TEXT_MAX], setting[sizeof((struct bench_case *)0)->setting];
    char subject[RAW_TEXT_MAX], operation[RAW_TEXT_MAX];
    bool is_control;
};

static bool take_row(struct row_text *row, struct line *line) {
    const char *value;
    size_t length;
    if (!take_whole(line, "row", RAW_ROWS_MAX - 1, &row->row) ||
        !take_whole(line, "first", row->row, &row->first) ||
        !take_whole(line, "size", 1e15, &row->size) ||
        !take_text(line, "kind", row->kind, sizeof row->kind) ||
        !take_text(line, "workload", row->workload, sizeof row->workload) ||
        !take_text(line, "setting", row->setting, sizeof row->setting) ||
        !take_text(line, "subject", row->subject, sizeof row->subject) ||
        !take_text(line, "operation", row->operation, sizeof row->operation))
        return false;
    if (!json_find(line->text, line->length, "control", &value, &length) ||
        (value[0] != 't' && value[0] != 'f'))
        return fails(line, "control", "true or false");
    row->is_control = value[0] == 't';
    row->rate = 0;
    return !json_find(line->text, line->length, "rate", &value, &length) ||
           take_whole(line, "rate", BENCH_RATE_MAX, &row->rate);
}

static int find_kind(const char *name) {
    for (int i = 0; i < RAW_KINDS; i++)
        if (strcmp(raw_kinds[i], name) == 0) return i;
    return -1;
}

static bool is_same(const struct bench_row *row, const struct row_text *text) {
    const struct bench_case *it = row->of;
    return strcmp(it->workload, text->workload) == 0 && strcmp(it->setting, text->setting) == 0 &&
           strcmp(it->subject, text->subject) == 0 && strcmp(it->operation, text->operation) == 0 &&
           (int)it->kind == find_kind(text->kind) && it->size == (int64_t)text->size &&
           it->rate == (unsigned)text->rate && row->is_control == text->is_control &&
           row->first == (size_t)text->first;
}

static int make_case(const struct row_text *text, struct bench_row *row, struct line *line) {
    int kind = find_kind(text->kind);
    if (kind < 0) {
        fails(line, "kind", "one that there is");
        return -EINVAL;
    }
    struct bench_case *it = calloc(1, sizeof *it);
    if (it == NULL) return -ENOMEM;
    row->of = it;
    it->kind = (enum bench_kind)kind;
    it->size = (int64_t)text->size;
    it->rate = (unsigned)text->rate;
    it->workload = strdup(text->workload);
    it->subject = strdup(text->subject);
    it->operation = strdup(text->operation);
    memcpy(it->setting, text->setting, sizeof it->setting);
    row->first = (size_t)text->first;
    row->is_control = text->is_control;
    bool is_whole = it->workload != NULL && it->subject != NULL && it->operation != NULL;
    return is_whole ? 0 : -ENOMEM;
}

static void free_case(const struct bench_case *it) {
    if (it == NULL) return;
    free((char *)(uintptr_t)it->workload);
    free((char *)(uintptr_t)it->subject);
    free((char *)(uintptr_t)it->operation);
    free((struct bench_case *)(uintptr_t)it);
}

/* Rows are large, for the histogram in each. */
static int make_room(struct raw *raw, size_t rows) {
    struct bench_samples *samples = &raw->samples;
    if (rows > raw->room) {
        size_t room = 2 * rows;
        struct bench_row *more = realloc(samples->rows, room * sizeof *more);
        if (more == NULL) return -ENOMEM;
        memset(more + raw->room, 0, (room - raw->room) * sizeof *more);
        samples->rows = more;
        raw->room = room;
    }
    if (rows > samples->row_count) samples->row_count = rows;
    return 0;
}

/* The row of a line, made by the first line of it. */
static int find_row(struct raw *raw, struct line *line, size_t *row) {
    struct row_text text;
    struct bench_samples *samples = &raw->samples;
    if (!take_row(&text, line)) return -EINVAL;
    *row = (size_t)text.row;
    int err = make_room(raw, *row + 1);
    if (err < 0) return err;
    if (samples->rows[*row].of == NULL) return make_case(&text, &samples->rows[*row], line);
    if (is_same(&samples->rows[*row], &text)) return 0;
    snprintf(line->error, line->error_size, "row %zu is another than on the lines before", *row);
    return -EINVAL;
}

/* --- Records --- */

static int take_values(struct line *line, double *values) {
    const char *value;
    size_t length;
    for (int i = 0; i < BENCH_METRICS; i++) {
        const char *name = bench_metrics[i].name;
        values[i] = -1;
        if (!json_find(line->text, line->length, name, &value, &length)) continue;
        if (json_read_number(value, length, &values[i]) && values[i] >= 0 && values[i] <= VALUE_MAX)
            continue;
        fails(line, name, "a number from 0 to 1e18");
        return -EINVAL;
    }
    /* A round in which calls are counted has nothing else. */
    if (values[BENCH_TIME] >= TIME_MIN || (values[BENCH_TIME] < 0 && values[BENCH_COUNTED] >= 0))
        return 0;
    fails(line, bench_metrics[BENCH_TIME].name, "there, or is too small");
    return -EINVAL;
}

static int take_record(struct raw *raw, struct line *line, size_t row) {
    struct bench_samples *samples = &raw->samples;
    struct bench_record record = {.row = row};
    double round, position;
    if (!take_whole(line, "round", BENCH_VALUES_MAX, &round) ||
        !take_whole(line, "position", RAW_ROWS_MAX, &position))
        return -EINVAL;
    if (round < 1) {
        fails(line, "round", "a number from 1 on");
        return -EINVAL;
    }
    if (samples->count == (size_t)RAW_ROWS_MAX * BENCH_VALUES_MAX) {
        snprintf(line->error, line->error_size, "more samples than a report has");
        return -EINVAL;
    }
    record.round = (unsigned)round;
    record.position = (unsigned)position;
    int err = take_values(line, record.values);
    return err < 0 ? err : bench_samples_put(samples, &record);
}

static int take_line(struct raw *raw, struct line *line) {
    const char *value;
    size_t length, row;
    int err = find_row(raw, line, &row);
    if (err < 0) return err;
    if (!json_find(line->text, line->length, "why", &value, &length))
        return take_record(raw, line, row);
    struct bench_row *it = &raw->samples.rows[row];
    it->error = -EIO;
    return take_text(line, "why", it->why, sizeof it->why) ? 0 : -EINVAL;
}

/* --- The file --- */

static int read_line(struct raw *raw, const char *text, size_t length, unsigned number, char *error,
                     size_t error_size) {
    char what[256] = "";
    const char *why = NULL;
    struct line line = {text, length, what, sizeof what};
    int err = -EINVAL;
    if (!json_check(text, length, &why))
        snprintf(what, sizeof what, "%s", why);
    else if (number == 1)
        err = take_head(&raw->head, &line) ? 0 : -EINVAL;
    else
        err = take_line(raw, &line);
    if (err == -EINVAL) snprintf(error, error_size, "line %u: %s", number, what);
    return err;
}

/* The next line without its end; what is longer than `size` is cut. -1: there is none, or its end
 * is missing. */
static int next_line(FILE *file, char *text, size_t size) {
    size_t length = 0;
    int c;
    while ((c = getc(file)) != EOF && c != '\n')
        if (length < size) text[length++] = (char)c;
    return c == EOF ? -1 : (int)length;
}

/* A row and the one that it is compared with are of one group. */
static int check_groups(const struct bench_samples *samples, char *error, size_t error_size) {
    for (size_t i = 0; i < samples->row_count; i++) {
        const struct bench_case *it = samples->rows[i].of;
        const struct bench_case *first = samples->rows[samples->rows[i].first].of;
        if (it == NULL || first == NULL) continue;
        if (strcmp(it->workload, first->workload) == 0 && strcmp(it->setting, first->setting) == 0)
            continue;
        snprintf(error, error_size, "row %zu: the first of its group is of another group", i);
        return -EINVAL;
    }
    return 0;
}

int raw_read(struct raw *raw, FILE *file, char *error, size_t error_size) {
    char text[RAW_LINE_MAX + 1];
    unsigned number = 0;
    *raw = (struct raw){.room = 0};
    int length, err = 0;
    while (err == 0 && (length = next_line(file, text, sizeof text)) >= 0) {
        number++;
        if (length <= RAW_LINE_MAX) {
            err = read_line(raw, text, (size_t)length, number, error, error_size);
            continue;
        }
        snprintf(error, error_size, "line %u: longer than %d bytes", number, RAW_LINE_MAX);
        err = -EINVAL;
    }
    if (err == 0 && ferror(file)) err = -EIO;
    if (err == 0 && number == 0) {
        snprintf(error, error_size, "line 1: is missing, which says what was run");
        err = -EINVAL;
    }
    return err == 0 ? check_groups(&raw->samples, error, error_size) : err;
}

void raw_free(struct raw *raw) {
    for (size_t i = 0; i < raw->samples.row_count; i++) free_case(raw->samples.rows[i].of);
    bench_samples_free(&raw->samples);
}
