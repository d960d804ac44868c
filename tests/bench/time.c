/* time.c: timers: many are started at random times, stopped, fired, pushed away, and all of this in
 * a mix. All of it is done in callbacks, as by a server: a descriptor is ready in every turn, and
 * its callback is where timers are started. So each turn has to know how long it may wait, and what
 * an operation puts off until then is measured with it. */
#include "peers.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* A part that counts has TURNS turns; each pushes PUSHES timers first, as a server that reads so
 * many messages in a turn. */
enum { PUSHES = 16, TURNS = 64, PUSHES_ALL = PUSHES * TURNS };

/* Nearer than the deadlines of which a busy loop only wants to know that they are far. */
static const int64_t push_ns = 5 * EDDY_NS_PER_S;

static struct {
    const struct bench_case *it;
    struct bench_sample *sample;
    const struct peer *peer;
    int (*round)(void); /* what the callback does */
    unsigned count;     /* of timers */
    uint64_t random;
    int64_t *delays_ns;
    bool is_measuring;
    unsigned rounds_before; /* that do not count: they make it steady */
    /* Pushes of a part, and the turns of it that are done. */
    bool is_random, is_mix;
    unsigned changed; /* of a mix */
    unsigned turns, next, which[PUSHES_ALL];
} run;

static int make_delays(int64_t from_ns, int64_t to_ns) {
    run.delays_ns = malloc(run.count * sizeof *run.delays_ns);
    if (run.delays_ns == NULL) return -ENOMEM;
    for (unsigned i = 0; i < run.count; i++)
        run.delays_ns[i] =
            from_ns + (int64_t)(bench_random(&run.random) % (uint64_t)(to_ns - from_ns));
    return 0;
}

static void on_turn(unsigned i) {
    (void)i;
    int err = run.round();
    if (err < 0) peers_fail(err);
}

/* Each round that is to count asks this first. */
static bool go_on(void) {
    if (run.rounds_before > 0 || peers_go_on(run.it, run.sample)) return true;
    run.peer->stop(0);
    return false;
}

static int watch_the_only(const struct peer *peer, int fd) {
    if (peer->watch_one != NULL) return peer->watch_one(fd);
    int err = peer->watch_open(1);
    return err < 0 ? err : peer->watch(0, fd);
}

/* A pipe with a byte that nobody reads is ready in every turn. */
static void turn_with(int (*round)(void)) {
    static int ends[2];
    run.round = round;
    peers_ready = on_turn;
    int err = pipe(ends) < 0 || write(ends[1], "", 1) != 1 ? -errno : 0;
    if (err == 0) err = watch_the_only(run.peer, ends[0]);
    if (err == 0) err = run.peer->run(0);
    if (err == 0) err = peers_error();
    free(run.delays_ns);
    if (err < 0) bench_cannot(run.sample, "timers", err);
}

static int begin(const struct bench_case *it, struct bench_sample *sample) {
    run.it = it;
    run.sample = sample;
    run.peer = peers_of(it);
    run.count = it->numbers[0];
    run.random = 1;
    int err = run.peer->open(false);
    return err < 0 ? err : run.peer->timers_make(run.count);
}

/* --- Starting and stopping --- */

static int start_all(void) {
    if (!go_on()) return 0;
    peers_begin();
    int err = run.peer->timers_start(run.delays_ns, run.count);
    peers_end(run.sample, run.count);
    run.peer->timers_stop(run.count);
    return err;
}

static int stop_all(void) {
    if (!go_on()) return 0;
    int err = run.peer->timers_start(run.delays_ns, run.count);
    peers_begin();
    run.peer->timers_stop(run.count);
    peers_end(run.sample, run.count);
    return err;
}

static void run_far(const struct bench_case *it, struct bench_sample *sample, int (*round)(void)) {
    int err = begin(it, sample);
    if (err == 0) err = make_delays(EDDY_NS_PER_S, 3600 * EDDY_NS_PER_S);
    if (err == 0)
        turn_with(round);
    else
        bench_cannot(sample, "timers", err);
}

void peers_timer_start_run(const struct bench_case *it, struct bench_sample *sample) {
    run_far(it, sample, start_all);
}

void peers_timer_stop_run(const struct bench_case *it, struct bench_sample *sample) {
    run_far(it, sample, stop_all);
}

/* --- Firing --- */

/* How often a wheel moves a timer follows from where on the clock its deadline lies, and from the
 * time of the last firing. So the rounds begin at PHASES places of a cycle in turn, right after one
 * timer has fired, and what is told is that of all. */
