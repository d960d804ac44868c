/* loop.c: opening and closing a loop, and what is left behind. */
#include "memory.h"
#include "suite.h"
#include "system.h"

static int open_with(eddy_loop **loop, eddy_loop_config config) {
    if (config.backend == NULL) config.backend = test_backend;
    return eddy_loop_open(loop, &config);
}

static void do_nothing(eddy_timer *timer) {
    (void)timer;
}

/* The name that was asked for is what one gets, and its description is the listed one. */
START_TEST(a_loop_opens_on_the_backend_asked_for_by_name) {
    eddy_backend_info listed = {0};
    for (size_t i = 0; eddy_backend_at(i, &listed) == 0; i++)
        if (strcmp(listed.name, test_backend) == 0) break;
    ck_assert_str_eq(listed.name, test_backend);
    eddy_loop *loop;
    ck_assert_int_eq(open_with(&loop, (eddy_loop_config){0}), 0);
    const eddy_backend_info *info = eddy_loop_backend(loop);
    ck_assert_str_eq(info->name, test_backend);
    ck_assert_uint_eq(info->capabilities, listed.capabilities);
    ck_assert_int_eq(info->fd_max, listed.fd_max);
    ck_assert_int_gt(info->fd_max, 1000);
    ck_assert_int_eq(eddy_loop_verify(loop, NULL), 0);
    ck_assert_int_eq(eddy_loop_close(loop), 0);
}
END_TEST

START_TEST(a_loop_without_a_config_takes_the_first_backend) {
    eddy_backend_info best;
    ck_assert_int_eq(eddy_backend_at(0, &best), 0);
    eddy_loop *loop;
    ck_assert_int_eq(eddy_loop_open(&loop, NULL), 0);
    ck_assert_str_eq(eddy_loop_backend(loop)->name, best.name);
    ck_assert_int_eq(eddy_loop_close(loop), 0);
}
END_TEST

START_TEST(the_list_of_backends_has_an_end_and_no_name_twice) {
    eddy_backend_info info, earlier;
    size_t count = 0;
    while (eddy_backend_at(count, &info) == 0) {
        for (size_t i = 0; i < count; i++) {
            ck_assert_int_eq(eddy_backend_at(i, &earlier), 0);
            ck_assert_str_ne(earlier.name, info.name);
        }
        ck_assert_uint_lt(count++, 100);
        eddy_loop *loop;
        int err = open_with(&loop, (eddy_loop_config){.backend = info.name});
        if (err == -ENOSYS || err == -EPERM) continue; /* the kernel refuses what is not the best */
        ck_assert_int_eq(err, 0);
        ck_assert_str_eq(eddy_loop_backend(loop)->name, info.name);
        ck_assert_int_eq(eddy_loop_close(loop), 0);
    }
    ck_assert_uint_ge(count, 1);
    ck_assert_int_eq(eddy_backend_at(count, &info), -ENOENT);
    ck_assert_int_eq(eddy_backend_at(SIZE_MAX, &info), -ENOENT);
}
END_TEST

START_TEST(an_unknown_backend_is_no_entry) {
    eddy_loop *loop;
    static const char *const names[] = {"", "iocp", "epol", "epolls", "EPOLL", "poll "};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        ck_assert_int_eq(open_with(&loop, (eddy_loop_config){.backend = names[i]}), -ENOENT);
}
END_TEST

START_TEST(settings_out_of_range_are_invalid) {
    eddy_loop *loop;
    ck_assert_int_eq(open_with(&loop, (eddy_loop_config){.events_per_turn = 1u << 27}), -EINVAL);
    ck_assert_int_eq(open_with(&loop, (eddy_loop_config){.events_per_turn = ~0u}), -EINVAL);
    ck_assert_int_eq(open_with(&loop, (eddy_loop_config){.events_per_turn = 1}), 0);
    ck_assert_int_eq(eddy_loop_close(loop), 0);
    ck_assert_int_eq(open_with(&loop, (eddy_loop_config){.events_per_turn = 100000}), 0);
    ck_assert_int_eq(eddy_loop_close(loop), 0);
}
END_TEST

