/* first.c: the smallest program: a loop, and a timer that it waits for. When nothing is left to
 * wait for, the loop ends, and the program with it. Read beside it: docs/01-event-loops.md. */
#include <eddy.h>
#include <stdio.h>
static void on_time(eddy_timer *timer) {
    (void)timer; /* there is only one */
    puts("a second has passed");
}
int main(void) {
    eddy_loop *loop;
    eddy_timer timer;
    if (eddy_loop_open(&loop, NULL) < 0) return 1;
    eddy_timer_init(&timer, loop);
    if (eddy_timer_start(&timer, on_time, EDDY_NS_PER_S, 0) < 0) return 1;
    return eddy_loop_run(loop, EDDY_RUN_DEFAULT) < 0 || eddy_loop_close(loop) < 0;
}
