/* watchdog.c: the thread that looks at what loops are calling.
 *
 * It looks at a guard when its callback will have lasted for a budget, or two, or four …; while
 * none runs, once a budget, which finds each in time: one that begins after a look is younger than
 * a budget at the next. When nothing was called between two looks the guard is `asleep`: the loop's
 * next call wakes the thread. Until then nobody looks.
 *
 * Invariant: guard->is_told exactly while the end of the callback that was told last is to be told.
 * Threading: what is said in the header. The program's function is called without the lock, while
 * `telling` keeps the guard in its place. */
#include "watchdog.h"

#include "loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

static const int64_t watchdog_budget_ns = 100 * EDDY_NS_PER_MS;
static const int64_t watchdog_budget_min_ns = EDDY_NS_PER_US;
static const int64_t watchdog_budget_max_ns = INT64_C(86400) * EDDY_NS_PER_S;

/* --- Telling --- */

static void watchdog_keep(eddy_guard *guard, const struct guard_view *view) {
    guard->is_told = true;
    guard->told_call = view->call;
    guard->told = (eddy_stall){.loop = guard->loop,
                               .object = (const void *)view->object,
                               .function = view->function,
                               .kind = view->kind,
                               .phase = view->phase,
                               .start_ns = view->start_ns};
    memcpy(guard->told_label, view->label, sizeof guard->told_label);
}

/* Called and returns with the lock; without it in between. `asked`: what the request for frames has
 * returned. */
static void watchdog_tell(eddy_watchdog *watchdog, eddy_guard *guard, eddy_stall stall, int asked) {
    char label[EDDY_STALL_LABEL];
    memcpy(label, guard->told_label, sizeof label);
    stall.label = label;
    watchdog->telling = guard;
    eddy_os_unlock(&watchdog->lock);
    if (asked > 0) {
        asked = eddy__frames_wait(&stall.frames);
        stall.frame_count = asked > 0 ? asked : 0;
    }
    stall.frames_error = asked < 0 ? asked : 0;
    watchdog->config.stalled(&stall, watchdog->config.context);
    eddy_os_lock(&watchdog->lock);
    watchdog->telling = NULL;
    eddy_os_condition_broadcast(&watchdog->quiet);
}

static void watchdog_tell_stall(eddy_watchdog *watchdog, eddy_guard *guard,
                                const struct guard_view *view, int64_t now_ns) {
    watchdog_keep(guard, view);
    guard->told.duration_ns = now_ns - view->start_ns;
    while (guard->times <= guard->told.duration_ns / guard->budget_ns) guard->times *= 2;
    int asked = watchdog->frames_error;
    if (watchdog->has_frames) asked = eddy__frames_ask(guard, view->call);
    watchdog_tell(watchdog, guard, guard->told, asked);
}

/* A callback that has ended just when it was told of may not know that it was: then its time is the
 * one that was told. */
static void watchdog_tell_over(eddy_watchdog *watchdog, eddy_guard *guard) {
    eddy_stall stall = guard->told;
    guard->is_told = false;
    stall.is_over = true;
    if (guard->over_call == guard->told_call) stall.duration_ns = guard->over_ns;
    watchdog_tell(watchdog, guard, stall, 0);
}

/* --- Looking --- */

/* Nothing was called since the last look. A call that has begun just now may have seen `asleep` as
 * it was, while its own stores were not seen here: so there is one more look, a budget later. */
static void watchdog_rest(eddy_guard *guard, int64_t now_ns) {
    if (!atomic_load_explicit(&guard->asleep, memory_order_relaxed)) {
        atomic_store_explicit(&guard->asleep, true, memory_order_relaxed);
        guard->due_ns = now_ns + guard->budget_ns;
    } else if (now_ns >= guard->due_ns) {
        guard->due_ns = INT64_MAX;
    }
}

/* True: something was told, and the list of guards may have changed. */
static bool watchdog_look(eddy_watchdog *watchdog, eddy_guard *guard, int64_t now_ns) {
    struct guard_view view;
    if (!eddy__guard_look(guard, &view)) {
        guard->due_ns = now_ns + guard->budget_ns;
        return false;
    }
    bool is_new = guard->seen != view.call;
    guard->seen = view.call;
    if (is_new) {
        guard->times = 1;
        atomic_store_explicit(&guard->asleep, false, memory_order_relaxed);
    }
    bool is_told_of = view.is_running || view.is_paused;
    if (guard->is_told && (guard->told_call != view.call || !is_told_of)) {
        watchdog_tell_over(watchdog, guard);
        return true;
    }
    if (view.is_running) {
        guard->due_ns = view.start_ns + guard->times * guard->budget_ns;
        if (now_ns < guard->due_ns) return false;
        watchdog_tell_stall(watchdog, guard, &view, now_ns);
        return true;
    }
    if (is_new)
        guard->due_ns = now_ns + guard->budget_ns;
    else
        watchdog_rest(guard, now_ns);
    return false;
}

