/* terminal.c: what terminals were before their modes were changed, and putting that back.
 *
 * A terminal's modes outlive the process, so whoever changes them owes the old ones, also from a
 * signal handler, from exit, and when the caller's descriptor is long closed. Hence these globals:
 * a list with a record for each terminal that is changed now, by its device number.
 *
 * Invariant: a record whose `fd` is not -1 has what its terminal is to be restored to. Those with
 * -1 are restored, by a handler maybe, and freed by the next call outside of one.
 * Threading: everything under the lock, by any thread and by signal handlers. Who holds it blocks
 * all signals, so that no handler interrupts its own thread's holder, and neither allocates nor
 * waits: a handler that needs the lock may have interrupted malloc. */
#include <eddy/terminal.h>

#include "../core/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

struct terminal {
    struct terminal *next;
    uint64_t device;
    struct termios original;
    eddy_terminal_mode mode;
    unsigned options;
    int number;        /* the caller's descriptor at the last change; -1: another terminal has it */
    int fd;            /* our duplicate */
    bool is_suspended; /* restored while the process is stopped */
    atomic_bool is_taken; /* of those in `own` */
};

enum { TERMINALS_OWN = 5 }; /* four, and one for a change under way */
static struct {
    struct terminal *first;
    struct terminal own[TERMINALS_OWN]; /* the heap is asked only beyond that */
    atomic_int holder;                  /* the process whose thread has the lock; 0: nobody */
    atomic_int process;                 /* whose the list is; read without the lock */
    atomic_bool ends_here;              /* terminal_at_exit is registered */
} terminals;

/* --- The lock --- */

/* What a forked child finds locked, its parent has locked: the thread that did is not here. */
static void terminal_lock(sigset_t *before) {
    int process = eddy_os_process_id();
    unsigned rounds = 0;
    eddy_os_signal_block_all(before);
    for (;;) {
        int holder = atomic_load(&terminals.holder);
        if (holder != process &&
            atomic_compare_exchange_strong(&terminals.holder, &holder, process))
            return;
        eddy_os_back_off(&rounds);
    }
}

static void terminal_unlock(const sigset_t *before) {
    atomic_store(&terminals.holder, 0);
    eddy_os_signal_unblock(before);
}

/* A child that was forked owes nothing: the terminal is still its parent's. Nor does one of vfork,
 * whose memory and lock are its parent's as well. */
static bool terminal_is_ours(void) {
    return atomic_load(&terminals.process) == eddy_os_process_id();
}

/* Before a call that changes the list, with the lock. */
static void terminal_claim(void) {
    if (terminal_is_ours()) return;
    for (struct terminal *it = terminals.first; it != NULL; it = it->next) {
        if (it->fd >= 0) (void)eddy_os_close(it->fd);
        it->fd = -1;
    }
    atomic_store(&terminals.process, eddy_os_process_id());
}

/* Takes out what is restored; to be freed without the lock. */
static struct terminal *terminal_sweep(void) {
    struct terminal *swept = NULL, **at = &terminals.first;
    for (struct terminal *it; (it = *at) != NULL;) {
        if (it->fd >= 0) {
            at = &it->next;
            continue;
        }
        *at = it->next;
        it->next = swept;
        swept = it;
    }
    return swept;
}

static struct terminal *terminal_take(void) {
    for (struct terminal *it = terminals.own; it < terminals.own + TERMINALS_OWN; it++)
        if (!atomic_exchange(&it->is_taken, true)) return it;
    struct terminal *it = eddy_os_resize(NULL, NULL, 0, sizeof *it);
    if (it != NULL) atomic_init(&it->is_taken, false);
    return it;
}

static void terminal_free(struct terminal *swept) {
    for (struct terminal *it; (it = swept) != NULL;) {
        swept = it->next;
        if (!atomic_exchange(&it->is_taken, false)) eddy_os_resize(NULL, it, sizeof *it, 0);
    }
}

/* --- Restoring --- */

