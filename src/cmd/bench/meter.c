/* meter.c: what is measured around a workload: time, CPU, switches, memory, calls. State of the
 * process: whom to tell that a meter runs. */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static _Atomic(bool) *measuring; /* NULL: nobody wants to know */

void bench_tell_measuring(_Atomic(bool) *is_measuring) {
    measuring = is_measuring;
}

int64_t bench_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * EDDY_NS_PER_S + now.tv_nsec;
}

static int64_t ns_of(const struct timeval *time) {
    return (int64_t)time->tv_sec * EDDY_NS_PER_S + (int64_t)time->tv_usec * EDDY_NS_PER_US;
}

static void read_usage(int64_t *cpu_ns, int64_t *switches) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    *cpu_ns = ns_of(&usage.ru_utime) + ns_of(&usage.ru_stime);
    *switches = usage.ru_nvcsw + usage.ru_nivcsw;
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

void bench_start(struct bench_meter *meter) {
    meter->loop = NULL;
    read_usage(&meter->start_cpu_ns, &meter->start_switches);
    bench_counters_read(meter->start_counters);
    if (measuring != NULL) atomic_store(measuring, true);
    meter->start_ns = bench_now_ns();
}

void bench_stop(const struct bench_meter *meter, struct bench_sample *sample) {
    int64_t cpu_ns, switches;
    sample->time_ns = bench_now_ns() - meter->start_ns;
    if (measuring != NULL) atomic_store(measuring, false);
    bench_counters_read(sample->counters);
    for (int i = 0; i < BENCH_COUNTERS; i++)
        if (sample->counters[i] >= 0) sample->counters[i] -= meter->start_counters[i];
    read_usage(&cpu_ns, &switches);
    sample->cpu_ns = cpu_ns - meter->start_cpu_ns;
    sample->switches = switches - meter->start_switches;
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
