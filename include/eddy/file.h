/* file.h: file operations that do not hold up the loop. Each is a request in the caller's memory,
 * done by the pool (lane EDDY_LANE_FILE), with its callback on the loop: exactly once, never inside
 * the call. Buffers, vectors and paths that a request is given must stay as they are until then.
 *
 * Where the system can do an operation without blocking, phase 6 tries that first, and if it works
 * out no thread is used and the callback follows right behind, while the data is in the processor's
 * cache. On Linux these are a read at an offset and a send, up to 256 KiB of cached pages; an open
 * of cached names, if the flags say that the open itself cannot wait either (O_NONBLOCK,
 * O_DIRECTORY or O_PATH, and no O_CREAT or O_TRUNC); and a stat of an open file, which then tells
 * of a file on a network what this system holds. A read of a descriptor with O_DIRECT, of FUSE, of
 * most network and special files is not tried: it may wait all the same. What the system cannot
 * promise: the open of a cached name asks the server or daemon of a network file system or FUSE,
 * the first read of a day may note the access time, and a buffer that is not in memory is fetched.
 * eddy_file_set_attempt switches all of that off.
 *
 * A loop that was opened with EDDY_FILES_URING has the kernel do some of them through a ring
 * (io_uring, Linux 5.12 or newer) instead of threads: of regular files and block devices reads at
 * an offset, up to 256 KiB or with O_DIRECT of any size, writes at an offset with O_DIRECT, unless
 * RLIMIT_FSIZE is set; and syncs. At most 256 are with the kernel, and further ones wait in order.
 * All that is promised of the pool holds as well; what the kernel does not take, or gives back
 * unfinished, the pool does.
 *
 * Requests under way together are done in any order, also on one descriptor: let the first one end
 * before the next, where it matters.
 *
 * Errors of each function, after which its callback never runs: as eddy_work_submit; -EINVAL (no
 * path, no place for the answer, an offset below -1, an end past INT64_MAX). All else,
 * a bad descriptor too (EDDY_CWD where an open file is asked for), is the outcome of the operation:
 * `file->result`. EINTR is never an outcome. -EAGAIN is the file's own: a descriptor with
 * O_NONBLOCK that has nothing to give, or a lease. -ENOBUFS is the pool's: after a try that did not
 * work out there was no thread, nor memory or leave to start one; nothing has been changed. Loop
 * thread only.
 * @since 0.1 */
#ifndef EDDY_FILE_H
#define EDDY_FILE_H

#include <eddy/work.h>

#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Names a path from the working directory where a directory's descriptor is asked for. */
#define EDDY_CWD (-100)

typedef struct eddy_file eddy_file;

/* `file->result` holds the outcome; the request is yours again. */
typedef void eddy_file_fn(eddy_file *file);

/* The same on every system, whatever the size of its off_t. */
typedef struct eddy_stat {
    uint64_t device, inode, links;
    uint32_t mode; /* as st_mode: S_ISDIR(mode) and its like apply */
    uint32_t user, group;
    uint32_t block_bytes;    /* the preferred size of a transfer */
    uint64_t special_device; /* of a device file */
    int64_t size;            /* bytes */
    int64_t blocks;          /* of 512 bytes */
    int64_t access_s, modify_s, change_s;
    int32_t access_ns, modify_ns, change_ns; /* the rest, 0 to 999,999,999 */
} eddy_stat;

/* Fields are private, but for `result`. */
struct eddy_file {
    int64_t result; /* a count, a descriptor or 0; or a negative errno */
    eddy_work work;
    eddy_file_fn *fn;
    const char *path, *to;
    void *data;       /* vectors, a scan's buffer or an eddy_stat */
    size_t size;      /* how many vectors, or the bytes of the buffer */
    struct iovec one; /* vector */
    int64_t total;    /* bytes of the vectors, or a file's new size */
    int64_t offset;
    int fd, to_fd; /* a file, a socket, or the directory that a path starts from */
    int flags;
    unsigned mode;
    uint8_t operation;
    uint8_t resolve;
    bool is_inner; /* its function is the library's */
};

