/* arena.c: an allocator in memory of a fixed size.
 *
 * A block goes back to a list, and out of it to whoever asks for its size; new ones are cut from
 * what was never used, at `next`. So there are at most as many blocks of a size as were in use at
 * once, and what one size has taken is no loss to another, in any order of calls. Only when that
 * does not do, neighbours are joined and the first that is large enough is cut.
 *
 * Invariant: free blocks are in the order of their addresses, apart from one another, and end
 * before `next` or at it; all sizes are multiples of ROOM_UNIT. Threading: the caller's. */
#include <eddy/arena.h>

#include "assert.h"
#include "room.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static size_t arena_round(size_t bytes) {
    return (bytes + ROOM_UNIT - 1) / ROOM_UNIT * ROOM_UNIT;
}

static size_t arena_left(const eddy_arena *arena) {
    return (size_t)(arena->end - arena->next);
}

static void arena_set_next(eddy_arena *arena, char *next) {
    arena->next = next;
    size_t bytes = (size_t)(next - arena->memory);
    if (bytes > arena->peak) arena->peak = bytes;
}

/* Joins neighbours, and the last one with what was never used. */
static void arena_join(eddy_arena *arena) {
    struct arena_block **at = &arena->free;
    while (*at != NULL) {
        struct arena_block *block = *at, *next = block->next;
        char *end = (char *)block + block->bytes;
        if (end == arena->next) {
            arena->next = (char *)block;
            *at = NULL;
        } else if (end == (char *)next) {
            block->bytes += next->bytes;
            block->next = next->next;
        } else {
            at = &block->next;
        }
    }
}

/* The first free block of that size, or, `cut`, the end of the first that has so much. */
static void *arena_find(eddy_arena *arena, size_t bytes, bool cut) {
    struct arena_block **at = &arena->free;
    while (*at != NULL && (cut ? (*at)->bytes < bytes : (*at)->bytes != bytes)) at = &(*at)->next;
    struct arena_block *block = *at;
    if (block == NULL) return NULL;
    block->bytes -= bytes;
    if (block->bytes > 0) return (char *)block + block->bytes;
    *at = block->next;
    return block;
}

static void *arena_take(eddy_arena *arena, size_t bytes) {
    void *found = arena_find(arena, bytes, false);
    if (found == NULL && arena_left(arena) < bytes) {
        arena_join(arena);
        found = arena_find(arena, bytes, true);
    }
    if (found == NULL && arena_left(arena) >= bytes) {
        found = arena->next;
        arena_set_next(arena, arena->next + bytes);
    }
    if (found != NULL) arena->used += bytes;
    return found;
}

static void arena_give(eddy_arena *arena, void *memory, size_t bytes) {
    struct arena_block *block = memory;
    EDDY_ASSERT((char *)memory >= arena->memory && (char *)memory + bytes <= arena->next);
    arena->used -= bytes;
    if ((char *)memory + bytes == arena->next) {
        arena->next = memory;
        return;
    }
    struct arena_block **at = &arena->free;
    while (*at != NULL && *at < block) at = &(*at)->next;
    block->bytes = bytes;
    block->next = *at;
    *at = block;
}

/* The last block grows where it is, and each one shrinks there. */
static void *arena_change(eddy_arena *arena, void *memory, size_t old_bytes, size_t new_bytes) {
    char *end = (char *)memory + old_bytes;
    if (new_bytes <= old_bytes) {
        if (new_bytes < old_bytes)
            arena_give(arena, (char *)memory + new_bytes, old_bytes - new_bytes);
        return memory;
    }
    if (end == arena->next && arena_left(arena) >= new_bytes - old_bytes) {
        arena->used += new_bytes - old_bytes;
        arena_set_next(arena, (char *)memory + new_bytes);
        return memory;
    }
    void *moved = arena_take(arena, new_bytes);
    if (moved == NULL) return NULL;
    memcpy(moved, memory, old_bytes);
    arena_give(arena, memory, old_bytes);
    return moved;
}

static void *arena_resize(void *context, void *memory, size_t old_bytes, size_t new_bytes) {
    eddy_arena *arena = context;
    if (new_bytes > SIZE_MAX - ROOM_UNIT) return NULL;
    old_bytes = arena_round(old_bytes);
    new_bytes = arena_round(new_bytes);
    if (memory == NULL) return new_bytes > 0 ? arena_take(arena, new_bytes) : NULL;
    if (new_bytes > 0) return arena_change(arena, memory, old_bytes, new_bytes);
    arena_give(arena, memory, old_bytes);
    return NULL;
}

void eddy_arena_init(eddy_arena *arena, void *memory, size_t bytes) {
    if (bytes == 0) memory = arena; /* nothing, which need not be anywhere */
    size_t before = (ROOM_ALIGN - (uintptr_t)memory % ROOM_ALIGN) % ROOM_ALIGN;
    if (before > bytes) before = bytes;
    char *first = (char *)memory + before;
    *arena = (eddy_arena){
        .memory = first, .next = first, .end = first + (bytes - before) / ROOM_UNIT * ROOM_UNIT};
}

eddy_allocator eddy_arena_allocator(eddy_arena *arena) {
    return (eddy_allocator){arena_resize, arena};
}

size_t eddy_arena_used(const eddy_arena *arena) {
    return arena->used;
}

size_t eddy_arena_peak(const eddy_arena *arena) {
    return arena->peak;
}
