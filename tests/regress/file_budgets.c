/* file_budgets.c: how many waits and threads' jobs a file request may cost. */
#include "../work/files.h"

enum { READS = 80, A_TURN = 8 };

static char data[4096];
static struct request request;
static struct place place;
static int fd, left;

static void read_next(eddy_file *file) {
    ck_assert_int_eq(file->result, (int64_t)sizeof data);
    if (--left == 0) {
        request.done = true;
        return;
    }
    ck_assert_int_eq(eddy_file_read(place.loop, file, fd, data, sizeof data, 0, read_next), 0);
}

/* Reads the same page `count` times, each after the other; returns what that cost. */
static eddy_metrics read_often(int count) {
    eddy_metrics before = loop_metrics(place.loop);
    left = count;
    request.done = false;
    ck_assert_int_eq(eddy_file_read(place.loop, &request.file, fd, data, sizeof data, 0, read_next),
                     0);
    test_turn_until(place.loop, &request.done);
    eddy_metrics after = loop_metrics(place.loop);
    after.waits -= before.waits;
    after.waits_empty -= before.waits_empty;
    after.jobs -= before.jobs;
    after.file_hits -= before.file_hits;
    after.wake_reads -= before.wake_reads;
    return after;
}

static void open_place(int attempt) {
    place = place_open(attempt);
    fd = create(&place, "a", data, sizeof data);
    (void)read_often(1); /* starts a thread, if there is to be one */
}

static void close_place(void) {
    close(fd);
    erase(&place, "a");
    place_close(&place);
}

/* What is in the cache needs neither thread nor pipe; a chain of such reads looks at the backend
 * once in a while only, and often enough. */
START_TEST(a_cached_read_costs_no_thread_and_few_waits) {
    open_place(1);
    eddy_metrics one = read_often(1);
    if (one.file_hits == 1) { /* else this system cannot say what would block */
        ck_assert_uint_eq(one.jobs, 0);
        ck_assert_uint_eq(one.wake_reads, 0);
        ck_assert_uint_le(one.waits, 1);
        eddy_metrics many = read_often(READS);
        /* The kernel may say now and then that it would have to wait, as for a page that it is just
         * writing to the disk. */
        unsigned misses = (unsigned)many.jobs;
        ck_assert_uint_eq(many.file_hits + misses, READS);
        ck_assert_uint_le(misses, READS / 10);
        ck_assert_uint_le(many.waits, READS / A_TURN + 1 + 2 * misses);
        ck_assert_uint_ge(many.waits, READS / A_TURN - 1);
    }
    close_place();
}
END_TEST

/* Without the attempt: a job, and a wait that the completion ends. One that comes before the loop
 * sleeps costs none, but for every other one, which looks whether there is anything else. */
START_TEST(a_read_by_a_thread_costs_a_job_and_a_wait) {
    open_place(0);
    eddy_metrics one = read_often(1);
    ck_assert_uint_eq(one.jobs, 1);
    ck_assert_uint_eq(one.file_hits, 0);
    ck_assert_uint_le(one.waits, 1);
    eddy_metrics many = read_often(READS);
    ck_assert_uint_eq(many.jobs, READS);
    ck_assert_uint_le(many.waits, READS);
    ck_assert_uint_le(many.waits_empty, READS / 2 + 1);
    ck_assert_uint_le(many.wake_reads, READS);
    close_place();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("file budgets");
    ck_add(suite, "reads", a_cached_read_costs_no_thread_and_few_waits,
           a_read_by_a_thread_costs_a_job_and_a_wait);
    return suite;
}
