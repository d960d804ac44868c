/* raw_write.c: see raw.h. Without state. */
#include "json.h"
#include "raw.h"

#include <string.h>

const char *const raw_kinds[RAW_KINDS] = {
    [BENCH_OPERATIONS] = "operations", [BENCH_SERVERS] = "servers", [BENCH_COSTS] = "costs",
    [BENCH_LOOPS] = "loops",           [BENCH_CLIENTS] = "clients",
};

static void put_text(struct json *json, const char *name, const char *text) {
    json_add(json, ",\"%s\":", name);
    json_add_text(json, text);
}

/* A line is written whole and at once, so that a run that is killed leaves whole lines. */
static void end_line(FILE *out, struct json *json) {
    json_add(json, "}\n");
    if (!json->is_cut) fputs(json->text, out);
    fflush(out);
}

void raw_write_head(FILE *out, const struct raw_head *head) {
    char line[RAW_LINE_MAX];
    struct json json;
    json_begin(&json, line, sizeof line);
    json_add(&json, "{\"format\":\"eddy bench\",\"version\":%d", RAW_VERSION);
    put_text(&json, "eddy", head->eddy);
    put_text(&json, "command", head->command);
    /* As a text: not every reader of JSON has whole numbers of 64 bits. */
    json_add(&json, ",\"seed\":\"%llu\",\"rounds\":%u,\"sample_ms\":%u",
             (unsigned long long)head->seed, head->rounds, head->sample_ms);
    end_line(out, &json);
}

/* As put_text, but a path is told as DIR: what is given to others names nothing of the machine. */
static void put_setting(struct json *json, const struct bench_case *it) {
    char text[sizeof it->setting + sizeof "DIR"];
    int length = (int)(it->path_at > 0 ? it->path_at : strlen(it->setting));
    snprintf(text, sizeof text, "%.*s%s", length, it->setting, it->path_at > 0 ? "DIR" : "");
    put_text(json, "setting", text);
}

static void put_row(struct json *json, const struct bench_samples *samples, size_t row) {
    const struct bench_row *it = &samples->rows[row];
    json_add(json, "{\"row\":%zu,\"first\":%zu", row, it->first);
    put_text(json, "kind", raw_kinds[it->of->kind]);
    put_text(json, "workload", it->of->workload);
    put_setting(json, it->of);
    json_add(json, ",\"size\":%lld", (long long)it->of->size);
    if (it->of->rate > 0) json_add(json, ",\"rate\":%u", it->of->rate);
    put_text(json, "subject", it->of->subject);
    json_add(json, ",\"control\":%s", it->is_control ? "true" : "false");
    put_text(json, "operation", it->of->operation);
}

void raw_write_record(FILE *out, const struct bench_samples *samples,
                      const struct bench_record *record) {
    char line[RAW_LINE_MAX];
    struct json json;
    json_begin(&json, line, sizeof line);
    put_row(&json, samples, record->row);
    json_add(&json, ",\"round\":%u,\"position\":%u", record->round, record->position);
    for (int i = 0; i < BENCH_METRICS; i++)
        if (record->values[i] >= 0)
            json_add(&json, ",\"%s\":%.9g", bench_metrics[i].name, record->values[i]);
    end_line(out, &json);
}

void raw_write_failures(FILE *out, const struct bench_samples *samples) {
    for (size_t i = 0; i < samples->row_count; i++) {
        char line[RAW_LINE_MAX];
        struct json json;
        if (samples->rows[i].error == 0) continue;
        json_begin(&json, line, sizeof line);
        put_row(&json, samples, i);
        put_text(&json, "why", samples->rows[i].why);
        end_line(out, &json);
    }
}
