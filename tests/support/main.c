/* main.c: runs the suite of a test program: `program [backend[+uring]]`. With "+uring" its loops
 * have file requests done by a ring; without one to be had, and under valgrind, which does not see
 * what the kernel writes there, it says so and is skipped, as it is where the kernel refuses the
 * backend. */
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *test_backend;
eddy_files_kind test_files;

enum { SKIPPED = 77 };

static bool is_there(const char *backend) {
    eddy_backend_info info;
    for (size_t i = 0; eddy_backend_at(i, &info) == 0; i++)
        if (strcmp(info.name, backend) == 0) return true;
    return false;
}

/* A library without the pool has no files either. */
static bool has_ring(void) {
#ifdef EDDY_NO_POOL
    return false;
#else
    eddy_loop *loop;
    const char *reason = "valgrind";
    test_files = EDDY_FILES_URING;
    if (getenv("EDDY_TEST_SLOW") == NULL &&
        eddy_loop_open(&loop, &(eddy_loop_config){.files = test_files}) == 0) {
        bool is_had = eddy_loop_files(loop, &reason) == EDDY_FILES_URING;
        eddy_loop_close(loop);
        if (is_had) return true;
    }
    printf("skipped: no ring for files: %s\n", reason);
    return false;
#endif
}

/* The default, which the first one is, is never refused. */
static bool is_refused(void) {
    eddy_backend_info best;
    eddy_loop *loop;
    eddy_loop_config config = {.backend = test_backend};
    if (test_backend == NULL || eddy_backend_at(0, &best) < 0) return false;
    if (strcmp(best.name, test_backend) == 0) return false;
    int err = eddy_loop_open(&loop, &config);
    if (err == 0) (void)eddy_loop_close(loop);
    if (err != -ENOSYS && err != -EPERM && err != -EACCES && err != -ENOTSUP) return false;
    char text[64];
    printf("skipped: %s is refused here: %s\n", test_backend,
           eddy_strerror(err, text, sizeof text));
    return true;
}

/* valgrind 3.19 may fail to let the stack grow for the delivery of a signal: so it has grown
 * before. */
static void touch_stack(void) {
    enum { PAGE = 1024, PAGES = 64 };
    volatile char room[PAGES * PAGE];
    for (int i = PAGES - 1; i >= 0; i--) room[i * PAGE] = 0;
    (void)room[0];
}

int main(int argc, char **argv) {
    static char name[32];
    touch_stack();
    if (argc > 1) test_backend = strncpy(name, argv[1], sizeof name - 1);
    char *files = strstr(name, "+uring");
    if (files != NULL) *files = '\0';
    if (test_backend != NULL && !is_there(test_backend)) {
        fprintf(stderr, "%s: no backend \"%s\" in this build\n", argv[0], test_backend);
        return 2;
    }
    if (files != NULL && !has_ring()) return SKIPPED;
    if (is_refused()) return SKIPPED;
    SRunner *runner = srunner_create(make_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
