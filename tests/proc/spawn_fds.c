/* spawn_fds.c: a child has the descriptors that the map names, at their numbers, and no others. */
#include "spawned.h"

#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>

enum { FILES = 12 };

/* Files of different sizes, at different descriptors. */
static int files[FILES];

static void open_files(void) {
    for (int i = 0; i < FILES; i++) {
        char path[] = "/tmp/eddy-spawn-XXXXXX";
        files[i] = mkstemp(path);
        ck_assert_int_ge(files[i], 0);
        unlink(path);
        ck_assert_int_eq(ftruncate(files[i], i + 1), 0);
        fcntl(files[i], F_SETFD, FD_CLOEXEC);
    }
}

static void close_files(void) {
    for (int i = 0; i < FILES; i++) close(files[i]);
}

/* Gives the files in `which` to the child at `numbers`, and looks whether it has them. */
static void check_map(const int *numbers, const int *which, unsigned count, int out,
                      unsigned flags) {
    struct eddy_os_child_fd map[FILES];
    char questions[512] = "", expected[512] = "";
    for (unsigned i = 0; i < count; i++) {
        map[i] = (struct eddy_os_child_fd){.number = numbers[i], .fd = files[which[i]]};
        sprintf(questions + strlen(questions), "size=%d ", numbers[i]);
        sprintf(expected + strlen(expected), "%d\n", which[i] + 1);
    }
    eddy_child_options options = {.flags = flags};
    ck_assert_int_eq(spawn_look(options, map, count, out, questions), 0);
    ck_assert_str_eq(spawned.answer, expected);
    for (unsigned i = 0; i < count; i++) {
        struct stat stat;
        ck_assert_int_eq(fstat(files[which[i]], &stat), 0);
        ck_assert_int_eq(stat.st_size, which[i] + 1);
        ck_assert_int_ne(fcntl(files[which[i]], F_GETFD) & FD_CLOEXEC, 0);
    }
}

/* A number is often a source of another one, of itself, or of a circle; the answer's and the
 * internal pipe's descriptors are among those that are overwritten. */
START_TEST(any_permutation_arrives) {
    unsigned long long state = 7;
    open_files();
    for (int round = 0; round < 150; round++) {
        int numbers[FILES + 1], which[FILES];
        unsigned count = 1 + random_below(&state, FILES);
        int range = files[FILES - 1] + 6;
        for (unsigned i = 0; i <= count; i++) {
            bool is_taken = true;
            while (is_taken) {
                is_taken = false;
                numbers[i] = (int)random_below(&state, (unsigned)range);
                for (unsigned j = 0; j < i; j++) is_taken |= numbers[j] == numbers[i];
            }
        }
        for (unsigned i = 0; i < count; i++) which[i] = (int)random_below(&state, FILES);
        check_map(numbers, which, count, numbers[count], round % 2 ? EDDY_CHILD_KEEP_FDS : 0);
    }
    close_files();
}
END_TEST

/* Two change places, and three go round: what a loop of dup2 would lose. */
START_TEST(descriptors_change_places) {
    open_files();
    int two[] = {files[1], files[0]}, three[] = {files[1], files[2], files[0]};
    int which[] = {0, 1, 2};
    check_map(two, which, 2, 1, 0);
    check_map(three, which, 3, 1, 0);
    close_files();
}
END_TEST

/* dup2 of a descriptor onto itself leaves it close-on-exec. */
START_TEST(a_descriptor_at_its_own_number_is_not_closed_by_exec) {
    open_files();
    int which[] = {0, 5};
    int numbers[] = {files[0], files[5]};
    check_map(numbers, which, 2, 1, 0);
    check_map(numbers, which, 2, 1, EDDY_CHILD_KEEP_FDS);
    close_files();
}
END_TEST