/* How eddy_file_open may resolve a path, and what it may open. */
enum {
    EDDY_BENEATH = 1 << 0, /* never outside the directory it starts from, by "..", an absolute path
                            * or a symbolic link: -EXDEV. Linux resolves links that stay inside;
                            * systems without openat2 follow none (-ELOOP), and go 64 directories
                            * deep (-ENAMETOOLONG). */
    EDDY_FILES_ONLY = 1 << 1, /* nothing but a regular file or a directory: -ENXIO for a FIFO, a
                               * socket or a device, which is looked at first and not opened, so
                               * that a FIFO's writer goes on waiting. Costs a second look-up. Of
                               * one that takes a file's place in that moment fstat tells. Not with
                               * O_CREAT, O_PATH (-EINVAL). */
};

/* Opens `path`, from the directory `dir` (or EDDY_CWD) if it is relative, with the O_ flags of
 * open(2), and O_CLOEXEC always. Result: the descriptor. Errors, whatever the system calls them:
 * -ELOOP (a symbolic link, with O_NOFOLLOW; -ENOTDIR with O_DIRECTORY as well), -ENXIO (a socket).
 */
EDDY_API int eddy_file_open(eddy_loop *loop, eddy_file *file, int dir, const char *path, int flags,
                            unsigned mode, unsigned resolve, eddy_file_fn *fn);

/* Closes `fd`, which is gone whatever the result says, unless that is -ECANCELED. */
EDDY_API int eddy_file_close(eddy_loop *loop, eddy_file *file, int fd, eddy_file_fn *fn);

/* Reads up to `size` bytes at `offset`, or at the descriptor's position if `offset` is -1. Result:
 * how many; at an offset fewer than `size` only at the end of the file, 0 there; at the position
 * what one read gives, so a terminal or pipe is not waited for twice; if an error comes after some
 * bytes, those. Offsets past 4 GiB work on every system that has such files. */
EDDY_API int eddy_file_read(eddy_loop *loop, eddy_file *file, int fd, void *data, size_t size,
                            int64_t offset, eddy_file_fn *fn);
EDDY_API int eddy_file_readv(eddy_loop *loop, eddy_file *file, int fd, const struct iovec *vectors,
                             int count, int64_t offset, eddy_file_fn *fn);

/* Writes all `size` bytes at `offset`, or at the position if `offset` is -1. Result: how many;
 * fewer only when an error (no space, a limit, of the device) came after those: a write of the rest
 * tells which. */
EDDY_API int eddy_file_write(eddy_loop *loop, eddy_file *file, int fd, const void *data,
                             size_t size, int64_t offset, eddy_file_fn *fn);
EDDY_API int eddy_file_writev(eddy_loop *loop, eddy_file *file, int fd, const struct iovec *vectors,
                              int count, int64_t offset, eddy_file_fn *fn);

/* Sends up to `size` bytes of the file `fd`, from `offset` on, into a connected socket that does
 * not block, such as eddy_stream_fd's. On Linux the kernel passes its own pages on (sendfile),
 * elsewhere they are read and sent, 8 KiB at a time. It waits for the disk, not for the socket.
 * Result: how many bytes the socket has taken; fewer than `size` when it has no more room, the
 * file ends, or the rest is not in memory; 0 only at the file's end; -EAGAIN if there is no room at
 * all, and the errors of reading and of sending: -EPIPE (without a SIGPIPE), -ECONNRESET. When
 * there is room again a small write of the bytes that follow can tell (eddy_stream_write).
 *
 * The file's position stays. Until the callback both descriptors have to stay open, so a stream is
 * not to be closed nor detached, and nothing else may be sent into the socket: of a stream, no
 * write may be under way. eddy_file_cancel helps only as long as no thread has begun. On Linux what
 * is in memory is tried without a thread: up to 256 KiB if the kernel says that it is (cachestat,
 * of Linux 6.5, for whoever owns the file or might write it), else up to 128 KiB, read and sent.
 * Errors also: -EINVAL (a negative offset or size). Result also: -EINVAL (the socket blocks). */
EDDY_API int eddy_file_send(eddy_loop *loop, eddy_file *file, int socket, int fd, int64_t offset,
                            int64_t size, eddy_file_fn *fn);

/* Fills `*stat` with what is known of an open file, or of a path: of what a symbolic link leads to
 * (stat) or of the link itself (lstat). Result: 0. `*stat` must stay until the callback. */
EDDY_API int eddy_file_fstat(eddy_loop *loop, eddy_file *file, int fd, eddy_stat *stat,
                             eddy_file_fn *fn);
EDDY_API int eddy_file_stat(eddy_loop *loop, eddy_file *file, int dir, const char *path,
                            eddy_stat *stat, eddy_file_fn *fn);
