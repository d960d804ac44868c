/* show_records.c: see show_records.h. */
#include "show_records.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    SENT_MAX = 1500, /* at a time: a loop that makes more of them leaves gaps */
    CHUNK = 256,
    RECORD_BYTES_MAX = 320,
    BEFORE = 500,
    TRACE_RECORDS_MAX = OBSERVED_TRACE_BYTES / 32, /* and no trace has more */
};

void show_records_init(struct show_records *records, struct show_observed *observed) {
    memset(records, 0, sizeof *records);
    records->observed = observed;
}

void show_records_set(struct show_records *records, bool on) {
    if (on && !records->is_on) records->is_begun = false;
    records->is_on = on;
}

/* --- Objects --- */

static unsigned number_of(struct show_records *records, uint64_t object, unsigned what) {
    if (records->object_count > RECORDS_OBJECTS * 3 / 4) {
        memset(records->objects, 0, sizeof records->objects);
        memset(records->numbers, 0, sizeof records->numbers);
        records->object_count = 0;
    }
    unsigned place = (unsigned)((object + what) * UINT64_C(0x9e3779b97f4a7c15) >> 52);
    while (records->objects[place].number != 0 &&
           (records->objects[place].object != object || records->objects[place].what != what))
        place = (place + 1) % RECORDS_OBJECTS;
    if (records->objects[place].number == 0) {
        records->object_count++;
        records->objects[place].object = object;
        records->objects[place].what = (unsigned char)what;
        records->objects[place].number = ++records->numbers[what];
    }
    return records->objects[place].number;
}

static void add_object(struct show_records *records, struct json *json,
                       const eddy_trace_record *record) {
    unsigned what = record->what < EDDY_KINDS ? record->what : EDDY_KINDS;
    if (what == EDDY_KINDS && record->object != 0)
        json_add(json, ",\"\",%u,%u,\"fd %" PRIu64 "\"", record->phase, record->thread,
                 record->object);
    else if (what == EDDY_KINDS)
        json_add(json, ",\"\",%u,%u,\"\"", record->phase, record->thread);
    else
        json_add(json, ",\"%s\",%u,%u,\"%s %u\"", eddy_kind_name((eddy_kind)what), record->phase,
                 record->thread, eddy_kind_name((eddy_kind)what),
                 number_of(records, record->object, what));
}

/* With the trace's lock. */
static void add_record(struct show_records *records, struct json *json,
                       const eddy_trace_record *record) {
    char label[48] = "", function[64];
    if (record->what < EDDY_KINDS)
        (void)eddy_trace_label(records->observed->trace, record->object, label, sizeof label);
    json_add(json, "[%" PRIu64 ",%" PRIu64 ",%" PRId64 ",\"%s\"", record->number, record->cause,
             record->time_ns, eddy_trace_kind_name((eddy_trace_kind)record->kind));
    add_object(records, json, record);
    if (record->kind == EDDY_TRACE_CALL) {
        const char *name = show_scenes_function((uint64_t)record->argument);
        snprintf(function, sizeof function, "0x%" PRIx64, (uint64_t)record->argument);
        json_add(json, ",");
        json_add_text(json, name != NULL ? name : function);
    } else {
        json_add(json, ",%" PRId64, record->argument);
    }
    json_add(json, ",");
    json_add_text(json, label);
    json_add(json, "]");
}

void show_record_write(struct show_records *records, struct json *json,
                       const eddy_trace_record *record) {
    pthread_mutex_lock(&records->observed->trace_lock);
    if (records->observed->trace != NULL) add_record(records, json, record);
    pthread_mutex_unlock(&records->observed->trace_lock);
}

/* --- Reading --- */

/* With the trace's lock. How many records are there, as far as they are looked at; while the loop
 * turns there are always more. */
static uint64_t skip(eddy_trace_reader *reader, uint64_t most) {
    eddy_trace_record chunk[CHUNK];
    uint64_t skipped = 0;
    while (skipped < most) {
        uint64_t left = most - skipped;
        int count = eddy_trace_read(reader, chunk, left < CHUNK ? (int)left : CHUNK);
        if (count == 0) break;
        skipped += (uint64_t)count;
    }
    return skipped;
}

