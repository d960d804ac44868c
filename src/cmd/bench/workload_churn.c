/* workload_churn.c: watchers that are started and stopped, or change their interest, on many
 * descriptors of which none is ready: each is a socket that listens where nobody calls, so it is
 * never readable, and never writable either. */
#include "bench.h"
#include "workloads.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

struct churn {
    eddy_loop *loop;
    eddy_io *ios;
    int *fds;
    unsigned count;
};

static void on_event(eddy_io *io, unsigned events) {
    (void)io, (void)events; /* never comes */
}

/* On loopback, at a port that the system chooses. */
static int open_silent(int *fd) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *fd = socket(AF_INET, SOCK_STREAM, 0);
    if (*fd < 0 || bind(*fd, (struct sockaddr *)&address, sizeof address) < 0) return -errno;
    return listen(*fd, 1) < 0 ? -errno : 0;
}

static int open_all(struct churn *it, const struct bench_case *of) {
    it->count = of->numbers[0];
    it->ios = calloc(it->count, sizeof *it->ios);
    it->fds = calloc(it->count, sizeof *it->fds);
    if (it->ios == NULL || it->fds == NULL) return -ENOMEM;
    int err = bench_open_loop(&it->loop, of);
    for (unsigned i = 0; i < it->count && err == 0; i++) {
        err = open_silent(&it->fds[i]);
        if (err == 0) eddy_io_init(&it->ios[i], it->loop);
    }
    return err;
}

static int start_all(struct churn *it) {
    int err = 0;
    for (unsigned i = 0; i < it->count && err == 0; i++)
        err = eddy_io_start(&it->ios[i], on_event, it->fds[i], EDDY_READ);
    return err;
}

static int start_and_stop(struct churn *it) {
    int err = start_all(it);
    for (unsigned i = 0; i < it->count; i++) eddy_io_stop(&it->ios[i]);
    return err;
}

/* One change each, which the turn then flushes. */
static int change_all(struct churn *it, unsigned events) {
    int err = 0;
    for (unsigned i = 0; i < it->count && err == 0; i++) err = eddy_io_change(&it->ios[i], events);
    return err < 0 ? err : eddy_loop_run(it->loop, EDDY_RUN_NOWAIT);
}

static int change_and_back(struct churn *it) {
    int err = change_all(it, EDDY_READ | EDDY_WRITE);
    return err < 0 ? err : change_all(it, EDDY_READ);
}

static void run(const struct bench_case *of, struct bench_sample *sample,
                int (*round)(struct churn *it), unsigned operations_each) {
    struct churn it = {0};
    struct bench_meter meter;
    if (!bench_allow_descriptors(of->numbers[0], sample)) return;
    int err = open_all(&it, of);
    if (err == 0 && round == change_and_back) err = start_all(&it);
    if (err == 0) err = round(&it); /* warms up */
    if (err >= 0) {
        sample->calls = -bench_loop_calls(it.loop);
        bench_start(&meter);
        while (err >= 0 &&
               (sample->operations == 0 || bench_now_ns() - meter.start_ns < of->time_ns)) {
            err = round(&it);
            sample->operations += (uint64_t)it.count * operations_each;
        }
        bench_stop(&meter, sample);
        sample->calls += bench_loop_calls(it.loop);
    }
    if (err < 0) bench_cannot(sample, "churn", err);
}

void bench_churn_start_run(const struct bench_case *it, struct bench_sample *sample) {
    run(it, sample, start_and_stop, 1);
}

void bench_churn_change_run(const struct bench_case *it, struct bench_sample *sample) {
    run(it, sample, change_and_back, 2);
}
