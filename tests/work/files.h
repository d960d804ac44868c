/* files.h: a directory of the test's own, a loop, and file requests that are waited for.
 * A test that takes `_i` runs twice: without and with the attempt to go without a thread; what it
 * asserts must hold both times. */
#ifndef EDDY_TESTS_FILES_H
#define EDDY_TESTS_FILES_H

#include "jobs.h"

#include <stdio.h>
#include <sys/stat.h>

struct place {
    eddy_loop *loop;
    char path[64];
    int dir;
};

static inline struct place place_open(int attempt) {
    struct place place = {.loop = test_loop_open()};
    eddy_file_set_attempt(place.loop, attempt != 0);
    strcpy(place.path, "/tmp/eddy-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(place.path));
    place.dir = open(place.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(place.dir, 0);
    return place;
}

/* The test has removed its files, or fails here. */
static inline void place_close(struct place *place) {
    ck_assert_int_eq(close(place->dir), 0);
    ck_assert_int_eq(rmdir(place->path), 0);
    test_loop_close(place->loop);
}

/* How often to repeat what takes `count` times; valgrind is slow. */
static inline int repeats(int count) {
    return getenv("EDDY_TEST_SLOW") != NULL ? count / 50 : count;
}

struct request {
    eddy_file file;
    bool done;
    int count;
};

static inline void request_done(eddy_file *file) {
    struct request *it = eddy_container_of(file, struct request, file);
    it->done = true;
    it->count++;
}

/* Waits for a request's callback and gives its result. */
static inline int64_t finish(struct place *place, struct request *it, int submitted) {
    ck_assert_int_eq(submitted, 0);
    ck_assert(!it->done); /* never inside the call */
    test_turn_until(place->loop, &it->done);
    ck_assert_int_eq(it->count, 1);
    return it->file.result;
}

/* The result of `eddy_file_…(loop, request, arguments…)`. */
#define WAIT(place, function, ...)                                                      \
    __extension__({                                                                     \
        struct request it_ = {.done = false};                                           \
        int submitted_ = function((place)->loop, &it_.file, __VA_ARGS__, request_done); \
        finish(place, &it_, submitted_);                                                \
    })

static inline int create(struct place *place, const char *name, const void *data, size_t size) {
    int fd = openat(place->dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
    return fd;
}

static inline void erase(struct place *place, const char *name) {
    ck_assert_int_eq(unlinkat(place->dir, name, 0), 0);
}

static inline eddy_metrics loop_metrics(const eddy_loop *loop) {
    eddy_metrics metrics;
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    return metrics;
}

/* The same, once without and once with attempts. */
#define files_add(suite, name, ...)                                      \
    do {                                                                 \
        const TTest *const tests_[] = {__VA_ARGS__};                     \
        TCase *case_ = tcase_create(name);                               \
        tcase_set_timeout(case_, 60);                                    \
        for (size_t i_ = 0; i_ < sizeof tests_ / sizeof tests_[0]; i_++) \
            tcase_add_loop_test(case_, tests_[i_], 0, 2);                \
        suite_add_tcase(suite, case_);                                   \
    } while (0)

#endif
