/* pool.c: a job's way from its loop to a worker and back (src/work), with a cancel on the way. The
 * job has post 1; its state, and the pool's queue, are plain memory that the pool's lock guards. */
#include "programs.h"

enum { POST = 1 };
enum { WORK_SUBMITTED, WORK_QUEUED, WORK_RUNNING, WORK_DONE, WORK_CANCELLED, WORK_FREE };
enum { QUEUE_EMPTY, QUEUE_HAS_JOB, QUEUE_CLOSED };

/* --- worker.c: run. It waits until it is called, here by what is in the queue. --- */

static bool is_called(void) {
    return lock_is_free(LOCK) && machine.state->plain[QUEUED] != QUEUE_EMPTY;
}

static bool worker(void) {
    BEGIN(IN_MAIN);
    STEP_WHEN(is_called());
    lock(LOCK);
    if (plain_read(QUEUED) == QUEUE_CLOSED) {
        STEP();
        unlock(LOCK);
        RETURN();
    }
    plain_write(QUEUED, QUEUE_EMPTY); /* take_from */
    if (plain_read(STATE) != WORK_QUEUED) machine_break("a job was taken that is not queued");
    plain_write(STATE, WORK_RUNNING);
    STEP();
    unlock(LOCK);
    plain_write(RESULT, 1); /* work->fn */
    if (variant.change == PUSH_BEFORE_STATE) {
        STEP();
        CALL(inbox_push(POST));
    }
    STEP_WHEN(lock_is_free(LOCK));
    lock(LOCK);
    if (variant.change != STATE_AFTER_UNLOCK && variant.change != STATE_AFTER_PUSH)
        plain_write(STATE, WORK_DONE); /* give_back */
    STEP();
    unlock(LOCK);
    if (variant.change == STATE_AFTER_UNLOCK) plain_write(STATE, WORK_DONE);
    if (variant.change == PUSH_BEFORE_STATE) RETURN();
    STEP();
    CALL(inbox_push(POST));
    if (variant.change == STATE_AFTER_PUSH) plain_write(STATE, WORK_DONE);
    END();
}

/* --- work.c --- */

/* eddy__pool_hand_over */
static bool hand_over(void) {
    BEGIN(IN_DATA);
    plain_write(STATE, WORK_QUEUED); /* flush, in work.c */
    STEP_WHEN(lock_is_free(LOCK));
    lock(LOCK);
    plain_write(QUEUED, QUEUE_HAS_JOB);
    STEP();
    unlock(LOCK);
    END();
}

static bool may_take_back(uint8_t state) {
    return state == WORK_QUEUED || (state == WORK_RUNNING && variant.change == CANCEL_THE_RUNNING);
}

/* eddy_work_cancel, with eddy__pool_take_back */
static bool cancel(void) {
    BEGIN(IN_STOP);
    if (variant.change != CANCEL_WITHOUT_LOCK) {
        STEP_WHEN(lock_is_free(LOCK));
        lock(LOCK);
    } else {
        STEP();
    }
    t->old = plain_read(STATE);
    if (may_take_back(t->old)) {
        plain_write(QUEUED, QUEUE_EMPTY);
        plain_write(STATE, WORK_CANCELLED);
    }
    if (variant.change != CANCEL_WITHOUT_LOCK) {
        STEP();
        unlock(LOCK);
    }
    if (may_take_back(t->old)) push_local(POST);
    END();
}

/* deliver; its callback frees the job. */
static void deliver(void) {
    uint8_t state = plain_read(STATE);
    if (++machine.self->ran > 1) machine_break("a job's callback has run twice");
    if (state == WORK_DONE && plain_read(RESULT) != 1) machine_break("a result is not there");
    if (state != WORK_DONE && state != WORK_CANCELLED) machine_break("a job has no outcome");
    plain_write(STATE, WORK_FREE);
    give_back_post(POST);
}

static bool submit_cancel_and_close(void) {
    BEGIN(IN_MAIN);
    CALL(hand_over());
    CALL(cancel());
    while (t->ran == 0) {
        if (!has_taken()) {
            CALL(loop_wait());
            CALL(inbox_turn());
        }
        while (next_queued() == POST) deliver();
    }
    CALL(inbox_close());
    STEP_WHEN(lock_is_free(LOCK));
    lock(LOCK);
    plain_write(QUEUED, QUEUE_CLOSED); /* another user of the pool closes it some time later */
    STEP();
    unlock(LOCK);
    END();
}

