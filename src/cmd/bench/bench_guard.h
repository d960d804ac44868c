/* bench_guard.h: nothing that a run starts outlives it, and the user may end it.
 *
 * All processes of a run are in a process group of their own, which a process leads that does
 * nothing but wait for the end of a pipe: when the one that takes the samples is gone, however that
 * came, it ends the whole group. (A thread in each sample would do as well; but a process with two
 * threads makes other system calls than one with one.) Keys of a terminal reach the process that
 * takes the samples alone, which ends the sample under way and keeps those before it. */
#ifndef EDDY_CMD_BENCH_GUARD_H
#define EDDY_CMD_BENCH_GUARD_H

#include <sys/types.h>

struct bench_guard {
    pid_t group;
    int fd; /* whose end ends the group */
};

/* From here on SIGINT, SIGTERM and SIGHUP interrupt the run. Returns 0 or a negative errno. */
int bench_guard_open(struct bench_guard *guard);
/* Ends all that is left of the group. The signals do again what they did before. */
void bench_guard_close(struct bench_guard *guard);

/* In a new process, before anything else: joins the group. Ends the process if `runner`, which has
 * started it, is gone already. */
void bench_guard_join(const struct bench_guard *guard, pid_t runner);

/* Waits for a process of the group, which an interruption ends. Returns its status as waitpid()
 * does. */
int bench_guard_wait(pid_t child);

/* The signal that has interrupted this run or an earlier one of the program; 0: none has. */
int bench_interrupted(void);

#endif
