/* child_spawn.c: from the options to a running child. What the new process itself has to do is in
 * spawn.c of platform/; here its descriptors are made, and the ends that are ours become streams.
 * Invariant: all that may fail on this side comes before there is a process.
 * Threading: loop thread only. */
#include "proc.h"

enum { SPAWN_INHERITED = 3 }; /* descriptors, if nothing else is said */

/* The descriptors of a child that is being started. */
struct child_plan {
    eddy_loop *loop;
    const eddy_child_options *options;
    struct eddy_os_child_fd *map;
    unsigned made; /* of the map */
    int null_fd;   /* shared by all that are EDDY_CHILD_NULL, or -1 */
};

/* --- The options --- */

static bool spawn_has_stream(const eddy_child_fd *fd) {
    return fd->source == EDDY_CHILD_READS || fd->source == EDDY_CHILD_WRITES ||
           fd->source == EDDY_CHILD_SOCKET;
}

static int spawn_check_fd(const eddy_loop *loop, const eddy_child_fd *fds, unsigned index) {
    const eddy_child_fd *fd = &fds[index];
    if (fd->number < 0 || (unsigned)fd->source > EDDY_CHILD_SOCKET) return -EINVAL;
    if (fd->source == EDDY_CHILD_FD && !eddy_os_is_open(fd->fd)) return -EBADF;
    bool has_stream = spawn_has_stream(fd);
    if (has_stream && (fd->stream == NULL || eddy_handle_loop(&fd->stream->io.handle) != loop))
        return -EINVAL;
    for (unsigned i = 0; i < index; i++) {
        if (fds[i].number == fd->number) return -EINVAL;
        if (has_stream && spawn_has_stream(&fds[i]) && fds[i].stream == fd->stream) return -EINVAL;
    }
    return 0;
}

static bool spawn_leads(const eddy_child_options *options) {
    if (options->flags & (EDDY_CHILD_SESSION | EDDY_CHILD_TERMINAL)) return true;
    return (options->flags & EDDY_CHILD_GROUP) && options->process_group == 0;
}

static int spawn_check(const eddy_loop *loop, const eddy_child_options *options) {
    const unsigned known = (EDDY_CHILD_END_GROUP << 1) - 1;
    if (options->arguments == NULL || options->arguments[0] == NULL) return -EINVAL;
    if (options->flags & ~known) return -EINVAL;
    if ((options->flags & EDDY_CHILD_GROUP) && options->process_group < 0) return -EINVAL;
    if ((options->flags & EDDY_CHILD_SET_NICE) && (options->nice < -20 || options->nice > 19))
        return -EINVAL;
    if ((options->flags & EDDY_CHILD_END_GROUP) && !spawn_leads(options)) return -EINVAL;
    if (options->fd_count > 0 && options->fds == NULL) return -EINVAL;
    if (options->limit_count > 0 && options->limits == NULL) return -EINVAL;
    if ((options->flags & EDDY_CHILD_SET_GROUPS) && options->group_count > 0 &&
        options->groups == NULL)
        return -EINVAL;
    for (unsigned i = 0; i < options->fd_count; i++) {
        int err = spawn_check_fd(loop, options->fds, i);
        if (err < 0) return err;
    }
    return 0;
}

/* --- Descriptors --- */

/* A pair, of which `ends[ours]` becomes the stream's, and the other one the child's. */
static int spawn_connect(eddy_stream *stream, int ends[2], int ours) {
    int err = eddy_stream_attach(stream, ends[ours]);
    if (err == 0) return ends[!ours];
    eddy_os_close(ends[0]);
    eddy_os_close(ends[1]);
    return err;
}

/* Returns the child's end. */
static int spawn_make_fd(struct child_plan *spawn, const eddy_child_fd *fd) {
    int ends[2], err;
    switch (fd->source) {
    case EDDY_CHILD_FD:
        return fd->fd;
    case EDDY_CHILD_NULL:
        if (spawn->null_fd < 0) spawn->null_fd = eddy_os_child_null();
        return spawn->null_fd;
    case EDDY_CHILD_SOCKET:
        err = eddy_os_child_socket_pair(ends);
        return err < 0 ? err : spawn_connect(fd->stream, ends, 0);
    case EDDY_CHILD_READS:
    case EDDY_CHILD_WRITES:
    case EDDY_CHILD_SAME: /* not here */
        break;
    }
    err = eddy_os_child_pipe(ends);
    return err < 0 ? err : spawn_connect(fd->stream, ends, fd->source == EDDY_CHILD_READS);
}

