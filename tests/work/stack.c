/* stack.c: what a job may use of its thread's stack, in a program with many thread-local variables.
 */
#include "jobs.h"

enum { LOCAL_BYTES = 250 * 1024, FRAME_BYTES = 100 * 1024 };

static _Thread_local char locals[LOCAL_BYTES];

static void touch(volatile char *bytes, size_t size) {
    for (size_t i = 0; i < size; i += 512) bytes[i] = (char)i;
}

static void use_stack(eddy_work *work) {
    char frame[FRAME_BYTES];
    touch(locals, sizeof locals);
    touch(frame, sizeof frame);
    job_run(work);
}

static void run_on(eddy_loop *loop) {
    struct job job = {.ran = 0};
    ck_assert_int_eq(eddy_work_submit(loop, &job.work, EDDY_LANE_CPU, use_stack, job_done), 0);
    run_out(loop);
    ck_assert_int_eq(job.ran, 1);
}

/* Thread-local variables of a quarter of a megabyte, and a frame of a hundred kilobytes: glibc
 * takes both out of the thread's stack. */
START_TEST(a_program_with_many_thread_locals_gets_its_thread) {
    eddy_loop *loop = test_loop_open();
    run_on(loop);
    test_loop_close(loop);
}
END_TEST

/* The size that was asked for is the job's, whatever the thread-local variables take. */
START_TEST(a_small_stack_has_the_thread_locals_beside_it) {
    if (getenv("EDDY_TEST_PLAIN") != NULL) return; /* nobody tells how large they are */
    eddy_loop *loop = test_loop_open_with((eddy_loop_config){.pool_stack_bytes = 160 * 1024});
    run_on(loop);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_stack_that_is_too_small_is_invalid) {
    eddy_loop *loop;
    eddy_loop_config config = {.backend = test_backend, .pool_stack_bytes = 1000};
    ck_assert_int_eq(eddy_loop_open(&loop, &config), -EINVAL);
    eddy_pool *pool;
    ck_assert_int_eq(eddy_pool_open(&pool, &(eddy_pool_config){.stack_bytes = 1000}), -EINVAL);
}
END_TEST

#ifdef __linux__
static size_t stack_bytes;

static void measure_stack(eddy_work *work) {
    pthread_attr_t attributes;
    void *address;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstack(&attributes, &address, &stack_bytes);
        pthread_attr_destroy(&attributes);
    }
    job_run(work);
}

static size_t measure(eddy_loop *loop) {
    struct job job = {.ran = 0};
    ck_assert_int_eq(eddy_work_submit(loop, &job.work, EDDY_LANE_CPU, measure_stack, job_done), 0);
    run_out(loop);
    test_loop_close(loop);
    return stack_bytes;
}

static void is_about(size_t bytes, size_t wanted) {
    ck_assert_uint_ge(bytes, wanted);
    ck_assert_uint_lt(bytes, wanted + (1 << 20));
}

/* Without a setting, what the first thread may have; with one, that. From small to large, as the C
 * library uses a stack again for a thread that wants less. */
START_TEST(the_stack_is_as_large_as_the_first_threads) {
    struct rlimit limit;
    eddy_pool *pool = pool_open((eddy_pool_config){.stack_bytes = 512 << 10});
    is_about(measure(loop_with(pool)), 512 << 10);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
    is_about(measure(test_loop_open_with((eddy_loop_config){.pool_stack_bytes = 2 << 20})),
             2 << 20);
    ck_assert_int_eq(getrlimit(RLIMIT_STACK, &limit), 0);
    if (limit.rlim_max >= 20 << 20) {
        limit.rlim_cur = 5 << 20;
        ck_assert_int_eq(setrlimit(RLIMIT_STACK, &limit), 0);
        is_about(measure(test_loop_open()), 5 << 20);
        limit.rlim_cur = 20 << 20;
        ck_assert_int_eq(setrlimit(RLIMIT_STACK, &limit), 0);
        is_about(measure(test_loop_open()), 20 << 20);
    }
}
END_TEST
#endif

Suite *make_suite(void) {
    Suite *suite = suite_create("stack");
    ck_add(suite, "stack", a_program_with_many_thread_locals_gets_its_thread,
           a_small_stack_has_the_thread_locals_beside_it, a_stack_that_is_too_small_is_invalid);
#ifdef __linux__
    ck_add(suite, "size", the_stack_is_as_large_as_the_first_threads);
#endif
    return suite;
}
