/* signal.c: signals sent to the process, and their handlers.
 * A signal that is pending runs its handler on the first thread that comes by a call and does not
 * block it; until the handler has returned, that thread blocks all others. */
#include "world.h"

#include <string.h>

enum { NUMBERS = 65 };

static struct {
    struct sigaction actions[NUMBERS];
    uint64_t pending;  /* a bit each: two of one number are one */
    uint64_t left_set; /* those whose restore the weather has made fail */
    sim_fn *on_stop;
    void *on_stop_context;
} signals;

static uint64_t bit_of(int number) {
    return UINT64_C(1) << (number - 1);
}

static bool is_number(int number) {
    return number > 0 && number < NUMBERS;
}

/* --- Installing --- */

int eddy_os_signal_install(int number, void (*handler)(int), struct sigaction *before) {
    int err = sim_enter(OS_CALL_signal_install);
    if (err < 0) return err;
    if (!is_number(number) || number == SIGKILL || number == SIGSTOP) return -EINVAL;
    *before = signals.actions[number];
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    signals.actions[number] = action;
    return 0;
}

int eddy_os_signal_restore(int number, const struct sigaction *before) {
    int err = sim_enter(OS_CALL_signal_restore);
    if (!is_number(number)) return -EINVAL;
    if (err < 0) {
        signals.left_set |= bit_of(number);
        return err;
    }
    signals.actions[number] = *before;
    return 0;
}

bool eddy_os_signal_is_handled_by(int number, void (*handler)(int)) {
    sim_step();
    return is_number(number) && signals.actions[number].sa_handler == handler;
}

void eddy_os_signal_block_all(sigset_t *before) {
    sim_step();
    struct sim_fiber *self = sim_self();
    if (self->blocks_signals)
        sigfillset(before);
    else
        sigemptyset(before);
    self->blocks_signals = true;
}

void eddy_os_signal_unblock(const sigset_t *before) {
    sim_self()->blocks_signals = sigismember(before, SIGTERM) == 1;
    sim_step();
}

int eddy_os_signal_take(int number, void (*handler)(int)) {
    int err = sim_enter(OS_CALL_signal_take);
    if (err < 0) return err;
    if (!is_number(number) || number == SIGKILL || number == SIGSTOP) return -EINVAL;
    if (signals.actions[number].sa_handler == SIG_DFL) signals.actions[number].sa_handler = handler;
    return 0;
}

void eddy_os_signal_give_back(int number, void (*handler)(int)) {
    if (eddy_os_signal_is_handled_by(number, handler)) signals.actions[number].sa_handler = SIG_DFL;
}

/* Here nothing ends by a signal. */
void eddy_os_signal_pass_on(int number, void (*handler)(int)) {
    sim_check(number == SIGTSTP && signals.on_stop != NULL, "signal %d is passed on", number);
    signals.actions[number].sa_handler = SIG_DFL;
    sim_note("stopped");
    signals.on_stop(signals.on_stop_context);
    signals.actions[number].sa_handler = handler;
}

void sim_on_stop(sim_fn *fn, void *context) {
    signals.on_stop = fn;
    signals.on_stop_context = context;
}

/* --- Sending --- */

static bool is_ignored_by_default(int number) {
    return number == SIGCHLD || number == SIGCONT || number == SIGURG || number == SIGWINCH;
}

void sim_raise(int number) {
    sim_check(is_number(number), "sim_raise: %d is no signal", number);
    sim_note("signal %d is sent", number);
    signals.pending |= bit_of(number);
    sim_progress();
    sim_readiness_changed(); /* a wait ends when a signal arrives */
}

bool sim_signals_wait(void) {
    const struct sim_fiber *self = sim_self();
    return signals.pending != 0 && !self->blocks_signals && !self->in_handler;
}

static int take_lowest(void) {
    int number = 1;
    while (!(signals.pending & bit_of(number))) number++;
    signals.pending &= ~bit_of(number);
    return number;
}

static void run_handler(int number) {
    struct sim_fiber *self = sim_self();
    void (*handler)(int) = signals.actions[number].sa_handler;
    if (handler == SIG_IGN) return;
    if (handler == SIG_DFL) {
        if (is_ignored_by_default(number)) return;
        sim_fail("signal %d ends the process: nobody handles it", number);
    }
    sim_note("signal %d is handled", number);
    sim_progress();
    self->in_handler = true;
    handler(number);
    self->in_handler = false;
}

void sim_signals_deliver(void) {
    while (sim_signals_wait()) run_handler(take_lowest());
}

/* --- Beginning and ending --- */

void sim_signals_begin(void) {
    memset(&signals, 0, sizeof signals);
}

void sim_signals_fork(void) {
    signals.pending = 0;
}

void sim_signals_end(void) {
    for (int number = 1; number < NUMBERS; number++)
        sim_check(signals.actions[number].sa_handler == SIG_DFL ||
                      (signals.left_set & bit_of(number)),
                  "the handler of signal %d was not restored", number);
}
