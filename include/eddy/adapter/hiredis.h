/* adapter/hiredis.h: asynchronous connections of hiredis (0.14 or later) on a loop. Header-only,
 * and not part of eddy.h: include it beside hiredis' headers and link hiredis.
 *
 *     redisAsyncContext *context = redisAsyncConnect("127.0.0.1", 6379);
 *     if (context == NULL || eddy_redis_attach(context, loop) < 0) ...redisAsyncFree(context)
 *     redisAsyncSetConnectCallback(context, on_connect);
 *
 * All else is hiredis' own API, in the loop's thread only; its callbacks run in phase 5, or, of
 * time-outs, in phase 7, and inside redisAsyncFree, and redisAsyncDisconnect when no reply is
 * awaited, after which the context is gone. There is no reconnecting in hiredis: make a new
 * context, as docs/examples/redis.c does. redisAsyncConnect looks names up itself, and blocks for
 * that: give it an address. Chapter docs/14-adapters.md has more.
 * @since 0.1 */
#ifndef EDDY_ADAPTER_HIREDIS_H
#define EDDY_ADAPTER_HIREDIS_H

#include <eddy/defer.h>
#include <eddy/io.h>
#include <eddy/loop.h>
#include <eddy/timer.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <string.h>
#include <sys/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Private: one for each context, from attach until hiredis frees the context. */
struct eddy__redis {
    redisAsyncContext *context;
    eddy_io io;
    eddy_timer timer;
    eddy_defer late;
    bool *is_gone; /* to be told to the callback that hiredis freed this in */
};

static inline void eddy__redis_ask(void *data, unsigned more, unsigned less) {
    struct eddy__redis *it = (struct eddy__redis *)data;
    unsigned events = (eddy_io_events(&it->io) | more) & ~less;
    if (events != eddy_io_events(&it->io)) (void)eddy_io_change(&it->io, events);
}

static inline void eddy__redis_add_read(void *data) {
    eddy__redis_ask(data, EDDY_READ, 0);
}

static inline void eddy__redis_del_read(void *data) {
    eddy__redis_ask(data, 0, EDDY_READ);
}

static inline void eddy__redis_add_write(void *data) {
    eddy__redis_ask(data, EDDY_WRITE, 0);
}

static inline void eddy__redis_del_write(void *data) {
    eddy__redis_ask(data, 0, EDDY_WRITE);
}

/* hiredis closes its socket only after this. */
static inline void eddy__redis_cleanup(void *data) {
    struct eddy__redis *it = (struct eddy__redis *)data;
    const eddy_allocator *allocator = eddy_loop_allocator(eddy_handle_loop(&it->io.handle));
    eddy_io_stop(&it->io);
    eddy_timer_stop(&it->timer);
    eddy_defer_stop(&it->late);
    if (it->is_gone != NULL) *it->is_gone = true;
    memset(&it->context->ev, 0, sizeof it->context->ev); /* nothing is asked for any more */
    allocator->resize(allocator->context, it, sizeof *it, 0);
}

/* Reading may free the context: a callback disconnects, or the other side has. */
static inline void eddy__redis_on_io(eddy_io *io, unsigned events) {
    struct eddy__redis *it = eddy_container_of(io, struct eddy__redis, io);
    bool is_gone = false;
    it->is_gone = &is_gone;
    if (events & (EDDY_READ | EDDY_ERROR)) redisAsyncHandleRead(it->context);
    if (!is_gone && (events & EDDY_WRITE)) redisAsyncHandleWrite(it->context);
    if (!is_gone) it->is_gone = NULL;
}

#if HIREDIS_MAJOR >= 1
static inline void eddy__redis_on_late(eddy_defer *late) {
    redisAsyncHandleTimeout(eddy_container_of(late, struct eddy__redis, late)->context);
}

/* A reply that has arrived in time, while callbacks were busy, comes in this turn's phase 5. */
static inline void eddy__redis_on_time(eddy_timer *timer) {
    (void)eddy_defer_start(&eddy_container_of(timer, struct eddy__redis, timer)->late,
                           eddy__redis_on_late);
}

/* hiredis sets it anew whenever it reads or writes. */
static inline void eddy__redis_schedule(void *data, struct timeval time) {
    struct eddy__redis *it = (struct eddy__redis *)data;
    eddy_defer_stop(&it->late);
    (void)eddy_timer_start(&it->timer, eddy__redis_on_time,
                           (int64_t)time.tv_sec * EDDY_NS_PER_S + time.tv_usec * EDDY_NS_PER_US, 0);
}
#endif

/* Puts the context on the loop. From then on it is hiredis that ends it (redisAsyncDisconnect,
 * redisAsyncFree, or its own doing when the connection is lost), also inside of its callbacks; it
 * must be gone before the loop is closed, which is -EBUSY before. A context keeps the loop alive
 * (eddy_redis_handle). Its memory is the loop's allocator's. Time-outs (redisAsyncSetTimeout,
 * redisOptions) need hiredis 1.0. Errors: -EINVAL (it has failed already: context->err), -EALREADY
 * (it is attached), -ENOMEM, or what eddy_io_start gave; then nothing has happened, and the context
 * may be freed by redisAsyncFree or attached elsewhere. */
static inline int eddy_redis_attach(redisAsyncContext *context, eddy_loop *loop) {
    const eddy_allocator *allocator = eddy_loop_allocator(loop);
    if (context->err != 0) return -EINVAL;
    if (context->ev.data != NULL) return -EALREADY;
    struct eddy__redis *it =
        (struct eddy__redis *)allocator->resize(allocator->context, NULL, 0, sizeof *it);
    if (it == NULL) return -ENOMEM;
    it->context = context;
    it->is_gone = NULL;
    eddy_io_init(&it->io, loop);
    eddy_timer_init(&it->timer, loop);
    eddy_unref(&it->timer.handle); /* it does not outlast the connection */
    eddy_defer_init(&it->late, loop);
    /* Muted, so that all that can be wrong with the descriptor is told here: hiredis' hooks cannot.
     */
    int err = eddy_io_start(&it->io, eddy__redis_on_io, context->c.fd, 0);
    if (err < 0) {
        allocator->resize(allocator->context, it, sizeof *it, 0);
        return err;
    }
    context->ev.data = it;
    context->ev.addRead = eddy__redis_add_read;
    context->ev.delRead = eddy__redis_del_read;
    context->ev.addWrite = eddy__redis_add_write;
    context->ev.delWrite = eddy__redis_del_write;
    context->ev.cleanup = eddy__redis_cleanup;
#if HIREDIS_MAJOR >= 1
    context->ev.scheduleTimer = eddy__redis_schedule;
#endif
    return 0;
}

/* What eddy_unref takes, for a connection that is not to keep the loop alive: one that only
 * listens, say. NULL: it is not attached. */
static inline eddy_handle *eddy_redis_handle(const redisAsyncContext *context) {
    struct eddy__redis *it = (struct eddy__redis *)context->ev.data;
    return it == NULL ? NULL : &it->io.handle;
}

#ifdef __cplusplus
}
#endif
#endif
