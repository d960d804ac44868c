/* observe.c: what is told to those who look at a loop, and the records of its trace.
 * Invariant: DUE_OBSERVED is set exactly while there is an observer or a trace, and DUE_TRACED
 * while there is a trace. Threading: the loop's thread; eddy__observe_send from any thread and from
 * signal handlers. */
#include "observe.h"

#include "callback.h"
#include "probe.h"
#include "trace.h"
#include "verify.h"

#include <string.h>

/* --- Records --- */

static void trace_store(struct trace_words *words, const void *object, int64_t argument,
                        uint64_t packed) {
    atomic_store_explicit(&words->object, (uintptr_t)object, memory_order_relaxed);
    atomic_store_explicit(&words->argument, argument, memory_order_relaxed);
    atomic_store_explicit(&words->packed, packed, memory_order_relaxed);
}

/* What else is told of a record: to a probe, and to whoever watches the trace. */
RARE static void trace_show(const eddy_trace *trace, uint64_t index) {
    eddy_trace_record record = {.number = trace_number_own(index)};
    trace_unpack(&trace->own[index & trace->mask], &record);
    probe(record.kind, record.number, record.object, record.argument, record.what, record.phase);
    if (trace->fn != NULL) VISIT(trace->fn, &record, trace->context);
}

static eddy_trace *trace_of(eddy_loop *loop) {
    return atomic_load_explicit(&loop->trace, memory_order_relaxed);
}

/* All of the next record but its time. */
static inline struct trace_words *trace_begin(eddy_trace *trace, unsigned packed,
                                              const void *object, int64_t argument) {
    uint64_t index = atomic_load_explicit(&trace->head, memory_order_relaxed);
    uint64_t around = atomic_load_explicit(&trace->around, memory_order_relaxed);
    struct trace_words *words = &trace->own[index & trace->mask];
    atomic_thread_fence(memory_order_release);
    trace_store(words, object, argument, packed | around);
    return words;
}

static inline void trace_end(eddy_trace *trace, struct trace_words *words, int64_t time_ns) {
    uint64_t index = atomic_load_explicit(&trace->head, memory_order_relaxed);
    atomic_store_explicit(&words->time_ns, time_ns, memory_order_relaxed);
    atomic_store_explicit(&trace->head, index + 1, memory_order_release);
    if (UNLIKELY(trace->is_shown)) trace_show(trace, index);
}

/* What follows is inside the record that was written last. */
static void trace_enter(eddy_trace *trace) {
    uint64_t next = atomic_load_explicit(&trace->head, memory_order_relaxed);
    uint64_t around = atomic_load_explicit(&trace->around, memory_order_relaxed);
    atomic_store_explicit(&trace->around, (uint32_t)around | next << TRACE_AROUND_SHIFT,
                          memory_order_relaxed);
}

/* What follows is of this phase, and inside of nothing. */
static void trace_enter_phase(eddy_trace *trace, int phase) {
    atomic_store_explicit(&trace->around, (uint64_t)(unsigned)phase << TRACE_PHASE_SHIFT,
                          memory_order_relaxed);
}

/* The clock is looked at when the rest is written, so that nothing is kept meanwhile. */
void eddy__observe_note(eddy_loop *loop, unsigned packed, const void *object, int64_t argument) {
    eddy_trace *trace = trace_of(loop);
    struct trace_words *words = trace_begin(trace, packed, object, argument);
    trace_end(trace, words, eddy_os_clock_ns());
}

/* With a look at the clock that has been. */
static inline void trace_note_at(eddy_loop *loop, eddy_trace_kind kind, int64_t argument,
                                 int64_t now_ns) {
    eddy_trace *trace = trace_of(loop);
    trace_end(trace, trace_begin(trace, observe_packed(kind, EDDY_KINDS), NULL, argument), now_ns);
}

void eddy__observe_event(eddy_loop *loop, int fd, int64_t argument) {
    trace_enter_phase(trace_of(loop), loop->phase);
    observe_fd(loop, EDDY_TRACE_EVENT, fd, argument);
    trace_enter(trace_of(loop));
}

/* --- Records of any thread --- */

