/* cares.h: look-ups of names by c-ares on an eddy loop: any number at a time, without a thread,
 * which getaddrinfo would need. Needs <ares.h>, 1.16 or later, where it is included.
 *
 *     eddy_ares_open(&ares, loop, NULL, 0);
 *     ares_getaddrinfo(eddy_ares_channel(&ares), "example.org", "https", &hints, on_answer, it);
 *
 * docs/examples/lookup.c is a whole program, docs/14-adapters.md says what c-ares does where. Its
 * callbacks come from the loop, as ares_process_fd is called there, but for what is known at once
 * (a number, a name in /etc/hosts, a name that is none), or cannot be asked (no route to a server):
 * that is told inside the call that asks. Call ares_library_init before. Loop thread only; no call
 * waits for the network, but files are read: resolv.conf, /etc/hosts, and for the name of a service
 * what getservbyname asks.
 * @since 0.1 */
#ifndef EDDY_ADAPTER_CARES_H
#define EDDY_ADAPTER_CARES_H

#include <sys/select.h> /* of which ares.h says nothing */
#include <sys/time.h>

#include <ares.h>
#include <eddy/defer.h>
#include <eddy/io.h>
#include <eddy/loop.h>
#include <eddy/timer.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_ares eddy_ares;

/* The channel is gone, after the callbacks of its queries, and `ares` is yours again. */
typedef void eddy_ares_close_fn(eddy_ares *ares);

/* A channel of c-ares. It must not be moved while it is open. All fields are private. */
struct eddy_ares {
    ares_channel channel;
    eddy_loop *loop;
    eddy_timer timer; /* of the next time-out, or of never: so that to set it cannot fail */
    eddy_defer defer; /* what is to be done outside of c-ares */
    struct eddy_ares_socket *sockets; /* few: one or two a server */
    eddy_ares_close_fn *closed;
    bool is_cancelling, is_closing;
};

typedef struct eddy_ares_socket {
    eddy_io io;
    eddy_ares *ares;
    struct eddy_ares_socket *next;
} eddy_ares_socket;

/* --- Inside --- */

static inline void eddy_ares_on_defer_(eddy_defer *defer);

/* Once a turn, and not for each query: c-ares looks at all of them to tell its next time-out. */
static inline void eddy_ares_later_(eddy_ares *ares) {
    (void)eddy_defer_start(&ares->defer, eddy_ares_on_defer_);
}

