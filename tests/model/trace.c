/* trace.c: src/core/trace.h as programs: the loop's records in a ring of two places, those of other
 * threads in one of one place, labels, and a stop. A record's words and a label's text are two
 * words here, which both have to be those of the same record. The loop is thread 0. */
#include "programs.h"

enum { PLACES = 2, MASK = PLACES - 1, RECORDS = 3, LOOKS = 4, LABELS = 2 };

/* Of this file alone: its scenarios use none of the others. */
enum {
    OWN_HEAD,       /* trace->head */
    OWN_WORDS,      /* two a place */
    NEXT_INDEX = 5, /* trace->others_next */
    PLACE_STATE,    /* of the one place */
    PLACE_DROPPED,
    PLACE_WORDS,
    JOINED = PLACE_WORDS + 2, /* senders that have ended, as a join tells */
    VERSION,                  /* of a label */
    TEXT,
    SENDERS = TEXT + 2, /* loop->trace_senders */
    TRACE,              /* loop->trace; 0: NULL */
    TRACE_LOCATIONS
};
_Static_assert((int)TRACE_LOCATIONS <= (int)LOCATIONS, "");

const char *const trace_location_names[] = {
    "head", "word 0", "word 0b", "word 1",  "word 1b", "others_next", "state",   "dropped",
    "word", "word b", "joined",  "version", "text",    "text b",      "senders", "trace"};
_Static_assert(sizeof trace_location_names / sizeof trace_location_names[0] == TRACE_LOCATIONS, "");

/* --- The loop's records --- */

static unsigned word_of(uint8_t index, unsigned word) {
    return OWN_WORDS + 2u * (index % PLACES) + word;
}

/* trace_put */
static bool trace_put(uint8_t index) {
    BEGIN(IN_PUT);
    STEP();
    if (variant.change == HEAD_BEFORE_WORDS) {
        store(OWN_HEAD, index + 1, variant.orders[TRACE_HEAD]);
        STEP();
    }
    fence(variant.orders[TRACE_FENCE]);
    store(word_of(index, 0), index + 1, RELAXED);
    STEP();
    store(word_of(index, 1), index + 1, RELAXED);
    STEP();
    if (variant.change != HEAD_BEFORE_WORDS) store(OWN_HEAD, index + 1, variant.orders[TRACE_HEAD]);
    END();
}

static bool put_all(void) {
    BEGIN(IN_MAIN);
    for (t->turns = 0; t->turns < RECORDS; t->turns++) CALL(trace_put(t->turns));
    END();
}

static void check_whole(uint8_t value) {
    const uint8_t *seen = machine.self->seen;
    if (seen[0] != seen[1]) machine_break("a record is torn");
    if (seen[0] != value || seen[1] != value) machine_break("a record is another one");
}

/* read_own. The place after the head is the one that is written next, or just now. */
static bool read_own(void) {
    BEGIN(IN_TAKE);
    for (;;) {
        STEP();
        t->head = load(OWN_HEAD, variant.orders[TRACE_READ_HEAD]);
        if (t->read == t->head) RETURN();
        t->due = MASK + (variant.change == READ_EVERY_PLACE);
        if (t->head - t->read > t->due) t->read = (uint8_t)(t->head - t->due);
        STEP();
        t->seen[0] = load(word_of(t->read, 0), RELAXED);
        STEP();
        t->seen[1] = load(word_of(t->read, 1), RELAXED);
        if (variant.change == READ_OWN_ONCE) break;
        fence(variant.orders[TRACE_READ_FENCE]);
        STEP();
        t->head = load(OWN_HEAD, RELAXED);
        if (t->head - t->read <= t->due) break;
    }
    t->read++;
    check_whole(t->read);
    END();
}

static bool read_while_written(void) {
    BEGIN(IN_MAIN);
    for (t->turns = 0; t->turns < LOOKS; t->turns++) CALL(read_own());
    END();
}

/* --- Those of other threads --- */

/* trace_drop */
static bool drop(void) {
    BEGIN(IN_WITHDRAW);
    STEP();
    t->old = load(PLACE_DROPPED, RELAXED);
    while (t->old <= t->single) {
        STEP();
        if (compare_exchange(PLACE_DROPPED, &t->old, t->single + 1, variant.orders[PLACE_DROP],
                             RELAXED))
            break;
    }
    END();
}

/* What a state, or a label's version, is while the record of `index` is written, and then. */
static uint8_t begun(uint8_t index) {
    return (uint8_t)(2 * index + 1);
}

static uint8_t whole(uint8_t index) {
    return (uint8_t)(2 * index + 2);
}

/* Claims the place of the record `single`, or says in `told` that it cannot. */
static void claim(void) {
    struct thread *t = machine.self;
    if (variant.change == CLAIM_BY_STORE)
        store(PLACE_STATE, begun(t->single), RELEASE);
    else
        t->told = !compare_exchange(PLACE_STATE, &t->other, begun(t->single),
                                    variant.orders[PLACE_CLAIM], RELAXED);
}

/* trace_send */
static bool trace_send(void) {
    BEGIN(IN_SEND);
    STEP();
    t->single = fetch_add(NEXT_INDEX, 1, RELAXED);
    STEP();
    t->other = load(PLACE_STATE, RELAXED);
    t->told = t->other > 2 * t->single || (t->other % 2 == 1 && variant.change != CLAIM_THE_HELD);
    if (!t->told) {
        STEP();
        claim();
    }
    if (t->told) {
        if (variant.change != DROP_UNTOLD) CALL(drop());
        RETURN();
    }
    STEP();
    fence(variant.orders[PLACE_FENCE]);
    store(PLACE_WORDS, t->single + 1, RELAXED);
    STEP();
    store(PLACE_WORDS + 1, t->single + 1, RELAXED);
    STEP();
    store(PLACE_STATE, whole(t->single), variant.orders[PLACE_WHOLE]);
    END();
}

