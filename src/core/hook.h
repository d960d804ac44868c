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
    uint64_t idle_period; /* the number of times that the loop has been busy, */
    uint64_t calls_seen;  /* and how many calls there were then */
    bool is_running;
};

/* These only where one is started. */
OPTIONAL void eddy__hook_run(eddy_loop *loop, eddy_hook_kind kind);
/* Whether an idle hook is due, before a wait. Then DUE_IDLE_NOW is set, and after the wait those
 * that are still due are run. */
OPTIONAL bool eddy__hook_plan_idle(eddy_loop *loop);
OPTIONAL void eddy__hook_run_idle(eddy_loop *loop);

#endif
