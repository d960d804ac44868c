/* counted_calls_ptrace.c: see counted_calls.h; by ptrace(). Each call stops its thread twice: when
 * it begins and when it ends. Without state. */
#include "bench_guard.h"
#include "counted_calls.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum { CALL_STOP = SIGTRAP | 0x80 }; /* with PTRACE_O_TRACESYSGOOD */

int bench_calls_allow(void) {
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0) return -errno;
    return raise(SIGSTOP) == 0 ? 0 : -EPERM;
}

/* What the thread is to be told of: its signals, but neither the stops that are ptrace's own nor
 * the ones that it and its threads begin with. */
static long signal_of(int status) {
    int number = WSTOPSIG(status);
    bool is_ours = number == CALL_STOP || number == SIGTRAP || number == SIGSTOP;
    return is_ours ? 0 : number;
}

int bench_calls_count(pid_t child, const _Atomic(bool) *is_measuring, int64_t *calls) {
    const long wanted = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE;
    int64_t stops = 0;
    int status = 0;
    bool is_set_up = false;
    for (;;) {
        pid_t stopped = waitpid(-1, &status, __WALL);
        if (bench_interrupted() != 0) kill(child, SIGKILL);
        if (stopped < 0 && errno != EINTR) return status;
        if (stopped < 0) continue;
        if (!WIFSTOPPED(status)) {
            if (stopped != child) continue; /* one of its threads has ended */
            *calls = stops / 2;
            return status;
        }
        if (!is_set_up) is_set_up = ptrace(PTRACE_SETOPTIONS, child, NULL, wanted) == 0;
        if (WSTOPSIG(status) == CALL_STOP && atomic_load(is_measuring)) stops++;
        ptrace(PTRACE_SYSCALL, stopped, NULL, signal_of(status));
    }
}
