/* file_run.c: what each file operation does, in a thread of the pool or at once.
 * Invariant: asked with EDDY_OS_NOWAIT an operation does not block; it then gives its outcome, or
 * -EAGAIN and whatever progress file->result says, from where the pool goes on.
 * Threading: a request is touched by the loop thread before it is submitted, by one thread of the
 * pool while it runs, and by the loop thread again after it was published. */
#include "file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum {
    RUN_WINDOW = 64,              /* vectors of one call: 1 KiB of stack, below any IOV_MAX */
    RUN_CALL_BYTES_MAX = 1 << 30, /* some systems refuse a call for more than INT_MAX */
    RUN_ATTEMPT_BYTES_MAX =
        256 << 10 /* copying more would hold up the loop longer than a hand-over */
};

/* --- Bytes --- */

/* Where in the vectors of a request the next byte is. The caller's vectors stay as they are. */
struct run_cursor {
    const struct iovec *vector;
    size_t vectors; /* from there on */
    size_t skip;    /* bytes done of the first one */
};

static void run_advance(struct run_cursor *cursor, size_t bytes) {
    cursor->skip += bytes;
    while (cursor->vectors > 0 && cursor->skip >= cursor->vector->iov_len) {
        cursor->skip -= cursor->vector->iov_len;
        cursor->vector++;
        cursor->vectors--;
    }
}

/* Copies what the next call is to do into `window`. Returns its bytes; `*count` is at least 1. */
static size_t run_look_ahead(const struct run_cursor *cursor, struct iovec window[RUN_WINDOW],
                             int *count) {
    size_t bytes = 0, skip = cursor->skip;
    *count = 0;
    for (size_t i = 0; i < cursor->vectors && *count < RUN_WINDOW && bytes < RUN_CALL_BYTES_MAX;
         i++) {
        struct iovec part = cursor->vector[i];
        part.iov_base = (char *)part.iov_base + skip;
        part.iov_len -= skip;
        skip = 0;
        if (part.iov_len > RUN_CALL_BYTES_MAX - bytes) part.iov_len = RUN_CALL_BYTES_MAX - bytes;
        bytes += part.iov_len;
        window[(*count)++] = part;
    }
    if (*count == 0) window[(*count)++] = (struct iovec){0};
    return bytes;
}

static ssize_t run_transfer_some(const eddy_file *file, const struct run_cursor *cursor,
                                 int64_t done, unsigned how, size_t *asked) {
    struct iovec window[RUN_WINDOW];
    int count;
    *asked = run_look_ahead(cursor, window, &count);
    int64_t offset = file->offset < 0 ? -1 : file->offset + done;
    if (file->operation == FILE_WRITE) return eddy_os_file_write(file->fd, window, count, offset);
    return eddy_os_file_read(file->fd, window, count, offset, how);
}

/* Goes on from `file->result` until all is done, nothing more comes, or an error. One read at the
 * position is all there is: the next one could wait for a terminal or a pipe. */
static int64_t run_transfer(eddy_file *file, unsigned how) {
    bool one_call = file->operation == FILE_READ && file->offset < 0;
    int64_t done = file->result;
    struct run_cursor cursor = {.vector = file->data, .vectors = file->size};
    run_advance(&cursor, (size_t)done);
    do {
        size_t asked;
        ssize_t count = run_transfer_some(file, &cursor, done, how, &asked);
        if (count < 0) return done > 0 ? done : count;
        done += count;
        run_advance(&cursor, (size_t)count);
        if (count == 0 || one_call) break;
        if ((how & EDDY_OS_NOWAIT) && (size_t)count < asked) break;
    } while (done < file->total);
    return done;
}

/* A short read of the cache ends at a hole or at the end of the file. Asking for 0 more bytes would
 * not tell: on Linux 5.9 and 5.10 a hole gives 0 as well. */
static bool run_is_at_end(const eddy_file *file, int64_t done) {
    eddy_stat stat;
    if (eddy_os_file_fstat(file->fd, &stat, EDDY_OS_NOWAIT) < 0) return false;
    return S_ISREG(stat.mode) && stat.size > 0 && file->offset + done >= stat.size;
}

