/* files_run.c: requests of files by the loop, a number of them under way at a time, by threads of
 * the pool or by a ring. Each sample has a file of its own, whose name is gone before anything else
 * happens. Without state. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK_BYTES = 4096, FILE_BYTES = 64 << 20, CACHED_BYTES = 1 << 20, WARM_OPERATIONS = 500 };

struct files {
    eddy_loop *loop; /* NULL: the calls themselves */
    enum files_operation operation;
    int fd;
    int64_t blocks;
    uint64_t random;
    uint64_t done, limit;
    unsigned in_flight;
    int error;
};

struct job {
    eddy_file file;
    struct files *files;
    char *data; /* a block, where the device wants it to be */
};

static void on_done(eddy_file *file);

static int64_t pick_place(struct files *it) {
    return (int64_t)(bench_random(&it->random) % (uint64_t)it->blocks) * BLOCK_BYTES;
}

static void submit(struct job *job) {
    struct files *it = job->files;
    int64_t at = pick_place(it);
    int err;
    if (it->operation == FILES_SYNC)
        err = eddy_file_fdatasync(it->loop, &job->file, it->fd, on_done);
    else if (it->operation == FILES_DIRECT_WRITE)
        err = eddy_file_write(it->loop, &job->file, it->fd, job->data, BLOCK_BYTES, at, on_done);
    else
        err = eddy_file_read(it->loop, &job->file, it->fd, job->data, BLOCK_BYTES, at, on_done);
    if (err < 0) it->error = err;
    it->in_flight += err == 0;
}

static void on_done(eddy_file *file) {
    struct job *job = eddy_container_of(file, struct job, file);
    struct files *it = job->files;
    int64_t expected = it->operation == FILES_SYNC ? 0 : BLOCK_BYTES;
    it->in_flight--;
    it->done++;
    if (file->result != expected) it->error = file->result < 0 ? (int)file->result : -EIO;
    if (it->done + it->in_flight < it->limit && it->error == 0) submit(job);
}

static int call(struct files *it, char *data) {
    off_t at = (off_t)pick_place(it);
    ssize_t result = it->operation == FILES_DIRECT_WRITE ? pwrite(it->fd, data, BLOCK_BYTES, at)
                                                         : pread(it->fd, data, BLOCK_BYTES, at);
    if (result == BLOCK_BYTES) return 0;
    return result < 0 ? -errno : -EIO;
}

static int run_calls(struct files *it, char *data, uint64_t operations) {
    int err = 0;
    while (err == 0 && operations-- > 0) err = call(it, data);
    return err;
}

static int run_jobs(struct files *it, struct job *jobs, unsigned depth, uint64_t operations) {
    if (it->loop == NULL) return run_calls(it, jobs->data, operations);
    it->done = 0;
    it->limit = operations;
    for (unsigned i = 0; i < depth && it->error == 0; i++) submit(&jobs[i]);
    int err = eddy_loop_run(it->loop, EDDY_RUN_DEFAULT);
    return err < 0 ? err : it->error;
}

static int fill(int fd, size_t bytes) {
    enum { PIECE = 1 << 20 };
    char *data = malloc(PIECE);
    int err = data == NULL ? -ENOMEM : 0;
    if (data != NULL) memset(data, 'e', PIECE);
    for (size_t done = 0; err == 0 && done < bytes; done += PIECE) {
        ssize_t written = write(fd, data, PIECE);
        if (written != PIECE) err = written < 0 ? -errno : -ENOSPC;
    }
    free(data);
    return err == 0 && fsync(fd) < 0 ? -errno : err;
}

static int open_file(struct files *it, const char *directory) {
    char path[512];
    size_t bytes = it->operation == FILES_CACHED_READ ? CACHED_BYTES : FILE_BYTES;
    if (snprintf(path, sizeof path, "%s/eddy-bench-XXXXXX", directory) >= (int)sizeof path)
        return -ENAMETOOLONG;
    it->fd = mkstemp(path);
    if (it->fd < 0) return -errno;
    unlink(path);
    it->blocks = (int64_t)bytes / BLOCK_BYTES;
    return fill(it->fd, bytes);
}

static int go_past_the_cache(const struct files *it) {
    if (it->operation != FILES_DIRECT_READ && it->operation != FILES_DIRECT_WRITE) return 0;
#ifdef O_DIRECT
    return fcntl(it->fd, F_SETFL, O_DIRECT) < 0 ? -errno : 0;
#else
    return -ENOTSUP;
#endif
}

static struct job *make_jobs(struct files *it, unsigned depth) {
    struct job *jobs = calloc(depth, sizeof *jobs);
    void *data;
    if (jobs == NULL || posix_memalign(&data, BLOCK_BYTES, (size_t)depth * BLOCK_BYTES) != 0)
        return NULL;
    memset(data, 'w', (size_t)depth * BLOCK_BYTES);
    for (unsigned i = 0; i < depth; i++)
        jobs[i] = (struct job){.files = it, .data = (char *)data + (size_t)i * BLOCK_BYTES};
    return jobs;
}

static int measure(struct files *it, struct job *jobs, const struct bench_case *of,
                   struct bench_sample *sample) {
    unsigned depth = of->numbers[2];
    uint64_t round = 20 * (uint64_t)depth;
    struct bench_meter meter;
    int err = run_jobs(it, jobs, depth, WARM_OPERATIONS);
    bench_start(&meter);
    do {
        if (err == 0) err = run_jobs(it, jobs, depth, round);
        sample->operations += round;
    } while (err == 0 && bench_now_ns() - meter.start_ns < of->time_ns);
    bench_stop(&meter, sample);
    return err;
}

static int open_loop(struct files *it, eddy_files_kind kind, struct bench_sample *sample) {
    const char *reason;
    if (kind == (eddy_files_kind)FILES_BY_CALL) return 0;
    int err = eddy_loop_open(&it->loop, &(eddy_loop_config){.files = kind});
    if (err < 0 || eddy_loop_files(it->loop, &reason) == kind) return err;
    sample->error = -ENOTSUP;
    snprintf(sample->why, sizeof sample->why, "%s", reason);
    return -ENOTSUP;
}

void bench_files_run(const struct bench_case *it, struct bench_sample *sample) {
    struct files files = {.operation = (enum files_operation)it->numbers[1], .random = 1};
    struct job *jobs = make_jobs(&files, it->numbers[2]);
    int err = jobs == NULL ? -ENOMEM : open_loop(&files, (eddy_files_kind)it->numbers[0], sample);
    if (sample->error < 0) return;
    if (err == 0) err = open_file(&files, it->extra);
    if (err < 0) {
        bench_cannot(sample, "a file there", err);
        return;
    }
    err = go_past_the_cache(&files);
    if (err == 0) err = measure(&files, jobs, it, sample);
    if (err < 0) bench_cannot(sample, "files there (O_DIRECT?)", err);
}
