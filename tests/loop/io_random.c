/* io_random.c: random operations against a model, and thousands of descriptors.
 * The model asks poll(2) what is ready: each started watcher must be told exactly that, as far as
 * it asked for it, once a turn. A failure names its seed. */
#include "sanitized.h"
#include "suite.h"
#include "system.h"

#include <signal.h>
#include <stdlib.h>

enum { PLACES = 8, WATCHERS = 20, STEPS = 1500 };

/* A descriptor under test keeps its number, whatever is opened there. */
struct place {
    int fd, peer;
};

struct watcher {
    eddy_io io;
    int place; /* -1: stopped */
    unsigned interest;
    unsigned told; /* in this turn */
    unsigned times;
    bool fresh; /* started inside this turn, of which it hears nothing */
};

static eddy_loop *loop;
static struct place places[PLACES];
static struct watcher watchers[WATCHERS];
static unsigned long long state, seed;
static bool act_inside;

static unsigned pick(unsigned limit) {
    return random_below(&state, limit);
}

static void act(void);

static void on_event(eddy_io *io, unsigned events) {
    struct watcher *it = eddy_container_of(io, struct watcher, io);
    ck_assert_msg(it->place >= 0, "seed %llu: a stopped watcher was told", seed);
    ck_assert_msg(!it->fresh, "seed %llu: told of the turn it was started in", seed);
    unsigned plain = events & (EDDY_READ | EDDY_WRITE);
    ck_assert_msg(plain != 0 && (plain & ~it->interest) == 0,
                  "seed %llu: told %#x, which was not asked for (%#x)", seed, events, it->interest);
    ck_assert_msg((events & ~15u) == 0, "seed %llu: told %#x", seed, events);
    it->told |= plain;
    it->times++;
    ck_assert_msg(it->times == 1, "seed %llu: told twice in a turn", seed);
    if (act_inside && pick(3) == 0) act();
}

/* --- operations --- */

static void open_place(struct place *place) {
    int ends[2];
    if (pick(3) == 0)
        test_pipe(ends);
    else
        test_socket_pair(ends);
    bool flip = pick(2) == 0;
    int fd = ends[flip], peer = ends[!flip];
    if (place->fd < 0) {
        place->fd = fd;
    } else {
        ck_assert_int_eq(dup2(fd, place->fd), place->fd);
        close(fd);
    }
    place->peer = peer;
}

static void start_watcher(struct watcher *it) {
    if (it->place >= 0) return;
    int place = (int)pick(PLACES);
    it->interest = pick(4);
    it->fresh = act_inside;
    int err = eddy_io_start(&it->io, on_event, places[place].fd, it->interest);
    ck_assert_msg(err == 0, "seed %llu: start gave %d", seed, err);
    it->place = place;
}

static void stop_watcher(struct watcher *it) {
    eddy_io_stop(&it->io);
    it->place = -1;
}

static void change_watcher(struct watcher *it) {
    if (it->place < 0) return;
    it->interest = pick(4);
    ck_assert_int_eq(eddy_io_change(&it->io, it->interest), 0);
}

/* Closes a place after stopping its watchers, and opens something else at the same number. */
static void reopen_place(struct place *place) {
    for (int i = 0; i < WATCHERS; i++)
        if (watchers[i].place == (int)(place - places)) stop_watcher(&watchers[i]);
    close(place->peer);
    if (pick(2) == 0) {
        int old = place->fd, moved = fcntl(old, F_DUPFD_CLOEXEC, 100);
        close(old);
        place->fd = moved;
    }
    open_place(place);
}

static void act(void) {
    struct watcher *it = &watchers[pick(WATCHERS)];
    struct place *place = &places[pick(PLACES)];
    switch (pick(10)) {
    case 0:
    case 1:
    case 2:
        start_watcher(it);
        break;
    case 3:
        stop_watcher(it);
        break;
    case 4:
    case 5:
        change_watcher(it);
        break;
    case 6:
        (void)!write(place->peer, "x", 1);
        break;
    case 7:
        drain(place->fd, NULL);
        break;
    case 8:
        if (pick(4) == 0) fill(place->fd);
        if (pick(4) == 0) drain(place->peer, NULL);
        break;
    default:
        if (pick(3) == 0) reopen_place(place);
        break;
    }
}

