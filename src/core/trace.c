/* trace.c: a trace in the caller's memory: started, stopped, and its labels.
 * Invariant: a trace that is started is its loop's. Threading: the loop's thread, but for what says
 * otherwise. observe.c writes the records. */
#include "trace.h"

#include "label.h"
#include "observe.h"

#include <errno.h>
#include <string.h>

const char *eddy_trace_kind_name(eddy_trace_kind kind) {
    static const char *const names[EDDY_TRACE_KINDS] = {
        "turn",   "phase",       "wait",       "waited", "event", "stale",  "call",
        "return", "add",         "modify",     "remove", "read",  "write",  "accept",
        "queue",  "timer-start", "timer-stop", "defer",  "close", "post",   "wake",
        "signal", "wakeup",      "submit",     "begin",  "done",  "cancel", "mark",
    };
    return (unsigned)kind < EDDY_TRACE_KINDS ? names[kind] : "unknown";
}

/* --- The memory --- */

/* The greatest power of two that fits, less one. */
static uint64_t trace_mask(size_t bytes, size_t each) {
    uint64_t count = 1;
    while (count * 2 * each <= bytes) count *= 2;
    return count - 1;
}

int eddy_trace_open(eddy_trace **opened, void *memory, size_t bytes) {
    if ((uintptr_t)memory % EDDY_TRACE_ALIGN != 0 || bytes < EDDY_TRACE_BYTES_MIN) return -EINVAL;
    eddy_trace *trace = memory;
    size_t left = bytes - sizeof *trace;
    memset(memory, 0, bytes); /* all pages are there before the loop needs them */
    trace->labels_mask = trace_mask(left / 8, sizeof *trace->labels);
    trace->labels = (struct trace_label *)(trace + 1);
    left -= (size_t)(trace->labels_mask + 1) * sizeof *trace->labels;
    trace->others_mask = trace_mask(bytes / 4, sizeof *trace->others);
    trace->others = (struct trace_place *)(trace->labels + trace->labels_mask + 1);
    left -= (size_t)(trace->others_mask + 1) * sizeof *trace->others;
    trace->mask = trace_mask(left, sizeof *trace->own);
    trace->own = (struct trace_words *)(trace->others + trace->others_mask + 1);
    *opened = trace;
    return 0;
}

/* --- Labels --- */

enum { TRACE_LABEL_TRIES = 32 }; /* a full table is not gone through for each label */

static bool trace_label_is_empty(const struct trace_label *label) {
    return atomic_load_explicit(&label->text[0], memory_order_relaxed) == 0;
}

/* Open addressing. A place that had an object has one for ever, so that what is behind it is found;
 * whose text is empty is gone, and another may take its place: the first such one is left in
 * `*vacant` (may be NULL). */
static struct trace_label *trace_find_label(const eddy_trace *trace, uint64_t object,
                                            struct trace_label **vacant) {
    uint64_t at = object * UINT64_C(0x9E3779B97F4A7C15) >> 32;
    for (uint64_t tries = 0; tries < TRACE_LABEL_TRIES; tries++, at++) {
        struct trace_label *label = &trace->labels[at & trace->labels_mask];
        uint64_t found = atomic_load_explicit(&label->object, memory_order_relaxed);
        if (found == object) return label;
        if (vacant != NULL && *vacant == NULL && trace_label_is_empty(label)) *vacant = label;
        if (found == 0) return NULL;
    }
    return NULL;
}

static void trace_write_label(struct trace_label *label, uint64_t object, const char *text) {
    uint64_t words[TRACE_LABEL_BYTES / sizeof(uint64_t)] = {0};
    if (text != NULL) memcpy(words, text, strnlen(text, TRACE_LABEL_BYTES - 1));
    uint64_t version = atomic_load_explicit(&label->version, memory_order_relaxed);
    atomic_store_explicit(&label->version, version + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        atomic_store_explicit(&label->text[i], words[i], memory_order_relaxed);
    atomic_store_explicit(&label->object, object, memory_order_relaxed);
    atomic_store_explicit(&label->version, version + 2, memory_order_release);
}

/* Where the table is full it keeps what it has. */
static void trace_set_label(eddy_trace *trace, const void *object, const char *text) {
    struct trace_label *vacant = NULL;
    struct trace_label *label = trace_find_label(trace, (uintptr_t)object, &vacant);
    if (label == NULL && text != NULL) label = vacant;
    if (label != NULL) trace_write_label(label, (uintptr_t)object, text);
}

/* What was cleared while the trace was off is not the label of what has its address now. */
static void trace_forget_labels(eddy_trace *trace) {
    for (uint64_t i = 0; i <= trace->labels_mask; i++) {
        struct trace_label *label = &trace->labels[i];
        uint64_t object = atomic_load_explicit(&label->object, memory_order_relaxed);
        if (!trace_label_is_empty(label)) trace_write_label(label, object, NULL);
    }
}

static void trace_copy_label(void *context, const void *object, const char *text) {
    trace_set_label(context, object, text);
}

size_t eddy_trace_label(const eddy_trace *trace, uint64_t object, char *text, size_t size) {
    uint64_t words[TRACE_LABEL_BYTES / sizeof(uint64_t)], before, after;
    if (size == 0) return 0;
    text[0] = '\0';
    struct trace_label *label = trace_find_label(trace, object, NULL);
    if (label == NULL) return 0;
    do {
        before = atomic_load_explicit(&label->version, memory_order_acquire);
        if (atomic_load_explicit(&label->object, memory_order_relaxed) != object) return 0;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            words[i] = atomic_load_explicit(&label->text[i], memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        after = atomic_load_explicit(&label->version, memory_order_relaxed);
    } while (before != after || (before & 1));
    size_t length = strnlen((const char *)words, TRACE_LABEL_BYTES);
    if (length >= size) length = size - 1;
    memcpy(text, words, length);
    text[length] = '\0';
    return length;
}

/* --- On and off --- */

int eddy_trace_start(eddy_trace *trace, eddy_loop *loop) {
    if (trace->loop != NULL || eddy_loop_trace(loop) != NULL) return -EBUSY;
    trace->loop = loop;
    atomic_store_explicit(&trace->thread, eddy__trace_here(), memory_order_relaxed);
    trace->set_label = trace_set_label;
    trace_forget_labels(trace);
    trace_note_shown(trace);
    eddy__label_each(loop, trace_copy_label, trace);
    eddy__observe_set_trace(loop, trace);
    return 0;
}

void eddy_trace_stop(eddy_trace *trace) {
    if (trace->loop == NULL) return;
    eddy__observe_set_trace(trace->loop, NULL);
    trace->loop = NULL;
}

bool eddy_trace_is_on(const eddy_trace *trace) {
    return trace->loop != NULL;
}

eddy_trace *eddy_loop_trace(const eddy_loop *loop) {
    return atomic_load(&((eddy_loop *)(uintptr_t)loop)->trace);
}

void eddy_trace_watch(eddy_trace *trace, eddy_trace_fn *fn, void *context) {
    trace->fn = fn;
    trace->context = context;
    trace_note_shown(trace);
}

void eddy_trace_mark(eddy_loop *loop, const void *object, int64_t argument) {
    observe_note(loop, EDDY_TRACE_MARK, EDDY_KINDS, object, argument);
}
