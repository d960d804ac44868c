/* keeping.c: what a backend must not keep: files open, and what was ready before: clauses 9 and 10
 * of platform/backend.h. */
#include "contract.h"

#include <poll.h>

/* --- Clause 9 --- */

/* The other end of `fd` has nothing to read, and then, once `fd` is closed, its end: at once. */
static void ck_close_is_seen(int fd, int other) {
    char byte;
    ck_assert_int_eq(read(other, &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    close(fd);
    ck_assert_int_eq(read(other, &byte, 1), 0);
    close(other);
}

START_TEST(what_is_removed_is_not_kept_open) {
    for (unsigned events = 1; events <= BOTH; events++) {
        struct tested *it = tested_open();
        int ends[2];
        test_socket_pair(ends);
        add(it, ends[0], events);
        wait_once(it, RECORDS_MAX, 0);
        remove_fd(it, ends[0], events);
        ck_close_is_seen(ends[0], ends[1]);
        ck_silent(it);
        tested_close(it);
    }
}
END_TEST

/* Nor if no wait has come between, in which a removal might be done, or a change under way. */
START_TEST(what_is_removed_before_any_wait_is_not_kept_open) {
    struct tested *it = tested_open();
    int ends[2];
    test_pipe(ends);
    add(it, ends[1], EDDY_WRITE);
    remove_fd(it, ends[1], EDDY_WRITE);
    ck_close_is_seen(ends[1], ends[0]);
    test_socket_pair(ends);
    add(it, ends[0], EDDY_READ);
    wait_once(it, RECORDS_MAX, 0);
    modify(it, ends[0], EDDY_READ, BOTH);
    remove_fd(it, ends[0], BOTH);
    ck_close_is_seen(ends[0], ends[1]);
    ck_silent(it);
    tested_close(it);
}
END_TEST

START_TEST(a_told_oneshot_that_is_removed_is_not_kept_open) {
    struct tested *it = tested_open();
    unsigned once = EDDY_WRITE | EDDY_ONESHOT;
    if (can(it, EDDY_CAN_ONESHOT)) {
        int ends[2];
        test_socket_pair(ends);
        add(it, ends[0], once);
        ck_assert_uint_eq(told(it, ends[0], -1), EDDY_WRITE);
        remove_fd(it, ends[0], once);
        ck_close_is_seen(ends[0], ends[1]);
    }
    tested_close(it);
}
END_TEST

/* What was asked for before the change is not kept either. */
START_TEST(what_was_changed_is_not_kept_open) {
    for (unsigned events = 1; events <= BOTH; events++) {
        struct tested *it = tested_open();
        int ends[2];
        test_socket_pair(ends);
        add(it, ends[0], EDDY_READ);
        wait_once(it, RECORDS_MAX, 0);
        modify(it, ends[0], EDDY_READ, events);
        wait_once(it, RECORDS_MAX, 0);
        remove_fd(it, ends[0], events);
        ck_close_is_seen(ends[0], ends[1]);
        tested_close(it);
    }
}
END_TEST

/* It had to wait in another way, as the other side sends no more. */
START_TEST(what_a_full_writer_waited_with_is_not_kept_open) {
    struct tested *it = tested_open();
    int ends[2];
    test_socket_pair(ends);
    fill(ends[0]);
    ck_assert_int_eq(shutdown(ends[1], SHUT_WR), 0);
    add(it, ends[0], EDDY_WRITE);
    ck_silent(it);
    drain(ends[1]);
    for (int i = 0; i < 3; i++) ck_assert_uint_ne(told(it, ends[0], -1) & EDDY_WRITE, 0);
    remove_fd(it, ends[0], EDDY_WRITE);
    ck_close_is_seen(ends[0], ends[1]);
    ck_silent(it);
    tested_close(it);
}
END_TEST

/* With everything gone, what was never removed is not held by anybody either. */
START_TEST(a_closed_backend_keeps_nothing_open) {
    for (unsigned events = 1; events <= BOTH; events++) {
        struct tested *it = tested_open();
        int ends[2];
        test_socket_pair(ends);
        add(it, ends[0], events);
        wait_once(it, RECORDS_MAX, 0);
        tested_close(it);
        ck_close_is_seen(ends[0], ends[1]);
    }
}
END_TEST

/* --- Clause 10 --- */

enum { CROWD = 6 };

/* All can be read and none can be written, and a wait has had room for some of them. */
struct crowd {
    struct tested *it;
    int ends[CROWD][2];
};

static struct crowd crowd_open(int room) {
    struct crowd crowd = {.it = tested_open()};
    for (int i = 0; i < CROWD; i++) {
        test_socket_pair(crowd.ends[i]);
        fill(crowd.ends[i][0]);
        put(crowd.ends[i][1], "x");
        add(crowd.it, crowd.ends[i][0], EDDY_READ);
    }
    ck_assert_int_eq(wait_once(crowd.it, room, -1), room);
    return crowd;
}

/* Nothing is told any more; what is ready then is told again. */
static void crowd_close(struct crowd *crowd, eddy_token (*token)(int fd)) {
    ck_silent(crowd->it);
    if (token != NULL) {
        for (int i = 0; i < CROWD; i++) put(crowd->ends[i][1], "y");
        ck_assert_int_eq(wait_once(crowd->it, RECORDS_MAX, -1), CROWD);
        for (int i = 0; i < CROWD; i++)
            ck_assert_uint_eq(told_token(crowd->it, token(crowd->ends[i][0])), EDDY_READ);
    }
    tested_close(crowd->it);
    for (int i = 0; i < CROWD; i++) close_both(crowd->ends[i]);
}

static eddy_token first_token(int fd) {
    return token_of(fd, 1);
}

static eddy_token second_token(int fd) {
    return token_of(fd, 2);
}

static void add_again(struct tested *it, int fd) {
    ck_assert_int_eq(it->backend->add(it->state, fd, EDDY_READ, second_token(fd)), 0);
}

START_TEST(what_has_been_read_since_is_not_told) {
    for (int room = 1; room <= CROWD; room++) {
        struct crowd crowd = crowd_open(room);
        for (int i = 0; i < CROWD; i++) drain(crowd.ends[i][0]);
        crowd_close(&crowd, first_token);
    }
}
END_TEST

/* The wait before has asked for it, and was not told. */
START_TEST(what_came_and_went_between_waits_is_not_told) {
    struct tested *it = tested_open();
    int ends[2];
    test_socket_pair(ends);
    add(it, ends[0], EDDY_READ);
    ck_silent(it);
    put(ends[1], "x");
    drain(ends[0]);
    ck_silent(it);
    put(ends[1], "y");
    ck_assert_uint_eq(told(it, ends[0], -1), EDDY_READ);
    tested_close(it);
    close_both(ends);
}
END_TEST

START_TEST(what_is_no_longer_asked_for_is_not_told) {
    for (int room = 1; room <= CROWD; room++) {
        struct crowd crowd = crowd_open(room);
        for (int i = 0; i < CROWD; i++) modify(crowd.it, crowd.ends[i][0], EDDY_READ, EDDY_WRITE);
        crowd_close(&crowd, NULL);
        crowd = crowd_open(room);
        for (int i = 0; i < CROWD; i++) remove_fd(crowd.it, crowd.ends[i][0], EDDY_READ);
        crowd_close(&crowd, NULL);
    }
}
END_TEST

/* Removed, read and added anew; and a number that means another socket by then. */
START_TEST(what_was_ready_before_it_was_added_anew_is_not_told) {
    for (int room = 1; room <= CROWD; room++) {
        struct crowd crowd = crowd_open(room);
        for (int i = 0; i < CROWD; i++) {
            int *ends = crowd.ends[i];
            remove_fd(crowd.it, ends[0], EDDY_READ);
            if (i % 2 == 0) {
                drain(ends[0]);
            } else {
                int others[2];
                test_socket_pair(others);
                ck_assert_int_eq(dup2(others[0], ends[0]), ends[0]);
                ck_assert_int_eq(dup2(others[1], ends[1]), ends[1]);
                close_both(others);
            }
            add_again(crowd.it, ends[0]);
        }
        crowd_close(&crowd, second_token);
    }
}
END_TEST

/* Many at a time, in every state, wait after wait: what each wait tells is what poll says then, and
 * all of it if there is room. What a wait tells is read, or not; whoever is not told may read too.
 */
enum { MANY = 24, TURNS = 400 };

struct many {
    struct tested *it;
    int ends[MANY][2];
    unsigned asked[MANY]; /* 0: not registered */
    uint32_t state;
};

static unsigned many_pick(struct many *many, unsigned below) {
    many->state = many->state * 1664525u + 1013904223u;
    return (many->state >> 16) % below;
}

static void many_act(struct many *many) {
    unsigned at = many_pick(many, MANY), asked = many->asked[at];
    int fd = many->ends[at][0], peer = many->ends[at][1];
    switch (many_pick(many, 8)) {
    case 0:
        if (asked != 0) remove_fd(many->it, fd, asked);
        many->asked[at] = 0;
        break;
    case 1:
        many->asked[at] = 1 + many_pick(many, 3);
        if (asked == 0)
            add(many->it, fd, many->asked[at]);
        else
            modify(many->it, fd, asked, many->asked[at]);
        break;
    case 2:
    case 3:
        drain(fd);
        break;
    case 4:
        drain(peer); /* makes room */
        break;
    case 5:
        fill(fd);
        break;
    default:
        put(peer, "x");
    }
}

static void many_check(struct many *many, int room) {
    int count = wait_once(many->it, room, 0), ready = 0;
    for (int i = 0; i < MANY; i++) {
        unsigned events = told_token(many->it, token_of(many->ends[i][0], 1)),
                 asked = many->asked[i];
        short mask = (short)((asked & EDDY_READ ? POLLIN : 0) | (asked & EDDY_WRITE ? POLLOUT : 0));
        struct pollfd now = {many->ends[i][0], mask, 0};
        if (asked != 0) ck_assert_int_ge(poll(&now, 1, 0), 0);
        unsigned true_now =
            (now.revents & POLLIN ? EDDY_READ : 0u) | (now.revents & POLLOUT ? EDDY_WRITE : 0u);
        ready += true_now != 0;
        ck_assert_msg((events & ~true_now) == 0, "%d: told %u, is %u", i, events, true_now);
        ck_assert_msg(events == true_now || count == room, "%d: not told %u", i, true_now);
    }
    ck_assert_int_ge(count, room < ready ? room : ready);
}

START_TEST(each_wait_tells_how_things_are) {
    struct many many = {.it = tested_open(), .state = 1};
    for (int i = 0; i < MANY; i++) {
        test_socket_pair(many.ends[i]);
        add(many.it, many.ends[i][0], many.asked[i] = EDDY_READ);
    }
    for (int turn = 0; turn < TURNS; turn++) {
        for (unsigned left = many_pick(&many, 40); left > 0; left--) many_act(&many);
        many_check(&many, turn % 3 == 0 ? 1 + (int)many_pick(&many, MANY) : RECORDS_MAX);
    }
    for (int i = 0; i < MANY; i++) {
        if (many.asked[i] != 0) remove_fd(many.it, many.ends[i][0], many.asked[i]);
        drain(many.ends[i][0]);
        drain(many.ends[i][1]);
        ck_close_is_seen(many.ends[i][0], many.ends[i][1]);
    }
    ck_silent(many.it);
    tested_close(many.it);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("contract/keeping");
    ck_add(suite, "files", what_is_removed_is_not_kept_open,
           what_is_removed_before_any_wait_is_not_kept_open,
           a_told_oneshot_that_is_removed_is_not_kept_open, what_was_changed_is_not_kept_open,
           what_a_full_writer_waited_with_is_not_kept_open, a_closed_backend_keeps_nothing_open);
    ck_add(suite, "readiness", what_has_been_read_since_is_not_told,
           what_came_and_went_between_waits_is_not_told, what_is_no_longer_asked_for_is_not_told,
           what_was_ready_before_it_was_added_anew_is_not_told, each_wait_tells_how_things_are);
    return suite;
}
