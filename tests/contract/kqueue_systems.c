/* kqueue_systems.c: where the systems' kqueues differ from each other, on the tests' double, which
 * can do as FreeBSD or as NetBSD does. What they do was seen on their kernels. */
#include "contract.h"
#include "os.h"

#include <sys/event.h>

static struct tested *open_as(enum kqueue_double_system system) {
    kqueue_double_system = system;
    test_backend = "kqueue";
    return tested_open();
}

static void close_as(struct tested *it) {
    tested_close(it);
    kqueue_double_system = KQUEUE_DOUBLE_PLAIN;
}

static const enum kqueue_double_system systems[] = {KQUEUE_DOUBLE_FREEBSD, KQUEUE_DOUBLE_NETBSD};
enum { SYSTEMS = 2 };

/* The event that says so has a flag which nobody asked for, and the knote is gone. */
START_TEST(freebsd_drops_the_writers_knote_when_the_reader_closes) {
    kqueue_double_system = KQUEUE_DOUBLE_FREEBSD;
    static const unsigned short modes[] = {0, EV_CLEAR};
    for (int i = 0; i < 2; i++) {
        int kq = kqueue(), ends[2];
        test_pipe(ends);
        struct kevent event;
        EV_SET(&event, (uintptr_t)ends[1], EVFILT_WRITE, (unsigned short)(EV_ADD | modes[i]), 0, 0,
               0);
        fill(ends[1]);
        ck_assert_int_eq(kevent(kq, &event, 1, NULL, 0, NULL), 0);
        close(ends[0]);
        ck_assert_int_eq(kevent(kq, NULL, 0, &event, 1, NULL), 1);
        ck_assert_uint_eq(event.flags & (EV_EOF | EV_ONESHOT), EV_EOF | EV_ONESHOT);
        static const struct timespec at_once;
        ck_assert_int_eq(kevent(kq, NULL, 0, &event, 1, &at_once), 0);
        eddy_os_close(kq);
        close(ends[1]);
    }
    kqueue_double_system = KQUEUE_DOUBLE_PLAIN;
}
END_TEST

/* EBADF of a descriptor that is open: as EPIPE elsewhere, it is ready, and not lost. */
START_TEST(netbsd_has_another_word_for_a_broken_pipe) {
    static const unsigned modes[] = {0, EDDY_EDGE, EDDY_ONESHOT};
    for (int i = 0; i < 3; i++) {
        struct tested *it = open_as(KQUEUE_DOUBLE_NETBSD);
        int ends[2];
        test_pipe(ends);
        close(ends[0]);
        unsigned wanted = EDDY_WRITE | modes[i];
        add(it, ends[1], wanted);
        ck_assert_uint_eq(told(it, ends[1], -1) & EDDY_WRITE, EDDY_WRITE);
        if (modes[i] == 0)
            ck_assert_uint_eq(told(it, ends[1], -1) & EDDY_WRITE, EDDY_WRITE);
        else
            ck_silent(it);
        remove_fd(it, ends[1], wanted);
        ck_silent(it);
        close_as(it);
        close(ends[1]);
    }
}
END_TEST

START_TEST(netbsd_goes_on_telling_a_writer_whose_pipe_has_room) {
    struct tested *it = open_as(KQUEUE_DOUBLE_NETBSD);
    int ends[2];
    test_pipe(ends);
    add(it, ends[1], EDDY_WRITE);
    close(ends[0]);
    for (int i = 0; i < 3; i++) ck_assert_uint_eq(told(it, ends[1], -1) & EDDY_WRITE, EDDY_WRITE);
    close_as(it);
    close(ends[1]);
}
END_TEST

/* Nobody tells a backend then; whoever writes to pipes of strangers there needs a deadline. */
START_TEST(netbsd_keeps_a_closed_reader_from_the_writer_of_a_full_pipe) {
    struct tested *it = open_as(KQUEUE_DOUBLE_NETBSD);
    int ends[2];
    test_pipe(ends);
    fill(ends[1]);
    add(it, ends[1], EDDY_WRITE);
    close(ends[0]);
    ck_silent(it);
    remove_fd(it, ends[1], EDDY_WRITE);
    close_as(it);
    close(ends[1]);
}
END_TEST

START_TEST(netbsd_does_not_watch_a_writing_end_to_read) {
    struct tested *it = open_as(KQUEUE_DOUBLE_NETBSD);
    int ends[2];
    test_pipe(ends);
    int fd = ends[1];
    ck_assert_int_eq(it->backend->add(it->state, fd, EDDY_READ, token_of(fd, 1)), -EPERM);
    ck_silent(it);
    close_as(it);
    close_both(ends);
}
END_TEST

/* A one-shot that was ready when it was armed is told, whoever has read it empty since. */
START_TEST(oneshot_is_told_though_what_it_told_of_is_gone) {
    for (int i = 0; i < SYSTEMS; i++) {
        struct tested *it = open_as(systems[i]);
        int ends[2];
        test_pipe(ends);
        put(ends[1], "x");
        add(it, ends[0], EDDY_READ | EDDY_ONESHOT);
        drain(ends[0]);
        ck_assert_uint_eq(told(it, ends[0], 0), EDDY_READ);
        ck_silent(it);
        close_as(it);
        close_both(ends);
    }
}
END_TEST

/* Reading makes room, which wakes all of a pipe's knotes, the reader's too. */
START_TEST(edge_of_a_pipe_is_told_again_after_a_part_was_read) {
    for (int i = 0; i < SYSTEMS; i++) {
        struct tested *it = open_as(systems[i]);
        int ends[2];
        char byte;
        test_pipe(ends);
        put(ends[1], "xyz");
        add(it, ends[0], EDDY_READ | EDDY_EDGE);
        ck_assert_uint_eq(told(it, ends[0], -1), EDDY_READ);
        ck_silent(it);
        ck_assert_int_eq(read(ends[0], &byte, 1), 1);
        ck_assert_uint_eq(told(it, ends[0], 0), EDDY_READ);
        ck_silent(it);
        drain(ends[0]);
        ck_silent(it);
        close_as(it);
        close_both(ends);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("contract/kqueue_systems");
    ck_add(suite, "systems", freebsd_drops_the_writers_knote_when_the_reader_closes,
           netbsd_has_another_word_for_a_broken_pipe,
           netbsd_goes_on_telling_a_writer_whose_pipe_has_room,
           netbsd_keeps_a_closed_reader_from_the_writer_of_a_full_pipe,
           netbsd_does_not_watch_a_writing_end_to_read,
           oneshot_is_told_though_what_it_told_of_is_gone,
           edge_of_a_pipe_is_told_again_after_a_part_was_read);
    return suite;
}
