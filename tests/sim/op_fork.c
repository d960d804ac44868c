/* op_fork.c: a fork in the middle of it all. The child takes its loops over, or closes them, and
 * goes on like the parent for some hundred steps. Threads of the parent are at any point of what
 * they do; the models of the child are put right by what is to be seen of that. Invariant: the
 * first thread is in no callback. */
#include "operations.h"

enum { CHILD_STEPS = 300, CHILD_STEPS_MORE = 1000 };

static void take_back(struct desk *desk) {
    op_work_take_back(desk);
    op_file_take_back(desk);
}

/* The parent's pool is left, whatever else fails. */
static int call_after_fork(struct desk *desk) {
    const char *broken = NULL;
    int err = CALL(&desk->party, eddy_loop_after_fork(desk->party.loop));
    sim_note("eddy_loop_after_fork: %d", err);
    sim_check(err == 0 || op_is_weather(err), "eddy_loop_after_fork gives %d", err);
    (void)op_pool_use(desk->pool, -1);
    desk->pool = NULL;
    sim_check(eddy_loop_verify(desk->party.loop, &broken) == 0, "after a fork: %s", broken);
    return err;
}

static void take_over(struct desk *desk) {
    enum { TRIES = 3 };
    if (pick(3) == 0) {
        int err = CALL(&desk->party, eddy_loop_close(desk->party.loop));
        sim_check(err == -ECHILD, "a child closes its parent's loop: %d", err);
    }
    int err = call_after_fork(desk);
    for (int i = 0; err < 0 && i < TRIES && pick(4) > 0; i++) err = call_after_fork(desk);
    if (err < 0 && pick(2) == 0) {
        sim_faults_off();
        err = call_after_fork(desk);
        sim_faults_on();
        sim_check(err == 0, "eddy_loop_after_fork gives %d though nothing fails", err);
    }
    take_back(desk);
    if (err < 0)
        desk_close(desk);
    else if (pick(8) == 0)
        (void)call_after_fork(desk);
}

void op_fork(void) {
    office.fork_at = 0;
    /* A sender that is recording may not have posted yet, which the models could not know. Else the
     * child has the trace as its parent does. */
    for (unsigned i = 0; i < DESKS; i++)
        if (office.desks[i].party.records != NULL && office.desks[i].senders > 0)
            party_flip_trace(&office.desks[i].party);
    if (!sim_fork()) return;
    office.child_ends = sim_steps() + CHILD_STEPS + pick(CHILD_STEPS_MORE);
    office.sending = NULL;
    op_pools_fork();
    op_terminal_fork();
    for (unsigned i = 0; i < DESKS; i++) {
        if (!is_open(&office.desks[i])) continue;
        op_calls_fork(&office.desks[i]);
        op_work_fork(&office.desks[i]);
        op_file_fork(&office.desks[i]);
        op_child_fork(&office.desks[i]);
    }
    for (unsigned i = 0; i < DESKS; i++)
        if (is_open(&office.desks[i])) take_over(&office.desks[i]);
    if (!office.sender_ended) sim_thread("sender of the child", send_some, NULL);
}
