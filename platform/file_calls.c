/* file.c: calls on files that may block, one system call each; file_open.c and scan.c have the
 * longer ones. Those asked with EDDY_OS_NOWAIT do not block; where a kernel or file system cannot
 * promise that, they say -EAGAIN. */
#include "os.h"

#include "file_directory.h"
#include "missing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__ /* preadv2 and statx by number: musl has no functions for them */
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#endif

#include "eddy_config.h"

static int file_outcome(int result) {
    return result < 0 ? -errno : result;
}

/* --- Bytes --- */

#ifndef HAVE_PREADV
/* Only the first vector that is not empty: a short count is always right. */
static struct iovec file_first_vector(const struct iovec *vectors, int count) {
    struct iovec none = {0};
    for (int i = 0; i < count; i++)
        if (vectors[i].iov_len > 0) return vectors[i];
    return none;
}

static ssize_t preadv(int fd, const struct iovec *vectors, int count, off_t offset) {
    struct iovec one = file_first_vector(vectors, count);
    return pread(fd, one.iov_base, one.iov_len, offset);
}

static ssize_t pwritev(int fd, const struct iovec *vectors, int count, off_t offset) {
    struct iovec one = file_first_vector(vectors, count);
    return pwrite(fd, one.iov_base, one.iov_len, offset);
}
#endif

#ifdef SYS_preadv2
/* With O_DIRECT, RWF_NOWAIT only keeps the kernel from waiting for its own locks; for the device it
 * waits. What does not begin at a block is refused instead, and needs no look at the flags: that
 * costs a quarter of a read of 4 KiB from the cache. To ask for less than whole blocks does not
 * help, since up to the end of an extent they are read all the same. Test:
 * a_direct_descriptor_is_read_by_a_thread. */
static bool file_may_read_directly(int fd, int64_t offset) {
    enum { BLOCK = 512 }; /* no device has smaller ones */
    if (offset % BLOCK != 0) return false;
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_DIRECT);
}
#endif

/* Old kernels do not know the call or the flag, many file systems not the flag, and a sandbox may
 * refuse what it has never heard of: each time the ordinary read knows better. */
static ssize_t file_read_cached(int fd, const struct iovec *vectors, int count, int64_t offset) {
#ifdef SYS_preadv2
    enum { NOWAIT = 8 }; /* RWF_NOWAIT */
    if (file_may_read_directly(fd, offset)) return -EAGAIN;
    /* The offset in two halves, of which 64-bit kernels take the first for all of it. */
    long done = syscall(SYS_preadv2, fd, vectors, (long)count, (long)offset, (long)(offset >> 32),
                        (long)NOWAIT);
    if (done >= 0) return done;
    if (call_is_missing(errno) || errno == EOPNOTSUPP || errno == EINVAL) return -EAGAIN;
    return errno == EINTR ? -EAGAIN : -errno;
#else
    (void)fd, (void)vectors, (void)count, (void)offset;
    return -EAGAIN;
#endif
}

/* One piece, which is the usual case, costs the kernel less without a list around it: a seventh of
 * what 4 KiB from the cache take. */
static ssize_t file_read_once(int fd, const struct iovec *vectors, int count, int64_t offset) {
    if (count > 1)
        return offset < 0 ? readv(fd, vectors, count) : preadv(fd, vectors, count, (off_t)offset);
    void *data = vectors->iov_base;
    size_t size = vectors->iov_len;
    return offset < 0 ? read(fd, data, size) : pread(fd, data, size, (off_t)offset);
}

static ssize_t file_write_once(int fd, const struct iovec *vectors, int count, int64_t offset) {
    if (count > 1)
        return offset < 0 ? writev(fd, vectors, count) : pwritev(fd, vectors, count, (off_t)offset);
    const void *data = vectors->iov_base;
    size_t size = vectors->iov_len;
    return offset < 0 ? write(fd, data, size) : pwrite(fd, data, size, (off_t)offset);
}

ssize_t eddy_os_file_read(int fd, const struct iovec *vectors, int count, int64_t offset,
                          unsigned how) {
    if (how & EDDY_OS_NOWAIT) return file_read_cached(fd, vectors, count, offset);
    ssize_t done;
    do {
        done = file_read_once(fd, vectors, count, offset);
    } while (done < 0 && errno == EINTR);
    return done < 0 ? -errno : done;
}

ssize_t eddy_os_file_write(int fd, const struct iovec *vectors, int count, int64_t offset) {
    ssize_t done;
    do {
        done = file_write_once(fd, vectors, count, offset);
    } while (done < 0 && errno == EINTR);
    return done < 0 ? -errno : done;
}

int eddy_os_file_sync(int fd, bool data_only) {
    int result;
    do {
#ifdef F_FULLFSYNC
        /* On macOS fsync leaves the data in the device's own cache. Not every file system has the
         * stronger call. */
        result = fcntl(fd, F_FULLFSYNC);
        if (result < 0 && errno != EINTR && errno != EBADF && errno != EIO) result = fsync(fd);
        (void)data_only;
#else
        result = data_only ? fdatasync(fd) : fsync(fd);
#endif
    } while (result < 0 && errno == EINTR);
    return file_outcome(result);
}

int eddy_os_file_truncate(int fd, int64_t size) {
    int result;
    do {
        result = ftruncate(fd, (off_t)size);
    } while (result < 0 && errno == EINTR);
    return file_outcome(result);
}

