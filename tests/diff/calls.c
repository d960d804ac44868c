/* calls.c: timers that are due at once or never, defers, posts, wakes and hooks. */
#include "script.h"

#include <stdio.h>
#include <string.h>

enum { EACH = 3 };

static struct call {
    struct thing thing;
    eddy_timer timer;
} timers[EACH];

static struct defer {
    struct thing thing;
    eddy_defer defer;
} defers[EACH];

static struct post {
    struct thing thing;
    eddy_post post;
    bool is_sent;
} posts[EACH];

static struct wake {
    struct thing thing;
    eddy_wake wake;
} wakes[EACH];

static struct hook {
    struct thing thing;
    eddy_hook hook;
} hooks[EACH];

static unsigned turns;

/* In which turn, since that is promised. */
static void note_turn(struct thing *thing, char what) {
    thing_note(thing, " %u%c", turns, what);
}

static void on_timer(eddy_timer *timer) {
    struct call *it = eddy_container_of(timer, struct call, timer);
    note_turn(&it->thing, 't');
    if (random_of(&it->thing.random, 3) == 0) (void)eddy_timer_start(timer, on_timer, 0, 0);
}

static void on_defer(eddy_defer *defer) {
    struct defer *it = eddy_container_of(defer, struct defer, defer);
    note_turn(&it->thing, 'd');
    if (random_of(&it->thing.random, 3) == 0) eddy_defer_start(defer, on_defer);
}

static void on_post(eddy_post *post) {
    struct post *it = eddy_container_of(post, struct post, post);
    it->is_sent = false;
    note_turn(&it->thing, 'p');
}

static void on_wake(eddy_wake *wake) {
    note_turn(&eddy_container_of(wake, struct wake, wake)->thing, 'w');
}

static void on_hook(eddy_hook *hook) {
    struct hook *it = eddy_container_of(hook, struct hook, hook);
    if (it == &hooks[0]) turns++; /* the first one is a prepare hook, and always there */
    if (random_of(&it->thing.random, 4) == 0) note_turn(&it->thing, 'h');
}

void calls_begin(struct script *script) {
    eddy_loop *loop = script->loop;
    turns = 0;
    for (unsigned i = 0; i < EACH; i++) {
        thing_begin(&timers[i].thing, "timer", i);
        thing_begin(&defers[i].thing, "defer", 10 + i);
        thing_begin(&posts[i].thing, "post", 20 + i);
        thing_begin(&wakes[i].thing, "wake", 30 + i);
        thing_begin(&hooks[i].thing, "hook", 40 + i);
        eddy_timer_init(&timers[i].timer, loop);
        eddy_defer_init(&defers[i].defer, loop);
        eddy_wake_init(&wakes[i].wake, loop);
        eddy_hook_init(&hooks[i].hook, loop);
        posts[i].is_sent = false;
    }
    int err = eddy_hook_start(&hooks[0].hook, EDDY_HOOK_PREPARE, on_hook);
    if (err < 0) script_fail("hook", err);
}

void calls_act(struct script *script) {
    unsigned i = random_of(&script->random, EACH);
    static const eddy_hook_kind kinds[] = {EDDY_HOOK_PREPARE, EDDY_HOOK_CHECK, EDDY_HOOK_PREPARE};
    switch (random_of(&script->random, 12)) {
    case 0:
        (void)eddy_timer_start(&timers[i].timer, on_timer, 0, 0);
        break;
    case 1:
        (void)eddy_timer_start(&timers[i].timer, on_timer, INT64_MAX, 0);
        break;
    case 2:
        eddy_timer_stop(&timers[i].timer);
        break;
    case 3:
        eddy_defer_start(&defers[i].defer, on_defer);
        break;
    case 4:
        eddy_defer_stop(&defers[i].defer);
        break;
    case 5:
        if (posts[i].is_sent) break;
        posts[i].is_sent = true;
        eddy_loop_post(script->loop, &posts[i].post, on_post);
        break;
    case 6:
        (void)eddy_wake_start(&wakes[i].wake, on_wake);
        break;
    case 7:
        eddy_wake_stop(&wakes[i].wake);
        break;
    case 8:
    case 9:
        eddy_wake_send(&wakes[i].wake);
        break;
    case 10:
        if (i > 0) (void)eddy_hook_start(&hooks[i].hook, kinds[i], on_hook);
        break;
    default:
        if (i > 0) eddy_hook_stop(&hooks[i].hook);
    }
}

void calls_end(void) {
    for (unsigned i = 0; i < EACH; i++) {
        eddy_timer_stop(&timers[i].timer);
        eddy_defer_stop(&defers[i].defer);
        eddy_wake_stop(&wakes[i].wake);
        eddy_hook_stop(&hooks[i].hook);
    }
}

static void tell(const struct thing *thing, unsigned i) {
    printf("%s %u:%s\n", thing->kind, i, thing->trace);
}

void calls_tell(void) {
    for (unsigned i = 0; i < EACH; i++) {
        tell(&timers[i].thing, i);
        tell(&defers[i].thing, i);
        tell(&posts[i].thing, i);
        tell(&wakes[i].thing, i);
        tell(&hooks[i].thing, i);
    }
}
