/* compiler.h: what the compiler is told beyond C11, and nothing where it does not understand. */
#ifndef EDDY_CORE_COMPILER_H
#define EDDY_CORE_COMPILER_H

/* Before a function that is seldom called: it stays out of its caller's body, which then saves
 * fewer registers each time. PREFETCH begins to bring memory that is about to be written. */
#if defined(__GNUC__) || defined(__clang__)
#define RARE              __attribute__((noinline, cold))
#define PREFETCH(address) __builtin_prefetch(address, 1)
#else
#define RARE
#define PREFETCH(address) ((void)(address))
#endif

#endif
