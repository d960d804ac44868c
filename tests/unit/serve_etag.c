/* serve_etag.c: entity tags. */
#include "suite.h"

#include <string.h>

#include "etag.h"

static bool matches(const char *list, enum etag_compare compare) {
    return etag_matches(list, strlen(list), "\"a-1\"", 5, compare);
}

/* Anything about a file that changes, changes its tag; the longest one fits. */
START_TEST(tags_tell_files_apart) {
    static const int64_t files[][3] = {
        {1, 3, 4}, {2, 3, 4},    {1, 4, 4},  {1, 3, 5},
        {0, 0, 0}, {1, 0x34, 0}, {13, 0, 4}, {INT64_MAX, INT64_MIN, 999999999},
    };
    enum { COUNT = sizeof files / sizeof files[0] };
    char tags[COUNT][ETAG_BYTES];
    struct text texts[COUNT];
    for (int i = 0; i < COUNT; i++) {
        texts[i] = (struct text){tags[i], ETAG_BYTES, 0};
        etag_put(&texts[i], files[i][0], files[i][1], files[i][2]);
        ck_assert(text_fits(&texts[i]));
        ck_assert(etag_matches(tags[i], texts[i].length, tags[i], texts[i].length, ETAG_STRONG));
        for (int k = 0; k < i; k++)
            ck_assert(texts[i].length != texts[k].length ||
                      memcmp(tags[i], tags[k], texts[i].length) != 0);
    }
}
END_TEST

/* Within a tick of its last write a file may change unseen: of the clock, or of one that has
 * seconds only. */
START_TEST(a_tag_is_young_for_a_tick) {
    static const struct {
        int64_t age_ns, modified_ns;
        bool is_young;
    } cases[] = {
        {0, 5, true},           {19999999, 5, true},   {20000000, 5, false},
        {-19999999, 5, true},   {-20000000, 5, false}, {1999999999, 0, true},
        {2000000000, 0, false}, {-20000000, 0, true},  {INT64_C(100000000000), 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t now_ns = INT64_C(1700000000000000000) + cases[i].modified_ns + cases[i].age_ns;
        ck_assert_msg(etag_is_young(1700000000, cases[i].modified_ns, now_ns) == cases[i].is_young,
                      "case %zu", i);
    }
    ck_assert(!etag_is_young(INT64_MIN, 0, 0));
    ck_assert(!etag_is_young(INT64_MAX, 999999999, INT64_MAX));
}
END_TEST

START_TEST(lists_match_weakly_or_strongly) {
    static const struct {
        const char *list;
        bool weak, strong;
    } cases[] = {
        {"*", true, true},
        {"\"a-1\"", true, true},
        {"W/\"a-1\"", true, false},
        {"w/\"a-1\"", false, false},
        {"\"b\", \"a-1\"", true, true},
        {"\"b\",\"a-1\",\"c\"", true, true},
        {" ,, \"b\" ,\t\"a-1\" , ", true, true},
        {"W/\"a-1\", \"a-1\"", true, true},
        {"\"a,1\", \"a-1\"", true, true},
        {"\"\", \"a-1\"", true, true},
        {"\"a-12\"", false, false},
        {"\"a-\"", false, false},
        {"\"A-1\"", false, false},
        {"", false, false},
        {",", false, false},
        {"a-1", false, false},
        {"'a-1'", false, false},
        {"\"a-1", false, false},
        {"a-1\"", false, false},
        {"W/", false, false},
        {"W/a-1", false, false},
        {"W /\"a-1\"", false, false},
        {"\"a-1\" x", false, false},
        {"\"a-1\" \"b\"", false, false},
        {"\"a-1\", x", false, false}, /* the list as a whole is malformed */
        {"\"a-1\", *", false, false},
        {"*, \"a-1\"", false, false},
        {"\"b \", \"a-1\"", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_msg(matches(cases[i].list, ETAG_WEAK) == cases[i].weak, "weak %s", cases[i].list);
        ck_assert_msg(matches(cases[i].list, ETAG_STRONG) == cases[i].strong, "strong %s",
                      cases[i].list);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("serve_etag");
    ck_add(suite, "tags", tags_tell_files_apart, a_tag_is_young_for_a_tick,
           lists_match_weakly_or_strongly);
    return suite;
}
