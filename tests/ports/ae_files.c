/* ae_files.c: file events of Redis' loop on eddy. */
#include "ae_test.h"

#include <fcntl.h>
#include <stdio.h>

static int pipes[2][2];

static void pipes_open(void) {
    begin();
    for (int i = 0; i < 2; i++) full_pipe(pipes[i]);
}

static void pipes_close(void) {
    for (int i = 0; i < 2; i++) close_both(pipes[i]);
    end();
}

static void on_event(struct aeEventLoop *loop, int fd, void *data, int mask) {
    (void)loop, (void)fd, (void)mask;
    note(*(const char *)data);
}

/* --- Handlers that delete --- */

static void delete_itself(struct aeEventLoop *loop, int fd, void *data, int mask) {
    (void)data;
    ck_assert_int_eq(mask, AE_READABLE);
    note('s');
    aeDeleteFileEvent(loop, fd, AE_READABLE);
    ck_assert_int_eq(aeGetFileEvents(loop, fd), AE_NONE);
    ck_assert_ptr_null(aeGetFileClientData(loop, fd));
}

START_TEST(a_handler_deletes_itself) {
    pipes_open();
    watch(pipes[0][0], AE_READABLE, delete_itself, NULL);
    round_handles(AE_FILE_EVENTS, 1);
    round_handles(AE_FILE_EVENTS, 0);
    trace_is("s");
    pipes_close();
}
END_TEST

static int other_of(int fd) {
    return fd == pipes[0][0] ? pipes[1][0] : pipes[0][0];
}

static void delete_the_other(struct aeEventLoop *loop, int fd, void *data, int mask) {
    (void)data, (void)mask;
    note('d');
    aeDeleteFileEvent(loop, other_of(fd), AE_READABLE);
}

START_TEST(a_deleted_event_is_quiet_though_it_was_ready) {
    pipes_open();
    for (int i = 0; i < 2; i++) watch(pipes[i][0], AE_READABLE, delete_the_other, NULL);
    round_handles(AE_FILE_EVENTS, 1);
    trace_is("d");
    pipes_close();
}
END_TEST

static int spare[2];

/* The other one's number becomes that of an empty pipe, with an event anew. */
static void reuse_the_other(struct aeEventLoop *loop, int fd, void *data, int mask) {
    (void)data, (void)mask;
    note('r');
    take_byte(fd);
    int other = other_of(fd);
    aeDeleteFileEvent(loop, other, AE_READABLE);
    ck_assert_int_eq(dup2(spare[0], other), other);
    watch(other, AE_READABLE, on_event, "n");
}

START_TEST(a_descriptor_used_again_hears_nothing_of_the_one_before) {
    pipes_open();
    test_pipe(spare);
    for (int i = 0; i < 2; i++) watch(pipes[i][0], AE_READABLE, reuse_the_other, NULL);
    round_handles(AE_FILE_EVENTS, 1);
    trace_is("r");
    put_byte(spare[1]); /* but what comes for the new one it does hear */
    round_handles(AE_FILE_EVENTS, 1);
    trace_is("n");
    close_both(spare);
    pipes_close();
}
END_TEST

/* --- Two events of one descriptor --- */

static int pair[2];

static void pair_open(void) {
    begin();
    test_socket_pair(pair);
    put_byte(pair[1]); /* readable and writable */
}

static void pair_close(void) {
    close_both(pair);
    end();
}

static void on_readable(struct aeEventLoop *loop, int fd, void *data, int mask) {
    (void)loop, (void)fd, (void)data;
    ck_assert(mask & AE_READABLE);
    note('r');
}

static void on_writable(struct aeEventLoop *loop, int fd, void *data, int mask) {
    (void)loop, (void)fd, (void)data;
    ck_assert(mask & AE_WRITABLE);
    note('w');
}