/* --- What is known of a file --- */

#ifdef HAVE_ST_ATIM
#define NANOSECONDS(info, which) (int32_t)(info)->st_##which##tim.tv_nsec
#else
#define NANOSECONDS(info, which) (int32_t)(info)->st_##which##timespec.tv_nsec
#endif

static void file_fill_stat(eddy_stat *stat, const struct stat *info) {
    *stat = (eddy_stat){
        .device = (uint64_t)info->st_dev,
        .inode = (uint64_t)info->st_ino,
        .links = (uint64_t)info->st_nlink,
        .mode = (uint32_t)info->st_mode,
        .user = (uint32_t)info->st_uid,
        .group = (uint32_t)info->st_gid,
        .block_bytes = (uint32_t)info->st_blksize,
        .special_device = (uint64_t)info->st_rdev,
        .size = (int64_t)info->st_size,
        .blocks = (int64_t)info->st_blocks,
        .access_s = (int64_t)info->st_atime,
        .modify_s = (int64_t)info->st_mtime,
        .change_s = (int64_t)info->st_ctime,
        .access_ns = NANOSECONDS(info, a),
        .modify_ns = NANOSECONDS(info, m),
        .change_ns = NANOSECONDS(info, c),
    };
}

#ifdef SYS_statx
/* struct statx as the kernel fills it: not every C library shows it, and some that do show another
 * one than the kernel's header. */
struct file_statx_time {
    int64_t s;
    uint32_t ns;
    int32_t unused;
};

struct file_statx {
    uint32_t mask, block_bytes;
    uint64_t attributes;
    uint32_t links, user, group;
    uint16_t mode, unused_1;
    uint64_t inode, size, blocks, attributes_mask;
    struct file_statx_time access, birth, change, modify;
    uint32_t special_major, special_minor, major, minor;
    uint64_t unused_2[14];
};
_Static_assert(sizeof(struct file_statx) == 256, "as the kernel has it");

enum {
    FILE_STATX_BASIC = 0x7ff,       /* STATX_BASIC_STATS */
    FILE_STATX_DONT_SYNC = 0x4000,  /* AT_STATX_DONT_SYNC */
    FILE_STATX_EMPTY_PATH = 0x1000, /* AT_EMPTY_PATH */
};
#endif

/* A network file system answers from what it has cached, where it would ask its server. */
static int file_fstat_cached(int fd, eddy_stat *stat) {
#ifdef SYS_statx
    if (fd < 0) return -EBADF; /* the path is empty: AT_FDCWD would be the working directory */
    struct file_statx info;
    if (syscall(SYS_statx, fd, "", (long)(FILE_STATX_EMPTY_PATH | FILE_STATX_DONT_SYNC),
                (long)FILE_STATX_BASIC, &info) < 0)
        return errno == EBADF ? -EBADF : -EAGAIN;
    if ((info.mask & FILE_STATX_BASIC) != FILE_STATX_BASIC) return -EAGAIN;
    *stat = (eddy_stat){
        .device = (uint64_t)makedev(info.major, info.minor),
        .inode = info.inode,
        .links = info.links,
        .mode = info.mode,
        .user = info.user,
        .group = info.group,
        .block_bytes = info.block_bytes,
        .special_device = (uint64_t)makedev(info.special_major, info.special_minor),
        .size = (int64_t)info.size,
        .blocks = (int64_t)info.blocks,
        .access_s = info.access.s,
        .modify_s = info.modify.s,
        .change_s = info.change.s,
        .access_ns = (int32_t)info.access.ns,
        .modify_ns = (int32_t)info.modify.ns,
        .change_ns = (int32_t)info.change.ns,
    };
    return 0;
#else
    (void)fd, (void)stat;
    return -EAGAIN;
#endif
}

int eddy_os_file_fstat(int fd, eddy_stat *stat, unsigned how) {
    if (how & EDDY_OS_NOWAIT) return file_fstat_cached(fd, stat);
    struct stat info;
    int result;
    do {
        result = fstat(fd, &info);
    } while (result < 0 && errno == EINTR);
    if (result == 0) file_fill_stat(stat, &info);
    return file_outcome(result);
}

int eddy_os_file_stat(int dir, const char *path, bool follow, eddy_stat *stat) {
    struct stat info;
    int result;
    do {
        result = fstatat(file_directory(dir), path, &info, follow ? 0 : AT_SYMLINK_NOFOLLOW);
    } while (result < 0 && errno == EINTR);
    if (result == 0) file_fill_stat(stat, &info);
    return file_outcome(result);
}

/* --- Names --- */

int eddy_os_file_unlink(int dir, const char *path, bool is_directory) {
    int result;
    do {
        result = unlinkat(file_directory(dir), path, is_directory ? AT_REMOVEDIR : 0);
    } while (result < 0 && errno == EINTR);
    return file_outcome(result);
}

int eddy_os_file_rename(int from_dir, const char *from, int to_dir, const char *to) {
    int result;
    do {
        result = renameat(file_directory(from_dir), from, file_directory(to_dir), to);
    } while (result < 0 && errno == EINTR);
    return file_outcome(result);
}

int eddy_os_file_mkdir(int dir, const char *path, unsigned mode) {
    int result;
    do {
        result = mkdirat(file_directory(dir), path, (mode_t)mode);
    } while (result < 0 && errno == EINTR);
    return file_outcome(result);
}
