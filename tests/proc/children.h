/* children.h: children that are told of, for the tests of src/proc. */
#ifndef EDDY_TESTS_CHILDREN_H
#define EDDY_TESTS_CHILDREN_H

#include "suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct told {
    eddy_child child;
    eddy_exit exit;
    unsigned times;
    bool ended;
};

static inline void told_on_exit(eddy_child *child, const eddy_exit *exit) {
    struct told *told = eddy_container_of(child, struct told, child);
    ck_assert_int_eq(eddy_child_pid(child), 0);
    ck_assert(!eddy_is_active(&child->handle));
    told->exit = *exit;
    told->times++;
    told->ended = true;
}

static inline void told_init(struct told *told, eddy_loop *loop) {
    *told = (struct told){0};
    eddy_child_init(&told->child, loop);
}

/* Runs `script` in a shell. */
static inline int told_spawn(struct told *told, const char *script, unsigned flags,
                             const eddy_child_fd *fds, unsigned count) {
    char *arguments[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                         (char *)(uintptr_t)script, NULL};
    eddy_child_options options = {
        .arguments = arguments, .flags = flags, .fds = fds, .fd_count = count};
    return eddy_child_spawn(&told->child, &options, told_on_exit);
}

static inline void told_start(struct told *told, eddy_loop *loop, const char *script) {
    told_init(told, loop);
    ck_assert_int_eq(told_spawn(told, script, 0, NULL, 0), 0);
    ck_assert_int_gt(eddy_child_pid(&told->child), 0);
}

static inline void told_wait(struct told *told, eddy_loop *loop) {
    test_turn_until(loop, &told->ended);
    ck_assert_uint_eq(told->times, 1);
}

/* A child of the test itself, which sleeps until it is killed. */
static inline pid_t fork_sleeper(void) {
    pid_t pid = fork();
    if (pid == 0)
        for (;;) pause();
    ck_assert_int_gt(pid, 0);
    return pid;
}

static inline pid_t fork_exit(int status) {
    pid_t pid = fork();
    if (pid == 0) _exit(status);
    ck_assert_int_gt(pid, 0);
    return pid;
}

/* Turns the loop until this process has no child, running or zombie. */
static inline void turn_until_childless(eddy_loop *loop) {
    siginfo_t info;
    int64_t end_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
        ck_assert_int_lt(test_now_ns(), end_ns);
        test_turn_for(loop, EDDY_NS_PER_MS);
    }
}

/* --- Streams --- */

struct line {
    eddy_stream stream;
    char text[256];
    size_t size, total;
    bool ended, closed;
};

static inline void line_on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct line *line = eddy_container_of(stream, struct line, stream);
    ck_assert_int_ge(size, 0);
    line->ended = size == 0;
    size_t room = sizeof line->text - 1 - line->size;
    size_t taken = (size_t)size < room ? (size_t)size : room;
    if (taken > 0) memcpy(line->text + line->size, data, taken);
    line->size += taken;
    line->total += (size_t)size;
}

static inline void line_on_closed(eddy_stream *stream) {
    eddy_container_of(stream, struct line, stream)->closed = true;
}

static inline void line_init(struct line *line, eddy_loop *loop) {
    memset(line, 0, sizeof *line);
    eddy_stream_init(&line->stream, loop);
}

static inline void line_close(struct line *line, eddy_loop *loop) {
    ck_assert_int_eq(eddy_stream_close(&line->stream, line_on_closed), 0);
    test_turn_until(loop, &line->closed);
}

#endif
