/* turn.c: what a turn costs in which one thing happens: a descriptor is ready, alone or with a
 * timer far away in the loop; a timer fires; a posted call runs. Each callback sees to it that the
 * next turn has the same to do. The peer's own call that runs until it is stopped makes the turns,
 * and what the callback does, the read and the write included, is part of them. */
#include "peers.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* A round: so many turns that entering and leaving the run do not show. */
enum { TURNS = 1000 };

static const struct peer *peer;
static unsigned turns;
static int ends[2];

static void count_turn(void) {
    if (++turns == TURNS) peer->stop(0);
}

static int make_turns(void) {
    turns = 0;
    int err = peer->run(0);
    if (err == 0) err = peers_error();
    /* More calls than turns would show in the figure; fewer mean that the run ended by itself. */
    return err < 0 ? err : turns == TURNS ? 0 : -EIO;
}

static void measure(const struct bench_case *it, struct bench_sample *sample, int err) {
    while (err == 0 && peers_go_on(it, sample)) {
        peers_begin();
        err = make_turns();
        peers_end(sample, TURNS);
    }
    if (err < 0) bench_cannot(sample, "turns", err);
}

/* --- A descriptor --- */

static void on_byte(unsigned i) {
    char byte;
    (void)i;
    if (read(ends[0], &byte, 1) != 1 || write(ends[1], &byte, 1) != 1)
        peers_fail(-errno);
    else
        count_turn();
}

static int open_pipe(void) {
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) < 0) return -errno;
    return write(ends[1], "", 1) == 1 ? 0 : -errno;
}

static int open_ready(const struct bench_case *it) {
    peer = peers_of(it);
    peers_ready = on_byte;
    int err = open_pipe();
    if (err == 0) err = peer->open(false);
    if (err == 0) err = peer->watch_open(1);
    return err < 0 ? err : peer->watch(0, ends[0]);
}

void peers_turn_io_run(const struct bench_case *it, struct bench_sample *sample) {
    measure(it, sample, open_ready(it));
}

void peers_turn_far_run(const struct bench_case *it, struct bench_sample *sample) {
    int err = open_ready(it);
    if (err == 0) err = peer->tick_start(3600 * EDDY_NS_PER_S);
    measure(it, sample, err);
}

/* --- A timer --- */

void peers_turn_tick_run(const struct bench_case *it, struct bench_sample *sample) {
    peer = peers_of(it);
    peers_ticked = count_turn;
    int err = peer->open(false);
    if (err == 0) err = peer->tick_start(0);
    measure(it, sample, err);
}

/* --- A posted call --- */

/* The last one is on its way when the run ends, and begins the next round. */
static void on_posted(unsigned side) {
    (void)side;
    peer->post();
    count_turn();
}

void peers_turn_post_run(const struct bench_case *it, struct bench_sample *sample) {
    peer = peers_of(it);
    peers_woken = on_posted;
    int err = peer->open(false);
    if (err == 0) err = peer->post_open();
    if (err == 0) peer->post();
    measure(it, sample, err);
}
