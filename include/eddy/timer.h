/* timer.h: calls at a time. Loop thread only.
 * A timer never fires early, and late only by as much as callbacks keep the loop busy. Of those
 * that are due a turn calls at most eddy_loop_config.timers_per_turn. Room that a burst of timers
 * took is given back when a timer stops or fires once there have been few for a second, but for
 * what was reserved, and in a library for small systems.
 * @since 0.1 */
#ifndef EDDY_TIMER_H
#define EDDY_TIMER_H

#include <eddy/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_timer eddy_timer;
typedef void eddy_timer_fn(eddy_timer *timer);

/* All fields are private, but for `handle`, to be given to eddy_unref and its like. */
struct eddy_timer {
    eddy_handle handle;
    eddy_timer_fn *fn;
    int64_t repeat_ns;
    int64_t
        due_ns; /* these two in a library for small systems, which has nothing else to hold them */
    uint64_t order;
};

/* Makes `timer` a stopped timer of `loop`. Cannot fail. */
EDDY_API void eddy_timer_init(eddy_timer *timer, eddy_loop *loop);

/* Fires `fn` once `delay_ns` from now, then every `repeat_ns` (0: once). Now is eddy_loop_now_ns():
 * in a callback the time of its turn, elsewhere the clock, which is read for it. Repeats keep to
 * the grid of the first deadline; ticks that a busy loop missed are skipped, not made up. Restarts
 * a running timer. Both are O(1), to whichever side the deadline moves. A delay beyond the clock's
 * range means never. A delay of 0 fires in the next timers phase, never in the one under way.
 * Errors: -EINVAL (negative time), -ENOMEM (no room for another timer; a running one is
 * unaffected, since restarting it needs no memory). */
EDDY_API int eddy_timer_start(eddy_timer *timer, eddy_timer_fn *fn, int64_t delay_ns,
                              int64_t repeat_ns);

/* The same at a time of its own, on the clock of eddy_loop_now_ns(). One that has passed counts as
 * now. INT64_MAX means never. Errors: as eddy_timer_start. */
EDDY_API int eddy_timer_start_at(eddy_timer *timer, eddy_timer_fn *fn, int64_t due_ns,
                                 int64_t repeat_ns);

/* Stops it; nothing happens if it is stopped. It does not fire after this, not even in this turn;
 * `timer` is yours again. */
EDDY_API void eddy_timer_stop(eddy_timer *timer);

/* When it fires next, on the clock of eddy_loop_now_ns(), or -1 if stopped. */
EDDY_API int64_t eddy_timer_due_ns(const eddy_timer *timer);

#ifdef __cplusplus
}
#endif
#endif
