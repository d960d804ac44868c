/* loops_run.c: a sample of `eddy bench loops` (loops.h). The clients are processes of their own
 * (load.h); this one has a thread for each loop, and the first thread looks at the clock.
 * Threading: a worker's fields are its thread's from the start of that on, but for the counts. */
#include "loops.h"
#include "network.h"
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct worker {
    struct loops_worker counts;
    enum loops_way way;
    pthread_t thread;
    eddy_loop *loop;
    eddy_wake stays; /* keeps a loop alive that waits for posts */
    eddy_listener listener;
};

static struct worker workers[LOOPS_MAX];
static unsigned count;

/* --- A connection, in the loop that it belongs to --- */

struct visitor {
    eddy_post post;
    eddy_stream stream;
    eddy_write write;
    struct worker *worker;
    int fd;
    char byte;
};

static void fail(struct worker *worker, int error) {
    atomic_store(&worker->counts.error, error);
}

static void on_closed(eddy_stream *stream) {
    struct visitor *it = eddy_container_of(stream, struct visitor, stream);
    atomic_fetch_add_explicit(&it->worker->counts.served, 1, memory_order_relaxed);
    free(it);
}

static void on_sent(eddy_write *write, int status) {
    (void)write, (void)status; /* if it failed, so does the next read */
}

static void on_byte(eddy_stream *stream, void *data, ssize_t size) {
    struct visitor *it = eddy_container_of(stream, struct visitor, stream);
    if (size == 1) {
        it->byte = *(char *)data;
        if (eddy_stream_write(stream, &it->write, &it->byte, 1, on_sent) == 0) return;
    }
    (void)eddy_stream_close(stream, on_closed);
}

static void serve(struct visitor *it) {
    eddy_stream_init(&it->stream, it->worker->loop);
    int err = eddy_stream_attach(&it->stream, it->fd);
    if (err == 0) err = eddy_stream_read_start(&it->stream, on_byte);
    if (err < 0) fail(it->worker, err);
}

static struct visitor *make_visitor(struct worker *worker, int fd) {
    struct visitor *it = fd < 0 ? NULL : malloc(sizeof *it);
    if (it == NULL) {
        fail(worker, fd < 0 ? fd : -ENOMEM);
        return NULL;
    }
    it->worker = worker;
    it->fd = fd;
    return it;
}

/* --- How it comes there --- */

static void on_accept(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    (void)peer;
    struct visitor *it = make_visitor(eddy_container_of(listener, struct worker, listener), fd);
    if (it != NULL) serve(it);
}

static void on_handed(eddy_post *post) {
    serve(eddy_container_of(post, struct visitor, post));
}

/* The one that accepts has its turn as well, without a post. */
static void on_accept_and_hand(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    static unsigned next;
    (void)listener, (void)peer;
    struct visitor *it = make_visitor(&workers[next], fd);
    next = (next + 1) % count;
    if (it == NULL) return;
    if (it->worker == &workers[0])
        serve(it);
    else
        eddy_loop_post(it->worker->loop, &it->post, on_handed);
}

static int listen_on(struct worker *worker, struct sockaddr_in *address, unsigned options) {
    socklen_t length = sizeof *address;
    eddy_accept_fn *fn = worker->way == LOOPS_HANDED ? on_accept_and_hand : on_accept;
    int err = eddy_tcp_listen(&worker->listener, (struct sockaddr *)address, length, LOOPS_BACKLOG,
                              options, fn);
    return err < 0 ? err
                   : eddy_listener_address(&worker->listener, (struct sockaddr *)address, &length);
}

/* The socket of the first one, by a descriptor of its own. */
static int share_listener(struct worker *worker) {
    int fd = dup(eddy_listener_fd(&workers[0].listener));
    if (fd < 0) return -errno;
    int err = eddy_listener_attach(&worker->listener, fd, on_accept);
    if (err < 0) close(fd);
    return err;
}

static void on_wake(eddy_wake *wake) {
    (void)wake; /* nobody sends it */
}

/* The first one finds a port; the others have it as well, in the way that is measured. */
static int open_worker(struct worker *worker, const struct bench_case *it,
                       struct sockaddr_in *address) {
    bool is_first = worker == &workers[0];
    worker->way = (enum loops_way)it->numbers[2];
    int err = eddy_loop_open(&worker->loop, NULL);
    if (err < 0) return err;
    eddy_listener_init(&worker->listener, worker->loop);
    eddy_wake_init(&worker->stays, worker->loop);
    err = eddy_wake_start(&worker->stays, on_wake);
    if (err < 0) return err;
    if (worker->way == LOOPS_REUSEPORT) return listen_on(worker, address, EDDY_REUSEPORT);
    if (is_first) return listen_on(worker, address, 0);
    return worker->way == LOOPS_SHARED ? share_listener(worker) : 0;
}

