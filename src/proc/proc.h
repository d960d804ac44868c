/* proc.h: what the files of src/proc share.
 *
 *   child.c        the handle: watching, letting go, signals
 *   child_spawn.c  starting: the options, and the descriptors of the child
 *   child_exit.c   how the loop hears of exits
 *   proc_part.c    what becomes of all of them at the loop's end, and after a fork
 *
 * A record stands for a child as long as the loop has to do with it. It is there before the process
 * is, so that nothing can fail afterwards, and outlives the handle where that is let go: then it is
 * what waits for the child. Threading: loop thread only. */
#ifndef EDDY_PROC_PROC_H
#define EDDY_PROC_PROC_H

#include <eddy/child.h>
#include <eddy/signal.h>

#include "../core/callback.h"
#include "../core/handle.h"
#include "../core/list.h"
#include "../core/loop.h"
#include "../core/walk.h"

#include <errno.h>

/* Of child_record.flags. */
enum {
    RECORD_IN_SET = 1 << 0,    /* `exits` will tell of it */
    RECORD_POSTED = 1 << 1,    /* has ended; phase 6 is to tell */
    RECORD_REAPED = 1 << 2,    /* waited for in any case: it was started here */
    RECORD_LEAVE = 1 << 3,     /* EDDY_CHILD_LEAVE */
    RECORD_LEADER = 1 << 4,    /* of a process group */
    RECORD_END_GROUP = 1 << 6, /* EDDY_CHILD_END_GROUP */
    RECORD_LOST = 1 << 5,      /* a child of the process from which this one was forked */
};

struct child_record {
    eddy_link link; /* in one of the part's lists */
    struct proc_part *proc;
    eddy_child *owner; /* NULL: nobody is to be told */
    eddy_post post;
    pid_t pid;
    int pidfd; /* or -1 */
    uint8_t flags;
    uint8_t tries; /* that came too early */
};

struct proc_part {
    struct part part;
    eddy_link watched;   /* the set tells of them, or has told */
    eddy_link signalled; /* SIGCHLD has them looked at, each */
    eddy_link early;     /* told of, and not to be waited for yet: `again` looks */
    eddy_io io;          /* of `exits` */
    eddy_signal signal;  /* SIGCHLD, once it is needed */
    eddy_timer again;    /* always started, so that it never needs memory */
    int exits;           /* eddy_os_exits_open, or -1 */
    int process;         /* that has these children */
    bool has_no_exits;   /* the system has none */
};

extern const struct part_kind eddy__proc_kind;

/* --- child_exit.c --- */
int eddy__proc_start(eddy_loop *loop, struct child_record **record); /* a new one, in no list */
void eddy__record_free(struct child_record *record);                 /* takes it out of all */
/* Its process runs, or has ended. Fails only if it is no child, and nothing can tell of it. */
int eddy__record_watch(struct child_record *record);
void eddy__record_ended(struct child_record *record); /* the same, known to have ended */
void eddy__record_run(eddy_post *post);               /* tells, in phase 6 */
/* 0: it runs, or seems to. Else `exit` says what is known. */
int eddy__record_take(const struct child_record *record, eddy_exit *exit);
/* From here on the record is the child's. */
void eddy__record_own(struct child_record *record, eddy_child *child, eddy_exit_fn *fn);
void eddy__record_disown(struct child_record *record); /* it has none any more, and runs */
struct child_record *eddy__record_find(struct proc_part *proc, pid_t pid);

#endif
