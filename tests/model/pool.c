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

const struct scenario pool_scenarios[] = {
    {"pool: submit, cancel, close",
     "one outcome, and nobody touches the job or the loop after it",
     {submit_cancel_and_close, worker, worker},
     {"loop", "worker 1", "worker 2"},
     NULL,
     NULL,
     THREADS_MAX},
    {0},
};
