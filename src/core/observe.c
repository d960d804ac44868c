/* observe.c: what is told to those who look at a loop, and the records of its trace.
 * Invariant: DUE_OBSERVED is set exactly while there is an observer or a trace. Threading: the
 * loop's thread; eddy__observe_send from any thread and from signal handlers. */
#include "observe.h"

#include "callback.h"
#include "probe.h"
#include "trace.h"
#include "verify.h"

/* --- Records --- */

static uint64_t trace_packed(eddy_trace_kind kind, unsigned what, unsigned phase, unsigned thread) {
    return (unsigned)kind | (what & UINT8_MAX) << 8 | phase << 16 | thread << 24;
}

static void trace_store(struct trace_words *words, int64_t time_ns, const void *object,
                        int64_t argument, uint64_t packed) {
    atomic_store_explicit(&words->time_ns, time_ns, memory_order_relaxed);
    atomic_store_explicit(&words->object, (uintptr_t)object, memory_order_relaxed);
    atomic_store_explicit(&words->argument, argument, memory_order_relaxed);
    atomic_store_explicit(&words->packed, packed, memory_order_relaxed);
}

RARE static void trace_show(const eddy_trace *trace, uint64_t number, int64_t time_ns,
                            const void *object, int64_t argument, uint64_t packed, uint64_t call) {
    const eddy_trace_record record = {
        .number = number,
        .cause = call,
        .time_ns = time_ns,
        .object = (uintptr_t)object,
        .argument = argument,
        .kind = (uint8_t)packed,
        .what = (uint8_t)(packed >> 8),
        .phase = (uint8_t)(packed >> 16),
        .thread = (uint8_t)(packed >> 24),
    };
    VISIT(trace->fn, &record, trace->context);
}

/* Returns its number. */
static inline uint64_t trace_put(eddy_trace *trace, const eddy_loop *loop, eddy_trace_kind kind,
                                 unsigned what, const void *object, int64_t argument,
                                 int64_t time_ns) {
    uint64_t index = atomic_load_explicit(&trace->head, memory_order_relaxed);
    uint64_t number = trace_number_own(index);
    uint64_t call = atomic_load_explicit(&trace->call, memory_order_relaxed);
    uint64_t packed = trace_packed(kind, what, loop->phase, 0);
    if (call != 0) packed |= (number - call) << 31; /* both are even */
    atomic_thread_fence(memory_order_release);
    trace_store(&trace->own[index & trace->mask], time_ns, object, argument, packed);
    atomic_store_explicit(&trace->head, index + 1, memory_order_release);
    probe(kind, number, (uintptr_t)object, argument, what & UINT8_MAX, loop->phase);
    if (trace->fn != NULL) trace_show(trace, number, time_ns, object, argument, packed, call);
    return number;
}

static eddy_trace *trace_of(eddy_loop *loop) {
    return atomic_load_explicit(&loop->trace, memory_order_relaxed);
}

/* `now_ns` 0: the clock is read if need be. */
static inline uint64_t trace_note(eddy_loop *loop, eddy_trace_kind kind, unsigned what,
                                  const void *object, int64_t argument, int64_t now_ns) {
    eddy_trace *trace = trace_of(loop);
    if (trace == NULL) return 0;
    if (now_ns == 0) now_ns = eddy_os_clock_ns();
    return trace_put(trace, loop, kind, what, object, argument, now_ns);
}

static void observe_end_event(eddy_loop *loop) {
    eddy_trace *trace = trace_of(loop);
    if (trace != NULL) atomic_store_explicit(&trace->call, 0, memory_order_relaxed);
}

void eddy__observe_note(eddy_loop *loop, eddy_trace_kind kind, eddy_kind what, const void *object,
                        int64_t argument) {
    /* What comes of an event is inside it, until the next one comes. */
    if (kind == EDDY_TRACE_EVENT) observe_end_event(loop);
    uint64_t number = trace_note(loop, kind, what, object, argument, 0);
    if (kind == EDDY_TRACE_EVENT && number != 0)
        atomic_store_explicit(&trace_of(loop)->call, number, memory_order_relaxed);
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
    trace_store(&place->words, eddy_os_clock_ns(), object, argument, packed);
    atomic_store_explicit(&place->state, 2 * index + 2, memory_order_release);
    probe((uint8_t)packed, trace_number_other(index), (uintptr_t)object, argument,
          (uint8_t)(packed >> 8), 0);
}

/* Sequentially consistent: a sender counts itself and then looks for the trace, a stop takes the
 * trace away and then looks at the count. */
void eddy__observe_send(eddy_loop *loop, eddy_trace_kind kind, eddy_kind what, const void *object,
                        int64_t argument, unsigned thread) {
    atomic_fetch_add(&loop->trace_senders, 1);
    eddy_trace *trace = atomic_load(&loop->trace);
    if (trace != NULL) {
        uint64_t cause = 0;
        if (thread == OBSERVE_THREAD_OTHER && trace->thread == eddy__trace_here()) {
            thread = 0;
            cause = atomic_load_explicit(&trace->call, memory_order_relaxed);
        }
        trace_send(trace, trace_packed(kind, what, 0, thread), object, argument, cause);
    }
    atomic_fetch_sub(&loop->trace_senders, 1);
}

