/* suite.c: see suite.h. */
#include "suite.h"

#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct checked_loop {
    eddy_hook hook; /* unreferenced: verifies at the start of each turn */
    eddy_loop *loop;
};

/* A test process opens few loops; their hooks live here until the loop is closed. */
static struct checked_loop *checked[64];

static void verify(eddy_loop *loop) {
    const char *broken = NULL;
    int err = eddy_loop_verify(loop, &broken);
    ck_assert_msg(err == 0, "eddy_loop_verify: %s", broken != NULL ? broken : "(no reason)");
}

static void verify_turn(eddy_hook *hook) {
    verify(eddy_container_of(hook, struct checked_loop, hook)->loop);
}

eddy_loop *test_loop_open_with(eddy_loop_config config) {
    struct checked_loop *it = calloc(1, sizeof *it);
    ck_assert_ptr_nonnull(it);
    config.backend = test_backend;
    if (config.files == EDDY_FILES_POOL) config.files = test_files;
    int err = eddy_loop_open(&it->loop, &config);
    ck_assert_int_eq(err, 0);
    eddy_hook_init(&it->hook, it->loop);
    eddy_unref(&it->hook.handle);
    ck_assert_int_eq(eddy_hook_start(&it->hook, EDDY_HOOK_PREPARE, verify_turn), 0);
    for (size_t i = 0; i < sizeof checked / sizeof checked[0]; i++) {
        if (checked[i] != NULL) continue;
        checked[i] = it;
        return it->loop;
    }
    ck_abort_msg("more loops than test_loop_open has places for");
}

eddy_loop *test_loop_open(void) {
    return test_loop_open_with((eddy_loop_config){0});
}

void test_loop_close(eddy_loop *loop) {
    verify(loop);
    for (size_t i = 0; i < sizeof checked / sizeof checked[0]; i++) {
        if (checked[i] == NULL || checked[i]->loop != loop) continue;
        eddy_hook_stop(&checked[i]->hook);
        free(checked[i]);
        checked[i] = NULL;
        ck_assert(!eddy_loop_is_alive(loop));
        ck_assert_int_eq(eddy_loop_close(loop), 0);
        return;
    }
    ck_abort_msg("test_loop_close: not a loop of test_loop_open");
}

bool test_backend_can(unsigned capability) {
    eddy_backend_info info;
    for (size_t i = 0; eddy_backend_at(i, &info) == 0; i++)
        if (strcmp(info.name, test_backend) == 0) return (info.capabilities & capability) != 0;
    return false;
}

unsigned test_wake_reads(void) {
    const struct eddy_backend *const *backend = eddy_backend_table;
    while (strcmp((*backend)->name, test_backend) != 0) backend++;
    return (*backend)->capabilities & BACKEND_TELLS_EACH_WRITE ? 0 : 1;
}

static void on_timeout(eddy_timer *timer) {
    (void)timer;
}

int test_run(eddy_loop *loop, eddy_run_mode mode) {
    int result;
    do result = eddy_loop_run(loop, mode);
    while (result == -EFAULT);
    return result;
}

void test_turn_until(eddy_loop *loop, const bool *flag) {
    eddy_timer guard;
    eddy_timer_init(&guard, loop);
    int64_t end_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    eddy_loop_update_now(loop);
    ck_assert_int_eq(eddy_timer_start(&guard, on_timeout, 10 * EDDY_NS_PER_S, 0), 0);
    while (!*flag) {
        ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
        ck_assert_msg(*flag || test_now_ns() < end_ns, "what was waited for did not happen");
    }
    eddy_timer_stop(&guard);
}

void test_turn_for(eddy_loop *loop, int64_t time_ns) {
    eddy_timer guard;
    eddy_timer_init(&guard, loop);
    int64_t end_ns = test_now_ns() + time_ns;
    eddy_loop_update_now(loop);
    ck_assert_int_eq(eddy_timer_start(&guard, on_timeout, time_ns, 0), 0);
    while (test_now_ns() < end_ns) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
    eddy_timer_stop(&guard);
}

int64_t test_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * EDDY_NS_PER_S + now.tv_nsec;
}

static void prepare(const int ends[2]) {
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(fcntl(ends[i], F_SETFL, O_NONBLOCK), 0);
        ck_assert_int_eq(fcntl(ends[i], F_SETFD, FD_CLOEXEC), 0);
    }
}

void test_pipe(int ends[2]) {
    ck_assert_int_eq(pipe(ends), 0);
    prepare(ends);
}

void test_socket_pair(int ends[2]) {
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    prepare(ends);
}

unsigned test_metric_waits(const eddy_loop *loop) {
    eddy_metrics metrics;
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    return (unsigned)metrics.waits;
}

int64_t test_prepare(eddy_loop *loop) {
    int64_t timeout_ns = -7;
    ck_assert_int_eq(eddy_loop_prepare(loop, &timeout_ns), 0);
    ck_assert_int_ge(timeout_ns, -1);
    return timeout_ns;
}

int test_turn_apart(eddy_loop *loop) {
    (void)test_prepare(loop);
    ck_assert_int_ge(eddy_loop_wait(loop, 0), 0);
    return eddy_loop_dispatch(loop);
}