static int64_t run_read(eddy_file *file, unsigned how) {
    if (!(how & EDDY_OS_NOWAIT)) return run_transfer(file, how);
    if (file->offset < 0 || file->total > RUN_ATTEMPT_BYTES_MAX) return -EAGAIN;
    /* One call is all an attempt of one piece can come to. */
    int64_t done = file->size == 1 ? eddy_os_file_read(file->fd, file->data, 1, file->offset, how)
                                   : run_transfer(file, how);
    if (done < 0 || done == file->total || run_is_at_end(file, done)) return done;
    file->result = done;
    return -EAGAIN;
}

static int64_t run_write(eddy_file *file, unsigned how) {
    return run_transfer(file, how);
}

static int64_t run_send(eddy_file *file, unsigned how) {
    if ((how & EDDY_OS_NOWAIT) && file->total > RUN_ATTEMPT_BYTES_MAX) return -EAGAIN;
    size_t size =
        file->total < RUN_CALL_BYTES_MAX ? (size_t)file->total : (size_t)RUN_CALL_BYTES_MAX;
    return eddy_os_file_send(file->to_fd, file->fd, file->offset, size, how);
}

/* --- Steps of the ring --- */

bool eddy__file_is_transfer(const eddy_file *file) {
    return file->operation == FILE_READ || file->operation == FILE_WRITE;
}

/* At the position a read may wait for a terminal, and nothing to be done is no step. */
bool eddy__file_suits_ring(const eddy_file *file) {
    if (file->operation == FILE_FSYNC || file->operation == FILE_FDATASYNC) return true;
    return eddy__file_is_transfer(file) && file->offset >= 0 && file->total > 0 &&
           eddy_os_file_ring_takes(file->fd, file->operation == FILE_WRITE, file->total);
}

/* The caller's vectors as they are, or the rest of one that was begun. */
static void run_fill_transfer(const eddy_file *file, struct eddy_os_file_job *job,
                              struct iovec *piece) {
    struct run_cursor cursor = {.vector = file->data, .vectors = file->size};
    run_advance(&cursor, (size_t)file->result);
    *piece = *cursor.vector;
    piece->iov_base = (char *)piece->iov_base + cursor.skip;
    piece->iov_len -= cursor.skip;
    if (piece->iov_len > RUN_CALL_BYTES_MAX) piece->iov_len = RUN_CALL_BYTES_MAX;
    bool is_one = cursor.skip > 0 || cursor.vectors == 1;
    job->vectors = is_one ? piece : cursor.vector;
    job->count = is_one                                      ? 1
                 : cursor.vectors < EDDY_OS_FILE_VECTORS_MAX ? (int)cursor.vectors
                                                             : EDDY_OS_FILE_VECTORS_MAX;
    job->offset = file->offset + file->result;
}

void eddy__file_fill_job(const eddy_file *file, struct eddy_os_file_job *job, struct iovec *piece) {
    static const enum eddy_os_file_operation operations[FILE_OPERATIONS] = {
        [FILE_READ] = EDDY_OS_FILE_READ,
        [FILE_WRITE] = EDDY_OS_FILE_WRITE,
        [FILE_FSYNC] = EDDY_OS_FILE_SYNC,
        [FILE_FDATASYNC] = EDDY_OS_FILE_DATASYNC,
    };
    *job = (struct eddy_os_file_job){.operation = operations[file->operation], .fd = file->fd};
    if (eddy__file_is_transfer(file)) run_fill_transfer(file, job, piece);
}

/* As in run_transfer. */
bool eddy__file_add(eddy_file *file, int64_t result) {
    if (result <= 0 || !eddy__file_is_transfer(file)) {
        if (file->result == 0) file->result = result;
        return true;
    }
    file->result += result;
    return file->result >= file->total;
}

/* --- Files --- */

static int64_t run_open(eddy_file *file, unsigned how) {
    return eddy_os_file_open(file->fd, file->path, file->flags, file->mode, file->resolve | how);
}

static int64_t run_close(eddy_file *file, unsigned how) {
    (void)how;
    return eddy_os_close(file->fd);
}

static int64_t run_tell_stat(eddy_file *file, int err, const eddy_stat *stat) {
    if (err == 0) memcpy(file->data, stat, sizeof *stat);
    return err;
}

