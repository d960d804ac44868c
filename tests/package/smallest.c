/* smallest.c: the guide's smallest program: waits for a byte or for a second. */
#define EDDY_API static
#include "eddy.c"

static eddy_loop *loop;
static eddy_timer timer;
static eddy_io input;

static void on_input(eddy_io *io, unsigned events) {
    (void)events;
    eddy_io_stop(io);
    eddy_timer_stop(&timer);
}

static void on_timer(eddy_timer *fired) {
    (void)fired;
    eddy_io_stop(&input);
}

int main(void) {
    if (eddy_loop_open(&loop, NULL) < 0) return 1;
    eddy_timer_init(&timer, loop);
    eddy_io_init(&input, loop);
    if (eddy_timer_start(&timer, on_timer, EDDY_NS_PER_S, 0) < 0) return 1;
    if (eddy_io_start(&input, on_input, STDIN_FILENO, EDDY_READ) < 0) return 1;
    eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    return eddy_loop_close(loop) < 0;
}
