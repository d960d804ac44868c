/* event_on_eddy.c: libevent's interface, as event.h has it, on eddy's public headers. libevent
 * calls an event from inside of its loop, and so do its events here, straight from the library's
 * callbacks.
 *
 * Differences from libevent: an event whose descriptor is ready in the turn in which its time is
 * over is called with EV_TIMEOUT first, and for its descriptor only if it is pending then. */
#include "event.h"

#include <eddy/loop.h>
#include <stdlib.h>

#ifndef EVENT_BACKEND
#define EVENT_BACKEND NULL
#endif
const char *event_backend = EVENT_BACKEND;

struct event_base {
    eddy_loop *loop;
    struct event *pending; /* all of them: who frees the base need not know its events */
    eddy_timer end;
    unsigned long long called;
};

struct event_config {
    int flags;
};

static struct event_base *current_base;

static int result_of(int err) {
    if (err >= 0) return 0;
    errno = -err;
    return -1;
}

static int64_t ns_of(const struct timeval *time) {
    const int64_t most = INT64_MAX / EDDY_NS_PER_S - 1;
    if (time->tv_sec < 0 || time->tv_usec < 0) return 0;
    if (time->tv_sec > most) return INT64_MAX;
    return time->tv_sec * EDDY_NS_PER_S + time->tv_usec * EDDY_NS_PER_US;
}

const char *event_get_version(void) {
    return "2.1.12-stable on eddy";
}

/* --- Bases --- */

struct event_config *event_config_new(void) {
    return calloc(1, sizeof(struct event_config));
}

int event_config_set_flag(struct event_config *config, int flag) {
    config->flags |= flag;
    return 0;
}

void event_config_free(struct event_config *config) {
    free(config);
}

struct event_base *event_base_new_with_config(const struct event_config *config) {
    (void)config; /* no locks, with the flag and without */
    struct event_base *base = calloc(1, sizeof *base);
    if (base == NULL) return NULL;
    int err = eddy_loop_open(&base->loop, &(eddy_loop_config){.backend = event_backend});
    if (err < 0) {
        free(base);
        (void)result_of(err);
        return NULL;
    }
    eddy_timer_init(&base->end, base->loop);
    return base;
}

struct event_base *event_init(void) {
    struct event_base *base = event_base_new_with_config(NULL);
    if (base != NULL) current_base = base;
    return base;
}

void event_base_free(struct event_base *base) {
    while (base->pending != NULL) (void)event_del(base->pending);
    eddy_timer_stop(&base->end);
    (void)eddy_loop_close(base->loop); /* nothing is left in it */
    if (current_base == base) current_base = NULL;
    free(base);
}

static void on_end(eddy_timer *timer) {
    eddy_loop_stop(eddy_handle_loop(&timer->handle));
}

int event_base_loopexit(struct event_base *base, const struct timeval *after) {
    return result_of(eddy_timer_start(&base->end, on_end, after != NULL ? ns_of(after) : 0, 0));
}

/* A turn may end without an event, by a signal for one. */
static int loop_once(struct event_base *base) {
    unsigned long long before = base->called;
    int left;
    do left = eddy_loop_run(base->loop, EDDY_RUN_ONCE);
    while (left > 0 && base->called == before && !eddy_loop_was_stopped(base->loop));
    return left;
}

int event_base_loop(struct event_base *base, int flags) {
    if (base->pending == NULL) return 1;
    int left;
    if (flags & EVLOOP_NONBLOCK)
        left = eddy_loop_run(base->loop, EDDY_RUN_NOWAIT);
    else if (flags & EVLOOP_ONCE)
        left = loop_once(base);
    else
        left = eddy_loop_run(base->loop, EDDY_RUN_DEFAULT);
    if (left < 0) return result_of(left);
    bool ran_out = left == 0 && !(flags & (EVLOOP_ONCE | EVLOOP_NONBLOCK));
    return ran_out && !eddy_loop_was_stopped(base->loop);
}

/* --- Events --- */

void event_set(struct event *event, evutil_socket_t fd, short what, event_callback_fn callback,
               void *argument) {
    *event = (struct event){.ev_base = current_base,
                            .fd = fd,
                            .asked = what,
                            .callback = callback,
                            .argument = argument,
                            .timeout_ns = -1,
                            .is_initialized = true};
    if (current_base != NULL) (void)event_base_set(current_base, event);
}

