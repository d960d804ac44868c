/* serve_random.c: numbers that nobody can guess, where the system's call for them is refused, as by
 * a sandbox: the device gives them, and without it there are none. */
#include "suite.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../src/cmd/serve/system.h"

static bool is_refused;
static unsigned refusals;

/* Instead of the system's. */
int getentropy(void *bytes, size_t size) {
    uint64_t number = 7;
    if (is_refused) {
        refusals++;
        errno = ENOSYS;
        return -1;
    }
    memcpy(bytes, &number, size < sizeof number ? size : sizeof number);
    return 0;
}

START_TEST(the_device_is_asked_when_the_call_is_refused) {
    uint64_t numbers[3] = {0};
    is_refused = false;
    ck_assert(system_random(&numbers[0]));
    ck_assert_uint_eq(numbers[0], 7);
    is_refused = true;
    for (int i = 0; i < 3; i++) ck_assert(system_random(&numbers[i]));
    ck_assert(numbers[0] != numbers[1] && numbers[1] != numbers[2] && numbers[2] != numbers[0]);
    ck_assert_uint_eq(refusals, 3);
}
END_TEST

START_TEST(without_either_there_are_none) {
    uint64_t number;
    struct rlimit limit;
    is_refused = true;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0); /* no descriptor for the device */
    bool is_had = system_random(&number);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert(!is_had);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("random numbers");
    ck_add(suite, "random", the_device_is_asked_when_the_call_is_refused,
           without_either_there_are_none);
    return suite;
}
