/* service.c: see service.h. A timer of the loop ends the run: one more for the heap, and a timeout
 * for the wait, beside what the workload itself asks for. */
#include "service.h"

static const int64_t patience_ns = 10 * EDDY_NS_PER_S; /* to see something done */

struct watch {
    eddy_timer timer;
    struct bench_service *service;
    const struct bench_sample *sample;
    int64_t time_ns, give_up_ns;
    uint64_t before;
};

void bench_service_fail(struct bench_service *service, int error) {
    service->error = error;
    eddy_loop_stop(service->loop);
}

static void on_over(eddy_timer *timer) {
    struct watch *watch = eddy_container_of(timer, struct watch, timer);
    struct bench_service *service = watch->service;
    bool is_served = service->operations > watch->before;
    if (is_served || watch->sample->error != 0 || bench_now_ns() > watch->give_up_ns)
        eddy_loop_stop(service->loop);
    else
        service->error = eddy_timer_start(timer, on_over, watch->time_ns, 0);
}

static int run_for(struct bench_service *service, int64_t time_ns,
                   const struct bench_sample *sample) {
    struct watch watch = {.service = service,
                          .sample = sample,
                          .time_ns = time_ns > EDDY_NS_PER_MS ? time_ns : EDDY_NS_PER_MS,
                          .give_up_ns = bench_now_ns() + time_ns + patience_ns,
                          .before = service->operations};
    eddy_timer_init(&watch.timer, service->loop);
    eddy_loop_update_now(service->loop);
    int err = eddy_timer_start(&watch.timer, on_over, watch.time_ns, 0);
    if (err == 0) err = eddy_loop_run(service->loop, EDDY_RUN_DEFAULT);
    eddy_timer_stop(&watch.timer);
    return err < 0 ? err : service->error;
}

int bench_service_measure(struct bench_service *service, struct bench_load *load,
                          const struct bench_case *it, struct bench_sample *sample) {
    struct bench_meter meter;
    int err = run_for(service, it->time_ns / 10, sample);
    if (err < 0) return err;
    bench_load_count(load, true);
    uint64_t operations = service->operations;
    int64_t calls = service->calls, due = service->due;
    bench_start_loop(&meter, service->loop);
    err = run_for(service, it->time_ns, sample);
    bench_stop(&meter, sample);
    bench_load_count(load, false);
    sample->operations = service->operations - operations;
    sample->calls += service->calls - calls;
    if (service->due > 0) sample->due = service->due - due;
    return err;
}