/* When to look again; INT64_MAX: when somebody says so. */
static int64_t watchdog_look_at_all(eddy_watchdog *watchdog) {
    int64_t next_ns = INT64_MAX;
    eddy_guard *guard = watchdog->guards;
    int64_t now_ns = eddy_os_clock_ns();
    while (guard != NULL) {
        if (watchdog_look(watchdog, guard, now_ns)) {
            now_ns = eddy_os_clock_ns();
            next_ns = INT64_MAX;
            guard = watchdog->guards;
            continue;
        }
        if (guard->due_ns < next_ns) next_ns = guard->due_ns;
        guard = guard->next;
    }
    atomic_fetch_add_explicit(&watchdog->looks, 1, memory_order_relaxed);
    return next_ns;
}

static void *watchdog_run(void *argument) {
    eddy_watchdog *watchdog = argument;
    eddy_os_lock(&watchdog->lock);
    while (!watchdog->ending) {
        int64_t next_ns = watchdog_look_at_all(watchdog);
        if (watchdog->ending) break;
        (void)eddy_os_condition_wait(&watchdog->wake, &watchdog->lock,
                                     next_ns == INT64_MAX ? -1 : next_ns);
    }
    eddy_os_unlock(&watchdog->lock);
    return NULL;
}

/* --- For the loops' threads --- */

bool eddy__watchdog_is_parents(const eddy_watchdog *watchdog) {
    return watchdog->process != eddy_os_process_id();
}

void eddy__watchdog_wake(eddy_watchdog *watchdog, eddy_guard *guard) {
    if (eddy__watchdog_is_parents(watchdog)) return; /* the lock may be taken, by nobody here */
    eddy_os_lock(&watchdog->lock);
    atomic_store_explicit(&guard->asleep, false, memory_order_relaxed);
    eddy_os_condition_signal(&watchdog->wake);
    eddy_os_unlock(&watchdog->lock);
}

/* --- The public functions --- */

static int watchdog_open(eddy_watchdog *watchdog) {
    int err = eddy_os_mutex_open(&watchdog->lock, false);
    if (err < 0) return err;
    err = eddy_os_condition_open(&watchdog->wake);
    if (err < 0) goto close_lock;
    err = eddy_os_condition_open(&watchdog->quiet);
    if (err < 0) goto close_wake;
    if (!watchdog->has_thread) return 0;
    err = eddy_os_thread_start(&watchdog->thread, watchdog_run, watchdog, 0);
    if (err == 0) return 0;
    eddy_os_condition_close(&watchdog->quiet);
close_wake:
    eddy_os_condition_close(&watchdog->wake);
close_lock:
    eddy_os_mutex_close(&watchdog->lock);
    return err;
}

/* Backtraces are worth having, but a system without them has stalls as well. */
static int watchdog_open_frames(eddy_watchdog *watchdog) {
    if (watchdog->config.signal == 0 || !watchdog->has_thread) return 0;
    int err = eddy__frames_open(watchdog->config.signal);
    watchdog->has_frames = err == 0;
    watchdog->frames_error = err;
    return err == -ENOTSUP ? 0 : err;
}

int eddy_watchdog_start(eddy_watchdog *watchdog, const eddy_watchdog_config *config) {
    memset(watchdog, 0, sizeof *watchdog);
    watchdog->config = *config;
    int64_t *budget_ns = &watchdog->config.budget_ns;
    if (*budget_ns == 0) *budget_ns = watchdog_budget_ns;
    if (*budget_ns < watchdog_budget_min_ns || *budget_ns > watchdog_budget_max_ns) return -EINVAL;
    if (config->stalled == NULL && config->over_budget == NULL) return -EINVAL;
    if (config->signal < 0) return -EINVAL;
    watchdog->has_thread = config->stalled != NULL;
    int err = watchdog_open_frames(watchdog);
    if (err < 0) return err;
    err = watchdog_open(watchdog);
    if (err == 0)
        watchdog->process = eddy_os_process_id();
    else if (watchdog->has_frames)
        eddy__frames_close();
    return err;
}

static int watchdog_end_thread(eddy_watchdog *watchdog) {
    eddy_os_lock(&watchdog->lock);
    bool is_busy = watchdog->guards != NULL;
    if (!is_busy) watchdog->ending = true;
    eddy_os_condition_signal(&watchdog->wake);
    eddy_os_unlock(&watchdog->lock);
    if (is_busy) return -EBUSY;
    if (watchdog->has_thread) eddy_os_thread_join(watchdog->thread);
    return 0;
}

/* In a child locks and conditions stay as they are: they may be in use, by nobody who is here. */
int eddy_watchdog_stop(eddy_watchdog *watchdog) {
    if (watchdog->process == 0) return 0;
    if (!eddy__watchdog_is_parents(watchdog)) {
        if (watchdog->has_thread && pthread_equal(watchdog->thread, eddy_os_thread_self()))
            return -EDEADLK;
        int err = watchdog_end_thread(watchdog);
        if (err < 0) return err;
        eddy_os_condition_close(&watchdog->quiet);
        eddy_os_condition_close(&watchdog->wake);
        eddy_os_mutex_close(&watchdog->lock);
    }
    if (watchdog->has_frames) eddy__frames_close();
    watchdog->process = 0;
    return 0;
}
