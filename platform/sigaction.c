/* sigaction.c: handlers and masks. */
#include "os.h"

#include <errno.h>
#include <string.h>

int eddy_os_signal_install(int number, void (*handler)(int), struct sigaction *before) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART | SA_ONSTACK; /* Go aborts on a handler without the latter */
    sigfillset(&action.sa_mask);
    return sigaction(number, &action, before) < 0 ? -errno : 0;
}

int eddy_os_signal_restore(int number, const struct sigaction *before) {
    return sigaction(number, before, NULL) < 0 ? -errno : 0;
}

bool eddy_os_signal_is_handled_by(int number, void (*handler)(int)) {
    struct sigaction now;
    if (sigaction(number, NULL, &now) < 0) return false;
    return !(now.sa_flags & SA_SIGINFO) && now.sa_handler == handler;
}

void eddy_os_signal_block_all(sigset_t *before) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

void eddy_os_signal_unblock(const sigset_t *before) {
    pthread_sigmask(SIG_SETMASK, before, NULL);
}
