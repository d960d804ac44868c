/* machine.c: see machine.h.
 * Invariant: a view never points behind the end of a list, and what a thread has read or written
 * stays in its view. Threading: none. */
#include "machine.h"

#include <stdio.h>
#include <string.h>

struct machine machine;

const char *order_name(enum order order) {
    static const char *const names[] = {"relaxed", "acquire", "release", "acq_rel", "seq_cst"};
    return names[order];
}

static bool acquires(enum order order) {
    return order == ACQUIRE || order == ACQ_REL || order == SEQ_CST;
}

static bool releases(enum order order) {
    return order == RELEASE || order == ACQ_REL || order == SEQ_CST;
}

void machine_break(const char *why) {
    if (machine.broken == NULL) machine.broken = why;
}

/* --- Views --- */

static void join_places(struct view *to, const struct view *from) {
    for (int i = 0; i < LOCATIONS; i++)
        if (to->at[i] < from->at[i]) to->at[i] = from->at[i];
}

static void join(struct view *to, const struct view *from) {
    join_places(to, from);
    to->plain |= from->plain;
}

/* Calls `change` for each view there is. */
static void each_view(struct state *state,
                      void (*change)(struct view *view, unsigned location, uint64_t argument),
                      unsigned location, uint64_t argument) {
    for (int i = 0; i < THREADS_MAX; i++) {
        struct thread *thread = &state->threads[i];
        change(&thread->view, location, argument);
        change(&thread->fenced, location, argument);
        change(&thread->pending, location, argument);
    }
    for (int i = 0; i < LOCATIONS; i++)
        for (int j = 0; j < state->count[i]; j++)
            change(&state->messages[i][j].view, location, argument);
    change(&state->consistent, location, argument);
}

static void make_room(struct view *view, unsigned location, uint64_t place) {
    if (view->at[location] >= place) view->at[location]++;
}

static void drop(struct view *view, unsigned location, uint64_t count) {
    uint8_t *at = &view->at[location];
    *at = (uint8_t)(*at > count ? *at - count : 0);
}

static void unsee(struct view *view, unsigned location, uint64_t bits) {
    (void)location;
    view->plain &= ~bits;
}

/* --- The beginning, and what is over --- */

void machine_clear(struct state *state) {
    memset(state, 0, sizeof *state);
    for (unsigned i = 0; i < LOCATIONS; i++) machine_set(state, i, 0);
    for (int i = 0; i < THREADS_MAX; i++) {
        struct thread *thread = &state->threads[i];
        thread->view.plain = thread->fenced.plain = thread->pending.plain = UINT64_MAX;
    }
}

void machine_set(struct state *state, unsigned location, uint8_t value) {
    state->count[location] = 1;
    state->messages[location][0].value = value;
    state->messages[location][0].view.plain = UINT64_MAX;
}

static void forget_before(struct state *state, unsigned location, unsigned first) {
    if (first == 0) return;
    struct message *messages = state->messages[location];
    unsigned left = state->count[location] - first;
    memmove(messages, messages + first, left * sizeof *messages);
    memset(messages + left, 0, first * sizeof *messages);
    state->count[location] = (uint8_t)left;
    messages[0].behind = false;
    each_view(state, drop, location, first);
}

static unsigned first_readable(const struct state *state, unsigned location) {
    unsigned first = state->count[location] - 1u;
    for (int i = 0; i < THREADS_MAX; i++) {
        const struct thread *thread = &state->threads[i];
        if (!thread->ended && first > thread->view.at[location]) first = thread->view.at[location];
    }
    return first;
}

void machine_forget(struct state *state) {
    for (int i = 0; i < THREADS_MAX; i++) {
        struct thread *thread = &state->threads[i];
        if (!thread->ended) continue;
        thread->view = thread->fenced = thread->pending = (struct view){.plain = 0};
    }
    for (unsigned i = 0; i < LOCATIONS; i++) forget_before(state, i, first_readable(state, i));
}

/* --- Atomic locations --- */

