/* models_blocking.c: the models whose processes or threads wait themselves: one at a time, fork per
 * connection, thread per connection, thread pool. All serve a connection in the same way; they
 * differ in which process or thread does it.
 * Threading: threads share the job, which they only read, and the count of them under its lock. */
#include "models.h"
#include "network.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What a forked child has used while the load measured. Others do without. */
struct account {
    struct models_shared *shared;
    struct models_usage begin;
    bool is_begun, is_ended;
};

/* --- A connection --- */

/* Tells what was used since the beginning. */
static void settle(struct account *account, const struct models_usage *now) {
    if (account->is_begun && !account->is_ended) {
        atomic_fetch_add(&account->shared->window_cpu_us, now->cpu_us - account->begin.cpu_us);
        atomic_fetch_add(&account->shared->window_switches,
                         now->switches - account->begin.switches);
    }
    account->is_ended = true;
}

/* Called now and then: the edges of the measured time are not far from a call. */
static void look(struct account *account) {
    if (account == NULL || account->is_ended) return;
    int phase = atomic_load(&account->shared->phase);
    if (phase == MODELS_WARMING || (phase == MODELS_MEASURING && account->is_begun)) return;
    struct models_usage now;
    models_read_usage(RUSAGE_SELF, &now);
    if (phase == MODELS_MEASURING) {
        account->begin = now;
        account->is_begun = true;
    } else {
        settle(account, &now);
    }
}

/* False at the end, also when the client has reset the connection. */
static bool read_whole(int fd, char *data, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t got = read(fd, data + done, size - done);
        if (got == 0 || (got < 0 && errno != EINTR)) return false;
        if (got > 0) done += (size_t)got;
    }
    return true;
}

static bool write_whole(int fd, const char *data, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t written = write(fd, data + done, size - done);
        if (written < 0 && errno != EINTR) return false;
        if (written > 0) done += (size_t)written;
    }
    return true;
}

static void wait_as_asked(const char *request) {
    models_wait us;
    memcpy(&us, request, sizeof us);
    struct timespec left = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};
    while (us > 0 && nanosleep(&left, &left) < 0 && errno == EINTR) continue;
}

static void serve_connection(const struct models_job *job, int fd, struct account *account) {
    char message[MODELS_MESSAGE_BYTES];
    while (read_whole(fd, message, sizeof message)) {
        look(account);
        wait_as_asked(message);
        look(account);
        models_burn(job->settings.burn_steps);
        if (!write_whole(fd, message, sizeof message)) break;
    }
    close(fd);
}

/* --- Listening --- */

static int open_listener(struct models_job *job) {
    struct sockaddr_in address = bench_network_address();
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(fd, MODELS_BACKLOG) < 0 || getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        models_fail(job, "listen", -errno);
    models_ready(job, ntohs(address.sin_port));
    return fd;
}

static int accept_one(struct models_job *job, int listener) {
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0) return fd;
        if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO)
            models_fail(job, "accept", -errno);
    }
}

/* --- One at a time --- */

void models_serve_one(struct models_job *job) {
    int listener = open_listener(job);
    for (;;) serve_connection(job, accept_one(job, listener), NULL);
}

/* --- Fork per connection --- */

static void run_child(struct models_job *job, int fd) {
    struct models_shared *shared = job->shared;
    struct models_usage all;
    /* Born while the load measures, it counts from the beginning. */
    struct account account = {.shared = shared,
                              .is_begun = atomic_load(&shared->phase) == MODELS_MEASURING};
    alarm(MODELS_LIFE_S); /* a child has none by itself */
    close(job->control_fd);
    serve_connection(job, fd, &account);
    models_read_usage(RUSAGE_SELF, &all);
    settle(&account, &all);
    atomic_fetch_add(&shared->life_cpu_us, all.cpu_us);
    atomic_fetch_add(&shared->life_switches, all.switches);
    _exit(0);
}

