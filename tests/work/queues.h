/* queues.h: what the tests of queues share: a pool that they open, and with how many threads. */
#ifndef EDDY_TESTS_QUEUES_H
#define EDDY_TESTS_QUEUES_H

#include "jobs.h"

/* With one thread, and with several that could run jobs of a queue at once. */
static const unsigned thread_counts[] = {1, 4};

static eddy_pool *pool;
static eddy_loop *loop;

static inline void open_with(unsigned threads) {
    pool = pool_open((eddy_pool_config){.threads = threads});
    loop = loop_with(pool);
}

static inline void close_all(void) {
    test_loop_close(loop);
    ck_assert_int_eq(eddy_pool_close(pool), 0);
}

/* A test that runs with each number of threads: _i is the place in thread_counts. */
static inline void add_each(Suite *suite, const char *name, const TTest *test) {
    TCase *all = tcase_create(name);
    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, test, 0, (int)(sizeof thread_counts / sizeof thread_counts[0]));
    suite_add_tcase(suite, all);
}

#endif