/* Ours, of which the child's descriptor `number` is made. */
static int spawn_find_fd(const struct child_plan *spawn, int number) {
    const eddy_child_fd *fds = spawn->options->fds;
    for (unsigned i = 0; i < spawn->made; i++)
        if (fds[i].number == number)
            return fds[i].source != EDDY_CHILD_SAME ? spawn->map[i].fd : -EINVAL;
    return number >= 0 && number < SPAWN_INHERITED ? number : -EINVAL;
}

/* Those that are the same as others are known when the others are. */
static int spawn_make_fds(struct child_plan *spawn) {
    const eddy_child_fd *fds = spawn->options->fds;
    for (unsigned i = 0; i < spawn->options->fd_count; i++) {
        bool is_same = fds[i].source == EDDY_CHILD_SAME;
        int fd = is_same ? -1 : spawn_make_fd(spawn, &fds[i]);
        if (fd < 0 && !is_same) return fd;
        spawn->map[i] = (struct eddy_os_child_fd){fds[i].number, fd};
        spawn->made++;
    }
    for (unsigned i = 0; i < spawn->made; i++) {
        if (fds[i].source != EDDY_CHILD_SAME) continue;
        int fd = spawn_find_fd(spawn, fds[i].fd);
        if (fd < 0) return fd;
        spawn->map[i].fd = fd;
    }
    return 0;
}

/* What is the child's is not needed here any more. If there is none, the streams have nothing
 * either. */
static void spawn_close_fds(const struct child_plan *spawn, bool has_failed) {
    for (unsigned i = 0; i < spawn->made; i++) {
        const eddy_child_fd *fd = &spawn->options->fds[i];
        if (!spawn_has_stream(fd)) continue;
        eddy_os_close(spawn->map[i].fd);
        if (has_failed) eddy_os_close(eddy_stream_detach(fd->stream));
    }
    if (spawn->null_fd >= 0) eddy_os_close(spawn->null_fd);
}

/* --- Starting --- */

static int spawn_run(struct child_plan *spawn, struct child_record *record) {
    size_t bytes = spawn->options->fd_count * sizeof *spawn->map;
    if (bytes > 0) spawn->map = eddy__resize(spawn->loop, NULL, 0, bytes);
    if (bytes > 0 && spawn->map == NULL) return -ENOMEM;
    int err = spawn_make_fds(spawn);
    if (err == 0)
        err = eddy_os_spawn(spawn->options, spawn->map, spawn->made, &record->pid, &record->pidfd);
    spawn_close_fds(spawn, err < 0);
    if (bytes > 0) eddy__resize(spawn->loop, spawn->map, bytes, 0);
    return err;
}

static unsigned spawn_record_flags(const eddy_child_options *options) {
    unsigned flags = RECORD_REAPED;
    if (spawn_leads(options)) flags |= RECORD_LEADER;
    if (options->flags & EDDY_CHILD_END_GROUP) flags |= RECORD_END_GROUP;
    return flags;
}

int eddy_child_spawn(eddy_child *child, const eddy_child_options *options, eddy_exit_fn *fn) {
    eddy_loop *loop = child->handle.loop;
    struct child_record *record;
    if (fn == NULL) return -EINVAL;
    EDDY_ASSERT(handle_is_initialised(&child->handle));
    if (handle_is_active(&child->handle)) return -EALREADY;
    int err = spawn_check(loop, options);
    if (err == 0) err = eddy__proc_start(loop, &record);
    if (err < 0) return err;
    struct child_plan spawn = {.loop = loop, .options = options, .null_fd = -1};
    err = spawn_run(&spawn, record);
    if (err < 0) {
        record->pidfd = -1; /* whatever is there, it is not ours */
        eddy__record_free(record);
        return err;
    }
    record->flags = (uint8_t)spawn_record_flags(options);
    eddy__record_own(record, child, fn);
    (void)eddy__record_watch(record);
    return 0;
}
