/* sanitized.h: which sanitizer looks on: some tests have to help it, and those of very many runs
 * may make fewer. WITH_ASAN and WITH_TSAN are defined, or not; IS_SANITIZED is 1 or 0. */
#ifndef EDDY_TESTS_SANITIZED_H
#define EDDY_TESTS_SANITIZED_H

/* GCC has the macros, clang the features. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN
#elif __has_feature(thread_sanitizer)
#define WITH_TSAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN
#elif defined(__SANITIZE_THREAD__)
#define WITH_TSAN
#endif

#if defined(WITH_ASAN) || defined(WITH_TSAN)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

#endif