/* What the program prints, or reads, is not the loop's. */
START_TEST(a_loop_leaves_the_standard_descriptors_alone) {
    if (strcmp(test_backend, "kqueue") == 0) return; /* which cannot be duplicated everywhere */
    for (eddy_wakeup_kind kind = EDDY_WAKEUP_PIPE; kind <= EDDY_WAKEUP_EVENTFD; kind++) {
        eddy_loop *loop;
        int kept[3];
        for (int i = 0; i < 3; i++) kept[i] = fcntl(i, F_DUPFD, 10);
        for (int i = 0; i < 3; i++) close(i);
        int err = open_with(&loop, (eddy_loop_config){.wakeup = kind});
        bool are_free = true;
        for (int i = 0; i < 3; i++) are_free = are_free && fcntl(i, F_GETFD) < 0;
        for (int i = 0; i < 3; i++) {
            dup2(kept[i], i);
            close(kept[i]);
        }
        ck_assert_int_eq(err, 0);
        ck_assert(are_free);
        ck_assert_int_eq(eddy_loop_close(loop), 0);
    }
}
END_TEST

static void on_post(eddy_post *post) {
    (void)post;
}

/* The header promises three descriptors, or two where the backend has none; all close-on-exec. The
 * double of kqueue, where the system has none, makes its own out of three. This program posts: a
 * loop of one that does not has no pipe (lone.c). */
START_TEST(a_loop_takes_three_descriptors_at_most_and_gives_them_back) {
    int before = descriptors_open(200);
    eddy_loop *loop;
    eddy_post post;
    ck_assert_int_eq(open_with(&loop, (eddy_loop_config){0}), 0);
    eddy_loop_post(loop, &post, on_post);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    int taken = descriptors_open(200) - before;
    ck_assert_int_ge(taken, 2);
    ck_assert_int_le(taken, strcmp(test_backend, "kqueue") == 0 ? 5 : 3);
    for (int fd = 0; fd < 200; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags < 0 || fcntl(fd, F_GETFL) < 0 || (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0) continue;
        ck_assert_msg((flags & FD_CLOEXEC) != 0, "descriptor %d would survive an exec", fd);
    }
    ck_assert_int_eq(eddy_loop_close(loop), 0);
    ck_assert_int_eq(descriptors_open(200), before);
}
END_TEST

/* Whichever descriptor is the one too many, the error is told and none is left open. */
START_TEST(open_without_descriptors_says_so_and_leaves_none) {
    int before = descriptors_open(200);
    struct rlimit old, tight;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    tight = old;
    bool opened = false;
    for (rlim_t limit = 0; limit < 200 && !opened; limit++) {
        eddy_loop *loop;
        tight.rlim_cur = limit;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
        int err = open_with(&loop, (eddy_loop_config){0});
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
        opened = err == 0;
        if (!opened) ck_assert_int_eq(err, -EMFILE);
        if (opened) ck_assert_int_eq(eddy_loop_close(loop), 0);
        ck_assert_int_eq(descriptors_open(200), before);
    }
    ck_assert(opened);
}
END_TEST

/* Each allocation of open fails once, and once with all that come after it. */
START_TEST(open_without_memory_says_so_and_leaves_nothing) {
    int before = descriptors_open(200);
    for (int forever = 0; forever < 2; forever++) {
        int err = -ENOMEM;
        for (long fail_in = 0; err == -ENOMEM; fail_in++) {
            struct test_memory memory = test_memory_make();
            eddy_allocator allocator = test_memory_allocator(&memory);
            memory.fail_in = fail_in;
            memory.fail_on = forever != 0;
            eddy_loop *loop = NULL;
            err = open_with(&loop, (eddy_loop_config){.allocator = &allocator});
            ck_assert(err == 0 || err == -ENOMEM);
            if (err == 0) ck_assert_int_eq(eddy_loop_close(loop), 0);
            ck_assert_uint_eq(memory.blocks, 0);
            ck_assert_uint_eq(memory.bytes, 0);
            ck_assert_int_eq(descriptors_open(200), before);
            ck_assert_int_lt(fail_in, 100);
        }
    }
}
END_TEST

/* The allocator's struct is copied: the caller's may go. */
START_TEST(all_memory_comes_from_the_allocator_given) {
    struct test_memory memory = test_memory_make();
    eddy_allocator allocator = test_memory_allocator(&memory);
    eddy_loop *loop = test_loop_open_with((eddy_loop_config){.allocator = &allocator});
    allocator = (eddy_allocator){0};
    eddy_metrics metrics;
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    ck_assert_uint_gt(memory.asked, 0);
    ck_assert_uint_eq(metrics.allocations, memory.asked);
    eddy_timer timers[100];
    for (int i = 0; i < 100; i++) {
        eddy_timer_init(&timers[i], loop);
        ck_assert_int_eq(eddy_timer_start(&timers[i], do_nothing, 1, 0), 0);
    }
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    ck_assert_uint_eq(metrics.allocations, memory.asked);
    for (int i = 0; i < 100; i++) eddy_timer_stop(&timers[i]);
    test_loop_close(loop);
    ck_assert_uint_eq(memory.blocks, 0);
    ck_assert_uint_eq(memory.bytes, 0);
}
END_TEST

