/* fixed.c: a loop that is fixed takes nothing after it is opened; it has just what it was told to
 * have, and says -ENOMEM of what is beyond, after which all goes on. */
#include "memory.h"
#include "suite.h"
#include "system.h"

#include <limits.h>

enum { MANY = 200, MEMORY = 128 * 1024, DESCRIPTORS = 96, TIMERS = 37, EVENTS = 8 };

static _Alignas(max_align_t) char memory[MEMORY];
static eddy_arena arena;
static eddy_allocator allocator;
static eddy_loop *loop;
static eddy_io watchers[MANY];
static eddy_timer timers[MANY];
static unsigned calls;

static eddy_loop_config config_of(unsigned descriptors, unsigned timers_max) {
    return (eddy_loop_config){.backend = test_backend,
                              .allocator = &allocator,
                              .events_per_turn = EVENTS,
                              .is_fixed = true,
                              .descriptors = descriptors,
                              .timers = timers_max};
}

static void make_arena(size_t bytes) {
    ck_assert_uint_le(bytes, MEMORY);
    eddy_arena_init(&arena, memory, bytes);
    allocator = eddy_arena_allocator(&arena);
}

/* In just the memory that is said to be enough. */
static void begin(void) {
    eddy_loop_config config = config_of(DESCRIPTORS, TIMERS);
    make_arena(eddy_loop_bytes(&config));
    calls = 0;
    loop = test_loop_open_with(config);
}

static uint64_t asked(void) {
    eddy_metrics metrics;
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    return metrics.allocations;
}

static void turn(void) {
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
}

static void on_io(eddy_io *io, unsigned events) {
    (void)io;
    ck_assert_uint_eq(events, EDDY_READ);
    calls++;
}

static void on_timer(eddy_timer *timer) {
    (void)timer;
    calls++;
}

/* --- Descriptors --- */

/* A watcher on each number below `limit` that is free, all of them readable; returns how many. */
static unsigned watch_all(int fd, int limit) {
    unsigned count = 0;
    for (;;) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        ck_assert_int_ge(copy, 0);
        if (copy >= limit) {
            close(copy);
            return count;
        }
        eddy_io_init(&watchers[count], loop);
        ck_assert_int_eq(eddy_io_start(&watchers[count], on_io, copy, EDDY_READ), 0);
        count++;
    }
}

static void stop_all(unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        int fd = eddy_io_fd(&watchers[i]);
        eddy_io_stop(&watchers[i]);
        close(fd);
    }
}

/* Enough turns for each to be told of, EVENTS of them a turn. */
static void check_told(unsigned count) {
    calls = 0;
    for (int i = 0; i < MANY && calls < count; i++) turn();
    ck_assert_uint_ge(calls, count);
}

START_TEST(descriptors_below_the_number_fit_and_the_next_does_not) {
    begin();
    int ends[2];
    test_pipe(ends);
    put(ends[1], "x");
    uint64_t before = asked();
    for (int round = 0; round < 3; round++) {
        unsigned count = watch_all(ends[0], DESCRIPTORS);
        ck_assert_uint_gt(count, DESCRIPTORS / 2);
        eddy_io beyond;
        int fd = fcntl(ends[0], F_DUPFD_CLOEXEC, DESCRIPTORS);
        ck_assert_int_ge(fd, DESCRIPTORS);
        eddy_io_init(&beyond, loop);
        ck_assert_int_eq(eddy_io_start(&beyond, on_io, fd, EDDY_READ), -ENOMEM);
        ck_assert(!eddy_is_active(&beyond.handle));
        check_told(count);
        /* Once a number below is free again, the same watcher has its place. */
        int freed = eddy_io_fd(&watchers[count - 1]);
        eddy_io_stop(&watchers[count - 1]);
        ck_assert_int_eq(dup2(fd, freed), freed);
        ck_assert_int_eq(eddy_io_start(&beyond, on_io, freed, EDDY_READ), 0);
        check_told(count);
        eddy_io_stop(&beyond);
        close(freed);
        close(fd);
        stop_all(count - 1);
    }
    ck_assert_uint_eq(asked(), before);
    close_both(ends);
    test_loop_close(loop);
    ck_assert_uint_eq(eddy_arena_used(&arena), 0);
}
END_TEST

