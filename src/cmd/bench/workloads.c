/* workloads.c: the workloads of `eddy bench backends` and their sizes. A workload is a line in
 * bench_workloads and a function in workloads.h. */
#include "workloads.h"

#include "quantity.h"

#include <string.h>

static void set_ring(struct bench_case *it, unsigned size) {
    unsigned active = size < 100 ? size : 100;
    snprintf(it->setting, sizeof it->setting, "%u pairs, %u active", size, active);
    it->numbers[0] = size;
    it->numbers[1] = active;
    it->numbers[2] = size < 1000 ? 1000 : size;
}

static void set_echo(struct bench_case *it, unsigned size) {
    it->kind = BENCH_CLIENTS;
    snprintf(it->setting, sizeof it->setting, "%u connections, all active", size);
    it->numbers[0] = it->numbers[1] = size;
}

static void set_edge(struct bench_case *it, unsigned size) {
    set_echo(it, size);
    it->numbers[2] = EDDY_EDGE;
}

static void set_one_shot(struct bench_case *it, unsigned size) {
    set_echo(it, size);
    it->numbers[2] = EDDY_ONESHOT;
}

static void set_message(struct bench_case *it, unsigned size) {
    it->kind = BENCH_CLIENTS;
    if (size % 1024 == 0)
        snprintf(it->setting, sizeof it->setting, "messages of %u KiB, 10 connections",
                 size / 1024);
    else
        snprintf(it->setting, sizeof it->setting, "messages of %u B, 10 connections", size);
    it->numbers[0] = size;
}

static void set_idle(struct bench_case *it, unsigned size) {
    it->kind = BENCH_CLIENTS;
    unsigned active = size < 10 ? size : 10;
    snprintf(it->setting, sizeof it->setting, "%u connections, %u active", size, active);
    it->numbers[0] = it->memory_items = size;
    it->numbers[1] = active;
}

static void set_accept(struct bench_case *it, unsigned size) {
    it->kind = BENCH_CLIENTS;
    snprintf(it->setting, sizeof it->setting, "%u connections at a time", size);
    it->numbers[0] = size;
}

static void set_fan_in(struct bench_case *it, unsigned size) {
    it->kind = BENCH_CLIENTS;
    snprintf(it->setting, sizeof it->setting, "from %u connections to one", size);
    it->numbers[0] = size;
}

static void set_fan_out(struct bench_case *it, unsigned size) {
    it->kind = BENCH_CLIENTS;
    snprintf(it->setting, sizeof it->setting, "each to %u connections", size);
    it->numbers[0] = size;
}

static void set_slow(struct bench_case *it, unsigned size) {
    it->kind = BENCH_CLIENTS;
    snprintf(it->setting, sizeof it->setting, "4 KiB each to 100, of whom %u read little", size);
    it->numbers[1] = size;
}

static void set_churn(struct bench_case *it, unsigned size) {
    snprintf(it->setting, sizeof it->setting, "%u descriptors that are silent", size);
    it->numbers[0] = size;
}

static void set_timers(struct bench_case *it, unsigned size) {
    snprintf(it->setting, sizeof it->setting, "%u timers", size);
    it->numbers[0] = size;
}

static void set_threads(struct bench_case *it, unsigned size) {
    (void)size;
    snprintf(it->setting, sizeof it->setting, "between threads");
}

static void set_senders(struct bench_case *it, unsigned size) {
    snprintf(it->setting, sizeof it->setting, "from %u thread%s at once", size,
             size == 1 ? "" : "s");
    it->numbers[0] = size;
}

static void set_depth(struct bench_case *it, unsigned size) {
    snprintf(it->setting, sizeof it->setting, "%u at a time, 4 threads", size);
    it->numbers[0] = size;
}

