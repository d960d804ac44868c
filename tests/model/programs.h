/* programs.h: the library's algorithms, as programs of the machine. Each has the name of its
 * function in src/, and a step stands where that has an atomic operation or a system call.
 *
 * What can be wrong with them is in `variant`: an order at one of the sites, or one of the changes
 * that somebody might think of. */
#ifndef EDDY_TESTS_MODEL_PROGRAMS_H
#define EDDY_TESTS_MODEL_PROGRAMS_H

#include "explore.h"

/* Where the source names an order, or leaves it to be sequentially consistent. */
enum site {
    PIPE_LOCK, /* the kernel's, in read, write and wait */
    PUSH_LOAD,
    PUSH_SWAP,
    LOOK,
    TAKE,
    WAITING_LOOK,
    SET_WAITING,
    SET_AWAKE,
    REFUSE,
    REFUSED_LOOK,
    SEND,
    WAKE_RUN,
    WAKE_START,
    WAKE_STOP,
    HANDLER_COUNT,
    HANDLER_FIRST,
    HANDLER_NEXT,
    HANDLER_PENDING,
    HANDLER_UNCOUNT,
    SIGNAL_RUN,
    SIGNAL_LINK,
    SIGNAL_UNLINK,
    SIGNAL_WAIT,
    SIGNAL_STOP,
    TRACE_FENCE,
    TRACE_HEAD,
    TRACE_READ_HEAD,
    TRACE_READ_FENCE,
    PLACE_CLAIM,
    PLACE_FENCE,
    PLACE_WHOLE,
    PLACE_READ,
    PLACE_READ_FENCE,
    PLACE_DROP,
    DROPPED_READ,
    NEXT_READ,
    LABEL_FENCE,
    LABEL_VERSION,
    LABEL_READ,
    LABEL_READ_FENCE,
    TRACE_COUNT,
    TRACE_LOOK,
    TRACE_UNCOUNT,
    TRACE_TAKE,
    TRACE_WAIT,
    SITES
};

/* Each a way to write it that somebody might think of. */
enum change {
    NONE,
    /* inbox.c and wakeup.c */
    WAKE_ALWAYS,
    WAKE_NEVER_FIRST,
    WAKE_BEFORE_PUSH,
    SLEEP_WITHOUT_MARKER,
    SLEEP_WITHOUT_LOOK,
    MARKER_BY_STORE,
    MARKER_DOWN_BY_STORE,
    MARKER_DOWN_BY_EXCHANGE, /* what it finds is dropped */
    SINGLE_FROM_MARKER,
    SINGLE_PAST_QUEUE,
    LINK_AFTER_PUSH,
    CLOSE_WITHOUT_COUNT,
    CLOSE_WHEN_EMPTY,
    READ_WHEN_TAKEN, /* by a withdrawal too, though no wait has told of it yet */
    READ_TOO_RARELY, /* the pipe is full before it is read */
    SMALLER_PIPE,    /* by one byte */
    MARKER_STAYS,    /* after each wait; hurts the budget alone */
    READ_AFTER_LOOK, /* hurts nothing: what is read was told of by a list that has been taken */
    /* wake.c */
    CLEAR_AFTER_CALL,
    CLEAR_BY_STORE,
    STOP_WITHOUT_WITHDRAW,
    STOP_BY_STORE,
    SEND_BY_STORE,
    LOAD_FIRST,            /* relaxed, before the exchange */
    LOAD_FIRST_CONSISTENT, /* sequentially consistent, as are the exchanges */
    FENCE_AND_LOAD_FIRST,  /* a fence before the load, and none in the loop */
    FENCES_AND_LOAD_FIRST, /* and one behind the loop's exchange */
    /* signal.c */
    STOP_WITHOUT_WAIT,
    WAIT_BEFORE_UNLINK,
    COUNT_AFTER_FIRST,
    UNCOUNT_BEFORE_PUSH,
    UNLINK_WITHOUT_LOCK,
    /* src/work */
    STATE_AFTER_UNLOCK,
    STATE_AFTER_PUSH,
    PUSH_BEFORE_STATE,
    CANCEL_WITHOUT_LOCK,
    CANCEL_THE_RUNNING,
    QUEUE_PUSH_AFTER_UNLOCK,
    QUEUE_PUSH_BEFORE_RELEASE,
    QUEUE_STAYS_WHILE_RUNNING,
    QUEUE_WAKE_LEFT_OUT,
    QUEUE_LOOP_AFTER_PUSH, /* is read out of the job */
    /* trace.h */
    HEAD_BEFORE_WORDS,
    READ_EVERY_PLACE, /* the place that is written just now as well */
    READ_OWN_ONCE,    /* without a second look at the head */
    CLAIM_BY_STORE,
    CLAIM_THE_HELD, /* which somebody is in the middle of */
    DROP_UNTOLD,
    READ_PLACE_ONCE,
    LABEL_ONE_VERSION, /* that tells of its end alone */
    LABEL_READ_ONCE,
    COUNT_AFTER_LOOK,
    STOP_UNAWAITED,
    CHANGES
};

