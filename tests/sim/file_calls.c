/* file_calls.c: files by their descriptors: open, read, write, and what is known of them.
 * A call without EDDY_OS_NOWAIT takes the disk's time, and then does all at once; that a thread
 * with a loop makes one ends the run. With it, what was not used lately is not there. */
#include "file_tree.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { UMASK = 022 };

#ifndef O_TMPFILE /* Linux's */
#define O_TMPFILE 0
#endif
#ifndef O_PATH /* Linux's and FreeBSD's */
#define O_PATH 0
#endif

/* --- Descriptors --- */

static ssize_t read_bytes(struct open_file *file, void *data, size_t size, int64_t *position) {
    if (file->node->kind == NODE_DIRECTORY) return -EISDIR;
    int64_t rest = (int64_t)file->node->size - *position;
    if (rest <= 0) return 0;
    if (size > (size_t)rest) size = (size_t)rest;
    if (size > 0) memcpy(data, file->node->bytes + *position, size);
    *position += (int64_t)size;
    return (ssize_t)size;
}

static ssize_t write_bytes(struct open_file *file, const void *data, size_t size,
                           int64_t *position) {
    struct node *node = file->node;
    if (size == 0) return 0;
    if (file->flags & O_APPEND) *position = (int64_t)node->size;
    if (*position >= FILE_BYTES_MAX) return -EFBIG;
    size_t at = (size_t)*position, room = file_tree_room() + node->size;
    if (size > FILE_BYTES_MAX - at) size = FILE_BYTES_MAX - at;
    if (room <= at && at + size > node->size) return -ENOSPC;
    if (at + size > node->size && size > room - at) size = room - at;
    if (at + size > node->size) file_tree_resize(node, at + size);
    memcpy(node->bytes + at, data, size);
    file_tree_touch(node);
    *position += (int64_t)size;
    sim_progress();
    return (ssize_t)size;
}

static bool may(const struct open_file *file, int access) {
    int given = file->flags & O_ACCMODE;
    return !(O_PATH && (file->flags & O_PATH)) && (given == access || given == O_RDWR);
}

static ssize_t kind_read(void *object, void *data, size_t size) {
    struct open_file *file = object;
    return may(file, O_RDONLY) ? read_bytes(file, data, size, &file->position) : -EBADF;
}

static ssize_t kind_write(void *object, const void *data, size_t size) {
    struct open_file *file = object;
    return may(file, O_WRONLY) ? write_bytes(file, data, size, &file->position) : -EBADF;
}

static unsigned kind_ready(void *object) {
    (void)object;
    return EDDY_READ | EDDY_WRITE;
}

static void kind_close(void *object) {
    struct open_file *file = object;
    file_tree_release(file->node);
    free(file);
}

static const struct sim_kind kind = {
    .name = "file",
    .read = kind_read,
    .write = kind_write,
    .ready = kind_ready,
    .close = kind_close,
};

struct open_file *file_get(int fd) {
    return sim_object_get(fd, &kind);
}

int file_start(int dir, const char *path, struct node **start) {
    *start = file_tree_root();
    if (path[0] == '/' || dir == EDDY_CWD) return 0;
    if (sim_descriptor_get(dir) == NULL) return -EBADF;
    const struct open_file *file = file_get(dir);
    if (file == NULL || file->node->kind != NODE_DIRECTORY) return -ENOTDIR;
    *start = file->node;
    return 0;
}

/* --- Waiting, or not --- */

void file_wait(void) {
    sim_check(sim_self()->is_worker, "a thread that is no worker waits for a file");
    int64_t longest_ns = sim_weather()->disk_ns;
    if (longest_ns > 0) sim_sleep((int64_t)sim_below((unsigned)longest_ns + 1));
}

/* Whether it can be had at once; what can be may be gone the next time. */
static bool take_cached(bool *is_cached) {
    if (sim_weather()->disk_ns == 0) return true;
    bool result = *is_cached;
    if (sim_below(8) == 0) *is_cached = false;
    return result;
}

/* Some errors come from one way only. */
static int enter(enum os_call call, bool waits) {
    int err = sim_enter(call);
    if (err == -EAGAIN && waits) return 0;
    return err == -EISDIR ? -EIO : err;
}

/* --- Opening --- */

