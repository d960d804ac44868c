/* hook.c: calls around the wait.
 * Invariants: a hook that was started during a run of hooks is not called by that run; an idle hook
 * that was called in this spell of idleness is not due again, unless it asks.
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
    hook->born = hook->spell = 0;
}

static eddy_hook_kind kind_of(const eddy_hook *hook) {
    return (eddy_hook_kind)((hook->handle.flags & HANDLE_KIND) >> HANDLE_KIND_SHIFT);
}

/* A call before the loop sleeps. */
static void ask_for_idle(eddy_hook *hook) {
    hook->spell = hook->handle.loop->idle_spell - 1;
}

int eddy_hook_start(eddy_hook *hook, eddy_hook_kind kind, eddy_hook_fn *fn) {
    eddy_loop *loop = hook->handle.loop;
    EDDY_ASSERT(fn != NULL);
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

static bool is_idle_due(const eddy_hook *hook) {
    return hook->spell != hook->handle.loop->idle_spell;
}

bool eddy__hook_idle_is_due(const eddy_loop *loop) {
    const eddy_link *list = &loop->hooks[EDDY_HOOK_IDLE];
    for (const eddy_link *link = list->next; link != list; link = link->next)
        if (is_idle_due(eddy_container_of(link, eddy_hook, link))) return true;
    return false;
}

void eddy__hook_run(eddy_loop *loop, eddy_hook_kind kind) {
    eddy_link *list = &loop->hooks[kind];
    uint64_t run = ++loop->hook_runs;
    loop->hooks_running = true;
    for (eddy_link *link = list->next; link != list; link = loop->hook_next) {
        eddy_hook *hook = eddy_container_of(link, eddy_hook, link);
        loop->hook_next = link->next;
        if (hook->born == run || (kind == EDDY_HOOK_IDLE && !is_idle_due(hook))) continue;
        hook->spell = loop->idle_spell;
        hook->fn(hook); /* the hook may be gone now */
    }
    loop->hooks_running = false;
    loop->hook_next = NULL;
}
