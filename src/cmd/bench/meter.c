/* meter.c: what is measured around a workload: time, CPU, switches, memory, calls. State of the
 * process: whom to tell that a meter runs, and what a meter finds of itself. */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static _Atomic(bool) *measuring; /* NULL: nobody wants to know */

void bench_tell_measuring(_Atomic(bool) *is_measuring) {
    measuring = is_measuring;
}

static int64_t read_clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * EDDY_NS_PER_S + now.tv_nsec;
}

int64_t bench_now_ns(void) {
    return read_clock_ns(CLOCK_MONOTONIC);
}

static int64_t read_switches(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw + usage.ru_nivcsw;
}

static void read_loop(const eddy_loop *loop, int64_t *calls, int64_t *waits, int64_t *events) {
    eddy_metrics metrics;
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    *calls = bench_loop_calls(loop);
    *waits = (int64_t)metrics.waits;
    *events = (int64_t)metrics.events;
}

void bench_start_loop(struct bench_meter *meter, const eddy_loop *loop) {
    read_loop(loop, &meter->start_calls, &meter->start_waits, &meter->start_events);
    bench_start(meter);
    meter->loop = loop;
}

struct times {
    int64_t ns, cpu_ns;
};

static struct times begin_times(void) {
    struct times times = {.cpu_ns = read_clock_ns(CLOCK_PROCESS_CPUTIME_ID)};
    times.ns = bench_now_ns();
    return times;
}

static struct times end_times(struct times since) {
    int64_t now_ns = bench_now_ns();
    return (struct times){now_ns - since.ns,
                          read_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - since.cpu_ns};
}

/* Of a sample's parts, which may be as short as the stops of ten timers, reading the clocks would
 * be most. What it takes at least is found out once, and taken off. */
static struct times cost_of_reading(void) {
    enum { TRIES = 32 };
    static struct times least = {-1, -1};
    if (least.ns >= 0) return least;
    for (int i = 0; i < TRIES; i++) {
        struct times it = end_times(begin_times());
        if (i == 0 || it.ns < least.ns) least.ns = it.ns;
        if (i == 0 || it.cpu_ns < least.cpu_ns) least.cpu_ns = it.cpu_ns;
    }
    return least;
}

/* Nothing is done in no time. */
static int64_t without(int64_t time_ns, int64_t cost_ns) {
    return time_ns > cost_ns ? time_ns - cost_ns : 1;
}

void bench_start(struct bench_meter *meter) {
    meter->loop = NULL;
    (void)cost_of_reading(); /* the first time it takes a while */
    meter->start_switches = read_switches();
    bench_counters_read(meter->start_counters);
    if (measuring != NULL) atomic_store(measuring, true);
    struct times times = begin_times();
    meter->start_ns = times.ns;
    meter->start_cpu_ns = times.cpu_ns;
}

void bench_stop(const struct bench_meter *meter, struct bench_sample *sample) {
    struct times times = end_times((struct times){meter->start_ns, meter->start_cpu_ns});
    struct times cost = cost_of_reading();
    sample->time_ns = without(times.ns, cost.ns);
    sample->cpu_ns = without(times.cpu_ns, cost.cpu_ns);
    if (measuring != NULL) atomic_store(measuring, false);
    bench_counters_read(sample->counters);
    for (int i = 0; i < BENCH_COUNTERS; i++)
        if (sample->counters[i] >= 0) sample->counters[i] -= meter->start_counters[i];
    sample->switches = read_switches() - meter->start_switches;
    if (meter->loop == NULL) return;
    read_loop(meter->loop, &sample->calls, &sample->waits, &sample->events);
    sample->calls -= meter->start_calls;
    sample->waits -= meter->start_waits;
    sample->events -= meter->start_events;
}

int64_t bench_memory_bytes(void) {
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    if (file == NULL) return -1;
    char line[128];
    long long sum = 0, kib;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Private_Clean: %lld", &kib) == 1 ||
            sscanf(line, "Private_Dirty: %lld", &kib) == 1)
            sum += kib;
    fclose(file);
    return sum * 1024;
}

