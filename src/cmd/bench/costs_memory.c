/* costs_memory.c: what an access to memory costs that has to wait for the one before it: a walk
 * along pointers in an order that no processor can guess, through as much as one level of the
 * caches holds and the one before it does not. Without state. */
#include "costs.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LINE_BYTES = 64,
    KIB = 1024,
    MIB = 1024 * KIB,
    STEPS = 10000, /* between looks at the clock */
};

struct line {
    struct line *next;
    char rest[LINE_BYTES - sizeof(struct line *)];
};

/* What the system tells of a cache, or 0. */
static long cache_bytes(int level) {
    long bytes = 0;
#ifdef _SC_LEVEL1_DCACHE_SIZE
    bytes = sysconf(level == 1   ? _SC_LEVEL1_DCACHE_SIZE
                    : level == 2 ? _SC_LEVEL2_CACHE_SIZE
                                 : _SC_LEVEL3_CACHE_SIZE);
#else
    (void)level;
#endif
    return bytes < 0 ? 0 : bytes;
}

unsigned costs_l1_bytes(void) {
    return cache_bytes(1) > 0 ? (unsigned)cache_bytes(1) / 2 : 16 * KIB;
}

/* Well beyond the first level, and well within the second one. */
unsigned costs_l2_bytes(void) {
    long first = cache_bytes(1), second = cache_bytes(2);
    return first > 0 && second >= 8 * first ? (unsigned)second / 2 : 192 * KIB;
}

/* Four times the last level; but nobody wants to wait until a gigabyte is set up. */
unsigned costs_main_bytes(void) {
    long last = cache_bytes(3);
    return last < 16 * MIB ? 64 * MIB : last > 64 * MIB ? 256 * MIB : 4 * (unsigned)last;
}

/* Sattolo's shuffle: one cycle through all. */
static struct line *make_cycle(size_t bytes) {
    size_t count = bytes / LINE_BYTES;
    uint64_t random = 1;
    void *memory;
    if (posix_memalign(&memory, LINE_BYTES, bytes) != 0) return NULL;
    struct line *lines = memory;
    for (size_t i = 0; i < count; i++) lines[i].next = &lines[i];
    for (size_t i = count - 1; i > 0; i--) {
        size_t k = (size_t)(bench_random(&random) % i);
        struct line *next = lines[i].next;
        lines[i].next = lines[k].next;
        lines[k].next = next;
    }
    return lines;
}

static int walk(void *context, unsigned count) {
    struct line **place = context, *line = *place;
    for (unsigned i = 0; i < count; i++) line = line->next;
    *place = line;
    return 0;
}

void costs_access_run(const struct bench_case *it, struct bench_sample *sample) {
    struct line *volatile place = make_cycle(it->numbers[0]);
    struct line *first = place;
    if (first == NULL) {
        bench_cannot(sample, "memory", -ENOMEM);
        return;
    }
    costs_measure(it, sample, walk, &first, STEPS, "memory");
    place = first; /* else nobody would want to know where the walk ended */
}