/* There is no number above those of the map to put anything aside. */
START_TEST(the_map_may_reach_up_to_the_limit) {
    enum { LIMIT = 40 };
    struct rlimit limit, low;
    open_files();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    low = (struct rlimit){LIMIT, limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    int numbers[FILES], which[FILES];
    for (int i = 0; i < FILES; i++) {
        numbers[i] = LIMIT - 1 - i;
        which[i] = i;
    }
    numbers[FILES - 1] = files[0]; /* which has to step aside */
    check_map(numbers, which, FILES, 1, 0);
    struct eddy_os_child_fd beyond = {.number = LIMIT, .fd = files[0]};
    ck_assert_int_eq(spawn_look((eddy_child_options){0}, &beyond, 1, 1, "fds"), -EBADF);
    ck_assert(has_no_children());
    setrlimit(RLIMIT_NOFILE, &limit);
    close_files();
}
END_TEST

/* Also when they fill every number that the spawn itself might use. */
START_TEST(the_error_arrives_whatever_the_map_fills) {
    enum { NUMBERS = 40 };
    struct eddy_os_child_fd map[NUMBERS];
    char *arguments[] = {(char[]){"/nothing/there"}, NULL};
    eddy_child_options options = {.arguments = arguments};
    open_files();
    for (int i = 0; i < NUMBERS; i++) map[i] = (struct eddy_os_child_fd){i, files[i % FILES]};
    ck_assert_int_eq(eddy_os_spawn(&options, map, NUMBERS, &spawned.pid, &spawned.pidfd), -ENOENT);
    for (int i = 0; i < FILES; i++) {
        struct stat stat;
        ck_assert_int_eq(fstat(files[i], &stat), 0);
        ck_assert_int_eq(stat.st_size, i + 1); /* nothing was written there instead */
    }
    close_files();
}
END_TEST

START_TEST(what_is_not_open_is_an_error) {
    int closed = dup(0);
    close(closed);
    int before = descriptors_open(256);
    for (int number = 0; number < 12; number++) {
        struct eddy_os_child_fd map = {.number = number == 1 ? 20 : number, .fd = closed + 2};
        ck_assert_int_eq(fcntl(map.fd, F_GETFD), -1);
        ck_assert_int_eq(spawn_look((eddy_child_options){0}, &map, 1, 1, "fds"), -EBADF);
        map.fd = -1;
        ck_assert_int_eq(spawn_look((eddy_child_options){0}, &map, 1, 1, "fds"), -EBADF);
    }
    ck_assert_int_eq(descriptors_open(256), before);
    ck_assert(has_no_children());
}
END_TEST

/* Those that somebody has opened without close-on-exec are the child's only when asked for, and
 * not even then those that are close-on-exec. */
START_TEST(nothing_that_is_not_named_is_inherited) {
    int open_one = dup(0), hidden = fcntl(0, F_DUPFD_CLOEXEC, 310), far = fcntl(0, F_DUPFD, 300);
    char kept[64];
    ck_assert_int_ge(far, 300);
    ck_assert_str_eq(look((eddy_child_options){0}, "fds"), "0 1 2 3 \n"); /* 3: its answer's copy */
    snprintf(kept, sizeof kept, "size=%d size=%d size=%d", open_one, far, hidden);
    ck_assert_str_eq(look((eddy_child_options){0}, kept), "closed\nclosed\nclosed\n");
    look((eddy_child_options){.flags = EDDY_CHILD_KEEP_FDS}, kept);
    ck_assert_ptr_null(strstr(spawned.answer, "closed\nclosed"));
    ck_assert_ptr_nonnull(strstr(spawned.answer, "\nclosed\n"));
    close(open_one);
    close(hidden);
    close(far);
}
END_TEST

/* Single ones between those of the map, before and after them. */
START_TEST(what_lies_between_those_of_the_map_is_not_inherited) {
    static const struct eddy_os_child_fd map[] = {{23, 20}, {21, 21}, {25, 24}, {28, 22}};
    for (int fd = 20; fd < 32; fd++) ck_assert_int_eq(dup2(0, fd), fd);
    ck_assert_int_eq(spawn_look((eddy_child_options){0}, map, 4, 1, "fds"), 0);
    ck_assert_str_eq(spawned.answer, "0 1 2 3 21 23 25 28 \n");
    for (int fd = 20; fd < 32; fd++) close(fd);
}
END_TEST

/* In a process without some of 0 to 2 our own pipes get these numbers. */
static void spawn_without(int closed) {
    struct eddy_os_child_fd map[3];
    int in[2], out[2];
    char byte = 'x', text[16] = "";
    for (int fd = 0; fd < 3; fd++)
        if (closed >> fd & 1) close(fd);
    child_assert(pipe(in) == 0 && pipe(out) == 0);
    map[0] = (struct eddy_os_child_fd){0, in[0]};
    map[1] = (struct eddy_os_child_fd){1, out[1]};
    map[2] = (struct eddy_os_child_fd){2, out[1]};
    char *arguments[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"cat; echo e >&2"}, NULL};
    eddy_child_options options = {.arguments = arguments};
    child_assert(eddy_os_spawn(&options, map, 3, &spawned.pid, &spawned.pidfd) == 0);
    child_assert(write(in[1], &byte, 1) == 1);
    close_both(in);
    close(out[1]);
    size_t used = 0;
    ssize_t got;
    while ((got = read(out[0], text + used, sizeof text - 1 - used)) > 0) used += (size_t)got;
    child_assert(strcmp(text, "xe\n") == 0);
    child_assert(waitpid(spawned.pid, &spawned.status, 0) == spawned.pid && spawned.status == 0);
    /* Without a map the numbers stay closed: none is taken by a descriptor of ours. */
    char *failing[] = {(char[]){"/nothing/there"}, NULL};
    options.arguments = failing;
    child_assert(eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd) == -ENOENT);
    _exit(0);
}