static int terminal_put_back(struct terminal *it) {
    int err = it->is_suspended ? 0 : eddy_os_terminal_set(it->fd, &it->original);
    (void)eddy_os_close(it->fd);
    it->fd = -1;
    return err;
}

static void terminal_on_end(int number);
static void terminal_on_stop(int number);
static void terminal_on_continue(int number);

static const struct {
    int number;
    unsigned option;
    void (*handler)(int);
} terminal_signals[] = {
    {SIGHUP, EDDY_RESTORE_ON_SIGNALS, terminal_on_end},
    {SIGINT, EDDY_RESTORE_ON_SIGNALS, terminal_on_end},
    {SIGQUIT, EDDY_RESTORE_ON_SIGNALS, terminal_on_end},
    {SIGILL, EDDY_RESTORE_ON_SIGNALS, terminal_on_end},
    {SIGABRT, EDDY_RESTORE_ON_SIGNALS, terminal_on_end},
    {SIGBUS, EDDY_RESTORE_ON_SIGNALS, terminal_on_end},
    {SIGFPE, EDDY_RESTORE_ON_SIGNALS, terminal_on_end},
    {SIGSEGV, EDDY_RESTORE_ON_SIGNALS, terminal_on_end},
    {SIGPIPE, EDDY_RESTORE_ON_SIGNALS, terminal_on_end},
    {SIGTERM, EDDY_RESTORE_ON_SIGNALS, terminal_on_end},
    {SIGTSTP, EDDY_RESTORE_ON_STOP, terminal_on_stop},
    {SIGCONT, EDDY_RESTORE_ON_STOP, terminal_on_continue},
};
enum { TERMINAL_SIGNALS = sizeof terminal_signals / sizeof terminal_signals[0] };

/* Installs what the terminals and `options` ask for, and takes back the rest. */
static int terminal_update_handlers(unsigned options) {
    int err = 0;
    for (const struct terminal *it = terminals.first; it != NULL; it = it->next)
        if (it->fd >= 0) options |= it->options;
    for (int i = 0; i < TERMINAL_SIGNALS; i++) {
        int number = terminal_signals[i].number, taken = 0;
        if (options & terminal_signals[i].option)
            taken = eddy_os_signal_take(number, terminal_signals[i].handler);
        else
            eddy_os_signal_give_back(number, terminal_signals[i].handler);
        if (err == 0) err = taken;
    }
    return err;
}

/* Those that ask for one of `options`. Safe in handlers. */
static int terminal_restore_those(unsigned options) {
    sigset_t before;
    int first = 0, error = errno;
    if (!terminal_is_ours()) return 0;
    terminal_lock(&before);
    for (struct terminal *it = terminals.first; it != NULL; it = it->next) {
        if (it->fd < 0 || !(it->options & options)) continue;
        int err = terminal_put_back(it);
        if (first == 0) first = err;
    }
    (void)terminal_update_handlers(0);
    terminal_unlock(&before);
    errno = error;
    return first;
}

/* Each terminal has this option. */
enum { TERMINAL_RESTORED = 1 << 8 };

int eddy_terminal_restore_all(void) {
    return terminal_restore_those(TERMINAL_RESTORED);
}

static void terminal_at_exit(void) {
    (void)terminal_restore_those(EDDY_RESTORE_AT_EXIT);
}

static void terminal_on_end(int number) {
    int error = errno;
    (void)terminal_restore_those(EDDY_RESTORE_ON_SIGNALS);
    eddy_os_signal_pass_on(number, terminal_on_end);
    errno = error; /* the first process of a system or container does not end by it */
}

/* --- Stopping and going on --- */

