/* memory.c: the clock, and memory that is counted, may run out, and moves whenever it can.
 * Each block has a header with its size, which the library has to know as well. New and freed bytes
 * are filled with what is no pointer and no sensible number.
 * Invariant: `blocks` and `bytes` are those handed out and not given back. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

enum { NEW = 0xa5, FREED = 0x5a, HEADER_BYTES = 16, BLOCK_BYTES_MAX = 1 << 28 };

struct header {
    size_t bytes;
    uint64_t mark;
};

static const uint64_t mark = UINT64_C(0x6564647953696d21);

static struct { size_t blocks, bytes; } memory;

_Static_assert(sizeof(struct header) <= HEADER_BYTES, "the header fits");

int64_t eddy_os_clock_ns(void) {
    sim_step();
    return sim_now_ns();
}

size_t sim_blocks(void) {
    return memory.blocks;
}

void sim_memory_begin(void) {
    memory.blocks = memory.bytes = 0;
}

void sim_memory_end(void) {
    sim_check(memory.blocks == 0, "%zu blocks of memory with %zu bytes were not given back",
              memory.blocks, memory.bytes);
}

static void *allocate(size_t bytes) {
    if (bytes > BLOCK_BYTES_MAX) return NULL;
    char *place = malloc(HEADER_BYTES + bytes);
    if (place == NULL) sim_fail("no memory for the simulation itself");
    struct header header = {bytes, mark};
    memcpy(place, &header, sizeof header);
    memset(place + HEADER_BYTES, NEW, bytes);
    memory.blocks++;
    memory.bytes += bytes;
    return place + HEADER_BYTES;
}

static void release(void *block, size_t bytes) {
    char *place = (char *)block - HEADER_BYTES;
    memset(place, FREED, HEADER_BYTES + bytes);
    free(place);
    memory.blocks--;
    memory.bytes -= bytes;
}

static void check_block(const void *block, size_t bytes) {
    struct header header;
    memcpy(&header, (const char *)block - HEADER_BYTES, sizeof header);
    sim_check(header.mark == mark, "memory is given back that nobody was given");
    sim_check(header.bytes == bytes, "a block of %zu bytes is said to have %zu", header.bytes,
              bytes);
}

void *eddy_os_resize(void *context, void *block, size_t old_bytes, size_t new_bytes) {
    (void)context;
    if (block != NULL) check_block(block, old_bytes);
    if (new_bytes == 0) {
        sim_step();
        if (block != NULL) release(block, old_bytes);
        return NULL;
    }
    if (sim_enter(OS_CALL_resize) < 0) return NULL;
    if (sim_happens(sim_weather()->no_memory)) {
        sim_progress();
        sim_note("no memory");
        return NULL;
    }
    char *result = allocate(new_bytes);
    if (result == NULL || block == NULL) return result;
    memcpy(result, block, old_bytes < new_bytes ? old_bytes : new_bytes);
    release(block, old_bytes);
    return result;
}
