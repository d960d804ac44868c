/* terminal.c: terminals. The simulation has none: nothing that is open is one, and none can be
 * made. Their dispositions of signals are in signal.c. */
#include "world.h"

#include <errno.h>

static int refuse(enum os_call call, int fd) {
    int err = sim_enter(call);
    if (err < 0) return err;
    return sim_descriptor_get(fd) == NULL ? -EBADF : -ENOTTY;
}

int eddy_os_terminal_device(int fd, uint64_t *device) {
    *device = 0;
    return refuse(OS_CALL_terminal_device, fd);
}

bool eddy_os_terminal_is_manager(int fd) {
    sim_step();
    (void)fd;
    return false;
}

int eddy_os_terminal_keep(int fd) {
    return refuse(OS_CALL_terminal_keep, fd);
}

int eddy_os_terminal_get(int fd, struct termios *modes) {
    (void)modes;
    return refuse(OS_CALL_terminal_get, fd);
}

int eddy_os_terminal_set(int fd, const struct termios *modes) {
    (void)modes;
    return refuse(OS_CALL_terminal_set, fd);
}

int eddy_os_terminal_await(int fd) {
    sim_step();
    (void)fd;
    return 0; /* whatever it is, it is not the controlling terminal */
}

int eddy_os_terminal_get_size(int fd, eddy_terminal_size *size) {
    (void)size;
    return refuse(OS_CALL_terminal_get_size, fd);
}

int eddy_os_terminal_set_size(int fd, const eddy_terminal_size *size) {
    (void)size;
    return refuse(OS_CALL_terminal_set_size, fd);
}

int eddy_os_terminal_name(int fd, char *name, size_t size) {
    (void)name, (void)size;
    return refuse(OS_CALL_terminal_name, fd);
}

int eddy_os_terminal_pair(int *manager, int *terminal) {
    (void)manager, (void)terminal;
    int err = sim_enter(OS_CALL_terminal_pair);
    return err < 0 ? err : -ENOENT;
}

/* A world ends without exit(). */
int eddy_os_at_exit(void (*fn)(void)) {
    (void)fn;
    return sim_enter(OS_CALL_at_exit);
}
