/* process.c: forks. The world is all in memory, so a real fork gives the child the whole of it: all
 * but the threads. There is no kernel that the two would share, so what a child may not touch, as
 * it is its parent's as well, is looked for: see sim_is_inherited(). Invariant: the parent's world
 * does not change by a fork, whatever the child does. */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_SECONDS_MAX = 20 }; /* of real time */

static int generation; /* 0: the process that began the world */

bool sim_is_child(void) {
    return generation > 0;
}

int eddy_os_process_id(void) {
    return 1 + generation;
}

static void see_child_end(pid_t child) {
    int status = 0;
    pid_t ended;
    do ended = waitpid(child, &status, 0);
    while (ended < 0 && errno == EINTR);
    sim_check(ended == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
              "the forked child failed");
}

bool sim_fork(void) {
    sim_note("fork");
    fflush(stdout);
    fflush(stderr);
    pid_t child = fork();
    sim_check(child >= 0, "the simulation itself cannot fork");
    if (child > 0) {
        see_child_end(child);
        return false;
    }
    alarm(CHILD_SECONDS_MAX);
    generation++;
    sim_fibers_fork();
    sim_signals_fork();
    sim_descriptors_fork();
    sim_backends_fork();
    return true;
}

void sim_process_end(void) {
    if (generation == 0) return;
    fflush(stdout);
    _exit(0);
}
