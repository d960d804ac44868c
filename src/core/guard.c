/* guard.c: a watchdog's share in a loop's thread: what is being called is written down before each
 * callback, for another thread to read at any time.
 *
 * `version` is odd while a call is written. A field is stored with release and read with acquire,
 * so whoever finds a new field finds the odd version as well, or a later one, and looks again.
 * Labels are copied, as only this thread may look into the loop's tables.
 *
 * Invariant: between a call and its return `is_calling` is true, and `call` is what runs.
 * Threading: loop thread only, but for eddy__guard_look. */
#include "check.h"
#include "loop.h"
#include "observe.h"
#include "watchdog.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

_Static_assert(sizeof(struct observer) <= sizeof(((eddy_guard *)0)->observer), "it fits");
_Static_assert(sizeof(eddy_os_thread) <= sizeof(uintptr_t), "a thread's handle fits");

#define RELAXED memory_order_relaxed
#define ACQUIRE memory_order_acquire
#define RELEASE memory_order_release

static struct observer *guard_observer(eddy_guard *guard) {
    return (struct observer *)(void *)guard->observer;
}

static eddy_guard *guard_of(struct observer *observer) {
    return (eddy_guard *)(void *)observer;
}

/* --- Writing --- */

static unsigned guard_write_begin(eddy_guard *guard) {
    unsigned version = atomic_load_explicit(&guard->version, RELAXED);
    atomic_store_explicit(&guard->version, version + 1, RELAXED);
    return version + 2;
}

static void guard_write_end(eddy_guard *guard, unsigned version) {
    atomic_store_explicit(&guard->version, version, RELEASE);
}

static void guard_write_start(eddy_guard *guard, int64_t start_ns) {
    guard->start_ns = start_ns;
    atomic_store_explicit(&guard->start_low, (uint32_t)start_ns, RELEASE);
    atomic_store_explicit(&guard->start_high, (uint32_t)((uint64_t)start_ns >> 32), RELEASE);
}

static void guard_write_label(struct eddy_guard_call *call, const char *label) {
    uintptr_t words[EDDY_STALL_LABEL / sizeof(uintptr_t)] = {0};
    size_t length = strnlen(label, EDDY_STALL_LABEL - 1);
    memcpy(words, label, length);
    for (size_t i = 0; i <= length / sizeof *words; i++)
        atomic_store_explicit(&call->label[i], words[i], RELEASE);
}

static void guard_write_call(eddy_guard *guard, eddy_kind what, const void *object, uintptr_t fn) {
    struct eddy_guard_call *call = &guard->call;
    const char *label = eddy__part_label(guard->loop, object);
    atomic_store_explicit(&call->object, (uintptr_t)object, RELEASE);
    atomic_store_explicit(&call->function, fn, RELEASE);
    atomic_store_explicit(&call->kind, (unsigned)what, RELEASE);
    if (label != NULL)
        guard_write_label(call, label);
    else
        atomic_store_explicit(&call->label[0], 0, RELEASE);
    atomic_store_explicit(&guard->is_calling, true, RELEASE);
}

/* --- Reading --- */

static void guard_read_call(const struct eddy_guard_call *call, struct guard_view *view) {
    uintptr_t words[EDDY_STALL_LABEL / sizeof(uintptr_t)] = {0};
    view->object = atomic_load_explicit(&call->object, ACQUIRE);
    view->function = atomic_load_explicit(&call->function, ACQUIRE);
    view->kind = (eddy_kind)atomic_load_explicit(&call->kind, ACQUIRE);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        words[i] = atomic_load_explicit(&call->label[i], ACQUIRE);
    memcpy(view->label, words, sizeof words);
    view->label[EDDY_STALL_LABEL - 1] = '\0';
}

bool eddy__guard_look(const eddy_guard *guard, struct guard_view *view) {
    enum { TRIES = 16 };
    for (int i = 0; i < TRIES; i++) {
        unsigned version = atomic_load_explicit(&guard->version, ACQUIRE);
        if (version % 2 != 0) continue;
        bool is_calling = atomic_load_explicit(&guard->is_calling, ACQUIRE);
        view->call = atomic_load_explicit(&guard->calls, ACQUIRE);
        view->phase = (int)atomic_load_explicit(&guard->called_phase, ACQUIRE);
        view->is_paused = atomic_load_explicit(&guard->paused, ACQUIRE) > 0;
        view->is_running = is_calling && !view->is_paused;
        uint64_t high = atomic_load_explicit(&guard->start_high, ACQUIRE);
        view->start_ns = (int64_t)(high << 32 | atomic_load_explicit(&guard->start_low, ACQUIRE));
        guard_read_call(&guard->call, view);
        if (atomic_load_explicit(&guard->version, RELAXED) == version) return true;
    }
    return false;
}

