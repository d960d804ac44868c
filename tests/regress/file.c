/* file.c: traps of file operations: short transfers, full devices, signals. A file system that
 * fills up is in namespaces.c. */
#include "../work/files.h"

#include <signal.h>
#include <sys/time.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif

/* A device that is full from the start: the error, not a count. */
START_TEST(a_full_device_is_told) {
    struct place place = place_open(_i);
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        ck_assert_int_eq(WAIT(&place, eddy_file_write, fd, "abc", 3, -1), -ENOSPC);
        ck_assert_int_eq(WAIT(&place, eddy_file_write, fd, "abc", 3, 0), -ENOSPC);
        close(fd);
    }
    place_close(&place);
}
END_TEST

/* A write that is cut by a limit has a partial count, and the next one the error: here the limit of
 * a file's size, for which the system also sends a signal that would end the process. In a child,
 * since the test framework writes files too. */
static int64_t write_in_child(eddy_loop *loop, int fd, const struct iovec *vectors, int count,
                              int64_t offset) {
    struct request it = {.done = false};
    child_assert(eddy_file_writev(loop, &it.file, fd, vectors, count, offset, request_done) == 0);
    child_assert(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
    child_assert(it.count == 1);
    return it.file.result;
}

static void write_past_limit(int fd) {
    static char data[3000];
    struct rlimit limit = {.rlim_cur = 1000, .rlim_max = 1000};
    struct iovec vectors[3] = {{data, 700}, {data, 700}, {data, 700}}, one = {data, 3000};
    eddy_loop *loop;
    child_assert(eddy_loop_open(&loop, &(eddy_loop_config){.backend = test_backend}) == 0);
#ifndef __linux__ /* there the thread that writes gets the signal, and blocks it; here the process \
                   */
    child_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
#endif
    child_assert(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    child_assert(write_in_child(loop, fd, vectors, 3, 0) == 1000);
    child_assert(write_in_child(loop, fd, vectors, 1, 1000) == -EFBIG);
    child_assert(write_in_child(loop, fd, &one, 1, 500) == 500);
    child_assert(eddy_loop_close(loop) == 0);
}

START_TEST(a_write_cut_by_a_limit_is_a_partial_count) {
    struct place place = place_open(_i);
    int fd = create(&place, "a", "", 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        write_past_limit(fd);
        _exit(0);
    }
    child_is_content(child);
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

/* A pipe takes a little at a time: the write goes on until all is through, the reader's reads give
 * what is there. Signals rain down meanwhile, and EINTR is never an outcome. */
static void on_alarm(int number) {
    (void)number;
}

static void *read_slowly(void *argument) {
    int fd = *(int *)argument;
    static char part[777];
    intptr_t total = 0;
    unsigned reads = 0;
    /* A yield is a turn of everybody else's on a busy machine: not for each part. */
    for (ssize_t got; (got = read(fd, part, sizeof part)) != 0;) {
        if (got > 0) total += got;
        if (++reads % 16 == 0) sched_yield();
    }
    return (void *)total;
}

START_TEST(a_long_write_to_a_slow_pipe_is_whole_under_signals) {
    struct place place = place_open(_i);
    struct sigaction action = {.sa_handler = on_alarm}, before;
    ck_assert_int_eq(sigaction(SIGALRM, &action, &before), 0);
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    ck_assert_int_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pthread_t reader;
    ck_assert_int_eq(pthread_create(&reader, NULL, read_slowly, &ends[0]), 0);
    enum { BYTES = 1 << 20 }; /* many times what a pipe holds */
    static char data[BYTES];
    ck_assert_int_eq(WAIT(&place, eddy_file_write, ends[1], data, BYTES, -1), BYTES);
    close(ends[1]);
    void *total;
    ck_assert_int_eq(pthread_join(reader, &total), 0);
    ck_assert_int_eq((intptr_t)total, BYTES);
    close(ends[0]);
    ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
    ck_assert_int_eq(sigaction(SIGALRM, &before, NULL), 0);
    place_close(&place);
}
END_TEST

/* The reader is gone: an error, not a signal that ends the program. */
START_TEST(a_write_to_a_broken_pipe_is_an_error) {
    struct place place = place_open(_i);
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    struct sigaction action = {.sa_handler = SIG_DFL}, before;
    ck_assert_int_eq(sigaction(SIGPIPE, &action, &before), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_write, ends[1], "abc", 3, -1), -EPIPE);
    ck_assert_int_eq(sigaction(SIGPIPE, &before, NULL), 0);
    close(ends[1]);
    place_close(&place);
}
END_TEST

/* Linux's RWF_NOWAIT waits for the device where the descriptor reads directly: such a read goes to
 * a thread. A file system that reads from its memory all the same (tmpfs, btrfs at odd places) may
 * answer at once. */
#ifdef __linux__
static bool reads_directly(int fd) {
    enum { EXT4 = 0xef53, XFS = 0x58465342 };
    struct statfs system;
    ck_assert_int_eq(fstatfs(fd, &system), 0);
    return system.f_type == EXT4 || system.f_type == XFS;
}

START_TEST(a_direct_descriptor_is_read_by_a_thread) {
    enum { BYTES = 64 << 10, BLOCK = 4096 };
    struct place place = place_open(_i);
    static char data[BYTES];
    void *back = NULL;
    ck_assert_int_eq(posix_memalign(&back, BLOCK, BYTES), 0);
    for (int i = 0; i < BYTES; i++) data[i] = (char)(i / 7);
    int fd = create(&place, "a", data, BYTES);
    ck_assert_int_eq(fsync(fd), 0);
    int direct = openat(place.dir, "a", O_RDONLY | O_DIRECT | O_CLOEXEC);
    for (int size = BLOCK; direct >= 0 && size <= BYTES; size *= 4) {
        struct iovec halves[2] = {{back, (size_t)size / 2},
                                  {(char *)back + size / 2, (size_t)size / 2}};
        memset(back, 0, BYTES);
        ck_assert_int_eq(WAIT(&place, eddy_file_read, direct, back, (size_t)size, 0), size);
        ck_assert(memcmp(back, data, (size_t)size) == 0);
        ck_assert_int_eq(WAIT(&place, eddy_file_readv, direct, halves, 2, 0), size);
    }
    if (direct >= 0 && reads_directly(fd)) ck_assert_uint_eq(loop_metrics(place.loop).file_hits, 0);
    /* Whole blocks of an ordinary descriptor are as they were. */
    memset(back, 0x55, BYTES);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, back, BLOCK, BLOCK), BLOCK);
    ck_assert(memcmp(back, data + BLOCK, BLOCK) == 0);
    ck_assert_int_eq(((char *)back)[BLOCK], 0x55);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, back, BYTES, BYTES - BLOCK), BLOCK);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, back, BYTES, 0), BYTES);
    if (_i && reads_directly(fd) && getenv("EDDY_TEST_PLAIN") == NULL)
        ck_assert_uint_ge(loop_metrics(place.loop).file_hits, 2);
    if (direct >= 0) close(direct);
    free(back);
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST
#endif

Suite *make_suite(void) {
    Suite *suite = suite_create("file traps");
    files_add(suite, "file traps", a_full_device_is_told, a_write_cut_by_a_limit_is_a_partial_count,
              a_long_write_to_a_slow_pipe_is_whole_under_signals,
              a_write_to_a_broken_pipe_is_an_error);
#ifdef __linux__
    files_add(suite, "direct", a_direct_descriptor_is_read_by_a_thread);
#endif
    return suite;
}
