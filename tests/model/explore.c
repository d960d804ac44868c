/* explore.c: depth first, and each state once: what has been seen is kept as a hash of 64 bits. Two
 * among a million states have the same by accident once in ten million runs.
 * Threading: none. */
#include "explore.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 200, CHOICES_MAX = 8 };

/* The ways that a step has taken and can take. */
struct choices {
    uint8_t taken[CHOICES_MAX], of[CHOICES_MAX];
    unsigned count, at;
};

static struct choices choices;

static struct {
    const struct scenario *scenario;
    uint64_t *seen; /* open addressing; 0: free */
    size_t capacity, used;
    unsigned limit; /* of the depth, or 0: none */
    unsigned depth; /* of the way to what is broken */
    struct {
        unsigned thread;
        struct choices choices;
    } way[DEPTH_MAX];
    struct verdict verdict;
} search;

/* --- States that have been seen --- */

static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

static uint64_t mix_bytes(uint64_t hash, const void *bytes, size_t size) {
    const uint8_t *at = bytes;
    for (; size > 0; size -= size < 8 ? size : 8, at += 8) {
        uint64_t word = 0;
        memcpy(&word, at, size < 8 ? size : 8);
        hash = mix(hash, word);
    }
    return hash;
}

static uint64_t mix_view(uint64_t hash, const struct view *view) {
    return mix(mix_bytes(hash, view->at, sizeof view->at), view->plain);
}

static uint64_t hash_of(const struct state *state) {
    uint64_t hash = 1;
    size_t begin = offsetof(struct thread, line);
    size_t end = offsetof(struct thread, seen) + SEEN_MAX; /* bytes without holes */
    for (int i = 0; i < THREADS_MAX; i++) {
        const struct thread *thread = &state->threads[i];
        hash = mix_view(hash, &thread->view);
        hash = mix_view(hash, &thread->fenced);
        hash = mix_view(hash, &thread->pending);
        hash = mix_bytes(hash, (const uint8_t *)thread + begin, end - begin);
    }
    for (int i = 0; i < LOCATIONS; i++) {
        hash = mix(hash, state->count[i]);
        for (int j = 0; j < state->count[i]; j++) {
            const struct message *message = &state->messages[i][j];
            hash = mix(hash, message->value | (unsigned)message->behind << 8);
            hash = mix_view(hash, &message->view);
        }
    }
    hash = mix_bytes(hash, state->plain, sizeof state->plain);
    return mix_view(hash, &state->consistent);
}

static bool insert(uint64_t *seen, size_t capacity, uint64_t hash) {
    size_t at = hash & (capacity - 1);
    while (seen[at] != 0 && seen[at] != hash) at = (at + 1) & (capacity - 1);
    if (seen[at] == hash) return false;
    seen[at] = hash;
    return true;
}

static void grow(void) {
    size_t capacity = search.capacity == 0 ? 1 << 12 : search.capacity * 2;
    uint64_t *seen = calloc(capacity, sizeof *seen);
    if (seen == NULL) {
        fprintf(stderr, "model: no memory for %zu states\n", capacity);
        exit(2);
    }
    for (size_t i = 0; i < search.capacity; i++)
        if (search.seen[i] != 0) (void)insert(seen, capacity, search.seen[i]);
    free(search.seen);
    search.seen = seen;
    search.capacity = capacity;
}

static bool is_new(const struct state *state, unsigned depth) {
    if (search.used * 2 >= search.capacity) grow();
    uint64_t hash = hash_of(state);
    if (search.limit > 0) hash = mix(hash, depth); /* deeper down it may be cut off earlier */
    if (!insert(search.seen, search.capacity, hash | 1)) return false;
    search.used++;
    return true;
}

/* --- Steps --- */

unsigned choose(unsigned count) {
    if (count == 1) return 0;
    if (choices.at == choices.count) {
        if (choices.count == CHOICES_MAX) {
            machine_break("a step has more choices than there is room for");
            return 0;
        }
        choices.taken[choices.count] = 0;
        choices.of[choices.count++] = (uint8_t)count;
    }
    return choices.taken[choices.at++];
}