/* --- Calls --- */

static void guard_phase(struct observer *observer, int phase, int64_t now_ns) {
    (void)now_ns;
    guard_of(observer)->phase = phase;
}

/* What was held on purpose is over by now, also if the clock was read before. */
static int64_t guard_now_ns(const eddy_guard *guard, int64_t now_ns) {
    return now_ns > guard->resumed_ns ? now_ns : guard->resumed_ns;
}

static void guard_call(struct observer *observer, eddy_kind what, const void *object, uintptr_t fn,
                       int64_t now_ns) {
    eddy_guard *guard = guard_of(observer);
    if (guard->is_parents) return;
    unsigned version = guard_write_begin(guard);
    unsigned calls = atomic_load_explicit(&guard->calls, RELAXED);
    atomic_store_explicit(&guard->calls, calls + 1, RELEASE);
    atomic_store_explicit(&guard->called_phase, (unsigned)guard->phase, RELEASE);
    guard_write_start(guard, guard_now_ns(guard, now_ns));
    guard_write_call(guard, what, object, fn);
    if (guard->watchdog->has_frames) {
        eddy_os_thread self = eddy_os_thread_self();
        uintptr_t thread = 0;
        memcpy(&thread, &self, sizeof self);
        atomic_store_explicit(&guard->thread, thread, RELEASE);
    }
    guard_write_end(guard, version);
    /* The store above may be seen after this load: watchdog_rest has an answer to that. */
    if (UNLIKELY(atomic_load_explicit(&guard->asleep, RELAXED)))
        eddy__watchdog_wake(guard->watchdog, guard);
}

/* What was told of while it lasted is told with the label that it had then. In a child that was
 * forked in this callback nothing is: a thread of the parent's may have had the lock at the fork.
 */
RARE static void guard_over(eddy_guard *guard, int64_t duration_ns) {
    eddy_watchdog *watchdog = guard->watchdog;
    struct guard_view view;
    if (eddy__watchdog_is_parents(watchdog)) return;
    guard_read_call(&guard->call, &view);
    eddy_stall stall = {.loop = guard->loop,
                        .object = (const void *)view.object,
                        .function = view.function,
                        .kind = view.kind,
                        .label = view.label,
                        .phase = (int)atomic_load_explicit(&guard->called_phase, RELAXED),
                        .start_ns = guard->start_ns,
                        .duration_ns = duration_ns,
                        .is_over = true};
    eddy_os_lock(&watchdog->lock);
    if (guard->is_told && guard->told_call == atomic_load_explicit(&guard->calls, RELAXED)) {
        stall.object = guard->told.object;
        stall.function = guard->told.function;
        stall.kind = guard->told.kind;
        memcpy(view.label, guard->told_label, sizeof view.label);
    }
    eddy_os_condition_signal(&watchdog->wake);
    eddy_os_unlock(&watchdog->lock);
    if (watchdog->config.over_budget != NULL) /* the guard may be gone after it */
        watchdog->config.over_budget(&stall, watchdog->config.context);
}

/* Before the call is seen to be over, so that whoever tells of its end knows how long it took. */
RARE static void guard_note_over(eddy_guard *guard, int64_t duration_ns) {
    if (eddy__watchdog_is_parents(guard->watchdog)) return;
    eddy_os_lock(&guard->watchdog->lock);
    guard->over_call = atomic_load_explicit(&guard->calls, RELAXED);
    guard->over_ns = duration_ns;
    eddy_os_unlock(&guard->watchdog->lock);
}

/* The thread may end as soon as it is out of here, and must not be sent a signal then: either it
 * sees that one is being sent, and waits for the lock, or the watchdog sees that the call is over.
 */
static void guard_leave(eddy_guard *guard) {
    atomic_store(&guard->is_calling, false);
    if (!atomic_load(&guard->signalling) || eddy__watchdog_is_parents(guard->watchdog)) return;
    eddy_os_lock(&guard->watchdog->lock);
    eddy_os_unlock(&guard->watchdog->lock);
}