const void *eddy__trace_here(void) {
    static _Thread_local char here;
    return &here;
}

/* --- Callbacks --- */

static bool observe_trace_call(eddy_loop *loop, struct observed_call *call, uintptr_t fn) {
    eddy_trace *trace = trace_of(loop);
    if (trace == NULL) return false;
    call->around = atomic_load_explicit(&trace->call, memory_order_relaxed);
    uint64_t number = trace_put(trace, loop, EDDY_TRACE_CALL, call->what, call->object, (int64_t)fn,
                                call->began_ns);
    atomic_store_explicit(&trace->call, number, memory_order_relaxed);
    return true;
}

/* Whether the first `depth` of those that run are the library's own. */
static bool observe_is_outermost(const eddy_loop *loop, unsigned depth) {
    for (unsigned i = 0; i < depth; i++)
        if (!(loop->calls[i].what & OBSERVE_INNER)) return false;
    return true;
}

void eddy__observe_call(eddy_loop *loop, unsigned what, const void *object, uintptr_t fn) {
    EDDY_ASSERT(loop->call_depth < LOOP_CALLS_MAX);
    unsigned depth = loop->call_depth++;
    struct observed_call *call = &loop->calls[depth];
    *call = (struct observed_call){0, 0, object, what, false};
    if (what & OBSERVE_INNER) return;
    call->began_ns = eddy_os_clock_ns();
    call->is_traced = observe_trace_call(loop, call, fn);
    if (!observe_is_outermost(loop, depth)) return;
    for (struct observer *at = loop->observers; at != NULL; at = at->next)
        if (at->call != NULL) at->call(at, (eddy_kind)(uint8_t)what, object, fn, call->began_ns);
}

/* Those that began to look in the call have not seen it begin. */
void eddy__observe_return(eddy_loop *loop) {
    if (loop->call_depth == 0) return;
    const struct observed_call *call = &loop->calls[--loop->call_depth];
    if ((call->what & OBSERVE_INNER) || !loop_is_observed(loop)) return;
    eddy_trace *trace = trace_of(loop);
    int64_t now_ns = eddy_os_clock_ns();
    if (call->is_traced && trace != NULL) {
        trace_put(trace, loop, EDDY_TRACE_RETURN, call->what, call->object, now_ns - call->began_ns,
                  now_ns);
        atomic_store_explicit(&trace->call, call->around, memory_order_relaxed);
    }
    if (!observe_is_outermost(loop, loop->call_depth)) return;
    for (struct observer *at = loop->observers; at != NULL; at = loop->observer_next) {
        loop->observer_next = at->next;
        if (at->returned != NULL) at->returned(at, now_ns);
    }
}

void eddy__observe_timer(eddy_loop *loop, int64_t due_ns) {
    int64_t late_ns = loop->observers != NULL ? eddy_os_clock_ns() - due_ns : 0;
    for (struct observer *at = loop->observers; at != NULL; at = at->next)
        if (at->timer != NULL) at->timer(at, late_ns);
}

/* --- The turn --- */

static void observe_phase_at(eddy_loop *loop, int phase, int64_t now_ns) {
    loop->phase = (uint8_t)phase;
    observe_end_event(loop);
    if (phase != 0) trace_note(loop, EDDY_TRACE_PHASE, EDDY_KINDS, NULL, 0, now_ns);
    for (struct observer *at = loop->observers; at != NULL; at = at->next)
        if (at->phase != NULL) at->phase(at, phase, now_ns);
}

void eddy__observe_phase(eddy_loop *loop, int phase) {
    observe_phase_at(loop, phase, eddy_os_clock_ns());
}

/* The turn before may have gone no further than its wait. */
void eddy__observe_turn(eddy_loop *loop) {
    if (loop->phase != 0) eddy__observe_phase(loop, 0);
    trace_note(loop, EDDY_TRACE_TURN, EDDY_KINDS, NULL, (int64_t)(loop->turn + 1), 0);
}

void eddy__observe_wait(eddy_loop *loop, int64_t timeout_ns) {
    eddy__observe_phase(loop, 2);
    trace_note(loop, EDDY_TRACE_WAIT, EDDY_KINDS, NULL, timeout_ns, 0);
}

void eddy__observe_waited(eddy_loop *loop, int count, int64_t now_ns) {
    if (loop->phase == 2) trace_note(loop, EDDY_TRACE_WAITED, EDDY_KINDS, NULL, count, now_ns);
    loop->phase = 3;
    for (struct observer *at = loop->observers; at != NULL; at = at->next)
        if (at->waited != NULL) at->waited(at, count, now_ns);
    if (count < 0) observe_phase_at(loop, 0, now_ns); /* that was all of this turn */
}

/* --- Observers --- */

static void observe_update_due(eddy_loop *loop) {
    loop->due &= ~(unsigned)DUE_OBSERVED;
    if (loop->observers != NULL || trace_of(loop) != NULL) loop->due |= DUE_OBSERVED;
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
    HOLDS(trace == NULL || trace->loop == loop);
    HOLDS(loop->call_depth <= LOOP_CALLS_MAX);
    HOLDS(loop->is_quick == (loop->running && !(loop->due & DUE_OBSERVED)));
    return NULL;
}
