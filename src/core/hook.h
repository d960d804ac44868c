/* hook.h: the lists of what is called around the wait. */
#ifndef EDDY_CORE_HOOK_H
#define EDDY_CORE_HOOK_H

#include <eddy/hook.h>

#include "../../platform/compiler.h"
#include "list.h"

enum { HOOK_KINDS = EDDY_HOOK_IDLE + 1 };

struct hook_table {
    eddy_link lists[HOOK_KINDS];
    eddy_link *next; /* the next one to be called; stop moves it on */
    uint64_t runs;
    uint64_t idle_period; /* the number of times that the loop has been busy */
    bool is_running;
};

static inline void hook_open(struct hook_table *hooks) {
    for (int kind = 0; kind < HOOK_KINDS; kind++) link_init(&hooks->lists[kind]);
}

/* These only where one is started. */
OPTIONAL void eddy__hook_run(eddy_loop *loop, eddy_hook_kind kind);
/* Whether an idle hook is due, before a wait. Then DUE_IDLE_NOW is set, and after the wait those
 * that are still due are run. */
OPTIONAL bool eddy__hook_plan_idle(eddy_loop *loop);
OPTIONAL void eddy__hook_run_idle(eddy_loop *loop);
/* How many callbacks have been called so far: when it changes the loop has been busy. */
OPTIONAL uint64_t eddy__hook_calls_seen(const eddy_loop *loop);

#endif
