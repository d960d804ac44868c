/* losses.c: descriptors that are lost, or whose other end is, in the moments that matter. */
#include "contract.h"

/* Clause 7: who is removed before the loss could be told is not told of any more. */
START_TEST(lost_descriptor_that_was_removed_is_not_told) {
    enum { LOST = 5 };
    struct tested *it = tested_open();
    int lost[LOST][2];
    for (int i = 0; i < LOST; i++) {
        test_pipe(lost[i]);
        add(it, lost[i][0], EDDY_READ);
    }
    for (int i = 0; i < LOST; i++) close(lost[i][0]);
    int told_first = wait_once(it, 1, MS);
    for (int i = 0; i < LOST; i++) {
        int err = it->backend->remove(it->state, lost[i][0], EDDY_READ);
        ck_assert(err == 0 || err == -EBADF);
        close(lost[i][1]);
    }
    if (told_first > 0) ck_assert_int_eq(it->records[0].error, -EBADF);
    ck_silent(it);
    tested_close(it);
}
END_TEST

/* A pipe without readers is writable, once as for good: told once, and again when armed. */
START_TEST(broken_pipe_is_told_once_to_a_oneshot) {
    struct tested *it = tested_open();
    unsigned once = EDDY_WRITE | EDDY_ONESHOT;
    int ends[2];
    test_pipe(ends);
    close(ends[0]);
    if (can(it, EDDY_CAN_ONESHOT)) {
        add(it, ends[1], once);
        for (int i = 0; i < 3; i++) {
            ck_assert_uint_eq(told(it, ends[1], -1) & EDDY_WRITE, EDDY_WRITE);
            ck_silent(it);
            modify(it, ends[1], once, once);
        }
        remove_fd(it, ends[1], once);
        ck_silent(it);
    }
    close(ends[1]);
    tested_close(it);
}
END_TEST

/* The same to an edge: it is told of what has happened, and not again before something happens. */
START_TEST(broken_pipe_is_told_once_to_an_edge) {
    struct tested *it = tested_open();
    unsigned edge = EDDY_WRITE | EDDY_EDGE;
    int ends[2];
    test_pipe(ends);
    close(ends[0]);
    if (can(it, EDDY_CAN_EDGE)) {
        add(it, ends[1], edge);
        ck_assert_uint_eq(told(it, ends[1], -1) & EDDY_WRITE, EDDY_WRITE);
        ck_silent(it);
        modify(it, ends[1], edge, edge);
        ck_assert_uint_eq(told(it, ends[1], -1) & EDDY_WRITE, EDDY_WRITE);
        remove_fd(it, ends[1], edge);
        ck_silent(it);
    }
    close(ends[1]);
    tested_close(it);
}
END_TEST

/* Level and one-shot go on as long as they want, also when the kernel drops what it told once. */
START_TEST(a_writer_is_told_of_its_closed_reader_for_as_long_as_it_wants) {
    static const unsigned modes[] = {0, EDDY_ONESHOT, EDDY_EDGE};
    for (int full = 0; full < 2; full++) {
        for (int i = 0; i < 3; i++) {
            struct tested *it = tested_open();
            unsigned wanted = EDDY_WRITE | modes[i];
            int ends[2];
            test_pipe(ends);
            if (full) fill(ends[1]);
            bool takes = modes[i] == 0 || (can(it, EDDY_CAN_EDGE) && can(it, EDDY_CAN_ONESHOT));
            if (takes) add(it, ends[1], wanted);
            close(ends[0]);
            for (int turn = 0; takes && turn < 4; turn++) {
                ck_assert_uint_eq(told(it, ends[1], -1) & EDDY_WRITE, EDDY_WRITE);
                if (modes[i] == 0) continue;
                ck_silent(it);
                modify(it, ends[1], wanted, wanted);
            }
            if (takes) remove_fd(it, ends[1], wanted);
            ck_silent(it);
            close(ends[1]);
            tested_close(it);
        }
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("contract/losses");
    ck_add(suite, "losses", lost_descriptor_that_was_removed_is_not_told,
           broken_pipe_is_told_once_to_a_oneshot, broken_pipe_is_told_once_to_an_edge,
           a_writer_is_told_of_its_closed_reader_for_as_long_as_it_wants);
    return suite;
}