/* Of several droppers the last index stays. */
static void trace_drop(struct trace_place *place, uint64_t index) {
    uint64_t last = atomic_load_explicit(&place->dropped, memory_order_relaxed);
    while (last <= index &&
           !atomic_compare_exchange_weak_explicit(&place->dropped, &last, index + 1,
                                                  memory_order_release, memory_order_relaxed))
        continue;
}

static void trace_send(eddy_trace *trace, uint64_t packed, const void *object, int64_t argument,
                       uint64_t cause) {
    uint64_t index = atomic_fetch_add_explicit(&trace->others_next, 1, memory_order_relaxed);
    struct trace_place *place = &trace->others[index & trace->others_mask];
    uint64_t state = atomic_load_explicit(&place->state, memory_order_relaxed);
    /* A later one is there already, or somebody is in the middle of it. */
    if ((state & 1) || state > 2 * index ||
        !atomic_compare_exchange_strong_explicit(&place->state, &state, 2 * index + 1,
                                                 memory_order_acquire, memory_order_relaxed)) {
        trace_drop(place, index);
        return;
    }
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&place->cause, cause, memory_order_relaxed);
    atomic_store_explicit(&place->words.time_ns, eddy_os_clock_ns(), memory_order_relaxed);
    trace_store(&place->words, object, argument, packed);
    atomic_store_explicit(&place->state, 2 * index + 2, memory_order_release);
    probe((uint8_t)packed, trace_number_other(index), (uintptr_t)object, argument,
          (uint8_t)(packed >> 8), 0);
}

static bool trace_is_of_this_thread(const eddy_trace *trace) {
    eddy_trace *it = (eddy_trace *)(uintptr_t)trace;
    return atomic_load_explicit(&it->thread, memory_order_relaxed) == eddy__trace_here();
}

/* A loop may be set up by one thread, trace included, and run by another. */
static void trace_note_thread(eddy_trace *trace) {
    if (trace_is_of_this_thread(trace)) return;
    atomic_store_explicit(&trace->thread, eddy__trace_here(), memory_order_relaxed);
}

/* Sequentially consistent: a sender counts itself and then looks for the trace, a stop takes the
 * trace away and then looks at the count. */
void eddy__observe_send(eddy_loop *loop, eddy_trace_kind kind, eddy_kind what, const void *object,
                        int64_t argument, unsigned thread) {
    atomic_fetch_add(&loop->trace_senders, 1);
    eddy_trace *trace = atomic_load(&loop->trace);
    if (trace != NULL) {
        uint64_t cause = 0;
        if (thread == OBSERVE_THREAD_OTHER && trace_is_of_this_thread(trace)) {
            thread = 0;
            cause = trace_call_around(atomic_load_explicit(&trace->around, memory_order_relaxed),
                                      atomic_load_explicit(&trace->head, memory_order_relaxed));
        }
        trace_send(trace, observe_packed(kind, what) | thread << TRACE_THREAD_SHIFT, object,
                   argument, cause);
    }
    atomic_fetch_sub(&loop->trace_senders, 1);
}

/* No address of a thread-local variable: in a library that came by dlopen, the first look of a
 * thread at one allocates, and this may be in a signal handler. Checked by tests/lint.sh. */
const void *eddy__trace_here(void) {
    eddy_os_thread self = eddy_os_thread_self();
    const void *here = NULL;
    _Static_assert(sizeof self <= sizeof here, "a thread's handle fits");
    memcpy(&here, &self, sizeof self);
    return here;
}

/* --- Callbacks --- */

/* Whether those that run around the innermost one are the library's own. */
static bool observe_is_outermost(const eddy_loop *loop, unsigned depth) {
    for (unsigned i = 0; i < depth; i++)
        if (!(loop->calls[i].what & OBSERVE_INNER)) return false;
    return true;
}

APART static void observe_tell_call(eddy_loop *loop, const struct observed_call *call,
                                    uintptr_t fn) {
    if (!observe_is_outermost(loop, loop->call_depth - 1)) return;
    for (struct observer *at = loop->observers; at != NULL; at = at->next)
        if (at->call != NULL) at->call(at, (eddy_kind)call->what, call->object, fn, call->began_ns);
}