const struct bench_workload bench_workloads[] = {
    {"ring",
     "bytes that go round many socket pairs",
     "event",
     bench_ring_run,
     {1, 10, 100, 1000, 5000}, /* two descriptors each */
     set_ring},
    {"echo",
     "messages that come back, TCP, by streams",
     "message",
     bench_echo_run,
     {1, 10, 100, 1000, 10000},
     set_echo},
    {"echo-io",
     "the same, by watchers alone",
     "message",
     bench_echo_io_run,
     {10, 100, 1000, 10000},
     set_echo},
    {"echo-edge",
     "the same, told by edges, and read until there is no more",
     "message",
     bench_echo_io_run,
     {10, 1000},
     set_edge},
    {"echo-one-shot",
     "the same, told once, and asked for anew each time",
     "message",
     bench_echo_io_run,
     {10, 1000},
     set_one_shot},
    {"echo-size",
     "messages of several sizes, by streams; --size is in bytes",
     "message",
     bench_echo_size_run,
     {1, 1024, 65536, 1048576},
     set_message},
    {"accept",
     "short connections: a byte each way",
     "visit",
     bench_accept_run,
     {1, 10, 100, 1000},
     set_accept},
    {"idle",
     "few active ones of many connections",
     "message",
     bench_echo_run,
     {10, 100, 1000, 10000},
     set_idle},
    {"fan-in",
     "messages of many connections that all go to one",
     "message",
     bench_fan_in_run,
     {10, 100, 1000},
     set_fan_in},
    {"fan-out",
     "messages of one connection, of which all get a copy",
     "copy",
     bench_fan_out_run,
     {10, 100, 1000},
     set_fan_out},
    {"slow-readers",
     "the same to 100, of whom --size read little, and miss some; latencies of the others",
     "copy",
     bench_slow_readers_run,
     {1, 10, 50},
     set_slow},
    {"churn-start",
     "start a watcher and stop it",
     "pair",
     bench_churn_start_run,
     {10, 100, 1000, 10000},
     set_churn},
    {"churn-change",
     "change of interest, and a turn",
     "change",
     bench_churn_change_run,
     {10, 100, 1000, 10000},
     set_churn},
    {"timer-start",
     "start a timer among many",
     "start",
     bench_timer_start_run,
     {1000, 1000000},
     set_timers},
    {"timer-stop", "stop one", "stop", bench_timer_stop_run, {1000, 1000000}, set_timers},
    {"timer-fire", "fire all, in order", "call", bench_timer_fire_run, {1000, 1000000}, set_timers},
    {"timer-push",
     "push idle timeouts away, again and again",
     "push",
     bench_timer_push_run,
     {1000, 100000},
     set_timers},
    {"wake-send",
     "wake a loop from threads that do nothing else",
     "send",
     bench_wake_send_run,
     {1, 2, 4},
     set_senders},
    {"wake-trip", "from thread to thread and back", "trip", bench_wake_trip_run, {1}, set_threads},
    {"pool", "empty jobs", "job", bench_pool_run, {1, 64, 10000}, set_depth},
    {"file-pool",
     "4 KiB reads of cached files, by threads",
     "read",
     bench_file_pool_run,
     {1, 64},
     set_depth},
    {"file-attempt",
     "the same, tried without a thread first",
     "read",
     bench_file_attempt_run,
     {1, 64},
     set_depth},
};

const size_t bench_workload_count = sizeof bench_workloads / sizeof bench_workloads[0];

void bench_workload_make(struct bench_case *it, const struct bench_workload *workload,
                         const char *backend, unsigned size) {
    *it = (struct bench_case){
        .workload = workload->name,
        .subject = backend,
        .operation = workload->operation,
        .size = size,
        .run = workload->run,
    };
    workload->set(it, size);
    (void)text_of_one(it->setting);
}

const struct bench_workload *bench_workload_find(const char *name) {
    for (size_t i = 0; i < bench_workload_count; i++)
        if (strcmp(bench_workloads[i].name, name) == 0) return &bench_workloads[i];
    return NULL;
}

bool bench_workload_has_rates(const struct bench_workload *workload) {
    return workload->run == bench_echo_run || workload->run == bench_echo_io_run;
}
