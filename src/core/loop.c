/* loop.c: one turn, and what surrounds it. The phases are described in <eddy/loop.h>.
 * Invariant: `running` while callbacks may run, so that a turn never starts inside a turn; the
 * waiting marker is in the inbox whenever the loop sleeps or is not run.
 * Threading: loop thread only. */
#include "loop.h"

#include "check.h"
#include "observe.h"
#include "ready.h"

#include <errno.h>

enum {
    /* Turns in a row that may go without a wait while completions are at hand: a chain of file
     * requests that finish at once costs no wait each, and descriptors are still looked at often.
     */
    LOOP_SKIPS_MAX = 8,
    /* The same while posts arrive, be it one that posts itself again, or a busy sender. */
    LOOP_SKIPS_FOR_POSTS = 1,
};

/* A deadline that is at least so far away need not be known to the nanosecond while the loop is
 * busy: see loop_timeout_ns. */
static const int64_t loop_far_ns = 10 * EDDY_NS_PER_S;

/* --- Before the wait --- */

/* How long phase 2 may wait for the timers. The cached time is at most the real one: a wait that
 * counts from there is too long by what the callbacks took. So the clock is read once more, but not
 * where a wait that follows a busy turn will hardly last: then half of the way to a far deadline is
 * on the safe side, and a loop that did fall silent wakes up once, to wait for the rest. */
static inline int64_t loop_timeout_ns(eddy_loop *loop, int found) {
    if (!timer_has_any(&loop->timers)) return -1;
    int64_t left_ns = timer_soonest_ns(&loop->timers) - loop->now_ns;
    if (!IS_SMALL && left_ns >= loop_far_ns && found > 0) return left_ns / 2;
    int64_t due_ns = timer_next_ns(&loop->timers, found > 0);
    if (due_ns == INT64_MAX) return -1; /* those that were known have been stopped */
    left_ns = due_ns - eddy_os_clock_ns();
    return left_ns < 0 ? 0 : left_ns;
}

/* Whether idle hooks are to run in this turn, as far as anybody knows before the wait. */
static inline bool loop_waits_idly(eddy_loop *loop, int64_t timeout_ns) {
    return (loop->due & DUE_IDLE) && timeout_ns != 0 && eddy__hook_plan_idle(loop);
}

/* All that may come before a wait. A turn that does not wait need not know for how long, unless an
 * idle hook asks whether it could. */
RARE static int64_t loop_prepare(eddy_loop *loop, bool may_wait) {
    if (loop->due & DUE_OBSERVED) eddy__observe_turn(loop);
    if (loop->due & DUE_PREPARE) eddy__hook_run(loop, EDDY_HOOK_PREPARE);
    if (loop->due & DUE_OBSERVED) eddy__observe_phase(loop, 1);
    if (loop->due & DUE_FLUSH) eddy__io_flush(loop); /* phase 1 */
    if (loop->due & DUE_PARTS) eddy__part_before_wait(loop);
    if ((loop->due & (DUE_AT_HAND | DUE_STOP)) || loop->active == 0) return 0;
    if (!may_wait && !(loop->due & DUE_IDLE)) return 0;
    int64_t timeout_ns = loop_timeout_ns(loop, 0);
    return loop_waits_idly(loop, timeout_ns) || !may_wait ? 0 : timeout_ns;
}

/* --- The wait: phases 2 and 3 --- */

/* Posts are at hand, and looking for anything else can be put off. */
static inline bool loop_skips_wait(eddy_loop *loop) {
    if (!(loop->due & DUE_INBOX) && !inbox_has_arrived(&loop->inbox)) return false;
    unsigned most = loop->due & DUE_INBOX ? LOOP_SKIPS_MAX : LOOP_SKIPS_FOR_POSTS;
    if (loop->waits_skipped >= most) return false;
    loop->waits_skipped++;
    loop->turns_without_wait++;
    return true;
}

/* With a timeout the loop sleeps in it, and the marker is there that tells who posts. */
static inline int loop_ask_backend(eddy_loop *loop, int64_t timeout_ns) {
    loop_set_asleep(loop, timeout_ns != 0);
    int count = loop_backend(loop)->wait(loop->backend_state, loop->records,
                                         (int)loop->config.events_per_turn, timeout_ns);
    loop_set_asleep(loop, false);
    if (timeout_ns != 0) inbox_set_awake(&loop->inbox);
    if (count > 0)
        loop->metrics.events += (unsigned)count;
    else if (count == 0)
        loop->metrics.waits_empty++;
    return count;
}

/* `observed` is known at each call but one: the plain turn asks nothing. */
static inline int loop_wait(eddy_loop *loop, int64_t timeout_ns, bool observed) {
    int count = 0;
    loop->turn++;
    bool is_waiting = timeout_ns != 0 && inbox_set_waiting(&loop->inbox);
    if (is_waiting || !loop_skips_wait(loop)) {
        loop->waits_skipped = 0;
        if (observed) eddy__observe_wait(loop, is_waiting ? timeout_ns : 0);
        count = loop_ask_backend(loop, is_waiting ? timeout_ns : 0); /* phase 2 */
    }
    loop->now_ns = eddy_os_clock_ns(); /* phase 3 */
    if (observed) eddy__observe_waited(loop, count, loop->now_ns);
    return count;
}