/* With the trace's lock. Begins with a few of those that are there already: of a loop that is held
 * no others come, and they tell how it got there. */
static void begin(struct show_records *records) {
    struct show_observed *observed = records->observed;
    if (records->is_begun && records->opened == observed->trace_opened) return;
    eddy_trace_reader_init(&records->reader, observed->trace);
    uint64_t there = records->is_begun ? 0 : skip(&records->reader, TRACE_RECORDS_MAX);
    if (there > 0) eddy_trace_reader_init(&records->reader, observed->trace);
    if (there > BEFORE) (void)skip(&records->reader, there - BEFORE);
    records->is_begun = true;
    records->opened = observed->trace_opened;
    records->lost = records->reader.lost;
}

/* Adds to the batch, and sends it when it is full. */
static void put(struct show_records *records, struct show_visitors *visitors, struct json *json,
                const eddy_trace_record *record) {
    struct show_batch *batch = show_visitors_batch(visitors);
    if (json->text == NULL) {
        json_begin(json, batch->text, sizeof batch->text - 3);
        json_add(json, "{\"records\":[");
        batch->records = 0;
    }
    if (batch->records++ > 0) json_add(json, ",");
    add_record(records, json, record);
}

static void send_batch(struct show_visitors *visitors, struct json *json) {
    struct show_batch *batch = show_visitors_batch(visitors);
    if (json->text == NULL) return;
    memcpy(batch->text + json->used, "]}", 3);
    batch->bytes = (unsigned)json->used + 2;
    json->text = NULL;
    show_visitors_send_batch(visitors);
}

void show_records_send(struct show_records *records, struct show_visitors *visitors) {
    struct show_observed *observed = records->observed;
    eddy_trace_record chunk[CHUNK];
    struct json json = {0};
    int sent = 0, count;
    if (!records->is_on) return;
    pthread_mutex_lock(&observed->trace_lock);
    if (observed->trace == NULL) {
        pthread_mutex_unlock(&observed->trace_lock);
        return;
    }
    begin(records);
    do {
        count = eddy_trace_read(&records->reader, chunk, CHUNK);
        for (int i = 0; i < count && sent < SENT_MAX; i++, sent++) {
            put(records, visitors, &json, &chunk[i]);
            if (json.used + RECORD_BYTES_MAX > json.size) send_batch(visitors, &json);
        }
    } while (count == CHUNK && sent < SENT_MAX);
    /* The next time begins with what is there then. */
    if (count == CHUNK) {
        uint64_t gap = 0;
        for (int i = 0; i < 64 && count == CHUNK; i++) {
            count = eddy_trace_read(&records->reader, chunk, CHUNK);
            gap += (uint64_t)count;
        }
        show_visitors_lose(visitors, gap);
    }
    uint64_t lost = records->reader.lost - records->lost;
    records->lost = records->reader.lost;
    pthread_mutex_unlock(&observed->trace_lock);
    send_batch(visitors, &json);
    if (lost > 0) show_visitors_lose(visitors, lost);
}

int show_records_since(struct show_records *records, int64_t since_ns, eddy_trace_record *all,
                       int count) {
    static eddy_trace_reader reader; /* large, and of one thread */
    struct show_observed *observed = records->observed;
    eddy_trace_record chunk[CHUNK];
    int kept = 0, got = 0, seen = 0;
    pthread_mutex_lock(&observed->trace_lock);
    if (observed->trace != NULL) {
        eddy_trace_reader_init(&reader, observed->trace);
        while ((got = eddy_trace_read(&reader, chunk, CHUNK)) > 0 &&
               (seen += got) <= TRACE_RECORDS_MAX)
            for (int i = 0; i < got; i++)
                if (chunk[i].time_ns >= since_ns && kept < count) all[kept++] = chunk[i];
    }
    pthread_mutex_unlock(&observed->trace_lock);
    return kept;
}
