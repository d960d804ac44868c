/* watched.h: a loop whose adapters are looked at: no socket is watched when it is closed, and all
 * that is watched whenever the loop waits is open. close() is this one, as libraries do not tell of
 * each that they make. */
#ifndef EDDY_TESTS_WATCHED_H
#define EDDY_TESTS_WATCHED_H

#include "suite.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WATCHED_MAX = 4096 };

static eddy_loop *loop;
static int open_sockets, open_sockets_max, sockets_opened;
static int closed_watched; /* how many were watched when they were closed */
static bool watched_is_socket[WATCHED_MAX], watched_looks;
static eddy_hook watched_hook;

static inline void watched_opened(int fd) {
    sockets_opened++;
    if (++open_sockets > open_sockets_max) open_sockets_max = open_sockets;
    watched_is_socket[fd] = true;
}

static inline void watched_look_for(const eddy_walk_item *item, void *context) {
    if (item->kind == EDDY_KIND_IO) closed_watched += eddy_io_fd(item->pointer) == *(int *)context;
}

__attribute__((visibility("default"))) int close(int fd) {
    if (watched_looks && fd >= 0 && fd < WATCHED_MAX && watched_is_socket[fd]) {
        eddy_loop_walk(loop, watched_look_for, &fd);
        watched_is_socket[fd] = false;
        open_sockets--;
    }
    return (int)syscall(SYS_close, fd);
}

static inline void watched_look_at(const eddy_walk_item *item, void *context) {
    (void)context;
    if (item->kind != EDDY_KIND_IO) return;
    ck_assert_int_ge(fcntl(eddy_io_fd(item->pointer), F_GETFD), 0);
}

static inline void watched_before_wait(eddy_hook *hook) {
    (void)hook;
    eddy_loop_walk(loop, watched_look_at, NULL);
}

static inline void watched_open_with(const eddy_allocator *allocator) {
    loop = test_loop_open_with((eddy_loop_config){.allocator = allocator});
    open_sockets = open_sockets_max = sockets_opened = closed_watched = 0;
    eddy_hook_init(&watched_hook, loop);
    eddy_unref(&watched_hook.handle);
    ck_assert_int_eq(eddy_hook_start(&watched_hook, EDDY_HOOK_PREPARE, watched_before_wait), 0);
    watched_looks = true;
}

static inline void watched_open(void) {
    watched_open_with(NULL);
}

static inline void watched_close(void) {
    ck_assert_int_eq(open_sockets, 0);
    ck_assert_int_eq(closed_watched, 0);
    watched_looks = false;
    eddy_hook_stop(&watched_hook);
    test_loop_close(loop);
}

static inline void run_out(void) {
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
}

/* An allocator that has nothing for blocks of `bytes` so many times. */
struct watched_refusal {
    size_t bytes;
    int times;
};

static inline void *watched_resize(void *context, void *memory, size_t old_bytes,
                                   size_t new_bytes) {
    struct watched_refusal *it = context;
    (void)old_bytes;
    if (memory == NULL && new_bytes == it->bytes && it->times > 0) {
        it->times--;
        return NULL;
    }
    if (new_bytes > 0) return realloc(memory, new_bytes);
    free(memory);
    return NULL;
}

#endif
