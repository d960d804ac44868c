/* part.c: the modules that have joined a loop.
 * Invariant: a loop has at most one part of a kind. Threading: loop thread only. */
#include "part.h"

#include "loop.h"

#include <string.h>

struct part *eddy__part_of(eddy_loop *loop, const struct part_kind *kind) {
    struct part **at = &loop->parts;
    for (; *at != NULL; at = &(*at)->next)
        if ((*at)->kind == kind) return *at;
    struct part *part = eddy__resize(loop, NULL, 0, kind->bytes);
    if (part == NULL) return NULL;
    memset(part, 0, kind->bytes);
    part->kind = kind;
    part->loop = loop;
    *at = part;
    if (kind->is_hot) {
        EDDY_ASSERT(loop->hot_part == NULL);
        loop->hot_part = part;
    }
    if (kind->open != NULL) kind->open(part);
    return part;
}

struct part *eddy__part_find(const eddy_loop *loop, const struct part_kind *kind) {
    struct part *part = loop->parts;
    while (part != NULL && part->kind != kind) part = part->next;
    return part;
}

void eddy__part_before_wait(eddy_loop *loop) {
    loop->due &= ~(unsigned)DUE_PARTS;
    for (struct part *part = loop->parts; part != NULL; part = part->next)
        if (part->kind->before_wait != NULL) part->kind->before_wait(part);
}

int eddy__part_after_fork(eddy_loop *loop) {
    int err = 0;
    for (struct part *part = loop->parts; part != NULL; part = part->next) {
        int result = part->kind->after_fork != NULL ? part->kind->after_fork(part) : 0;
        if (err == 0) err = result;
    }
    return err;
}

static int part_close(struct part **at) {
    struct part *part = *at;
    eddy_loop *loop = part->loop;
    int err = part->kind->close != NULL ? part->kind->close(part) : 0;
    if (err < 0) return err;
    *at = part->next;
    if (loop->hot_part == part) loop->hot_part = NULL;
    eddy__resize(loop, part, part->kind->bytes, 0);
    return 0;
}

/* A part that has been closed is made anew should its module be used again, so that one that
 * refuses leaves the loop as it was. Labels would be lost that way: they go when nobody can refuse
 * any more. */
int eddy__part_close(eddy_loop *loop) {
    int err = 0;
    for (struct part **at = &loop->parts; *at != NULL && err == 0;) {
        if ((*at)->kind->label != NULL)
            at = &(*at)->next;
        else
            err = part_close(at);
    }
    while (loop->parts != NULL && err == 0) err = part_close(&loop->parts);
    return err;
}

const char *eddy__part_verify(const eddy_loop *loop) {
    const char *broken = NULL;
    for (const struct part *part = loop->parts; part != NULL && broken == NULL; part = part->next)
        if (part->kind->verify != NULL) broken = part->kind->verify(part);
    return broken;
}

void eddy__part_count(const eddy_loop *loop, struct verify_count *count) {
    for (const struct part *part = loop->parts; part != NULL; part = part->next)
        if (part->kind->count != NULL) part->kind->count(part, count);
}

void eddy__part_walk(const eddy_loop *loop, const struct loop_walk *walk,
                     const eddy_walk_item *of) {
    for (const struct part *part = loop->parts; part != NULL; part = part->next)
        if (part->kind->walk != NULL) part->kind->walk(part, walk, of);
}

bool eddy__part_owns(const eddy_loop *loop, const eddy_post *post) {
    for (const struct part *part = loop->parts; part != NULL; part = part->next)
        if (part->kind->owns != NULL && part->kind->owns(part, post)) return true;
    return false;
}

const char *eddy__part_label(const eddy_loop *loop, const void *what) {
    const char *label = NULL;
    for (const struct part *part = loop->parts; part != NULL && label == NULL; part = part->next)
        if (part->kind->label != NULL) label = part->kind->label(part, what);
    return label;
}
