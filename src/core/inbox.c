/* inbox.c: what comes to the loop from other threads and from signal handlers.
 *
 * One list for all of it: completions of the pool, posted calls, wake-ups, signals. Senders push
 * with one compare-and-swap. A loop that is awake looks into the list by itself. Before it sleeps
 * it puts a marker at the list's end, if the list is empty, and the push that finds nothing but the
 * marker wakes the loop: a write into its pipe. Each push either comes before the marker, and then
 * the loop does not sleep, or finds it. When the wait returns the marker is taken down, if posts
 * have come lately: a loop that is awake costs its senders, and itself, no system call. Else it is
 * left there, and a turn in which nobody posts costs no exchange; the first post that comes then
 * writes, be the loop awake or not.
 *
 * The orders: a push releases the post, and the take acquires it. It is one exchange for all of
 * them, as each push reads the one before it and is part of what that has released. Nothing goes
 * the other way through the list: a post comes back to its sender by its own call. The rest is the
 * kernel's, whose locks order a write before its being told and read: a push that was seen to wake
 * the loop is in the list, and a sender that has written has done with the loop. tests/model runs
 * all of this through its interleavings, and breaks what is weaker.
 *
 * Invariant: DUE_INBOX is set exactly while a queue holds a post. Threading: eddy_loop_post,
 * eddy__inbox_push and eddy__inbox_put from any thread and from signal handlers; the rest from the
 * loop's. */
#include "inbox.h"

#include "callback.h"
#include "check.h"
#include "loop.h"
#include "signal.h"
#include "wake.h"

bool eddy__inbox_put(eddy_loop *loop, eddy_post *post) {
    struct inbox *inbox = &loop->inbox;
    /* Relaxed: a guess, which the swap checks. Nothing is read through it. */
    eddy_post *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    do {
        EDDY_CHECK(head != post);
        post->next = head;
        /* Release: `next`, and all that the sender wrote, before the post can be found. */
    } while (!atomic_compare_exchange_weak_explicit(&inbox->head, &head, post, memory_order_release,
                                                    memory_order_relaxed));
    /* The post is the loop's now. If nobody waits for the write, so may be the whole loop. */
    return head == &inbox->waiting;
}

void eddy__inbox_push(eddy_loop *loop, eddy_post *post) {
    if (eddy__inbox_put(loop, post)) eddy__wakeup_send(loop);
}

RARE static void inbox_post_traced(eddy_loop *loop, eddy_post *post) {
    observe_send(loop, EDDY_TRACE_POST, EDDY_KIND_POST, post, 0);
    eddy__inbox_push(loop, post);
}

void eddy_loop_post(eddy_loop *loop, eddy_post *post, eddy_post_fn *fn) {
    EDDY_ASSERT(fn != NULL);
    post->fn = fn;
    if (loop_is_traced(loop))
        inbox_post_traced(loop, post);
    else
        eddy__inbox_push(loop, post);
}

/* --- The queues --- */

static void inbox_append(struct inbox_queue *queue, eddy_post *post) {
    EDDY_ASSERT(queue->last != &post->next);
    post->next = NULL;
    *queue->last = post;
    queue->last = &post->next;
}

void eddy__inbox_push_local(eddy_loop *loop, eddy_post *post) {
    inbox_append(&loop->inbox.posts, post);
    loop->due |= DUE_INBOX;
}

void eddy__inbox_push_signal(eddy_loop *loop, eddy_post *post) {
    inbox_append(&loop->inbox.signals, post);
    loop->due |= DUE_INBOX;
}

RARE static void inbox_sort(struct inbox *inbox, eddy_post *oldest) {
    while (oldest != NULL) {
        eddy_post *next = oldest->next;
        inbox_append(oldest->fn == eddy__signal_run ? &inbox->signals : &inbox->posts, oldest);
        oldest = next;
    }
}

/* What has been pushed, newest first, or NULL. */
static inline eddy_post *inbox_take_list(struct inbox *inbox) {
    /* Relaxed: a look, so that a marker with nothing before it stays. */
    eddy_post *head = atomic_load_explicit(&inbox->head, memory_order_relaxed);
    if (head == NULL || head == &inbox->waiting) return NULL;
    if (!IS_SMALL) inbox->busy = INBOX_BUSY_TURNS;
    /* Acquire: reads the last push, and with it sees what it and those before it released. */
    return atomic_exchange_explicit(&inbox->head, NULL, memory_order_acquire);
}

#ifdef EDDY_CHECKS
/* Posted again since, it has another `next` by now; but nothing before it has. */
static bool inbox_has_queued(const struct inbox *inbox, const eddy_post *post) {
    const eddy_post *at = inbox->posts.first;
    while (at != NULL && at != post) at = at->next;
    return at != NULL;
}
#endif

/* The list is last in, first out; it is queued in the order of arrival. */
static void inbox_queue_list(eddy_loop *loop, eddy_post *newest) {
    struct inbox *inbox = &loop->inbox;
    eddy_post *last = newest, *oldest = NULL;
    bool has_signals = false;
    do {
        EDDY_CHECK(!inbox_has_queued(inbox, newest));
        eddy_post *next = newest->next;
        has_signals |= newest->fn == eddy__signal_run;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    } while (newest != NULL && newest != &inbox->waiting);
    /* Turned around, a list that one post is in twice leads back to where it began. */
    bool is_each_posted_once = last->next == NULL;
    EDDY_ASSERT(is_each_posted_once);
    if (newest != NULL) eddy__wakeup_expect(loop);
    loop->due |= DUE_INBOX;
    if (has_signals) {
        inbox_sort(inbox, oldest);
    } else {
        *inbox->posts.last = oldest;
        inbox->posts.last = &last->next;
    }
}