static void guard_returned(struct observer *observer, int64_t now_ns) {
    eddy_guard *guard = guard_of(observer);
    if (!atomic_load_explicit(&guard->is_calling, RELAXED)) return;
    int64_t duration_ns = guard_now_ns(guard, now_ns) - guard->start_ns;
    bool is_over_budget = UNLIKELY(duration_ns >= guard->budget_ns);
    if (is_over_budget) guard_note_over(guard, duration_ns);
    if (guard->watchdog->has_frames)
        guard_leave(guard);
    else
        atomic_store_explicit(&guard->is_calling, false, RELEASE);
    if (is_over_budget) guard_over(guard, duration_ns);
}

/* The watchdog's thread has stayed in the parent, and maybe with the lock. */
static void guard_after_fork(struct observer *observer) {
    eddy_guard *guard = guard_of(observer);
    guard->is_parents = true;
    atomic_store_explicit(&guard->is_calling, false, RELAXED);
}

/* --- The public functions --- */

int eddy_guard_start(eddy_guard *guard, eddy_watchdog *watchdog, eddy_loop *loop) {
    CHECK_THREAD(loop);
    if (guard->watchdog != NULL) return -EALREADY;
    if (watchdog->process == 0 || eddy__watchdog_is_parents(watchdog)) return -EINVAL;
    memset(guard, 0, sizeof *guard);
    guard->watchdog = watchdog;
    guard->loop = loop;
    guard->budget_ns = watchdog->config.budget_ns;
    guard->due_ns = INT64_MAX;
    atomic_store_explicit(&guard->asleep, watchdog->has_thread, RELAXED);
    *guard_observer(guard) = (struct observer){.phase = guard_phase,
                                               .call = guard_call,
                                               .returned = guard_returned,
                                               .after_fork = guard_after_fork};
    eddy_os_lock(&watchdog->lock);
    guard->next = watchdog->guards;
    watchdog->guards = guard;
    eddy_os_unlock(&watchdog->lock);
    eddy__observe_begin(loop, guard_observer(guard));
    return 0;
}

void eddy_guard_stop(eddy_guard *guard) {
    eddy_watchdog *watchdog = guard->watchdog;
    if (watchdog == NULL) return;
    CHECK_THREAD(guard->loop);
    eddy__observe_end(guard->loop, guard_observer(guard));
    guard->watchdog = NULL;
    if (eddy__watchdog_is_parents(watchdog)) return;
    atomic_store(&guard->is_calling, false);
    eddy_os_lock(&watchdog->lock);
    eddy_guard **at = &watchdog->guards;
    while (*at != guard) at = &(*at)->next;
    *at = guard->next;
    while (watchdog->telling == guard)
        (void)eddy_os_condition_wait(&watchdog->quiet, &watchdog->lock, -1);
    eddy_os_unlock(&watchdog->lock);
}

void eddy_guard_label(eddy_guard *guard, const char *text) {
    if (!atomic_load_explicit(&guard->is_calling, RELAXED)) return;
    unsigned version = guard_write_begin(guard);
    guard_write_label(&guard->call, text);
    guard_write_end(guard, version);
}

void eddy_guard_pause(eddy_guard *guard) {
    unsigned paused = atomic_load_explicit(&guard->paused, RELAXED);
    if (paused == 0) guard->pause_ns = eddy_os_clock_ns();
    atomic_store_explicit(&guard->paused, paused + 1, RELEASE);
}

void eddy_guard_resume(eddy_guard *guard) {
    unsigned paused = atomic_load_explicit(&guard->paused, RELAXED);
    if (paused == 0) return; /* it was started anew meanwhile */
    if (paused > 1) {
        atomic_store_explicit(&guard->paused, paused - 1, RELEASE);
        return;
    }
    guard->resumed_ns = eddy_os_clock_ns();
    unsigned version = guard_write_begin(guard);
    guard_write_start(guard, guard->start_ns + guard->resumed_ns - guard->pause_ns);
    atomic_store_explicit(&guard->paused, 0, RELEASE);
    guard_write_end(guard, version);
    if (guard->watchdog != NULL) eddy__watchdog_wake(guard->watchdog, guard);
}