/* A number that nothing is open at is the program's mistake, as everywhere. */
START_TEST(stray_descriptors_are_told_as_such) {
    begin();
    eddy_io io;
    eddy_io_init(&io, loop);
    ck_assert_int_eq(eddy_io_start(&io, on_io, DESCRIPTORS + 100, EDDY_READ), -EBADF);
    test_loop_close(loop);
}
END_TEST

/* --- Timers --- */

START_TEST(so_many_timers_fit_and_one_more_does_not) {
    begin();
    uint64_t before = asked();
    for (int i = 0; i <= TIMERS; i++) eddy_timer_init(&timers[i], loop);
    for (int i = 0; i < TIMERS; i++)
        ck_assert_int_eq(eddy_timer_start(&timers[i], on_timer, EDDY_NS_PER_S + i, 0), 0);
    for (int i = 0; i < TIMERS; i++) {
        eddy_timer *beyond = &timers[i == 0 ? TIMERS : i - 1];
        ck_assert_int_eq(eddy_timer_start(beyond, on_timer, 0, 0), -ENOMEM);
        ck_assert(!eddy_is_active(&beyond->handle));
        ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
        /* One that runs may be started again, to either side. */
        ck_assert_int_eq(eddy_timer_start(&timers[i], on_timer, EDDY_NS_PER_S - i, 0), 0);
        ck_assert_int_eq(eddy_timer_start(&timers[i], on_timer, 2 * EDDY_NS_PER_S, 0), 0);
        eddy_timer_stop(&timers[i]);
        ck_assert_int_eq(eddy_timer_start(beyond, on_timer, 3 * EDDY_NS_PER_S, 0), 0);
    }
    for (int i = 0; i <= TIMERS; i++)
        if (eddy_is_active(&timers[i].handle))
            ck_assert_int_eq(eddy_timer_start(&timers[i], on_timer, i * 1000, 0), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_uint_eq(calls, TIMERS);
    ck_assert_uint_eq(asked(), before);
    test_loop_close(loop);
    ck_assert_uint_eq(eddy_arena_used(&arena), 0);
}
END_TEST

/* --- Opening --- */

static size_t bound(const eddy_loop_config *config) {
    unsigned descriptors = config->descriptors, events = config->events_per_turn;
    size_t bytes = EDDY_LOOP_BYTES(descriptors, config->timers, events);
    if (strcmp(test_backend, "poll") == 0) bytes += EDDY_LOOP_POLL_BYTES(descriptors);
    if (strcmp(test_backend, "select") == 0) bytes += EDDY_LOOP_SELECT_BYTES;
    if (strcmp(test_backend, "kqueue") == 0) bytes += EDDY_LOOP_KQUEUE_BYTES(descriptors, events);
    if (strcmp(test_backend, "io_uring") == 0) bytes += EDDY_LOOP_IO_URING_BYTES(descriptors);
    return bytes;
}

/* What is said is enough, and no more than a few units are left over; the constants are above it.
 */
START_TEST(the_formula_is_what_is_taken) {
    for (unsigned n = 64; n < 800; n += 23) {
        eddy_loop_config config = config_of(n, 800 - n);
        config.events_per_turn = n / 3;
        size_t said = eddy_loop_bytes(&config);
        make_arena(said);
        loop = test_loop_open_with(config);
        ck_assert_uint_le(said - eddy_arena_used(&arena), 7 * 16);
        ck_assert_uint_eq(eddy_arena_peak(&arena), eddy_arena_used(&arena));
        ck_assert_uint_ge(bound(&config), said);
        test_loop_close(loop);
    }
}
END_TEST

START_TEST(no_less_memory_will_do) {
    eddy_loop_config config = config_of(DESCRIPTORS, TIMERS);
    make_arena(MEMORY);
    loop = test_loop_open_with(config);
    size_t needed = eddy_arena_peak(&arena);
    test_loop_close(loop);
    for (size_t bytes = 0; bytes < needed; bytes += 16) {
        make_arena(bytes);
        ck_assert_int_eq(eddy_loop_open(&loop, &config), -ENOMEM);
        ck_assert_uint_eq(eddy_arena_used(&arena), 0);
    }
    make_arena(needed);
    loop = test_loop_open_with(config);
    test_loop_close(loop);
}
END_TEST

/* The loop's own descriptor needs a place as well. */
START_TEST(a_loop_without_a_place_for_its_pipe_is_not_opened) {
    eddy_loop_config config = config_of(3, TIMERS);
    make_arena(MEMORY);
    int ends[2];
    test_pipe(ends);
    ck_assert_int_eq(eddy_loop_open(&loop, &config), -ENOMEM);
    ck_assert_uint_eq(eddy_arena_used(&arena), 0);
    close_both(ends);
}
END_TEST

START_TEST(what_cannot_be_opened_has_no_size) {
    eddy_loop_config config = config_of(DESCRIPTORS, TIMERS);
    config.backend = "none";
    ck_assert_uint_eq(eddy_loop_bytes(&config), 0);
    config = config_of(DESCRIPTORS, TIMERS);
    config.events_per_turn = UINT_MAX;
    ck_assert_uint_eq(eddy_loop_bytes(&config), 0);
    /* Zeros are the defaults, and without a name each backend fits. */
    config = (eddy_loop_config){.allocator = &allocator, .is_fixed = true};
    eddy_loop_config own = {.backend = test_backend, .is_fixed = true};
    ck_assert_uint_ge(eddy_loop_bytes(NULL), eddy_loop_bytes(&own));
    make_arena(eddy_loop_bytes(NULL));
    loop = test_loop_open_with(config);
    ck_assert_int_eq(eddy_loop_reserve(loop, 64, 16), 0);
    ck_assert_int_eq(eddy_loop_reserve(loop, 65, 16), -ENOMEM);
    ck_assert_int_eq(eddy_loop_reserve(loop, 64, 17), -ENOMEM);
    test_loop_close(loop);
    /* No descriptor is beyond what the backend takes. */
    own.descriptors = UINT_MAX;
    own.timers = 1;
    eddy_loop_config most = own;
    most.descriptors = 1024;
    if (strcmp(test_backend, "select") == 0)
        ck_assert_uint_eq(eddy_loop_bytes(&own), eddy_loop_bytes(&most));
    else
        ck_assert(eddy_loop_bytes(&own) == 0 || eddy_loop_bytes(&own) / 16 > INT_MAX);
}
END_TEST

/* --- Forks --- */

static void child_goes_on(int fd, unsigned count) {
    child_assert(eddy_loop_after_fork(loop) == 0);
    child_assert(asked() > 0);
    uint64_t before = asked();
    calls = 0;
    for (int i = 0; i < MANY && calls < count; i++)
        child_assert(eddy_loop_run(loop, EDDY_RUN_NOWAIT) >= 0);
    child_assert(calls >= count);
    for (unsigned i = 0; i < count; i++) eddy_io_stop(&watchers[i]);
    child_assert(eddy_io_start(&watchers[0], on_io, fd, EDDY_READ) == 0);
    eddy_io_stop(&watchers[0]);
    child_assert(asked() == before);
    child_assert(eddy_loop_run(loop, EDDY_RUN_NOWAIT) == 0);
    _exit(0);
}

/* The child registers everything anew, in the room that there is. */
START_TEST(a_forked_child_goes_on_in_its_room) {
    begin();
    int ends[2];
    test_pipe(ends);
    put(ends[1], "x");
    unsigned count = watch_all(ends[0], DESCRIPTORS);
    uint64_t before = asked();
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) child_goes_on(ends[0], count);
    child_is_content(child);
    check_told(count);
    ck_assert_uint_eq(asked(), before);
    stop_all(count);
    close_both(ends);
    test_loop_close(loop);
}
END_TEST

