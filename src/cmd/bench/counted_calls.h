/* counted_calls.h: the system calls of a process, counted from outside, by the one that has started
 * it. That makes each of them many times as slow, so it is done in a sample of its own. */
#ifndef EDDY_CMD_BENCH_COUNTED_CALLS_H
#define EDDY_CMD_BENCH_COUNTED_CALLS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* In the new process, before anything that is to be counted: lets its parent count. Returns 0 or a
 * negative errno: -ENOTSUP (this system has no way), -EPERM (a sandbox forbids it). */
int bench_calls_allow(void);

/* In the parent: waits for the end of the process, and counts what it and its threads (not its
 * children) call while `is_measuring`. An interruption ends the process. Returns its status as
 * waitpid() does. */
int bench_calls_count(pid_t child, const _Atomic(bool) *is_measuring, int64_t *calls);

#endif
