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

#include <stdatomic.h>

enum { TRACE_LABEL_BYTES = 48 };

/* `packed`: kind, what, phase, thread (8 bits each, from the lowest), and from which record on it
 * counts back to the one of the call around it: 0 if there is none. */
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
    const void *thread; /* the loop's */
    /* NULL takes it away. So label.c need not link trace.c. */
    void (*set_label)(eddy_trace *trace, const void *object, const char *text);

    /* Never written after open, but by the labels' owner. */
    struct trace_place *others;
    uint64_t others_mask;
    struct trace_label *labels;
    uint64_t labels_mask;

    /* Everybody's. */
    _Alignas(EDDY_TRACE_ALIGN) EDDY_ATOMIC(uint64_t) others_next;
    EDDY_ATOMIC(uint64_t) call; /* the number of the call that runs, or of the event; or 0 */
};

/* Numbers of records: those of the loop's thread are even. */
static inline uint64_t trace_number_own(uint64_t index) {
    return 2 * index + 2;
}

static inline uint64_t trace_number_other(uint64_t index) {
    return 2 * index + 3;
}

/* The same on every thread, and no two threads have the same. */
const void *eddy__trace_here(void);

#endif