START_TEST(readable_comes_first_but_for_a_barrier) {
    pair_open();
    watch(pair[0], AE_READABLE, on_readable, NULL);
    watch(pair[0], AE_WRITABLE, on_writable, NULL);
    round_handles(AE_FILE_EVENTS, 1);
    trace_is("rw");
    watch(pair[0], AE_WRITABLE | AE_BARRIER, on_writable, NULL);
    ck_assert_int_eq(aeGetFileEvents(ae, pair[0]), AE_READABLE | AE_WRITABLE | AE_BARRIER);
    round_handles(AE_FILE_EVENTS, 1);
    trace_is("wr");
    aeDeleteFileEvent(ae, pair[0], AE_WRITABLE); /* and the barrier with it */
    ck_assert_int_eq(aeGetFileEvents(ae, pair[0]), AE_READABLE);
    round_handles(AE_FILE_EVENTS, 1);
    trace_is("r");
    pair_close();
}
END_TEST

START_TEST(one_function_for_both_is_called_once) {
    pair_open();
    watch(pair[0], AE_READABLE | AE_WRITABLE, on_event, "b");
    round_handles(AE_FILE_EVENTS, 1);
    watch(pair[0], AE_READABLE | AE_WRITABLE | AE_BARRIER, on_event, "b");
    round_handles(AE_FILE_EVENTS, 1);
    trace_is("bb");
    pair_close();
}
END_TEST

static void delete_both(struct aeEventLoop *loop, int fd, void *data, int mask) {
    (void)data, (void)mask;
    note('d');
    aeDeleteFileEvent(loop, fd, AE_READABLE | AE_WRITABLE);
}

/* Asks for the second event anew: of that nothing has been told yet. */
static void renew_the_writable(struct aeEventLoop *loop, int fd, void *data, int mask) {
    (void)data, (void)mask;
    note('a');
    aeDeleteFileEvent(loop, fd, AE_WRITABLE);
    watch(fd, AE_WRITABLE, on_writable, NULL);
}

START_TEST(the_first_handler_takes_the_second_event_away) {
    pair_open();
    watch(pair[0], AE_READABLE, renew_the_writable, NULL);
    watch(pair[0], AE_WRITABLE, on_writable, NULL);
    round_handles(AE_FILE_EVENTS, 1);
    trace_is("a");
    watch(pair[0], AE_READABLE, delete_both, NULL);
    round_handles(AE_FILE_EVENTS, 1);
    round_handles(AE_FILE_EVENTS, 0);
    trace_is("d");
    pair_close();
}
END_TEST

START_TEST(a_hang_up_is_told_to_who_reads_and_to_who_writes) {
    pair_open();
    close(pair[1]);
    watch(pair[0], AE_READABLE, on_readable, NULL);
    round_handles(AE_FILE_EVENTS, 1);
    trace_is("r");
    watch(pair[0], AE_WRITABLE, on_writable, NULL);
    round_handles(AE_FILE_EVENTS, 1);
    trace_is("rw");
    close(pair[0]);
    end();
}
END_TEST

static void on_bad(struct aeEventLoop *loop, int fd, void *data, int mask) {
    (void)loop, (void)data;
    char byte;
    ck_assert_int_eq(mask, AE_READABLE | AE_WRITABLE);
    ck_assert_int_eq(read(fd, &byte, 1), -1);
    ck_assert_int_eq(errno, EBADF);
    note('b');
}

START_TEST(who_closes_too_early_is_told_once) {
    pair_open();
    watch(pair[0], AE_READABLE, on_bad, NULL);
    close(pair[0]);
    watch(pair[0], AE_WRITABLE, on_bad, NULL);
    round_handles(AE_FILE_EVENTS, 1);
    round_handles(AE_FILE_EVENTS, 0);
    trace_is("b");
    aeDeleteFileEvent(ae, pair[0], AE_READABLE | AE_WRITABLE);
    close(pair[1]);
    end();
}
END_TEST

/* --- The set --- */