static void tell(const char *what, unsigned location, int before, int after, enum order order) {
    if (!machine.telling) return;
    printf("  %-9s %-18s %-8s %-10s", machine.threads[machine.number], machine.where, what,
           machine.locations[location]);
    if (before >= 0) printf(" %d", before);
    if (after >= 0) printf(" -> %d", after);
    uint8_t last = latest(location);
    printf("  (%s)%s\n", order_name(order),
           before >= 0 && after < 0 && last != before ? ", stale" : "");
}

uint8_t latest(unsigned location) {
    return machine.state->messages[location][machine.state->count[location] - 1].value;
}

/* The first message that the thread may still read. */
static unsigned oldest(unsigned location, enum order order) {
    unsigned own = machine.self->view.at[location];
    unsigned all = machine.state->consistent.at[location];
    return order == SEQ_CST && own < all ? all : own;
}

static void see(unsigned location, unsigned place, enum order order) {
    struct thread *self = machine.self;
    self->view.at[location] = (uint8_t)place;
    const struct view *view = &machine.state->messages[location][place].view;
    join(acquires(order) ? &self->view : &self->pending, view);
    if (order == SEQ_CST && machine.state->consistent.at[location] < place)
        machine.state->consistent.at[location] = (uint8_t)place;
}

uint8_t load(unsigned location, enum order order) {
    unsigned count = machine.state->count[location];
    unsigned place = count - 1 - choose(count - oldest(location, order));
    see(location, place, order);
    uint8_t value = machine.state->messages[location][place].value;
    tell("load", location, value, -1, order);
    return value;
}

bool may_load(unsigned location, uint8_t value, enum order order) {
    for (unsigned i = oldest(location, order); i < machine.state->count[location]; i++)
        if (machine.state->messages[location][i].value == value) return true;
    return false;
}

void load_value(unsigned location, uint8_t value, enum order order) {
    unsigned places[MESSAGES], found = 0;
    for (unsigned i = oldest(location, order); i < machine.state->count[location]; i++)
        if (machine.state->messages[location][i].value == value) places[found++] = i;
    see(location, places[choose(found)], order);
    tell("load", location, value, -1, order);
}

/* Puts a message at `place`; `read`: the one before it was read for it, and what that released is
 * still released. */
static void put(unsigned location, unsigned place, uint8_t value, bool read, enum order order) {
    struct state *state = machine.state;
    struct message *messages = state->messages[location];
    struct thread *self = machine.self;
    if (state->count[location] == MESSAGES) {
        machine_break("the machine has no room for one more message");
        return;
    }
    each_view(state, make_room, location, place);
    memmove(messages + place + 1, messages + place,
            (state->count[location] - place) * sizeof *messages);
    state->count[location]++;
    self->view.at[location] = (uint8_t)place;
    struct message *message = &messages[place];
    message->value = value;
    message->behind = read;
    message->view = releases(order) ? self->view : self->fenced;
    message->view.at[location] = (uint8_t)place;
    if (read) join(&message->view, &messages[place - 1].view);
    if (order == SEQ_CST && state->consistent.at[location] < place)
        state->consistent.at[location] = (uint8_t)place;
}

/* Whether something may be put there: not between a read-modify-write and what it has read. */
static bool is_free(unsigned location, unsigned place) {
    return place == machine.state->count[location] ||
           !machine.state->messages[location][place].behind;
}

static unsigned choose_place(unsigned location, unsigned first) {
    unsigned places[MESSAGES + 1], found = 0;
    for (unsigned i = machine.state->count[location]; i > first; i--)
        if (is_free(location, i)) places[found++] = i;
    return places[choose(found)];
}

void store(unsigned location, uint8_t value, enum order order) {
    unsigned place = choose_place(location, oldest(location, order));
    put(location, place, value, false, order);
    tell("store", location, -1, value, order);
}

/* Reads the message before `place` and puts its own behind it. */
static uint8_t replace(unsigned location, unsigned place, uint8_t value, enum order order) {
    see(location, place - 1, order);
    uint8_t before = machine.state->messages[location][place - 1].value;
    put(location, place, value, true, order);
    return before;
}

