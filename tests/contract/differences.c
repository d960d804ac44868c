/* differences.c: where the backends differ by nature, asserted, so that the documentation's matrix
 * cannot grow stale. What a test here calls a hint is EDDY_ERROR or EDDY_HANGUP. */
#include "contract.h"

#include <limits.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>

/* One row a backend, in the order of the tests below. */
struct nature {
    const char *backend;
    unsigned capabilities;
    int fd_max;
    unsigned pipe_end_hint;   /* of a pipe without writers, to its reader */
    unsigned pipe_error_hint; /* of a pipe without readers, to its writer */
    bool edge_tells_both;     /* one of either direction tells of the other, if it is ready */
    bool tells_loss;          /* a record with -EBADF for what was closed behind its back */
    bool leaks_registrations; /* a living duplicate goes on firing after a close without removal */
    bool remove_tells_loss;   /* remove of what is closed fails */
    bool hides_broken_pipe;   /* its descriptor does not show a pipe without readers */
    bool grows;               /* needs memory with the number of descriptors */
    bool refuses_devices;     /* that cannot be polled */
};

static const struct nature natures[] = {
    {.backend = "epoll",
     .capabilities = EDDY_CAN_EDGE | EDDY_CAN_ONESHOT | EDDY_CAN_NEST | EDDY_CAN_HANGUP |
                     BACKEND_TELLS_EACH_WRITE,
     .fd_max = INT_MAX,
     .pipe_end_hint = EDDY_HANGUP,
     .pipe_error_hint = EDDY_ERROR,
     .edge_tells_both = true,
     .leaks_registrations = true,
     .remove_tells_loss = true,
     .refuses_devices = true},
    {.backend = "kqueue",
     .capabilities = EDDY_CAN_EDGE | EDDY_CAN_ONESHOT | EDDY_CAN_NEST | EDDY_CAN_BATCH |
                     EDDY_CAN_HANGUP | BACKEND_CAN_SPLIT,
     .fd_max = INT_MAX - 1,
     .hides_broken_pipe = true,
     .grows = true,
     .refuses_devices = true},
    {.backend = "poll",
#ifdef POLLRDHUP
     .capabilities = EDDY_CAN_HANGUP,
#endif
     .fd_max = INT_MAX - 1,
     .pipe_end_hint = EDDY_HANGUP,
     .pipe_error_hint = EDDY_ERROR,
     .tells_loss = true,
     .grows = true},
    {.backend = "select", .fd_max = FD_SETSIZE - 1, .tells_loss = true},
    {.backend = "io_uring",
     .capabilities = EDDY_CAN_EDGE | EDDY_CAN_ONESHOT | EDDY_CAN_NEST | EDDY_CAN_BATCH |
                     EDDY_CAN_HANGUP | BACKEND_TELLS_EACH_WRITE,
     .fd_max = INT_MAX - 1,
     .pipe_end_hint = EDDY_HANGUP,
     .pipe_error_hint = EDDY_ERROR,
     .tells_loss = true,
     .grows = true},
    {.backend = "sim",
     .capabilities = EDDY_CAN_EDGE | EDDY_CAN_ONESHOT | EDDY_CAN_HANGUP | BACKEND_TELLS_EACH_WRITE,
     .fd_max = 1023,
     .pipe_end_hint = EDDY_HANGUP,
     .pipe_error_hint = EDDY_ERROR,
     .edge_tells_both = true,
     .leaks_registrations = true,
     .remove_tells_loss = true,
     .refuses_devices = true},
    {.backend = "sim-split",
     .capabilities =
         EDDY_CAN_EDGE | EDDY_CAN_ONESHOT | EDDY_CAN_BATCH | EDDY_CAN_HANGUP | BACKEND_CAN_SPLIT,
     .fd_max = 1023,
     .pipe_end_hint = EDDY_HANGUP,
     .pipe_error_hint = EDDY_ERROR,
     .tells_loss = true,
     .refuses_devices = true},
};

static const struct nature *nature(void) {
    for (size_t i = 0; i < sizeof natures / sizeof natures[0]; i++)
        if (is_backend(natures[i].backend)) return &natures[i];
    ck_abort_msg("no row for backend %s", test_backend);
}

