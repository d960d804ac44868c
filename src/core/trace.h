/* trace.h: the rings of a trace, and how a record gets into them; trace.c starts and stops,
 * trace_read.c reads.
 *
 * The loop's thread has a ring of its own, which only it writes: each record is stored between two
 * looks of a reader at `head`, or not counted by it. Other threads and signal handlers share a
 * second one: each takes a number, and claims the place of that number, which stays its own until
 * the record is whole. A record whose place is still being written by somebody who was held up for
 * a whole round is dropped, and noted in the place: readers must not wait for it.
 *
 * Orders: the words of a record are relaxed. The head, or the state of a place, releases them, and
 * a reader acquires it. That a reader of overwritten words notices is the fence before them:
 * whoever read one sees the head, or the state, of before the fence. */
#ifndef EDDY_CORE_TRACE_H
#define EDDY_CORE_TRACE_H

#include <eddy/trace.h>

#include "loop.h"
#include "probe.h"

#include <stdatomic.h>

enum { TRACE_LABEL_BYTES = 48 };

/* `packed`: kind, what, phase, thread (8 bits each, from the lowest), and the lower 32 bits of the
 * index, plus 1, of the record of the call around it: 0 if there is none. */
struct trace_words {
    EDDY_ATOMIC(int64_t) time_ns;
    EDDY_ATOMIC(uint64_t) object;
    EDDY_ATOMIC(int64_t) argument;
    EDDY_ATOMIC(uint64_t) packed;
};

/* Of the second ring buffer. `state` is twice the record's index, plus 1 while it is written, plus
 * 2; 0: never written. `dropped` is the index of the last record that was dropped here, plus 1.
 * `cause` is the number of the call in which it was sent. */
struct trace_place {
    EDDY_ATOMIC(uint64_t) state;
    EDDY_ATOMIC(uint64_t) dropped;
    EDDY_ATOMIC(uint64_t) cause;
    struct trace_words words;
};

/* `version` is odd while the rest is written; `object` 0: free. */
struct trace_label {
    EDDY_ATOMIC(uint64_t) version;
    EDDY_ATOMIC(uint64_t) object;
    EDDY_ATOMIC(uint64_t) text[TRACE_LABEL_BYTES / sizeof(uint64_t)];
};

struct eddy_trace {
    /* The loop thread's. */
    EDDY_ATOMIC(uint64_t) head; /* records that have been written; read by all */
    uint64_t mask;
    struct trace_words *own;
    eddy_loop *loop; /* NULL: it is not started */
    eddy_trace_fn *fn;
    void *context;
    bool is_shown;                    /* to `fn`, or, as it was when the turn began, to a probe */
    EDDY_ATOMIC(const void *) thread; /* the loop's, in its last turn; relaxed; read by all */
    /* NULL takes it away. So label.c need not link trace.c. */
    void (*set_label)(eddy_trace *trace, const void *object, const char *text);

    /* Never written after open, but by the labels' owner. */
    struct trace_place *others;
    uint64_t others_mask;
    struct trace_label *labels;
    uint64_t labels_mask;

    /* Everybody's. */
    _Alignas(EDDY_TRACE_ALIGN) EDDY_ATOMIC(uint64_t) others_next;
    EDDY_ATOMIC(uint64_t) around; /* phase, and call that runs or event, as in `packed` */
};

enum { TRACE_PHASE_SHIFT = 16, TRACE_THREAD_SHIFT = 24, TRACE_AROUND_SHIFT = 32 };

/* Numbers of records: those of the loop's thread are even. */
static inline uint64_t trace_number_own(uint64_t index) {
    return 2 * index + 2;
}

static inline uint64_t trace_number_other(uint64_t index) {
    return 2 * index + 3;
}

/* The number of the call that a record of this index, or one that follows it, says to be around it.
 */
static inline uint64_t trace_call_around(uint64_t packed, uint64_t index) {
    uint32_t call = (uint32_t)(packed >> TRACE_AROUND_SHIFT);
    return call != 0 ? trace_number_own(index - (uint32_t)((uint32_t)index + 1 - call)) : 0;
}

/* All of a record but its number, which is there. */
static inline void trace_unpack(const struct trace_words *from, eddy_trace_record *record) {
    struct trace_words *words = (struct trace_words *)(uintptr_t)from;
    uint64_t packed = atomic_load_explicit(&words->packed, memory_order_relaxed);
    record->time_ns = atomic_load_explicit(&words->time_ns, memory_order_relaxed);
    record->object = atomic_load_explicit(&words->object, memory_order_relaxed);
    record->argument = atomic_load_explicit(&words->argument, memory_order_relaxed);
    record->kind = (uint8_t)packed;
    record->what = (uint8_t)(packed >> 8);
    record->phase = (uint8_t)(packed >> 16);
    record->thread = (uint8_t)(packed >> 24);
    record->reserved = 0;
    record->cause = trace_call_around(packed, record->number / 2 - 1);
}

static inline void trace_note_shown(eddy_trace *trace) {
    trace->is_shown = trace->fn != NULL || probe_is_wanted();
}

/* The same on every thread, and no two threads have the same. */
const void *eddy__trace_here(void);

#endif
