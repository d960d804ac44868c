/* children.c: what it takes to start `true` and to hear of its end, on eddy and on libuv:
 * `eddy-children eddy|libuv [COUNT [AT_ONCE]]` (1,000; 1). COUNT children, of which AT_ONCE run at a
 * time: the next is started when one has ended. `strace -fc` of it gives the system calls; those of
 * `true` itself are in it too, so without -f. */
#include <eddy.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef PEERS_LIBUV
#include <uv.h>
#endif

enum { AT_ONCE_MAX = 1024 };

static char *arguments[] = {NULL, NULL};
static long left;

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void check(int err, const char *what) {
    if (err >= 0) return;
    fprintf(stderr, "children: %s: %s\n", what, strerror(-err));
    exit(1);
}

/* --- eddy --- */

static void eddy_start(eddy_child *child);

static void eddy_on_exit(eddy_child *child, const eddy_exit *exit) {
    check(exit->error, "exit");
    eddy_start(child);
}

static void eddy_start(eddy_child *child) {
    eddy_child_options options = {.arguments = arguments};
    if (left-- > 0) check(eddy_child_spawn(child, &options, eddy_on_exit), "spawn");
}

static void run_eddy(int at_once) {
    static eddy_child children[AT_ONCE_MAX];
    eddy_loop *loop;
    check(eddy_loop_open(&loop, NULL), "open");
    for (int i = 0; i < at_once; i++) {
        eddy_child_init(&children[i], loop);
        eddy_start(&children[i]);
    }
    check(eddy_loop_run(loop, EDDY_RUN_DEFAULT), "run");
    check(eddy_loop_close(loop), "close");
}

/* --- libuv --- */

#ifdef PEERS_LIBUV
static void uv_start(uv_process_t *process);

static void uv_on_closed(uv_handle_t *handle) {
    uv_start((uv_process_t *)handle);
}

static void uv_on_exit(uv_process_t *process, int64_t status, int signal) {
    (void)status;
    (void)signal;
    uv_close((uv_handle_t *)process, uv_on_closed);
}

/* Standard descriptors are inherited, as eddy does without being asked. */
static void uv_start(uv_process_t *process) {
    uv_stdio_container_t inherited[3];
    for (int fd = 0; fd < 3; fd++) {
        inherited[fd].flags = UV_INHERIT_FD;
        inherited[fd].data.fd = fd;
    }
    uv_process_options_t options = {.exit_cb = uv_on_exit,
                                    .file = arguments[0],
                                    .args = arguments,
                                    .stdio = inherited,
                                    .stdio_count = 3};
    if (left-- > 0) check(uv_spawn(uv_default_loop(), process, &options), "uv_spawn");
}

static void run_libuv(int at_once) {
    static uv_process_t processes[AT_ONCE_MAX];
    for (int i = 0; i < at_once; i++) uv_start(&processes[i]);
    check(uv_run(uv_default_loop(), UV_RUN_DEFAULT), "uv_run");
}
#endif

int main(int count, char **given) {
    static char program[] = "true";
    long children = count > 2 ? strtol(given[2], NULL, 10) : 1000;
    long at_once = count > 3 ? strtol(given[3], NULL, 10) : 1;
    void (*run)(int) = NULL;
    arguments[0] = program;
    left = children;
    if (count > 1 && strcmp(given[1], "eddy") == 0) run = run_eddy;
#ifdef PEERS_LIBUV
    if (count > 1 && strcmp(given[1], "libuv") == 0) run = run_libuv;
#endif
    if (run == NULL || count > 4 || children < 1 || at_once < 1 || at_once > AT_ONCE_MAX) {
        fprintf(stderr, "usage: children eddy|libuv [COUNT [AT_ONCE]]\n");
        return 2;
    }
    double begin_s = now_s();
    run((int)at_once);
    printf("%s: %ld children, %ld at once: %.1f us each\n", given[1], children, at_once,
           (now_s() - begin_s) / (double)children * 1e6);
    return 0;
}
