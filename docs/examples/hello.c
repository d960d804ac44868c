/* hello.c: answers what you type, and asks again when you are silent. Ctrl-D ends it. */
#include <eddy.h>
#include <stdio.h>
#include <unistd.h>
static eddy_io input;
static eddy_timer silence;
static void on_silence(eddy_timer *timer) {
    (void)timer;
    puts("are you still there?");
}
static void on_input(eddy_io *io, unsigned events) {
    char text[256];
    (void)events;
    ssize_t size = read(eddy_io_fd(io), text, sizeof text);
    if (size > 0) { /* a timer that runs is pushed away by starting it again */
        printf("you said: %.*s", (int)size, text);
        eddy_timer_start(&silence, on_silence, 2 * EDDY_NS_PER_S, 0);
    } else { /* with nothing left to wait for, the loop ends */
        eddy_io_stop(io);
        eddy_timer_stop(&silence);
    }
}
int main(void) {
    eddy_loop *loop;
    if (eddy_loop_open(&loop, NULL) < 0) return 1; /* NULL: the best backend, all defaults */
    eddy_io_init(&input, loop);
    eddy_timer_init(&silence, loop);
    if (eddy_io_start(&input, on_input, STDIN_FILENO, EDDY_READ) < 0) return 1;
    return eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0 ? eddy_loop_close(loop) : 1;
}
