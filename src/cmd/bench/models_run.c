/* models_run.c: a sample of a model: starts the server and the load, looks at the memory while all
 * connections are open, tells both when to measure, and ends them.
 * The messages are letters. The server says r (it listens), k (done) and x (it failed); it is told
 * m (begin to measure) and e (enough). The load says r, w (all have been served), t (how it goes),
 * d (measured) and x; it is told c (connect) and m. The end of the socket means: end. */
#include "models.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- What the processes of a sample use --- */

void models_note(struct models_shared *shared, const char *what, int error) {
    if (atomic_exchange(&shared->is_failing, 1) != 0) return;
    snprintf(shared->why, sizeof shared->why, "%s", what);
    atomic_store(&shared->error, error);
}

/* The control thread of the server ends the process. */
void models_fail(struct models_job *job, const char *what, int error) {
    models_note(job->shared, what, error);
    (void)!write(job->control_fd, "x", 1);
    for (;;) pause();
}

void *models_memory(struct models_job *job, size_t bytes) {
    void *memory = calloc(1, bytes);
    if (memory == NULL) models_fail(job, "calloc", -ENOMEM);
    return memory;
}

void models_ready(struct models_job *job, unsigned port) {
    job->shared->port = port;
    if (write(job->control_fd, "r", 1) != 1) models_fail(job, "control", -errno);
}

void models_burn(uint64_t steps) {
    uint64_t mixed = steps;
    for (; steps > 0; steps--) mixed = (mixed ^ (mixed >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
    volatile uint64_t sink = mixed; /* a result that nobody wants would not be computed */
    (void)sink;
}

static unsigned us_of(const struct timeval *time) {
    return (unsigned)time->tv_sec * 1000000 + (unsigned)time->tv_usec;
}

void models_read_usage(int who, struct models_usage *usage) {
    struct rusage it;
    getrusage(who, &it);
    usage->cpu_us = us_of(&it.ru_utime) + us_of(&it.ru_stime);
    usage->switches = (unsigned)it.ru_nvcsw + (unsigned)it.ru_nivcsw;
}

/* --- The server's process --- */

/* What the server has used itself, and what it took to end its children: those tell the rest. */
static void read_server_usage(const struct models_shared *shared, struct models_usage *usage) {
    struct models_usage children;
    models_read_usage(RUSAGE_SELF, usage);
    models_read_usage(RUSAGE_CHILDREN, &children);
    usage->cpu_us += children.cpu_us - atomic_load(&shared->life_cpu_us);
    usage->switches += children.switches - atomic_load(&shared->life_switches);
}

/* Answers the process that measures, and when that is gone, ends this one after its children, whose
 * connections the load has closed by then. */
static void *control(void *argument) {
    struct models_job *job = argument;
    struct models_shared *shared = job->shared;
    struct models_usage before = {0, 0}, after;
    char letter;
    ssize_t got;
    while ((got = read(job->control_fd, &letter, 1)) == 1 || (got < 0 && errno == EINTR)) {
        if (got < 0) continue;
        if (letter == 'm') {
            read_server_usage(shared, &before);
        } else {
            read_server_usage(shared, &after);
            shared->usage.cpu_us = after.cpu_us - before.cpu_us;
            shared->usage.switches = after.switches - before.switches;
        }
        if (write(job->control_fd, "k", 1) != 1) break;
    }
    atomic_store(&shared->phase, MODELS_ENDING);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) continue;
    _exit(0);
}

static void run_server(struct models_job *job) {
    pthread_t thread;
    int err = pthread_create(&thread, NULL, control, job);
    if (err != 0) _exit(1);
    job->model->serve(job);
}

/* --- The process that measures --- */

struct process {
    pid_t pid;    /* 0: none */
    int fd;       /* to talk to it */
    pid_t runner; /* wants to know what is measured; without it nobody does */
};

/* `other_fd`, if not -1, is the end of a socket that the new process must not hold open. */
static bool start(struct process *process, struct models_job *job, void (*run)(struct models_job *),
                  int other_fd) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) {
        models_note(job->shared, "socketpair", -errno);
        return false;
    }
    process->pid = fork();
    if (process->pid == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(MODELS_LIFE_S);
        close(ends[0]);
        if (other_fd >= 0) close(other_fd);
        job->control_fd = ends[1];
        run(job);
        _exit(0);
    }
    close(ends[1]);
    process->fd = ends[0];
    if (process->pid > 0) return true;
    models_note(job->shared, "fork", -errno);
    close(process->fd);
    process->pid = 0;
    return false;
}

/* Waits for a letter; '\0' if no further one comes. */
static char hear(const struct process *process) {
    enum { LOOK_MS = 100 };
    struct pollfd ready = {process->fd, POLLIN, 0};
    char letter = 0;
    while (getppid() == process->runner) {
        if (poll(&ready, 1, LOOK_MS) != 1) continue;
        return read(process->fd, &letter, 1) == 1 ? letter : '\0';
    }
    return '\0';
}

static bool hears(const struct process *process, char wanted) {
    return hear(process) == wanted;
}

