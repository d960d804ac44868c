/* ae_levels.c: events processed inside of handlers, time events and hooks of Redis' loop on eddy.
 */
#include "ae_test.h"

#include <pthread.h>

/* --- Levels --- */

enum { PIPES = 8, DEPTH_MAX = 6 };

static int pipes[PIPES][2];
static int handled[PIPES], depth, depth_most;

static void pipes_open(void) {
    begin();
    depth = depth_most = 0;
    for (int i = 0; i < PIPES; i++) {
        full_pipe(pipes[i]);
        handled[i] = 0;
    }
}

static void pipes_close(void) {
    for (int i = 0; i < PIPES; i++) close_both(pipes[i]);
    end();
}

static void watch_all(aeFileProc *proc) {
    for (int i = 0; i < PIPES; i++) watch(pipes[i][0], AE_READABLE, proc, &handled[i]);
}

/* What is left for the level below it is all that this round has found. */
static void go_deeper(struct aeEventLoop *loop, int fd, void *data, int mask) {
    (void)mask;
    take_byte(fd);
    ++*(int *)data;
    if (++depth > depth_most) depth_most = depth;
    if (depth < DEPTH_MAX)
        ck_assert_int_ge(aeProcessEvents(loop, AE_FILE_EVENTS | AE_DONT_WAIT), 0);
    depth--;
}

START_TEST(nothing_is_lost_or_told_twice_at_any_depth) {
    pipes_open();
    watch_all(go_deeper);
    round_handles(AE_FILE_EVENTS, 1); /* levels inside of it handle the others */
    ck_assert_int_eq(depth_most, DEPTH_MAX);
    for (int i = 0; i < PIPES; i++) ck_assert_int_eq(handled[i], 1);
    round_handles(AE_FILE_EVENTS, 0);
    pipes_close();
}
END_TEST

static void delete_in_level_two(struct aeEventLoop *loop, int fd, void *data, int mask) {
    (void)mask;
    take_byte(fd);
    ++*(int *)data;
    if (depth++ == 0) {
        round_handles(AE_FILE_EVENTS, 1);
    } else {
        for (int i = 0; i < PIPES; i++) {
            if (handled[i] > 0) continue;
            aeDeleteFileEvent(loop, pipes[i][0], AE_READABLE);
            close(pipes[i][0]);
            pipes[i][0] = -1;
        }
    }
}

START_TEST(what_an_inner_level_deletes_the_outer_one_does_not_call) {
    pipes_open();
    watch_all(delete_in_level_two);
    round_handles(AE_FILE_EVENTS, 1);
    int count = 0;
    for (int i = 0; i < PIPES; i++) count += handled[i];
    ck_assert_int_eq(count, 2);
    ck_assert_int_eq(depth, 2);
    pipes_close();
}
END_TEST

static int pair[2];

static void write_in_level_one(struct aeEventLoop *loop, int fd, void *data, int mask) {
    (void)loop, (void)fd, (void)data, (void)mask;
    note('w');
}

static void read_in_level_one(struct aeEventLoop *loop, int fd, void *data, int mask) {
    (void)loop, (void)data, (void)mask;
    note('(');
    take_byte(fd);
    round_handles(AE_FILE_EVENTS, 1);
    note(')');
}

/* Writable was known outside, and is found again inside: told there, once. */
START_TEST(the_second_event_is_told_in_one_level_only) {
    begin();
    test_socket_pair(pair);
    put_byte(pair[1]);
    watch(pair[0], AE_READABLE, read_in_level_one, NULL);
    watch(pair[0], AE_WRITABLE, write_in_level_one, NULL);
    round_handles(AE_FILE_EVENTS, 1);
    trace_is("(w)");
    close_both(pair);
    end();
}
END_TEST

/* --- Time events --- */

static int again_after;  /* what the handlers return, in milliseconds */
static long long ids[3]; /* some are put in each other's handlers */

static int on_time(struct aeEventLoop *loop, long long id, void *data) {
    (void)loop, (void)id;
    note(*(const char *)data);
    return again_after;
}

static void on_final(struct aeEventLoop *loop, void *data) {
    (void)loop;
    note((char)(*(const char *)data - 'a' + 'A'));
}

static long long start(int milliseconds, aeTimeProc *proc, const char *letter) {
    char *data = (char *)(uintptr_t)letter;
    long long id = aeCreateTimeEvent(ae, milliseconds, proc, data, on_final);
    ck_assert_int_ge(id, 0);
    return id;
}