static inline void eddy_ares_on_timer_(eddy_timer *timer) {
    eddy_ares *ares = eddy_container_of(timer, eddy_ares, timer);
    eddy_ares_later_(ares);
    ares_process_fd(ares->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static inline void eddy_ares_on_io_(eddy_io *io, unsigned events) {
    eddy_ares *ares = eddy_container_of(io, eddy_ares_socket, io)->ares;
    ares_socket_t fd = eddy_io_fd(io);
    bool reads = (events & (EDDY_READ | EDDY_ERROR)) != 0;
    bool writes = (events & (EDDY_WRITE | EDDY_ERROR)) != 0;
    eddy_ares_later_(ares);
    ares_process_fd(ares->channel, reads ? fd : ARES_SOCKET_BAD, writes ? fd : ARES_SOCKET_BAD);
}

static inline eddy_ares_socket **eddy_ares_find_(eddy_ares *ares, ares_socket_t fd) {
    eddy_ares_socket **at = &ares->sockets;
    while (*at != NULL && eddy_io_fd(&(*at)->io) != fd) at = &(*at)->next;
    return at;
}

static inline void eddy_ares_forget_(eddy_ares_socket **at) {
    eddy_ares_socket *it = *at;
    const eddy_allocator *from = eddy_loop_allocator(it->ares->loop);
    *at = it->next;
    eddy_io_stop(&it->io);
    from->resize(from->context, it, sizeof *it, 0);
}

static inline int eddy_ares_watch_(eddy_ares *ares, ares_socket_t fd, unsigned events) {
    const eddy_allocator *from = eddy_loop_allocator(ares->loop);
    void *memory = from->resize(from->context, NULL, 0, sizeof(eddy_ares_socket));
    eddy_ares_socket *it = (eddy_ares_socket *)memory;
    int err;
    if (it == NULL) return -ENOMEM;
    eddy_io_init(&it->io, ares->loop);
    eddy_unref(&it->io.handle); /* a query keeps the loop alive */
    it->ares = ares;
    it->next = ares->sockets;
    ares->sockets = it;
    err = eddy_io_start(&it->io, eddy_ares_on_io_, fd, events);
    if (err < 0) eddy_ares_forget_(&ares->sockets);
    return err;
}

/* ares_set_socket_callback: of a new socket, which c-ares closes if this is -1: so a query whose
 * socket cannot be watched fails at once, or asks the next server, and waits for no time-out. */
static inline int eddy_ares_on_socket_(ares_socket_t fd, int type, void *context) {
    eddy_ares *ares = (eddy_ares *)context;
    eddy_ares_socket **at = eddy_ares_find_(ares, fd);
    (void)type;
    if (*at != NULL) eddy_ares_forget_(at); /* it was closed, and we have not been told */
    return eddy_ares_watch_(ares, fd, EDDY_READ) < 0 ? -1 : 0;
}

/* ARES_OPT_SOCK_STATE_CB. Neither readable nor writable: it is about to be closed. */
static inline void eddy_ares_on_state_(void *context, ares_socket_t fd, int readable,
                                       int writable) {
    eddy_ares *ares = (eddy_ares *)context;
    eddy_ares_socket **at = eddy_ares_find_(ares, fd);
    unsigned events = 0;
    if (readable) events |= EDDY_READ;
    if (writable) events |= EDDY_WRITE;
    if (*at != NULL && events == 0) eddy_ares_forget_(at);
    if (*at != NULL && events != 0) (void)eddy_io_change(&(*at)->io, events);
}

/* A query in flight has a time-out, and only then there is one. */
static inline void eddy_ares_set_timer_(eddy_ares *ares) {
    struct timeval next;
    int64_t delay_ns = INT64_MAX;
    if (ares_timeout(ares->channel, NULL, &next) != NULL) {
        /* Up to 1.19 it is cut to milliseconds: a timer that is too early would come again at once.
         */
        delay_ns = next.tv_sec * EDDY_NS_PER_S + next.tv_usec * EDDY_NS_PER_US + EDDY_NS_PER_MS;
        eddy_ref(&ares->timer.handle);
    } else {
        eddy_unref(&ares->timer.handle);
    }
    (void)eddy_timer_start(&ares->timer, eddy_ares_on_timer_, delay_ns, INT64_MAX);
}

static inline void eddy_ares_on_defer_(eddy_defer *defer) {
    eddy_ares *ares = eddy_container_of(defer, eddy_ares, defer);
    bool is_cancelling = ares->is_cancelling;
    if (ares->is_closing) {
        ares_destroy(ares->channel);
        while (ares->sockets != NULL) eddy_ares_forget_(&ares->sockets);
        eddy_timer_stop(&ares->timer);
        eddy_defer_stop(&ares->defer);
        if (ares->closed != NULL) ares->closed(ares);
        return;
    }
    ares->is_cancelling = false;
    if (is_cancelling) ares_cancel(ares->channel);
    eddy_ares_set_timer_(ares);
}

/* --- Calls --- */

/* Opens a channel on `loop` with the options of ares_init_options (NULL and 0: none), which are
 * copied; those of sockets' states and of an event thread are the adapter's, and so is
 * ares_set_socket_callback. It reads /etc/resolv.conf; to have that read again, close the channel
 * and open it anew (ares_reinit of 1.22 does it in a thread, which may close sockets there). Only
 * queries keep the loop alive. The memory for each socket's watcher is from the loop's allocator.
 * Returns ARES_SUCCESS, or what ares_init_options gives, or ARES_ENOMEM; then nothing is open. */
static inline int eddy_ares_open(eddy_ares *ares, eddy_loop *loop,
                                 const struct ares_options *options, int mask) {
    struct ares_options own;
    int status;
    memset(&own, 0, sizeof own);
    if (options != NULL) own = *options;
    memset(ares, 0, sizeof *ares);
    ares->loop = loop;
    own.sock_state_cb = eddy_ares_on_state_;
    own.sock_state_cb_data = ares;
#ifdef ARES_OPT_EVENT_THREAD
    mask &= ~ARES_OPT_EVENT_THREAD;
#endif
    status = ares_init_options(&ares->channel, &own, mask | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) return status;
    ares_set_socket_callback(ares->channel, eddy_ares_on_socket_, ares);
    eddy_defer_init(&ares->defer, loop);
    eddy_timer_init(&ares->timer, loop);
    eddy_unref(&ares->timer.handle);
    if (eddy_timer_start(&ares->timer, eddy_ares_on_timer_, INT64_MAX, INT64_MAX) == 0)
        return ARES_SUCCESS;
    ares_destroy(ares->channel);
    return ARES_ENOMEM;
}

/* The channel, to ask something, or to set options. To be called each time: c-ares does not tell of
 * a query that begins, and the loop's timer is set anew after this. Not for ares_destroy, and for
 * ares_cancel only outside of its callbacks. */
static inline ares_channel eddy_ares_channel(eddy_ares *ares) {
    eddy_ares_later_(ares);
    return ares->channel;
}

/* Cancels all queries in flight, from the loop: their callbacks come with ARES_ECANCELLED. Also
 * inside a callback of c-ares, where ares_cancel (1.18) frees what c-ares goes on with. Queries
 * that are begun before that are cancelled as well. One alone cannot be. */
static inline void eddy_ares_cancel(eddy_ares *ares) {
    ares->is_cancelling = true;
    eddy_ares_later_(ares);
}

/* Closes the channel, from the loop, also inside a callback of c-ares: queries in flight are told
 * with ARES_EDESTRUCTION, then `fn` (it may be NULL) is called. No query may be begun after this.
 * Errors: -EALREADY (it was called before). */
static inline int eddy_ares_close(eddy_ares *ares, eddy_ares_close_fn *fn) {
    if (ares->is_closing) return -EALREADY;
    ares->is_closing = true;
    ares->closed = fn;
    eddy_ares_later_(ares);
    return 0;
}

#ifdef __cplusplus
}
#endif
#endif