enum { HINTS = EDDY_ERROR | EDDY_HANGUP };

START_TEST(capabilities_and_limits_are_as_documented) {
    struct tested *it = tested_open();
    ck_assert_uint_eq(it->backend->capabilities, nature()->capabilities);
    ck_assert_int_eq(it->backend->fd_max, nature()->fd_max);
    tested_close(it);
}
END_TEST

/* Whether the end comes before a wait has looked or after it. */
static void ck_end_hints(int end, unsigned events, unsigned hints) {
    for (int waits = 0; waits < 2; waits++) {
        struct tested *it = tested_open();
        int ends[2];
        test_pipe(ends);
        if (events & EDDY_WRITE) fill(ends[end]);
        add(it, ends[end], events);
        if (waits > 0) ck_silent(it);
        close(ends[1 - end]);
        ck_assert_uint_eq(told(it, ends[end], -1) & HINTS, hints);
        tested_close(it);
        close(ends[end]);
    }
}

START_TEST(pipe_without_writers_hints) {
    ck_end_hints(0, EDDY_READ, nature()->pipe_end_hint);
}
END_TEST

START_TEST(pipe_without_readers_hints) {
    ck_end_hints(1, EDDY_WRITE, nature()->pipe_error_hint);
}
END_TEST

/* What another loop sees of it, while each wait tells of it. */
START_TEST(broken_pipe_is_seen_from_outside_or_not) {
    struct tested *it = tested_open();
    int ends[2];
    test_pipe(ends);
    close(ends[0]);
    if (can(it, EDDY_CAN_NEST)) {
        struct pollfd outer = {.fd = it->backend->descriptor(it->state), .events = POLLIN};
        add(it, ends[1], EDDY_WRITE);
        for (int i = 0; i < 3; i++) {
            if (it->backend->has_unshown != NULL)
                ck_assert(it->backend->has_unshown(it->state) == nature()->hides_broken_pipe);
            ck_assert_int_eq(poll(&outer, 1, 0), nature()->hides_broken_pipe ? 0 : 1);
            ck_assert_uint_ne(told(it, ends[1], 0) & EDDY_WRITE, 0);
        }
    }
    tested_close(it);
    close(ends[1]);
}
END_TEST

START_TEST(half_closed_connection_is_readable_and_hints_at_nothing) {
    struct tested *it = tested_open();
    int ends[2];
    test_socket_pair(ends);
    add(it, ends[0], EDDY_READ);
    shutdown(ends[1], SHUT_WR);
    unsigned events = told(it, ends[0], -1);
    ck_assert_uint_ne(events & EDDY_READ, 0);
    ck_assert_uint_eq(events & HINTS, 0);
    tested_close(it);
    close_both(ends);
}
END_TEST

START_TEST(edge_tells_of_both_directions_or_its_own) {
    struct tested *it = tested_open();
    if (!can(it, EDDY_CAN_EDGE)) {
        tested_close(it);
        return;
    }
    int ends[2];
    test_socket_pair(ends);
    add(it, ends[0], EDDY_READ | EDDY_WRITE | EDDY_EDGE);
    ck_assert_uint_eq(told(it, ends[0], -1), EDDY_WRITE);
    put(ends[1], "x");
    unsigned both = EDDY_READ | EDDY_WRITE;
    ck_assert_uint_eq(told(it, ends[0], -1), nature()->edge_tells_both ? both : EDDY_READ);
    tested_close(it);
    close_both(ends);
}
END_TEST

START_TEST(loss_is_told_or_not) {
    struct tested *it = tested_open();
    int ends[2];
    test_pipe(ends);
    add(it, ends[0], EDDY_READ);
    close(ends[0]);
    ck_assert_int_eq(wait_once(it, 8, MS), nature()->tells_loss ? 1 : 0);
    if (it->count == 1) ck_assert_int_eq(it->records[0].error, -EBADF);
    int err = it->backend->remove(it->state, ends[0], EDDY_READ);
    ck_assert_int_eq(err, nature()->remove_tells_loss ? -EBADF : 0);
    tested_close(it);
    close(ends[1]);
}
END_TEST

