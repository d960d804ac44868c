/* room.c: what streams, children and the pool take from an arena: so many as were reckoned with
 * fit, the next call says -ENOMEM, all others go on, and it succeeds once one has given its room
 * back. */
#include "net.h"

#include <signal.h>

enum { MEMORY = 256 * 1024, SEVERAL = 5, MANY = 100, TIMERS = 4, BUFFER = 4096 };

static _Alignas(max_align_t) char memory[MEMORY];
static eddy_arena arena;
static eddy_allocator allocator;
static eddy_loop *loop;

/* A loop with `bytes` for the modules, and none to spare. */
static void begin(size_t bytes) {
    eddy_loop_config config = {.allocator = &allocator,
                               .is_fixed = true,
                               .descriptors = 64,
                               .timers = TIMERS,
                               .read_buffer_bytes = BUFFER,
                               .pool_threads = 2};
    eddy_arena_init(&arena, memory, MEMORY);
    allocator = eddy_arena_allocator(&arena);
    loop = test_loop_open_with(config);
    size_t needed = eddy_arena_peak(&arena);
    test_loop_close(loop);
    ck_assert_uint_le(needed + bytes, MEMORY);
    eddy_arena_init(&arena, memory, needed + bytes);
    allocator = eddy_arena_allocator(&arena);
    loop = test_loop_open_with(config);
}

/* The bounds are constants, and leave something over. That is taken here, so that nothing is left,
 * and given back. */
static struct stuffing { struct stuffing *next; } * stuffed;

static void stuff(void) {
    struct stuffing *one;
    while ((one = allocator.resize(allocator.context, NULL, 0, sizeof *one)) != NULL) {
        one->next = stuffed;
        stuffed = one;
    }
}

static void unstuff(void) {
    for (struct stuffing *one = stuffed, *next; one != NULL; one = next) {
        next = one->next;
        allocator.resize(allocator.context, one, sizeof *one, 0);
    }
    stuffed = NULL;
}

static void finish(void) {
    unstuff();
    test_loop_close(loop);
    ck_assert_uint_eq(eddy_arena_used(&arena), 0);
}

static void turn(void) {
    ck_assert_int_ge(test_run(loop, EDDY_RUN_NOWAIT), 0);
}

static void close_both(const int ends[2]) {
    close(ends[0]);
    close(ends[1]);
}

static void on_timer(eddy_timer *timer) {
    (void)timer;
}

/* --- Streams --- */

static struct end readers[SEVERAL + 1];
static int pipes[SEVERAL + 1][2];

static int attach(int i) {
    test_pipe(pipes[i]);
    end_init(&readers[i], loop);
    int err = eddy_stream_attach(&readers[i].stream, pipes[i][0]);
    if (err < 0) close_both(pipes[i]);
    if (err == 0) ck_assert_int_eq(eddy_stream_read_start(&readers[i].stream, end_on_read), 0);
    return err;
}

static void detach(int i) {
    end_close(&readers[i]);
    close(pipes[i][1]);
}

static void check_reads(int i) {
    size_t before = readers[i].received;
    ck_assert_int_eq(write(pipes[i][1], "x", 1), 1);
    while (readers[i].received == before) turn();
}

START_TEST(so_many_pipes_fit_and_one_more_does_not) {
    begin(EDDY_STREAMS_BYTES(BUFFER) + SEVERAL * EDDY_PIPE_BYTES);
    for (int i = 0; i < SEVERAL; i++) ck_assert_int_eq(attach(i), 0);
    stuff();
    for (int i = 0; i < SEVERAL; i++) {
        ck_assert_int_eq(attach(SEVERAL), -ENOMEM);
        for (int k = 0; k < SEVERAL; k++) check_reads(k);
        detach(i);
        ck_assert_int_eq(attach(SEVERAL), 0);
        check_reads(SEVERAL);
        detach(SEVERAL);
        ck_assert_int_eq(attach(i), 0);
    }
    for (int i = 0; i < SEVERAL; i++) detach(i);
    finish();
}
END_TEST

/* Who brings his own buffer needs none of the loop's. */
START_TEST(a_stream_without_a_buffer_reads_into_the_programs) {
    static char own[100];
    begin(EDDY_STREAMS_BYTES(0));
    struct end end;
    int other = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), -ENOMEM);
    ck_assert_int_eq(eddy_stream_read_into(&end.stream, own, sizeof own, end_on_read), 0);
    ck_assert_int_eq(send(other, "abc", 3, 0), 3);
    while (end.received < 3) turn();
    close(other);
    test_turn_until(loop, &end.ended);
    end_close(&end);
    finish();
}
END_TEST

/* The module itself finds no room, and does when there is some. */
START_TEST(the_first_stream_may_have_to_wait_for_room) {
    begin(EDDY_STREAMS_BYTES(BUFFER));
    stuff();
    struct end end;
    int ends[2];
    tcp_pair(ends);
    end_init(&end, loop);
    ck_assert_int_eq(eddy_stream_attach(&end.stream, ends[0]), -ENOMEM);
    turn();
    unstuff();
    ck_assert_int_eq(eddy_stream_attach(&end.stream, ends[0]), 0);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    close(ends[1]);
    test_turn_until(loop, &end.ended);
    end_close(&end);
    finish();
}
END_TEST

