/* walk.c: everything that keeps a loop alive, told one by one.
 * Handles are found where the loop has them, and say themselves what they are; parts add the
 * requests. Nothing is changed: what other threads have pushed stays where it is.
 * Threading: loop thread only. */
#include "walk.h"

#include "callback.h"
#include "handle.h"
#include "list.h"
#include "loop.h"
#include "signal.h"
#include "wake.h"

const char *eddy_kind_name(eddy_kind kind) {
    static const char *const names[EDDY_KINDS] = {
        [EDDY_KIND_IO] = "io",           [EDDY_KIND_TIMER] = "timer",
        [EDDY_KIND_HOOK] = "hook",       [EDDY_KIND_DEFER] = "defer",
        [EDDY_KIND_WAKE] = "wake",       [EDDY_KIND_SIGNAL] = "signal",
        [EDDY_KIND_STREAM] = "stream",   [EDDY_KIND_LISTENER] = "listener",
        [EDDY_KIND_CONNECT] = "connect", [EDDY_KIND_WRITE] = "write",
        [EDDY_KIND_POST] = "post",       [EDDY_KIND_WORK] = "work",
        [EDDY_KIND_FILE] = "file",       [EDDY_KIND_CHILD] = "child",
    };
    return (unsigned)kind < EDDY_KINDS ? names[kind] : "unknown";
}

/* --- Telling --- */

static void walk_tell_item(const struct loop_walk *walk, eddy_walk_item *item) {
    item->label = eddy__part_label(walk->loop, item->pointer);
    VISIT(walk->fn, item, walk->context);
}

void eddy__walk_tell(const struct loop_walk *walk, eddy_kind kind, void *pointer, bool referenced) {
    walk_tell_item(walk, &(eddy_walk_item){kind, pointer, true, referenced, -1, NULL});
}

/* A handle, and what its module knows to be under way there. */
static void walk_tell_handle(const struct loop_walk *walk, eddy_walk_item *item) {
    walk_tell_item(walk, item);
    eddy__part_walk(walk->loop, walk, item);
}

static void walk_handle(const struct loop_walk *walk, const eddy_handle *handle, void *pointer,
                        int fd) {
    if (handle->flags & HANDLE_INNER) return;
    bool is_referenced = !(handle->flags & HANDLE_UNREF);
    bool is_active = handle_is_active(handle);
    eddy_walk_item item = {handle_what(handle), pointer, is_active, is_referenced, fd, NULL};
    walk_tell_handle(walk, &item);
}

/* --- Where the loop has them --- */

static void walk_ios(const struct loop_walk *walk) {
    const struct io_table *table = &walk->loop->io;
    for (unsigned fd = 0; fd < table->slots_count; fd++)
        for (eddy_io *io = table->slots[fd].first; io != NULL; io = io->next)
            walk_handle(walk, &io->handle, io, (int)fd);
}

static void walk_timers(const struct loop_walk *walk) {
    uint32_t at = 0;
    eddy_timer *timer;
    while ((timer = timer_walk(&walk->loop->timers, &at)) != NULL)
        walk_handle(walk, &timer->handle, timer, -1);
}

static void walk_hooks(const struct loop_walk *walk) {
    for (int kind = 0; kind < HOOK_KINDS; kind++) {
        const eddy_link *list = &walk->loop->hooks.lists[kind];
        for (const eddy_link *link = list->next; link != list; link = link->next) {
            eddy_hook *hook = eddy_container_of(link, eddy_hook, link);
            walk_handle(walk, &hook->handle, hook, -1);
        }
    }
}

/* A closing's place says how far into its handle it is. */
static void walk_closing(const struct loop_walk *walk, eddy_defer *defer) {
    char *handle = (char *)defer - defer->handle.place;
    eddy_walk_item item = {handle_what(&defer->handle), handle, false, true, -1, NULL};
    walk_tell_handle(walk, &item);
}

static void walk_defer_list(const struct loop_walk *walk, const eddy_link *list) {
    for (const eddy_link *link = list->next; link != list; link = link->next) {
        eddy_defer *defer = eddy_container_of(link, eddy_defer, link);
        if (defer->handle.place != UINT32_MAX)
            walk_closing(walk, defer);
        else
            walk_handle(walk, &defer->handle, defer, -1);
    }
}

