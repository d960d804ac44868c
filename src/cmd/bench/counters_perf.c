/* counters_perf.c: see counters.h; by perf_event_open(). State of the process: its descriptors. */
#include "counters.h"

#include <linux/perf_event.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

static const uint64_t events[BENCH_COUNTERS] = {
    [BENCH_INSTRUCTIONS] = PERF_COUNT_HW_INSTRUCTIONS,
    [BENCH_CYCLES] = PERF_COUNT_HW_CPU_CYCLES,
    [BENCH_CACHE_MISSES] = PERF_COUNT_HW_CACHE_MISSES,
};

static int fds[BENCH_COUNTERS] = {-1, -1, -1};

/* Threads that start later are counted with it; children, the clients among them, are not. */
static int open_counter(uint64_t event, bool counts_kernel) {
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof attributes,
        .config = event,
        .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
        .inherit = 1,
        .inherit_thread = 1,
        .exclude_kernel = !counts_kernel,
        .exclude_hv = 1,
    };
    return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

void bench_counters_open(void) {
    for (int i = 0; i < BENCH_COUNTERS; i++) {
        fds[i] = open_counter(events[i], true);
        if (fds[i] < 0) fds[i] = open_counter(events[i], false);
    }
}

/* One that had to share its register with others was running for a part of the time only. */
static int64_t read_counter(int fd) {
    struct {
        uint64_t value, enabled, running;
    } it;
    if (fd < 0 || read(fd, &it, sizeof it) != sizeof it) return -1;
    return it.running < it.enabled ? -1 : (int64_t)it.value;
}

void bench_counters_read(int64_t counts[BENCH_COUNTERS]) {
    for (int i = 0; i < BENCH_COUNTERS; i++) counts[i] = read_counter(fds[i]);
}
