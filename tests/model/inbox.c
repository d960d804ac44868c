/* inbox.c: src/core/inbox.c and wakeup.c as programs, and posting in a few scenarios. */
#include "programs.h"

const char *const location_names[] = {"inbox head", "pipe",     "refused",  "edge",    "pending",
                                      "pending 2",  "handlers", "first",    "next",    "next 2",
                                      "lock",       "data",     "data (2)", "data (3)"};
const char *const plain_names[] = {"post->next", "post 2",  "post 3",    "loop",
                                   "pipe's fd",  "watcher", "2nd",       "job state",
                                   "queue",      "result",  "eddy_queue"};
_Static_assert(sizeof location_names / sizeof location_names[0] == LOCATIONS_USED, "");
_Static_assert(sizeof plain_names / sizeof plain_names[0] == PLAINS_USED, "");
_Static_assert((int)LOCATIONS_USED <= (int)LOCATIONS && (int)PLAINS_USED <= (int)PLAINS, "");

/* --- wakeup.c --- */

/* Of eddy__wakeup_see: whether the pipe is to be read. */
static bool reads(void) {
    const struct thread *t = machine.self;
    if (variant.way != EDGE_PIPE) return variant.way == LEVEL_PIPE;
    unsigned most = variant.unread_max;
    if (variant.change == READ_TOO_RARELY) most += 2;
    return t->due >= t->read + load(REFUSED, RELAXED) + most;
}

/* A pipe that is read each time may have any size. One that is not has room for what may lie there
 * unread, and for one more. */
static bool is_full(void) {
    if (variant.way == LEVEL_PIPE) return latest(PIPE) > 0 && choose(2) == 1;
    unsigned capacity = variant.unread_max + (variant.change != SMALLER_PIPE);
    return variant.way == EDGE_PIPE && latest(PIPE) >= capacity;
}

/* eddy__wakeup_send */
bool wakeup_send(void) {
    BEGIN(IN_WAKEUP);
    touch(LIFE_LOOP); /* loop->wakeup */
    touch(LIFE_PIPE);
    if (t->is_loop) machine_break(awake_but_woken);
    if (is_full()) {
        bool will_read = latest(EDGE) > 0 || machine.state->threads[0].told;
        if (variant.way == EDGE_PIPE && !will_read && variant.change != READ_TOO_RARELY)
            machine_break("the pipe is full, and nothing more will be told");
        (void)fetch_add(PIPE, 0, variant.orders[PIPE_LOCK]); /* the kernel has looked */
        STEP();
        touch(LIFE_LOOP);
        (void)fetch_add(REFUSED, 1, variant.orders[REFUSE]);
        RETURN();
    }
    (void)fetch_add(PIPE, 1, variant.orders[PIPE_LOCK]);
    if (variant.way != LEVEL_PIPE) (void)exchange(EDGE, 1, variant.orders[PIPE_LOCK]);
    END();
}

/* eddy__wakeup_read */
static void wakeup_read(void) {
    struct thread *t = machine.self;
    t->read = (uint8_t)(t->read + exchange(PIPE, 0, variant.orders[PIPE_LOCK]));
}

/* Whether the backend has something to tell. An edge that nobody has told of yet goes with what was
 * written, if that is read. */
static bool is_told(void) {
    return latest(PIPE) > 0 && (variant.way == LEVEL_PIPE || latest(EDGE) > 0);
}

/* --- inbox.h --- */

/* inbox_set_waiting */
static bool set_waiting(void) {
    if (variant.change == SLEEP_WITHOUT_MARKER) return true;
    if (variant.change == MARKER_BY_STORE) {
        store(HEAD, WAITING, variant.orders[SET_WAITING]);
        return true;
    }
    uint8_t head = load(HEAD, variant.orders[WAITING_LOOK]);
    if (head == NOTHING &&
        compare_exchange(HEAD, &head, WAITING, variant.orders[SET_WAITING], RELAXED))
        return true;
    return head == WAITING || variant.change == SLEEP_WITHOUT_LOOK;
}

/* inbox_set_awake. Whether posts have come lately: any of them, or none. */
static void set_awake(void) {
    uint8_t head = WAITING;
    if (variant.change == MARKER_STAYS) return;
    if (!machine.self->is_busy && choose(2) == 1) return;
    if (variant.change == MARKER_DOWN_BY_STORE)
        store(HEAD, NOTHING, variant.orders[SET_AWAKE]);
    else if (variant.change == MARKER_DOWN_BY_EXCHANGE)
        (void)exchange(HEAD, NOTHING, variant.orders[SET_AWAKE]);
    else
        (void)compare_exchange(HEAD, &head, NOTHING, variant.orders[SET_AWAKE], RELAXED);
}

