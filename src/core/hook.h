/* hook.h: the lists of what is called around the wait. */
#ifndef EDDY_CORE_HOOK_H
#define EDDY_CORE_HOOK_H

#include <eddy/hook.h>

enum { HOOK_KINDS = EDDY_HOOK_IDLE + 1 };

struct hook_table {
    eddy_link lists[HOOK_KINDS];
    eddy_link *next; /* the next one to be called; stop moves it on */
    uint64_t runs;
    uint64_t idle_period; /* the number of times that the loop has been busy */
    bool is_running;
};

void eddy__hook_open(eddy_loop *loop);
void eddy__hook_run(eddy_loop *loop, eddy_hook_kind kind);
bool eddy__hook_idle_is_due(const eddy_loop *loop);

#endif
