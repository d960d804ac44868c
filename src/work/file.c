/* file.c: file requests: what the caller asks for, put into a request and on its way.
 * Invariant: a request that was found complete ends in one callback, from the loop.
 * Threading: loop thread only. file_run.c does the operations. */
#include "file.h"

#include "../core/callback.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* What is made, or not opened at all, is nothing that could be looked at first. */
#ifdef O_PATH
enum { FILE_NOT_LOOKED_AT = O_CREAT | O_PATH };
#else
enum { FILE_NOT_LOOKED_AT = O_CREAT };
#endif

/* For the gate: a stream has requests of its own, and calls its user inside. */
static unsigned file_called(const eddy_file *file) {
    return file->is_inner ? (unsigned)EDDY_KIND_FILE | OBSERVE_INNER : (unsigned)EDDY_KIND_FILE;
}

static void file_deliver(eddy_work *work, int status) {
    eddy_file *file = eddy_container_of(work, eddy_file, work);
    if (status < 0) file->result = status;
    CALLBACK(work->loop, file_called(file), file, file->fn, file);
}

/* One that is in flight would be wiped under the hands of a thread. */
static inline void file_fill(eddy_loop *loop, eddy_file *file, eddy_file request) {
    (void)loop;
    EDDY_CHECK(!eddy__walk_finds(loop, EDDY_KIND_FILE, file));
    *file = request;
}

static int file_submit(eddy_loop *loop, eddy_file *file) {
    int way = eddy__file_check(file);
    if (way < 0) return way;
    struct work_part *it = eddy__work_part(loop);
    if (it == NULL) return -ENOMEM;
    if (way > 0 && !it->attempt_off) {
        eddy__work_submit_attempt(loop, &file->work, eddy__file_run, file_deliver);
        return 0;
    }
    if (it->part.loop->config.files == EDDY_FILES_URING &&
        eddy__work_submit_to_engine(it, &file->work, eddy__file_run, file_deliver))
        return 0;
    return eddy_work_submit(loop, &file->work, EDDY_LANE_FILE, eddy__file_run, file_deliver);
}

/* One that was taken back is nobody's but ours. What was begun here, by an attempt or the ring,
 * ends with what is done: to say that nothing is would be wrong. Test: the simulation's operations.
 */
int eddy_file_cancel(eddy_file *file) {
    eddy_work *work = &file->work;
    int err = eddy_work_cancel(work);
    if (err < 0 || file->result <= 0 || !eddy__file_is_transfer(file)) return err;
    const struct work_part *it = eddy__work_part(work->loop);
    if (work->handed_over && work->handed_over != it->age) return err; /* it is the parent's */
    work->state = WORK_DONE;
    return -EBUSY;
}

eddy_loop *eddy_file_loop(const eddy_file *file) {
    return eddy_work_loop(&file->work);
}

int eddy_file_set_attempt(eddy_loop *loop, bool on) {
    struct work_part *it = eddy__work_part(loop);
    if (it == NULL) return -ENOMEM;
    it->attempt_off = !on;
    return 0;
}

/* --- Files --- */

int eddy_file_open(eddy_loop *loop, eddy_file *file, int dir, const char *path, int flags,
                   unsigned mode, unsigned resolve, eddy_file_fn *fn) {
    if (resolve & ~(unsigned)(EDDY_BENEATH | EDDY_FILES_ONLY)) return -EINVAL;
    if ((resolve & EDDY_FILES_ONLY) && (flags & FILE_NOT_LOOKED_AT)) return -EINVAL;
    file_fill(loop, file, (eddy_file){.operation = FILE_OPEN, .fd = dir, .path = path, .fn = fn});
    file->flags = flags;
    file->mode = mode;
    file->resolve = (uint8_t)resolve;
    return file_submit(loop, file);
}

int eddy_file_close(eddy_loop *loop, eddy_file *file, int fd, eddy_file_fn *fn) {
    file_fill(loop, file, (eddy_file){.operation = FILE_CLOSE, .fd = fd, .fn = fn});
    return file_submit(loop, file);
}

