/* part.h: how a module above the core has its share in a loop.
 *
 * The core names no module above it. One that has something to do before a wait, after a fork, at
 * the loop's end, in eddy_loop_verify or eddy_loop_walk joins the loop as a part, the first time
 * that it is used there: a constant part_kind says what is to be called, and a struct that begins
 * with a part holds what belongs to the module in that loop. A program that never uses a module
 * neither runs nor links its code. docs/12-adding-a-module.md goes through it.
 *
 * Threading: loop thread only. */
#ifndef EDDY_CORE_PART_H
#define EDDY_CORE_PART_H

#include <eddy/loop.h>
#include <eddy/walk.h>

#include "../../platform/compiler.h"

struct part;
struct loop_walk;
struct verify_count;

/* Each function may be NULL. */
struct part_kind {
    size_t bytes; /* of the struct that begins with the part */
    bool is_hot;  /* is loop->hot_part, without a search. One kind may be */

    /* Makes the rest of it, which is zero. Cannot fail. */
    void (*open)(struct part *part);

    /* Called before the loop waits, and before it returns to its caller, after part_is_due. */
    void (*before_wait)(struct part *part);

    /* In a forked child, with the loop's backend and wake-up anew: lets go of what is the parent's,
     * whatever the outcome. An error is eddy_loop_after_fork's. */
    int (*after_fork)(struct part *part);

    /* At eddy_loop_close, when nothing is active any longer: gives back all but the part's own
     * memory. On an error nothing has happened, and the loop stays open. */
    int (*close)(struct part *part);

    /* The invariant that does not hold, as a constant text, or NULL. */
    const char *(*verify)(const struct part *part);

    /* Counts the active handles that only the part can find: verify_count_handle. `walk` tells of
     * those with NULL. */
    void (*count)(const struct part *part, struct verify_count *count);

    /* For eddy_loop_walk: tells of the requests in flight that belong to the handle `of`, which may
     * be another module's; with NULL, of those that belong to none. */
    void (*walk)(const struct part *part, const struct loop_walk *walk, const eddy_walk_item *of);

    /* Whether a post is inside a request that `walk` tells. */
    bool (*owns)(const struct part *part, const eddy_post *post);

    /* The text by which that address is to be told, or NULL. Such a part is closed last: what it
     * tells must be there as long as the loop may stay open. */
    const char *(*label)(const struct part *part, const void *what);
};

struct part {
    const struct part_kind *kind;
    eddy_loop *loop;
    struct part *next; /* in the order of joining: what a program uses first is found first */
};

/* What a loop's configuration may name (eddy_loop_config.pool) begins with this: how it joins the
 * loop that is being opened. Returns 0 or a negative errno. */
struct part_source {
    int (*join)(eddy_loop *loop, struct part_source *source);
};

/* The loop's part of that kind, made now if need be. NULL: there is no memory for it. */
struct part *eddy__part_of(eddy_loop *loop, const struct part_kind *kind);

/* The same, or NULL if it has not been made. */
struct part *eddy__part_find(const eddy_loop *loop, const struct part_kind *kind);

/* --- For life.c, loop.c, verify.c and walk.c --- */
OPTIONAL void eddy__part_before_wait(eddy_loop *loop); /* with DUE_PARTS only */
int eddy__part_after_fork(eddy_loop *loop);            /* all of them; the first error */
OPTIONAL int
eddy__part_close(eddy_loop *loop); /* up to the first that refuses; where there is one */
const char *eddy__part_verify(const eddy_loop *loop);
void eddy__part_count(const eddy_loop *loop, struct verify_count *count);
void eddy__part_walk(const eddy_loop *loop, const struct loop_walk *walk, const eddy_walk_item *of);
bool eddy__part_owns(const eddy_loop *loop, const eddy_post *post);
const char *eddy__part_label(const eddy_loop *loop, const void *what);

#endif
