/* memory.h: an allocator for tests: it counts, it fails on demand, it checks what it is told, and
 * it moves every block that is resized, so that a pointer into the old one is found out. Threading:
 * as the loop that uses it. */
#ifndef EDDY_TESTS_MEMORY_H
#define EDDY_TESTS_MEMORY_H

#include <eddy.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct test_memory {
    size_t blocks, bytes; /* in use */
    unsigned long asked;  /* calls that wanted memory */
    long fail_in;         /* so many such calls succeed before one fails; negative: none fails */
    bool fail_on;         /* after the first failure, all fail */
};

union test_block {
    struct {
        size_t bytes;
    } head;
    max_align_t align;
};

static inline void *test_memory_resize(void *context, void *memory, size_t old_bytes,
                                       size_t new_bytes) {
    struct test_memory *it = context;
    union test_block *old = memory == NULL ? NULL : (union test_block *)memory - 1;
    ck_assert_uint_eq(old_bytes, old == NULL ? 0 : old->head.bytes);
    union test_block *fresh = NULL;
    if (new_bytes > 0) {
        it->asked++;
        bool fails = it->fail_in == 0;
        if (it->fail_in > 0 || (fails && !it->fail_on)) it->fail_in--;
        if (fails) return NULL;
        fresh = malloc(sizeof *fresh + new_bytes);
        ck_assert_ptr_nonnull(fresh);
        memset(fresh + 1, 0xa5, new_bytes);
        fresh->head.bytes = new_bytes;
        if (old != NULL) memcpy(fresh + 1, old + 1, old_bytes < new_bytes ? old_bytes : new_bytes);
        it->blocks++;
        it->bytes += new_bytes;
    }
    if (old != NULL) {
        it->blocks--;
        it->bytes -= old_bytes;
        /* Directly before a free() that it sees, the compiler leaves the writing out. */
        void (*volatile give)(void *) = free;
        memset(old + 1, 0x5a, old_bytes);
        give(old);
    }
    return fresh == NULL ? NULL : fresh + 1;
}

static inline struct test_memory test_memory_make(void) {
    return (struct test_memory){.fail_in = -1};
}

static inline eddy_allocator test_memory_allocator(struct test_memory *memory) {
    return (eddy_allocator){test_memory_resize, memory};
}

#endif
