/* machine.h: a machine that runs small parallel programs in every way that C11 allows.
 *
 * The memory is that of C11's orders, told by views. Each atomic location is a list of messages,
 * its modification order. A thread's view says how far in each list it has got: a load reads the
 * message there or any later one, so it may be stale; a store goes in behind it, not always last; a
 * read-modify-write reads a message that no other one has taken, and stands right behind it. A
 * release puts the thread's view into its message, an acquire takes the message's over. Fences as
 * in C11. Sequentially consistent accesses and fences share one more view, which is exact as long
 * as a location has either no such accesses or no others.
 *
 * Plain locations have only a value. Whoever touches one must have in its view the last write, and
 * to write it also the last read of each thread: if not, it is a race, and the program is broken. A
 * memory's life is a plain location, too: it is read by each access and written by free.
 *
 * Not modelled: a load that takes its value from a store that comes after it in its own thread's
 * program (load buffering, which needs an order weaker than any compiler or processor gives code
 * that depends on the value), and spurious failures of a weak compare-and-swap, which only repeat.
 * Threading: none; explore.c runs the programs' threads a step at a time. */
#ifndef EDDY_TESTS_MODEL_MACHINE_H
#define EDDY_TESTS_MODEL_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { THREADS_MAX = 4, LOCATIONS = 16, MESSAGES = 24, PLAINS = 12, SEEN_MAX = 3, QUEUE_MAX = 4 };

enum order { RELAXED, ACQUIRE, RELEASE, ACQ_REL, SEQ_CST };
const char *order_name(enum order order);

struct view {
    uint8_t at[LOCATIONS];
    uint64_t plain; /* per plain location: the last write, and the last read of each thread */
};

struct message {
    uint8_t value;
    bool behind; /* a read-modify-write that read the message before it */
    struct view view;
};

/* A function of a program keeps its place in a slot of its own; none calls itself. */
enum slot {
    IN_MAIN,
    IN_SEND,
    IN_PUSH,
    IN_PUT,
    IN_WAKEUP,
    IN_TAKE,
    IN_WAIT,
    IN_RUN,
    IN_STOP,
    IN_WITHDRAW,
    IN_CLOSE,
    IN_DATA,
    IN_TURN,
    IN_NESTED,
    IN_LOOP,
    IN_WALK,
    SLOTS
};

struct thread {
    struct view view;
    struct view fenced;  /* what a later release lets out with a relaxed store: at the last fence */
    struct view pending; /* what relaxed loads have read, for the next acquire fence */
    uint16_t line[SLOTS];
    bool ended;
    /* The programs' variables: */
    uint8_t head, next, other, old, job;
    uint8_t queue[QUEUE_MAX], queued; /* of a loop: taken, not run yet */
    uint8_t single;                   /* the same, without the queue */
    uint8_t due, read, ran, turns;
    uint8_t others; /* waits that may yet return for something else */
    bool waits, told, is_loop;
    bool is_busy;           /* posts have come lately */
    uint8_t seen[SEEN_MAX]; /* the senders' data as the last call saw them */
};

/* All of it is compared: what is not used is zero. */
struct state {
    struct thread threads[THREADS_MAX];
    struct message messages[LOCATIONS][MESSAGES];
    uint8_t count[LOCATIONS];
    uint8_t plain[PLAINS];
    struct view consistent; /* of all that is sequentially consistent; no plain ones */
};

/* What runs now. A step is one atomic operation with the plain ones around it. */
struct machine {
    struct state *state;
    struct thread *self;
    unsigned number; /* of self */
    bool blocked;    /* the step cannot be done yet */
    const char *broken;
    bool telling; /* prints each operation */
    const char *where;
    const char *const *threads, *const *locations, *const *plains; /* names */
};
extern struct machine machine;

void machine_clear(struct state *state);
void machine_set(struct state *state, unsigned location, uint8_t value); /* at the beginning */
/* Forgets messages that nobody can read any more, so that equal states look equal. */
void machine_forget(struct state *state);
void machine_break(const char *why);

/* How the explorer takes each way: returns 0 to count - 1. */
unsigned choose(unsigned count);

uint8_t load(unsigned location, enum order order);
void store(unsigned location, uint8_t value, enum order order);
uint8_t exchange(unsigned location, uint8_t value, enum order order);
uint8_t fetch_add(unsigned location, int value, enum order order);
bool compare_exchange(unsigned location, uint8_t *expected, uint8_t value, enum order order,
                      enum order failure);
void fence(enum order order);
/* The last of the list, without reading it: what a sleeper in the kernel waits for. */
uint8_t latest(unsigned location);
/* Whether a load might give `value`; load_value is that load, the last round of a busy wait. */
bool may_load(unsigned location, uint8_t value, enum order order);
void load_value(unsigned location, uint8_t value, enum order order);
/* A mutex; to be locked when it is free. */
bool lock_is_free(unsigned location);
void lock(unsigned location);
void unlock(unsigned location);

uint8_t plain_read(unsigned plain);
void plain_write(unsigned plain, uint8_t value);
enum { ALIVE, DEAD };
void touch(unsigned plain); /* reads a life: breaks if it is over */

/* --- The programs: functions that return true at their end, and go on where they left. --- */

#define BEGIN(slot)                                   \
    uint16_t *const line = &machine.self->line[slot]; \
    struct thread *const t = machine.self;            \
    machine.where = __func__;                         \
    (void)t;                                          \
    switch (*line) {                                  \
    case 0:

/* What comes next is a step of its own, before which any other thread may run. */
#define STEP()            \
    do {                  \
        *line = __LINE__; \
        return false;     \
    case __LINE__:;       \
    } while (0)

/* The same, but only once `condition` is true. */
#define STEP_WHEN(condition)        \
    do {                            \
        *line = __LINE__;           \
        return false;               \
    case __LINE__:                  \
        if (!(condition)) {         \
            machine.blocked = true; \
            return false;           \
        }                           \
    } while (0)

#define CALL(call)                 \
    do {                           \
        if (0) {                   \
        case __LINE__:;            \
        }                          \
        *line = __LINE__;          \
        if (!(call)) return false; \
        machine.where = __func__;  \
    } while (0)

#define RETURN()     \
    do {             \
        *line = 0;   \
        return true; \
    } while (0)

#define END() \
    }         \
    RETURN()

#endif
