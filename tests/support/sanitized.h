/* sanitized.h: whether a sanitizer looks on, which takes its time: then a test of very many runs
 * may make fewer. */
#ifndef EDDY_TESTS_SANITIZED_H
#define EDDY_TESTS_SANITIZED_H

#if defined(__has_feature)
#define IS_SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

#endif
