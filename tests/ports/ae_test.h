/* ae_test.h: what the tests of the layer share. */
#ifndef EDDY_TESTS_AE_TEST_H
#define EDDY_TESTS_AE_TEST_H

#include "ae.h"
#include "suite.h"
#include "trace.h"

#include <string.h>
#include <unistd.h>

enum { SET_SIZE = 256, FAR_MS = 600000 };

static aeEventLoop *ae;

static inline void begin(void) {
    ae_backend = test_backend;
    ae = aeCreateEventLoop(SET_SIZE);
    ck_assert_ptr_nonnull(ae);
    trace_clear();
}

static inline void end(void) {
    aeDeleteEventLoop(ae);
    ae = NULL;
}

/* One round that does not wait; what it should have handled. */
#define round_handles(flags, count) \
    ck_assert_int_eq(aeProcessEvents(ae, (flags) | AE_DONT_WAIT), count)

static inline void watch(int fd, int mask, aeFileProc *proc, const void *data) {
    ck_assert_int_eq(aeCreateFileEvent(ae, fd, mask, proc, (void *)(uintptr_t)data), AE_OK);
}

static inline void put_byte(int fd) {
    ck_assert_int_eq(write(fd, "x", 1), 1);
}

static inline void take_byte(int fd) {
    char byte;
    ck_assert_int_eq(read(fd, &byte, 1), 1);
}

/* A pipe with a byte in it. */
static inline void full_pipe(int ends[2]) {
    test_pipe(ends);
    put_byte(ends[1]);
}

static inline void close_both(const int ends[2]) {
    close(ends[0]);
    close(ends[1]);
}

#endif
