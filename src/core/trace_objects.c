/* trace_objects.c: numbers for the objects of a written trace.
 *
 * A table of the caller's size holds those that were named last, chained by address. When it is
 * full, the one that was named longest ago goes. Which one that is depends on the records alone,
 * and not on where the addresses fall in the table: a simulated run gives the same numbers again.
 *
 * Invariant: entry 0 is the head of the list of all used entries, from `newer` (the oldest) on, and
 * each of them is in the bucket of its address.
 * Threading: whoever has the writer. */
#include "trace_objects.h"

void eddy__trace_objects_init(eddy_trace_writer *writer) {
    writer->objects_used = 0;
    writer->objects[0] = (struct eddy_trace_object){0};
    for (unsigned i = 0; i < EDDY_TRACE_OBJECTS; i++) writer->buckets[i] = 0;
    for (unsigned i = 0; i < sizeof writer->numbers / sizeof writer->numbers[0]; i++)
        writer->numbers[i] = 0;
}

static uint16_t *trace_object_bucket(eddy_trace_writer *writer, unsigned kind, uint64_t address) {
    uint64_t hash = (address + kind) * UINT64_C(0x9E3779B97F4A7C15);
    return &writer->buckets[(hash >> 32) % EDDY_TRACE_OBJECTS];
}

/* --- The list by age --- */

static void trace_object_unlink(eddy_trace_writer *writer, uint16_t at) {
    struct eddy_trace_object *all = writer->objects;
    all[all[at].older].newer = all[at].newer;
    all[all[at].newer].older = all[at].older;
}

static void trace_object_link(eddy_trace_writer *writer, uint16_t at, uint16_t older) {
    struct eddy_trace_object *all = writer->objects;
    all[at].older = older;
    all[at].newer = all[older].newer;
    all[all[at].newer].older = at;
    all[older].newer = at;
}

/* --- The table --- */

static uint16_t trace_object_find(eddy_trace_writer *writer, unsigned kind, uint64_t address) {
    uint16_t at = *trace_object_bucket(writer, kind, address);
    while (at != 0 && (writer->objects[at].address != address || writer->objects[at].kind != kind))
        at = writer->objects[at].next;
    return at;
}

static void trace_object_take_out(eddy_trace_writer *writer, uint16_t at) {
    const struct eddy_trace_object *object = &writer->objects[at];
    uint16_t *link = trace_object_bucket(writer, object->kind, object->address);
    while (*link != at) link = &writer->objects[*link].next;
    *link = object->next;
}

/* An entry that is in no list and no bucket. */
static uint16_t trace_object_make_room(eddy_trace_writer *writer) {
    if (writer->objects_used < EDDY_TRACE_OBJECTS) return ++writer->objects_used;
    uint16_t oldest = writer->objects[0].newer;
    trace_object_take_out(writer, oldest);
    trace_object_unlink(writer, oldest);
    return oldest;
}

uint32_t eddy__trace_number_of(eddy_trace_writer *writer, unsigned kind, uint64_t address,
                               bool is_late) {
    uint16_t at = trace_object_find(writer, kind, address);
    if (at != 0) {
        trace_object_unlink(writer, at);
    } else {
        at = trace_object_make_room(writer);
        uint16_t *bucket = trace_object_bucket(writer, kind, address);
        writer->objects[at] = (struct eddy_trace_object){
            .address = address, .next = *bucket, .kind = (uint8_t)kind, .has_ended = true};
        *bucket = at;
        is_late = false;
    }
    struct eddy_trace_object *object = &writer->objects[at];
    trace_object_link(writer, at, writer->objects[0].older);
    if (object->has_ended && !is_late) {
        object->has_ended = false;
        object->number = ++writer->numbers[kind];
    }
    return object->number;
}

void eddy__trace_object_ends(eddy_trace_writer *writer, unsigned kind, uint64_t address) {
    uint16_t at = trace_object_find(writer, kind, address);
    if (at != 0) writer->objects[at].has_ended = true;
}