static int check_place(const struct place *place, int flags) {
    const struct node *node = place->node;
    if ((flags & O_CREAT) && place->has_slash && !place->is_dots) return -EISDIR;
    if (node == NULL) return (flags & O_CREAT) && place->directory->links > 0 ? 0 : -ENOENT;
    if ((flags & O_CREAT) && (flags & O_EXCL)) return -EEXIST;
    bool is_directory = node->kind == NODE_DIRECTORY;
    if ((flags & O_CREAT) && is_directory) return -EISDIR;
    if (((flags & O_DIRECTORY) || place->has_slash) && !is_directory) return -ENOTDIR;
    if (node->kind == NODE_LINK && !(O_PATH && (flags & O_PATH))) return -ELOOP;
    if (node->kind == NODE_SOCKET) return -ENXIO;
    if (is_directory && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC))) return -EISDIR;
    return 0;
}

static int open_place(const struct place *place, int flags, unsigned mode) {
    int err = check_place(place, flags);
    if (err < 0) return err;
    struct open_file *file = malloc(sizeof *file);
    if (file == NULL) sim_fail("no memory for the simulation itself");
    *file = (struct open_file){.node = place->node, .flags = flags};
    int fd = sim_descriptor_add(&kind, file);
    if (fd < 0) {
        free(file);
        return fd;
    }
    if (file->node == NULL)
        file->node = file_tree_make(place, NODE_FILE, mode & ~(unsigned)UMASK & 07777);
    file_tree_hold(file->node);
    if ((flags & O_TRUNC) && file->node->kind == NODE_FILE) {
        file_tree_resize(file->node, 0);
        file_tree_touch(file->node);
    }
    file->node->name_is_cached = true;
    return fd;
}

static bool makes_file_of_no_name(int flags) {
    return O_TMPFILE && (flags & O_TMPFILE) == O_TMPFILE;
}

int file_open(struct node *start, const char *path, int flags, unsigned mode, unsigned how) {
    struct place place;
    if (O_PATH && (flags & O_PATH)) flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
    if (makes_file_of_no_name(flags)) return -EOPNOTSUPP;
    if ((flags & O_CREAT) && (flags & O_DIRECTORY)) return -EINVAL;
    bool stops_at_link = (flags & O_NOFOLLOW) || ((flags & O_CREAT) && (flags & O_EXCL));
    if (!stops_at_link) how |= FOLLOW_LAST;
    int err = file_tree_resolve(start, path, how, &place);
    return err < 0 ? err : open_place(&place, flags, mode);
}

/* As the real one: what may wait in the opening itself is not tried. */
static int open_at_once(struct node *start, const char *path, int flags, unsigned how) {
    struct place place;
    bool waits = !(flags & (O_NONBLOCK | O_DIRECTORY | O_PATH));
    if ((flags & (O_CREAT | O_TRUNC)) || makes_file_of_no_name(flags) || waits) return -EAGAIN;
    bool none_is_known = false;
    unsigned follow = flags & O_NOFOLLOW ? 0 : FOLLOW_LAST;
    int err = file_tree_resolve(start, path, how | follow, &place);
    bool is_there = err == 0 && place.node != NULL;
    if (!take_cached(is_there ? &place.node->name_is_cached : &none_is_known)) return -EAGAIN;
    return err < 0 ? err : open_place(&place, flags, 0);
}

int eddy_os_file_open(int dir, const char *path, int flags, unsigned mode, unsigned how) {
    struct node *start;
    int err = enter(OS_CALL_file_open, !(how & EDDY_OS_NOWAIT));
    if (err < 0) return err;
    if (!(how & EDDY_OS_NOWAIT)) file_wait();
    err = file_start(dir, path, &start);
    if (err < 0) return err;
    unsigned resolve = how & EDDY_BENEATH ? STAY_BENEATH : 0;
    if (how & EDDY_OS_NOWAIT) return open_at_once(start, path, flags, resolve);
    int fd = file_open(start, path, flags, mode, resolve);
    sim_note("opens %s: %s", path, sim_result(fd));
    return fd;
}

int eddy_os_file_open_walk(int dir, const char *path, int flags, unsigned mode) {
    struct node *start;
    int err = sim_enter(OS_CALL_file_open_walk);
    if (err < 0) return err;
    file_wait();
    if (path[0] == '/') return -EXDEV;
    err = file_start(dir, path, &start);
    return err < 0 ? err : file_open(start, path, flags, mode, STAY_BENEATH | FOLLOW_NONE);
}

/* --- Bytes --- */