int event_base_set(struct event_base *base, struct event *event) {
    if (event->at != NULL) return -1;
    event->ev_base = base;
    eddy_io_init(&event->io, base->loop);
    eddy_timer_init(&event->timer, base->loop);
    return 0;
}

int event_assign(struct event *event, struct event_base *base, evutil_socket_t fd, short what,
                 event_callback_fn callback, void *argument) {
    event_set(event, fd, what, callback, argument);
    return event_base_set(base, event);
}

int event_initialized(const struct event *event) {
    return event->is_initialized;
}

static void event_put(struct event *event) {
    if (event->at != NULL) return;
    event->at = &event->ev_base->pending;
    event->next = *event->at;
    if (event->next != NULL) event->next->at = &event->next;
    *event->at = event;
}

int event_del(struct event *event) {
    if (event->ev_base == NULL) return -1;
    if (event->at == NULL) return 0;
    eddy_io_stop(&event->io);
    eddy_timer_stop(&event->timer);
    *event->at = event->next;
    if (event->next != NULL) event->next->at = event->at;
    event->at = NULL;
    return 0;
}

static void on_timer(eddy_timer *timer);

/* The event may be gone after it, or be another one. */
static void event_call(struct event *event, short what) {
    event->ev_base->called++;
    if (!(event->asked & EV_PERSIST))
        (void)event_del(event);
    else if (event->timeout_ns >= 0)
        /* It still runs or has just fired: it has its place. */
        (void)eddy_timer_start(&event->timer, on_timer, event->timeout_ns, 0);
    event->callback(event->fd, what, event->argument);
}

static void on_timer(eddy_timer *timer) {
    event_call(eddy_container_of(timer, struct event, timer), EV_TIMEOUT);
}

/* An error comes alone when the backend has lost the descriptor: a read or a write tells. */
static void on_io(eddy_io *io, unsigned events) {
    struct event *event = eddy_container_of(io, struct event, io);
    int what = 0;
    if (events & (EDDY_READ | EDDY_ERROR)) what |= event->asked & EV_READ;
    if (events & (EDDY_WRITE | EDDY_ERROR)) what |= event->asked & EV_WRITE;
    event_call(event, (short)what);
}

static unsigned io_events(short what) {
    return (what & EV_READ ? EDDY_READ : 0u) | (what & EV_WRITE ? EDDY_WRITE : 0u);
}

int event_add(struct event *event, const struct timeval *timeout) {
    if (event->ev_base == NULL) return result_of(-EINVAL);
    bool is_new = event->at == NULL;
    unsigned events = io_events(event->asked);
    if (is_new && events != 0) {
        int err = eddy_io_start(&event->io, on_io, event->fd, events);
        if (err < 0) return result_of(err);
    }
    if (timeout != NULL) {
        int err = eddy_timer_start(&event->timer, on_timer, ns_of(timeout), 0);
        if (err < 0) {
            if (is_new) eddy_io_stop(&event->io);
            return result_of(err);
        }
        event->timeout_ns = ns_of(timeout);
    } else if (is_new) {
        event->timeout_ns = -1;
    }
    event_put(event);
    return 0;
}

int event_pending(const struct event *event, short what, struct timeval *when) {
    int pending = 0;
    if (event->at == NULL) return 0;
    if (eddy_is_active(&event->io.handle)) pending |= event->asked & (EV_READ | EV_WRITE);
    if (eddy_is_active(&event->timer.handle)) {
        pending |= EV_TIMEOUT;
        if (when != NULL && (what & EV_TIMEOUT)) {
            int64_t left_ns =
                eddy_timer_due_ns(&event->timer) - eddy_loop_now_ns(event->ev_base->loop);
            struct timeval now;
            gettimeofday(&now, NULL);
            if (left_ns < 0) left_ns = 0;
            left_ns += now.tv_usec * EDDY_NS_PER_US;
            when->tv_sec = now.tv_sec + left_ns / EDDY_NS_PER_S;
            when->tv_usec = left_ns % EDDY_NS_PER_S / EDDY_NS_PER_US;
        }
    }
    return pending & what;
}