/* --- After the wait --- */

APART static void loop_run_late_phases(eddy_loop *loop) {
    if (HAS_QUEUES && IS_LINKED(eddy__inbox_run)) eddy__inbox_run(loop); /* phase 6 */
    if (loop->due & DUE_DEFERRED) eddy__defer_run(loop);                 /* phase 7 */
    if (loop->due & DUE_CLOSING) eddy__closing_run(loop);                /* phase 8 */
}

/* Each phase that has something to do is told of. */
RARE static void loop_run_observed_late_phases(eddy_loop *loop) {
    if ((loop->due & (DUE_INBOX | DUE_WAKEUP)) || inbox_has_arrived(&loop->inbox)) {
        eddy__observe_phase(loop, 6);
        eddy__inbox_run(loop);
    }
    if (loop->due & DUE_DEFERRED) {
        eddy__observe_phase(loop, 7);
        eddy__defer_run(loop);
    }
    if (loop->due & DUE_CLOSING) {
        eddy__observe_phase(loop, 8);
        eddy__closing_run(loop);
    }
}

/* Phases 1, 2 and 5 once more, as there may be more than one wait could tell. What it fails with
 * comes again with the next turn's. */
RARE static void loop_wait_again(eddy_loop *loop) {
    const int capacity = (int)loop->config.events_per_turn;
    int count = capacity;
    for (unsigned i = 1; i < loop->config.waits_per_turn && count == capacity; i++) {
        if (loop->due & DUE_STOP) return;
        if (loop->due & DUE_FLUSH) eddy__io_flush(loop);
        if (loop->io.rebuild_due) return;
        if (loop->due & DUE_OBSERVED) eddy__observe_wait(loop, 0);
        loop->waits_again++;
        count = loop_ask_backend(loop, 0);
        if (loop->due & DUE_OBSERVED) eddy__observe_waited(loop, count, eddy_os_clock_ns());
        if (count < 0) return;
        if (loop->due & DUE_OBSERVED) eddy__observe_phase(loop, 5);
        ready_run(loop, count);
    }
}

static inline void loop_run_phases(eddy_loop *loop, int count) {
    if (timer_is_due(&loop->timers, loop->now_ns)) eddy__timer_run(loop); /* phase 4 */
    ready_run(loop, count);                                               /* phase 5 */
    if (UNLIKELY(count >= loop->full_count)) loop_wait_again(loop);
    if ((loop->due & DUE_LATE) || inbox_has_more(&loop->inbox)) loop_run_late_phases(loop);
}

RARE static void loop_run_observed_phases(eddy_loop *loop, int count) {
    if (timer_is_due(&loop->timers, loop->now_ns)) {
        eddy__observe_phase(loop, 4);
        eddy__timer_run(loop);
    }
    if (count > 0 || (loop->due & DUE_LOST)) {
        eddy__observe_phase(loop, 5);
        ready_run(loop, count);
        if (count >= loop->full_count) loop_wait_again(loop);
    }
    loop_run_observed_late_phases(loop);
    eddy__observe_phase(loop, 0);
}

RARE static void loop_dispatch(eddy_loop *loop) {
    if (loop->due & DUE_CHECK) eddy__hook_run(loop, EDDY_HOOK_CHECK);
    if (loop->due & DUE_IDLE_NOW) eddy__hook_run_idle(loop);
    int count = loop->record_count;
    loop->record_count = 0;
    if (loop->due & DUE_OBSERVED)
        loop_run_observed_phases(loop, count);
    else
        loop_run_phases(loop, count);
}

/* --- Turns --- */

/* The backend could not be opened anew. What needs none goes on, so that timers come, and so that
 * requests that were cancelled for want of it come back and the loop can be closed. */
RARE static int loop_turn_without_backend(eddy_loop *loop) {
    loop->turn++;
    loop->turns_without_wait++;
    loop->due &= ~(unsigned)DUE_IDLE_NOW;
    loop->now_ns = eddy_os_clock_ns();
    loop_dispatch(loop);
    return loop->io.rebuild_error;
}

/* A turn with all that may be in it. */
RARE static int loop_turn(eddy_loop *loop, eddy_run_mode mode) {
    int64_t timeout_ns = loop_prepare(loop, mode != EDDY_RUN_NOWAIT);
    if (loop->io.rebuild_due) return loop_turn_without_backend(loop);
    int count = loop_wait(loop, timeout_ns, (loop->due & DUE_OBSERVED) != 0);
    if (count < 0) return count;
    loop->record_count = count;
    loop_dispatch(loop);
    return count;
}

static bool loop_may_turn(const eddy_loop *loop) {
    return !(loop->due & DUE_STOP) && eddy_loop_is_alive(loop);
}

/* Most turns are plain: nothing but a wait, and what it found. They are the same turn, without the
 * questions whose answers are known. */
