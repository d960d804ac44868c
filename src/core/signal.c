/* signal.c: signals as posts.
 *
 * These are globals, as are those of terminal.c: a handler gets nothing but a number. For each
 * number there is a list of watchers, of any loop. The handler walks it without a lock, which it
 * could never take safely, and posts each watcher that is not on its way already. A stop takes its
 * watcher out of the list and then waits until no handler runs in any thread: only after that it is
 * its owner's again.
 *
 * Invariant: while a list is not empty our handler is installed for its number, or somebody else's
 * that came later; the oldest watcher, the last of its list, holds what was there before. A
 * started watcher is in loop->signals as well.
 * Threading: start and stop by the watcher's loop thread, under `signal_lock`; the handler
 * anywhere. */
#include "signal.h"

#include "callback.h"
#include "handle.h"
#include "list.h"
#include "loop.h"
#include "walk.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* The newest watcher of each number. Changed under `signal_lock`, read by handlers. */
static EDDY_ATOMIC(eddy_signal *) signal_first[EDDY_OS_SIGNALS];
static eddy_os_mutex signal_lock = EDDY_OS_MUTEX_INITIALIZER;
static atomic_uint signal_handlers_running;
static atomic_int signal_process; /* whose threads these two know of; 0: nobody's yet */

/* eddy_signal.pending */
enum {
    SIGNAL_IDLE,
    SIGNAL_SENT,     /* the post is on its way, by whoever wrote this */
    SIGNAL_RECORDED, /* in a forked child: eddy_loop_after_fork sends it, or a later handler */
};

/* A child that was forked has its parent's handlers, watchers and pipe. Until it has called
 * eddy_loop_after_fork a signal of its own is only recorded: a byte in the pipe would wake the
 * parent, and be one too many for its close. So it is with a child of vfork, whose memory is the
 * parent's as well: the next signal of the parent sends the watcher, as if there were no record. */
static void signal_send(eddy_signal *watcher, int process) {
    eddy_loop *loop = watcher->handle.loop;
    unsigned idle = SIGNAL_IDLE;
    if (atomic_load(&loop->wakeup.process) != process)
        (void)atomic_compare_exchange_strong(&watcher->pending, &idle, SIGNAL_RECORDED);
    else if (atomic_exchange(&watcher->pending, SIGNAL_SENT) != SIGNAL_SENT) {
        observe_send(loop, EDDY_TRACE_SIGNAL, EDDY_KIND_SIGNAL, watcher, watcher->number);
        eddy__inbox_push(loop, &watcher->post);
    }
}

/* Sequentially consistent: the handler counts itself and then looks at `first` or a `next`, the
 * stop changes one of these and then looks at the count. One of them must see what the other did,
 * or the stop ends while the handler holds the watcher; with acquire and release both could see the
 * old. The other accesses of this file would hold with less (`pending` acquired by the handler,
 * released by run; `first` released by start), but signals are rare, and one order is easier to
 * trust. tests/model says for each what breaks. eddy_os_write leaves errno alone. */
static void signal_handle(int number) {
    atomic_fetch_add(&signal_handlers_running, 1);
    eddy_signal *watcher = atomic_load(&signal_first[number]);
    int process = eddy_os_process_id();
    while (watcher != NULL) {
        eddy_signal *next = atomic_load(&watcher->next);
        signal_send(watcher, process);
        watcher = next;
    }
    atomic_fetch_sub(&signal_handlers_running, 1);
}

static void signal_wait_for_handlers(void) {
    unsigned rounds = 0;
    while (atomic_load(&signal_handlers_running) > 0) eddy_os_back_off(&rounds);
}

/* A thread that held the lock or ran the handler at a fork has stayed in the parent. Made anew once
 * in each process, by the first that comes: later its own threads may be using them. */
static void signal_claim(void) {
    static const eddy_os_mutex fresh = EDDY_OS_MUTEX_INITIALIZER;
    int process = eddy_os_process_id(), owner;
    unsigned rounds = 0;
    while ((owner = atomic_load(&signal_process)) != process) {
        bool is_claimed = owner == -process;
        if (is_claimed || !atomic_compare_exchange_strong(&signal_process, &owner, -process)) {
            eddy_os_back_off(&rounds);
            continue;
        }
        if (owner != 0) {
            signal_lock = fresh;
            atomic_store(&signal_handlers_running, 0);
        }
        atomic_store(&signal_process, process);
    }
}

/* What a handler of the parent had marked and not pushed is left for eddy__signal_after_reopen, as
 * what handlers of this process have recorded. Handlers of other threads, if there are any, only
 * record: the loop is not this process's yet. */
void eddy__signal_before_reopen(eddy_loop *loop) {
    signal_claim();
    for (eddy_link *link = loop->signals.next; link != &loop->signals; link = link->next) {
        eddy_signal *watcher = eddy_container_of(link, eddy_signal, link);
        unsigned sent = SIGNAL_SENT;
        (void)atomic_compare_exchange_strong(&watcher->pending, &sent, SIGNAL_RECORDED);
    }
    for (eddy_post *post = loop->inbox.signals.first; post != NULL; post = post->next)
        atomic_store(&eddy_container_of(post, eddy_signal, post)->pending, SIGNAL_SENT);
}