EDDY_API int eddy_file_lstat(eddy_loop *loop, eddy_file *file, int dir, const char *path,
                             eddy_stat *stat, eddy_file_fn *fn);

/* Waits until what was written is on the device: data and metadata, or only what is needed to read
 * the data again. Result: 0. */
EDDY_API int eddy_file_fsync(eddy_loop *loop, eddy_file *file, int fd, eddy_file_fn *fn);
EDDY_API int eddy_file_fdatasync(eddy_loop *loop, eddy_file *file, int fd, eddy_file_fn *fn);

/* Makes the file `size` bytes long: what is beyond is lost, what is added reads as zeros.
 * Result: 0. Errors also: -EINVAL (negative size). */
EDDY_API int eddy_file_ftruncate(eddy_loop *loop, eddy_file *file, int fd, int64_t size,
                                 eddy_file_fn *fn);

/* Removes a name that is not a directory's. Result: 0. */
EDDY_API int eddy_file_unlink(eddy_loop *loop, eddy_file *file, int dir, const char *path,
                              eddy_file_fn *fn);

/* Renames `from` to `to`, each from its directory if it is relative. What was called `to` before is
 * replaced, and at no moment is there neither. Result: 0; -EXDEV if `to` is on another file system.
 */
EDDY_API int eddy_file_rename(eddy_loop *loop, eddy_file *file, int from_dir, const char *from,
                              int to_dir, const char *to, eddy_file_fn *fn);

/* Makes a directory, with the bits of `mode` that the process's umask leaves; removes an empty one.
 * Result: 0. */
EDDY_API int eddy_file_mkdir(eddy_loop *loop, eddy_file *file, int dir, const char *path,
                             unsigned mode, eddy_file_fn *fn);
EDDY_API int eddy_file_rmdir(eddy_loop *loop, eddy_file *file, int dir, const char *path,
                             eddy_file_fn *fn);

/* What a name in a directory belongs to, as far as the directory itself knows. */
typedef enum eddy_entry_kind {
    EDDY_ENTRY_UNKNOWN, /* the file system does not say: lstat it */
    EDDY_ENTRY_FILE,
    EDDY_ENTRY_DIRECTORY,
    EDDY_ENTRY_LINK,
    EDDY_ENTRY_OTHER,
} eddy_entry_kind;

typedef struct eddy_entry {
    uint64_t inode;
    eddy_entry_kind kind;
    const char *name; /* ended; points into the scan's buffer */
} eddy_entry;

enum { EDDY_SCAN_BYTES_MIN = 1024 }; /* room for the longest name of any file system we know */

/* Reads the next names of the open directory `fd` into `buffer`, without "." and "..", in the order
 * of the directory. Result: the bytes used, 0 when there are no more names. Each scan goes on where
 * the last one of this descriptor ended, so let one finish before the next is started, and open the
 * directory anew to begin again. Errors also: -EINVAL (`size` below EDDY_SCAN_BYTES_MIN), -ENOTDIR
 * (no directory). */
EDDY_API int eddy_file_scan(eddy_loop *loop, eddy_file *file, int fd, void *buffer, size_t size,
                            eddy_file_fn *fn);

/* Walks the names of a scan's buffer. `*position` starts at 0 and `used` is the scan's result.
 * False after the last one, and if the result was an error. Any thread. */
EDDY_API bool eddy_scan_next(const void *buffer, size_t used, size_t *position, eddy_entry *entry);

/* As eddy_work_cancel; a request that was removed has the result -ECANCELED. One that was done
 * without a thread is done (-EALREADY). One of which a part is done ends with that, or with more of
 * it (-EBUSY). */
EDDY_API int eddy_file_cancel(eddy_file *file);

/* The loop that it was submitted to; also in its callback. Any thread. */
EDDY_API eddy_loop *eddy_file_loop(const eddy_file *file);

/* Who does the file requests of this loop; makes its ring if it is to have one and has none yet.
 * With EDDY_FILES_URING asked for and not to be had, `*reason` is why, in words (a constant
 * string); else NULL. `reason` may be NULL. Loop thread only. */
EDDY_API eddy_files_kind eddy_loop_files(eddy_loop *loop, const char **reason);

/* Whether the loop tries file requests without a thread first. On at the start. Errors: -ENOMEM. */
EDDY_API int eddy_file_set_attempt(eddy_loop *loop, bool on);

#ifdef __cplusplus
}
#endif
#endif