void eddy__inbox_take(eddy_loop *loop) {
    eddy_post *newest = inbox_take_list(&loop->inbox);
    if (newest != NULL) inbox_queue_list(loop, newest);
}

static void inbox_note_queued(eddy_loop *loop) {
    if (loop->inbox.posts.first == NULL && loop->inbox.signals.first == NULL)
        loop->due &= ~(unsigned)DUE_INBOX;
}

/* For the gate: what the library itself has posted. */
static unsigned inbox_called(const eddy_loop *loop, const eddy_post *post) {
    bool is_inner =
        post->fn == eddy__signal_run || post->fn == eddy__wake_run || eddy__part_owns(loop, post);
    return is_inner ? (unsigned)EDDY_KIND_POST | OBSERVE_INNER : (unsigned)EDDY_KIND_POST;
}

RARE static void inbox_call_observed(eddy_loop *loop, eddy_post *post) {
    CALLBACK(loop, inbox_called(loop, post), post, post->fn, post);
}

static inline void inbox_run_queue(eddy_loop *loop, struct inbox_queue *queue) {
    unsigned limit = loop->config.completions_per_turn;
    queue->end = queue->last; /* what is queued from here on waits for the next turn */
    while (queue->end != &queue->first && limit-- > 0) {
        eddy_post *post = queue->first;
        if (queue->end == &post->next) queue->end = &queue->first;
        queue->first = post->next;
        if (queue->first == NULL) {
            /* A sender that posts it once more cuts off what is behind it. */
            bool is_posted_once = queue->last == &post->next;
            EDDY_ASSERT(is_posted_once);
            queue->last = &queue->first;
            inbox_note_queued(loop);
        }
        loop->metrics.completions++;
        if (loop_is_observed(loop))
            inbox_call_observed(loop, post);
        else
            CALLBACK_UNSEEN(post->fn, post); /* the post may be gone now */
    }
    queue->end = &queue->first;
}

RARE static void inbox_run_signals(eddy_loop *loop) {
    inbox_run_queue(loop, &loop->inbox.signals);
}

RARE static void inbox_see_wakeup(eddy_loop *loop) {
    loop->due &= ~(unsigned)DUE_WAKEUP;
    eddy__wakeup_see(loop);
}

APART static void inbox_run_queues(eddy_loop *loop, eddy_post *newest) {
    if (newest != NULL) inbox_queue_list(loop, newest);
    inbox_run_queue(loop, &loop->inbox.posts);
    if (loop->inbox.signals.first != NULL) inbox_run_signals(loop);
}

/* One post, pushed while the loop was awake, and nothing queued before it, goes without a queue. */
void eddy__inbox_run(eddy_loop *loop) {
    if (loop->due & DUE_WAKEUP) inbox_see_wakeup(loop);
    eddy_post *newest = inbox_take_list(&loop->inbox);
    if (newest != NULL && newest->next == NULL && !(loop->due & (DUE_INBOX | DUE_OBSERVED))) {
        loop->metrics.completions++;
        CALLBACK_UNSEEN(newest->fn, newest); /* the post may be gone now */
    } else {
        inbox_run_queues(loop, newest);
    }
}

/* --- Taking back --- */

static bool inbox_remove(struct inbox_queue *queue, eddy_post *post) {
    for (eddy_post **at = &queue->first; *at != NULL; at = &(*at)->next) {
        if (*at != post) continue;
        *at = post->next;
        if (queue->last == &post->next) queue->last = at;
        if (queue->end == &post->next) queue->end = at;
        return true;
    }
    return false;
}

void eddy__inbox_withdraw(eddy_loop *loop, eddy_post *post) {
    struct inbox *inbox = &loop->inbox;
    unsigned rounds = 0;
    eddy__inbox_take(loop);
    while (!inbox_remove(&inbox->posts, post) && !inbox_remove(&inbox->signals, post)) {
        /* Its sender is between marking it as sent and pushing it: a few instructions, unless the
         * kernel gives the processor to somebody else just there. */
        eddy_os_back_off(&rounds);
        eddy__inbox_take(loop);
    }
    inbox_note_queued(loop);
}

bool eddy__inbox_holds(eddy_loop *loop, const eddy_post *post) {
    eddy__inbox_take(loop);
    const eddy_post *at = loop->inbox.posts.first;
    while (at != NULL && at != post) at = at->next;
    return at != NULL;
}

/* Acquire: as the take. The list that hangs on a post grows only before it, and is taken only by
 * this thread. */
void eddy__inbox_look(const eddy_loop *loop, void (*look)(void *context, eddy_post *post),
                      void *context) {
    const struct inbox *inbox = &loop->inbox;
    eddy_post *post = atomic_load_explicit(&inbox->head, memory_order_acquire);
    for (; post != NULL && post != &inbox->waiting; post = post->next) look(context, post);
    for (post = inbox->posts.first; post != NULL; post = post->next) look(context, post);
    for (post = inbox->signals.first; post != NULL; post = post->next) look(context, post);
}

static void inbox_queue_init(struct inbox_queue *queue) {
    queue->first = NULL;
    queue->last = queue->end = &queue->first;
}

void eddy__inbox_open(eddy_loop *loop) {
    struct inbox *inbox = &loop->inbox;
    inbox_queue_init(&inbox->posts);
    inbox_queue_init(&inbox->signals);
    atomic_init(&inbox->head, &inbox->waiting);
    if (!IS_SMALL) inbox->busy = INBOX_BUSY_TURNS;
}