/* A deadline takes a timer: without one left the stream says so, and goes on without it. */
START_TEST(deadlines_take_timers) {
    begin(EDDY_STREAMS_BYTES(BUFFER));
    eddy_timer timers[TIMERS];
    for (int i = 0; i < TIMERS; i++) {
        eddy_timer_init(&timers[i], loop);
        ck_assert_int_eq(eddy_timer_start(&timers[i], on_timer, EDDY_NS_PER_S * 100, 0), 0);
    }
    struct end end;
    int other = end_connect(&end, loop);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&end.stream, EDDY_NS_PER_S), -ENOMEM);
    ck_assert_int_eq(send(other, "x", 1, 0), 1);
    while (end.received < 1) turn();
    eddy_timer_stop(&timers[0]);
    ck_assert_int_eq(eddy_stream_set_read_deadline(&end.stream, 0), 0);
    while (!end.told) turn();
    ck_assert_int_eq(end.error, -ETIMEDOUT);
    for (int i = 1; i < TIMERS; i++) eddy_timer_stop(&timers[i]);
    end_close(&end);
    close(other);
    finish();
}
END_TEST

START_TEST(descriptors_are_received_when_there_is_room) {
    begin(EDDY_STREAMS_BYTES(BUFFER) + EDDY_PASS_BYTES);
    int ends[2];
    test_socket_pair(ends);
    struct end end;
    end_init(&end, loop);
    ck_assert_int_eq(eddy_stream_attach(&end.stream, ends[0]), 0);
    ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
    stuff();
    ck_assert_int_eq(eddy_pass_receive(&end.stream, true), -ENOMEM);
    unstuff();
    ck_assert_int_eq(eddy_pass_receive(&end.stream, true), 0);
    ck_assert_int_eq(send(ends[1], "x", 1, 0), 1);
    while (end.received < 1) turn();
    end_close(&end);
    close(ends[1]);
    finish();
}
END_TEST

/* --- Children --- */

struct told {
    eddy_child child;
    bool ended;
};

static void on_ended(eddy_child *child, const eddy_exit *exit) {
    ck_assert_int_eq(exit->error, 0);
    eddy_container_of(child, struct told, child)->ended = true;
}

static int start(struct told *told, const char *script) {
    char *arguments[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                         (char *)(uintptr_t)script, NULL};
    eddy_child_options options = {.arguments = arguments};
    told->ended = false;
    eddy_child_init(&told->child, loop);
    return eddy_child_spawn(&told->child, &options, on_ended);
}

START_TEST(so_many_children_fit_and_one_more_does_not) {
    struct told children[SEVERAL + 1];
    begin(EDDY_CHILDREN_BYTES + SEVERAL * EDDY_CHILD_BYTES);
    for (int i = 0; i < SEVERAL; i++) ck_assert_int_eq(start(&children[i], "exec sleep 100"), 0);
    stuff();
    ck_assert_int_eq(start(&children[SEVERAL], "exit 0"), -ENOMEM);
    turn();
    ck_assert_int_eq(kill(eddy_child_pid(&children[0].child), SIGKILL), 0);
    test_turn_until(loop, &children[0].ended);
    ck_assert_int_eq(start(&children[SEVERAL], "exit 0"), 0);
    test_turn_until(loop, &children[SEVERAL].ended);
    for (int i = 1; i < SEVERAL; i++) {
        ck_assert_int_eq(kill(eddy_child_pid(&children[i].child), SIGKILL), 0);
        test_turn_until(loop, &children[i].ended);
    }
    turn();
    finish();
}
END_TEST

/* --- The pool --- */

static bool done;

static void job(eddy_work *work) {
    (void)work;
}

static void on_done(eddy_work *work, int status) {
    (void)work;
    ck_assert_int_eq(status, 0);
    done = true;
}

START_TEST(the_pool_takes_its_memory_from_the_arena) {
    eddy_work work;
    begin(EDDY_POOL_BYTES(2));
    stuff();
    ck_assert_int_eq(eddy_work_submit(loop, &work, EDDY_LANE_CPU, job, on_done), -ENOMEM);
    turn();
    unstuff();
    done = false;
    ck_assert_int_eq(eddy_work_submit(loop, &work, EDDY_LANE_CPU, job, on_done), 0);
    test_turn_until(loop, &done);
    finish();
}
END_TEST

/* --- Labels --- */

/* Those that there is reckoned room for leave the room of others alone; with less each is found. */
START_TEST(labels_are_found_with_any_room) {
    static eddy_label labels[MANY];
    for (int with_room = 0; with_room < 2; with_room++) {
        begin(EDDY_LABELS_BYTES(MANY) + EDDY_STREAMS_BYTES(BUFFER));
        if (with_room == 0) {
            eddy_label_init(&labels[0], loop);
            ck_assert_int_eq(eddy_label_set(&labels[0], &labels[0], "one"), 0);
            stuff();
        }
        for (int i = 1 - with_room; i < MANY; i++) {
            eddy_label_init(&labels[i], loop);
            ck_assert_int_eq(eddy_label_set(&labels[i], &labels[i], "one"), 0);
        }
        for (int i = 0; i < MANY; i++) ck_assert_ptr_nonnull(eddy_label_of(loop, &labels[i]));
        unstuff();
        struct end end;
        int other = end_connect(&end, loop);
        ck_assert_int_eq(eddy_stream_read_start(&end.stream, end_on_read), 0);
        close(other);
        end_close(&end);
        for (int i = 0; i < MANY; i++) eddy_label_clear(&labels[i]);
        finish();
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("net/room");
    ck_add(suite, "streams", so_many_pipes_fit_and_one_more_does_not,
           a_stream_without_a_buffer_reads_into_the_programs,
           the_first_stream_may_have_to_wait_for_room, deadlines_take_timers,
           descriptors_are_received_when_there_is_room);
    ck_add(suite, "others", so_many_children_fit_and_one_more_does_not,
           the_pool_takes_its_memory_from_the_arena, labels_are_found_with_any_room);
    return suite;
}