static bool tells(const struct process *process, char letter) {
    return write(process->fd, &letter, 1) == 1;
}

static void end(struct process *process) {
    if (process->pid == 0) return;
    close(process->fd);
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR) continue;
}

/* What was found, when to look again: looking takes its time where there are many processes, and
 * theirs as well, so it is done for a twentieth of the time at most. */
struct view {
    struct bench_family family;
    int64_t next_ns;
};

static void look(struct view *view, const struct process *server) {
    enum { REST = 20 };
    int64_t since_ns = bench_now_ns();
    if (since_ns < view->next_ns) return;
    bench_read_family(server->pid, &view->family);
    int64_t now_ns = bench_now_ns();
    view->next_ns = now_ns + REST * (now_ns - since_ns);
}

/* --live: a line of JSON. One thread of the server is there for the measurement. */
static void tell_live(const struct models_job *job, const struct bench_family *family,
                      int64_t after_ns) {
    const struct models_live *live = &job->shared->live;
    double seconds = (double)atomic_load(&live->time_ns) / (double)EDDY_NS_PER_S;
    printf("{\"model\": \"%s\", \"after_ms\": %lld, \"answers_a_second\": %.0f, "
           "\"p50_ns\": %lld, \"p99_ns\": %lld, \"served\": %u, \"memory_bytes\": %lld, "
           "\"processes\": %d, \"threads\": %d}\n",
           job->model->name, (long long)(after_ns / EDDY_NS_PER_MS),
           seconds > 0 ? (double)atomic_load(&live->answers) / seconds : 0,
           (long long)atomic_load(&live->p50_ns), (long long)atomic_load(&live->p99_ns),
           atomic_load(&live->served), (long long)family->memory_bytes, family->processes,
           family->threads - 1);
    fflush(stdout);
}

/* Of what is told faster than it is written only the last is. */
static bool watch_load(const struct models_job *job, const struct process *server,
                       const struct process *load, struct view *view) {
    int64_t told_ns = 0;
    char letter;
    while ((letter = hear(load)) == 't') {
        int64_t after_ns = atomic_load(&job->shared->live.after_ns);
        if (after_ns != told_ns) tell_live(job, &view->family, after_ns);
        told_ns = after_ns;
        look(view, server);
    }
    return letter == 'd';
}

/* Returns whether all went well. The memory is looked at while the clients are connected and all is
 * quiet: looking takes its time where there are thousands of processes. Before, the load must be
 * there: the share of a page goes down with every process that has it. */
static bool measure(struct models_job *job, struct process *server, struct process *load) {
    if (!start(server, job, run_server, -1) || !hears(server, 'r')) return false;
    if (!start(load, job, models_load, server->fd) || !hears(load, 'r')) return false;
    struct view view = {.next_ns = 0};
    look(&view, server);
    job->sample->before_bytes = view.family.memory_bytes;
    int64_t kernel_bytes = bench_kernel_memory_bytes();
    if (!tells(load, 'c') || !hears(load, 'w')) return false;
    if (kernel_bytes >= 0) job->sample->kernel_bytes = bench_kernel_memory_bytes() - kernel_bytes;
    view.next_ns = 0;
    look(&view, server);
    job->sample->memory_bytes = view.family.memory_bytes;
    if (!tells(server, 'm') || !hears(server, 'k')) return false;
    if (!tells(load, 'm') || !watch_load(job, server, load, &view)) return false;
    return tells(server, 'e') && hears(server, 'k');
}

void models_run(const struct bench_case *it, struct bench_sample *sample) {
    const struct models_subject *subject = it->extra;
    struct models_job job = {
        .sample = sample,
        .model = subject->model,
        .settings = subject->settings,
        .connections = (unsigned)it->size,
        .time_ns = it->time_ns,
    };
    unsigned at_once =
        job.model->at_once == MODELS_THREADS ? job.settings.threads : job.model->at_once;
    job.at_once = at_once < job.connections ? at_once : job.connections;
    if (!bench_allow_descriptors(job.connections + 2 * MODELS_SPARE, sample)) return;
    job.shared =
        mmap(NULL, sizeof *job.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (job.shared == MAP_FAILED) {
        bench_cannot(sample, "mmap", -errno);
        return;
    }
    struct process server = {0, -1, it->runner}, load = server;
    if (job.settings.live_ms > 0) {
        printf("{\"model\": \"%s\", \"begins\": true}\n", job.model->name);
        fflush(stdout);
    }
    bool is_well = measure(&job, &server, &load);
    end(&load); /* first: with it go the connections that the server's children wait on */
    end(&server);
    struct models_shared *shared = job.shared;
    int error = atomic_load(&shared->error);
    if (error != 0 || !is_well) {
        bench_cannot(sample, error != 0 ? shared->why : "a process ended",
                     error != 0 ? error : -EIO);
        return;
    }
    unsigned cpu_us = shared->usage.cpu_us + atomic_load(&shared->window_cpu_us);
    unsigned switches = shared->usage.switches + atomic_load(&shared->window_switches);
    sample->cpu_ns = cpu_us * EDDY_NS_PER_US;
    sample->switches = switches;
}
