/* page_memory.c: blocks become larger and smaller, from malloc's to whole pages and back, and keep
 * what is in them; those of pages are the system's again at once. */
#include "page_memory.h"
#include "suite.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *resize(void *memory, size_t old_bytes, size_t new_bytes) {
    return page_memory.resize(page_memory.context, memory, old_bytes, new_bytes);
}

static void check_bytes(const unsigned char *memory, size_t bytes) {
    size_t at = 0;
    while (at < bytes && memory[at] == (unsigned char)(at * 7)) at++;
    ck_assert_uint_eq(at, bytes);
}

START_TEST(blocks_keep_what_is_in_them) {
    static const size_t sizes[] = {1, 100, 8191, 8192, 48 * 1024, 300 * 1024, 9000, 8192, 8000, 10};
    size_t bytes = 0;
    unsigned char *memory = NULL;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        memory = resize(memory, bytes, sizes[i]);
        ck_assert_ptr_nonnull(memory);
        ck_assert_uint_eq((uintptr_t)memory % _Alignof(max_align_t), 0);
        check_bytes(memory, bytes < sizes[i] ? bytes : sizes[i]);
        bytes = sizes[i];
        for (size_t at = 0; at < bytes; at++) memory[at] = (unsigned char)(at * 7);
    }
    ck_assert_ptr_null(resize(memory, bytes, 0));
    ck_assert_ptr_null(resize(NULL, 0, 0));
}
END_TEST

/* Whatever is in use above them and below. */
START_TEST(pages_are_given_back_at_once) {
    enum { COUNT = 20 };
    const size_t bytes = 64 * 1024;
    char *blocks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = resize(NULL, 0, bytes);
        ck_assert_ptr_nonnull(blocks[i]);
    }
    for (int i = 1; i < COUNT; i += 2) {
        ck_assert_ptr_null(resize(blocks[i], bytes, 0));
        if (getenv("EDDY_TEST_SLOW") != NULL) continue; /* valgrind would see a fault in asking */
        ck_assert_int_eq(msync(blocks[i], bytes, MS_ASYNC), -1);
        ck_assert_int_eq(errno, ENOMEM); /* nothing is mapped there */
    }
    for (int i = 0; i < COUNT; i += 2) ck_assert_ptr_null(resize(blocks[i], bytes, 0));
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("page memory");
    ck_add(suite, "blocks", blocks_keep_what_is_in_them, pages_are_given_back_at_once);
    return suite;
}
