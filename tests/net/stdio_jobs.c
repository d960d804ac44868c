/* stdio_jobs.c: streams whose transfers are jobs of the pool are stopped, late and closed. */
#include "system.h" /* before what has names of its own */

#include "shared_net.h"

/* --- Stopping, deadlines, closing, while a job is under way --- */

START_TEST(what_was_read_while_reading_was_stopped_comes_later) {
    begin();
    int fd = file_of(100000);
    share(&reader, fd);
    for (int i = 0; i < 1000 && !reader.told; i++) {
        read_all(&reader);
        ck_assert_int_ge(test_run(loop, EDDY_RUN_NOWAIT), 0);
        if (!reader.told) eddy_stream_read_stop(&reader.stream);
        ck_assert_int_ge(test_run(loop, EDDY_RUN_NOWAIT), 0);
    }
    if (!reader.told) read_all(&reader);
    test_turn_until(loop, &reader.ended);
    ck_assert_uint_eq(reader.sum, sum_bytes(0, data, 100000));
    end_close(&reader);
    close(fd);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_close_waits_for_its_job) {
    eddy_write write;
    begin();
    for (int turns_before = 0; turns_before < 4; turns_before++) {
        int fd = file_of(sizeof data);
        share(&reader, fd);
        ck_assert_int_eq(eddy_file_set_attempt(loop, false), 0);
        read_all(&reader);
        ck_assert_int_eq(eddy_stream_write(&reader.stream, &write, data, 100000, end_on_written),
                         0);
        turns(turns_before);
        end_close(&reader);
        ck_assert_uint_eq(reader.written, 1);
        close(fd);
    }
    test_loop_close(loop);
}
END_TEST

static int held[2];

static void hold(eddy_work *work) {
    char byte;
    (void)work;
    ck_assert_int_eq((int)read(held[0], &byte, 1), 1);
}

static void on_held(eddy_work *work, int status) {
    (void)work;
    ck_assert_int_eq(status, 0);
}

/* Somebody else takes the byte that made it ready, before the thread does: the thread waits, the
 * loop does not, and the stream is not closed before. A pty's master is never opened anew. */
START_TEST(a_thread_waits_where_others_are_faster_and_the_close_for_it) {
    int slave;
    char byte;
    eddy_work work;
    eddy_pool_metrics metrics;
    loop = test_loop_open_with((eddy_loop_config){.pool_threads = 1});
    int master = pty_open(&slave);
    ck_assert_int_eq(pipe(held), 0);
    ck_assert_int_eq(eddy_file_set_attempt(loop, false), 0);
    ck_assert_int_eq(eddy_work_submit(loop, &work, EDDY_LANE_FILE, hold, on_held), 0);
    share(&reader, master);
    read_all(&reader);
    ck_assert_int_eq((int)write(slave, "x", 1), 1);
    do { /* until its job is behind the one that is held */
        turns(1);
        eddy_pool_read_metrics(eddy_loop_pool(loop), &metrics, sizeof metrics);
    } while (metrics.lanes[EDDY_LANE_FILE].running < 1 || metrics.lanes[EDDY_LANE_FILE].queued < 1);
    ck_assert_int_eq((int)read(master, &byte, 1), 1);
    ck_assert_int_eq((int)write(held[1], "x", 1), 1);
    do {
        turns(1);
        eddy_pool_read_metrics(eddy_loop_pool(loop), &metrics, sizeof metrics);
    } while (metrics.lanes[EDDY_LANE_FILE].done < 1 || metrics.lanes[EDDY_LANE_FILE].running < 1);
    ck_assert_uint_eq(reader.reads, 0);
    ck_assert_int_eq(eddy_stream_close(&reader.stream, end_on_close), 0);
    test_turn_for(loop, 20 * EDDY_NS_PER_MS);
    ck_assert(!reader.closed);
    pid_t child = fork(); /* in which there is no such thread */
    if (child == 0) {
        child_assert(eddy_loop_after_fork(loop) == 0);
        while (!reader.closed) child_assert(eddy_loop_run(loop, EDDY_RUN_ONCE) >= 0);
        _exit(0);
    }
    child_is_content(child);
    ck_assert(!reader.closed);
    ck_assert_int_eq((int)write(slave, "y", 1), 1);
    test_turn_until(loop, &reader.closed);
    ck_assert_uint_eq(reader.reads, 0);
    close(master);
    close(slave);
    close(held[0]);
    close(held[1]);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_deadline_holds_for_a_silent_input) {
    int ends[2];
    begin();
    ck_assert_int_eq(pipe(ends), 0);
    share(&reader, ends[0]);
    read_all(&reader);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&reader.stream, 20 * EDDY_NS_PER_MS), 0);
    test_turn_until(loop, &reader.told);
    ck_assert_int_eq(reader.error, -ETIMEDOUT);
    end_close(&reader);
    close(ends[0]);
    close(ends[1]);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("stdio, jobs");
    ck_add(suite, "in between", what_was_read_while_reading_was_stopped_comes_later,
           a_close_waits_for_its_job, a_thread_waits_where_others_are_faster_and_the_close_for_it,
           a_deadline_holds_for_a_silent_input);
    return suite;
}