/* The figure behind `name` in a process's smaps_rollup; 0 when it has ended meanwhile. */
static int64_t read_memory(const char *process, const char *name) {
    char path[64], line[128];
    long long kib = 0;
    snprintf(path, sizeof path, "/proc/%.16s/smaps_rollup", process);
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0 &&
            sscanf(strchr(line, ':'), ": %lld", &kib) == 1)
            break;
    fclose(file);
    return kib * 1024;
}

/* Whose child it is and how many threads it has; false: it has ended. The name in /proc/PID/stat
 * stands in brackets and may hold anything. */
static bool read_stat(const char *process, int *parent, int *threads) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%.16s/stat", process);
    FILE *file = fopen(path, "r");
    if (file == NULL) return false;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *behind = strrchr(text, ')');
    return behind != NULL && sscanf(behind,
                                    ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
                                    "%*d %*d %d",
                                    parent, threads) == 2;
}

static void add_process(struct bench_family *family, const char *process, int threads) {
    int64_t bytes = read_memory(process, "Pss:");
    family->memory_bytes += bytes;
    family->processes += bytes > 0;
    family->threads += bytes > 0 ? threads : 0;
}

int64_t bench_huge_bytes(void) {
    return read_memory("self", "AnonHugePages:");
}

void bench_read_family(pid_t parent, struct bench_family *family) {
    char name[16];
    int of, threads;
    snprintf(name, sizeof name, "%d", (int)parent);
    *family = (struct bench_family){0};
    if (read_stat(name, &of, &threads)) add_process(family, name, threads);
    DIR *directory = family->processes > 0 ? opendir("/proc") : NULL;
    if (directory == NULL) {
        family->memory_bytes = -1;
        return;
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' &&
            read_stat(entry->d_name, &of, &threads) && of == parent)
            add_process(family, entry->d_name, threads);
    closedir(directory);
}

int64_t bench_kernel_memory_bytes(void) {
    static const char *const names[] = {"Slab:", "PageTables:", "KernelStack:", "Percpu:"};
    FILE *file = fopen("/proc/meminfo", "r");
    if (file == NULL) return -1;
    char line[128];
    long long sum = 0, kib;
    while (fgets(line, sizeof line, file) != NULL)
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (strncmp(line, names[i], strlen(names[i])) == 0 &&
                sscanf(strchr(line, ':'), ": %lld", &kib) == 1)
                sum += kib;
    fclose(file);
    return sum * 1024;
}

int64_t bench_socket_memory_bytes(void) {
    FILE *file = fopen("/proc/net/sockstat", "r");
    if (file == NULL) return -1;
    char line[128];
    long long pages = -1;
    while (fgets(line, sizeof line, file) != NULL) {
        const char *at = strstr(line, " mem ");
        if (strncmp(line, "TCP:", 4) == 0 && at != NULL) sscanf(at, " mem %lld", &pages);
    }
    fclose(file);
    return pages < 0 ? -1 : pages * sysconf(_SC_PAGESIZE);
}

/* A backend without a descriptor keeps nothing in the kernel: it asks once whether it can watch
 * what is added, and changes memory from then on. */
int64_t bench_loop_calls(const eddy_loop *loop) {
    eddy_metrics metrics;
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    unsigned able = eddy_loop_backend(loop)->capabilities;
    uint64_t calls = metrics.waits + metrics.backend_adds + metrics.wake_reads + metrics.reads +
                     metrics.writes + metrics.accepts + metrics.file_attempts;
    if (able & EDDY_CAN_NEST) calls += metrics.backend_removes;
    if ((able & EDDY_CAN_NEST) && !(able & EDDY_CAN_BATCH)) calls += metrics.backend_modifies;
    return (int64_t)calls;
}

bool bench_allow_descriptors(unsigned needed, struct bench_sample *sample) {
    struct rlimit limit;
    needed += 32; /* what a loop and the standard streams take */
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < needed) {
        rlim_t most = limit.rlim_max;
        limit.rlim_cur = needed;
        if (most < needed) limit.rlim_max = needed; /* root may */
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
            limit.rlim_cur = limit.rlim_max = most;
            setrlimit(RLIMIT_NOFILE, &limit);
        }
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= needed) return true;
    sample->error = -EMFILE;
    snprintf(sample->why, sizeof sample->why, "%u descriptors are allowed, %u are needed",
             (unsigned)limit.rlim_cur, needed);
    return false;
}
