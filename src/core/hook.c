/* hook.c: calls around the wait.
 * Invariants: a hook that was started during a run of hooks is not called by that run; an idle hook
 * that was called in this period of idleness is not due again, unless it asks.
 * Threading: loop thread only. */
#include "hook.h"

#include "callback.h"
#include "handle.h"
#include "list.h"
#include "loop.h"
#include "walk.h"

#include <errno.h>

void eddy_hook_init(eddy_hook *hook, eddy_loop *loop) {
    EDDY_CHECK(!eddy__walk_finds(loop, EDDY_KIND_HOOK, hook));
    handle_init(&hook->handle, loop, EDDY_KIND_HOOK);
    link_init(&hook->link);
    hook->fn = NULL;
    hook->born = hook->idle_period = 0;
}

/* The bit of `due` that says that there are hooks of that kind. */
static unsigned hook_due(eddy_hook_kind kind) {
    return kind == EDDY_HOOK_PREPARE ? DUE_PREPARE : kind == EDDY_HOOK_CHECK ? DUE_CHECK : DUE_IDLE;
}

static eddy_hook_kind hook_kind_of(const eddy_hook *hook) {
    return (eddy_hook_kind)((hook->handle.flags & HANDLE_KIND) >> HANDLE_KIND_SHIFT);
}

/* A call before the loop sleeps. */
static void hook_ask_for_idle(eddy_hook *hook) {
    hook->idle_period = hook->handle.loop->hooks.idle_period - 1;
}

int eddy_hook_start(eddy_hook *hook, eddy_hook_kind kind, eddy_hook_fn *fn) {
    eddy_loop *loop = hook->handle.loop;
    if (fn == NULL) return -EINVAL;
    EDDY_ASSERT(handle_is_initialised(&hook->handle));
    if ((unsigned)kind > EDDY_HOOK_IDLE) return -EINVAL;
    if (handle_is_active(&hook->handle)) {
        if (kind != EDDY_HOOK_IDLE || hook_kind_of(hook) != EDDY_HOOK_IDLE) return -EALREADY;
        hook->fn = fn;
        hook_ask_for_idle(hook);
        return 0;
    }
    hook->fn = fn;
    hook->born = loop->hooks.is_running ? loop->hooks.runs : 0;
    hook->handle.flags &= (uint16_t)~HANDLE_KIND;
    hook->handle.flags |= (uint16_t)(kind << HANDLE_KIND_SHIFT);
    if (kind == EDDY_HOOK_IDLE) hook_ask_for_idle(hook);
    EDDY_ASSERT(loop->hooks.lists[kind].prev != &hook->link);
    link_add_last(&loop->hooks.lists[kind], &hook->link);
    loop->due |= hook_due(kind);
    handle_start(&hook->handle);
    return 0;
}

void eddy_hook_stop(eddy_hook *hook) {
    if (!handle_is_active(&hook->handle)) return;
    eddy_loop *loop = hook->handle.loop;
    if (loop->hooks.next == &hook->link) loop->hooks.next = hook->link.next;
    link_remove(&hook->link);
    eddy_hook_kind kind = hook_kind_of(hook);
    if (link_is_empty(&loop->hooks.lists[kind])) loop->due &= ~hook_due(kind);
    handle_stop(&hook->handle);
}

static bool hook_is_idle_due(const eddy_hook *hook) {
    return hook->idle_period != hook->handle.loop->hooks.idle_period;
}

static bool hook_any_idle_is_due(const eddy_loop *loop) {
    const eddy_link *list = &loop->hooks.lists[EDDY_HOOK_IDLE];
    for (const eddy_link *link = list->next; link != list; link = link->next)
        if (hook_is_idle_due(eddy_container_of(link, eddy_hook, link))) return true;
    return false;
}

void eddy__hook_run(eddy_loop *loop, eddy_hook_kind kind) {
    eddy_link *list = &loop->hooks.lists[kind];
    uint64_t run = ++loop->hooks.runs;
    loop->hooks.is_running = true;
    for (eddy_link *link = list->next; link != list; link = loop->hooks.next) {
        eddy_hook *hook = eddy_container_of(link, eddy_hook, link);
        EDDY_ASSERT(handle_is_active(&hook->handle));
        loop->hooks.next = link->next;
        if (hook->born == run || (kind == EDDY_HOOK_IDLE && !hook_is_idle_due(hook))) continue;
        hook->idle_period = loop->hooks.idle_period;
        CALLBACK(loop, EDDY_KIND_HOOK, hook, hook->fn, hook); /* the hook may be gone now */
    }
    loop->hooks.is_running = false;
    loop->hooks.next = NULL;
}

/* How many callbacks have been called so far: when it changes the loop has been busy. */
static uint64_t hook_calls(const eddy_metrics *metrics) {
    return metrics->callbacks + metrics->timers + metrics->completions + metrics->deferred +
           metrics->closed;
}

bool eddy__hook_plan_idle(eddy_loop *loop) {
    uint64_t calls = hook_calls(&loop->metrics);
    if (loop->hooks.calls_seen != calls) loop->hooks.idle_period++;
    loop->hooks.calls_seen = calls;
    if (!hook_any_idle_is_due(loop)) return false;
    loop->due |= DUE_IDLE_NOW;
    return true;
}

/* Idle means: the wait found nothing, no timer is due, nothing is queued. It is told once; the loop
 * sleeps until something happens, unless an idle hook asked for more by starting again. */
void eddy__hook_run_idle(eddy_loop *loop) {
    loop->due &= ~(unsigned)DUE_IDLE_NOW;
    if (loop->record_count > 0 || (loop->due & DUE_AT_HAND)) return;
    if (inbox_has_arrived(&loop->inbox)) return;
    if (timer_next_ns(&loop->timers, false) <= loop->now_ns) return;
    eddy__hook_run(loop, EDDY_HOOK_IDLE);
}