void eddy__observe_call(eddy_loop *loop, unsigned what, const void *object, uintptr_t fn) {
    EDDY_ASSERT(loop->call_depth < LOOP_CALLS_MAX);
    struct observed_call *call = &loop->calls[loop->call_depth++];
    call->object = object;
    call->what = what;
    if (what & OBSERVE_INNER) return;
    call->is_traced = loop_has_trace(loop);
    if (call->is_traced) {
        eddy_trace *trace = trace_of(loop);
        call->around = atomic_load_explicit(&trace->around, memory_order_relaxed);
        struct trace_words *words =
            trace_begin(trace, observe_packed(EDDY_TRACE_CALL, what), object, (int64_t)fn);
        call->began_ns = eddy_os_clock_ns();
        trace_end(trace, words, call->began_ns);
        trace_enter(trace);
        if (loop->observers == NULL) return;
    } else {
        call->began_ns = eddy_os_clock_ns();
    }
    observe_tell_call(loop, call, fn);
}

APART static void observe_tell_return(eddy_loop *loop, int64_t now_ns) {
    if (!observe_is_outermost(loop, loop->call_depth)) return;
    for (struct observer *at = loop->observers; at != NULL; at = loop->observer_next) {
        loop->observer_next = at->next;
        if (at->returned != NULL) at->returned(at, now_ns);
    }
}

/* Those that began to look in the call have not seen it begin. */
void eddy__observe_return(eddy_loop *loop) {
    if (loop->call_depth == 0) return;
    const struct observed_call *call = &loop->calls[--loop->call_depth];
    if ((call->what & OBSERVE_INNER) || !loop_is_observed(loop)) return;
    int64_t now_ns = eddy_os_clock_ns();
    if (call->is_traced) {
        eddy_trace *trace = trace_of(loop);
        trace_end(trace,
                  trace_begin(trace, observe_packed(EDDY_TRACE_RETURN, call->what), call->object,
                              now_ns - call->began_ns),
                  now_ns);
        atomic_store_explicit(&trace->around, call->around, memory_order_relaxed);
    }
    if (loop->observers != NULL) observe_tell_return(loop, now_ns);
}

void eddy__observe_timer(eddy_loop *loop, int64_t due_ns) {
    int64_t late_ns = loop->observers != NULL ? eddy_os_clock_ns() - due_ns : 0;
    for (struct observer *at = loop->observers; at != NULL; at = at->next)
        if (at->timer != NULL) at->timer(at, late_ns);
}

/* --- The turn --- */

APART static void observe_tell_phase(const eddy_loop *loop, int phase, int64_t now_ns) {
    for (struct observer *at = loop->observers; at != NULL; at = at->next)
        if (at->phase != NULL) at->phase(at, phase, now_ns);
}

static inline void observe_enter(eddy_loop *loop, int phase, int64_t now_ns) {
    loop->phase = (uint8_t)phase;
    if (!loop_has_trace(loop)) return;
    trace_enter_phase(trace_of(loop), phase);
    if (phase != 0) trace_note_at(loop, EDDY_TRACE_PHASE, 0, now_ns);
}

static inline void observe_phase_at(eddy_loop *loop, int phase, int64_t now_ns) {
    observe_enter(loop, phase, now_ns);
    if (loop->observers != NULL) observe_tell_phase(loop, phase, now_ns);
}

void eddy__observe_phase(eddy_loop *loop, int phase) {
    observe_phase_at(loop, phase, eddy_os_clock_ns());
}

/* The turn before may have gone no further than its wait. */
void eddy__observe_turn(eddy_loop *loop) {
    if (loop->phase != 0) eddy__observe_phase(loop, 0);
    if (!loop_has_trace(loop)) return;
    trace_note_thread(trace_of(loop));
    trace_note_shown(trace_of(loop));
    observe_note(loop, EDDY_TRACE_TURN, EDDY_KINDS, NULL, (int64_t)(loop->turn + 1));
}

/* A busy loop only looks at the backend, which is work and no sleep. Test: a_look_is_no_sleep. */
void eddy__observe_wait(eddy_loop *loop, int64_t timeout_ns) {
    int64_t now_ns = eddy_os_clock_ns();
    if (timeout_ns != 0)
        observe_phase_at(loop, 2, now_ns);
    else
        observe_enter(loop, 2, now_ns);
    observe_note(loop, EDDY_TRACE_WAIT, EDDY_KINDS, NULL, timeout_ns);
}

