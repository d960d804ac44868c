/* show_records.h: the observed loop's trace as messages. Threading: the serving thread's; it reads
 * it while the loop turns. */
#ifndef EDDY_CMD_SHOW_RECORDS_H
#define EDDY_CMD_SHOW_RECORDS_H

#include "json.h"
#include "show_observed.h"
#include "show_visitors.h"

enum { RECORDS_OBJECTS = 4096 };

struct show_records {
    struct show_observed *observed;
    eddy_trace_reader reader;
    unsigned opened; /* the trace that the reader reads */
    uint64_t lost;   /* of the reader, as told */
    bool is_on, is_begun;
    /* Numbers of objects, in the order of appearance of their kind; all forgotten when it is full.
     */
    struct {
        uint64_t object;
        unsigned number;
        unsigned char what;
    } objects[RECORDS_OBJECTS];
    unsigned object_count, numbers[EDDY_KINDS + 1];
};

void show_records_init(struct show_records *records, struct show_observed *observed);
/* From a little before now on, or no more. */
void show_records_set(struct show_records *records, bool on);
/* Sends what has come since the last time. */
void show_records_send(struct show_records *records, struct show_visitors *visitors);

/* Appends a record as the page has it. */
void show_record_write(struct show_records *records, struct json *json,
                       const eddy_trace_record *record);

/* All that there is of the trace since a time, the newest `count` of it at most, in order. Returns
 * how many. */
int show_records_since(struct show_records *records, int64_t since_ns, eddy_trace_record *all,
                       int count);

#endif
