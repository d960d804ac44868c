/* file_cache.c: which files a server keeps open, and for how long. The descriptors are /dev/null's.
 */
#include "suite.h"
#include "system.h"

#include <stdio.h>

#include "file_cache.h"

static const int64_t start_ns = 5 * EDDY_NS_PER_S;

static struct file_cache cache;

static int open_null(void) {
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static bool is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

/* Adds and releases; returns the descriptor. */
static int add(const char *path, int64_t now_ns) {
    eddy_stat stat = {.size = 7};
    int fd = open_null();
    struct path_key key = path_key_of(path);
    struct cached_file *file = file_cache_add(&cache, &key, fd, &stat, now_ns);
    ck_assert_ptr_nonnull(file);
    file_cache_release(file);
    return fd;
}

static bool finds(const char *path, int64_t now_ns, int fd) {
    struct path_key key = path_key_of(path);
    struct cached_file *file = file_cache_find(&cache, &key, now_ns);
    if (file == NULL) return false;
    ck_assert_int_eq(file->fd, fd);
    ck_assert_int_eq(file->stat.size, 7);
    file_cache_release(file);
    return true;
}

/* A file is found by its whole path, until its second is over; then it is closed. */
START_TEST(files_are_kept_for_a_second) {
    file_cache_init(&cache, 10);
    int fd = add("a/b", start_ns);
    ck_assert(finds("a/b", start_ns, fd));
    ck_assert(finds("a/b", start_ns + FILE_CACHE_NS - 1, fd));
    ck_assert(!finds("a/b", start_ns + FILE_CACHE_NS, fd));
    ck_assert(!finds("a", start_ns, fd));
    ck_assert(!finds("a/bc", start_ns, fd));
    ck_assert(is_open(fd));
    ck_assert_int_eq(file_cache_expire(&cache, start_ns + 1), start_ns + FILE_CACHE_NS);
    ck_assert(is_open(fd));
    ck_assert_int_eq(file_cache_expire(&cache, start_ns + FILE_CACHE_NS), -1);
    ck_assert(!is_open(fd));
}
END_TEST

/* A user that sends a file while it gets too old, or has to make room, keeps its descriptor to the
 * end. */
START_TEST(users_keep_what_is_no_longer_listed) {
    file_cache_init(&cache, 1);
    eddy_stat stat = {.size = 7};
    int fd = open_null();
    struct path_key key = path_key_of("one");
    struct cached_file *file = file_cache_add(&cache, &key, fd, &stat, start_ns);
    ck_assert_ptr_eq(file_cache_find(&cache, &key, start_ns), file);
    int other = add("two", start_ns + 1);
    ck_assert(!finds("one", start_ns + 1, fd));
    ck_assert(finds("two", start_ns + 1, other));
    ck_assert(is_open(fd));
    file_cache_release(file);
    ck_assert(is_open(fd));
    file_cache_release(file);
    ck_assert(!is_open(fd));
    file_cache_clear(&cache);
    ck_assert(!is_open(other));
    ck_assert_uint_eq(cache.count, 0);
}
END_TEST

/* Two requests for a file that was not there both open it: the later one counts, both are closed.
 */
START_TEST(the_latest_of_a_path_is_found) {
    file_cache_init(&cache, 10);
    int first = add("same", start_ns);
    int second = add("same", start_ns + 10);
    ck_assert(finds("same", start_ns + 10, second));
    ck_assert_int_eq(file_cache_expire(&cache, start_ns + FILE_CACHE_NS),
                     start_ns + 10 + FILE_CACHE_NS);
    ck_assert(!is_open(first));
    ck_assert(finds("same", start_ns + FILE_CACHE_NS, second));
    file_cache_clear(&cache);
    ck_assert(!is_open(second));
}
END_TEST

/* Many files, more than there are buckets or places: the oldest make room, and none is mixed up. */
START_TEST(the_oldest_make_room) {
    enum { PLACES = FILE_CACHE_BUCKETS + 100, FILES = 2 * PLACES };
    static char paths[FILES][16];
    int before = descriptors_open(descriptors_allow(PLACES + 100));
    file_cache_init(&cache, PLACES);
    for (int i = 0; i < FILES; i++) {
        snprintf(paths[i], sizeof paths[i], "file%d", i);
        add(paths[i], start_ns + i);
    }
    ck_assert_uint_eq(cache.count, PLACES);
    for (int i = 0; i < FILES; i++) {
        struct path_key key = path_key_of(paths[i]);
        struct cached_file *file = file_cache_find(&cache, &key, start_ns + FILES);
        ck_assert_int_eq(file != NULL, i >= FILES - PLACES);
        if (file == NULL) continue;
        ck_assert_str_eq(file->path, paths[i]);
        file_cache_release(file);
    }
    file_cache_clear(&cache);
    ck_assert_int_eq(descriptors_open(descriptors_allow(PLACES + 100)), before);
}
END_TEST

/* Without places there is no cache, and the descriptor stays its opener's. */
START_TEST(no_places_keep_nothing) {
    eddy_stat stat = {0};
    file_cache_init(&cache, 0);
    int fd = open_null();
    struct path_key key = path_key_of("x");
    ck_assert_ptr_null(file_cache_add(&cache, &key, fd, &stat, start_ns));
    ck_assert_ptr_null(file_cache_find(&cache, &key, start_ns));
    ck_assert_int_eq(file_cache_expire(&cache, start_ns), -1);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("unit/file_cache");
    ck_add(suite, "cache", files_are_kept_for_a_second, users_keep_what_is_no_longer_listed,
           the_latest_of_a_path_is_found, the_oldest_make_room, no_places_keep_nothing);
    return suite;
}
