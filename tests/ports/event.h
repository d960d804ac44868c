/* event.h: as much of libevent's interface as memcached needs, declared anew, on eddy: memcached is
 * built with it in place of libevent's (memcached.sh). Names, types and values are libevent's. An
 * event belongs to the thread that runs its base, as with EVENT_BASE_FLAG_NOLOCK; its fields are
 * private, but for ev_base. */
#ifndef EDDY_TESTS_EVENT_H
#define EDDY_TESTS_EVENT_H

#include <eddy/io.h>
#include <eddy/timer.h>
#include <stdarg.h> /* this and stdio.h for programs that rely on libevent's to bring them */
#include <stdio.h>
#include <sys/time.h>

#define LIBEVENT_VERSION_NUMBER 0x02010c00

enum { EV_TIMEOUT = 1, EV_READ = 2, EV_WRITE = 4, EV_PERSIST = 16 };
enum { EVLOOP_ONCE = 1, EVLOOP_NONBLOCK = 2 };
enum { EVENT_BASE_FLAG_NOLOCK = 1 };

typedef int evutil_socket_t;
typedef void (*event_callback_fn)(evutil_socket_t fd, short what, void *argument);

struct event_base;
struct event_config;

struct event {
    struct event_base *ev_base;
    eddy_io io;
    eddy_timer timer;
    struct event *next, **at; /* of those pending in the base; `at` is NULL if it is not */
    event_callback_fn callback;
    void *argument;
    int64_t timeout_ns; /* -1: none */
    evutil_socket_t fd;
    short asked;
    bool is_initialized;
};

const char *event_get_version(void);

struct event_config *event_config_new(void);
int event_config_set_flag(struct event_config *config, int flag);
void event_config_free(struct event_config *config);

/* NULL if there is no memory or no descriptor left. event_init makes the base of later event_set.
 */
struct event_base *event_init(void);
struct event_base *event_base_new_with_config(const struct event_config *config);
/* Its events are no longer pending. */
void event_base_free(struct event_base *base);

/* Until there is no event left, or event_base_loopexit; ONCE: until some event has come; NONBLOCK:
 * what is there. Returns 0, 1 if there is no event, -1 on errors. */
int event_base_loop(struct event_base *base, int flags);
/* Ends the loop after that time, or after what is ready by now. */
int event_base_loopexit(struct event_base *base, const struct timeval *after);

/* Of an event that is not pending. */
void event_set(struct event *event, evutil_socket_t fd, short what, event_callback_fn callback,
               void *argument);
int event_base_set(struct event_base *base, struct event *event);
int event_assign(struct event *event, struct event_base *base, evutil_socket_t fd, short what,
                 event_callback_fn callback, void *argument);
int event_initialized(const struct event *event);

/* Makes it pending, with a time-out if there is one: once, or with EV_PERSIST until event_del. */
int event_add(struct event *event, const struct timeval *timeout);
int event_del(struct event *event);
/* Which of `what` it waits for. */
int event_pending(const struct event *event, short what, struct timeval *when);

#define evtimer_set(event, callback, argument) event_set(event, -1, 0, callback, argument)
#define evtimer_add(event, timeout)            event_add(event, timeout)
#define evtimer_del(event)                     event_del(event)

/* Not libevent's: the backend of the bases that are made from now on; NULL: the best. */
extern const char *event_backend;

#endif
