/* compiler.h: what the compiler is told beyond C11, and nothing where it does not understand. */
#ifndef EDDY_PLATFORM_COMPILER_H
#define EDDY_PLATFORM_COMPILER_H

#include <stdint.h>

/* APART: a function that stays out of its caller's body, which then saves fewer registers each
 * time. RARE: one that is seldom called, beside. ONE_COPY: one whose code is to be there once,
 * where code is dearer than time. PREFETCH begins to bring memory that is about to be written.
 * UNLIKELY: a condition that hardly ever holds, where a count of instructions asks for it.
 * RETURN_ADDRESS(): where the function goes back to; NULL: nobody tells. */
#if defined(EDDY_TINY) || defined(EDDY_SMALL)
enum { IS_SMALL = 1 }; /* what is there for speed alone is left out */
#define APART
#define RARE
#else
enum { IS_SMALL = 0 };
#endif
#if defined(__GNUC__) || defined(__clang__)
#ifndef APART
#define APART __attribute__((noinline))
#define RARE  __attribute__((noinline, cold))
#endif
#define ONE_COPY          __attribute__((noinline))
#define PREFETCH(address) __builtin_prefetch(address, 1)
#define UNLIKELY(truth)   __builtin_expect((truth), 0)
#define RETURN_ADDRESS()  __builtin_return_address(0)
#else
#ifndef APART
#define APART
#define RARE
#endif
#define ONE_COPY
#define PREFETCH(address) ((void)(address))
#define UNLIKELY(truth)   (truth)
#define RETURN_ADDRESS()  ((void *)0)
#endif

/* OPTIONAL: a function that is linked from a static library only if something else there needs it;
 * where it is not, it is NULL. Whoever calls it knows that it is there, by what only its own file
 * could have set, or asks IS_LINKED. Only ELF has such references, and in one file (EDDY_PRIVATE)
 * all are there. */
#if (defined(__GNUC__) || defined(__clang__)) && defined(__ELF__) && !defined(EDDY_PRIVATE)
#define OPTIONAL            __attribute__((weak))
#define IS_LINKED(function) ((function) != NULL)
#else
#define OPTIONAL
#define IS_LINKED(function) 1
#endif

/* The place of the highest bit of a word that is not 0. */
static inline unsigned highest_bit(uint64_t word) {
#if defined(__GNUC__) || defined(__clang__)
    return 63 ^ (unsigned)__builtin_clzll(word);
#else
    unsigned place = 0;
    for (unsigned half = 32; half > 0; half /= 2) {
        if (word >> half == 0) continue;
        word >>= half;
        place += half;
    }
    return place;
#endif
}

/* The same of the lowest bit. */
static inline unsigned lowest_bit(uint64_t word) {
#if defined(__GNUC__) || defined(__clang__)
    return (unsigned)__builtin_ctzll(word);
#else
    return highest_bit(word & (0 - word));
#endif
}

#endif
