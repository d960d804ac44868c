/* nest.c: a loop that is driven by another one. The other one is a bare poll() here; in a program
 * with a graphical interface it would be the toolkit's loop. (nesting.c is something else: turns of
 * one loop inside each other.)
 * Read beside it: docs/02-turn.md and include/eddy/loop.h. */
#include <eddy.h>
#include <poll.h>
#include <stdio.h>

static void on_tick(eddy_timer *timer) {
    static int ticks;
    printf("tick %d, in a turn that poll() waited for\n", ++ticks);
    if (ticks == 3) eddy_timer_stop(timer);
}

/* As eddy_loop_run in its default mode. Rounded up: waking early would only mean to wait again. */
static int drive(eddy_loop *loop) {
    int alive = 1;
    while (alive > 0) {
        int64_t timeout_ns;
        int err = eddy_loop_prepare(loop, &timeout_ns); /* prepare hooks, phase 1 */
        if (err < 0) return err;
        if (timeout_ns > 3600 * EDDY_NS_PER_S) timeout_ns = 3600 * EDDY_NS_PER_S;
        int timeout_ms = timeout_ns < 0 ? -1 : (int)((timeout_ns + 999999) / EDDY_NS_PER_MS);

        struct pollfd inner = {.fd = eddy_loop_backend_fd(loop), .events = POLLIN};
        poll(&inner, 1, timeout_ms); /* and whatever else the outer loop watches */

        err = eddy_loop_wait(loop, 0); /* phases 2 and 3, without waiting again */
        if (err < 0) return err;
        alive = eddy_loop_dispatch(loop); /* phases 4 to 8 */
    }
    return alive;
}

int main(void) {
    eddy_loop *loop;
    if (eddy_loop_open(&loop, NULL) < 0) return 1;
    if (eddy_loop_backend_fd(loop) < 0) {
        printf("%s has no descriptor to watch\n", eddy_loop_backend(loop)->name);
        return eddy_loop_close(loop) == 0 ? 0 : 1;
    }
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    int err = eddy_timer_start(&timer, on_tick, 20 * EDDY_NS_PER_MS, 20 * EDDY_NS_PER_MS);
    if (err == 0) err = drive(loop);
    return err == 0 && eddy_loop_close(loop) == 0 ? 0 : 1;
}
