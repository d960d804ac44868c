/* backends_command.c: prints what this binary can wait with, best first, one line each. */
#include "backends_command.h"

#include <eddy.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: eddy backends\n\n"
    "Lists the backends of this binary, best first: the first one is the default; and who may do "
    "the\n"
    "file requests of a loop: the pool, which is the default, or a ring, where the kernel lets "
    "it.\n"
    "  edge       watchers that are told once per arrival\n"
    "  one-shot   watchers that are told once until armed again\n"
    "  nest       has a descriptor that another loop can watch\n"
    "  batch      changes of interest cost no system call of their own\n"
    "  hang-up    tells a watcher that does not read that the other side has gone\n"
    "  largest    descriptor that it can watch\n";

static const char *answer(unsigned capabilities, unsigned bit) {
    return (capabilities & bit) != 0 ? "yes" : "no";
}

/* Asked of a loop, as only the kernel knows. */
static void tell_files(void) {
    eddy_loop *loop;
    const char *reason = "a loop cannot be opened";
    eddy_files_kind kind = EDDY_FILES_POOL;
    if (eddy_loop_open(&loop, &(eddy_loop_config){.files = EDDY_FILES_URING}) == 0) {
        kind = eddy_loop_files(loop, &reason);
        eddy_loop_close(loop);
    }
    printf("\nfiles: pool");
    if (kind == EDDY_FILES_URING)
        printf(", uring\n");
    else
        printf("; not uring: %s\n", reason);
}

const char *backends_refusal(int error) {
    switch (error) {
    case -ENOSYS:
    case -ENOTSUP:
        return "this kernel does not have it, or is too old";
    case -EPERM:
    case -EACCES:
        return "this kernel, or a sandbox, does not allow it";
    case -ENOMEM:
        return "there is no memory for it, of which Linux may count a ring's as locked (ulimit -l)";
    default:
        return NULL;
    }
}

/* What is in the binary may be refused all the same. */
static void print_refusal(const char *name) {
    eddy_loop *loop;
    int err = eddy_loop_open(&loop, &(eddy_loop_config){.backend = name});
    if (err == 0) (void)eddy_loop_close(loop);
    const char *why = backends_refusal(err);
    if (why != NULL) printf("%s cannot be used here: %s\n", name, why);
}

int backends_main(int argc, char **argv) {
    if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc > 0) {
        fprintf(stderr, "eddy: backends takes no arguments, but was given \"%s\"\n", argv[0]);
        return 2;
    }
    eddy_backend_info backend;
    printf("%-8s  %-4s  %-8s  %-4s  %-5s  %-7s  %s\n", "backend", "edge", "one-shot", "nest",
           "batch", "hang-up", "largest");
    for (size_t i = 0; eddy_backend_at(i, &backend) == 0; i++) {
        unsigned can = backend.capabilities;
        char largest[16] = "any";
        /* That a table indexed by descriptors ends one earlier is no limit that anybody meets. */
        if (backend.fd_max < INT_MAX - 1) snprintf(largest, sizeof largest, "%d", backend.fd_max);
        printf("%-8s  %-4s  %-8s  %-4s  %-5s  %-7s  %s\n", backend.name, answer(can, EDDY_CAN_EDGE),
               answer(can, EDDY_CAN_ONESHOT), answer(can, EDDY_CAN_NEST),
               answer(can, EDDY_CAN_BATCH), answer(can, EDDY_CAN_HANGUP), largest);
    }
    for (size_t i = 0; eddy_backend_at(i, &backend) == 0; i++) print_refusal(backend.name);
    tell_files();
    return 0;
}