/* --- Room in a loop that grows --- */

START_TEST(what_was_reserved_needs_no_memory) {
    struct test_memory heap = test_memory_make();
    allocator = test_memory_allocator(&heap);
    loop = test_loop_open_with((eddy_loop_config){.allocator = &allocator});
    int ends[2];
    test_pipe(ends);
    put(ends[1], "x");
    calls = 0;
    ck_assert_int_eq(eddy_loop_reserve(loop, MANY, MANY), 0);
    ck_assert_int_eq(eddy_loop_reserve(loop, 1, 0), 0); /* nothing is given back */
    heap.fail_in = 0;
    heap.fail_on = true;
    unsigned count = watch_all(ends[0], MANY);
    for (int i = 0; i < MANY; i++) {
        eddy_timer_init(&timers[i], loop);
        ck_assert_int_eq(eddy_timer_start(&timers[i], on_timer, EDDY_NS_PER_S, 0), 0);
    }
    ck_assert_int_eq(eddy_loop_reserve(loop, MANY, MANY), 0);
    ck_assert_int_eq(eddy_loop_reserve(loop, 0, 2 * MANY), -ENOMEM);
    ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
    check_told(count);
    stop_all(count);
    for (int i = 0; i < MANY; i++) eddy_timer_stop(&timers[i]);
    heap.fail_in = -1;
    close_both(ends);
    test_loop_close(loop);
    ck_assert_uint_eq(heap.blocks, 0);
}
END_TEST

