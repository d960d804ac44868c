/* costs_files.c: what files cost: a read that the system has in memory, one that it must not take
 * from there, and data made safe. Each sample has a file of its own, whose name is gone before
 * anything else happens. Without state. */
#include "costs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BLOCK_BYTES = 4096,
    BLOCKS = 2048,
    MANY = 1000, /* between looks at the clock */
};

struct file {
    int fd;
    char *data; /* a block, where the device wants it to be */
    uint64_t random;
};

/* With all of its blocks on the device. */
static int fill(const struct file *file) {
    memset(file->data, 'e', BLOCK_BYTES);
    for (unsigned i = 0; i < BLOCKS; i++) {
        ssize_t written = write(file->fd, file->data, BLOCK_BYTES);
        if (written != BLOCK_BYTES) return written < 0 ? -errno : -ENOSPC;
    }
    return fsync(file->fd) < 0 ? -errno : 0;
}

static int open_file(struct file *file, const char *directory) {
    char path[512];
    void *data;
    if (snprintf(path, sizeof path, "%s/eddy-bench-XXXXXX", directory) >= (int)sizeof path)
        return -ENAMETOOLONG;
    if (posix_memalign(&data, BLOCK_BYTES, BLOCK_BYTES) != 0) return -ENOMEM;
    file->fd = mkstemp(path);
    if (file->fd < 0) return -errno;
    unlink(path);
    file->data = data;
    file->random = 1;
    return fill(file);
}

static int read_blocks(void *context, unsigned count) {
    struct file *file = context;
    for (unsigned i = 0; i < count; i++) {
        off_t block = (off_t)(bench_random(&file->random) % BLOCKS);
        ssize_t got = pread(file->fd, file->data, BLOCK_BYTES, block * BLOCK_BYTES);
        if (got != BLOCK_BYTES) return got < 0 ? -errno : -EIO;
    }
    return 0;
}

static int sync_block(void *context, unsigned count) {
    struct file *file = context;
    for (unsigned i = 0; i < count; i++) {
        off_t block = (off_t)(bench_random(&file->random) % BLOCKS);
        ssize_t written = pwrite(file->fd, file->data, BLOCK_BYTES, block * BLOCK_BYTES);
        if (written != BLOCK_BYTES) return written < 0 ? -errno : -EIO;
        if (fsync(file->fd) < 0) return -errno;
    }
    return 0;
}

/* The size of the file changes with each, which has to be safe as well. */
static int append_block(void *context, unsigned count) {
    struct file *file = context;
    for (unsigned i = 0; i < count; i++) {
        ssize_t written = write(file->fd, file->data, BLOCK_BYTES);
        if (written != BLOCK_BYTES) return written < 0 ? -errno : -ENOSPC;
        if (fsync(file->fd) < 0) return -errno;
    }
    return 0;
}

void costs_cached_read_run(const struct bench_case *it, struct bench_sample *sample) {
    struct file file;
    int err = open_file(&file, it->extra);
    if (err < 0)
        bench_cannot(sample, "a file there", err);
    else
        costs_measure(it, sample, read_blocks, &file, MANY, "pread");
}

static int go_past_the_cache(int fd) {
#ifdef O_DIRECT
    return fcntl(fd, F_SETFL, O_DIRECT) < 0 ? -errno : 0;
#else
    (void)fd;
    return -ENOTSUP;
#endif
}

void costs_direct_read_run(const struct bench_case *it, struct bench_sample *sample) {
    struct file file;
    int err = open_file(&file, it->extra);
    if (err < 0) {
        bench_cannot(sample, "a file there", err);
        return;
    }
    err = go_past_the_cache(file.fd);
    if (err < 0)
        bench_cannot(sample, "O_DIRECT does not work there", err);
    else
        costs_measure(it, sample, read_blocks, &file, 1, "pread with O_DIRECT");
}

void costs_sync_run(const struct bench_case *it, struct bench_sample *sample) {
    struct file file;
    int err = open_file(&file, it->extra);
    if (err < 0)
        bench_cannot(sample, "a file there", err);
    else
        costs_measure(it, sample, sync_block, &file, 1, "fsync");
}

void costs_append_run(const struct bench_case *it, struct bench_sample *sample) {
    struct file file;
    int err = open_file(&file, it->extra);
    if (err < 0)
        bench_cannot(sample, "a file there", err);
    else
        costs_measure(it, sample, append_block, &file, 1, "fsync");
}