START_TEST(a_time_event_comes_again_until_it_does_not_want_to) {
    begin();
    start(0, on_time, "a");
    again_after = 0;
    round_handles(AE_TIME_EVENTS, 1);
    round_handles(AE_TIME_EVENTS, 1);
    trace_is("aa");
    again_after = AE_NOMORE;
    round_handles(AE_TIME_EVENTS, 1);
    trace_is("a");
    ck_assert_int_eq(aeProcessEvents(ae, AE_ALL_EVENTS), 0); /* it does not wait to finalize */
    trace_is("A");
    end();
}
END_TEST

/* 'a' deletes itself and the two others, of which one is due as well. */
static int delete_all(struct aeEventLoop *loop, long long id, void *data) {
    note(*(const char *)data);
    ck_assert_int_eq(id, ids[0]);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(aeDeleteTimeEvent(loop, ids[i]), AE_OK);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(aeDeleteTimeEvent(loop, ids[i]), AE_ERR);
    return 0;
}

START_TEST(a_handler_deletes_itself_and_others) {
    begin();
    again_after = 0;
    ids[0] = start(0, delete_all, "a");
    ids[1] = start(0, on_time, "b");
    ids[2] = start(FAR_MS, on_time, "c");
    round_handles(AE_ALL_EVENTS, 1);
    trace_is("a");
    round_handles(AE_ALL_EVENTS, 0);
    ck_assert_uint_eq(trace_length, 3); /* each finalized once */
    for (const char *letter = "ABC"; *letter != 0; letter++)
        ck_assert_ptr_nonnull(strchr(trace, *letter));
    round_handles(AE_ALL_EVENTS, 0);
    ck_assert_uint_eq(trace_length, 3);
    end();
}
END_TEST

static int add_another(struct aeEventLoop *loop, long long id, void *data) {
    (void)loop, (void)id, (void)data;
    note('+');
    start(0, on_time, "n");
    return AE_NOMORE;
}

START_TEST(what_a_handler_adds_comes_in_the_next_round) {
    begin();
    again_after = AE_NOMORE;
    start(0, add_another, "a");
    round_handles(AE_TIME_EVENTS, 1);
    trace_is("+");
    round_handles(AE_TIME_EVENTS, 1);
    trace_is("An");
    end();
    trace_is("N"); /* the loop's end finalizes what is left */
}
END_TEST

/* It nests while it runs, and is deleted in the level inside. */
static int nest_and_be_deleted(struct aeEventLoop *loop, long long id, void *data) {
    (void)id, (void)data;
    note('(');
    round_handles(AE_ALL_EVENTS, 1); /* delete_first, not this one again */
    ck_assert_int_eq(aeDeleteTimeEvent(loop, ids[0]), AE_ERR);
    round_handles(AE_ALL_EVENTS, 0);
    note(')');
    return 0;
}

static int delete_first(struct aeEventLoop *loop, long long id, void *data) {
    (void)id;
    note(*(const char *)data);
    ck_assert_int_eq(aeDeleteTimeEvent(loop, ids[0]), AE_OK);
    return FAR_MS;
}

START_TEST(a_running_time_event_is_deleted_in_an_inner_level) {
    begin();
    ids[0] = start(0, nest_and_be_deleted, "a");
    start(0, delete_first, "b");
    round_handles(AE_ALL_EVENTS, 1);
    trace_is("(b)"); /* finalized after it has returned */
    round_handles(AE_ALL_EVENTS, 0);
    trace_is("A");
    end();
    trace_is("B");
}
END_TEST

/* Only file events inside: what is due there is called outside, and waits for it. */
static int files_inside(struct aeEventLoop *loop, long long id, void *data) {
    (void)id, (void)data;
    note('(');
    start(1, on_time, "b");
    int64_t end_ns = test_now_ns() + 2 * EDDY_NS_PER_MS;
    while (test_now_ns() < end_ns) round_handles(AE_FILE_EVENTS, 0);
    ck_assert_int_eq(aeProcessEvents(loop, AE_FILE_EVENTS), 0); /* nothing to wait for */
    note(')');
    return AE_NOMORE;
}

START_TEST(what_is_due_in_a_level_without_time_events_is_kept) {
    begin();
    again_after = FAR_MS;
    start(0, files_inside, "a");
    while (trace_length < 2) ck_assert_int_ge(aeProcessEvents(ae, AE_ALL_EVENTS), 0);
    trace_is("()");
    ck_assert_int_eq(aeProcessEvents(ae, AE_ALL_EVENTS), 1); /* without a wait */
    trace_is("Ab");
    end();
    trace_is("B");
}
END_TEST

static void *put_later(void *argument) {
    int *ends = argument;
    usleep(20000); /* time for the loop to begin to wait; without it the test shows less */
    put_byte(ends[1]);
    return NULL;
}

static void on_byte(struct aeEventLoop *loop, int fd, void *data, int mask) {
    (void)loop, (void)data, (void)mask;
    take_byte(fd);
    note('f');
}