static void terminal_apply(eddy_terminal_mode mode, struct termios *modes) {
    if (mode == EDDY_TERMINAL_ORIGINAL) return;
    modes->c_lflag &= ~(tcflag_t)(ECHO | ICANON);
    modes->c_cc[VMIN] = 1;
    modes->c_cc[VTIME] = 0;
    if (mode == EDDY_TERMINAL_CBREAK) return;
    modes->c_iflag &=
        ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | INPCK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    modes->c_lflag &= ~(tcflag_t)(ECHONL | ISIG | IEXTEN);
    modes->c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
    modes->c_cflag |= CS8;
    if (mode == EDDY_TERMINAL_RAW)
        modes->c_oflag &= ~(tcflag_t)OPOST;
    else
        modes->c_oflag |= OPOST | ONLCR;
}

/* Our descriptor of the terminal that is the `index`th to get its mode back; -1: there is none. */
static int terminal_suspended(unsigned index) {
    sigset_t before;
    terminal_lock(&before);
    const struct terminal *it = terminals.first;
    while (it != NULL && !(it->is_suspended && it->fd >= 0 && index-- == 0)) it = it->next;
    int fd = it != NULL ? it->fd : -1;
    terminal_unlock(&before);
    return fd;
}

/* The shell may have changed what the terminal is to go back to. In the background the terminal is
 * somebody else's. While the process is stopped for that the lock is free and signals come in, to
 * end it too; if another thread closes the descriptor then, nothing is done to whatever has its
 * number: it gets the modes that it has. */
static void terminal_resume(void) {
    sigset_t before;
    int fd;
    if (!terminal_is_ours()) return;
    for (unsigned i = 0; (fd = terminal_suspended(i)) >= 0; i++)
        if (eddy_os_terminal_await(fd) < 0) return;
    terminal_lock(&before);
    for (struct terminal *it = terminals.first; it != NULL; it = it->next) {
        if (!it->is_suspended || it->fd < 0) continue;
        struct termios modes;
        if (eddy_os_terminal_get(it->fd, &modes) < 0) continue;
        it->original = modes;
        terminal_apply(it->mode, &modes);
        it->is_suspended = eddy_os_terminal_set(it->fd, &modes) < 0;
    }
    terminal_unlock(&before);
}

static void terminal_suspend(void) {
    sigset_t before;
    if (!terminal_is_ours()) return;
    terminal_lock(&before);
    for (struct terminal *it = terminals.first; it != NULL; it = it->next) {
        if (it->fd < 0 || it->is_suspended || !(it->options & EDDY_RESTORE_ON_STOP)) continue;
        it->is_suspended = eddy_os_terminal_set(it->fd, &it->original) == 0;
    }
    terminal_unlock(&before);
}

static void terminal_on_stop(int number) {
    int error = errno;
    terminal_suspend();
    eddy_os_signal_pass_on(number, terminal_on_stop);
    terminal_resume();
    errno = error;
}

/* Where a SIGTSTP was handled in one thread this may come in another: who is first resumes. */
static void terminal_on_continue(int number) {
    int error = errno;
    (void)number;
    terminal_resume();
    errno = error;
}

/* --- Changing --- */

static struct terminal *terminal_find(uint64_t device) {
    struct terminal *it = terminals.first;
    while (it != NULL && (it->fd < 0 || it->device != device)) it = it->next;
    return it;
}

static struct terminal *terminal_find_number(int number) {
    struct terminal *it = terminals.first;
    while (it != NULL && (it->fd < 0 || it->number != number)) it = it->next;
    return it;
}

/* The terminal of `fd` in the list, or `spare`, made a record of it. */
static int terminal_remember(int fd, struct terminal *spare, struct terminal **found) {
    uint64_t device = 0;
    int err = eddy_os_terminal_device(fd, &device);
    if (err < 0) return err;
    *found = terminal_find(device);
    if (*found != NULL) return 0;
    spare->device = device;
    spare->options = TERMINAL_RESTORED;
    err = eddy_os_terminal_get(fd, &spare->original);
    if (err == 0) err = spare->fd = eddy_os_terminal_keep(fd);
    if (err < 0) return err;
    *found = spare;
    return 0;
}

