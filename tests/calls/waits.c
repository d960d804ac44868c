/* waits.c: a backend on a kernel that refuses: what it says when one of its calls fails, and what
 * it does on a kernel that does not have the call. */
#include "../contract/contract.h"
#include "calls.h"

/* Fails the next call of any kind. */
static void fail_next(int error) {
    calls_refuse(CALL_ANY, 1, error);
}

static int first_free(void) {
    int fd = dup(STDERR_FILENO);
    close(fd);
    return fd;
}

/* Clause "open": on an error nothing is left to close. poll and select open nothing. */
START_TEST(an_open_that_fails_leaves_nothing) {
    struct tested *it = tested_open();
    void *state = calloc(1, it->backend->state_bytes);
    int free_before = first_free();
    fail_next(EMFILE);
    int err = it->backend->open(state, &it->memory.memory, RECORDS_MAX);
    ck_assert_int_eq(err, calls.failed > 0 && calls.last != CALL_fcntl ? -EMFILE : 0);
    if (err == 0) it->backend->close(state);
    ck_assert_int_eq(first_free(), free_before);
    free(state);
    tested_close(it);
}
END_TEST

/* A signal ends a wait with nothing, an error is told, and the next wait is as if it had not been.
 */
START_TEST(a_wait_that_fails_can_be_made_again) {
    struct tested *it = tested_open();
    int ends[2];
    test_pipe(ends);
    put(ends[1], "x");
    add(it, ends[0], EDDY_READ);
    static const int64_t timeouts_ns[] = {0, 1, MS, -1};
    for (size_t i = 0; i < 4; i++) {
        fail_next(EINTR);
        ck_assert_int_eq(it->backend->wait(it->state, it->records, 8, timeouts_ns[i]), 0);
        ck_assert_uint_eq(calls.failed, 1);
        fail_next(ENOMEM);
        ck_assert_int_eq(it->backend->wait(it->state, it->records, 8, timeouts_ns[i]), -ENOMEM);
        ck_assert_uint_eq(calls.failed, 1);
        ck_assert_uint_eq(told(it, ends[0], timeouts_ns[i]), EDDY_READ);
    }
    remove_fd(it, ends[0], EDDY_READ);
    close_both(ends);
    tested_close(it);
}
END_TEST

/* Clause 5: nothing has changed when add fails, whichever of its calls it was. */
START_TEST(an_add_that_fails_changes_nothing) {
    struct tested *it = tested_open();
    int ends[2];
    test_socket_pair(ends);
    put(ends[1], "x");
    for (unsigned nth = 0;; nth++) {
        calls = (struct calls){.skip = nth, .times = 1, .error = ENOMEM};
        int err = it->backend->add(it->state, ends[0], BOTH, token_of(ends[0], 1));
        calls.times = 0;
        if (calls.failed == 0) {
            ck_assert_int_eq(err, 0);
            break;
        }
        ck_assert_int_eq(err, -ENOMEM);
        ck_silent(it);
    }
    ck_assert_uint_eq(told(it, ends[0], 0), BOTH);
    remove_fd(it, ends[0], BOTH);
    close_both(ends);
    tested_close(it);
}
END_TEST

/* On an error of modify the descriptor may be registered or not, and remove puts an end to that. */
START_TEST(a_modify_that_fails_can_be_removed) {
    struct tested *it = tested_open();
    int ends[2];
    test_socket_pair(ends);
    put(ends[1], "x");
    for (unsigned nth = 0; nth < 4; nth++) {
        add(it, ends[0], EDDY_WRITE);
        calls = (struct calls){.skip = nth, .times = 1, .error = ENOMEM};
        int err =
            it->backend->modify(it->state, ends[0], EDDY_WRITE, EDDY_READ, token_of(ends[0], 1));
        ck_assert(err == 0 || err == -ENOMEM);
        ck_assert(err == 0 || calls.failed == 1);
        calls.times = 0;
        remove_fd(it, ends[0], EDDY_READ);
        ck_silent(it);
    }
    close_both(ends);
    tested_close(it);
}
END_TEST

/* Linux before 5.11 lacks epoll_pwait2, and sandboxes refuse it: asked once, it is left alone, and
 * the waits are as long as they have to be. */
START_TEST(a_missing_call_is_asked_for_once) {
    static const int errors[] = {ENOSYS, EPERM};
    if (!is_backend("epoll")) return;
    for (size_t i = 0; i < 2; i++) {
        struct tested *it = tested_open();
        calls_refuse(CALL_epoll_pwait2, UINT_MAX, errors[i]);
        for (int turn = 0; turn < 3; turn++) {
            int64_t start_ns = test_now_ns();
            ck_assert_int_eq(wait_once(it, 8, MS + 1), 0);
            ck_assert_int_ge(test_now_ns() - start_ns, MS + 1);
        }
        ck_assert_uint_le(calls.made[CALL_epoll_pwait2], 1);
        ck_assert_uint_eq(calls.made[CALL_epoll_wait], 3);
        tested_close(it);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("waits");
    ck_add(suite, "errors", an_open_that_fails_leaves_nothing, a_wait_that_fails_can_be_made_again,
           an_add_that_fails_changes_nothing, a_modify_that_fails_can_be_removed,
           a_missing_call_is_asked_for_once);
    return suite;
}
