/* time.c: timers: many are started at random times, stopped, fired, and pushed away. */
#include "peers.h"

#include <errno.h>
#include <stdlib.h>

enum part { START, STOP, FIRE, PUSH };

static const int64_t push_ns = 60 * EDDY_NS_PER_S;

static int64_t *make_delays(unsigned count, int64_t from_ns, int64_t to_ns) {
    int64_t *delays_ns = malloc(count * sizeof *delays_ns);
    uint64_t random = 1;
    for (unsigned i = 0; i < count && delays_ns != NULL; i++)
        delays_ns[i] = from_ns + (int64_t)(bench_random(&random) % (uint64_t)(to_ns - from_ns));
    return delays_ns;
}

static int start_and_stop(const struct peer *peer, enum part what, const int64_t *delays_ns,
                          unsigned count, struct bench_sample *sample) {
    if (what == START) peers_begin();
    int err = peer->timers_start(delays_ns, count);
    if (what == START) peers_end(sample, count);
    if (what == STOP) peers_begin();
    peer->timers_stop(count);
    if (what == STOP) peers_end(sample, count);
    return err;
}

/* All are due when the turn that counts begins. */
static int fire(const struct peer *peer, const int64_t *delays_ns, unsigned count,
                struct bench_sample *sample) {
    peers_fired = 0;
    int err = peer->turn(); /* reads the clock */
    if (err == 0) err = peer->timers_start(delays_ns, count);
    int64_t until_ns = bench_now_ns() + 12 * EDDY_NS_PER_MS;
    while (bench_now_ns() < until_ns) continue;
    peers_begin();
    if (err == 0) err = peer->turn();
    peers_end(sample, count);
    return err < 0 ? err : peers_fired == count ? 0 : -EIO;
}

/* As an idle timeout at each request. The clock moves on between the rounds. */
static int push(const struct peer *peer, unsigned count, struct bench_sample *sample) {
    int err = peer->turn();
    peers_begin();
    if (err == 0) err = peer->timers_push(push_ns, count);
    peers_end(sample, count);
    return err;
}

static void run(const struct bench_case *it, struct bench_sample *sample, enum part what) {
    const struct peer *peer = peers_of(it);
    unsigned count = it->numbers[0];
    int64_t *delays_ns = what == FIRE ? make_delays(count, EDDY_NS_PER_MS, 10 * EDDY_NS_PER_MS)
                                      : make_delays(count, EDDY_NS_PER_S, 3600 * EDDY_NS_PER_S);
    int err = delays_ns == NULL ? -ENOMEM : peer->open(false);
    if (err == 0) err = peer->timers_make(count);
    while (err == 0 && peers_go_on(it, sample)) {
        if (what == FIRE)
            err = fire(peer, delays_ns, count, sample);
        else if (what == PUSH)
            err = push(peer, count, sample);
        else
            err = start_and_stop(peer, what, delays_ns, count, sample);
    }
    free(delays_ns);
    if (err < 0) bench_cannot(sample, "timers", err);
}

void peers_timer_start_run(const struct bench_case *it, struct bench_sample *sample) {
    run(it, sample, START);
}

void peers_timer_stop_run(const struct bench_case *it, struct bench_sample *sample) {
    run(it, sample, STOP);
}

void peers_timer_fire_run(const struct bench_case *it, struct bench_sample *sample) {
    run(it, sample, FIRE);
}

void peers_timer_push_run(const struct bench_case *it, struct bench_sample *sample) {
    run(it, sample, PUSH);
}