void eddy__observe_waited(eddy_loop *loop, int count, int64_t now_ns) {
    if (loop->phase == 2 && loop_has_trace(loop))
        trace_note_at(loop, EDDY_TRACE_WAITED, count, now_ns);
    loop->phase = 3;
    if (loop_has_trace(loop)) trace_enter_phase(trace_of(loop), 3);
    for (struct observer *at = loop->observers; at != NULL; at = at->next)
        if (at->waited != NULL) at->waited(at, count, now_ns);
    if (count < 0) observe_phase_at(loop, 0, now_ns); /* that was all of this turn */
}

/* --- Observers --- */

static void observe_update_due(eddy_loop *loop) {
    loop->due &= ~(unsigned)(DUE_OBSERVED | DUE_TRACED);
    if (trace_of(loop) != NULL) loop->due |= DUE_OBSERVED | DUE_TRACED;
    if (loop->observers != NULL) loop->due |= DUE_OBSERVED;
    loop_set_running(loop, loop->running);
}

/* Calls that run and were seen to begin may have been looked at by others before. */
static void observe_forget_calls(eddy_loop *loop) {
    loop->phase = 0;
    loop->call_depth = 0;
}

void eddy__observe_begin(eddy_loop *loop, struct observer *observer) {
    if (!(loop->due & DUE_OBSERVED)) observe_forget_calls(loop);
    observer->next = loop->observers;
    loop->observers = observer;
    observe_update_due(loop);
}

void eddy__observe_end(eddy_loop *loop, struct observer *observer) {
    struct observer **at = &loop->observers;
    while (*at != NULL && *at != observer) at = &(*at)->next;
    if (*at != NULL) *at = observer->next;
    if (loop->observer_next == observer) loop->observer_next = observer->next;
    observe_update_due(loop);
}

void eddy__observe_set_trace(eddy_loop *loop, eddy_trace *trace) {
    if (!(loop->due & DUE_OBSERVED)) observe_forget_calls(loop);
    /* Calls that run began in no trace, or in one that knows nothing of their end. */
    for (unsigned i = 0; i < loop->call_depth; i++) loop->calls[i].is_traced = false;
    if (trace != NULL) trace_enter_phase(trace, loop->phase);
    atomic_store(&loop->trace, trace);
    observe_update_due(loop);
    unsigned rounds = 0;
    while (trace == NULL && atomic_load(&loop->trace_senders) > 0) eddy_os_back_off(&rounds);
}

/* Whoever has left a trace on has it back. */
void eddy__observe_close(eddy_loop *loop) {
    eddy_trace *trace = trace_of(loop);
    if (trace != NULL) trace->loop = NULL;
}

/* Places that were being written would stay so for ever. */
static void trace_take_back(eddy_trace *trace) {
    for (uint64_t i = 0; i <= trace->others_mask; i++) {
        struct trace_place *place = &trace->others[i];
        uint64_t state = atomic_load_explicit(&place->state, memory_order_relaxed);
        if (!(state & 1)) continue;
        trace_drop(place, state / 2);
        atomic_store_explicit(&place->state, state - 1, memory_order_relaxed);
    }
}

void eddy__observe_after_fork(eddy_loop *loop) {
    atomic_store(&loop->trace_senders, 0); /* they have stayed in the parent */
    if (trace_of(loop) != NULL) trace_take_back(trace_of(loop));
    for (struct observer *at = loop->observers, *next; at != NULL; at = next) {
        next = at->next;
        if (at->after_fork != NULL) at->after_fork(at);
    }
}

const char *eddy__observe_verify(const eddy_loop *loop) {
    const eddy_trace *trace = atomic_load(&((eddy_loop *)(uintptr_t)loop)->trace);
    HOLDS(((loop->due & DUE_OBSERVED) != 0) == (loop->observers != NULL || trace != NULL));
    HOLDS(((loop->due & DUE_TRACED) != 0) == (trace != NULL));
    HOLDS(trace == NULL || trace->loop == loop);
    HOLDS(loop->call_depth <= LOOP_CALLS_MAX);
    HOLDS(IS_SMALL || loop->is_quick == (loop->running && !(loop->due & DUE_OBSERVED)));
    return NULL;
}