static eddy_timer grower;

static void on_grow(eddy_timer *timer) {
    (void)timer;
    calls++;
    ck_assert_int_eq(eddy_loop_reserve(loop, MANY, MANY), 0);
}

/* In a callback, with timers due and descriptors that changed: the tables move under the turn. */
START_TEST(room_is_made_within_a_turn) {
    struct test_memory heap = test_memory_make();
    allocator = test_memory_allocator(&heap);
    loop = test_loop_open_with((eddy_loop_config){.allocator = &allocator});
    int ends[2];
    test_pipe(ends);
    put(ends[1], "x");
    calls = 0;
    eddy_timer_init(&grower, loop);
    ck_assert_int_eq(eddy_timer_start(&grower, on_grow, 0, 0), 0);
    for (int i = 0; i < 5; i++) {
        eddy_timer_init(&timers[i], loop);
        ck_assert_int_eq(eddy_timer_start(&timers[i], on_timer, 0, 0), 0);
    }
    eddy_io_init(&watchers[0], loop);
    ck_assert_int_eq(eddy_io_start(&watchers[0], on_io, ends[0], EDDY_READ), 0);
    turn();
    ck_assert_uint_eq(calls, 7);
    eddy_io_stop(&watchers[0]);
    close_both(ends);
    test_loop_close(loop);
    ck_assert_uint_eq(heap.blocks, 0);
}
END_TEST

/* --- The program's pointer --- */

START_TEST(a_loop_keeps_a_pointer_for_the_program) {
    loop = test_loop_open();
    ck_assert_ptr_null(eddy_loop_data(loop));
    eddy_loop_set_data(loop, &calls);
    ck_assert_ptr_eq(eddy_loop_data(loop), &calls);
    turn();
    ck_assert_ptr_eq(eddy_loop_data(loop), &calls);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fixed");
    ck_add(suite, "exhausted", descriptors_below_the_number_fit_and_the_next_does_not,
           stray_descriptors_are_told_as_such, so_many_timers_fit_and_one_more_does_not);
    ck_add(suite, "opening", the_formula_is_what_is_taken, no_less_memory_will_do,
           a_loop_without_a_place_for_its_pipe_is_not_opened, what_cannot_be_opened_has_no_size);
    ck_add(suite, "fork", a_forked_child_goes_on_in_its_room);
    ck_add(suite, "reserve", what_was_reserved_needs_no_memory, room_is_made_within_a_turn);
    ck_add(suite, "data", a_loop_keeps_a_pointer_for_the_program);
    return suite;
}