/* --- inbox.c --- */

static bool wakes(uint8_t head) {
    if (variant.change == WAKE_ALWAYS) return true;
    return variant.change == WAKE_NEVER_FIRST ? head != WAITING : head == WAITING;
}

/* eddy__inbox_put */
bool inbox_put(uint8_t post) {
    BEGIN(IN_PUT);
    touch(LIFE_LOOP);
    t->head = load(HEAD, variant.orders[PUSH_LOAD]);
    if (variant.change == WAKE_BEFORE_PUSH && t->head == WAITING) {
        STEP();
        CALL(wakeup_send());
    }
    do {
        if (variant.change != LINK_AFTER_PUSH) plain_write(next_of(post), t->head);
        STEP();
        touch(LIFE_LOOP);
    } while (!compare_exchange(HEAD, &t->head, post, variant.orders[PUSH_SWAP], RELAXED));
    if (variant.change == LINK_AFTER_PUSH) plain_write(next_of(post), t->head);
    END();
}

bool put_wakes(void) {
    return variant.change != WAKE_BEFORE_PUSH && wakes(machine.self->head);
}

/* eddy__inbox_push */
bool inbox_push(uint8_t post) {
    BEGIN(IN_PUSH);
    CALL(inbox_put(post));
    if (!put_wakes()) RETURN();
    STEP();
    CALL(wakeup_send());
    END();
}

/* inbox_append */
static void append(uint8_t post) {
    plain_write(next_of(post), 0);
    machine.self->queue[machine.self->queued++] = post;
}

/* eddy__inbox_push_local */
void push_local(uint8_t post) {
    append(post);
}

static bool is_post(uint8_t head) {
    return head != WAITING && head != NOTHING;
}

/* inbox_queue_list. True: it was begun at the marker. */
static bool queue_list(uint8_t newest) {
    uint8_t oldest = 0;
    while (is_post(newest)) {
        uint8_t next = plain_read(next_of(newest));
        if (next == POISON) {
            machine_break("a post is in the list after its owner has got it back");
            return false;
        }
        plain_write(next_of(newest), oldest);
        oldest = newest;
        newest = next;
    }
    while (oldest != 0) {
        uint8_t next = plain_read(next_of(oldest));
        append(oldest);
        oldest = next;
    }
    return newest == WAITING;
}

/* Of eddy__inbox_run: the only post goes without a queue. */
static bool is_single(uint8_t newest) {
    uint8_t next = plain_read(next_of(newest));
    if (variant.change == SINGLE_FROM_MARKER && next == WAITING) return true;
    return next == NOTHING && (machine.self->queued == 0 || variant.change == SINGLE_PAST_QUEUE);
}

/* inbox_take_list, and what is done with the list: by eddy__inbox_take, or by eddy__inbox_run. */
static bool take(bool runs) {
    BEGIN(IN_TAKE);
    if (!is_post(load(HEAD, variant.orders[LOOK]))) RETURN();
    /* In the same step: what is pushed in between might as well have come before the look. */
    t->old = exchange(HEAD, NOTHING, variant.orders[TAKE]);
    if (runs && is_single(t->old)) {
        t->single = t->old;
        RETURN();
    }
    if (queue_list(t->old)) t->due++; /* eddy__wakeup_expect */
    if (variant.change == READ_WHEN_TAKEN && variant.way == EDGE_PIPE && reads()) {
        STEP();
        wakeup_read();
    }
    END();
}

/* loop_wait: phase 2. With a post at hand the loop does not sleep: it looks for what else there is,
 * or not even that. */
bool loop_wait(void) {
    BEGIN(IN_WAIT);
    STEP();
    t->told = 0;
    t->waits = t->queued == 0 && set_waiting();
    if (!t->waits && choose(2) == 1) RETURN();
    STEP_WHEN(!t->waits || is_told() || t->others > 0);
    if (is_told()) {
        t->told = 1;
        if (variant.way != LEVEL_PIPE) (void)exchange(EDGE, 0, variant.orders[PIPE_LOCK]);
    } else if (t->waits) {
        t->others--; /* the wait returned for a descriptor, a timer or a signal */
    }
    if (!t->waits) RETURN();
    STEP();
    set_awake();
    END();
}

/* --- Another poller waits, with the loop's descriptor in it. In between the marker is up. --- */

/* eddy_loop_prepare */
bool nested_prepare(void) {
    BEGIN(IN_NESTED);
    STEP();
    set_awake(); /* loop_begin */
    STEP();
    t->waits = t->queued == 0 && set_waiting();
    END();
}

