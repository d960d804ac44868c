/* litmus.c: the machine itself is checked with the small programs whose outcomes C11 settles, known
 * as store buffering (SB), message passing (MP), independent reads of independent writes (IRIW) and
 * so on: what may happen must be found, and what cannot happen must not. */
#include "programs.h"

#include <stdio.h>

enum { X = DATA, Y = DATA + 1 };

static struct {
    enum order write, read;
    bool fences; /* seq_cst in SB; release and acquire in MP */
} orders;

/* --- SB: each writes its own and reads the other's --- */

static bool buffer(void) {
    BEGIN(IN_MAIN);
    STEP();
    store(X + machine.number, 1, orders.write);
    if (orders.fences) {
        STEP();
        fence(SEQ_CST);
    }
    STEP();
    t->seen[0] = load(Y - machine.number, orders.read);
    END();
}

static const char *both_see_nothing(const struct state *state) {
    bool happens = state->threads[0].seen[0] == 0 && state->threads[1].seen[0] == 0;
    return happens ? "neither sees the other" : NULL;
}

/* --- MP: data, then a flag --- */

static bool pass(void) {
    BEGIN(IN_MAIN);
    STEP();
    store(X, 1, RELAXED);
    if (orders.fences) {
        STEP();
        fence(RELEASE);
    }
    STEP();
    store(Y, 1, orders.write);
    END();
}

static bool receive(void) {
    BEGIN(IN_MAIN);
    STEP();
    t->seen[0] = load(Y, orders.read);
    if (orders.fences) {
        STEP();
        fence(ACQUIRE);
    }
    STEP();
    t->seen[1] = load(X, RELAXED);
    END();
}

/* Adds 1 to the flag on its way: what the passer has released stays released. */
static bool add_to_flag(void) {
    BEGIN(IN_MAIN);
    STEP_WHEN(latest(Y) == 1);
    (void)fetch_add(Y, 1, RELAXED);
    END();
}

/* Stores the flag anew on its way: that releases nothing of the passer's. */
static bool store_flag(void) {
    BEGIN(IN_MAIN);
    STEP_WHEN(latest(Y) == 1);
    (void)load(Y, RELAXED);
    STEP();
    store(Y, 2, RELAXED);
    END();
}

static const char *flag_without_data(const struct state *state) {
    const uint8_t *seen = state->threads[1].seen;
    return seen[0] > 0 && seen[1] == 0 ? "the flag is seen, its data not" : NULL;
}

static const char *later_flag_without_data(const struct state *state) {
    const uint8_t *seen = state->threads[1].seen;
    return seen[0] == 2 && seen[1] == 0 ? "the flag is seen, its data not" : NULL;
}

static bool pass_plain(void) {
    BEGIN(IN_MAIN);
    plain_write(RESULT, 1);
    STEP();
    store(Y, 1, orders.write);
    END();
}

static bool receive_plain(void) {
    BEGIN(IN_MAIN);
    STEP();
    if (load(Y, orders.read) == 1) (void)plain_read(RESULT);
    END();
}

/* --- one location, and four threads --- */

static bool write_x(void) {
    BEGIN(IN_MAIN);
    STEP();
    store(X, 1, orders.write);
    END();
}

static bool write_y(void) {
    BEGIN(IN_MAIN);
    STEP();
    store(Y, 1, orders.write);
    END();
}

static bool read_twice(void) {
    BEGIN(IN_MAIN);
    STEP();
    t->seen[0] = load(X, orders.read);
    STEP();
    t->seen[1] = load(X, orders.read);
    END();
}

static bool read_both(void) {
    BEGIN(IN_MAIN);
    STEP();
    t->seen[0] = load(machine.number == 2 ? X : Y, orders.read);
    STEP();
    t->seen[1] = load(machine.number == 2 ? Y : X, orders.read);
    END();
}

static bool add(void) {
    BEGIN(IN_MAIN);
    STEP();
    t->seen[0] = fetch_add(X, 1, RELAXED);
    END();
}

/* 2+2W: each writes 1 to its own, then 2 to the other's. */
static bool write_both(void) {
    BEGIN(IN_MAIN);
    STEP();
    store(X + machine.number, 1, orders.write);
    STEP();
    store(Y - machine.number, 2, orders.write);
    END();
}