/* A handle that is still active makes close refuse, referenced or not; the loop works on. */
START_TEST(close_is_busy_while_a_handle_is_active) {
    eddy_loop *loop = test_loop_open();
    eddy_timer timer;
    eddy_timer_init(&timer, loop);
    ck_assert_int_eq(eddy_timer_start(&timer, do_nothing, EDDY_NS_PER_S, 0), 0);
    ck_assert_int_eq(eddy_loop_close(loop), -EBUSY);
    eddy_unref(&timer.handle);
    ck_assert_int_eq(eddy_loop_close(loop), -EBUSY);
    eddy_timer_stop(&timer);
    eddy_ref(&timer.handle);
    ck_assert_int_eq(eddy_timer_start(&timer, do_nothing, 0, 0), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    test_loop_close(loop);
}
END_TEST

static eddy_loop *own_loop;
static int close_result;

static void close_own_loop(eddy_timer *timer) {
    (void)timer;
    close_result = eddy_loop_close(own_loop);
}

START_TEST(close_is_busy_inside_a_callback) {
    eddy_loop *loop;
    ck_assert_int_eq(open_with(&loop, (eddy_loop_config){0}), 0);
    eddy_timer timer;
    own_loop = loop;
    eddy_timer_init(&timer, loop);
    ck_assert_int_eq(eddy_timer_start(&timer, close_own_loop, 0, 0), 0);
    close_result = 1;
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_DEFAULT), 0);
    ck_assert_int_eq(close_result, -EBUSY);
    ck_assert_int_eq(eddy_loop_close(loop), 0);
}
END_TEST

/* No global state: many loops live side by side, and go in any order. */
START_TEST(loops_are_independent) {
    enum { LOOPS = 20 };
    eddy_loop *loops[LOOPS];
    eddy_timer timers[LOOPS];
    for (int i = 0; i < LOOPS; i++) {
        ck_assert_int_eq(open_with(&loops[i], (eddy_loop_config){0}), 0);
        eddy_timer_init(&timers[i], loops[i]);
        ck_assert_int_eq(eddy_timer_start(&timers[i], do_nothing, i % 3, 0), 0);
    }
    for (int i = 0; i < LOOPS; i++) {
        int at = i * 7 % LOOPS;
        ck_assert_int_eq(eddy_loop_run(loops[at], EDDY_RUN_DEFAULT), 0);
        ck_assert_int_eq(eddy_loop_close(loops[at]), 0);
    }
}
END_TEST

/* A program of another header: its struct is shorter, and what lies behind it stays; or longer, and
 * nothing of it stays unset. */
START_TEST(counts_are_told_as_far_as_the_caller_knows_them) {
    eddy_loop *loop;
    ck_assert_int_eq(open_with(&loop, (eddy_loop_config){0}), 0);
    ck_assert_int_eq(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    struct {
        eddy_metrics known;
        uint64_t unknown;
    } longer;
    memset(&longer, 0x5a, sizeof longer);
    eddy_loop_read_metrics(loop, &longer.known, offsetof(eddy_metrics, waits));
    ck_assert_uint_eq(longer.known.turns, 1);
    ck_assert_uint_eq(longer.known.waits, UINT64_C(0x5a5a5a5a5a5a5a5a));
    eddy_loop_read_metrics(loop, &longer.known, sizeof longer);
    ck_assert_uint_eq(longer.known.waits, 1);
    ck_assert_uint_eq(longer.known.timers_active, 0);
    ck_assert_uint_eq(longer.unknown, 0);
    ck_assert_int_eq(eddy_loop_close(loop), 0);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("loop");
    ck_add(suite, "open", a_loop_opens_on_the_backend_asked_for_by_name,
           a_loop_without_a_config_takes_the_first_backend,
           the_list_of_backends_has_an_end_and_no_name_twice, an_unknown_backend_is_no_entry,
           settings_out_of_range_are_invalid, a_loop_leaves_the_standard_descriptors_alone,
           a_loop_takes_three_descriptors_at_most_and_gives_them_back,
           open_without_descriptors_says_so_and_leaves_none,
           open_without_memory_says_so_and_leaves_nothing,
           all_memory_comes_from_the_allocator_given);
    ck_add(suite, "close", close_is_busy_while_a_handle_is_active, close_is_busy_inside_a_callback,
           loops_are_independent, counts_are_told_as_far_as_the_caller_knows_them);
    return suite;
}