/* Returns 1 if `spare` is in the list now. */
static int terminal_change(int fd, eddy_terminal_mode mode, unsigned options,
                           struct terminal *spare) {
    struct terminal *it;
    int err = terminal_remember(fd, spare, &it);
    if (err < 0) return err;
    struct termios modes = it->original;
    terminal_apply(mode, &modes);
    /* The handlers first: what comes in between finds nothing to do. */
    err = terminal_update_handlers(options);
    if (err == 0) err = eddy_os_terminal_set(fd, &modes);
    if (err < 0) {
        (void)terminal_update_handlers(0);
        if (it == spare) (void)eddy_os_close(it->fd);
        return err;
    }
    struct terminal *namesake = terminal_find_number(fd);
    if (namesake != NULL) namesake->number = -1;
    it->number = fd;
    it->mode = mode;
    it->options |= options;
    it->is_suspended = false;
    if (it != spare) return 0;
    it->next = terminals.first;
    terminals.first = it;
    return 1;
}

static int terminal_change_manager(int fd, eddy_terminal_mode mode) {
    struct termios modes;
    int err = eddy_os_terminal_get(fd, &modes);
    if (err < 0) return err;
    terminal_apply(mode, &modes);
    return eddy_os_terminal_set(fd, &modes);
}

/* It cannot be taken back, so it stays for the next terminal that asks. */
static int terminal_register_exit(void) {
    if (atomic_exchange(&terminals.ends_here, true)) return 0;
    int err = eddy_os_at_exit(terminal_at_exit);
    if (err < 0) atomic_store(&terminals.ends_here, false);
    return err;
}

int eddy_terminal_set_mode(int fd, eddy_terminal_mode mode, unsigned options) {
    sigset_t before;
    if ((unsigned)mode > EDDY_TERMINAL_RAW || (options & ~(unsigned)EDDY_RESTORE_ALWAYS))
        return -EINVAL;
    if (mode == EDDY_TERMINAL_ORIGINAL) return eddy_terminal_restore(fd);
    if (eddy_os_terminal_is_manager(fd))
        return options != 0 ? -EINVAL : terminal_change_manager(fd, mode);
    struct terminal *spare = terminal_take();
    if (spare == NULL) return -ENOMEM;
    int err = options & EDDY_RESTORE_AT_EXIT ? terminal_register_exit() : 0;
    struct terminal *swept = NULL;
    if (err == 0) {
        terminal_lock(&before);
        terminal_claim();
        err = terminal_change(fd, mode, options, spare);
        swept = terminal_sweep();
        terminal_unlock(&before);
    }
    if (err <= 0) spare->next = swept;
    terminal_free(err <= 0 ? spare : swept);
    return err < 0 ? err : 0;
}

int eddy_terminal_restore(int fd) {
    sigset_t before;
    uint64_t device = 0;
    terminal_lock(&before);
    terminal_claim();
    int err = eddy_os_terminal_device(fd, &device);
    struct terminal *it = err == 0 ? terminal_find(device) : terminal_find_number(fd);
    err = it != NULL ? terminal_put_back(it) : 0;
    (void)terminal_update_handlers(0);
    struct terminal *swept = terminal_sweep();
    terminal_unlock(&before);
    terminal_free(swept);
    return err;
}

int eddy_terminal_imitate(int to, int from) {
    sigset_t before;
    eddy_terminal_size size = {0};
    struct termios modes;
    uint64_t device = 0;
    terminal_lock(&before);
    terminal_claim();
    int err = eddy_os_terminal_device(from, &device);
    const struct terminal *it = err == 0 ? terminal_find(device) : NULL;
    if (it != NULL)
        modes = it->original;
    else if (err == 0)
        err = eddy_os_terminal_get(from, &modes);
    if (err == 0) err = eddy_os_terminal_set(to, &modes);
    terminal_unlock(&before);
    if (err == 0) err = eddy_os_terminal_get_size(from, &size);
    return err < 0 ? err : eddy_os_terminal_set_size(to, &size);
}
