/* spawn_size.c: what it takes to start `true` and wait for it, from a process of some size: by
 * eddy, by posix_spawn, by fork, and by libuv where it is there.
 *
 *   eddy-spawn-size MIB [ROUNDS]     that much memory is touched first; medians of ROUNDS (200)
 *
 * The ways take turns, so that what else the machine does meets all of them. */
#include "os.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef SPAWN_LIBUV
#include <uv.h>
#endif

enum { ROUNDS_MAX = 100000, MIB = 1024 * 1024 };

static char *arguments[] = {(char[]){"true"}, NULL};

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int wait_for(pid_t pid) {
    int status;
    return waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static int by_eddy(void) {
    eddy_child_options options = {.file = "/bin/true", .arguments = arguments};
    pid_t pid;
    int pidfd;
    if (eddy_os_spawn(&options, NULL, 0, &pid, &pidfd) < 0) return -1;
    int err = wait_for(pid);
    if (pidfd >= 0) close(pidfd);
    return err;
}

static int by_posix_spawn(void) {
    pid_t pid;
    return posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ) == 0 ? wait_for(pid) : -1;
}

static int by_fork(void) {
    pid_t pid = fork();
    if (pid == 0) {
        execve("/bin/true", arguments, environ);
        _exit(127);
    }
    return pid < 0 ? -1 : wait_for(pid);
}

#ifdef SPAWN_LIBUV
static int64_t uv_status;

static void on_exit_of(uv_process_t *process, int64_t status, int signal) {
    uv_status = signal != 0 ? -1 : status;
    uv_close((uv_handle_t *)process, NULL);
}

static int by_libuv(void) {
    uv_process_t process;
    uv_process_options_t options = {.file = "/bin/true", .args = arguments, .exit_cb = on_exit_of};
    if (uv_spawn(uv_default_loop(), &process, &options) < 0) return -1;
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT) == 0 && uv_status == 0 ? 0 : -1;
}
#endif

static const struct {
    const char *name;
    int (*run)(void);
} ways[] = {
    {"eddy", by_eddy},
    {"posix_spawn", by_posix_spawn},
    {"fork", by_fork},
#ifdef SPAWN_LIBUV
    {"libuv", by_libuv},
#endif
};
enum { WAYS = sizeof ways / sizeof ways[0] };

static int in_order(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static int measure(long rounds) {
    static int64_t took_ns[WAYS][ROUNDS_MAX];
    for (long round = -1; round < rounds; round++) { /* the first does not count */
        for (int way = 0; way < WAYS; way++) {
            int64_t before_ns = now_ns();
            if (ways[way].run() < 0) {
                fprintf(stderr, "eddy-spawn-size: %s cannot start /bin/true\n", ways[way].name);
                return 1;
            }
            if (round >= 0) took_ns[way][round] = now_ns() - before_ns;
        }
    }
    for (int way = 0; way < WAYS; way++) {
        qsort(took_ns[way], (size_t)rounds, sizeof took_ns[way][0], in_order);
        printf("%-12s %9.3f ms  (least %.3f, 9 of 10 within %.3f)\n", ways[way].name,
               (double)took_ns[way][rounds / 2] / 1e6, (double)took_ns[way][0] / 1e6,
               (double)took_ns[way][rounds * 9 / 10] / 1e6);
    }
    return 0;
}

int main(int argc, char **argv) {
    char *end = argc > 1 ? argv[1] : NULL;
    long mib = argc > 1 ? strtol(argv[1], &end, 10) : -1, rounds = 200;
    bool is_right = mib >= 0 && end != argv[1] && *end == '\0' && argc <= 3;
    if (is_right && argc == 3) {
        rounds = strtol(argv[2], &end, 10);
        is_right = *end == '\0' && rounds >= 1 && rounds <= ROUNDS_MAX;
    }
    if (!is_right) {
        fprintf(stderr, "usage: eddy-spawn-size MIB [ROUNDS]\n");
        return 2;
    }
    size_t bytes = (size_t)mib * MIB;
    if (bytes > 0) {
        char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
        if (memory == MAP_FAILED) {
            fprintf(stderr, "eddy-spawn-size: %s\n", strerror(errno));
            return 1;
        }
        /* Pages of the usual size, as a heap that has grown piece by piece has them. */
        (void)madvise(memory, bytes, MADV_NOHUGEPAGE);
        memset(memory, 1, bytes);
    }
    return measure(rounds);
}
