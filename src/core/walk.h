/* walk.h: how parts tell eddy_loop_walk of what is theirs. */
#ifndef EDDY_CORE_WALK_H
#define EDDY_CORE_WALK_H

#include <eddy/loop.h>
#include <eddy/walk.h>

struct loop_walk {
    const eddy_loop *loop;
    eddy_walk_fn *fn;
    void *context;
};

/* Of a request in flight. */
void eddy__walk_tell(const struct loop_walk *walk, eddy_kind kind, void *pointer, bool referenced);

/* For check.h: whether the loop would tell of that pointer among what is of its kind. */
bool eddy__walk_finds(const eddy_loop *loop, eddy_kind kind, const void *pointer);

#endif
