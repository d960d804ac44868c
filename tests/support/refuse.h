/* refuse.h: a process without some system calls, as on an old kernel or in a sandbox. Linux. */
#ifndef EDDY_TESTS_REFUSE_H
#define EDDY_TESTS_REFUSE_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef SYS_epoll_pwait2
#define SYS_epoll_pwait2 441
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_cachestat /* numbers this young run in step everywhere */
#define SYS_cachestat (SYS_openat2 - 437 + 451)
#endif

enum { REFUSED_CALLS_MAX = 16 };

/* False: the system does not let us. */
static inline bool refuse_by(struct sock_filter *code, unsigned short length) {
    struct sock_fprog program = {length, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* `action` is SECCOMP_RET_…. */
static inline bool refuse_with(const long *calls, int count, unsigned action) {
    struct sock_filter code[2 * REFUSED_CALLS_MAX + 2];
    unsigned short length = 0;
    code[length++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < count; i++) {
        code[length++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 0, 1);
        code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
    }
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    return refuse_by(code, length);
}

/* From here on the calls give `error`, also after exec. False as above. */
static inline bool refuse_calls(const long *calls, int count, int error) {
    return refuse_with(calls, count, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA));
}

/* The same with all calls from `first` on: new ones have the next number, on every processor. Far
 * above are those that some processors have for themselves. rseq stays: the C library has had it,
 * and takes it for granted in each thread. */
static inline bool refuse_calls_from(long first, int error) {
    enum { LATER_MAX = 1000 };
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rseq, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (unsigned)first, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (unsigned)first + LATER_MAX, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return refuse_by(code, sizeof code / sizeof code[0]);
}

#endif