/* That poller's wait, as long as prepare has said; eddy_loop_wait without a time-out; and
 * eddy_loop_dispatch, but for running. */
bool nested_wait(void) {
    BEGIN(IN_NESTED);
    if (t->waits) {
        STEP_WHEN(is_told() || t->others > 0);
        if (!is_told()) t->others--;
    }
    STEP();
    t->told = is_told();
    if (is_told() && variant.way != LEVEL_PIPE) (void)exchange(EDGE, 0, variant.orders[PIPE_LOCK]);
    STEP();
    set_awake();
    CALL(inbox_turn());
    END();
}

/* loop_return */
bool nested_return(void) {
    BEGIN(IN_NESTED);
    STEP();
    (void)set_waiting();
    END();
}

/* --- The phases --- */

/* eddy__inbox_run, but for running */
bool inbox_turn(void) {
    BEGIN(IN_TURN);
    if (variant.change == READ_AFTER_LOOK) CALL(take(true));
    if (t->told && reads()) { /* eddy__wakeup_see */
        STEP();
        wakeup_read();
    }
    t->told = 0;
    if (variant.change == READ_AFTER_LOOK) RETURN();
    STEP();
    CALL(take(true));
    END();
}

bool has_taken(void) {
    return machine.self->queued > 0 || machine.self->single != 0;
}

/* inbox_run_queue */
uint8_t next_queued(void) {
    struct thread *t = machine.self;
    uint8_t post = t->single;
    t->single = 0;
    if (post != 0 || t->queued == 0) return post;
    post = t->queue[0];
    (void)plain_read(next_of(post)); /* queue->first = post->next */
    t->queued--;
    for (int i = 0; i < QUEUE_MAX; i++)
        t->queue[i] = (uint8_t)(i < t->queued ? t->queue[i + 1] : 0);
    return post;
}

/* inbox_remove */
static bool remove_queued(uint8_t post) {
    struct thread *t = machine.self;
    unsigned kept = 0;
    bool found = false;
    for (unsigned i = 0; i < t->queued; i++) {
        if (t->queue[i] == post)
            found = true;
        else
            t->queue[kept++] = t->queue[i];
    }
    for (unsigned i = kept; i < QUEUE_MAX; i++) t->queue[i] = 0;
    t->queued = (uint8_t)kept;
    return found;
}

/* eddy__inbox_withdraw */
bool inbox_withdraw(uint8_t post) {
    BEGIN(IN_WITHDRAW);
    while (!remove_queued(post)) {
        STEP_WHEN(is_post(latest(HEAD))); /* before, it would only look again */
        CALL(take(false));
    }
    END();
}

/* Not wakeup_is_under_way */
static bool may_close(void) {
    if (variant.change == CLOSE_WITHOUT_COUNT) return true;
    if (variant.change == CLOSE_WHEN_EMPTY) return !is_post(latest(HEAD)) && latest(PIPE) == 0;
    uint8_t refused = load(REFUSED, variant.orders[REFUSED_LOOK]);
    return machine.self->read + refused >= machine.self->due;
}

/* eddy__wakeup_close, and the end of eddy_loop_close */
bool inbox_close(void) {
    BEGIN(IN_CLOSE);
    STEP();
    while (!may_close()) {
        /* Before, it would only look again. */
        STEP_WHEN(latest(PIPE) > 0 || latest(REFUSED) > 0);
        if (latest(PIPE) > 0) wakeup_read();
        STEP();
    }
    plain_write(LIFE_PIPE, DEAD);
    plain_write(LIFE_LOOP, DEAD);
    END();
}

void give_back_post(uint8_t post) {
    plain_write(next_of(post), POISON);
}

const char *nothing_is_left(const struct state *state) {
    unsigned last = state->count[HEAD] - 1u;
    return is_post(state->messages[HEAD][last].value)
               ? "the loop sleeps, with something in the list"
               : NULL;
}

/* --- Posting: the loop is thread 0, and each sender has the post of its number. --- */

static bool post_one(void) {
    BEGIN(IN_MAIN);
    STEP();
    CALL(inbox_push((uint8_t)machine.number));
    END();
}

static bool post_two(void) {
    BEGIN(IN_MAIN);
    STEP();
    CALL(inbox_push(1));
    STEP();
    CALL(inbox_push(2));
    END();
}

static bool post_third(void) {
    BEGIN(IN_MAIN);
    STEP();
    CALL(inbox_push(3));
    END();
}