START_TEST(a_wait_for_files_is_not_over_when_a_time_comes) {
    begin();
    again_after = AE_NOMORE;
    test_pipe(pair);
    watch(pair[0], AE_READABLE, on_byte, NULL);
    start(0, on_time, "t");
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, put_later, pair), 0);
    ck_assert_int_eq(aeProcessEvents(ae, AE_FILE_EVENTS), 1);
    trace_is("f");
    round_handles(AE_ALL_EVENTS, 1);
    trace_is("t");
    pthread_join(thread, NULL);
    close_both(pair);
    end();
}
END_TEST

/* --- Waiting, and the hooks around it --- */

START_TEST(a_round_that_should_not_wait_does_not) {
    begin();
    start(FAR_MS, on_time, "a");
    round_handles(AE_ALL_EVENTS, 0);
    aeSetDontWait(ae, 1);
    ck_assert_int_eq(aeProcessEvents(ae, AE_ALL_EVENTS), 0);
    aeSetDontWait(ae, 0);
    ck_assert_int_eq(ae->flags & AE_DONT_WAIT, 0);
    ck_assert_int_eq(aeProcessEvents(ae, 0), 0);
    end();
}
END_TEST

static void before_sleep(struct aeEventLoop *loop) {
    (void)loop;
    note('<');
}

static void after_sleep(struct aeEventLoop *loop) {
    (void)loop;
    note('>');
}

static int stop_the_loop(struct aeEventLoop *loop, long long id, void *data) {
    (void)id;
    note(*(const char *)data);
    if (trace_length > 4) aeStop(loop);
    return 1;
}

START_TEST(hooks_are_called_around_the_sleep_when_asked_for) {
    begin();
    aeSetBeforeSleepProc(ae, before_sleep);
    aeSetAfterSleepProc(ae, after_sleep);
    start(0, stop_the_loop, "t");
    aeMain(ae);
    trace_is("<>t<>t");
    round_handles(AE_FILE_EVENTS, 0);
    round_handles(AE_FILE_EVENTS | AE_CALL_BEFORE_SLEEP, 0); /* there is nothing to look at */
    trace_is("");
    end();
}
END_TEST

static pthread_mutex_t big_lock = PTHREAD_MUTEX_INITIALIZER;

static void let_go(struct aeEventLoop *loop) {
    (void)loop;
    pthread_mutex_unlock(&big_lock);
}

static void take_back(struct aeEventLoop *loop) {
    (void)loop;
    pthread_mutex_lock(&big_lock);
}

static int end_the_loop(struct aeEventLoop *loop, long long id, void *data) {
    (void)id, (void)data;
    aeStop(loop);
    return AE_NOMORE;
}

static void *add_from_outside(void *argument) {
    pthread_mutex_lock(&big_lock);
    long long id = aeCreateTimeEvent(ae, FAR_MS, end_the_loop, NULL, NULL);
    *(int *)argument = aeDeleteTimeEvent(ae, id);
    aeCreateTimeEvent(ae, 0, end_the_loop, NULL, NULL);
    pthread_mutex_unlock(&big_lock);
    return NULL;
}

/* The loop has nothing to do for ten minutes, unless it hears of what the thread adds. */
START_TEST(who_has_the_lock_of_the_hooks_adds_an_event_to_a_loop_that_sleeps) {
    begin();
    aeSetBeforeSleepProc(ae, let_go);
    aeSetAfterSleepProc(ae, take_back);
    aeCreateTimeEvent(ae, FAR_MS, on_time, NULL, NULL);
    pthread_mutex_lock(&big_lock);
    pthread_t thread;
    int result = AE_ERR;
    ck_assert_int_eq(pthread_create(&thread, NULL, add_from_outside, &result), 0);
    aeMain(ae);
    pthread_mutex_unlock(&big_lock);
    pthread_join(thread, NULL);
    ck_assert_int_eq(result, AE_OK);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("ae_levels");
    ck_add(suite, "levels", nothing_is_lost_or_told_twice_at_any_depth,
           what_an_inner_level_deletes_the_outer_one_does_not_call,
           the_second_event_is_told_in_one_level_only);
    ck_add(suite, "time", a_time_event_comes_again_until_it_does_not_want_to,
           a_handler_deletes_itself_and_others, what_a_handler_adds_comes_in_the_next_round,
           a_running_time_event_is_deleted_in_an_inner_level,
           what_is_due_in_a_level_without_time_events_is_kept,
           a_wait_for_files_is_not_over_when_a_time_comes);
    ck_add(suite, "waiting", a_round_that_should_not_wait_does_not,
           hooks_are_called_around_the_sleep_when_asked_for,
           who_has_the_lock_of_the_hooks_adds_an_event_to_a_loop_that_sleeps);
    return suite;
}