/* One vector after the other, up to `limit` bytes, until one is not filled or emptied. */
static ssize_t transfer(struct sim_description *description, const struct iovec *vectors, int count,
                        int64_t *position, bool writes) {
    struct open_file *file = description->kind == &kind ? description->object : NULL;
    ssize_t done = 0;
    size_t limit = 0;
    for (int i = 0; i < count; i++) limit += vectors[i].iov_len;
    if (limit == 0) return 0;
    limit = sim_shorten(limit);
    for (int i = 0; i < count; i++) {
        void *data = vectors[i].iov_base;
        size_t size = vectors[i].iov_len < limit ? vectors[i].iov_len : limit;
        ssize_t part;
        if (file != NULL)
            part = writes ? write_bytes(file, data, size, position)
                          : read_bytes(file, data, size, position);
        else
            part = writes ? description->kind->write(description->object, data, size)
                          : description->kind->read(description->object, data, size);
        if (part < 0) return done > 0 ? done : part;
        done += part;
        limit -= (size_t)part;
        if ((size_t)part < vectors[i].iov_len) break;
    }
    return done;
}

ssize_t file_transfer(struct sim_description *description, const struct iovec *vectors, int count,
                      int64_t offset, bool writes) {
    if (description == NULL) return -EBADF;
    struct open_file *file = description->kind == &kind ? description->object : NULL;
    if (file == NULL) {
        if (offset >= 0) return -ESPIPE;
        bool can = writes ? description->kind->write != NULL : description->kind->read != NULL;
        return can ? transfer(description, vectors, count, NULL, writes) : -EBADF;
    }
    if (!may(file, writes ? O_WRONLY : O_RDONLY)) return -EBADF;
    int64_t *position = offset < 0 ? &file->position : &offset;
    return transfer(description, vectors, count, position, writes);
}

ssize_t eddy_os_file_read(int fd, const struct iovec *vectors, int count, int64_t offset,
                          unsigned how) {
    int err = enter(OS_CALL_file_read, !(how & EDDY_OS_NOWAIT));
    if (err < 0) return err;
    if (!(how & EDDY_OS_NOWAIT)) file_wait();
    struct open_file *file = file_get(fd);
    if (file != NULL) {
        bool *is_cached = &file->node->bytes_are_cached;
        if ((how & EDDY_OS_NOWAIT) && !take_cached(is_cached)) return -EAGAIN;
        *is_cached = *is_cached || !(how & EDDY_OS_NOWAIT);
    }
    return file_transfer(sim_descriptor_get(fd), vectors, count, offset, false);
}

ssize_t eddy_os_file_write(int fd, const struct iovec *vectors, int count, int64_t offset) {
    int err = sim_enter(OS_CALL_file_write);
    if (err < 0) return err;
    file_wait();
    return file_transfer(sim_descriptor_get(fd), vectors, count, offset, true);
}

/* Straight from the file's bytes; what keeps the socket from taking them is told by its own call.
 */
ssize_t eddy_os_file_send(int socket, int fd, int64_t offset, size_t size, unsigned how) {
    int err = enter(OS_CALL_file_send, !(how & EDDY_OS_NOWAIT));
    if (err < 0) return err;
    if (!(how & EDDY_OS_NOWAIT)) file_wait();
    if (sim_descriptor_get(socket) == NULL || sim_descriptor_get(fd) == NULL) return -EBADF;
    struct open_file *file = file_get(fd);
    if (file == NULL) return -ESPIPE;
    if (!may(file, O_RDONLY)) return -EBADF;
    if (file->node->kind == NODE_DIRECTORY) return -EISDIR;
    bool *is_cached = &file->node->bytes_are_cached;
    if ((how & EDDY_OS_NOWAIT) && !take_cached(is_cached)) return -EAGAIN;
    *is_cached = *is_cached || !(how & EDDY_OS_NOWAIT);
    if (offset >= (int64_t)file->node->size) return 0;
    size_t left = file->node->size - (size_t)offset;
    struct iovec bytes = {file->node->bytes + offset, size < left ? size : left};
    return eddy_os_send(socket, &bytes, 1);
}

int eddy_os_file_sync(int fd, bool data_only) {
    (void)data_only;
    int err = sim_enter(OS_CALL_file_sync);
    if (err < 0) return err;
    file_wait();
    if (sim_descriptor_get(fd) == NULL) return -EBADF;
    return file_get(fd) != NULL ? 0 : -EINVAL;
}

int eddy_os_file_truncate(int fd, int64_t size) {
    int err = sim_enter(OS_CALL_file_truncate);
    if (err < 0) return err;
    file_wait();
    if (size < 0) return -EINVAL;
    if (sim_descriptor_get(fd) == NULL) return -EBADF;
    struct open_file *file = file_get(fd);
    if (file == NULL || file->node->kind != NODE_FILE || !may(file, O_WRONLY)) return -EINVAL;
    if (size > FILE_BYTES_MAX) return -EFBIG;
    file_tree_resize(file->node, (size_t)size);
    file_tree_touch(file->node);
    return 0;
}
