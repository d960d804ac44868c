/* wakeup.h: the pipe, or the eventfd, that wakes a sleeping loop. */
#ifndef EDDY_CORE_WAKEUP_H
#define EDDY_CORE_WAKEUP_H

#include <eddy/io.h>

#include "../../platform/compiler.h"

struct wakeup {
    eddy_io io;
    int ends[2];     /* [0] is watched, [1] written; both are one eventfd */
    bool is_eventfd; /* eddy_loop_config.wakeup */
    bool is_edge;    /* each write is told, read or not: it need not be read */
    int error;       /* of a child that could get none of its own: the parent's is not touched */
    /* That opened it. Another one's signal handlers leave it alone: it is a child that was forked
     * and has not called eddy_loop_after_fork yet, and the pipe is its parent's as well. */
    EDDY_ATOMIC(int) process;
    uint64_t due;  /* writes that have been or will be: lists that were begun at the marker */
    uint64_t read; /* of these, read back */
    EDDY_ATOMIC(unsigned) refused; /* of these, those for which there was no room */
};

OPTIONAL int eddy__wakeup_open(eddy_loop *loop);
OPTIONAL void eddy__wakeup_close(eddy_loop *loop); /* waits for senders that are still writing */
void eddy__wakeup_reopen(eddy_loop *loop);         /* in a forked child, with the inbox taken */
void eddy__wakeup_send(eddy_loop *loop);           /* any thread, and signal handlers */
void eddy__wakeup_expect(eddy_loop *loop); /* a list that was begun at the marker has been taken */
void eddy__wakeup_see(eddy_loop *loop);    /* phase 6, after a wait that told of it */
void eddy__wakeup_read(eddy_loop *loop);

#endif
