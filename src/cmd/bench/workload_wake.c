/* workload_wake.c: what it costs to wake a loop from other threads: one way, from some that do
 * nothing else; and there and back between two loops. */
#include "bench.h"
#include "workloads.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

enum { SENDS = 64, SENDERS_MAX = 64, LINE_BYTES = 128, TRIPS = 1000 };

/* --- One way --- */

struct receiver {
    eddy_loop *loop;
    eddy_wake wake;
    eddy_timer timer;
    _Atomic(bool) is_over;
};

/* Two of them share no line of the cache, in which their counts would cost them more than the
 * sends.
 */
struct sender {
    pthread_t thread;
    struct receiver *receiver;
    _Atomic(uint64_t) sends; /* written by the sender alone */
    char rest[LINE_BYTES];
};

static void on_wake(eddy_wake *wake) {
    (void)wake;
}

static void on_time(eddy_timer *timer) {
    eddy_loop_stop(eddy_container_of(timer, struct receiver, timer)->loop);
}

static void *keep_sending(void *argument) {
    struct sender *sender = argument;
    struct receiver *receiver = sender->receiver;
    uint64_t sends = 0;
    while (!atomic_load_explicit(&receiver->is_over, memory_order_relaxed)) {
        for (int i = 0; i < SENDS; i++) eddy_wake_send(&receiver->wake);
        sends += SENDS;
        atomic_store_explicit(&sender->sends, sends, memory_order_relaxed);
    }
    return NULL;
}

static uint64_t count_sends(struct sender *senders, unsigned count) {
    uint64_t sends = 0;
    for (unsigned i = 0; i < count; i++)
        sends += atomic_load_explicit(&senders[i].sends, memory_order_relaxed);
    return sends;
}

static int receive_for(struct receiver *receiver, int64_t time_ns) {
    eddy_timer_init(&receiver->timer, receiver->loop);
    eddy_loop_update_now(receiver->loop);
    int err = eddy_timer_start(&receiver->timer, on_time, time_ns, 0);
    return err < 0 ? err : eddy_loop_run(receiver->loop, EDDY_RUN_DEFAULT);
}

static int measure_sends(struct receiver *receiver, struct sender *senders, unsigned count,
                         const struct bench_case *it, struct bench_sample *sample) {
    struct bench_meter meter;
    int err = receive_for(receiver, it->time_ns / 10 + 1);
    uint64_t sends = count_sends(senders, count);
    bench_start_loop(&meter, receiver->loop);
    while (err >= 0 && (sample->operations == 0 || bench_now_ns() - meter.start_ns < it->time_ns)) {
        err = receive_for(receiver, it->time_ns);
        sample->operations = count_sends(senders, count) - sends;
    }
    bench_stop(&meter, sample);
    sample->calls = -1; /* the loop does not know how many sends have written to its pipe */
    return err;
}

/* The loop runs, and wakes again and again, as fast as the threads can send. */
void bench_wake_send_run(const struct bench_case *it, struct bench_sample *sample) {
    static struct sender senders[SENDERS_MAX];
    static struct receiver receiver;
    unsigned wanted = it->numbers[0], count = 0;
    if (wanted > SENDERS_MAX) {
        bench_cannot(sample, "more than 64 threads", -ENOTSUP);
        return;
    }
    int err = bench_open_loop(&receiver.loop, it);
    if (err == 0) {
        eddy_wake_init(&receiver.wake, receiver.loop);
        err = eddy_wake_start(&receiver.wake, on_wake);
    }
    while (err == 0 && count < wanted) {
        senders[count].receiver = &receiver;
        err = -pthread_create(&senders[count].thread, NULL, keep_sending, &senders[count]);
        if (err == 0) count++;
    }
    if (err == 0) err = measure_sends(&receiver, senders, count, it, sample);
    atomic_store(&receiver.is_over, true);
    for (unsigned i = 0; i < count; i++) pthread_join(senders[i].thread, NULL);
    if (err < 0) bench_cannot(sample, "wake", err);
}

/* --- There and back --- */

struct side {
    eddy_loop *loop;
    eddy_wake wake;
    struct side *other;
    _Atomic(bool) is_over;
    unsigned left; /* trips of the round under way */
};

static void on_back(eddy_wake *wake) {
    struct side *side = eddy_container_of(wake, struct side, wake);
    if (--side->left == 0)
        eddy_loop_stop(side->loop);
    else
        eddy_wake_send(&side->other->wake);
}

static void on_there(eddy_wake *wake) {
    struct side *side = eddy_container_of(wake, struct side, wake);
    if (atomic_load(&side->is_over))
        eddy_loop_stop(side->loop);
    else
        eddy_wake_send(&side->other->wake);
}

static void *run_there(void *argument) {
    struct side *side = argument;
    (void)eddy_loop_run(side->loop, EDDY_RUN_DEFAULT);
    return NULL;
}

static int open_side(struct side *side, struct side *other, const struct bench_case *it,
                     eddy_wake_fn *fn) {
    side->other = other;
    atomic_init(&side->is_over, false);
    int err = bench_open_loop(&side->loop, it);
    if (err < 0) return err;
    eddy_wake_init(&side->wake, side->loop);
    return eddy_wake_start(&side->wake, fn);
}

void bench_wake_trip_run(const struct bench_case *it, struct bench_sample *sample) {
    struct side here, there;
    pthread_t thread;
    struct bench_meter meter;
    int err = open_side(&here, &there, it, on_back);
    if (err == 0) err = open_side(&there, &here, it, on_there);
    if (err == 0) err = -pthread_create(&thread, NULL, run_there, &there);
    if (err < 0) {
        bench_cannot(sample, "wake", err);
        return;
    }
    int64_t calls = -bench_loop_calls(here.loop);
    bench_start(&meter);
    while (err >= 0 && (sample->operations == 0 || bench_now_ns() - meter.start_ns < it->time_ns)) {
        here.left = TRIPS;
        eddy_wake_send(&there.wake);
        err = eddy_loop_run(here.loop, EDDY_RUN_DEFAULT);
        sample->operations += TRIPS;
    }
    bench_stop(&meter, sample);
    /* Of both sides: a wait and a read each, and a write by the other one. */
    sample->calls = 2 * (calls + bench_loop_calls(here.loop) + (int64_t)sample->operations);
    atomic_store(&there.is_over, true);
    eddy_wake_send(&there.wake);
    pthread_join(thread, NULL);
    if (err < 0) bench_cannot(sample, "wake", err);
}
