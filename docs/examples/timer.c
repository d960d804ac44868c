/* timer.c: the four things that a timer is for. Ends by itself after about half a second.
 * Read beside it: docs/05-timers.md and include/eddy/timer.h. */
#include <eddy.h>
#include <stdio.h>

/* What belongs together lies together: the handles are part of the program's own struct. */
struct demo {
    eddy_loop *loop;
    eddy_timer hello; /* once */
    eddy_timer tick;  /* again and again */
    eddy_timer idle;  /* pushed away as long as there are ticks */
    int64_t start_ns;
    int ticks;
};

static int elapsed_ms(const struct demo *demo) {
    return (int)((eddy_loop_now_ns(demo->loop) - demo->start_ns) / EDDY_NS_PER_MS);
}

static void on_hello(eddy_timer *timer) {
    struct demo *demo = eddy_container_of(timer, struct demo, hello);
    printf("%3d ms  hello, once\n", elapsed_ms(demo));
}

static void on_idle(eddy_timer *timer) {
    struct demo *demo = eddy_container_of(timer, struct demo, idle);
    printf("%3d ms  no tick for 150 ms\n", elapsed_ms(demo));
}

static void on_tick(eddy_timer *timer) {
    struct demo *demo = eddy_container_of(timer, struct demo, tick);
    printf("%3d ms  tick %d\n", elapsed_ms(demo), ++demo->ticks);
    /* Starting a running timer anew moves it; moving it away costs a few stores. A running timer
     * needs no memory for it, so this cannot fail. */
    eddy_timer_start(&demo->idle, on_idle, 150 * EDDY_NS_PER_MS, 0);
    if (demo->ticks == 5) eddy_timer_stop(timer);
}

int main(void) {
    struct demo demo = {0};
    int err = eddy_loop_open(&demo.loop, NULL);
    if (err < 0) return 1;
    demo.start_ns = eddy_loop_now_ns(demo.loop);

    eddy_timer_init(&demo.hello, demo.loop);
    eddy_timer_init(&demo.tick, demo.loop);
    eddy_timer_init(&demo.idle, demo.loop);
    err = eddy_timer_start(&demo.hello, on_hello, 20 * EDDY_NS_PER_MS, 0);
    if (err == 0)
        err = eddy_timer_start(&demo.tick, on_tick, 50 * EDDY_NS_PER_MS, 50 * EDDY_NS_PER_MS);
    if (err == 0) err = eddy_timer_start(&demo.idle, on_idle, 150 * EDDY_NS_PER_MS, 0);

    /* Returns when no timer is left: nothing keeps the loop alive then. */
    if (err == 0) err = eddy_loop_run(demo.loop, EDDY_RUN_DEFAULT);
    if (err == 0) err = eddy_loop_close(demo.loop);
    return err == 0 ? 0 : 1;
}
