/* hello.c: answers what you type, and asks again when you are silent. Ctrl-D ends it. */
#include <eddy.h>
#include <stdio.h>
#include <unistd.h>
static eddy_io input;
static eddy_timer silence;
static char text[256];
static void on_silence(eddy_timer *timer) {
    if (timer == &silence) puts("are you still there?");
}
static void on_input(eddy_io *io, unsigned events) {
    ssize_t size = events & EDDY_READ ? read(eddy_io_fd(io), text, sizeof text) : 0;
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
    int err = eddy_loop_open(&loop, NULL); /* NULL: the best backend, all defaults */
    if (err == 0) eddy_io_init(&input, loop);
    if (err == 0) eddy_timer_init(&silence, loop);
    if (err == 0) err = eddy_io_start(&input, on_input, STDIN_FILENO, EDDY_READ);
    if (err == 0) err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    if (err < 0) fprintf(stderr, "hello: %s\n", eddy_strerror(err, text, sizeof text));
    return err == 0 ? eddy_loop_close(loop) : 1;
}
