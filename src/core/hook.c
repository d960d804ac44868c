/* hook.c: calls around the wait.
 * Invariant: a hook that was started during a run of hooks is not called by that run.
 * Threading: loop thread only. */
#include "loop.h"

#include <errno.h>

void eddy__hook_open(eddy_loop *loop) {
    for (int kind = 0; kind < 3; kind++) link_init(&loop->hooks[kind]);
}

void eddy_hook_init(eddy_hook *hook, eddy_loop *loop) {
    handle_init(&hook->handle, loop);
    link_init(&hook->link);
    hook->fn = NULL;
    hook->born = 0;
}

static eddy_hook_kind kind_of(const eddy_hook *hook) {
    return (eddy_hook_kind)((hook->handle.flags & HANDLE_KIND) >> HANDLE_KIND_SHIFT);
}

/* A call before the loop sleeps: if the others have had theirs, for this hook alone. */
static void ask_for_idle(eddy_hook *hook) {
    eddy_loop *loop = hook->handle.loop;
    if (loop->idle_served) loop->idle_by_asking = true;
    loop->idle_served = false;
    hook->handle.flags |= HANDLE_RESTART;
}

int eddy_hook_start(eddy_hook *hook, eddy_hook_kind kind, eddy_hook_fn *fn) {
    eddy_loop *loop = hook->handle.loop;
    if ((unsigned)kind > EDDY_HOOK_IDLE) return -EINVAL;
    if (handle_is_active(&hook->handle)) {
        if (kind != EDDY_HOOK_IDLE || kind_of(hook) != EDDY_HOOK_IDLE) return -EALREADY;
        hook->fn = fn;
        ask_for_idle(hook);
        return 0;
    }
    hook->fn = fn;
    hook->born = loop->hooks_running ? loop->hook_runs : 0;
    hook->handle.flags &= ~(uint32_t)HANDLE_KIND;
    hook->handle.flags |= (uint32_t)kind << HANDLE_KIND_SHIFT;
    if (kind == EDDY_HOOK_IDLE) ask_for_idle(hook);
    link_add_last(&loop->hooks[kind], &hook->link);
    handle_start(&hook->handle);
    return 0;
}

void eddy_hook_stop(eddy_hook *hook) {
    if (!handle_is_active(&hook->handle)) return;
    eddy_loop *loop = hook->handle.loop;
    if (loop->hook_next == &hook->link) loop->hook_next = hook->link.next;
    link_remove(&hook->link);
    handle_stop(&hook->handle);
}

static bool is_called(const eddy_hook *hook, uint64_t run, bool only_asking) {
    if (hook->born == run) return false;
    return !only_asking || (hook->handle.flags & HANDLE_RESTART) != 0;
}

void eddy__hook_run(eddy_loop *loop, eddy_hook_kind kind) {
    eddy_link *list = &loop->hooks[kind];
    uint64_t run = ++loop->hook_runs;
    bool only_asking = kind == EDDY_HOOK_IDLE && loop->idle_by_asking;
    if (kind == EDDY_HOOK_IDLE) loop->idle_by_asking = false;
    loop->hooks_running = true;
    for (eddy_link *link = list->next; link != list; link = loop->hook_next) {
        eddy_hook *hook = eddy_container_of(link, eddy_hook, link);
        loop->hook_next = link->next;
        if (!is_called(hook, run, only_asking)) continue;
        hook->handle.flags &= ~(uint32_t)HANDLE_RESTART;
        hook->fn(hook); /* the hook may be gone now */
    }
    loop->hooks_running = false;
    loop->hook_next = NULL;
}