static bool send_one(void) {
    BEGIN(IN_MAIN);
    CALL(trace_send());
    STEP();
    (void)fetch_add(JOINED, 1, RELEASE);
    END();
}

static bool send_two(void) {
    BEGIN(IN_MAIN);
    CALL(trace_send());
    CALL(trace_send());
    STEP();
    (void)fetch_add(JOINED, 1, RELEASE);
    END();
}

/* read_other, with read_place in it; ends where one is waited for, or all have been read. */
static bool read_other(void) {
    BEGIN(IN_TAKE);
    STEP();
    t->next = load(NEXT_INDEX, variant.orders[NEXT_READ]);
    while (t->read != t->next) {
        if (t->next - t->read > 1) t->read = (uint8_t)(t->next - 1);
        STEP();
        t->other = load(PLACE_STATE, variant.orders[PLACE_READ]);
        if (t->other < whole(t->read)) {
            STEP();
            if (load(PLACE_DROPPED, variant.orders[DROPPED_READ]) <= t->read) RETURN();
        }
        if (t->other == whole(t->read)) {
            STEP();
            t->seen[0] = load(PLACE_WORDS, RELAXED);
            STEP();
            t->seen[1] = load(PLACE_WORDS + 1, RELAXED);
            fence(variant.orders[PLACE_READ_FENCE]);
            STEP();
            if (variant.change == READ_PLACE_ONCE || load(PLACE_STATE, RELAXED) == t->other)
                check_whole(t->read + 1);
        }
        t->read++;
    }
    END();
}

/* Meanwhile, and when the senders have been joined: then nothing may be waited for. */
static bool read_and_join(void) {
    BEGIN(IN_MAIN);
    CALL(read_other());
    STEP_WHEN(latest(JOINED) == 2);
    (void)fetch_add(JOINED, 0, ACQUIRE);
    CALL(read_other());
    if (t->read != latest(NEXT_INDEX)) machine_break("a record is waited for that never comes");
    END();
}

/* --- Labels --- */

/* trace_write_label */
static bool write_label(uint8_t version) {
    BEGIN(IN_PUT);
    STEP();
    if (variant.change != LABEL_ONE_VERSION) {
        store(VERSION, begun(version), RELAXED);
        STEP();
    }
    fence(variant.orders[LABEL_FENCE]);
    store(TEXT, version + 1, RELAXED);
    STEP();
    store(TEXT + 1, version + 1, RELAXED);
    STEP();
    store(VERSION, whole(version), variant.orders[LABEL_VERSION]);
    END();
}

static bool write_labels(void) {
    BEGIN(IN_MAIN);
    for (t->turns = 0; t->turns < LABELS; t->turns++) CALL(write_label(t->turns));
    END();
}

/* eddy_trace_label, until it has read one */
static bool read_label(void) {
    BEGIN(IN_MAIN);
    do {
        STEP();
        t->old = load(VERSION, variant.orders[LABEL_READ]);
        STEP();
        t->seen[0] = load(TEXT, RELAXED);
        STEP();
        t->seen[1] = load(TEXT + 1, RELAXED);
        if (variant.change == LABEL_READ_ONCE) break;
        fence(variant.orders[LABEL_READ_FENCE]);
        STEP();
        t->other = load(VERSION, RELAXED);
    } while (t->old != t->other || t->old % 2 == 1);
    check_whole(t->old / 2);
    END();
}

/* --- A stop --- */

static void look(void) {
    machine.self->old = load(TRACE, variant.orders[TRACE_LOOK]);
}

/* eddy__observe_send */
static bool observe_send(void) {
    BEGIN(IN_MAIN);
    STEP();
    if (variant.change == COUNT_AFTER_LOOK) {
        look();
        STEP();
    }
    (void)fetch_add(SENDERS, 1, variant.orders[TRACE_COUNT]);
    STEP();
    if (variant.change != COUNT_AFTER_LOOK) look();
    if (t->old != 0) {
        STEP();
        touch(LIFE_LOOP);
    }
    STEP();
    (void)fetch_add(SENDERS, -1, variant.orders[TRACE_UNCOUNT]);
    END();
}

static bool none_sends(void) {
    return may_load(SENDERS, 0, variant.orders[TRACE_WAIT]);
}

/* eddy_trace_stop; then the trace's memory is its owner's */
static bool trace_stop(void) {
    BEGIN(IN_MAIN);
    STEP();
    store(TRACE, 0, variant.orders[TRACE_TAKE]);
    if (variant.change != STOP_UNAWAITED) {
        STEP_WHEN(none_sends());
        load_value(SENDERS, 0, variant.orders[TRACE_WAIT]);
    }
    plain_write(LIFE_LOOP, DEAD);
    END();
}

static void started(struct state *state) {
    machine_set(state, TRACE, 1);
}

const struct scenario trace_scenarios[] = {
    {"trace: the loop's",
     "no record is torn, and none is another's",
     {put_all, read_while_written},
     {"loop", "reader"},
     NULL,
     NULL,
     THREADS_MAX},
    {"trace: other threads'",
     "the same, and one that was dropped is not waited for",
     {send_one, send_two, read_and_join},
     {"sender 1", "sender 2", "reader"},
     NULL,
     NULL,
     THREADS_MAX},
    {"trace: labels",
     "no label is torn",
     {write_labels, read_label},
     {"loop", "reader"},
     NULL,
     NULL,
     THREADS_MAX},
    {"trace: stop",
     "after a stop nobody writes into the trace",
     {trace_stop, observe_send, observe_send},
     {"loop", "sender 1", "sender 2"},
     started,
     NULL,
     THREADS_MAX},
    {0},
};