START_TEST(closed_standard_descriptors_are_no_trouble) {
    for (int closed = 0; closed < 8; closed++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) spawn_without(closed);
        child_is_content(child);
    }
}
END_TEST

/* The flags of a description belong to all who have it. */
START_TEST(a_description_that_is_shared_is_left_as_it_was) {
    int ends[2];
    test_pipe(ends);
    struct eddy_os_child_fd map = {.number = 0, .fd = ends[0]};
    ck_assert_int_eq(spawn_look((eddy_child_options){0}, &map, 1, 1, "blocking=0 reopen=1"), 0);
    ck_assert_str_eq(spawned.answer, "0\n1\n");
    ck_assert_int_ne(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(ends[0], F_GETFD) & FD_CLOEXEC, 0);
    close_both(ends);
}
END_TEST

/* --- Very many --- */

static int64_t spawn_time_ns(void) {
    char *arguments[] = {(char[]){"true"}, NULL};
    eddy_child_options options = {.arguments = arguments};
    int64_t least = INT64_MAX;
    for (int i = 0; i < 8; i++) { /* others may have the processor */
        int64_t before = test_now_ns();
        ck_assert_int_eq(eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd), 0);
        int64_t took = test_now_ns() - before;
        spawned_wait();
        if (took < least) least = took;
    }
    return least;
}

/* 100,000 descriptors, and a limit of a million: no loop over the limit. */
START_TEST(very_many_descriptors_do_not_make_it_slow) {
    int allowed = descriptors_allow(1 << 20);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < 1 << 20 && geteuid() == 0) {
        limit.rlim_cur = limit.rlim_max = 1 << 20;
        if (setrlimit(RLIMIT_NOFILE, &limit) == 0) allowed = 1 << 20;
    }
    int count = allowed < 110000 ? allowed / 2 : 100000;
    for (int i = 0; i < count; i++) ck_assert_int_ge(dup(0), 0);
    if (getenv("EDDY_TEST_SLOW") == NULL) ck_assert_int_lt(spawn_time_ns(), 50 * EDDY_NS_PER_MS);
    ck_assert_str_eq(look((eddy_child_options){0}, "fds"), "0 1 2 3 \n");
}
END_TEST

static void *spawn_some(void *argument) {
    (void)spawn_time_ns();
    return argument;
}

START_TEST(a_thread_with_a_small_stack_can_spawn) {
    pthread_attr_t how;
    pthread_t thread;
    size_t least = (size_t)PTHREAD_STACK_MIN;
    ck_assert_int_eq(pthread_attr_init(&how), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&how, least < 32768 ? 32768 : least), 0);
    ck_assert_int_eq(pthread_create(&thread, &how, spawn_some, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&how);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("descriptors of a child");
    ck_add(suite, "map", any_permutation_arrives, descriptors_change_places,
           a_descriptor_at_its_own_number_is_not_closed_by_exec, the_map_may_reach_up_to_the_limit,
           the_error_arrives_whatever_the_map_fills, what_is_not_open_is_an_error,
           what_lies_between_those_of_the_map_is_not_inherited,
           nothing_that_is_not_named_is_inherited, closed_standard_descriptors_are_no_trouble,
           a_description_that_is_shared_is_left_as_it_was);
    ck_add(suite, "many", very_many_descriptors_do_not_make_it_slow,
           a_thread_with_a_small_stack_can_spawn);
    return suite;
}
