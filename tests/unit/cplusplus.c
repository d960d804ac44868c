/* cplusplus.c: C++ sees the same structs as C, and can use them. */
#include "sizes.h"
#include "suite.h"

/* C++ has no _Atomic: its plain fields must lie where the atomic ones do. */
START_TEST(structs_are_the_same_in_both_languages) {
    static const size_t sizes[SIZES_COUNT] = {SIZES};
    for (int i = 0; i < SIZES_COUNT; i++) ck_assert_uint_eq(cplusplus_sizes[i], sizes[i]);
}
END_TEST

START_TEST(a_program_in_the_other_language_runs_a_loop) {
    ck_assert_int_eq(cplusplus_run(), 2);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("cplusplus");
    ck_add(suite, "cplusplus", structs_are_the_same_in_both_languages,
           a_program_in_the_other_language_runs_a_loop);
    return suite;
}
