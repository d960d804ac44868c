/* thread_faults.c: what becomes of requests when the system starts no thread. The linker puts the
 * function below in the place of the library's. */
#include "../work/files.h"
#include "os.h"
#include "sanitized.h"

static int refuse; /* the errno of each start, or 0 */

int __real_eddy_os_thread_start(eddy_os_thread *thread, void *(*run)(void *), void *argument,
                                size_t stack_bytes);
int __wrap_eddy_os_thread_start(eddy_os_thread *thread, void *(*run)(void *), void *argument,
                                size_t stack_bytes);

int __wrap_eddy_os_thread_start(eddy_os_thread *thread, void *(*run)(void *), void *argument,
                                size_t stack_bytes) {
    return refuse != 0 ? -refuse : __real_eddy_os_thread_start(thread, run, argument, stack_bytes);
}

/* Its errno is the submission's, not always EAGAIN. */
START_TEST(the_error_of_a_thread_that_does_not_start_is_told) {
    static const int errors[] = {EAGAIN, EPERM, EINVAL, ENOMEM};
    eddy_loop *loop = test_loop_open();
    struct job job = {.ran = 0};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        refuse = errors[i];
        ck_assert_int_eq(eddy_work_submit(loop, &job.work, EDDY_LANE_FILE, job_run, job_done),
                         -errors[i]);
        ck_assert(!eddy_loop_is_alive(loop));
    }
    refuse = 0;
    job_submit(loop, &job, EDDY_LANE_FILE);
    run_out(loop);
    ck_assert_int_eq(job.done, 1);
    test_loop_close(loop);
}
END_TEST

/* An empty descriptor that must not be waited for is -EAGAIN; no thread is something else, as the
 * outcome of a request whose attempt did not work out, and as the submission's error without one.
 */
START_TEST(no_thread_and_nothing_to_read_are_told_apart) {
    enum { BYTES = 512 << 10 }; /* more than an attempt takes */
    struct place place = place_open(_i);
    int fd = create(&place, "a", "hello", 5), ends[2];
    static char data[BYTES];
    struct request it = {.done = false};
    test_pipe(ends);
    refuse = EAGAIN;
    int err = eddy_file_read(place.loop, &it.file, fd, data, BYTES, 0, request_done);
    ck_assert_int_eq(err, _i ? 0 : -EAGAIN);
    if (err == 0) ck_assert_int_eq(finish(&place, &it, err), -ENOBUFS);
    refuse = 0;
    ck_assert_int_eq(WAIT(&place, eddy_file_read, ends[0], data, BYTES, -1), -EAGAIN);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, data, BYTES, 0), 5);
    close_both(ends);
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

/* --- In a forked child --- */

static void run_in_child(eddy_loop *loop, struct job jobs[3], bool cancels) {
    alarm(20);
    refuse = EPERM;
    child_assert(eddy_loop_after_fork(loop) == -EPERM);
    child_assert(eddy_loop_verify(loop, NULL) == 0);
    child_assert(eddy_loop_run(loop, EDDY_RUN_NOWAIT) == 1);
    child_assert(eddy_loop_after_fork(loop) == -EPERM);
    child_assert(jobs[0].done == 0);
    for (int i = 0; cancels && i < 3; i++) child_assert(eddy_work_cancel(&jobs[i].work) == 0);
    refuse = cancels ? EPERM : 0;
    child_assert(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
    for (int i = 0; i < 3; i++) {
        child_assert(jobs[i].done == 1 && jobs[i].ran == !cancels);
        child_assert(jobs[i].status == (cancels ? -ECANCELED : 0));
    }
    child_assert(eddy_loop_close(loop) == 0);
    _exit(0);
}

/* After a failed eddy_loop_after_fork what was submitted can be taken back, so that the loop can be
 * closed; or it is done as soon as there is a thread. */
START_TEST(a_child_without_threads_can_take_back_what_was_submitted) {
#ifdef WITH_TSAN
    return; /* it lets no child of a program with threads start any */
#endif
    for (int cancels = 0; cancels < 2; cancels++) {
        eddy_loop *loop; /* without what test_loop_open adds, so that the child can close it */
        eddy_loop_config config = {.backend = test_backend};
        ck_assert_int_eq(eddy_loop_open(&loop, &config), 0);
        struct job jobs[3] = {{.ran = 0}};
        for (int i = 0; i < 3; i++) job_submit(loop, &jobs[i], EDDY_LANE_CPU);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) run_in_child(loop, jobs, cancels);
        child_is_content(child);
        run_out(loop);
        for (int i = 0; i < 3; i++) ck_assert_int_eq(jobs[i].ran, 1);
        ck_assert_int_eq(eddy_loop_close(loop), 0);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("thread faults");
    ck_add(suite, "threads", the_error_of_a_thread_that_does_not_start_is_told,
           a_child_without_threads_can_take_back_what_was_submitted);
    files_add(suite, "files", no_thread_and_nothing_to_read_are_told_apart);
    return suite;
}