static int64_t run_fstat(eddy_file *file, unsigned how) {
    eddy_stat stat;
    return run_tell_stat(file, eddy_os_file_fstat(file->fd, &stat, how), &stat);
}

static int64_t run_stat(eddy_file *file, unsigned how) {
    (void)how;
    eddy_stat stat;
    bool follow = file->operation == FILE_STAT;
    return run_tell_stat(file, eddy_os_file_stat(file->fd, file->path, follow, &stat), &stat);
}

static int64_t run_sync(eddy_file *file, unsigned how) {
    (void)how;
    return eddy_os_file_sync(file->fd, file->operation == FILE_FDATASYNC);
}

static int64_t run_truncate(eddy_file *file, unsigned how) {
    (void)how;
    return eddy_os_file_truncate(file->fd, file->total);
}

/* --- Names --- */

static int64_t run_unlink(eddy_file *file, unsigned how) {
    (void)how;
    return eddy_os_file_unlink(file->fd, file->path, file->operation == FILE_RMDIR);
}

static int64_t run_rename(eddy_file *file, unsigned how) {
    (void)how;
    return eddy_os_file_rename(file->fd, file->path, file->to_fd, file->to);
}

static int64_t run_mkdir(eddy_file *file, unsigned how) {
    (void)how;
    return eddy_os_file_mkdir(file->fd, file->path, file->mode);
}

static int64_t run_scan(eddy_file *file, unsigned how) {
    (void)how;
    return eddy_os_file_scan(file->fd, file->data, file->size);
}

/* --- The table --- */

enum { RUN_PATH = 1 << 0, RUN_TO = 1 << 1, RUN_DATA = 1 << 2, RUN_ATTEMPT = 1 << 3 };

static const struct run_operation {
    int64_t (*run)(eddy_file *file, unsigned how);
    unsigned needs; /* and whether it may be attempted */
} run_operations[FILE_OPERATIONS] = {
    [FILE_OPEN] = {run_open, RUN_PATH | RUN_ATTEMPT},
    [FILE_CLOSE] = {run_close, 0},
    [FILE_READ] = {run_read, RUN_ATTEMPT},
    [FILE_WRITE] = {run_write, 0},
    [FILE_SEND] = {run_send, RUN_ATTEMPT},
    [FILE_FSTAT] = {run_fstat, RUN_DATA | RUN_ATTEMPT},
    [FILE_STAT] = {run_stat, RUN_PATH | RUN_DATA},
    [FILE_LSTAT] = {run_stat, RUN_PATH | RUN_DATA},
    [FILE_FSYNC] = {run_sync, 0},
    [FILE_FDATASYNC] = {run_sync, 0},
    [FILE_FTRUNCATE] = {run_truncate, 0},
    [FILE_UNLINK] = {run_unlink, RUN_PATH},
    [FILE_RENAME] = {run_rename, RUN_PATH | RUN_TO},
    [FILE_MKDIR] = {run_mkdir, RUN_PATH},
    [FILE_RMDIR] = {run_unlink, RUN_PATH},
    [FILE_SCAN] = {run_scan, RUN_DATA},
};

int eddy__file_check(const eddy_file *file) {
    unsigned needs = run_operations[file->operation].needs;
    if (file->fn == NULL) return -EINVAL;
    if ((needs & RUN_PATH) && file->path == NULL) return -EINVAL;
    if ((needs & RUN_TO) && file->to == NULL) return -EINVAL;
    if ((needs & RUN_DATA) && file->data == NULL) return -EINVAL;
    return (needs & RUN_ATTEMPT) != 0;
}

bool eddy__file_attempt(eddy_work *work) {
    eddy_file *file = eddy_container_of(work, eddy_file, work);
    work->loop->metrics.file_attempts++;
    int64_t result = run_operations[file->operation].run(file, EDDY_OS_NOWAIT);
    if (result == -EAGAIN) return false;
    work->loop->metrics.file_hits++;
    file->result = result;
    return true;
}

void eddy__file_run(eddy_work *work) {
    eddy_file *file = eddy_container_of(work, eddy_file, work);
    file->result = run_operations[file->operation].run(file, 0);
}