/* Reaps the children that have ended; if there are as many as may be, waits for one. */
static unsigned reap(unsigned alive, unsigned limit) {
    while (alive > 0 && waitpid(-1, NULL, alive >= limit ? 0 : WNOHANG) > 0) alive--;
    return alive;
}

void models_serve_fork(struct models_job *job) {
    int listener = open_listener(job);
    unsigned alive = 0;
    for (;;) {
        int fd = accept_one(job, listener);
        if (atomic_load(&job->shared->phase) == MODELS_ENDING) {
            close(fd);
            continue;
        }
        alive = reap(alive, job->connections + MODELS_SPARE);
        pid_t child = fork();
        if (child == 0) {
            close(listener);
            run_child(job, fd);
        }
        if (child < 0) {
            int err = -errno;
            char what[64];
            snprintf(what, sizeof what, "fork, with %u processes", alive);
            models_fail(job, what, err);
        }
        close(fd);
        alive++;
    }
}

/* --- Thread per connection --- */

struct crowd {
    struct models_job *job;
    pthread_mutex_t lock;
    pthread_cond_t has_left;
    unsigned alive; /* lock */
};

struct visit {
    struct crowd *crowd;
    int fd;
};

static void *serve_visit(void *argument) {
    struct visit visit = *(struct visit *)argument;
    free(argument);
    serve_connection(visit.crowd->job, visit.fd, NULL);
    pthread_mutex_lock(&visit.crowd->lock);
    visit.crowd->alive--;
    pthread_cond_signal(&visit.crowd->has_left);
    pthread_mutex_unlock(&visit.crowd->lock);
    return NULL;
}

/* Waits while there are as many threads as may be; returns how many there are. */
static unsigned enter(struct crowd *crowd, unsigned limit) {
    pthread_mutex_lock(&crowd->lock);
    while (crowd->alive >= limit) pthread_cond_wait(&crowd->has_left, &crowd->lock);
    unsigned alive = crowd->alive++;
    pthread_mutex_unlock(&crowd->lock);
    return alive;
}

/* What a stack takes of memory is what was touched of it; the size is only reserved. */
static void set_up(pthread_attr_t *attributes) {
    enum { STACK_BYTES = 256 * 1024 };
    pthread_attr_init(attributes);
    pthread_attr_setdetachstate(attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(attributes, STACK_BYTES);
}

void models_serve_thread(struct models_job *job) {
    struct crowd crowd = {
        .job = job, .lock = PTHREAD_MUTEX_INITIALIZER, .has_left = PTHREAD_COND_INITIALIZER};
    pthread_attr_t attributes;
    pthread_t thread;
    set_up(&attributes);
    int listener = open_listener(job);
    for (;;) {
        int fd = accept_one(job, listener);
        unsigned alive = enter(&crowd, job->connections + MODELS_SPARE);
        struct visit *visit = models_memory(job, sizeof *visit);
        *visit = (struct visit){&crowd, fd};
        int err = pthread_create(&thread, &attributes, serve_visit, visit);
        if (err != 0) {
            char what[64];
            snprintf(what, sizeof what, "a thread, with %u threads", alive);
            models_fail(job, what, -err);
        }
    }
}

/* --- Thread pool --- */

struct pool {
    struct models_job *job;
    int listener;
};

/* The queue of connections is the kernel's: each thread takes the next one from there. */
static void *serve_always(void *argument) {
    struct pool *pool = argument;
    for (;;) serve_connection(pool->job, accept_one(pool->job, pool->listener), NULL);
    return NULL;
}

void models_serve_pool(struct models_job *job) {
    struct pool pool = {job, open_listener(job)};
    pthread_attr_t attributes;
    pthread_t thread;
    set_up(&attributes);
    for (unsigned i = 1; i < job->settings.threads; i++) {
        int err = pthread_create(&thread, &attributes, serve_always, &pool);
        if (err != 0) models_fail(job, "a thread of the pool", -err);
    }
    serve_always(&pool);
}