static const char *goes_back(const struct state *state) {
    const uint8_t *seen = state->threads[1].seen;
    return seen[0] == 1 && seen[1] == 0 ? "a thread sees the new and then the old" : NULL;
}

static const char *readers_disagree(const struct state *state) {
    const uint8_t *one = state->threads[2].seen, *other = state->threads[3].seen;
    bool happens = one[0] == 1 && one[1] == 0 && other[0] == 1 && other[1] == 0;
    return happens ? "two readers see two writes in different orders" : NULL;
}

static const char *first_writes_last(const struct state *state) {
    bool happens = state->messages[X][state->count[X] - 1].value == 1 &&
                   state->messages[Y][state->count[Y] - 1].value == 1;
    return happens ? "both first writes are the last" : NULL;
}

/* --- All of them --- */

static const struct scenario sb = {
    .name = "SB", .programs = {buffer, buffer}, .end = both_see_nothing};
static const struct scenario mp = {
    .name = "MP", .programs = {pass, receive}, .end = flag_without_data};
static const struct scenario mp_added = {.name = "MP, added to",
                                         .programs = {pass, receive, add_to_flag},
                                         .end = later_flag_without_data};
static const struct scenario mp_stored = {.name = "MP, stored anew",
                                          .programs = {pass, receive, store_flag},
                                          .end = later_flag_without_data};
static const struct scenario mp_plain = {.name = "MP, plain",
                                         .programs = {pass_plain, receive_plain}};
static const struct scenario corr = {
    .name = "CoRR", .programs = {write_x, read_twice}, .end = goes_back};
static const struct scenario iriw = {
    .name = "IRIW", .programs = {write_x, write_y, read_both, read_both}, .end = readers_disagree};
static const struct scenario w2w = {
    .name = "2+2W", .programs = {write_both, write_both}, .end = first_writes_last};
static const struct scenario adds = {
    .name = "two adds", .programs = {add, add}, .end = both_see_nothing};

static const struct {
    const struct scenario *scenario;
    enum order write, read;
    bool fences, happens;
} tests[] = {
    {&sb, RELAXED, RELAXED, false, true},        {&sb, RELEASE, ACQUIRE, false, true},
    {&sb, SEQ_CST, ACQUIRE, false, true},        {&sb, SEQ_CST, SEQ_CST, false, false},
    {&sb, RELAXED, RELAXED, true, false},        {&mp, RELAXED, ACQUIRE, false, true},
    {&mp, RELEASE, RELAXED, false, true},        {&mp, RELEASE, ACQUIRE, false, false},
    {&mp, RELAXED, RELAXED, true, false},        {&mp_added, RELEASE, ACQUIRE, false, false},
    {&mp_stored, RELEASE, ACQUIRE, false, true}, {&mp_plain, RELAXED, ACQUIRE, false, true},
    {&mp_plain, RELEASE, ACQUIRE, false, false}, {&corr, RELAXED, RELAXED, false, false},
    {&iriw, RELEASE, ACQUIRE, false, true},      {&iriw, SEQ_CST, SEQ_CST, false, false},
    {&w2w, RELEASE, RELAXED, false, true},       {&w2w, SEQ_CST, RELAXED, false, false},
    {&adds, RELAXED, RELAXED, false, false},
};

unsigned check_litmus(void) {
    unsigned failures = 0;
    printf("The machine:\n");
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        struct scenario scenario = *tests[i].scenario;
        scenario.sleeper = 2; /* the one in the middle of MP waits for what may never be last */
        orders.write = tests[i].write;
        orders.read = tests[i].read;
        orders.fences = tests[i].fences;
        struct verdict verdict = explore(&scenario);
        bool right = tests[i].happens == (verdict.broken != NULL);
        printf("%-8s %-15s %s / %s%s: %s\n", right ? "ok" : "NOT OK", scenario.name,
               order_name(tests[i].write), order_name(tests[i].read),
               orders.fences ? ", fences" : "", verdict.broken != NULL ? verdict.broken : "never");
        failures += !right;
    }
    return failures;
}