/* The next way of the same step; false: it was the last one. */
static bool next_choice(void) {
    while (choices.count > 0) {
        unsigned last = choices.count - 1;
        if (++choices.taken[last] < choices.of[last]) return true;
        choices.count--;
    }
    return false;
}

static void step(struct state *state, unsigned thread) {
    machine.state = state;
    machine.self = &state->threads[thread];
    machine.number = thread;
    machine.blocked = false;
    choices.at = 0;
    bool ended = search.scenario->programs[thread]();
    if (ended) machine.self->ended = true;
}

/* Nothing moves any more. */
static void check_end(const struct state *state) {
    for (unsigned i = 0; i < THREADS_MAX; i++)
        if (!state->threads[i].ended && i != search.scenario->sleeper)
            machine_break("a thread waits for ever");
    const char *broken = search.scenario->end != NULL ? search.scenario->end(state) : NULL;
    if (broken != NULL) machine_break(broken);
}

static bool visit(struct state *state, unsigned depth);

/* All ways of one step of `thread`. True: something is broken. */
static bool visit_steps(const struct state *state, unsigned thread, unsigned depth, bool *moved) {
    choices.count = 0;
    do {
        struct state after = *state;
        step(&after, thread);
        if (machine.blocked) return false;
        *moved = true;
        struct choices mine = choices;
        search.way[depth].thread = thread;
        search.way[depth].choices = mine;
        if (machine.broken != NULL) {
            search.depth = depth + 1;
            return true;
        }
        if (visit(&after, depth + 1)) return true;
        choices = mine;
    } while (next_choice());
    return false;
}

static bool visit(struct state *state, unsigned depth) {
    machine_forget(state);
    if (!is_new(state, depth)) return false;
    search.verdict.states++;
    if (search.limit > 0 && depth == search.limit) return false;
    if (depth == DEPTH_MAX) machine_break("a way is too long for the search");
    bool moved = false;
    for (unsigned i = 0; i < THREADS_MAX && machine.broken == NULL; i++)
        if (!state->threads[i].ended && visit_steps(state, i, depth, &moved)) return true;
    if (!moved) check_end(state);
    if (machine.broken == NULL) return false;
    search.depth = depth;
    return true;
}

/* --- The search --- */

/* Threads that the scenario has not are ended; each other one is brought to its first step. */
static void begin(struct state *state) {
    const struct scenario *scenario = search.scenario;
    machine.broken = NULL;
    machine_clear(state);
    for (unsigned i = 0; i < THREADS_MAX; i++)
        state->threads[i].ended = scenario->programs[i] == NULL;
    if (scenario->begin != NULL) scenario->begin(state);
    choices.count = 0;
    for (unsigned i = 0; i < THREADS_MAX; i++)
        if (!state->threads[i].ended) step(state, i);
}

static struct verdict run(const struct scenario *scenario, unsigned limit) {
    struct state state;
    search.scenario = scenario;
    search.limit = limit;
    search.verdict.states = 0;
    machine.threads = scenario->threads;
    begin(&state);
    (void)visit(&state, 0);
    search.verdict.broken = machine.broken;
    free(search.seen);
    search.seen = NULL;
    search.capacity = search.used = 0;
    return search.verdict;
}

struct verdict explore(const struct scenario *scenario) {
    return run(scenario, 0);
}

struct verdict explore_and_tell(const struct scenario *scenario) {
    struct verdict verdict = run(scenario, 0);
    if (verdict.broken == NULL) return verdict;
    unsigned limit = 1;
    while (run(scenario, limit).broken == NULL) limit++;
    verdict.broken = search.verdict.broken;

    struct state state;
    begin(&state);
    machine.telling = true;
    for (unsigned i = 0; i < search.depth; i++) {
        choices = search.way[i].choices;
        step(&state, search.way[i].thread);
        if (i + 1 < search.depth) machine_forget(&state);
    }
    machine.telling = false;
    return verdict;
}