static bool post_three(void) {
    BEGIN(IN_MAIN);
    STEP();
    CALL(inbox_push(1));
    STEP();
    CALL(inbox_push(2));
    STEP();
    CALL(inbox_push(3));
    END();
}

static void run_post(uint8_t post) {
    struct thread *t = machine.self;
    if (++t->seen[post - 1] > 1) machine_break("a post has run twice");
    t->ran++;
    give_back_post(post);
}

static void run_posts(void) {
    for (uint8_t post = next_queued(); post != 0; post = next_queued()) run_post(post);
}

static bool run_all_posts(void) {
    BEGIN(IN_MAIN);
    STEP();
    t->others = (uint8_t)choose(OTHERS + 1);
    for (;;) {
        CALL(loop_wait());
        CALL(inbox_turn());
        run_posts();
    }
    END();
}

/* The posts 1 and 2 are of one sender. A turn may run but one: completions_per_turn. */
static bool run_posts_in_order(void) {
    BEGIN(IN_MAIN);
    STEP();
    t->others = (uint8_t)choose(OTHERS + 1);
    for (;;) {
        CALL(loop_wait());
        CALL(inbox_turn());
        do {
            t->job = next_queued();
            if (t->job != 0) run_post(t->job);
            if (t->seen[1] > t->seen[0])
                machine_break("a post has overtaken one that was before it");
        } while (t->queued > 0 && choose(2) == 0);
        t->job = 0;
    }
    END();
}

static bool run_posts_and_close(void) {
    BEGIN(IN_MAIN);
    STEP();
    t->others = (uint8_t)choose(OTHERS + 1);
    while (t->ran < 2) {
        CALL(loop_wait());
        CALL(inbox_turn());
        run_posts();
    }
    CALL(inbox_close());
    END();
}

/* A callback of phase 4 or 5 posts, or one of phase 6: the loop is awake and will look. */
static bool post_to_itself(void) {
    BEGIN(IN_LOOP);
    t->is_loop = true;
    CALL(inbox_push(3));
    t->is_loop = false;
    END();
}

static bool post_while_running(void) {
    BEGIN(IN_MAIN);
    STEP();
    t->others = (uint8_t)choose(OTHERS + 1);
    t->is_busy = true;
    for (t->turns = 0;;) {
        CALL(loop_wait());
        if (t->turns == 0 && choose(2) == 1) {
            t->turns = 1;
            STEP();
            CALL(post_to_itself());
        }
        CALL(inbox_turn());
        run_posts();
        if (t->turns == 0 && choose(2) == 1) {
            t->turns = 1;
            STEP();
            CALL(post_to_itself());
        }
    }
    END();
}

static bool run_nested(void) {
    BEGIN(IN_MAIN);
    STEP();
    t->others = (uint8_t)choose(OTHERS + 1);
    for (;;) {
        CALL(nested_prepare());
        CALL(nested_wait());
        run_posts();
        CALL(nested_return());
    }
    END();
}

static const char *all_posts_ran(const struct state *state) {
    return state->threads[0].ran != 3 ? "a post has not run" : nothing_is_left(state);
}

static const char *both_posts_ran(const struct state *state) {
    return state->threads[0].ran != 2 ? "a post has not run" : nothing_is_left(state);
}

const struct scenario post_scenarios[] = {
    {"post: one sender",
     "each post runs once, and is its sender's again then; the pipe is never full",
     {run_all_posts, post_three},
     {"loop", "sender"},
     NULL,
     all_posts_ran,
     0},
    {"post: three senders",
     "the same",
     {run_all_posts, post_one, post_one, post_one},
     {"loop", "sender 1", "sender 2", "sender 3"},
     NULL,
     all_posts_ran,
     0},
    {"post: in order",
     "what one sender posts comes in its order",
     {run_posts_in_order, post_two, post_third},
     {"loop", "sender 1", "sender 2"},
     NULL,
     all_posts_ran,
     0},
    {"post: nested",
     "another poller that watches the loop's descriptor misses nothing",
     {run_nested, post_one, post_one},
     {"loop", "sender 1", "sender 2"},
     NULL,
     both_posts_ran,
     0},
    {"post: close",
     "a loop that closes after the last post has run waits for its senders' writes",
     {run_posts_and_close, post_one, post_one},
     {"loop", "sender 1", "sender 2"},
     NULL,
     NULL,
     THREADS_MAX},
    {0},
};

const struct scenario budget_scenarios[] = {
    {"budget: post to itself",
     "a loop that is awake, and to which posts come, does not wake itself",
     {post_while_running, post_one, post_one},
     {"loop", "sender 1", "sender 2"},
     NULL,
     nothing_is_left,
     0},
    {0},
};
