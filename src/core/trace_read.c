/* trace_read.c: reading a trace while its loop goes on.
 * Invariant: what a read gives is whole: a record that may have been replaced while it was copied
 * counts as lost. Threading: any; a reader is one thread's at a time. */
#include "trace.h"

#include "observe.h"

#include <string.h>

void eddy_trace_reader_init(eddy_trace_reader *reader, const eddy_trace *trace) {
    memset(reader, 0, sizeof *reader);
    reader->trace = trace;
}

/* The next record of the loop's thread, or false if there is none yet. */
static bool read_own(eddy_trace_reader *reader, eddy_trace_record *record) {
    eddy_trace *trace = (eddy_trace *)(uintptr_t)reader->trace;
    for (;;) {
        uint64_t head = atomic_load_explicit(&trace->head, memory_order_acquire);
        if (reader->own == head) return false;
        /* The place after the head is the one that is written next, or just now. */
        if (head - reader->own > trace->mask) {
            reader->lost += head - trace->mask - reader->own;
            reader->own = head - trace->mask;
        }
        record->number = trace_number_own(reader->own);
        trace_unpack(&trace->own[reader->own & trace->mask], record);
        atomic_thread_fence(memory_order_acquire);
        head = atomic_load_explicit(&trace->head, memory_order_relaxed);
        if (head - reader->own <= trace->mask) return true;
    }
}

enum place_state { PLACE_WHOLE, PLACE_TO_COME, PLACE_LOST };

static enum place_state read_place(eddy_trace_reader *reader, eddy_trace_record *record) {
    const eddy_trace *trace = reader->trace;
    struct trace_place *place = &trace->others[reader->others & trace->others_mask];
    uint64_t whole = 2 * reader->others + 2;
    uint64_t before = atomic_load_explicit(&place->state, memory_order_acquire);
    if (before > whole) return PLACE_LOST;
    if (before != whole) {
        uint64_t dropped = atomic_load_explicit(&place->dropped, memory_order_acquire);
        return dropped > reader->others ? PLACE_LOST : PLACE_TO_COME;
    }
    record->number = trace_number_other(reader->others);
    trace_unpack(&place->words, record);
    record->cause = atomic_load_explicit(&place->cause, memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    uint64_t after = atomic_load_explicit(&place->state, memory_order_relaxed);
    return after == whole ? PLACE_WHOLE : PLACE_LOST;
}

/* One that is being written is waited for, at most until a round is through. */
static bool read_other(eddy_trace_reader *reader, eddy_trace_record *record) {
    eddy_trace *trace = (eddy_trace *)(uintptr_t)reader->trace;
    uint64_t next = atomic_load_explicit(&trace->others_next, memory_order_acquire);
    while (reader->others != next) {
        if (next - reader->others > trace->others_mask + 1) {
            reader->lost += next - (trace->others_mask + 1) - reader->others;
            reader->others = next - (trace->others_mask + 1);
        }
        enum place_state state = read_place(reader, record);
        if (state == PLACE_WHOLE) return true;
        if (state == PLACE_TO_COME) return false;
        reader->lost++;
        reader->others++;
    }
    return false;
}

/* --- Causes --- */

enum { READ_PLACES = 4 };

/* An object has one of a few places, so that two which are asked for in turn do not drive each
 * other out; the one that was asked for longest ago goes. */
static uint64_t *read_link(eddy_trace_reader *reader, uint64_t object) {
    uint64_t hash = object * UINT64_C(0x9E3779B97F4A7C15) >> 32;
    unsigned first = (unsigned)hash % EDDY_TRACE_LINKS & ~(READ_PLACES - 1u), oldest = first;
    for (unsigned at = first; at < first + READ_PLACES; at++) {
        if (reader->links[at].object == object) return &reader->links[at].number;
        if (reader->links[at].number < reader->links[oldest].number) oldest = at;
    }
    reader->links[oldest].object = object;
    reader->links[oldest].number = 0;
    return &reader->links[oldest].number;
}

/* What asks for the call of an object that comes next. */
static bool read_asks(unsigned kind) {
    switch (kind) {
    case EDDY_TRACE_QUEUE:
    case EDDY_TRACE_TIMER_START:
    case EDDY_TRACE_DEFER:
    case EDDY_TRACE_CLOSE:
    case EDDY_TRACE_POST:
    case EDDY_TRACE_WAKE:
    case EDDY_TRACE_SIGNAL:
    case EDDY_TRACE_SUBMIT:
    case EDDY_TRACE_CANCEL:
        return true;
    default:
        return false;
    }
}

static void read_find_cause(eddy_trace_reader *reader, eddy_trace_record *record) {
    uint64_t *link;
    switch (record->kind) {
    case EDDY_TRACE_BEGIN:
    case EDDY_TRACE_DONE:
        link = read_link(reader, record->object);
        record->cause = *link;
        *link = record->number;
        break;
    case EDDY_TRACE_CALL:
        /* In phase 5 that is the event, which is there already. */
        if (record->phase == 5 && record->what != EDDY_KIND_WRITE) break;
        link = read_link(reader, record->object);
        if (*link != 0) record->cause = *link;
        if (record->what == EDDY_KIND_TIMER) *link = record->number; /* of a next tick */
        break;
    default:
        if (read_asks(record->kind)) *read_link(reader, record->object) = record->number;
        break;
    }
}

/* What was lost may have been what asked: the links from before it are not to be trusted. */
static void read_forget_links(eddy_trace_reader *reader, uint64_t *lost) {
    memset(reader->links, 0, sizeof reader->links);
    *lost = reader->lost;
}

int eddy_trace_read(eddy_trace_reader *reader, eddy_trace_record *records, int count) {
    eddy_trace_record own = {0}, other = {0};
    int found = 0;
    bool has_own = false, has_other = false;
    uint64_t lost = reader->lost;
    while (found < count) {
        /* What led to a record is there before it. So the ring buffers are looked at in turn until
         * there is nothing that the one that was looked at first could lack. */
        if (!has_other) has_other = read_other(reader, &other);
        if (!has_own) has_own = read_own(reader, &own);
        if (!has_own && !has_other) break;
        if (!has_other) has_other = read_other(reader, &other);
        if (reader->lost != lost) read_forget_links(reader, &lost);
        bool is_own = has_own && (!has_other || own.time_ns <= other.time_ns);
        records[found] = is_own ? own : other;
        read_find_cause(reader, &records[found++]);
        if (is_own)
            has_own = false, reader->own++;
        else
            has_other = false, reader->others++;
    }
    return found;
}
