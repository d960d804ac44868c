/* serve_conditional.c: conditions and ranges together, in the order of RFC 9110 §13.2.2.
 * The file of all cases is 100 bytes, was modified on Sun, 06 Nov 1994 08:49:37 GMT, and its tag is
 * "tag". A field that came in several lines is one value here, with a comma between them. */
#include "suite.h"

#include "conditional.h"

#define TAG     "\"tag\""
#define OTHER   "\"x\""
#define EARLIER "Sun, 06 Nov 1994 08:49:36 GMT"
#define EQUAL   "Sun, 06 Nov 1994 08:49:37 GMT"
#define LATER   "Sun, 06 Nov 1994 08:49:38 GMT"
#define FIRST   "bytes=0-9"
#define BEHIND  "bytes=100-"

struct case_of_conditions {
    struct conditions in;
    int status;
};

static int evaluate(const struct case_of_conditions *it, bool is_get, struct ranges *ranges) {
    const struct validators file = {TAG, 5, 784111777, 100};
    struct conditions in = it->in;
    in.is_get = is_get;
    return conditional(&in, &file, ranges);
}

START_TEST(conditions_are_taken_in_order) {
    static const struct case_of_conditions cases[] = {
        {{.if_match = NULL}, 200},
        /* 1 */
        {{.if_match = "*"}, 200},
        {{.if_match = TAG}, 200},
        {{.if_match = OTHER ", " TAG}, 200},
        {{.if_match = TAG ", " OTHER}, 200},
        {{.if_match = OTHER}, 412},
        {{.if_match = "W/" TAG}, 412},
        {{.if_match = ""}, 412},
        {{.if_match = ", "}, 412},
        {{.if_match = TAG, .if_unmodified_since = EARLIER}, 200},
        {{.if_match = OTHER, .if_none_match = TAG}, 412},
        /* 2 */
        {{.if_unmodified_since = EARLIER}, 412},
        {{.if_unmodified_since = EQUAL}, 200},
        {{.if_unmodified_since = LATER}, 200},
        {{.if_unmodified_since = "yesterday"}, 200},
        {{.if_unmodified_since = EARLIER ", " EARLIER}, 200},
        {{.if_unmodified_since = EARLIER, .if_none_match = TAG}, 412},
        /* 3 */
        {{.if_none_match = "*"}, 304},
        {{.if_none_match = TAG}, 304},
        {{.if_none_match = "W/" TAG}, 304},
        {{.if_none_match = OTHER}, 200},
        {{.if_none_match = "tag"}, 200},
        {{.if_none_match = ""}, 200},
        {{.if_none_match = OTHER, .if_modified_since = LATER}, 200},
        {{.if_none_match = TAG ", " OTHER}, 304},
        {{.if_none_match = "*, " OTHER}, 200},
        {{.if_match = TAG, .if_none_match = TAG}, 304},
        /* 4 */
        {{.if_modified_since = EARLIER}, 200},
        {{.if_modified_since = EQUAL}, 304},
        {{.if_modified_since = LATER}, 304},
        {{.if_modified_since = "Sunday, 06-Nov-94 08:49:37 GMT"}, 304},
        {{.if_modified_since = "never"}, 200},
        {{.if_modified_since = LATER ", " LATER}, 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int is_get = 0; is_get <= 1; is_get++) {
            struct ranges ranges = {.count = 7};
            int status = evaluate(&cases[i], is_get, &ranges);
            ck_assert_msg(status == cases[i].status, "%d for case %zu", status, i);
            ck_assert_uint_eq(ranges.count, 0);
        }
    }
}
END_TEST

/* 5: a range counts only for a GET, after the conditions, and if If-Range lets it. */
START_TEST(ranges_come_last) {
    static const struct case_of_conditions cases[] = {
        {{.range = FIRST}, 206},
        {{.range = "bytes=0-9,20-29"}, 206},
        {{.range = BEHIND}, 416},
        {{.range = "bytes=x"}, 200},
        {{.range = ""}, 200},
        {{.range = FIRST ", " FIRST}, 200},
        {{.range = FIRST, .if_none_match = TAG}, 304},
        {{.range = BEHIND, .if_none_match = TAG}, 304},
        {{.range = FIRST, .if_none_match = OTHER}, 206},
        {{.range = FIRST, .if_match = OTHER}, 412},
        {{.range = FIRST, .if_match = TAG}, 206},
        {{.range = FIRST, .if_range = TAG}, 206},
        {{.range = FIRST, .if_range = OTHER}, 200},
        {{.range = FIRST, .if_range = TAG ", " TAG}, 200},
        {{.range = FIRST, .if_range = "W/" TAG}, 200},
        {{.range = FIRST, .if_range = "*"}, 200},
        {{.range = FIRST, .if_range = ""}, 200},
        {{.range = BEHIND, .if_range = OTHER}, 200},
        {{.range = BEHIND, .if_range = TAG}, 416},
        {{.range = FIRST, .if_range = EQUAL}, 206},
        {{.range = FIRST, .if_range = LATER}, 200},
        {{.range = FIRST, .if_range = EARLIER}, 200},
        {{.if_range = TAG}, 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ranges ranges;
        int status = evaluate(&cases[i], true, &ranges);
        ck_assert_msg(status == cases[i].status, "%d for case %zu", status, i);
        ck_assert((ranges.count > 0) == (status == 206));
        if (status == 206) ck_assert(ranges.list[0].first == 0 && ranges.list[0].last == 9);
        int head = evaluate(&cases[i], false, &ranges);
        ck_assert_int_eq(head, status == 304 || status == 412 ? status : 200);
        ck_assert_uint_eq(ranges.count, 0);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("serve_conditional");
    ck_add(suite, "conditions", conditions_are_taken_in_order, ranges_come_last);
    return suite;
}
