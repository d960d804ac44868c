/* kqueue_semantics.c: what kqueue.c relies on kqueue() and kevent() for. Where they are the tests'
 * double, this tests the double; on a BSD it says whether the double was right. */
#include "contract.h"
#include "os.h"

#include <stdio.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <sys/wait.h>

static const struct timespec at_once = {0};

static int kq;

static void setup(void) {
    kq = kqueue();
    ck_assert_int_ge(kq, 0);
}

static void teardown(void) {
    eddy_os_close(kq);
}

/* Makes one change; 0 or a negative errno. */
static int change(int fd, int filter, unsigned flags) {
    struct kevent it;
    EV_SET(&it, (uintptr_t)fd, (short)filter, (unsigned short)flags, 0, 0, 0);
    return kevent(kq, &it, 1, NULL, 0, NULL) < 0 ? -errno : 0;
}

static int next(struct kevent *event) {
    return kevent(kq, NULL, 0, event, 1, &at_once);
}

START_TEST(errors_of_changes_come_first_and_alone) {
    int ends[2];
    test_pipe(ends);
    put(ends[1], "x");
    ck_assert_int_eq(change(ends[0], EVFILT_READ, EV_ADD), 0);
    struct kevent both[2];
    EV_SET(&both[0], (uintptr_t)ends[0], EVFILT_WRITE, EV_DELETE, 0, 0, 0);
    EV_SET(&both[1], 200, EVFILT_READ, EV_ADD, 0, 0, 0);
    ck_assert_int_eq(kevent(kq, both, 2, both, 2, NULL), 2); /* and does not wait */
    ck_assert_uint_eq(both[0].flags & EV_ERROR, EV_ERROR);
    ck_assert_int_eq((int)both[0].data, ENOENT);
    ck_assert_int_eq((int)both[1].data, EBADF);
    /* Without room the call fails, and what comes after the failure is not done. */
    EV_SET(&both[0], (uintptr_t)ends[0], EVFILT_WRITE, EV_DELETE, 0, 0, 0);
    EV_SET(&both[1], (uintptr_t)ends[0], EVFILT_READ, EV_DELETE, 0, 0, 0);
    ck_assert_int_eq(kevent(kq, both, 2, NULL, 0, NULL), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(next(both), 1);
    close_both(ends);
}
END_TEST

START_TEST(receipts_drain_no_events) {
    int ends[2];
    test_pipe(ends);
    put(ends[1], "x");
    struct kevent event;
    EV_SET(&event, (uintptr_t)ends[0], EVFILT_READ, EV_ADD | EV_RECEIPT, 0, 0, 0);
    ck_assert_int_eq(kevent(kq, &event, 1, &event, 1, NULL), 1);
    ck_assert_uint_eq(event.flags & EV_ERROR, EV_ERROR);
    ck_assert_int_eq((int)event.data, 0);
    ck_assert_int_eq(next(&event), 1);
    ck_assert_int_eq((int)event.data, 1); /* bytes */
    ck_assert_uint_eq(event.flags & EV_ERROR, 0);
    close_both(ends);
}
END_TEST

/* A knote's way is for life: adding it again with other flags does not change it. */
START_TEST(adding_again_keeps_the_flags_and_looks_again) {
    int ends[2];
    test_pipe(ends);
    put(ends[1], "x");
    struct kevent event;
    ck_assert_int_eq(change(ends[0], EVFILT_READ, EV_ADD | EV_CLEAR), 0);
    ck_assert_int_eq(next(&event), 1);
    ck_assert_int_eq(next(&event), 0);
    ck_assert_int_eq(change(ends[0], EVFILT_READ, EV_ADD), 0);
    ck_assert_int_eq(next(&event), 1);
    ck_assert_int_eq(next(&event), 0);
    close_both(ends);
}
END_TEST

START_TEST(oneshot_deletes_and_dispatch_disables) {
    int ends[2];
    test_pipe(ends);
    put(ends[1], "x");
    struct kevent event;
    ck_assert_int_eq(change(ends[0], EVFILT_READ, EV_ADD | EV_ONESHOT), 0);
    ck_assert_int_eq(next(&event), 1);
    ck_assert_int_eq(change(ends[0], EVFILT_READ, EV_DELETE), -ENOENT);
    ck_assert_int_eq(change(ends[0], EVFILT_READ, EV_ADD | EV_DISPATCH), 0);
    ck_assert_int_eq(next(&event), 1);
    ck_assert_int_eq(next(&event), 0);
    ck_assert_int_eq(change(ends[0], EVFILT_READ, EV_ENABLE), 0);
    ck_assert_int_eq(next(&event), 1);
    ck_assert_int_eq(change(ends[0], EVFILT_READ, EV_DELETE), 0);
    close_both(ends);
}
END_TEST

/* The end comes with what is still to read, and stays. */
START_TEST(eof_comes_with_data_pending) {
    int ends[2];
    test_socket_pair(ends);
    put(ends[1], "data");
    close(ends[1]);
    struct kevent event;
    ck_assert_int_eq(change(ends[0], EVFILT_READ, EV_ADD), 0);
    ck_assert_int_eq(next(&event), 1);
    ck_assert_uint_eq(event.flags & EV_EOF, EV_EOF);
    ck_assert_int_eq((int)event.data, 4);
    drain(ends[0]);
    ck_assert_int_eq(next(&event), 1);
    ck_assert_uint_eq(event.flags & EV_EOF, EV_EOF);
    ck_assert_int_eq((int)event.data, 0);
    close(ends[0]);
}
END_TEST

START_TEST(knotes_vanish_with_their_descriptor_whatever_its_duplicates) {
    int ends[2];
    test_pipe(ends);
    int duplicate = dup(ends[0]);
    put(ends[1], "x");
    struct kevent event;
    ck_assert_int_eq(change(ends[0], EVFILT_READ, EV_ADD), 0);
    ck_assert_int_eq(change(duplicate, EVFILT_READ, EV_ADD), 0);
    close(ends[0]);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(next(&event), 1);
        ck_assert_int_eq((int)event.ident, duplicate);
    }
    ck_assert_int_eq(change(ends[0], EVFILT_READ, EV_DELETE), -EBADF);
    int again[2];
    test_pipe(again);
    ck_assert_int_eq(again[0], ends[0]);
    ck_assert_int_eq(change(again[0], EVFILT_READ, EV_DELETE), -ENOENT);
    close_both(again);
    close(duplicate);
    close(ends[1]);
}
END_TEST

