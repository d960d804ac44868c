/* serve_range.c: the Range header. */
#include "suite.h"

#include <stdio.h>
#include <string.h>

#include "range.h"

#define MAX "9223372036854775807"

/* "0-4 7-9" */
static void write_ranges(const struct ranges *ranges, char *out, size_t size) {
    size_t length = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < ranges->count; i++)
        length +=
            (size_t)snprintf(out + length, size - length, "%s%lld-%lld", i > 0 ? " " : "",
                             (long long)ranges->list[i].first, (long long)ranges->list[i].last);
}

struct range_case {
    const char *value;
    int64_t size;
    int status;
    const char *ranges;
};

static void check_cases(const struct range_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct ranges ranges;
        char out[512];
        const char *value = cases[i].value;
        int status = range_parse(&ranges, value, strlen(value), cases[i].size);
        write_ranges(&ranges, out, sizeof out);
        ck_assert_msg(status == cases[i].status, "%d for %s", status, value);
        ck_assert_msg(strcmp(out, cases[i].ranges) == 0, "%s for %s", out, value);
    }
}
#define CHECK_CASES(cases) check_cases(cases, sizeof(cases) / sizeof(cases)[0])

START_TEST(valid_ranges_are_clipped_to_the_file) {
    static const struct range_case cases[] = {
        {"bytes=0-0", 10, 206, "0-0"},
        {"bytes=0-9", 10, 206, "0-9"},
        {"bytes=0-10", 10, 206, "0-9"},
        {"bytes=3-", 10, 206, "3-9"},
        {"bytes=9-", 10, 206, "9-9"},
        {"bytes=-1", 10, 206, "9-9"},
        {"bytes=-10", 10, 206, "0-9"},
        {"bytes=-11", 10, 206, "0-9"},
        {"Bytes=0-1", 10, 206, "0-1"},
        {"bytes=0-1,4-5", 10, 206, "0-1 4-5"},
        {"bytes=4-5,0-1", 10, 206, "4-5 0-1"},
        {"bytes= 0-1 ,\t4-5 ", 10, 206, "0-1 4-5"},
        {"bytes=,,0-1,,", 10, 206, "0-1"},
        {"bytes=0-1,20-30,-2", 10, 206, "0-1 8-9"},
        {"bytes=0-" MAX "9", 10, 206, "0-9"},
        {"bytes=-99999999999999999999999", 10, 206, "0-9"},
        {"bytes=9223372036854775806-", INT64_MAX, 206, "9223372036854775806-9223372036854775806"},
        {"bytes=0000000000000000000000000001-2", 10, 206, "1-2"},
    };
    CHECK_CASES(cases);
}
END_TEST

START_TEST(ranges_outside_the_file_are_not_satisfiable) {
    static const struct range_case cases[] = {
        {"bytes=10-", 10, 416, ""},
        {"bytes=10-20", 10, 416, ""},
        {"bytes=10-20,30-40", 10, 416, ""},
        {"bytes=-0", 10, 416, ""},
        {"bytes=0-", 0, 416, ""},
        {"bytes=0-0", 0, 416, ""},
        {"bytes=99999999999999999999999-", 10, 416, ""},
        {"bytes=" MAX "-" MAX, INT64_MAX, 416, ""},
    };
    CHECK_CASES(cases);
}
END_TEST

/* RFC 9110 §14.2: what is not understood is as if it had not been sent. */
START_TEST(malformed_ranges_are_ignored) {
    static const struct range_case cases[] = {
        {"", 10, 200, ""},
        {"bytes", 10, 200, ""},
        {"bytes=", 10, 200, ""},
        {"bytes=,", 10, 200, ""},
        {"bytes =0-1", 10, 200, ""},
        {"bytes:0-1", 10, 200, ""},
        {"lines=0-1", 10, 200, ""},
        {"bytes=1-0", 10, 200, ""},
        {"bytes=0-1,5-4", 10, 200, ""},
        {"bytes=-", 10, 200, ""},
        {"bytes=--1", 10, 200, ""},
        {"bytes=a-b", 10, 200, ""},
        {"bytes=0", 10, 200, ""},
        {"bytes=0-1x", 10, 200, ""},
        {"bytes=0 -1", 10, 200, ""},
        {"bytes=0- 1", 10, 200, ""},
        {"bytes=+0-1", 10, 200, ""},
        {"bytes=0x0-1", 10, 200, ""},
        {"bytes=0-1;2-3", 10, 200, ""},
        {"bytes=0-1 2-3", 10, 200, ""},
        {"bytes=20-30,x", 10, 200, ""},
        {"bytes=-5", 0, 200, ""}, /* satisfied by no bytes at all */
    };
    CHECK_CASES(cases);
}
END_TEST

/* Ranges that make the answer larger than the file are an attack or a mistake. */
START_TEST(excessive_ranges_get_the_whole_file) {
    static const struct range_case cases[] = {
        {"bytes=0-,0-", 10, 200, ""},
        {"bytes=0-,-1", 10, 200, ""},
        {"bytes=0-5,5-9", 10, 200, ""},
        {"bytes=0-5,4-5,0-1", 10, 206, "0-5 4-5 0-1"},
        {"bytes=0-" MAX ",0-" MAX, INT64_MAX, 200, ""},
    };
    CHECK_CASES(cases);
}
END_TEST

/* Up to a number; ranges that lie outside the file do not count. */
START_TEST(too_many_ranges_get_the_whole_file) {
    for (int count = RANGES_MAX - 1; count <= RANGES_MAX + 1; count++) {
        char value[8 * RANGES_MAX] = "bytes=999-,";
        size_t length = strlen(value);
        for (int i = 0; i < count; i++)
            length += (size_t)snprintf(value + length, sizeof value - length, "%d-%d,", i, i);
        struct ranges ranges;
        int status = range_parse(&ranges, value, length, 999);
        ck_assert_int_eq(status, count <= 200 ? 206 : 200);
        ck_assert_uint_eq(ranges.count, count <= 200 ? (unsigned)count : 0);
        for (unsigned i = 0; i < ranges.count; i++)
            ck_assert(ranges.list[i].first == i && ranges.list[i].last == i);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("serve_range");
    ck_add(suite, "ranges", valid_ranges_are_clipped_to_the_file,
           ranges_outside_the_file_are_not_satisfiable, malformed_ranges_are_ignored,
           excessive_ranges_get_the_whole_file, too_many_ranges_get_the_whole_file);
    return suite;
}
