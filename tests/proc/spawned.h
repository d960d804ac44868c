/* spawned.h: children straight from eddy_os_spawn, and what they tell (look.c). */
#ifndef EDDY_TESTS_SPAWNED_H
#define EDDY_TESTS_SPAWNED_H

#include "look_path.h"
#include "os.h"
#include "suite.h"
#include "system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUESTIONS_MAX = 24, FDS_MAX = 64 };

struct spawned {
    pid_t pid;
    int pidfd;
    int status;         /* as waitpid has told */
    char answer[65536]; /* of all questions */
};

static struct spawned spawned;

/* What look.c is asked, as a list of arguments; `out` is the number it answers on. */
static inline char *const *look_arguments(int out, const char *questions) {
    static char text[1024], number[16];
    static char *arguments[QUESTIONS_MAX + 3];
    int count = 0;
    snprintf(text, sizeof text, "%s", questions);
    snprintf(number, sizeof number, "%d", out);
    arguments[count++] = (char *)(uintptr_t) "look";
    arguments[count++] = number;
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        arguments[count++] = word;
    arguments[count] = NULL;
    return arguments;
}

static inline void spawned_wait(void) {
    pid_t got;
    do got = waitpid(spawned.pid, &spawned.status, 0);
    while (got < 0 && errno == EINTR);
    ck_assert_int_eq(got, spawned.pid);
    if (spawned.pidfd >= 0) close(spawned.pidfd);
}

/* To the end of a pipe, which may be non-blocking. */
static inline void spawned_read(int fd) {
    size_t used = 0;
    for (;;) {
        ssize_t got = read(fd, spawned.answer + used, sizeof spawned.answer - 1 - used);
        if (got > 0) used += (size_t)got;
        if (got == 0) break;
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (got < 0) ck_assert_int_eq(errno, EAGAIN);
        if (got < 0) ck_assert_int_ge(poll(&wait, 1, 10000), 1);
    }
    spawned.answer[used] = '\0';
}

/* Starts look with the descriptors of `map` and one more at `out`, and waits until it has answered
 * all and ended. */
static inline int spawn_look(eddy_child_options options, const struct eddy_os_child_fd *map,
                             unsigned count, int out, const char *questions) {
    struct eddy_os_child_fd all[FDS_MAX];
    int ends[2];
    test_pipe(ends);
    fcntl(ends[1], F_SETFL, 0);
    if (count > 0) memcpy(all, map, count * sizeof *map);
    all[count++] = (struct eddy_os_child_fd){.number = out, .fd = ends[1]};
    options.arguments = look_arguments(out, questions);
    if (options.file == NULL) options.file = LOOK_PATH;
    int err = eddy_os_spawn(&options, all, count, &spawned.pid, &spawned.pidfd);
    close(ends[1]);
    if (err == 0) spawned_read(ends[0]);
    if (err == 0) spawned_wait();
    close(ends[0]);
    return err;
}

/* What look answers to the questions, lines and all. */
static inline const char *look(eddy_child_options options, const char *questions) {
    ck_assert_int_eq(spawn_look(options, NULL, 0, 1, questions), 0);
    ck_assert_msg(spawned.status == 0, "look ended with %x", (unsigned)spawned.status);
    return spawned.answer;
}

static inline bool has_no_children(void) {
    return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

#endif
