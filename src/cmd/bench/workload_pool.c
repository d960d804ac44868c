/* workload_pool.c: what it costs to have a thread do something: empty jobs, and 4 KiB reads of a
 * file that the system has in memory, a number of them under way at a time. */
#include "bench.h"
#include "workloads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { READ_BYTES = 4096, FILE_BYTES = 1024 * 1024, WARM_OPERATIONS = 20000 };

struct job {
    union {
        eddy_work work;
        eddy_file file;
    };
    struct queue *queue;
    int64_t since_ns;
    char *data;
};

struct queue {
    eddy_loop *loop;
    int fd;
    uint64_t random;
    uint64_t done, limit;
    unsigned in_flight;
    int error;
    bool is_timed;
    eddy_histogram *latency;
};

static void do_nothing(eddy_work *work) {
    (void)work;
}

static void on_work(eddy_work *work, int status);
static void on_file(eddy_file *file);

static void submit(struct job *job) {
    struct queue *queue = job->queue;
    if (queue->is_timed) job->since_ns = bench_now_ns();
    int err;
    if (queue->fd < 0) {
        err = eddy_work_submit(queue->loop, &job->work, EDDY_LANE_FILE, do_nothing, on_work);
    } else {
        int64_t block = (int64_t)(bench_random(&queue->random) % (FILE_BYTES / READ_BYTES));
        err = eddy_file_read(queue->loop, &job->file, queue->fd, job->data, READ_BYTES,
                             block * READ_BYTES, on_file);
    }
    if (err == 0)
        queue->in_flight++;
    else
        queue->error = err;
}

static void on_done(struct job *job, int error) {
    struct queue *queue = job->queue;
    queue->in_flight--;
    queue->done++;
    if (error < 0) queue->error = error;
    if (queue->is_timed) eddy_histogram_record(queue->latency, bench_now_ns() - job->since_ns);
    if (queue->done + queue->in_flight < queue->limit && queue->error == 0) submit(job);
}

static void on_work(eddy_work *work, int status) {
    on_done(eddy_container_of(work, struct job, work), status);
}

static void on_file(eddy_file *file) {
    on_done(eddy_container_of(file, struct job, file), file->result == READ_BYTES ? 0 : -EIO);
}

static int run_jobs(struct queue *queue, struct job *jobs, unsigned depth, uint64_t operations) {
    queue->done = 0;
    queue->limit = operations;
    for (unsigned i = 0; i < depth && i < operations && queue->error == 0; i++) submit(&jobs[i]);
    int err = eddy_loop_run(queue->loop, EDDY_RUN_DEFAULT);
    return err < 0 ? err : queue->error;
}

/* A file of its own, whose name is gone at once. */
static int open_file(void) {
    char path[] = "/tmp/eddy-bench-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) return -errno;
    unlink(path);
    char *data = calloc(1, FILE_BYTES);
    bool is_written = data != NULL && write(fd, data, FILE_BYTES) == FILE_BYTES;
    free(data);
    if (is_written) return fd;
    close(fd);
    return -EIO;
}

static struct job *make_jobs(struct queue *queue, unsigned depth) {
    struct job *jobs = calloc(depth, sizeof *jobs);
    char *data = malloc((size_t)depth * READ_BYTES);
    if (jobs == NULL || data == NULL) return NULL;
    for (unsigned i = 0; i < depth; i++) {
        jobs[i].queue = queue;
        jobs[i].data = data + (size_t)i * READ_BYTES;
    }
    return jobs;
}

/* Latencies are taken apart from the rest: reading the clock twice a job would weigh. */
static int measure(struct queue *queue, struct job *jobs, const struct bench_case *it,
                   struct bench_sample *sample) {
    unsigned depth = it->numbers[0];
    uint64_t round = 20 * (uint64_t)depth > 2000 ? 20 * (uint64_t)depth : 2000;
    struct bench_meter meter;
    int err = run_jobs(queue, jobs, depth, WARM_OPERATIONS);
    queue->is_timed = true;
    queue->latency = &sample->latency;
    if (err == 0) err = run_jobs(queue, jobs, depth, round);
    queue->is_timed = false;
    bench_start(&meter);
    do {
        if (err == 0) err = run_jobs(queue, jobs, depth, round);
        sample->operations += round;
    } while (err == 0 && bench_now_ns() - meter.start_ns < it->time_ns);
    bench_stop(&meter, sample);
    return err;
}

static void run(const struct bench_case *it, struct bench_sample *sample, int fd, bool attempt) {
    struct queue queue = {.fd = fd, .random = 1};
    struct job *jobs = make_jobs(&queue, it->numbers[0]);
    int err = jobs == NULL ? -ENOMEM : bench_open_loop(&queue.loop, it);
    if (err == 0) {
        eddy_file_set_attempt(queue.loop, attempt);
        err = measure(&queue, jobs, it, sample);
    }
    if (err < 0) bench_cannot(sample, "pool", err);
}

void bench_pool_run(const struct bench_case *it, struct bench_sample *sample) {
    run(it, sample, -1, false);
}

static void run_file(const struct bench_case *it, struct bench_sample *sample, bool attempt) {
    int fd = open_file();
    if (fd < 0)
        bench_cannot(sample, "a file in /tmp", fd);
    else
        run(it, sample, fd, attempt);
}

void bench_file_pool_run(const struct bench_case *it, struct bench_sample *sample) {
    run_file(it, sample, false);
}

void bench_file_attempt_run(const struct bench_case *it, struct bench_sample *sample) {
    run_file(it, sample, true);
}
