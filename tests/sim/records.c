/* records.c: what must hold of the records of a loop.
 * Invariant: `calls` and `callbacks` are the same outside of callbacks, and in the beginning of
 * one: what the trace has, and what the program has seen. */
#include "records.h"

#include "ledger.h"

#include <eddy/trace.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BYTES = EDDY_TRACE_BYTES_MIN, BATCH = 16 };

struct records {
    _Alignas(EDDY_TRACE_ALIGN) char memory[BYTES];
    eddy_trace *trace;
    eddy_trace_reader reader;
    uint64_t lost;                 /* so far; then what was in between is not known */
    uint64_t last_own, last_other; /* numbers */
    int64_t last_ns;               /* of the loop's own */
    uint64_t callbacks, calls;     /* that the program saw begin, and that the trace has */
    unsigned depth, phase;
    uint8_t kind;       /* of the last one of the loop's own */
    uint8_t call_phase; /* of the last call */
    bool is_on; /* it was switched on outside of a callback: what it says of calls is complete */
};

/* --- Each record --- */

static void look_at_number(struct records *it, const eddy_trace_record *record) {
    bool is_own = record->number % 2 == 0;
    uint64_t *last = is_own ? &it->last_own : &it->last_other;
    sim_check(record->number > *last, "record %llu comes after %llu",
              (unsigned long long)record->number, (unsigned long long)*last);
    if (is_own && it->last_own != 0 && it->reader.lost == it->lost)
        sim_check(record->number == *last + 2, "a record is missing, and none is lost");
    *last = record->number;
    uint64_t cause = record->cause;
    sim_check(cause != record->number, "a record is its own cause");
    sim_check(cause <= (cause % 2 == 0 ? it->last_own : it->last_other),
              "a cause comes after what it led to: %s", eddy_trace_kind_name(record->kind));
    sim_check(record->time_ns <= sim_now_ns(), "a record of the future");
    if (is_own) {
        sim_check(record->time_ns >= it->last_ns, "time goes back from %s to %s",
                  eddy_trace_kind_name(it->kind), eddy_trace_kind_name(record->kind));
        it->last_ns = record->time_ns;
    }
}

static void look_at_phase(struct records *it, const eddy_trace_record *record) {
    if (record->kind == EDDY_TRACE_TURN) it->phase = 0;
    if (record->kind != EDDY_TRACE_PHASE) return;
    /* A turn may wait again, after what it was told of. */
    bool waits_again = it->phase == 5 && record->phase == 2;
    bool hears_again = it->phase == 2 && record->phase == 5;
    sim_check(waits_again || hears_again || record->phase > it->phase, "phase %u after %u",
              record->phase, it->phase);
    sim_check(it->depth == 0, "a phase begins inside a call");
    it->phase = record->phase;
}

static void look_at_own(struct records *it, const eddy_trace_record *record) {
    sim_check((it->kind == EDDY_TRACE_WAIT) == (record->kind == EDDY_TRACE_WAITED), "%s after %s",
              eddy_trace_kind_name(record->kind), eddy_trace_kind_name(it->kind));
    if (record->kind == EDDY_TRACE_CALL) {
        it->depth++;
        it->calls++;
        it->call_phase = record->phase;
    } else if (record->kind == EDDY_TRACE_RETURN) {
        sim_check(it->depth > 0, "a call ends that has not begun");
        it->depth--;
    }
    look_at_phase(it, record);
    it->kind = record->kind;
}

static void look_at(struct records *it, const eddy_trace_record *record) {
    sim_check(record->number != 0 && record->kind < EDDY_TRACE_KINDS, "record %llu of kind %u",
              (unsigned long long)record->number, record->kind);
    look_at_number(it, record);
    if (record->number % 2 == 0 && it->reader.lost == 0) look_at_own(it, record);
    const char *what = record->what < EDDY_KINDS ? eddy_kind_name(record->what) : "";
    sim_note("record: %s %s, phase %u", eddy_trace_kind_name(record->kind), what, record->phase);
}

static void read_all(struct records *it) {
    eddy_trace_record records[BATCH];
    int count;
    while ((count = eddy_trace_read(&it->reader, records, 1 + (int)sim_below(BATCH))) > 0)
        for (int i = 0; i < count; i++) look_at(it, &records[i]);
    it->lost = it->reader.lost;
}

/* --- When the program looks --- */

/* The phase of a trace (loop.h) as one of ledger.h's. */
static unsigned phase_bit(unsigned phase) {
    static const unsigned bits[] = {
        [0] = PHASE_PREPARE,
        [1] = 0,
        [2] = 0,
        [3] = PHASE_CHECK | PHASE_IDLE,
        [4] = PHASE_TIMERS,
        [5] = PHASE_READY,
        [6] = PHASE_INBOX | PHASE_SIGNALS,
        [7] = PHASE_DEFERRED,
        [8] = PHASE_CLOSING,
    };
    return bits[phase];
}

void records_look_in_callback(struct records *it, unsigned phases) {
    if (it == NULL) return;
    read_all(it);
    it->callbacks++;
    if (it->lost > 0 || !it->is_on) return;
    sim_check(it->calls == it->callbacks, "%llu calls are in the trace, and there were %llu",
              (unsigned long long)it->calls, (unsigned long long)it->callbacks);
    sim_check(it->depth > 0 && it->kind == EDDY_TRACE_CALL, "a callback is not in the trace yet");
    sim_check(phases == 0 || it->call_phase == 0 || (phases & phase_bit(it->call_phase)),
              "a callback of phases %x is in the trace in phase %u", phases, it->call_phase);
}

void records_look(struct records *it) {
    if (it == NULL) return;
    read_all(it);
    sim_check(it->lost > 0 || it->depth == 0, "a call has not ended");
    sim_check(it->lost > 0 || !it->is_on || it->calls == it->callbacks,
              "a call is in the trace that never was");
    it->is_on = true;
    it->callbacks = it->calls;
}

void records_begin(struct records **records, eddy_loop *loop) {
    struct records *it = aligned_alloc(EDDY_TRACE_ALIGN, sizeof *it);
    sim_check(it != NULL, "no memory for the simulation itself");
    memset(it, 0, sizeof *it);
    *records = it;
    sim_check(eddy_trace_open(&it->trace, it->memory, sizeof it->memory) == 0, "eddy_trace_open");
    sim_check(eddy_trace_start(it->trace, loop) == 0, "eddy_trace_start");
    sim_check(eddy_trace_start(it->trace, loop) == -EBUSY, "a trace is started twice");
    eddy_trace_reader_init(&it->reader, it->trace);
}

void records_end(struct records **records) {
    struct records *it = *records;
    if (it == NULL) return;
    eddy_trace_stop(it->trace);
    read_all(it);
    *records = NULL;
    free(it);
}