/* --- A queue of two jobs, posts 1 and 2 --- */

enum { FLOW_NEXT = 3, FLOW_RUNS = 4 }; /* job 3 is the end */

static bool is_called_to_queue(void) {
    return lock_is_free(LOCK) && machine.state->plain[QUEUED] != QUEUE_EMPTY;
}

/* take_from and hold; returns the job. */
static uint8_t take_from_queue(void) {
    uint8_t flow = plain_read(FLOW);
    uint8_t job = flow & FLOW_NEXT;
    if (flow & FLOW_RUNS) machine_break("two jobs of a queue run at once");
    bool stays = variant.change == QUEUE_STAYS_WHILE_RUNNING && job == 1;
    plain_write(QUEUED, stays ? QUEUE_HAS_JOB : QUEUE_EMPTY);
    plain_write(FLOW, (uint8_t)((job + 1) | FLOW_RUNS));
    return job;
}

/* release */
static void release_queue(void) {
    uint8_t next = plain_read(FLOW) & FLOW_NEXT;
    plain_write(FLOW, next);
    if (next < FLOW_NEXT) plain_write(QUEUED, QUEUE_HAS_JOB);
}

static bool queue_worker(void) {
    BEGIN(IN_MAIN);
    for (;;) {
        STEP_WHEN(is_called_to_queue());
        lock(LOCK);
        if (plain_read(QUEUED) == QUEUE_CLOSED) {
            STEP();
            unlock(LOCK);
            RETURN();
        }
        t->job = take_from_queue();
        STEP();
        unlock(LOCK);
        if (plain_read(RESULT) != t->job - 1) machine_break("a job does not see the one before");
        plain_write(RESULT, t->job); /* work->fn */
        STEP_WHEN(lock_is_free(LOCK));
        lock(LOCK);
        if (variant.change != QUEUE_PUSH_BEFORE_RELEASE) release_queue();
        if (variant.change != QUEUE_PUSH_AFTER_UNLOCK) {
            STEP();
            CALL(inbox_put(t->job));
        }
        if (variant.change == QUEUE_PUSH_BEFORE_RELEASE) release_queue();
        STEP();
        unlock(LOCK);
        if (variant.change == QUEUE_PUSH_AFTER_UNLOCK) {
            STEP();
            CALL(inbox_put(t->job));
        }
        if (variant.change == QUEUE_LOOP_AFTER_PUSH) (void)plain_read(next_of(t->job));
        if (put_wakes() && variant.change != QUEUE_WAKE_LEFT_OUT) {
            STEP();
            CALL(wakeup_send()); /* tell */
        }
        t->job = 0;
    }
    END();
}

/* Its callback frees the queue with the last job. */
static void deliver_in_order(uint8_t job) {
    if (++machine.self->ran != job) machine_break("a queue's jobs are not told in order");
    give_back_post(job);
    if (job == 2) plain_write(FLOW, 0);
}

static bool submit_to_queue_and_free(void) {
    BEGIN(IN_MAIN);
    plain_write(FLOW, 1);
    CALL(hand_over());
    while (t->ran < 2) {
        if (!has_taken()) {
            CALL(loop_wait());
            CALL(inbox_turn());
        }
        while ((t->job = next_queued()) != 0) deliver_in_order(t->job);
    }
    t->job = 0;
    CALL(inbox_close());
    STEP_WHEN(lock_is_free(LOCK));
    lock(LOCK);
    plain_write(QUEUED, QUEUE_CLOSED);
    STEP();
    unlock(LOCK);
    END();
}

const struct scenario pool_scenarios[] = {
    {"pool: a queue, freed at its end",
     "one job at a time, told in order, and nobody touches the queue after the last",
     {submit_to_queue_and_free, queue_worker, queue_worker},
     {"loop", "worker 1", "worker 2"},
     NULL,
     NULL,
     THREADS_MAX},
    {"pool: submit, cancel, close",
     "one outcome, and nobody touches the job or the loop after it",
     {submit_cancel_and_close, worker, worker},
     {"loop", "worker 1", "worker 2"},
     NULL,
     NULL,
     THREADS_MAX},
    {0},
};
