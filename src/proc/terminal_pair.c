/* terminal_pair.c: which terminal, how large, and pairs. Without state of its own. */
#include "../core/callback.h"
#include "../core/handle.h"
#include "../core/loop.h"

#include <errno.h>
#include <limits.h>

bool eddy_is_terminal(int fd) {
    struct termios modes;
    return eddy_os_terminal_get(fd, &modes) == 0;
}

int eddy_terminal_name(int fd, char *name, size_t size) {
    return eddy_os_terminal_name(fd, name, size);
}

/* --- Sizes --- */

int eddy_terminal_get_size(int fd, eddy_terminal_size *size) {
    return eddy_os_terminal_get_size(fd, size);
}

static bool size_is_valid(const eddy_terminal_size *size) {
    return size->columns <= USHRT_MAX && size->rows <= USHRT_MAX && size->width <= USHRT_MAX &&
           size->height <= USHRT_MAX;
}

int eddy_terminal_set_size(int fd, const eddy_terminal_size *size) {
    return size_is_valid(size) ? eddy_os_terminal_set_size(fd, size) : -EINVAL;
}

static bool size_is_same(const eddy_terminal_size *one, const eddy_terminal_size *other) {
    return one->columns == other->columns && one->rows == other->rows &&
           one->width == other->width && one->height == other->height;
}

void eddy_resize_init(eddy_resize *resize, eddy_loop *loop) {
    eddy_signal_init(&resize->signal, loop);
    handle_set_relays(&resize->signal.handle);
    resize->fn = NULL;
    resize->size = (eddy_terminal_size){0};
    resize->fd = -1;
}

/* A terminal that was hung up keeps its size. */
static void resize_on_signal(eddy_signal *signal, int number) {
    eddy_resize *it = eddy_container_of(signal, eddy_resize, signal);
    eddy_terminal_size size = {0};
    (void)number;
    if (eddy_os_terminal_get_size(it->fd, &size) < 0 || size_is_same(&size, &it->size)) return;
    it->size = size;
    CALLBACK(signal->handle.loop, EDDY_KIND_SIGNAL, it, it->fn, it, &size);
}

int eddy_resize_start(eddy_resize *resize, eddy_resize_fn *fn, int fd) {
    if (fn == NULL) return -EINVAL;
    EDDY_ASSERT(handle_is_initialised(&resize->signal.handle));
    if (handle_is_active(&resize->signal.handle)) return -EALREADY;
    eddy_terminal_size size = {0};
    /* The handler first: a change from now on is told. */
    int err = eddy_signal_start(&resize->signal, resize_on_signal, SIGWINCH);
    if (err == 0) err = eddy_os_terminal_get_size(fd, &size);
    if (err < 0) {
        eddy_signal_stop(&resize->signal);
        return err;
    }
    resize->fn = fn;
    resize->size = size;
    resize->fd = fd;
    return 0;
}

void eddy_resize_stop(eddy_resize *resize) {
    eddy_signal_stop(&resize->signal);
}

/* --- Pairs --- */

int eddy_terminal_pair(int *manager, int *terminal, const eddy_terminal_size *size,
                       eddy_terminal_mode mode) {
    int ends[2];
    if (size != NULL && !size_is_valid(size)) return -EINVAL;
    int err = eddy_os_terminal_pair(&ends[0], &ends[1]);
    if (err < 0) return err;
    if (size != NULL) err = eddy_os_terminal_set_size(ends[1], size);
    if (err == 0 && mode != EDDY_TERMINAL_ORIGINAL) err = eddy_terminal_set_mode(ends[0], mode, 0);
    if (err < 0) {
        (void)eddy_os_close(ends[0]);
        (void)eddy_os_close(ends[1]);
        return err;
    }
    *manager = ends[0];
    *terminal = ends[1];
    return 0;
}
