/* costs_memory.c: what an access to memory costs that has to wait for the one before it: a walk
 * along pointers in an order that no processor can guess, through as much as one level of the
 * caches holds and the one before it does not. Without state. */
#include "costs.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    LINE_BYTES = 64,
    KIB = 1024,
    MIB = 1024 * KIB,
    HUGE_BYTES = 2 * MIB,
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

/* The largest power of two that is not above. */
static unsigned power_below(uint64_t bytes) {
    unsigned power = LINE_BYTES;
    while (power <= bytes / 2 && power <= UINT_MAX / 2) power *= 2;
    return power;
}

unsigned costs_l1_bytes(void) {
    return cache_bytes(1) > 0 ? power_below((uint64_t)cache_bytes(1) / 2) : 16 * KIB;
}

/* Well beyond the first level, and well within the second one. */
unsigned costs_l2_bytes(void) {
    long first = cache_bytes(1), second = cache_bytes(2);
    return first > 0 && second >= 8 * first ? power_below((uint64_t)second / 2) : 256 * KIB;
}

/* Well beyond the second level; the third one is shared with others as a rule. */
unsigned costs_l3_bytes(void) {
    long second = cache_bytes(2), third = cache_bytes(3);
    return second > 0 && third >= 4 * second ? power_below((uint64_t)third / 4) : 0;
}

/* Four times the last level, or twice if memory is short: most accesses must not find what they
 * want there. */
unsigned costs_main_bytes(void) {
    uint64_t last = (uint64_t)(cache_bytes(3) > 0 ? cache_bytes(3) : cache_bytes(2));
    uint64_t wanted = last > 8 * MIB ? 4 * last : 64 * MIB;
    uint64_t most = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 4;
    unsigned bytes = power_below(wanted < most ? wanted : most);
    return bytes >= last / 2 * 3 ? bytes : 0;
}

/* With pages of the size that is wanted. The system may give others; that is looked at later. */
static void *map(size_t bytes, enum costs_pages pages) {
    size_t whole = bytes + HUGE_BYTES;
    char *memory = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    memory += HUGE_BYTES - (uintptr_t)memory % HUGE_BYTES;
#ifdef MADV_HUGEPAGE
    (void)madvise(memory, bytes, pages == COSTS_HUGE_PAGES ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
    (void)pages;
#endif
    return memory;
}

/* One cycle through all, in the order of a linear congruential generator, whose period is whole for
 * a count that is a power of two: no processor guesses the next one, and it is made in one pass. */
static struct line *make_cycle(size_t bytes, enum costs_pages pages) {
    size_t count = bytes / LINE_BYTES;
    struct line *lines = map(bytes, pages);
    for (size_t i = 0; lines != NULL && i < count; i++) {
        uint64_t next = i * UINT64_C(0x5851f42d4c957f2d) + UINT64_C(0x14057b7ef767814f);
        lines[i].next = &lines[next & (count - 1)];
    }
    return lines;
}

/* Whether most of the memory of this process is in huge pages. */
static bool has_huge_pages(size_t bytes) {
    int64_t huge = bench_huge_bytes();
    return huge >= 0 && (uint64_t)huge >= bytes / 2;
}

static int walk(void *context, unsigned count) {
    struct line **place = context, *line = *place;
    for (unsigned i = 0; i < count; i++) line = line->next;
    *place = line;
    return 0;
}

void costs_access_run(const struct bench_case *it, struct bench_sample *sample) {
    enum costs_pages pages = it->numbers[1];
    if (it->numbers[0] == 0) {
        bench_cannot(sample, "no such cache is known, or memory is short", -ENOTSUP);
        return;
    }
    struct line *volatile place = make_cycle(it->numbers[0], pages);
    struct line *first = place;
    if (first == NULL) {
        bench_cannot(sample, "memory", -ENOMEM);
        return;
    }
    if (pages == COSTS_HUGE_PAGES && !has_huge_pages(it->numbers[0])) {
        bench_cannot(sample, "the system gives no huge pages", -ENOTSUP);
        return;
    }
    costs_measure(it, sample, walk, &first, STEPS, "memory");
    place = first; /* else nobody would want to know where the walk ended */
}