/* The trap of the shared description, and the way out of it. */
START_TEST(leaked_registration_is_ended_by_reopen) {
    struct tested *it = tested_open();
    int ends[2];
    test_pipe(ends);
    int duplicate = dup(ends[0]);
    add(it, ends[0], EDDY_READ);
    put(ends[1], "x");
    close(ends[0]);
    int err = it->backend->remove(it->state, ends[0], EDDY_READ);
    bool fires = wait_once(it, 8, MS) > 0;
    ck_assert(fires == nature()->leaks_registrations);
    if (fires) {
        ck_assert_int_eq(err, -EBADF);
        ck_assert_int_eq(it->backend->reopen(it->state), 0);
        ck_silent(it);
        add(it, duplicate, EDDY_READ);
        ck_assert_uint_eq(told(it, duplicate, -1), EDDY_READ);
    }
    tested_close(it);
    close(duplicate);
    close(ends[1]);
}
END_TEST

START_TEST(memory_grows_with_descriptors_or_not) {
    struct tested *it = tested_open();
    int ends[2];
    test_pipe(ends);
    add(it, ends[0], EDDY_READ);
    ck_assert((it->memory.calls > 0) == nature()->grows);
    tested_close(it);
    close_both(ends);
}
END_TEST

/* /dev/null is no file by its type, but always ready like one. */
START_TEST(device_that_cannot_be_polled) {
#ifdef __linux__ /* other systems poll it, each in its way */
    struct tested *it = tested_open();
    int fd = open("/dev/null", O_RDWR);
    if (nature()->refuses_devices) {
        ck_assert_int_eq(it->backend->add(it->state, fd, EDDY_READ, token_of(fd, 1)), -EPERM);
    } else {
        add(it, fd, BOTH);
        ck_assert_uint_eq(told(it, fd, -1), BOTH);
    }
    tested_close(it);
    close(fd);
#endif
}
END_TEST

/* What kqueue does with these depends on the system: kqueue_systems.c. */
START_TEST(epoll_tells_neither_of_a_part_read_nor_of_what_is_gone) {
    if (!is_backend("epoll")) return;
    struct tested *it = tested_open();
    int ends[2];
    char byte;
    test_pipe(ends);
    put(ends[1], "xyz");
    add(it, ends[0], EDDY_READ | EDDY_EDGE);
    ck_assert_uint_eq(told(it, ends[0], -1), EDDY_READ);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    ck_silent(it);
    modify(it, ends[0], EDDY_READ | EDDY_EDGE, EDDY_READ | EDDY_ONESHOT);
    drain(ends[0]);
    ck_silent(it);
    tested_close(it);
    close_both(ends);
}
END_TEST

/* There is nothing to read, ever; that nobody reads any more is an error, which is of both. */
START_TEST(writing_end_is_readable_when_its_reader_goes) {
    if (is_backend("kqueue")) return;
    struct tested *it = tested_open();
    int ends[2];
    test_pipe(ends);
    add(it, ends[1], EDDY_READ);
    ck_silent(it);
    close(ends[0]);
    unsigned events = told(it, ends[1], -1) & ~(unsigned)EDDY_WRITE;
    ck_assert_uint_eq(events, EDDY_READ | nature()->pipe_error_hint);
    tested_close(it);
    close(ends[1]);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("contract/differences");
    ck_add(suite, "differences", capabilities_and_limits_are_as_documented,
           pipe_without_writers_hints, pipe_without_readers_hints,
           broken_pipe_is_seen_from_outside_or_not,
           half_closed_connection_is_readable_and_hints_at_nothing,
           edge_tells_of_both_directions_or_its_own, loss_is_told_or_not,
           leaked_registration_is_ended_by_reopen, memory_grows_with_descriptors_or_not,
           device_that_cannot_be_polled, epoll_tells_neither_of_a_part_read_nor_of_what_is_gone,
           writing_end_is_readable_when_its_reader_goes);
    return suite;
}