static int loop_run_to_end(eddy_loop *loop) {
    int count = 0;
    do {
        if (!IS_SMALL && !(loop->due & DUE_NOT_PLAIN) &&
            (loop->active > 0 || inbox_has_arrived(&loop->inbox))) {
            count = loop_wait(loop, loop_timeout_ns(loop, count), false);
            if (count >= 0) loop_run_phases(loop, count);
        } else {
            if (!loop_may_turn(loop)) break;
            count = loop_turn(loop, EDDY_RUN_DEFAULT);
        }
    } while (count >= 0);
    return count;
}

/* --- The public functions --- */

/* The loop looks into its inbox by itself again. What was pushed onto the marker has written to the
 * pipe: a wait sees that now, or the next sleep would end for nothing. */
static void loop_begin(eddy_loop *loop) {
    CHECK_ENTER(loop);
    loop_set_running(loop, true);
    inbox_set_awake(&loop->inbox);
    if (loop->was_marked && inbox_has_more(&loop->inbox)) loop->waits_skipped = LOOP_SKIPS_MAX;
}

/* Back to the caller: what was handed in during the turn does not wait for the next one, and posts
 * from now on are seen through the descriptor; prepare tells of earlier ones. */
static int loop_return(eddy_loop *loop) {
    if (loop->due & DUE_PARTS) eddy__part_before_wait(loop);
    loop->was_marked = inbox_set_waiting(&loop->inbox);
    loop->was_stopped = (loop->due & DUE_STOP) != 0;
    loop->due &= ~(unsigned)DUE_STOP;
    loop_set_running(loop, false);
    return eddy_loop_is_alive(loop);
}

int eddy_loop_run(eddy_loop *loop, eddy_run_mode mode) {
    CHECK_THREAD(loop);
    if (loop->running) return -EBUSY;
    if ((unsigned)mode > EDDY_RUN_NOWAIT) return -EINVAL;
    int count = 0;
    loop_begin(loop);
    loop->record_count = 0; /* a wait of the caller's that was not dispatched: this one drops it */
    if (mode == EDDY_RUN_DEFAULT)
        count = loop_run_to_end(loop);
    else if (!(loop->due & DUE_STOP))
        count = loop_turn(loop, mode);
    int is_alive = loop_return(loop);
    return count < 0 ? count : is_alive;
}

int eddy_loop_prepare(eddy_loop *loop, int64_t *timeout_ns) {
    if (loop->running) return -EBUSY;
    loop_begin(loop);
    *timeout_ns = loop_prepare(loop, true);
    const struct eddy_backend *backend = loop_backend(loop);
    if (backend->has_unshown != NULL && backend->has_unshown(loop->backend_state)) *timeout_ns = 0;
    if (!inbox_set_waiting(&loop->inbox)) *timeout_ns = 0;
    loop_set_running(loop, false);
    return 0;
}

/* The time-out is as old as prepare. Nobody need know what has changed since: the wait is over when
 * the loop itself would have ended it. */
static int64_t loop_shorten_ns(eddy_loop *loop, int64_t timeout_ns) {
    if (timeout_ns == 0 || (loop->due & (DUE_AT_HAND | DUE_STOP)) || loop->active == 0) return 0;
    int64_t own_ns = loop_timeout_ns(loop, 0);
    if (loop_waits_idly(loop, own_ns)) return 0;
    if (timeout_ns < 0) return own_ns;
    return own_ns < 0 || timeout_ns < own_ns ? timeout_ns : own_ns;
}

int eddy_loop_wait(eddy_loop *loop, int64_t timeout_ns) {
    if (loop->running) return -EBUSY;
    if (loop->due & DUE_FLUSH) eddy__io_flush(loop);
    if (loop->due & DUE_PARTS) eddy__part_before_wait(loop);
    if (loop->io.rebuild_due) return loop->io.rebuild_error;
    loop->waits_skipped = LOOP_SKIPS_MAX; /* asked for a wait, it makes one */
    int count = loop_wait(loop, loop_shorten_ns(loop, timeout_ns), (loop->due & DUE_OBSERVED) != 0);
    loop->record_count = count > 0 ? count : 0;
    inbox_set_awake(&loop->inbox);
    return count;
}

int eddy_loop_dispatch(eddy_loop *loop) {
    if (loop->running) return -EBUSY;
    CHECK_ENTER(loop);
    loop_set_running(loop, true);
    loop_dispatch(loop);
    return loop_return(loop);
}

void eddy_loop_stop(eddy_loop *loop) {
    CHECK_THREAD(loop);
    loop->due |= DUE_STOP;
}

bool eddy_loop_was_stopped(const eddy_loop *loop) {
    return loop->was_stopped;
}

bool eddy_loop_is_alive(const eddy_loop *loop) {
    /* A closing callback comes whether its handle was referenced or not. */
    return loop->active > 0 || (loop->due & (DUE_INBOX | DUE_CLOSING)) ||
           inbox_has_arrived(&loop->inbox);
}

int64_t eddy_loop_now_ns(eddy_loop *loop) {
    return loop_now_ns(loop);
}

void eddy_loop_update_now(eddy_loop *loop) {
    loop->now_ns = eddy_os_clock_ns();
}
