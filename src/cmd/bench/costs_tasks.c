/* costs_tasks.c: what the kernel's services cost: a system call, pipes, a loopback connection, a
 * thread, a process. Threading: where there is a second thread, it sends back what it gets until
 * its descriptor ends; it goes with the process. */
#include "costs.h"
#include "pin.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 1000, SOME = 100, FEW = 10 };

/* --- System calls --- */

static int call(void *context, unsigned count) {
    (void)context;
    for (unsigned i = 0; i < count; i++) (void)getppid();
    return 0;
}

void costs_call_run(const struct bench_case *it, struct bench_sample *sample) {
    costs_measure(it, sample, call, NULL, MANY, "getppid");
}

/* --- There and back --- */

struct ends {
    int out, in;
};

static int trip(void *context, unsigned count) {
    const struct ends *ends = context;
    char byte = 0;
    for (unsigned i = 0; i < count; i++) {
        if (write(ends->out, &byte, 1) != 1) return errno > 0 ? -errno : -EIO;
        if (read(ends->in, &byte, 1) != 1) return errno > 0 ? -errno : -EIO;
    }
    return 0;
}

/* The thread on the other side. */
struct other {
    struct ends ends;
    enum costs_place place;
};

static int pin(enum costs_place place, bool is_other) {
    if (place == COSTS_ANYWHERE) return 0;
    return bench_pin(place == COSTS_TWO_CORES && is_other ? 1 : 0);
}

/* Its first byte is 0, or the errno of what kept it from its core. */
static void *send_back(void *argument) {
    const struct other *other = argument;
    char byte = (char)-pin(other->place, true);
    bool is_there = write(other->ends.out, &byte, 1) == 1;
    while (is_there && read(other->ends.in, &byte, 1) == 1)
        is_there = write(other->ends.out, &byte, 1) == 1;
    return NULL;
}

/* This thread is kept on its core after the other one has started, which would begin there too. */
static int start_other(struct other *other, const struct ends *here) {
    pthread_t thread;
    char byte;
    int err = -pthread_create(&thread, NULL, send_back, other);
    if (err < 0) return err;
    pthread_detach(thread);
    if (read(here->in, &byte, 1) != 1) return -EIO;
    return byte != 0 ? -byte : pin(other->place, false);
}

static void measure_trips(const struct bench_case *it, struct bench_sample *sample,
                          struct ends *here, struct ends there, const char *what) {
    static struct other other; /* the thread is there as long as the process */
    other.ends = there;
    other.place = it->numbers[1];
    int err = start_other(&other, here);
    if (err < 0)
        bench_cannot(sample, err == -ENODEV ? "it may use one core only" : what, err);
    else
        costs_measure(it, sample, trip, here, SOME, what);
}

void costs_pipe_run(const struct bench_case *it, struct bench_sample *sample) {
    int pipe_ends[2];
    if (pipe(pipe_ends) < 0) {
        bench_cannot(sample, "pipe", -errno);
        return;
    }
    struct ends ends = {.out = pipe_ends[1], .in = pipe_ends[0]};
    costs_measure(it, sample, trip, &ends, MANY, "pipe");
}

void costs_pipe_threads_run(const struct bench_case *it, struct bench_sample *sample) {
    int forth[2], back[2];
    if (pipe(forth) < 0 || pipe(back) < 0) {
        bench_cannot(sample, "pipe", -errno);
        return;
    }
    struct ends here = {.out = forth[1], .in = back[0]}, there = {.out = back[1], .in = forth[0]};
    measure_trips(it, sample, &here, there, "a thread of a pipe");
}

/* Both ends of a loopback connection; returns 0 or a negative errno. */
static int connect_loopback(int ends[2]) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    int on = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || ends[0] < 0) return -errno;
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0 ||
        connect(ends[0], (struct sockaddr *)&address, length) < 0)
        return -errno;
    ends[1] = accept(listener, NULL, NULL);
    if (ends[1] < 0) return -errno;
    close(listener);
    for (int i = 0; i < 2; i++)
        if (setsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) return -errno;
    return 0;
}

void costs_tcp_run(const struct bench_case *it, struct bench_sample *sample) {
    int ends[2] = {-1, -1};
    int err = connect_loopback(ends);
    if (err < 0) {
        bench_cannot(sample, "a loopback connection", err);
        return;
    }
    struct ends here = {ends[0], ends[0]}, there = {ends[1], ends[1]};
    measure_trips(it, sample, &here, there, "a thread of a connection");
}

/* --- Threads and processes --- */

static void *do_nothing(void *argument) {
    return argument;
}

static int make_threads(void *context, unsigned count) {
    (void)context;
    for (unsigned i = 0; i < count; i++) {
        pthread_t thread;
        int err = pthread_create(&thread, NULL, do_nothing, NULL);
        if (err == 0) err = pthread_join(thread, NULL);
        if (err != 0) return -err;
    }
    return 0;
}

void costs_thread_run(const struct bench_case *it, struct bench_sample *sample) {
    costs_measure(it, sample, make_threads, NULL, FEW, "a thread");
}

static int make_processes(void *context, unsigned count) {
    (void)context;
    for (unsigned i = 0; i < count; i++) {
        pid_t child = fork();
        if (child == 0) _exit(0);
        if (child < 0) return -errno;
        while (waitpid(child, NULL, 0) < 0)
            if (errno != EINTR) return -errno;
    }
    return 0;
}

void costs_process_run(const struct bench_case *it, struct bench_sample *sample) {
    costs_measure(it, sample, make_processes, NULL, FEW, "a process");
}
