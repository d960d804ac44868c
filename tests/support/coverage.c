/* coverage.c: only in builds that count what is run. A child that ends by _exit and a program that
 * ends by abort write down their counts, which gcov does at an ordinary exit alone.
 * Both stand in for the C library's functions. */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void __gcov_dump(void);

/* A limit of a test's own on the size of files must not cut the counts. */
static void dump(void) {
    struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY}, now;
    if (setrlimit(RLIMIT_FSIZE, &none) < 0) {
        getrlimit(RLIMIT_FSIZE, &now);
        if (now.rlim_cur != RLIM_INFINITY) return;
    }
    __gcov_dump();
}

void _exit(int status) {
    dump();
    for (;;) syscall(SYS_exit_group, status);
}

void abort(void) {
    sigset_t abort_only;
    sigemptyset(&abort_only);
    sigaddset(&abort_only, SIGABRT);
    dump();
    signal(SIGABRT, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &abort_only, NULL);
    raise(SIGABRT);
    _exit(127);
}
