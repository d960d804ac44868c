/* spawn_plan.h: what spawn.c, which makes the process of a child, prepares for what runs in that
 * process until exec: spawn_child.c, and of it spawn_fds.c for the descriptors.
 *
 * The child may share this process's memory, while the thread that made it waits and all others go
 * on: what runs there allocates nothing, takes no lock, writes to nothing but the struct below and
 * its stack, and to errno, which the parent restores. It keeps from functions of the C library that
 * do more than the system call of their name. */
#ifndef EDDY_PLATFORM_SPAWN_PLAN_H
#define EDDY_PLATFORM_SPAWN_PLAN_H

#include "os.h"

#include <stdatomic.h>

struct spawn {
    const eddy_child_options *options;
    const char *file;
    char *const *environment;
    const char *path;             /* the directories to look for `file` in; NULL: it is a path */
    char *candidate;              /* room for each of them with `file` */
    struct eddy_os_child_fd *map; /* in order of number */
    unsigned count;
    int status;            /* where the errno goes of what fails; close-on-exec */
    sigset_t mask;         /* of the calling thread, before */
    atomic_bool is_shared; /* the child has written to this process's memory */
};

/* The whole life of the child's process in this program. Returns when it is to end. */
int eddy_os_spawn_run(void *spawn);

/* Gives the child its descriptors. Returns 0 or -errno. */
int eddy_os_spawn_place(struct spawn *spawn);

#endif