static void walk_closings(const struct loop_walk *walk) {
    walk_defer_list(walk, &walk->loop->closing.queued);
    walk_defer_list(walk, &walk->loop->closing.now);
}

static void walk_defers(const struct loop_walk *walk) {
    walk_defer_list(walk, &walk->loop->deferred.queued);
    walk_defer_list(walk, &walk->loop->deferred.now);
}

static void walk_wakes(const struct loop_walk *walk) {
    const eddy_link *list = &walk->loop->wakes;
    for (const eddy_link *link = list->next; link != list; link = link->next) {
        eddy_wake *wake = eddy_container_of(link, eddy_wake, link);
        walk_handle(walk, &wake->handle, wake, -1);
    }
}

static void walk_signals(const struct loop_walk *walk) {
    const eddy_link *list = &walk->loop->signals;
    for (const eddy_link *link = list->next; link != list; link = link->next) {
        eddy_signal *watcher = eddy_container_of(link, eddy_signal, link);
        walk_handle(walk, &watcher->handle, watcher, -1);
    }
}

/* The posts of wakes and signals are in them, and those of a part it tells itself. */
static void walk_post(void *context, eddy_post *post) {
    const struct loop_walk *walk = context;
    if (post->fn == eddy__wake_run || post->fn == eddy__signal_run) return;
    if (!eddy__part_owns(walk->loop, post)) eddy__walk_tell(walk, EDDY_KIND_POST, post, true);
}

static void walk_posts(struct loop_walk *walk) {
    eddy__inbox_look(walk->loop, walk_post, walk);
}

/* --- All of it, and one --- */

/* Running, so that nothing of it can run inside; a loop is nobody's constant. */
void eddy_loop_walk(const eddy_loop *loop, eddy_walk_fn *fn, void *context) {
    EDDY_ASSERT(fn != NULL);
    EDDY_ASSERT(!loop->walking);
    struct loop_walk walk = {loop, fn, context};
    eddy_loop *changed = (eddy_loop *)(uintptr_t)loop;
    bool was_running = loop->running;
    CHECK_THREAD(loop);
    changed->running = changed->walking = true;
    walk_ios(&walk);
    walk_closings(&walk);
    walk_timers(&walk);
    walk_hooks(&walk);
    walk_defers(&walk);
    walk_wakes(&walk);
    walk_signals(&walk);
    walk_posts(&walk);
    eddy__part_walk(loop, &walk, NULL);
    changed->running = was_running;
    changed->walking = false;
}

struct walk_search {
    const void *pointer;
    bool found;
};

static void walk_compare(const eddy_walk_item *item, void *context) {
    struct walk_search *search = context;
    if (item->pointer == search->pointer) search->found = true;
}

/* A stream or listener is found as the io that it begins with. */
static void walk_kind(struct loop_walk *walk, eddy_kind kind) {
    if (kind == EDDY_KIND_IO) {
        walk_ios(walk);
        walk_closings(walk);
    }
    if (kind == EDDY_KIND_TIMER) walk_timers(walk);
    if (kind == EDDY_KIND_HOOK) walk_hooks(walk);
    if (kind == EDDY_KIND_DEFER) walk_defers(walk);
    if (kind == EDDY_KIND_WAKE) walk_wakes(walk);
    if (kind == EDDY_KIND_SIGNAL) walk_signals(walk);
    if (kind == EDDY_KIND_WORK || kind == EDDY_KIND_FILE || kind == EDDY_KIND_CHILD)
        eddy__part_walk(walk->loop, walk, NULL);
}

bool eddy__walk_finds(const eddy_loop *loop, eddy_kind kind, const void *pointer) {
    /* cppcheck-suppress ctuuninitvar */ /* it is looked for, not at */
    struct walk_search search = {pointer, false};
    struct loop_walk walk = {loop, walk_compare, &search};
    walk_kind(&walk, kind);
    return search.found;
}
