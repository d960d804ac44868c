/* inbox.h: what comes to a loop from other threads and from signal handlers, and what completed at
 * once. */
#ifndef EDDY_CORE_INBOX_H
#define EDDY_CORE_INBOX_H

#include <eddy/loop.h>

#include "../../platform/compiler.h"

#include "profile.h"

#include <stdatomic.h>

/* Posts in the order of arrival, taken out of the list and not run yet. */
struct inbox_queue {
    eddy_post *first, **last;
    eddy_post **end; /* where the phase under way ends */
};

struct inbox {
    EDDY_ATOMIC(eddy_post *) head; /* pushed by any thread (release), taken whole (acquire) */
    eddy_post waiting;             /* the marker: head is this while the loop may be asleep */
    unsigned busy;                 /* so many more times the marker is taken down after a wait */
    struct inbox_queue posts;
    struct inbox_queue signals; /* run last */
};

/* To take the marker down and put it up again are two exchanges, some 30 ns; to leave it there may
 * cost a needless write of a sender, and a turn, together some 1,000 ns. So it is left there once
 * that many turns have passed without a post: at worst that costs twice what is best. */
enum { INBOX_BUSY_TURNS = 32 };

/* From here on a push wakes the loop. False: something has arrived already. Relaxed: nothing is
 * handed over by it. The marker may be there still, or again for somebody who looks at an old head:
 * a push that has found it wakes. */
static inline bool inbox_set_waiting(struct inbox *inbox) {
    if (!HAS_QUEUES) return true;
    eddy_post *head = NULL;
    if (!IS_SMALL) head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    return (head == NULL &&
            atomic_compare_exchange_strong_explicit(&inbox->head, &head, &inbox->waiting,
                                                    memory_order_relaxed, memory_order_relaxed)) ||
           head == &inbox->waiting;
}

/* The loop looks by itself again, and if posts come, a push need not wake it. One that was first
 * stays: it has woken the loop. */
static inline void inbox_set_awake(struct inbox *inbox) {
    if (!HAS_QUEUES) return;
    if (!IS_SMALL && inbox->busy == 0) return;
    if (!IS_SMALL) inbox->busy--;
    eddy_post *head = &inbox->waiting;
    (void)atomic_compare_exchange_strong_explicit(&inbox->head, &head, NULL, memory_order_relaxed,
                                                  memory_order_relaxed);
}

/* Nothing has arrived since the marker was set. */
static inline bool inbox_is_waiting(const struct inbox *inbox) {
    return atomic_load_explicit(&inbox->head, memory_order_relaxed) == &inbox->waiting;
}

/* Something that nobody has taken yet. Relaxed: only a look. */
static inline bool inbox_has_arrived(const struct inbox *inbox) {
    if (!HAS_QUEUES) return false;
    const eddy_post *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    return head != NULL && head != &inbox->waiting;
}

/* The same, asked by a loop that is awake. */
static inline bool inbox_has_more(const struct inbox *inbox) {
    if (!IS_SMALL || !HAS_QUEUES) return inbox_has_arrived(inbox);
    return atomic_load_explicit(&inbox->head, memory_order_relaxed) != NULL;
}

OPTIONAL void eddy__inbox_open(eddy_loop *loop);
void eddy__inbox_push(eddy_loop *loop, eddy_post *post); /* any thread; post->fn is set */
/* The same in two parts, as a lock may be held for the first one. True: eddy__wakeup_send must
 * follow, for which the loop stays open, though `post` may be its owner's again. */
bool eddy__inbox_put(eddy_loop *loop, eddy_post *post);
void eddy__inbox_push_local(eddy_loop *loop, eddy_post *post); /* the same, by the loop's thread */
void eddy__inbox_push_signal(eddy_loop *loop,
                             eddy_post *post);  /* the same, of a signal's watcher */
void eddy__inbox_take(eddy_loop *loop);         /* puts what has arrived into the queues */
OPTIONAL void eddy__inbox_run(eddy_loop *loop); /* phase 6 */
/* Shows each post that has arrived and has not run, and changes nothing. */
void eddy__inbox_look(const eddy_loop *loop, void (*look)(void *context, eddy_post *post),
                      void *context);
bool eddy__inbox_holds(eddy_loop *loop, const eddy_post *post); /* it has arrived, and not run */
/* Takes `post` out, waiting for a sender that is just pushing it: it must be on its way. */
void eddy__inbox_withdraw(eddy_loop *loop, eddy_post *post);

#endif
