/* arena.c: the allocator in memory of a fixed size: what it gives is apart, whole and aligned, and
 * what came back can be had again. */
#include "src/core/room.h"
#include "suite.h"
#include "system.h"

#include <string.h>

enum { MEMORY = 4096 };

static _Alignas(max_align_t) char memory[MEMORY + 1];
static eddy_arena arena;
static eddy_allocator allocator;

static void begin(size_t bytes) {
    eddy_arena_init(&arena, memory, bytes);
    allocator = eddy_arena_allocator(&arena);
}

static void *resize(void *block, size_t old_bytes, size_t new_bytes) {
    return allocator.resize(allocator.context, block, old_bytes, new_bytes);
}

/* --- Blocks of any kind --- */

struct block {
    unsigned char *at;
    size_t bytes;
    unsigned char sign;
};

static void sign(struct block *block, size_t from) {
    ck_assert_uint_eq((uintptr_t)block->at % ROOM_ALIGN, 0);
    ck_assert((char *)block->at >= memory && (char *)block->at + block->bytes <= memory + MEMORY);
    memset(block->at + from, block->sign, block->bytes - from);
}

/* That nobody else wrote into it, and that a move took it along. */
static void check_signed(const struct block *block, size_t bytes) {
    bool is_own = true;
    for (size_t i = 0; i < bytes; i++) is_own = is_own && block->at[i] == block->sign;
    ck_assert(is_own);
}

/* Random sizes come, grow, shrink and go; what was refused has changed nothing. */
START_TEST(blocks_are_apart_and_keep_their_bytes) {
    enum { BLOCKS = 40 };
    struct block blocks[BLOCKS] = {{0}};
    unsigned long long random = 7;
    unsigned refused = 0;
    size_t used = 0;
    begin(MEMORY);
    for (unsigned i = 0; i < BLOCKS; i++) blocks[i].sign = (unsigned char)(i + 1);
    for (int i = 0; i < 20000; i++) {
        struct block *block = &blocks[random_below(&random, BLOCKS)];
        size_t before = block->bytes, bytes = random_below(&random, 3) * random_below(&random, 160);
        check_signed(block, before);
        unsigned char *at = resize(block->at, before, bytes);
        if (at == NULL && bytes > 0) {
            refused++;
            check_signed(block, before);
        } else {
            block->at = at;
            block->bytes = bytes;
            check_signed(block, before < bytes ? before : bytes);
            if (bytes > before) sign(block, before);
            used += ROOM_OF(bytes) - ROOM_OF(before);
        }
        ck_assert_uint_eq(eddy_arena_used(&arena), used);
        ck_assert_uint_ge(eddy_arena_peak(&arena), used);
    }
    ck_assert_uint_gt(refused, 100);
    for (unsigned i = 0; i < BLOCKS; i++) {
        check_signed(&blocks[i], blocks[i].bytes);
        resize(blocks[i].at, blocks[i].bytes, 0);
    }
    ck_assert_uint_eq(eddy_arena_used(&arena), 0);
    ck_assert_ptr_eq(resize(NULL, 0, MEMORY), memory); /* in one piece again */
}
END_TEST

/* --- What is promised --- */

/* Of each of some sizes so many blocks at once, in an arena that has just the room for them: no
 * order of coming and going makes one fail. */
START_TEST(room_for_the_most_of_each_size_is_enough) {
    static const size_t sizes[] = {1, 40, 64, 100, 336, 17};
    enum { SIZES = sizeof sizes / sizeof sizes[0], MOST = 5 };
    unsigned char *blocks[SIZES][MOST] = {{NULL}};
    size_t room = 0;
    unsigned long long random = 3;
    for (unsigned i = 0; i < SIZES; i++) room += MOST * ROOM_OF(sizes[i]);
    ck_assert_uint_le(room, MEMORY);
    begin(room);
    for (int i = 0; i < 20000; i++) {
        unsigned size = random_below(&random, SIZES);
        unsigned char **block = &blocks[size][random_below(&random, MOST)];
        bool comes = *block == NULL;
        *block = resize(*block, comes ? 0 : sizes[size], comes ? sizes[size] : 0);
        ck_assert((*block != NULL) == comes);
    }
    ck_assert_uint_le(eddy_arena_peak(&arena), room);
}
END_TEST

START_TEST(what_is_short_is_joined_of_neighbours) {
    char *blocks[4];
    begin(4 * 64);
    for (int i = 0; i < 4; i++) blocks[i] = resize(NULL, 0, 64);
    ck_assert_ptr_null(resize(NULL, 0, 1));
    resize(blocks[0], 64, 0);
    resize(blocks[2], 64, 0);
    ck_assert_ptr_null(resize(NULL, 0, 128)); /* there is as much, but apart */
    resize(blocks[1], 64, 0);
    char *large = resize(NULL, 0, 128);
    ck_assert_ptr_nonnull(large);
    ck_assert_ptr_nonnull(resize(NULL, 0, 64)); /* the rest of them */
    ck_assert_ptr_null(resize(NULL, 0, 1));
    ck_assert_uint_eq(eddy_arena_used(&arena), 4 * 64);
}
END_TEST

/* A table that grows needs no room for its old self, if nothing came behind it. */
START_TEST(the_last_block_grows_where_it_is) {
    begin(1024);
    char *table = resize(NULL, 0, 64);
    ck_assert_ptr_eq(resize(table, 64, 1024), table);
    ck_assert_ptr_null(resize(table, 1024, 1025));
    ck_assert_uint_eq(eddy_arena_used(&arena), 1024);
    ck_assert_ptr_eq(resize(table, 1024, 64), table);
    ck_assert_uint_eq(eddy_arena_used(&arena), 64);
    ck_assert_ptr_nonnull(resize(NULL, 0, 1024 - 64));
    ck_assert_uint_eq(eddy_arena_peak(&arena), 1024);
}
END_TEST

/* --- At the edges --- */

START_TEST(memory_that_is_not_aligned_loses_its_beginning) {
    eddy_arena_init(&arena, memory + 1, ROOM_ALIGN - 1 + 2 * ROOM_UNIT);
    allocator = eddy_arena_allocator(&arena);
    ck_assert_ptr_eq(resize(NULL, 0, 2 * ROOM_UNIT), memory + ROOM_ALIGN);
    ck_assert_ptr_null(resize(NULL, 0, 1));
    for (size_t bytes = 0; bytes < ROOM_UNIT; bytes++) {
        eddy_arena_init(&arena, memory + 1, bytes);
        ck_assert_ptr_null(resize(NULL, 0, 1));
    }
    eddy_arena_init(&arena, NULL, 0);
    ck_assert_ptr_null(resize(NULL, 0, 1));
}
END_TEST

START_TEST(sizes_that_no_memory_has_are_refused) {
    begin(MEMORY);
    char *block = resize(NULL, 0, 10);
    for (size_t i = 0; i < 2 * ROOM_UNIT; i++) {
        ck_assert_ptr_null(resize(NULL, 0, SIZE_MAX - i));
        ck_assert_ptr_null(resize(block, 10, SIZE_MAX - i));
    }
    ck_assert_ptr_null(resize(NULL, 0, 0));
    ck_assert_uint_eq(eddy_arena_used(&arena), ROOM_OF(10));
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("arena");
    ck_add(suite, "random", blocks_are_apart_and_keep_their_bytes,
           room_for_the_most_of_each_size_is_enough);
    ck_add(suite, "blocks", what_is_short_is_joined_of_neighbours, the_last_block_grows_where_it_is,
           memory_that_is_not_aligned_loses_its_beginning, sizes_that_no_memory_has_are_refused);
    return suite;
}