/* --- the model --- */

static unsigned ready(const struct place *place) {
    struct pollfd it = {place->fd, POLLIN | POLLOUT, 0};
    ck_assert_int_ge(poll(&it, 1, 0), 0);
    bool hint = (it.revents & (POLLHUP | POLLERR)) != 0;
    return (hint || (it.revents & POLLIN) != 0 ? EDDY_READ : 0u) |
           (hint || (it.revents & POLLOUT) != 0 ? EDDY_WRITE : 0u);
}

static void turn_and_compare(void) {
    unsigned expected[WATCHERS];
    for (int i = 0; i < WATCHERS; i++) {
        struct watcher *it = &watchers[i];
        it->told = it->times = 0;
        it->fresh = false;
        expected[i] = it->place < 0 ? 0 : ready(&places[it->place]) & it->interest;
    }
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    const char *broken = NULL;
    int err = eddy_loop_verify(loop, &broken);
    ck_assert_msg(err == 0, "seed %llu: %s", seed, broken);
    if (act_inside) return;
    for (int i = 0; i < WATCHERS; i++)
        ck_assert_msg(watchers[i].told == expected[i],
                      "seed %llu: watcher %d was told %#x, not %#x", seed, i, watchers[i].told,
                      expected[i]);
}

static void run_seed(unsigned long long with_seed, bool inside) {
    state = seed = with_seed;
    loop = test_loop_open();
    for (int i = 0; i < PLACES; i++) {
        places[i].fd = -1;
        open_place(&places[i]);
    }
    for (int i = 0; i < WATCHERS; i++) {
        watchers[i].place = -1;
        eddy_io_init(&watchers[i].io, loop);
    }
    int steps = getenv("EDDY_TEST_SLOW") != NULL ? STEPS / 50 : IS_SANITIZED ? STEPS / 5 : STEPS;
    for (int step = 0; step < steps; step++) {
        act_inside = false;
        for (unsigned i = pick(4); i > 0; i--) act();
        act_inside = inside && pick(4) != 0;
        turn_and_compare();
    }
    for (int i = 0; i < WATCHERS; i++) stop_watcher(&watchers[i]);
    for (int i = 0; i < PLACES; i++) {
        close(places[i].fd);
        close(places[i].peer);
    }
    test_loop_close(loop);
}

START_TEST(random_operations_between_turns_agree_with_the_model) {
    signal(SIGPIPE, SIG_IGN);
    for (unsigned long long i = 1; i <= 3; i++) run_seed(i, false);
}
END_TEST

/* The callbacks start, stop, change, close and reopen at random, too; every other turn or so is
 * quiet, and then the model must agree again: nothing was lost on the way. */
START_TEST(random_operations_inside_callbacks_agree_with_the_model) {
    signal(SIGPIPE, SIG_IGN);
    for (unsigned long long i = 101; i <= 103; i++) run_seed(i, true);
}
END_TEST

/* --- many --- */

struct crowd {
    int count;
    int *fds, *peers;
    struct watcher *watchers;
};

static struct crowd crowd_open(int wanted) {
    struct crowd it = {0};
    int limit = descriptors_allow(wanted + 100);
    int backend_limit = eddy_loop_backend(loop)->fd_max;
    if (limit > backend_limit) limit = backend_limit;
    it.count = limit - 100 < wanted ? limit - 100 : wanted;
    it.count -= it.count % 2;
    it.fds = calloc((size_t)it.count, sizeof *it.fds);
    it.peers = calloc((size_t)it.count, sizeof *it.peers);
    it.watchers = calloc((size_t)it.count, sizeof *it.watchers);
    ck_assert(it.fds != NULL && it.peers != NULL && it.watchers != NULL);
    for (int i = 0; i < it.count; i += 2) {
        int ends[2];
        test_socket_pair(ends);
        it.fds[i] = it.peers[i + 1] = ends[0];
        it.fds[i + 1] = it.peers[i] = ends[1];
    }
    for (int i = 0; i < it.count; i++) {
        eddy_io_init(&it.watchers[i].io, loop);
        it.watchers[i].place = i;
        it.watchers[i].interest = EDDY_READ;
        int err = eddy_io_start(&it.watchers[i].io, on_event, it.fds[i], EDDY_READ);
        ck_assert_int_eq(err, 0);
    }
    return it;
}