int eddy_file_fstat(eddy_loop *loop, eddy_file *file, int fd, eddy_stat *stat, eddy_file_fn *fn) {
    file_fill(loop, file, (eddy_file){.operation = FILE_FSTAT, .fd = fd, .data = stat, .fn = fn});
    return file_submit(loop, file);
}

int eddy_file_fsync(eddy_loop *loop, eddy_file *file, int fd, eddy_file_fn *fn) {
    file_fill(loop, file, (eddy_file){.operation = FILE_FSYNC, .fd = fd, .fn = fn});
    return file_submit(loop, file);
}

int eddy_file_fdatasync(eddy_loop *loop, eddy_file *file, int fd, eddy_file_fn *fn) {
    file_fill(loop, file, (eddy_file){.operation = FILE_FDATASYNC, .fd = fd, .fn = fn});
    return file_submit(loop, file);
}

int eddy_file_ftruncate(eddy_loop *loop, eddy_file *file, int fd, int64_t size, eddy_file_fn *fn) {
    if (size < 0) return -EINVAL;
    file_fill(loop, file,
              (eddy_file){.operation = FILE_FTRUNCATE, .fd = fd, .total = size, .fn = fn});
    return file_submit(loop, file);
}

/* --- Bytes --- */

/* Adds the vectors up; the whole transfer must have an offset that can be told. */
static int64_t file_total_bytes(const struct iovec *vectors, int count, int64_t offset) {
    int64_t total = 0, most = INT64_MAX - (offset > 0 ? offset : 0);
    if (offset < -1 || count < 0 || (count > 0 && vectors == NULL)) return -EINVAL;
    for (int i = 0; i < count; i++) {
        if (vectors[i].iov_len > 0 && vectors[i].iov_base == NULL) return -EINVAL;
        if (vectors[i].iov_len > (uint64_t)(most - total)) return -EINVAL;
        total += (int64_t)vectors[i].iov_len;
    }
    return total;
}

static int file_transfer(eddy_loop *loop, eddy_file *file, enum file_operation operation, int fd,
                         const struct iovec *vectors, int count, int64_t offset, eddy_file_fn *fn) {
    int64_t total = file_total_bytes(vectors, count, offset);
    if (total < 0) return (int)total;
    EDDY_CHECK(!eddy__walk_finds(loop, EDDY_KIND_FILE, file));
    /* Requests of this kind come by the million, and leave the other fields as they are. */
    file->result = 0;
    file->operation = (uint8_t)operation;
    file->is_inner = false;
    file->fd = fd;
    file->fn = fn;
    file->data = (void *)(uintptr_t)vectors; /* nothing is written there */
    file->size = (size_t)count;
    file->total = total;
    file->offset = offset;
    if (count == 1) {
        file->one = vectors[0]; /* so eddy_file_read's may be on its stack */
        file->data = &file->one;
    }
    return file_submit(loop, file);
}

int eddy_file_readv(eddy_loop *loop, eddy_file *file, int fd, const struct iovec *vectors,
                    int count, int64_t offset, eddy_file_fn *fn) {
    return file_transfer(loop, file, FILE_READ, fd, vectors, count, offset, fn);
}

int eddy_file_writev(eddy_loop *loop, eddy_file *file, int fd, const struct iovec *vectors,
                     int count, int64_t offset, eddy_file_fn *fn) {
    return file_transfer(loop, file, FILE_WRITE, fd, vectors, count, offset, fn);
}

int eddy_file_read(eddy_loop *loop, eddy_file *file, int fd, void *data, size_t size,
                   int64_t offset, eddy_file_fn *fn) {
    struct iovec one = {.iov_base = data, .iov_len = size};
    return file_transfer(loop, file, FILE_READ, fd, &one, 1, offset, fn);
}