static int listen_by_hand(struct sockaddr_in *address) {
    socklen_t length = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) return -errno;
    bool is_well =
        fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && bind(fd, (struct sockaddr *)address, length) == 0 &&
        listen(fd, LOOPS_BACKLOG) == 0 && getsockname(fd, (struct sockaddr *)address, &length) == 0;
    return is_well ? fd : -errno;
}

static int open_by_hand(struct worker *worker, const struct bench_case *it,
                        struct sockaddr_in *address) {
    bool is_first = worker == &workers[0];
    worker->way = (enum loops_way)it->numbers[2];
    worker->counts.listener = is_first ? listen_by_hand(address) : workers[0].counts.listener;
    return worker->counts.listener < 0 ? worker->counts.listener : 0;
}

static bool is_by_hand(enum loops_way way) {
    return way == LOOPS_BY_HAND || way == LOOPS_EXCLUSIVE;
}

static void *run_worker(void *argument) {
    struct worker *worker = argument;
    int err = is_by_hand(worker->way)
                  ? loops_serve_by_hand(&worker->counts, worker->way == LOOPS_EXCLUSIVE)
                  : eddy_loop_run(worker->loop, EDDY_RUN_DEFAULT);
    fail(worker, err < 0 ? err : -EPIPE);
    return NULL;
}

/* All are open before the first one runs. */
static int start_all(const struct bench_case *it, struct sockaddr_in *address) {
    int err = 0;
    count = it->numbers[0];
    for (unsigned i = 0; i < count && err == 0; i++)
        err = is_by_hand((enum loops_way)it->numbers[2]) ? open_by_hand(&workers[i], it, address)
                                                         : open_worker(&workers[i], it, address);
    for (unsigned i = 0; i < count && err == 0; i++)
        err = -pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]);
    return err;
}

/* --- Measuring --- */

/* The sum, and how much each has served. */
static uint64_t read_served(uint64_t served[LOOPS_MAX]) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < count; i++) {
        served[i] = atomic_load_explicit(&workers[i].counts.served, memory_order_relaxed);
        sum += served[i];
    }
    return sum;
}

static int error_of_all(void) {
    int err = 0;
    for (unsigned i = 0; i < count && err == 0; i++) err = atomic_load(&workers[i].counts.error);
    return err;
}

/* Until something was served, but not for ever. */
static int wait_for(int64_t time_ns) {
    const int64_t patience_ns = 10 * EDDY_NS_PER_S;
    uint64_t served[LOOPS_MAX], before = read_served(served);
    struct timespec nap = {.tv_sec = (time_t)(time_ns / EDDY_NS_PER_S),
                           .tv_nsec = (long)(time_ns % EDDY_NS_PER_S)};
    int64_t give_up_ns = bench_now_ns() + time_ns + patience_ns;
    int err;
    do {
        nanosleep(&nap, NULL);
        err = error_of_all();
    } while (err == 0 && read_served(served) == before && bench_now_ns() < give_up_ns);
    return err;
}

static int measure(const struct bench_case *it, struct bench_load *load,
                   struct bench_sample *sample) {
    uint64_t before[LOOPS_MAX], after[LOOPS_MAX], greatest = 0;
    struct bench_meter meter;
    int err = wait_for(it->time_ns / 10);
    if (err < 0) return err;
    uint64_t sum = read_served(before);
    bench_load_count(load, true);
    bench_start(&meter);
    err = wait_for(it->time_ns);
    bench_stop(&meter, sample);
    bench_load_count(load, false);
    sample->operations = read_served(after) - sum;
    for (unsigned i = 0; i < count; i++)
        if (after[i] - before[i] > greatest) greatest = after[i] - before[i];
    if (sample->operations > 0)
        sample->spread = (double)greatest * count / (double)sample->operations;
    return err;
}

void bench_loops_run(const struct bench_case *it, struct bench_sample *sample) {
    enum {
        EACH = 4
    }; /* a client's next connection may come before the end of its last one is seen */
    struct sockaddr_in address = bench_network_address();
    struct bench_load *load = NULL;
    if (!bench_allow_descriptors(EACH * (it->numbers[0] + it->numbers[1]), sample)) return;
    int err = bench_load_open_many(&load, sample, BENCH_CROWDS);
    if (err == 0) err = start_all(it, &address);
    if (err == 0) err = bench_load_visit(load, ntohs(address.sin_port), it->numbers[1]);
    if (err == 0) err = measure(it, load, sample);
    bench_load_close(load);
    if (err < 0) bench_cannot(sample, "loops", err);
}
