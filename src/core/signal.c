/* signal.c: signals as posts.
 *
 * The only globals of the library: a handler gets nothing but a number. For each number there is a
 * list of watchers, of any loop. The handler walks it without a lock, which it could never take
 * safely, and posts each watcher that is not on its way already. A stop takes its watcher
 * out of the list and then waits until no handler runs in any thread: only after that it is its
 * owner's again.
 *
 * Invariant: while a list is not empty our handler is installed for its number, or somebody else's
 * that came later.
 * Threading: start and stop by the watcher's loop thread, under `signal_lock`; the handler
 * anywhere. */
#include "signal.h"

#include "callback.h"
#include "handle.h"
#include "loop.h"

#include <errno.h>
#include <stdatomic.h>

enum { SIGNAL_NUMBERS = 129 }; /* the systems we know have at most 128 signals */

static struct {
    EDDY_ATOMIC(eddy_signal *) first; /* changed under `signal_lock`, read by handlers */
    struct sigaction before;          /* signal_lock */
} signal_watched[SIGNAL_NUMBERS];
static eddy_os_mutex signal_lock = EDDY_OS_MUTEX_INITIALIZER;
static atomic_uint signal_handlers_running;

/* Sequentially consistent: the handler counts itself and then looks at `first` or a `next`, the
 * stop changes one of these and then looks at the count. One of them must see what the other did,
 * or the stop ends while the handler holds the watcher; with acquire and release both could see the
 * old. The other accesses of this file would hold with less (`pending` acquired by the handler,
 * released by run; `first` released by start), but signals are rare, and one order is easier to
 * trust. tests/model says for each what breaks. eddy_os_write leaves errno alone. */
static void signal_handle(int number) {
    atomic_fetch_add(&signal_handlers_running, 1);
    eddy_signal *watcher = atomic_load(&signal_watched[number].first);
    while (watcher != NULL) {
        eddy_signal *next = atomic_load(&watcher->next);
        if (atomic_exchange(&watcher->pending, 1) == 0)
            eddy__inbox_push(watcher->handle.loop, &watcher->post);
        watcher = next;
    }
    atomic_fetch_sub(&signal_handlers_running, 1);
}

static void signal_wait_for_handlers(void) {
    unsigned rounds = 0;
    while (atomic_load(&signal_handlers_running) > 0) eddy_os_back_off(&rounds);
}

void eddy__signal_after_fork(void) {
    /* A thread that held the lock or ran the handler has stayed in the parent. */
    (void)eddy_os_mutex_open(&signal_lock);
    atomic_store(&signal_handlers_running, 0);
}

void eddy_signal_init(eddy_signal *watcher, eddy_loop *loop) {
    handle_init(&watcher->handle, loop);
    watcher->fn = NULL;
    watcher->post.fn = eddy__signal_run;
    watcher->number = 0;
    atomic_init(&watcher->next, NULL);
    atomic_init(&watcher->pending, 0);
}

void eddy__signal_run(eddy_post *post) {
    eddy_signal *watcher = eddy_container_of(post, eddy_signal, post);
    atomic_exchange(&watcher->pending, 0); /* a signal during the call gives another one */
    CALLBACK(watcher->handle.loop, watcher, watcher->fn(watcher, watcher->number));
}

int eddy_signal_start(eddy_signal *watcher, eddy_signal_fn *fn, int number) {
    EDDY_ASSERT(fn != NULL);
    if (handle_is_active(&watcher->handle)) return -EALREADY;
    if (number <= 0 || number >= SIGNAL_NUMBERS) return -EINVAL;
    watcher->fn = fn;
    watcher->number = number;
    atomic_store(&watcher->pending, 0);

    int err = 0;
    eddy_os_lock(&signal_lock);
    eddy_signal *first = atomic_load(&signal_watched[number].first);
    atomic_store(&watcher->next, first);
    /* In the list before the handler is installed: the first signal finds it. */
    atomic_store(&signal_watched[number].first, watcher);
    if (first == NULL)
        err = eddy_os_signal_install(number, signal_handle, &signal_watched[number].before);
    if (err < 0) atomic_store(&signal_watched[number].first, NULL);
    eddy_os_unlock(&signal_lock);
    if (err == 0) handle_start(&watcher->handle);
    return err;
}

void eddy_signal_stop(eddy_signal *watcher) {
    if (!handle_is_active(&watcher->handle)) return;
    int number = watcher->number;

    eddy_os_lock(&signal_lock);
    EDDY_ATOMIC(eddy_signal *) *at = &signal_watched[number].first;
    while (atomic_load(at) != watcher) at = &atomic_load(at)->next;
    atomic_store(at, atomic_load(&watcher->next));
    /* A handler that somebody else has installed since stays. It may call ours, which finds nobody.
     * The two calls are not one: who installs a handler just then has to keep others off anyway. */
    if (atomic_load(&signal_watched[number].first) == NULL &&
        eddy_os_signal_is_handled_by(number, signal_handle))
        (void)eddy_os_signal_restore(number, &signal_watched[number].before);
    eddy_os_unlock(&signal_lock);

    signal_wait_for_handlers();
    if (atomic_exchange(&watcher->pending, 0) == 1)
        eddy__inbox_withdraw(watcher->handle.loop, &watcher->post);
    handle_stop(&watcher->handle);
}
