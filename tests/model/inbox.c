/* inbox.c: src/core/inbox.c as programs, and posting in three scenarios. */
#include "programs.h"

const char *const location_names[] = {"inbox_head", "pipe",     "refused",  "edge",    "pending",
                                      "pending 2",  "handlers", "first",    "next",    "next 2",
                                      "lock",       "data",     "data (2)", "data (3)"};
const char *const plain_names[] = {"post->next", "post 2", "post 3",    "loop",  "pipe's fd",
                                   "watcher",    "2nd",    "job state", "queue", "result"};
_Static_assert(sizeof location_names / sizeof location_names[0] == LOCATIONS_USED, "");
_Static_assert(sizeof plain_names / sizeof plain_names[0] == PLAINS_USED, "");
_Static_assert((int)LOCATIONS_USED <= (int)LOCATIONS && (int)PLAINS_USED <= (int)PLAINS, "");

/* The end of eddy__inbox_push. A pipe with bytes in it may be full. */
static bool write_byte(void) {
    BEGIN(IN_RING);
    touch(LIFE_LOOP); /* loop->pipe[1] */
    touch(LIFE_PIPE);
    if (!variant.is_edge && latest(PIPE) > 0 && choose(2) == 1) {
        (void)fetch_add(PIPE, 0, variant.orders[PIPE_LOCK]); /* the kernel has looked */
        STEP();
        touch(LIFE_LOOP);
        (void)fetch_add(REFUSED, 1, variant.orders[REFUSE]);
        RETURN();
    }
    (void)fetch_add(PIPE, 1, variant.orders[PIPE_LOCK]);
    if (variant.is_edge) (void)exchange(EDGE, 1, variant.orders[PIPE_LOCK]);
    END();
}

/* eddy__inbox_push */
bool inbox_push(uint8_t post) {
    BEGIN(IN_PUSH);
    touch(LIFE_LOOP);
    t->head = load(HEAD, variant.orders[PUSH_LOAD]);
    if (variant.change == BYTE_BEFORE_PUSH && t->head == BELL) {
        STEP();
        CALL(write_byte());
    }
    do {
        if (variant.change != LINK_AFTER_PUSH) plain_write(next_of(post), t->head);
        STEP();
        touch(LIFE_LOOP);
    } while (!compare_exchange(HEAD, &t->head, post, variant.orders[PUSH_SWAP], RELAXED));
    if (variant.change == LINK_AFTER_PUSH) plain_write(next_of(post), t->head);
    if (variant.change == BYTE_BEFORE_PUSH) RETURN();
    if (variant.change == BYTE_NEVER_FIRST ? t->head == BELL : t->head != BELL)
        if (variant.change != BYTE_ALWAYS) RETURN();
    STEP();
    CALL(write_byte());
    END();
}

/* append */
static void append(uint8_t post) {
    plain_write(next_of(post), 0);
    machine.self->queue[machine.self->queued++] = post;
}

/* eddy__inbox_push_local */
void push_local(uint8_t post) {
    append(post);
}

static bool is_post(uint8_t head) {
    return head != BELL && head != NOTHING;
}

/* take, after its exchange: turns the list around and queues it. */
static void queue_all(uint8_t newest) {
    uint8_t oldest = 0;
    while (is_post(newest)) {
        uint8_t next = plain_read(next_of(newest));
        if (next == POISON) {
            machine_break("a post is in the list after its owner has got it back");
            return;
        }
        plain_write(next_of(newest), oldest);
        oldest = newest;
        newest = next;
    }
    if (newest == BELL) machine.self->begun++;
    while (oldest != 0) {
        uint8_t next = plain_read(next_of(oldest));
        append(oldest);
        oldest = next;
    }
}

/* take */
static bool take(void) {
    BEGIN(IN_TAKE);
    if (!is_post(load(HEAD, variant.orders[LOOK]))) RETURN();
    /* In the same step: what is pushed in between might as well have come before the look. */
    queue_all(exchange(HEAD, NOTHING, variant.orders[TAKE]));
    END();
}

/* read_rings */
static void read_rings(void) {
    struct thread *t = machine.self;
    t->bytes = (uint8_t)(t->bytes + exchange(PIPE, 0, variant.orders[PIPE_LOCK]));
}

/* Whether the backend has something to tell. */
static bool has_rung(void) {
    return latest(variant.is_edge ? EDGE : PIPE) > 0;
}