int eddy_file_write(eddy_loop *loop, eddy_file *file, int fd, const void *data, size_t size,
                    int64_t offset, eddy_file_fn *fn) {
    struct iovec one = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    return file_transfer(loop, file, FILE_WRITE, fd, &one, 1, offset, fn);
}

int eddy_file_send(eddy_loop *loop, eddy_file *file, int socket, int fd, int64_t offset,
                   int64_t size, eddy_file_fn *fn) {
    if (offset < 0 || size < 0 || size > INT64_MAX - offset) return -EINVAL;
    file_fill(loop, file,
              (eddy_file){.operation = FILE_SEND, .fd = fd, .offset = offset, .fn = fn});
    file->to_fd = socket;
    file->total = size;
    return file_submit(loop, file);
}

/* --- Names --- */

int eddy_file_stat(eddy_loop *loop, eddy_file *file, int dir, const char *path, eddy_stat *stat,
                   eddy_file_fn *fn) {
    file_fill(loop, file,
              (eddy_file){.operation = FILE_STAT, .fd = dir, .path = path, .data = stat, .fn = fn});
    return file_submit(loop, file);
}

int eddy_file_lstat(eddy_loop *loop, eddy_file *file, int dir, const char *path, eddy_stat *stat,
                    eddy_file_fn *fn) {
    file_fill(
        loop, file,
        (eddy_file){.operation = FILE_LSTAT, .fd = dir, .path = path, .data = stat, .fn = fn});
    return file_submit(loop, file);
}

int eddy_file_unlink(eddy_loop *loop, eddy_file *file, int dir, const char *path,
                     eddy_file_fn *fn) {
    file_fill(loop, file, (eddy_file){.operation = FILE_UNLINK, .fd = dir, .path = path, .fn = fn});
    return file_submit(loop, file);
}

int eddy_file_rename(eddy_loop *loop, eddy_file *file, int from_dir, const char *from, int to_dir,
                     const char *to, eddy_file_fn *fn) {
    file_fill(loop, file,
              (eddy_file){.operation = FILE_RENAME, .fd = from_dir, .path = from, .fn = fn});
    file->to_fd = to_dir;
    file->to = to;
    return file_submit(loop, file);
}

int eddy_file_mkdir(eddy_loop *loop, eddy_file *file, int dir, const char *path, unsigned mode,
                    eddy_file_fn *fn) {
    file_fill(
        loop, file,
        (eddy_file){.operation = FILE_MKDIR, .fd = dir, .path = path, .mode = mode, .fn = fn});
    return file_submit(loop, file);
}

int eddy_file_rmdir(eddy_loop *loop, eddy_file *file, int dir, const char *path, eddy_file_fn *fn) {
    file_fill(loop, file, (eddy_file){.operation = FILE_RMDIR, .fd = dir, .path = path, .fn = fn});
    return file_submit(loop, file);
}

/* --- Scans --- */

int eddy_file_scan(eddy_loop *loop, eddy_file *file, int fd, void *buffer, size_t size,
                   eddy_file_fn *fn) {
    if (size < EDDY_SCAN_BYTES_MIN) return -EINVAL;
    file_fill(
        loop, file,
        (eddy_file){.operation = FILE_SCAN, .fd = fd, .data = buffer, .size = size, .fn = fn});
    return file_submit(loop, file);
}

bool eddy_scan_next(const void *buffer, size_t used, size_t *position, eddy_entry *entry) {
    enum { HEAD = offsetof(struct eddy_os_entry, name) };
    if (*position >= used || used > SIZE_MAX / 2) return false;
    const char *record = (const char *)buffer + *position;
    struct eddy_os_entry head; /* the caller's buffer may begin at any address */
    memcpy(&head, record, HEAD);
    EDDY_ASSERT(head.bytes > HEAD && head.bytes <= used - *position);
    *position += head.bytes;
    *entry = (eddy_entry){
        .inode = head.inode,
        .kind = (eddy_entry_kind)head.kind,
        .name = record + HEAD,
    };
    return true;
}
