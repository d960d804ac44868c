/* unqueued.c: hooks, deferred calls, posts and parts in a library that has none of them
 * (profile.h). Of these only those after a fork are ever called: no bit says that something is
 * queued. Most compilers find out by themselves, and leave out the calls. */
#include "loop.h"
#include "signal.h"
#include "wake.h"

void eddy__hook_run(eddy_loop *loop, eddy_hook_kind kind) {
    (void)loop, (void)kind;
}

bool eddy__hook_plan_idle(eddy_loop *loop) {
    (void)loop;
    return false;
}

void eddy__hook_run_idle(eddy_loop *loop) {
    (void)loop;
}

void eddy__defer_run(eddy_loop *loop) {
    (void)loop;
}

void eddy__closing_run(eddy_loop *loop) {
    (void)loop;
}

void eddy__inbox_open(eddy_loop *loop) {
    (void)loop;
}

void eddy__inbox_run(eddy_loop *loop) {
    (void)loop;
}

int eddy__wakeup_open(eddy_loop *loop) {
    (void)loop;
    return 0;
}

void eddy__wakeup_close(eddy_loop *loop) {
    (void)loop;
}

void eddy__part_before_wait(eddy_loop *loop) {
    (void)loop;
}

int eddy__part_close(eddy_loop *loop) {
    (void)loop;
    return 0;
}

/* --- After a fork --- */

void eddy__inbox_take(eddy_loop *loop) {
    (void)loop;
}

void eddy__wake_after_fork(eddy_loop *loop) {
    (void)loop;
}

void eddy__signal_before_reopen(eddy_loop *loop) {
    (void)loop;
}

void eddy__wakeup_reopen(eddy_loop *loop) {
    atomic_store(&loop->wakeup.process, eddy_os_process_id());
}

void eddy__signal_after_reopen(eddy_loop *loop) {
    (void)loop;
}

int eddy__part_after_fork(eddy_loop *loop) {
    (void)loop;
    return 0;
}