uint8_t exchange(unsigned location, uint8_t value, enum order order) {
    unsigned place = choose_place(location, oldest(location, order));
    uint8_t before = replace(location, place, value, order);
    tell("exchange", location, before, value, order);
    return before;
}

uint8_t fetch_add(unsigned location, int value, enum order order) {
    unsigned place = choose_place(location, oldest(location, order));
    uint8_t before = machine.state->messages[location][place - 1].value;
    (void)replace(location, place, (uint8_t)(before + value), order);
    tell("add", location, before, before + value, order);
    return before;
}

bool compare_exchange(unsigned location, uint8_t *expected, uint8_t value, enum order order,
                      enum order failure) {
    unsigned places[MESSAGES], found = 0;
    const struct message *messages = machine.state->messages[location];
    for (unsigned i = machine.state->count[location]; i > oldest(location, RELAXED); i--)
        if (messages[i - 1].value != *expected || is_free(location, i)) places[found++] = i - 1;
    unsigned place = places[choose(found)];
    uint8_t before = messages[place].value;
    if (before == *expected) {
        (void)replace(location, place + 1, value, order);
        tell("swap", location, before, value, order);
        return true;
    }
    see(location, place, failure);
    *expected = before;
    tell("no swap", location, before, -1, failure);
    return false;
}

bool lock_is_free(unsigned location) {
    return latest(location) == 0;
}

/* Nobody reads but the last message of a lock. */
static void set_lock(unsigned location, uint8_t value, bool read, enum order order) {
    put(location, machine.state->count[location], value, read, order);
    forget_before(machine.state, location, machine.state->count[location] - 1u);
    tell(value == 1 ? "lock" : "unlock", location, -1, -1, order);
}

void lock(unsigned location) {
    see(location, machine.state->count[location] - 1u, ACQUIRE);
    set_lock(location, 1, true, ACQUIRE);
}

void unlock(unsigned location) {
    set_lock(location, 0, false, RELEASE);
}

void fence(enum order order) {
    struct thread *self = machine.self;
    if (machine.telling)
        printf("  %-9s %-18s fence (%s)\n", machine.threads[machine.number], machine.where,
               order_name(order));
    if (acquires(order)) join(&self->view, &self->pending);
    if (order == SEQ_CST) {
        join_places(&self->view, &machine.state->consistent);
        join_places(&machine.state->consistent, &self->view);
    }
    if (releases(order)) self->fenced = self->view;
}

/* --- Plain locations --- */

static uint64_t write_bit(unsigned plain) {
    return UINT64_C(1) << (plain * (THREADS_MAX + 1));
}

static uint64_t read_bit(unsigned plain, unsigned thread) {
    return write_bit(plain) << (1 + thread);
}

static void tell_plain(const char *what, unsigned plain) {
    if (machine.telling)
        printf("  %-9s %-18s %-8s %-10s %d\n", machine.threads[machine.number], machine.where, what,
               machine.plains[plain], machine.state->plain[plain]);
}

static uint8_t look_at(unsigned plain) {
    struct thread *self = machine.self;
    if (!(self->view.plain & write_bit(plain))) machine_break("a read races with a write");
    each_view(machine.state, unsee, 0, read_bit(plain, machine.number));
    self->view.plain |= read_bit(plain, machine.number);
    return machine.state->plain[plain];
}

void plain_write(unsigned plain, uint8_t value) {
    struct thread *self = machine.self;
    uint64_t bits = (write_bit(plain) << (THREADS_MAX + 1)) - write_bit(plain);
    machine.state->plain[plain] = value;
    tell_plain("writes", plain);
    if ((self->view.plain & bits) != bits) machine_break("a write races with a read or a write");
    each_view(machine.state, unsee, 0, write_bit(plain));
    self->view.plain |= write_bit(plain);
}

uint8_t plain_read(unsigned plain) {
    tell_plain("reads", plain);
    return look_at(plain);
}

void touch(unsigned plain) {
    bool before = machine.broken != NULL;
    if (look_at(plain) == DEAD) machine_break("memory is used after it was given back");
    if (!before && machine.broken != NULL) tell_plain("touches", plain);
}