/* eddy__inbox_hang_bell, and the wait. With a post at hand the loop does not sleep. */
bool loop_sleep(void) {
    BEGIN(IN_SLEEP);
    STEP();
    if (t->queued > 0) RETURN();
    if (load(HEAD, variant.orders[LOOK]) != BELL && variant.change != SLEEP_WITHOUT_BELL) {
        STEP();
        uint8_t found = NOTHING;
        if (variant.change == BELL_BY_STORE)
            store(HEAD, BELL, variant.orders[HANG]);
        else if (!compare_exchange(HEAD, &found, BELL, variant.orders[HANG], RELAXED))
            RETURN();
    }
    STEP_WHEN(has_rung());
    END();
}

/* The first half of eddy__inbox_run; on_readable has noted whether a ring was told. */
bool inbox_turn(void) {
    BEGIN(IN_TURN);
    if (has_rung()) {
        if (variant.is_edge)
            (void)exchange(EDGE, 0, variant.orders[PIPE_LOCK]); /* the wait's */
        else
            read_rings();
        STEP();
    }
    CALL(take());
    END();
}

/* run_queue */
uint8_t next_queued(void) {
    struct thread *t = machine.self;
    if (t->queued == 0) return 0;
    uint8_t post = t->queue[0];
    (void)plain_read(next_of(post)); /* queue->first = post->next */
    t->queued--;
    for (int i = 0; i < QUEUE_MAX; i++)
        t->queue[i] = (uint8_t)(i < t->queued ? t->queue[i + 1] : 0);
    return post;
}

/* remove_from */
static bool remove_from(uint8_t post) {
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
    while (!remove_from(post)) {
        STEP_WHEN(is_post(latest(HEAD))); /* before, it would only look again */
        CALL(take());
    }
    END();
}

static bool may_close(void) {
    if (variant.change == CLOSE_WITHOUT_COUNT) return true;
    if (variant.change == CLOSE_WHEN_EMPTY) return !is_post(latest(HEAD)) && latest(PIPE) == 0;
    uint8_t refused = load(REFUSED, variant.orders[REFUSED_LOOK]);
    return machine.self->bytes + refused >= machine.self->begun;
}

/* eddy__inbox_close, and the end of eddy_loop_close */
bool inbox_close(void) {
    BEGIN(IN_CLOSE);
    STEP();
    while (!may_close()) {
        /* Before, it would only look again. */
        STEP_WHEN(latest(PIPE) > 0 || latest(REFUSED) > 0);
        if (latest(PIPE) > 0) read_rings();
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

static void run_posts(void) {
    struct thread *t = machine.self;
    for (uint8_t post = next_queued(); post != 0; post = next_queued()) {
        if (++t->seen[post - 1] > 1) machine_break("a post has run twice");
        t->ran++;
        give_back_post(post);
    }
}

static bool run_all_posts(void) {
    BEGIN(IN_MAIN);
    for (;;) {
        CALL(loop_sleep());
        CALL(inbox_turn());
        run_posts();
    }
    END();
}

/* The posts 1 and 2 are of one sender. */
static bool run_posts_in_order(void) {
    BEGIN(IN_MAIN);
    for (;;) {
        CALL(loop_sleep());
        CALL(inbox_turn());
        for (int i = 1; i < t->queued; i++)
            if (t->queue[i - 1] == 2 && t->queue[i] == 1)
                machine_break("two posts of a sender come in the wrong order");
        run_posts();
        if (t->seen[1] > t->seen[0]) machine_break("a post has overtaken one that was before it");
    }
    END();
}

static bool run_posts_and_close(void) {
    BEGIN(IN_MAIN);
    while (t->ran < 2) {
        CALL(loop_sleep());
        CALL(inbox_turn());
        run_posts();
    }
    CALL(inbox_close());
    END();
}

static const char *all_posts_ran(const struct state *state) {
    return state->threads[0].ran != 3 ? "a post has not run" : nothing_is_left(state);
}

const struct scenario post_scenarios[] = {
    {"post: three senders",
     "each post runs once, and is its sender's again then",
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
    {"post: close",
     "a loop that closes after the last post has run waits for its senders' bytes",
     {run_posts_and_close, post_one, post_one},
     {"loop", "sender 1", "sender 2"},
     NULL,
     NULL,
     THREADS_MAX},
    {0},
};
