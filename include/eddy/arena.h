/* arena.h: memory of a fixed size for a loop, so that nothing comes from a heap.
 *
 *     static _Alignas(max_align_t) char memory[EDDY_LOOP_BYTES(64, 16, 32)];
 *     eddy_arena arena;
 *     eddy_arena_init(&arena, memory, sizeof memory);
 *     eddy_allocator allocator = eddy_arena_allocator(&arena);
 *     eddy_loop_config config = {.backend = "epoll", .allocator = &allocator, .is_fixed = true,
 *                                .descriptors = 64, .timers = 16, .events_per_turn = 32};
 *     eddy_loop_open(&loop, &config);
 *
 * Such a loop takes all that it has for itself when it is opened. What the modules above it need,
 * they take from the same arena: see the list below. When there is no more of something, the call
 * that wanted it returns -ENOMEM, and nothing else has changed: it succeeds when something of the
 * kind has been given back. docs/examples/no_heap.c is a whole program, docs/21-embedding.md tells
 * the rest.
 *
 * What is given back is kept for whoever asks for that size again. So all calls succeed for sure in
 * an arena that has room for the most blocks of each size that are in use at once, whatever comes
 * and goes: blocks of one size never stand in the way of another's. Only where there is less are
 * free blocks joined, and cut anew. To take and to give back costs a look at the free blocks.
 * @since 0.1 */
#ifndef EDDY_ARENA_H
#define EDDY_ARENA_H

#include <eddy/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Fields are private. It stays where it is, as does its memory, until nothing uses it. */
typedef struct eddy_arena {
    char *memory, *next, *end; /* what is in use or free ends at `next` */
    struct arena_block *free;
    size_t used, peak;
} eddy_arena;

/* Takes `bytes` of memory, which need not be aligned: what is before the first address that is good
 * for any type is left unused. Begins anew, whatever it had given out before. Any
 * thread. */
EDDY_API void eddy_arena_init(eddy_arena *arena, void *memory, size_t bytes);

/* For eddy_loop_config, eddy_pool_config and eddy_http_config. One thread at a time: that of the
 * loop, and of a pool those that open and close it. */
EDDY_API eddy_allocator eddy_arena_allocator(eddy_arena *arena);

/* Bytes that are in use, and the most of the memory that was ever needed: an arena of that size has
 * room for the same calls again. One thread at a time, as the allocator. */
EDDY_API size_t eddy_arena_used(const eddy_arena *arena);
EDDY_API size_t eddy_arena_peak(const eddy_arena *arena);

/* --- How much ---
 *
 * Bounds, as constants, for pointers of 4 and of 8 bytes; eddy_loop_bytes tells what a loop takes
 * on the system at hand. Add up what the program may have at once. The descriptors are those below
 * a number, since they are found by it: the loop's own, one or two, and what the program had open
 * before come first. */

/* A loop on epoll; for another backend what is below comes to it. Without a name any may be taken.
 */
#define EDDY_LOOP_BYTES(descriptors, timers, events_per_turn)                          \
    (6336 + 96 * sizeof(void *) + 20 * (size_t)(descriptors) + 24 * (size_t)(timers) + \
     16 * (size_t)(events_per_turn))
#define EDDY_LOOP_POLL_BYTES(descriptors) (24 * (size_t)(descriptors))
#define EDDY_LOOP_SELECT_BYTES            (9 * (size_t)1024) /* FD_SETSIZE being 1,024 */
#define EDDY_LOOP_KQUEUE_BYTES(descriptors, events_per_turn) \
    (28 * (size_t)(descriptors) + 64 * (size_t)(events_per_turn))
#define EDDY_LOOP_IO_URING_BYTES(descriptors) (128 + 32 * (size_t)(descriptors))

/* The first stream, with eddy_loop_config.read_buffer_bytes for all, which eddy_stream_read_into
 * does not take. A stream itself is the program's, and takes a timer while it has a deadline. */
#define EDDY_STREAMS_BYTES(read_buffer_bytes) (20 * sizeof(void *) + (size_t)(read_buffer_bytes))

/* Each stream on a pipe or terminal; each that goes to a local socket whose backlog is full; each
 * direction of standard input or output that the pool transfers (stdio.h). */
#define EDDY_PIPE_BYTES     (8 * sizeof(void *))
#define EDDY_PENDING_BYTES  ((size_t)144)
#define EDDY_TRANSFER_BYTES (256 + 64 * sizeof(void *) + 64 * (size_t)1024)

/* The first stream that receives descriptors (pass.h). One that sends more than EDDY_PASS_FEW takes
 * an int for each meanwhile. */
#define EDDY_PASS_BYTES ((size_t)2112)

/* The loop's own pool. Stacks are the system's; its library may take more for a thread: glibc does,
 * from malloc, and musl from its stack. */
#define EDDY_POOL_BYTES(threads) \
    (512 + 32 * sizeof(void *) + (96 + 12 * sizeof(void *)) * (size_t)(threads))

/* The loop's ring with EDDY_FILES_URING, beside what the kernel has for it: 20 KiB. */
#define EDDY_URING_BYTES (96 + 32 * sizeof(void *))

/* The first child, with its timer; each that runs, beside an array of `fd_count` while it starts.
 */
#define EDDY_CHILDREN_BYTES (160 + 48 * sizeof(void *))
#define EDDY_CHILD_BYTES    (32 + 4 * sizeof(void *))

/* So many labels; with less they are found more slowly. */
#define EDDY_LABELS_BYTES(labels) ((40 + 4 * (size_t)(labels)) * sizeof(void *))

/* What eddy_loop_open takes from an arena for that loop if it `is_fixed`: it has room in one of
 * this size. 0: it would say -EINVAL or -ENOENT, or no memory is so large. Any thread. */
EDDY_API size_t eddy_loop_bytes(const eddy_loop_config *config);

#ifdef __cplusplus
}
#endif
#endif
