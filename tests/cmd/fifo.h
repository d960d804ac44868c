/* fifo.h: a FIFO whose writer waits in its open until somebody reads, and tells of it. */
#ifndef EDDY_TESTS_FIFO_H
#define EDDY_TESTS_FIFO_H

#include "program.h"

struct fifo_writer {
    char path[512];
    pid_t pid;
    int told; /* a byte comes when its open has returned */
};

/* Makes the FIFO `name`, with a writer that may take a while to get to its open. */
static inline struct fifo_writer fifo_make(const char *directory, const char *name) {
    struct fifo_writer it;
    int told[2];
    char said;
    path_in(it.path, sizeof it.path, directory, name);
    ck_assert_int_eq(mkfifo(it.path, 0600), 0);
    ck_assert_int_eq(pipe(told), 0);
    it.pid = fork();
    ck_assert_int_ge(it.pid, 0);
    if (it.pid == 0) {
        bool is_open = write(told[1], "1", 1) == 1 && open(it.path, O_WRONLY) >= 0;
        _exit(is_open && write(told[1], "2", 1) == 1 ? 0 : 1);
    }
    close(told[1]);
    it.told = told[0];
    ck_assert_int_eq(read(it.told, &said, 1), 1);
    return it;
}

/* Looks for 5 ms whether it has gone on. */
static inline void fifo_expect_waiting(const struct fifo_writer *it) {
    struct pollfd ready = {it->told, POLLIN, 0};
    ck_assert_msg(poll(&ready, 1, 5) == 0, "the writer of %s has gone on", it->path);
}

/* Reads it, so that the writer goes on and ends. */
static inline void fifo_end(struct fifo_writer *it) {
    char said;
    int reader = open(it->path, O_RDONLY), status;
    ck_assert_int_eq(read(it->told, &said, 1), 1);
    ck_assert_int_eq(waitpid(it->pid, &status, 0), it->pid);
    ck_assert_int_eq(status, 0);
    close(reader);
    close(it->told);
}

#endif