static bool is_at_phase(void) {
    enum { PHASES = 4, CYCLE_BITS = 24 };
    static const int64_t phase_ns = (INT64_C(1) << CYCLE_BITS) / PHASES, at_once_ns = 0;
    static bool is_there;
    static unsigned round;
    if (is_there) {
        is_there = peers_fired == 0;
        return !is_there;
    }
    while (bench_now_ns() / phase_ns % PHASES == round % PHASES) continue;
    while (bench_now_ns() / phase_ns % PHASES != round % PHASES) continue;
    round++;
    is_there = true;
    peers_fired = 0;
    int err = run.peer->timers_start(&at_once_ns, 1);
    if (err < 0) peers_fail(err);
    return false;
}

/* All are due when the turn after this callback begins. What it takes until the last one has been
 * called counts, be it one turn or several. */
static int fire_all(void) {
    if (run.is_measuring) {
        if (peers_fired < run.count) return 0;
        peers_end(run.sample, run.count);
        run.is_measuring = false;
    }
    if (!is_at_phase() || !go_on()) return 0;
    peers_fired = 0;
    int err = run.peer->timers_start(run.delays_ns, run.count);
    int64_t until_ns = bench_now_ns() + 12 * EDDY_NS_PER_MS;
    while (bench_now_ns() < until_ns) continue;
    run.is_measuring = true;
    peers_begin();
    return err;
}

void peers_timer_fire_run(const struct bench_case *it, struct bench_sample *sample) {
    int err = begin(it, sample);
    if (err == 0) err = make_delays(EDDY_NS_PER_MS, 10 * EDDY_NS_PER_MS);
    if (err == 0)
        turn_with(fire_all);
    else
        bench_cannot(sample, "timers", err);
}

/* --- Pushing --- */

static void choose(void) {
    for (unsigned i = 0; i < PUSHES_ALL; i++) {
        run.which[i] = run.next;
        run.next = run.is_random               ? (unsigned)(bench_random(&run.random) % run.count)
                   : run.next + 1 == run.count ? 0
                                               : run.next + 1;
    }
}

/* A part ends in the callback after its last turn. */
static bool begin_part(void) {
    if (run.is_measuring) peers_end(run.sample, PUSHES_ALL);
    if (!go_on()) return false;
    choose();
    run.turns = 0;
    run.is_measuring = run.rounds_before == 0;
    if (run.is_measuring)
        peers_begin();
    else
        run.rounds_before--;
    return true;
}

/* Of a hundred one is to fire in the next turn, from which the next push starts it again, and nine
 * are stopped before they are pushed. */
static int push_mixed(const unsigned *which) {
    int err = 0;
    for (unsigned i = 0; i < PUSHES && err == 0; i++) {
        unsigned kind = run.changed++ % 100;
        if (kind % 11 == 0) err = run.peer->timer_change(which[i], kind == 0);
        if (kind != 0 && err == 0) err = run.peer->timers_push(push_ns, &which[i], 1);
    }
    return err;
}

/* As idle timeouts at each message. The turn that follows does what the pushes have put off. */
static int push_some(void) {
    if (run.turns == TURNS && !begin_part()) return 0;
    const unsigned *which = &run.which[run.turns++ * PUSHES];
    return run.is_mix ? push_mixed(which) : run.peer->timers_push(push_ns, which, PUSHES);
}

static int push_first(void) {
    int err = 0;
    for (unsigned i = 0; i < run.count && err == 0; i++)
        err = run.peer->timers_push(push_ns, &i, 1);
    run.round = push_some;
    return err;
}

/* All are started, in order, and then pushed until as much is put off as is made up for. At random
 * the last of n is reached after n ln n pushes, and that has to happen some times over. */
static void run_pushes(const struct bench_case *it, struct bench_sample *sample, bool is_random) {
    int err = begin(it, sample);
    if (err < 0) {
        bench_cannot(sample, "timers", err);
        return;
    }
    run.is_random = is_random;
    run.turns = TURNS; /* the first part is over, so to speak */
    run.rounds_before = (is_random ? 32 : 4) * run.count / PUSHES_ALL + 1;
    turn_with(push_first);
}

void peers_timer_push_run(const struct bench_case *it, struct bench_sample *sample) {
    run_pushes(it, sample, false);
}

void peers_timer_push_random_run(const struct bench_case *it, struct bench_sample *sample) {
    run_pushes(it, sample, true);
}

void peers_timer_mix_run(const struct bench_case *it, struct bench_sample *sample) {
    run.is_mix = true;
    run_pushes(it, sample, false);
}
