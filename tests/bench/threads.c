/* threads.c: the workloads with threads: wake-ups sent while the loop is behind, wake-ups there and
 * back between two loops, empty jobs for the pool, and reads of a file that is in memory. */
#include "peers.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { SENDS = 100000, TRIPS = 1000, READ_BYTES = 4096, FILE_BYTES = 1024 * 1024 };

static const struct peer *peer;

/* --- Wake-ups --- */

static void on_woken(unsigned side) {
    (void)side;
}

/* Threads that send while the loop does not turn: each time they are let go, SENDS. */
static struct { pthread_barrier_t begin, end; } senders;

static void *send_all(void *argument) {
    for (;;) {
        pthread_barrier_wait(&senders.begin);
        peer->wake_send(0, SENDS);
        pthread_barrier_wait(&senders.end);
    }
    return argument;
}

static int start_senders(unsigned count) {
    pthread_t thread;
    int err = pthread_barrier_init(&senders.begin, NULL, count + 1);
    if (err == 0) err = pthread_barrier_init(&senders.end, NULL, count + 1);
    for (unsigned i = 0; i < count && err == 0; i++)
        err = pthread_create(&thread, NULL, send_all, NULL);
    return -err;
}

/* Callgrind counts a thread's instructions by itself: what is counted is sent from this one. */
static void send_from(unsigned count) {
    if (count == 0) {
        peer->wake_send(0, SENDS);
    } else {
        pthread_barrier_wait(&senders.begin);
        pthread_barrier_wait(&senders.end);
    }
}

void peers_wake_send_run(const struct bench_case *it, struct bench_sample *sample) {
    unsigned count = peers_is_counting() ? 0 : it->numbers[0];
    uint64_t sends = SENDS * (uint64_t)(count > 0 ? count : 1);
    peer = peers_of(it);
    peers_woken = on_woken;
    int err = peer->open(true);
    if (err == 0) err = peer->wake_open(0);
    if (err == 0 && count > 0) err = start_senders(count);
    while (err == 0 && peers_go_on(it, sample)) {
        peers_begin();
        send_from(count);
        err = peer->turn();
        peers_end(sample, sends);
    }
    if (err < 0) bench_cannot(sample, "wake", err);
}

static unsigned trips_left;
static _Atomic(bool) is_over;

static void on_trip(unsigned side) {
    bool is_last = side == 0 ? --trips_left == 0 : atomic_load(&is_over);
    if (is_last)
        peer->stop(side);
    else
        peer->wake_send(1 - side, 1);
}

static void *run_there(void *argument) {
    (void)peer->run(1);
    return argument;
}

void peers_wake_trip_run(const struct bench_case *it, struct bench_sample *sample) {
    pthread_t thread;
    peer = peers_of(it);
    peers_woken = on_trip;
    int err = peer->open(true);
    for (unsigned side = 0; side < PEERS_SIDES && err == 0; side++) err = peer->wake_open(side);
    if (err == 0) err = -pthread_create(&thread, NULL, run_there, NULL);
    if (err < 0) {
        bench_cannot(sample, "wake", err);
        return;
    }
    while (err == 0 && peers_go_on(it, sample)) {
        trips_left = TRIPS;
        peers_begin();
        peer->wake_send(1, 1);
        err = peer->run(0);
        peers_end(sample, TRIPS);
    }
    atomic_store(&is_over, true);
    peer->wake_send(1, 1);
    pthread_join(thread, NULL);
    if (err < 0) bench_cannot(sample, "wake", err);
}

/* --- Jobs --- */

static struct {
    int fd; /* of what is read; -1: empty jobs */
    char *data;
    uint64_t done, started, limit, random;
} queue;

static void submit(unsigned i) {
    int err;
    if (queue.fd < 0) {
        err = peer->job_submit(i);
    } else {
        uint64_t block = bench_random(&queue.random) % (FILE_BYTES / READ_BYTES);
        err = peer->file_submit(i, queue.fd, queue.data + (size_t)i * READ_BYTES, READ_BYTES,
                                (int64_t)block * READ_BYTES);
    }
    queue.started++;
    if (err < 0) peers_fail(err);
}

static void on_done(unsigned i, int64_t result) {
    queue.done++;
    if (result != (queue.fd < 0 ? 0 : READ_BYTES)) peers_fail((int)result);
    if (queue.started < queue.limit)
        submit(i);
    else if (queue.done == queue.limit)
        peer->stop(0);
}

static int run_jobs(unsigned depth, uint64_t jobs) {
    queue.done = queue.started = 0;
    queue.limit = jobs;
    for (unsigned i = 0; i < depth; i++) submit(i);
    int err = peer->run(0);
    return err < 0 ? err : peers_error();
}

static void run_queue(const struct bench_case *it, struct bench_sample *sample, int fd) {
    unsigned depth = it->numbers[0];
    uint64_t jobs = 20 * (uint64_t)depth > 2000 ? 20 * (uint64_t)depth : 2000;
    peer = peers_of(it);
    peers_done = on_done;
    queue.fd = fd;
    queue.data = malloc((size_t)depth * READ_BYTES);
    int err = queue.data == NULL ? -ENOMEM : peer->open(false);
    if (err == 0) err = peer->jobs_make(depth);
    while (err == 0 && peers_go_on(it, sample)) {
        peers_begin();
        err = run_jobs(depth, jobs);
        peers_end(sample, jobs);
    }
    free(queue.data);
    if (err < 0) bench_cannot(sample, "pool", err);
}

void peers_pool_run(const struct bench_case *it, struct bench_sample *sample) {
    run_queue(it, sample, -1);
}

void peers_file_run(const struct bench_case *it, struct bench_sample *sample) {
    char path[] = "/tmp/eddy-bench-XXXXXX";
    char *data = calloc(1, FILE_BYTES);
    int fd = mkstemp(path);
    if (fd >= 0) unlink(path);
    if (fd < 0 || data == NULL || write(fd, data, FILE_BYTES) != FILE_BYTES)
        bench_cannot(sample, "a file in /tmp", -EIO);
    else
        run_queue(it, sample, fd);
    free(data);
    if (fd >= 0) close(fd);
}