START_TEST(what_cannot_be_watched_is_an_error) {
    pipes_open();
    struct {
        int fd, error;
    } wrong[] = {{-1, ERANGE}, {SET_SIZE, ERANGE}, {SET_SIZE - 1, EBADF}, {-1, EPERM}};
    FILE *regular = tmpfile();
    ck_assert_ptr_nonnull(regular);
    wrong[3].fd = fileno(regular);
    for (int i = 0; i < 4; i++) {
        errno = 0;
        ck_assert_int_eq(aeCreateFileEvent(ae, wrong[i].fd, AE_READABLE, on_event, NULL), AE_ERR);
        ck_assert_int_eq(errno, wrong[i].error);
        ck_assert_int_eq(aeGetFileEvents(ae, wrong[i].fd), AE_NONE);
        aeDeleteFileEvent(ae, wrong[i].fd, AE_READABLE);
    }
    ck_assert_int_eq(ae->maxfd, -1);
    fclose(regular);
    pipes_close();
}
END_TEST

START_TEST(the_set_grows_and_shrinks_under_its_events) {
    pipes_open();
    int fd = fcntl(pipes[0][0], F_DUPFD_CLOEXEC, SET_SIZE + 10);
    ck_assert_int_ge(fd, SET_SIZE + 10);
    watch(pipes[0][0], AE_READABLE, on_event, "a");
    ck_assert_int_eq(aeCreateFileEvent(ae, fd, AE_READABLE, on_event, NULL), AE_ERR);
    ck_assert_int_eq(aeResizeSetSize(ae, fd + 1), AE_OK);
    ck_assert_int_eq(aeGetSetSize(ae), fd + 1);
    watch(fd, AE_READABLE, on_event, "b");
    round_handles(AE_FILE_EVENTS, 2);
    ck_assert_int_eq(trace_length, 2);
    trace_clear();
    ck_assert_int_eq(aeResizeSetSize(ae, fd), AE_ERR); /* in use */
    aeDeleteFileEvent(ae, fd, AE_READABLE);
    ck_assert_int_eq(aeResizeSetSize(ae, pipes[0][0] + 1), AE_OK);
    ck_assert_int_eq(aeGetFileEvents(ae, fd), AE_NONE);
    round_handles(AE_FILE_EVENTS, 1);
    trace_is("a");
    close(fd);
    pipes_close();
}
END_TEST

/* Its own descriptor falls out of the set while it is called. */
static void shrink(struct aeEventLoop *loop, int fd, void *data, int mask) {
    (void)data, (void)mask;
    note('s');
    aeDeleteFileEvent(loop, fd, AE_READABLE | AE_WRITABLE);
    ck_assert_int_eq(aeResizeSetSize(loop, 1), AE_OK);
}

START_TEST(the_set_shrinks_in_a_handler) {
    pair_open();
    watch(pair[0], AE_READABLE, shrink, NULL);
    watch(pair[0], AE_WRITABLE, on_writable, NULL);
    round_handles(AE_FILE_EVENTS, 1);
    trace_is("s");
    pair_close();
}
END_TEST

START_TEST(one_descriptor_is_waited_for_without_a_loop) {
    test_socket_pair(pair);
    ck_assert_int_eq(aeWait(pair[0], AE_READABLE, 0), 0);
    ck_assert_int_eq(aeWait(pair[0], AE_READABLE | AE_WRITABLE, 1000), AE_WRITABLE);
    put_byte(pair[1]);
    ck_assert_int_eq(aeWait(pair[0], AE_READABLE, 1000), AE_READABLE);
    close_both(pair);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("ae_files");
    ck_add(suite, "deleting", a_handler_deletes_itself,
           a_deleted_event_is_quiet_though_it_was_ready,
           a_descriptor_used_again_hears_nothing_of_the_one_before);
    ck_add(suite, "two events", readable_comes_first_but_for_a_barrier,
           one_function_for_both_is_called_once, the_first_handler_takes_the_second_event_away,
           a_hang_up_is_told_to_who_reads_and_to_who_writes, who_closes_too_early_is_told_once);
    ck_add(suite, "the set", what_cannot_be_watched_is_an_error,
           the_set_grows_and_shrinks_under_its_events, the_set_shrinks_in_a_handler,
           one_descriptor_is_waited_for_without_a_loop);
    return suite;
}
