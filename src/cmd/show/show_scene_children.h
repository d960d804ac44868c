/* show_scene_children.h: the scenes with children: queries that are awaited, and a child whose
 * output is read. Threading: the observed thread's. */
#ifndef EDDY_CMD_SHOW_SCENE_CHILDREN_H
#define EDDY_CMD_SHOW_SCENE_CHILDREN_H

#include <eddy.h>

#include "show_board.h"

enum { SHOW_QUERIES = 10 };

struct show_query {
    struct show_children *children;
    eddy_child child;
    eddy_stream errors; /* what it writes there */
    bool has_child, has_errors;
    eddy_label label;
    char text[16];
    char why[112]; /* the first line of it */
    size_t why_bytes;
};

struct show_children {
    eddy_loop *loop;
    struct show_board *board;
    const char *postgres; /* NULL: a query is a child that sleeps */
    eddy_timer query_timer, child_timer;
    eddy_defer next_query; /* starting a child takes a millisecond: one a turn */
    unsigned started, running;
    int query_error;                 /* of starting one */
    const struct show_query *failed; /* one that has */
    int64_t since_ns;
    struct show_query queries[SHOW_QUERIES];
    eddy_child child;
    eddy_stream output;
    bool has_child, has_output;
    char text[64]; /* what the child has written */
    size_t text_bytes;
    bool has_told_queries, has_told_child;
    eddy_label labels[5];
};

void show_children_init(struct show_children *children, eddy_loop *loop, struct show_board *board,
                        const char *postgres);
/* `scene` is SHOW_QUERY or SHOW_CHILD. Errors: -ENOMEM. */
int show_children_set(struct show_children *children, enum show_scene scene, bool on);
/* Ends both, and kills what still runs, whose exits come in the loop. */
void show_children_stop(struct show_children *children);
void show_children_end(struct show_children *children);

#endif