static void crowd_close(struct crowd *it) {
    for (int i = 0; i < it->count; i++) {
        eddy_io_stop(&it->watchers[i].io);
        close(it->fds[i]);
    }
    free(it->fds);
    free(it->peers);
    free(it->watchers);
}

/* All are told, though more are ready than a turn takes, and each once in the turns it takes. How
 * many a turn takes is the backend's business, up to the loop's bound. */
START_TEST(thousands_of_descriptors_are_told_each_once) {
    act_inside = false;
    loop = test_loop_open();
    struct crowd it = crowd_open(5000);
    for (int i = 0; i < it.count; i++) put(it.peers[i], "x");
    int told = 0;
    for (int turn = 0; turn < it.count && told < it.count; turn++) {
        ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 1);
        int before = told;
        told = 0;
        for (int i = 0; i < it.count; i++) {
            told += it.watchers[i].times != 0;
            if (it.watchers[i].times == 0) continue;
            drain(it.fds[i], NULL);
            ck_assert_uint_eq(it.watchers[i].told, EDDY_READ);
        }
        ck_assert_int_gt(told, before);
        ck_assert_int_le(told - before, 256);
    }
    for (int i = 0; i < it.count; i++) ck_assert_uint_eq(it.watchers[i].times, 1);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 1);
    crowd_close(&it);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_few_ready_among_thousands_are_the_ones_told) {
    act_inside = false;
    loop = test_loop_open();
    struct crowd it = crowd_open(5000);
    state = 7;
    for (int round = 0; round < 20; round++) {
        bool *chosen = calloc((size_t)it.count, sizeof *chosen);
        ck_assert_ptr_nonnull(chosen);
        for (int i = 0; i < 10; i++) {
            unsigned at = pick((unsigned)it.count);
            if (!chosen[at]) put(it.peers[at], "x");
            chosen[at] = true;
        }
        for (int i = 0; i < it.count; i++) it.watchers[i].told = it.watchers[i].times = 0;
        ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 1);
        for (int i = 0; i < it.count; i++) {
            ck_assert_int_eq(it.watchers[i].times != 0, chosen[i]);
            if (chosen[i]) drain(it.fds[i], NULL);
        }
        free(chosen);
    }
    crowd_close(&it);
    test_loop_close(loop);
}
END_TEST

/* With room for one event a turn, level-triggered readiness must still go round: nobody starves
 * though nobody reads. */
START_TEST(one_event_a_turn_still_serves_everybody) {
    loop = test_loop_open_with((eddy_loop_config){.events_per_turn = 1});
    act_inside = false;
    struct crowd it = crowd_open(20);
    bool served[20] = {0};
    ck_assert_int_eq(it.count, 20);
    for (int i = 0; i < it.count; i++) put(it.peers[i], "x");
    for (int turn = 0; turn < 100; turn++) {
        ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 1);
        int told = 0;
        for (int i = 0; i < it.count; i++) {
            told += (int)it.watchers[i].times;
            served[i] |= it.watchers[i].times != 0;
            it.watchers[i].times = 0;
        }
        ck_assert_int_le(told, 1);
    }
    for (int i = 0; i < it.count; i++) ck_assert_msg(served[i], "descriptor %d starves", i);
    crowd_close(&it);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("io_random");
    ck_add(suite, "model", random_operations_between_turns_agree_with_the_model,
           random_operations_inside_callbacks_agree_with_the_model);
    ck_add(suite, "many", thousands_of_descriptors_are_told_each_once,
           a_few_ready_among_thousands_are_the_ones_told, one_event_a_turn_still_serves_everybody);
    return suite;
}