/* A handler that still took the loop for the parent's has made its record when it has returned. */
void eddy__signal_after_reopen(eddy_loop *loop) {
    signal_wait_for_handlers();
    for (eddy_link *link = loop->signals.next; link != &loop->signals; link = link->next) {
        eddy_signal *watcher = eddy_container_of(link, eddy_signal, link);
        unsigned recorded = SIGNAL_RECORDED;
        if (atomic_compare_exchange_strong(&watcher->pending, &recorded, SIGNAL_SENT))
            eddy__inbox_push_signal(loop, &watcher->post);
    }
}

void eddy_signal_init(eddy_signal *watcher, eddy_loop *loop) {
    EDDY_CHECK(!eddy__walk_finds(loop, EDDY_KIND_SIGNAL, watcher));
    handle_init(&watcher->handle, loop, EDDY_KIND_SIGNAL);
    link_init(&watcher->link);
    watcher->fn = NULL;
    watcher->post.fn = eddy__signal_run;
    watcher->number = 0;
    atomic_init(&watcher->next, NULL);
    watcher->prev = NULL;
    atomic_init(&watcher->pending, SIGNAL_IDLE);
}

void eddy__signal_run(eddy_post *post) {
    eddy_signal *watcher = eddy_container_of(post, eddy_signal, post);
    /* Before the call, so that a signal during it gives another one. */
    atomic_exchange(&watcher->pending, SIGNAL_IDLE);
    CALLBACK(watcher->handle.loop, handle_called(&watcher->handle, EDDY_KIND_SIGNAL), watcher,
             watcher->fn, watcher, watcher->number);
}

_Static_assert(sizeof(struct sigaction) <= sizeof(((eddy_signal *)0)->before), "it fits");

/* The first watcher of its number. signal_lock. */
static int signal_install(eddy_signal *watcher) {
    struct sigaction before;
    int err = eddy_os_signal_install(watcher->number, signal_handle, &before);
    if (err == 0) memcpy(watcher->before, &before, sizeof before);
    return err;
}

/* It was the last one. A handler that somebody else has installed since stays. It may call ours,
 * which finds nobody. The two calls are not one: who installs a handler just then has to keep
 * others off anyway. signal_lock. */
static void signal_restore(const eddy_signal *watcher) {
    struct sigaction before;
    memcpy(&before, watcher->before, sizeof before);
    if (eddy_os_signal_is_handled_by(watcher->number, signal_handle))
        (void)eddy_os_signal_restore(watcher->number, &before);
}

int eddy_signal_start(eddy_signal *watcher, eddy_signal_fn *fn, int number) {
    if (fn == NULL) return -EINVAL;
    EDDY_ASSERT(handle_is_initialised(&watcher->handle));
    if (handle_is_active(&watcher->handle)) return -EALREADY;
    if (number <= 0 || number >= EDDY_OS_SIGNALS) return -EINVAL;
    watcher->fn = fn;
    watcher->number = number;
    atomic_store(&watcher->pending, SIGNAL_IDLE);

    int err = 0;
    signal_claim();
    eddy_os_lock(&signal_lock);
    eddy_signal *first = atomic_load(&signal_first[number]);
    /* Initialised again while it was active, it would lead the handler in a circle. Of all others
     * of the number only a checked library can say so: that would be a look at each. */
    EDDY_ASSERT(first != watcher);
    atomic_store(&watcher->next, first);
    watcher->prev = NULL;
    if (first != NULL) first->prev = watcher;
    /* In the list before the handler is installed: the first signal finds it. */
    atomic_store(&signal_first[number], watcher);
    if (first == NULL) err = signal_install(watcher);
    if (err < 0) atomic_store(&signal_first[number], NULL);
    eddy_os_unlock(&signal_lock);
    if (err < 0) return err;
    link_add_last(&watcher->handle.loop->signals, &watcher->link);
    handle_start(&watcher->handle);
    return 0;
}

/* A handler that holds the watcher goes on from its `next`, which stays. signal_lock. */
static void signal_unlink(eddy_signal *watcher) {
    EDDY_ATOMIC(eddy_signal *) *at =
        watcher->prev != NULL ? &watcher->prev->next : &signal_first[watcher->number];
    eddy_signal *next = atomic_load(&watcher->next);
    atomic_store(at, next);
    if (next != NULL)
        next->prev = watcher->prev;
    else if (watcher->prev != NULL)
        memcpy(watcher->prev->before, watcher->before, sizeof watcher->before);
}

void eddy_signal_stop(eddy_signal *watcher) {
    if (!handle_is_active(&watcher->handle)) return;
    int number = watcher->number;

    signal_claim();
    eddy_os_lock(&signal_lock);
    signal_unlink(watcher);
    if (atomic_load(&signal_first[number]) == NULL) signal_restore(watcher);
    eddy_os_unlock(&signal_lock);

    signal_wait_for_handlers();
    if (atomic_exchange(&watcher->pending, SIGNAL_IDLE) == SIGNAL_SENT)
        eddy__inbox_withdraw(watcher->handle.loop, &watcher->post);
    link_remove(&watcher->link);
    handle_stop(&watcher->handle);
}