/* How the senders of a wake hand over their data. */
enum data { DATA_STORED, DATA_CONSISTENT, DATA_SWAPPED, DATA_LOCKED };

/* How the loop is woken: by a pipe that is read each time; by edges of a pipe that is read rarely;
 * by edges of an eventfd that is never read, as its number does not overflow. */
enum way { LEVEL_PIPE, EDGE_PIPE, EDGE_EVENTFD };

extern struct variant {
    enum order orders[SITES];
    enum change change;
    enum data data;
    enum way way;
    unsigned unread_max; /* of EDGE_PIPE */
} variant;

enum { MORE_POSTS = 3, OTHERS = 1 };

enum location {
    HEAD,                  /* inbox->head: a post, or one of the two below */
    PIPE,                  /* wake-ups in it that were not read */
    REFUSED,               /* wakeup->refused */
    EDGE,                  /* one that no wait has told of */
    PENDING,               /* of the wake or the signal watcher with post 1; then post 2's */
    RUNNING = PENDING + 2, /* handlers_running */
    FIRST,                 /* watched[number].first */
    NEXT_WATCHER,          /* of the watcher with post 1; then post 2's */
    LOCK = NEXT_WATCHER + 2,
    DATA, /* of the senders */
    LOCATIONS_USED = DATA + SEEN_MAX
};

enum plain {
    NEXT, /* post->next of posts 1 to 3; POISON: the owner has the post again */
    LIFE_LOOP = NEXT + MORE_POSTS,
    LIFE_PIPE,
    LIFE_WATCHER,             /* of the watchers with posts 1 and 2 */
    STATE = LIFE_WATCHER + 2, /* work->state */
    QUEUED,                   /* the pool's queue */
    RESULT,                   /* what a job computes */
    FLOW,                     /* an eddy_queue: its next job, and whether one runs */
    PLAINS_USED
};

/* NULL, and &inbox->waiting, which a loop begins with. */
enum { WAITING = 0, NOTHING = 9 };
enum { POISON = 0xff };

static inline unsigned pending_of(unsigned post) {
    return PENDING + post - 1u;
}
static inline unsigned next_of(unsigned post) {
    return NEXT + post - 1u;
}

extern const char *const location_names[], *const plain_names[], *const trace_location_names[];

/* --- inbox.c --- */
bool inbox_push(uint8_t post);
bool inbox_put(uint8_t post); /* the same without the wake-up */
bool put_wakes(void);         /* whether one is due */
bool wakeup_send(void);
void push_local(uint8_t post);
bool inbox_withdraw(uint8_t post);
bool inbox_close(void);
bool loop_wait(void);
bool inbox_turn(void);
bool nested_prepare(void);
bool nested_wait(void);
bool nested_return(void);
bool has_taken(void); /* something that is to run */
#define awake_but_woken "a loop that is awake has written to wake itself"
/* Takes the first post of the loop's queue, or returns 0. */
uint8_t next_queued(void);
void give_back_post(uint8_t post); /* it is its owner's again, who may do anything with it */
const char *nothing_is_left(const struct state *state);

/* --- code.c --- */
struct site_of_code {
    const char *name;
    enum order order; /* in the code */
    enum order need;  /* the weakest that is enough, nothing weaker of the same direction being */
    const char *file, *code;
};
extern const struct site_of_code sites[SITES];
extern const char *const change_names[CHANGES];
/* How many places of the code below `root` are not as modelled. */
unsigned check_source(const char *root);

/* --- litmus.c: the machine itself; returns how many outcomes are wrong --- */
unsigned check_litmus(void);

/* --- the scenarios --- */
extern const struct scenario post_scenarios[], budget_scenarios[], wake_scenarios[],
    signal_scenarios[], pool_scenarios[], trace_scenarios[]; /* a name of NULL ends them */

#endif
