/* files_ring_ends.c: what becomes of file requests that the ring does not bring to their end: those
 * that are cancelled in a crowd, or before a fork, or that nobody may do. Runs with "+uring" only.
 */
#include "files.h"
#include "sanitized.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include "refuse.h"
#endif

enum { QUEUED = 200 };

/* More than the kernel's threads do at once, so that some are done, some begun and some not. */
static void queue_syncs(struct place *place, int fd, struct request requests[QUEUED]) {
    memset(requests, 0, QUEUED * sizeof *requests);
    for (int i = 0; i < QUEUED; i++)
        ck_assert_int_eq(eddy_file_fsync(place->loop, &requests[i].file, fd, request_done), 0);
    ck_assert_int_eq(test_run(place->loop, EDDY_RUN_NOWAIT), 1);
}

/* Until the loop has looked, nobody says that it is done. */
START_TEST(what_is_running_is_busy_however_often_it_is_cancelled) {
    static struct request requests[QUEUED];
    struct place place = place_open(false);
    int fd = create(&place, "a", "hello", 5);
    queue_syncs(&place, fd, requests);
    for (int i = 0; i < QUEUED; i++) {
        if (requests[i].done || eddy_file_cancel(&requests[i].file) != -EBUSY) continue;
        ck_assert_int_eq(eddy_file_cancel(&requests[i].file), -EBUSY);
        ck_assert_int_eq(eddy_file_cancel(&requests[i].file), -EBUSY);
    }
    for (int i = 0; i < QUEUED; i++) {
        test_turn_until(place.loop, &requests[i].done);
        ck_assert_int_eq(requests[i].count, 1);
    }
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

static void await_child(pid_t child) {
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
}

static void be_the_child(struct place *place, const struct request *cancelled) {
    if (eddy_loop_after_fork(place->loop) != 0) _exit(1);
    while (!cancelled->done)
        if (eddy_loop_run(place->loop, EDDY_RUN_NOWAIT) < 0) _exit(2);
    if (eddy_loop_verify(place->loop, NULL) != 0) _exit(3);
    _exit(cancelled->count == 1 && cancelled->file.result == -ECANCELED ? 0 : 4);
}

/* The kernel has promised not to begin with it, and has not told of its end before the fork. Its
 * threads are behind with what was asked for before. */
START_TEST(who_was_told_of_a_cancel_hears_of_it_in_a_forked_child_too) {
    static struct request requests[QUEUED];
    struct place place = place_open(false);
    int fd = create(&place, "a", "hello", 5), answer = -EBUSY;
    struct request *last = &requests[QUEUED - 1];
    for (int tries = 0; tries < 20 && answer != 0; tries++) {
        queue_syncs(&place, fd, requests);
        if (!last->done) answer = eddy_file_cancel(&last->file);
        pid_t child = answer == 0 ? fork() : -1;
        if (child == 0) be_the_child(&place, last);
        if (child > 0) await_child(child);
        for (int i = 0; i < QUEUED; i++) test_turn_until(place.loop, &requests[i].done);
        ck_assert_int_eq(last->count, 1);
        ck_assert_int_eq(last->file.result, answer == 0 ? -ECANCELED : 0);
    }
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

#ifdef __linux__
/* A sandbox that knows one of the calls and not the other. */
START_TEST(a_ring_that_may_not_be_entered_leaves_it_to_the_pool) {
    const long enter = 426; /* io_uring_enter, everywhere */
    char data[4];
    if (!refuse_calls(&enter, 1, EPERM)) return;
    struct place place = place_open(false);
    int fd = create(&place, "a", "hello", 5);
    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, data, 4, 1), 4);
        ck_assert_mem_eq(data, "ello", 4);
        ck_assert_int_eq(WAIT(&place, eddy_file_fsync, fd), 0);
        ck_assert_uint_eq(loop_metrics(place.loop).jobs, 2 * (unsigned)i);
    }
    ck_assert_uint_eq(loop_metrics(place.loop).ring_jobs, 0);
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

/* A sync of a pipe is what the ring says no to and a thread is to be asked about. */
START_TEST(what_nobody_can_be_asked_about_is_no_success) {
    const long threads[] = {SYS_clone, SYS_clone3};
    int ends[2];
    if (IS_SANITIZED || !refuse_calls(threads, 2, EAGAIN)) return; /* to look for leaks takes one */
    struct place place = place_open(false);
    test_pipe(ends);
    ck_assert_int_eq(WAIT(&place, eddy_file_fsync, ends[1]), -ENOBUFS);
    ck_assert_uint_eq(loop_metrics(place.loop).ring_jobs, 0);
    close(ends[0]);
    close(ends[1]);
    place_close(&place);
}
END_TEST
#endif

Suite *make_suite(void) {
    Suite *suite = suite_create("ends of files by a ring");
    ck_add(suite, "cancel", what_is_running_is_busy_however_often_it_is_cancelled,
           who_was_told_of_a_cancel_hears_of_it_in_a_forked_child_too);
#ifdef __linux__
    ck_add(suite, "refused", a_ring_that_may_not_be_entered_leaves_it_to_the_pool,
           what_nobody_can_be_asked_about_is_no_success);
#endif
    return suite;
}