START_TEST(broken_pipe_takes_no_write_filter) {
    int ends[2];
    test_pipe(ends);
    close(ends[0]);
    ck_assert_int_eq(change(ends[1], EVFILT_WRITE, EV_ADD), -EPIPE);
    ck_assert_int_eq(change(ends[1], EVFILT_WRITE, EV_DELETE), -ENOENT);
    close(ends[1]);
}
END_TEST

START_TEST(fork_does_not_inherit_queues) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct kevent event;
        bool gone = kevent(kq, NULL, 0, &event, 1, &at_once) == -1 && errno == EBADF &&
                    fcntl(kq, F_GETFD) == -1;
        _exit(gone ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused) {
    struct kevent event;
    struct timespec negative = {.tv_sec = -1};
    int ends[2];
    test_pipe(ends);
    ck_assert_int_eq(kevent(kq, NULL, 0, &event, 1, &negative), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(kevent(ends[0], NULL, 0, &event, 1, &at_once), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(change(ends[0], EVFILT_READ, EV_ENABLE), -ENOENT);
    ck_assert_int_eq(change(ends[0], 99, EV_ADD), -EINVAL);
    close_both(ends);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("contract/kqueue_semantics");
    TCase *test_case = tcase_create("kqueue");
    tcase_set_timeout(test_case, 60); /* as ck_add does */
    tcase_add_checked_fixture(test_case, setup, teardown);
    const TTest *const tests[] = {
        errors_of_changes_come_first_and_alone,
        receipts_drain_no_events,
        adding_again_keeps_the_flags_and_looks_again,
        oneshot_deletes_and_dispatch_disables,
        eof_comes_with_data_pending,
        knotes_vanish_with_their_descriptor_whatever_its_duplicates,
        broken_pipe_takes_no_write_filter,
        fork_does_not_inherit_queues,
        what_makes_no_sense_is_refused,
    };
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(test_case, tests[i]);
    suite_add_tcase(suite, test_case);
    return suite;
}
