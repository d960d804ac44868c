/* time.c: timers: many are started at random times, stopped, fired, and pushed away. What one of
 * these puts off until the turn is measured with it. */
#include "peers.h"

#include <errno.h>
#include <stdlib.h>

enum part { START, STOP, FIRE };

/* A part that counts has TURNS turns; each pushes PUSHES timers first, as a server that reads so
 * many messages in a turn. */
enum { PUSHES = 16, TURNS = 64, PUSHES_ALL = PUSHES * TURNS };

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

/* --- Pushing --- */

struct order {
    bool is_random;
    unsigned count, next;
    uint64_t random;
    unsigned which[PUSHES_ALL];
};

static void choose(struct order *order) {
    for (unsigned i = 0; i < PUSHES_ALL; i++) {
        order->which[i] = order->next;
        order->next = order->is_random ? (unsigned)(bench_random(&order->random) % order->count)
                      : order->next + 1 == order->count ? 0
                                                        : order->next + 1;
    }
}

/* As idle timeouts at each message. The turn that follows does what the pushes have put off. */
static int push(const struct peer *peer, const unsigned *which) {
    int err = 0;
    for (unsigned i = 0; i < PUSHES_ALL && err == 0; i += PUSHES) {
        err = peer->timers_push(push_ns, &which[i], PUSHES);
        if (err == 0) err = peer->turn();
    }
    return err;
}

/* All are started, in order, and then pushed until as much is put off as is made up for. At random
 * the last of n is reached after n ln n pushes, and that has to happen some times over. */
static int make_steady(const struct peer *peer, struct order *order) {
    int err = peer->timers_make(order->count);
    for (unsigned i = 0; i < order->count && err == 0; i++) err = peer->timers_push(push_ns, &i, 1);
    unsigned enough = (order->is_random ? 32 : 4) * order->count;
    for (unsigned pushed = 0; pushed < enough && err == 0; pushed += PUSHES_ALL) {
        choose(order);
        err = push(peer, order->which);
    }
    return err;
}

static void run_pushes(const struct bench_case *it, struct bench_sample *sample, bool is_random) {
    static struct order order;
    const struct peer *peer = peers_of(it);
    order = (struct order){.is_random = is_random, .count = it->numbers[0], .random = 1};
    int err = peer->open(false);
    if (err == 0) err = make_steady(peer, &order);
    while (err == 0 && peers_go_on(it, sample)) {
        choose(&order);
        peers_begin();
        err = push(peer, order.which);
        peers_end(sample, PUSHES_ALL);
    }
    if (err < 0) bench_cannot(sample, "timers", err);
}

void peers_timer_push_run(const struct bench_case *it, struct bench_sample *sample) {
    run_pushes(it, sample, false);
}

void peers_timer_push_random_run(const struct bench_case *it, struct bench_sample *sample) {
    run_pushes(it, sample, true);
}
