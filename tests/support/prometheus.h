/* prometheus.h: a strict reader of Prometheus' text format, version 0.0.4. What it does not know is
 * an error: each family has its HELP, its TYPE, then its samples, and is there once; no series is
 * there twice; counters end in "_total"; of a histogram the bounds ascend, the counts do not fall,
 * and the last one is its _count. */
#ifndef EDDY_TESTS_PROMETHEUS_H
#define EDDY_TESTS_PROMETHEUS_H

#include <check.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SERIES_MAX = 1024, SERIES_BYTES = 160 };

struct series {
    char name[SERIES_BYTES]; /* with its labels */
    double value;
};

struct prometheus {
    struct series series[SERIES_MAX];
    size_t count;
    char family[64], type[16];
    char families[128][64];
    size_t family_count;
    bool has_type;
    /* Of a histogram: the last bucket's. */
    char labels[SERIES_BYTES];
    double bound, buckets;
    bool has_buckets;
};

static inline size_t name_length(const char *text) {
    size_t length = 0;
    while (isalnum((unsigned char)text[length]) || text[length] == '_') length++;
    return length;
}

static inline void read_comment(struct prometheus *it, const char *line) {
    char name[64], type[16];
    int used = 0;
    if (sscanf(line, "# HELP %63s %n", name, &used) == 1 && used > 0) {
        ck_assert_msg(line[used] != '\0' && name[name_length(name)] == '\0', "%s", line);
        for (size_t i = 0; i < it->family_count; i++) ck_assert_str_ne(it->families[i], name);
        ck_assert_uint_lt(it->family_count, 128);
        strcpy(it->families[it->family_count++], name);
        strcpy(it->family, name);
        it->has_type = false;
        return;
    }
    ck_assert_msg(sscanf(line, "# TYPE %63s %15s", name, type) == 2, "%s", line);
    ck_assert_msg(!it->has_type && strcmp(name, it->family) == 0, "%s", line);
    bool is_counter = strcmp(type, "counter") == 0;
    bool ends_in_total = strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_total") == 0;
    ck_assert_msg(is_counter == ends_in_total, "%s", line);
    ck_assert_msg(is_counter || !strcmp(type, "gauge") || !strcmp(type, "histogram"), "%s", line);
    strcpy(it->type, type);
    it->has_type = true;
    it->has_buckets = false;
}

/* Which part of a histogram it is; the labels without `le` in `labels`. */
static inline void read_part(struct prometheus *it, const struct series *series) {
    char labels[SERIES_BYTES] = "";
    const char *suffix = series->name + strlen(it->family), *brace = strchr(suffix, '{');
    const char *le = strstr(suffix, "le=\"");
    if (brace != NULL) snprintf(labels, sizeof labels, "%s", brace);
    if (le != NULL) {
        size_t kept = (size_t)(le - brace) - (le[-1] == ',');
        snprintf(labels + kept, sizeof labels - kept, kept > 1 ? "}" : "");
        if (kept <= 1) labels[0] = '\0';
    }
    if (strncmp(suffix, "_bucket{", 8) == 0) {
        ck_assert_ptr_nonnull(le);
        double bound = strtod(le + 4, NULL);
        bool goes_on = it->has_buckets && strcmp(labels, it->labels) == 0;
        if (goes_on)
            ck_assert_msg(bound > it->bound && series->value >= it->buckets, "%s", series->name);
        it->has_buckets = true;
        it->bound = bound;
        it->buckets = series->value;
        strcpy(it->labels, labels);
        return;
    }
    ck_assert_msg(it->has_buckets && strcmp(labels, it->labels) == 0, "%s", series->name);
    ck_assert_msg(it->bound > 1e300, "the last bucket of %s has all", series->name);
    if (strncmp(suffix, "_count", 6) == 0)
        ck_assert_msg(series->value == it->buckets, "%s", series->name);
    else
        ck_assert_msg(strncmp(suffix, "_sum", 4) == 0, "%s", series->name);
}

/* {name="value",name="value"}, without escapes. Returns what is behind it. */
static inline const char *skip_labels(const char *text) {
    if (*text != '{') return text;
    do {
        size_t length = name_length(++text);
        ck_assert_msg(length > 0 && strncmp(text + length, "=\"", 2) == 0, "%s", text);
        text += length + 2;
        text += strcspn(text, "\"\\\n");
        ck_assert_msg(*text == '"', "%s", text);
        text++;
    } while (*text == ',');
    ck_assert_msg(*text == '}', "%s", text);
    return text + 1;
}

static inline void read_sample(struct prometheus *it, const char *line) {
    const char *end = skip_labels(line + name_length(line));
    size_t length = (size_t)(end - line);
    char *rest = NULL;
    ck_assert_msg(it->has_type && length > 0 && length < SERIES_BYTES && *end == ' ', "%s", line);
    ck_assert_uint_lt(it->count, SERIES_MAX);
    struct series *series = &it->series[it->count];
    memcpy(series->name, line, length);
    series->name[length] = '\0';
    series->value = strtod(end + 1, &rest);
    ck_assert_msg(rest != end + 1 && *rest == '\0' && end[1] != ' ', "%s", line);
    ck_assert_msg(strncmp(line, it->family, strlen(it->family)) == 0, "%s", line);
    for (size_t i = 0; i < it->count; i++)
        if (strcmp(it->series[i].name, series->name) == 0) ck_abort_msg("twice: %s", line);
    it->count++;
    if (strcmp(it->type, "histogram") == 0)
        read_part(it, series);
    else
        ck_assert_msg(name_length(line) == strlen(it->family), "%s", line);
}

/* Reads a page of `size` bytes. Free it. */
static inline struct prometheus *prometheus_read(const char *page, size_t size) {
    struct prometheus *it = calloc(1, sizeof *it);
    char line[512];
    ck_assert_ptr_nonnull(it);
    ck_assert_msg(size > 0 && page[size - 1] == '\n', "the last line ends");
    for (const char *at = page; at < page + size;) {
        const char *end = memchr(at, '\n', (size_t)(page + size - at));
        size_t length = (size_t)(end - at);
        ck_assert_uint_lt(length, sizeof line);
        memcpy(line, at, length);
        line[length] = '\0';
        if (line[0] == '#')
            read_comment(it, line);
        else
            read_sample(it, line);
        at = end + 1;
    }
    return it;
}

/* Fails the test if there is no such series. */
static inline double prometheus_value(const struct prometheus *it, const char *name) {
    for (size_t i = 0; i < it->count; i++)
        if (strcmp(it->series[i].name, name) == 0) return it->series[i].value;
    ck_abort_msg("there is no %s", name);
}

#endif
