/* idle.c: a loop with all that may wait in it, for idle.sh: a descriptor, a timer that is far away,
 * a wake and a signal. It ends by SIGTERM. */
#include <eddy.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static eddy_io input;
static eddy_timer timer;
static eddy_wake wake;
static eddy_signal terminate;

static void on_input(eddy_io *io, unsigned events) {
    (void)io, (void)events;
}

static void on_timer(eddy_timer *fired) {
    (void)fired;
}

static void on_wake(eddy_wake *sent) {
    (void)sent;
}

static void on_terminate(eddy_signal *watcher, int number) {
    (void)number;
    eddy_loop_stop(eddy_handle_loop(&watcher->handle));
}

int main(int count, char **arguments) {
    eddy_loop_config config = {.backend = count > 1 ? arguments[1] : NULL};
    eddy_loop *loop;
    int ends[2];
    int err = pipe(ends) < 0 ? -errno : eddy_loop_open(&loop, &config);
    if (err < 0) return err == -EPERM || err == -ENOSYS ? 77 : 1; /* the system refuses it */
    eddy_io_init(&input, loop);
    eddy_timer_init(&timer, loop);
    eddy_wake_init(&wake, loop);
    eddy_signal_init(&terminate, loop);
    if (eddy_io_start(&input, on_input, ends[0], EDDY_READ) < 0) return 1;
    if (eddy_timer_start(&timer, on_timer, 3600 * EDDY_NS_PER_S, 0) < 0) return 1;
    if (eddy_wake_start(&wake, on_wake) < 0) return 1;
    if (eddy_signal_start(&terminate, on_terminate, SIGTERM) < 0) return 1;
    if (eddy_loop_run(loop, EDDY_RUN_DEFAULT) < 0) return 1;
    eddy_signal_stop(&terminate);
    eddy_wake_stop(&wake);
    eddy_timer_stop(&timer);
    eddy_io_stop(&input);
    return eddy_loop_close(loop) < 0;
}
