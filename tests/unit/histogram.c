/* histogram.c: what a histogram tells is near the truth, which is all times, kept and sorted. */
#include "suite.h"

#include <eddy/histogram.h>
#include <stdlib.h>
#include <string.h>

enum { TIMES_MAX = 3000 };

static uint64_t random_state;

static uint64_t random_next(void) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return random_state >> 16;
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Each length of a number is as likely as any other. */
static int64_t random_time(unsigned bits) {
    return (int64_t)(random_next() & ((UINT64_C(1) << random_next() % (bits + 1)) - 1));
}

static void check_near(int64_t told_ns, int64_t true_ns) {
    int64_t off_ns = told_ns < true_ns ? true_ns - told_ns : told_ns - true_ns;
    ck_assert_msg(off_ns <= true_ns / 32, "%lld is told as %lld", (long long)true_ns,
                  (long long)told_ns);
}

/* Count, sum, least, longest, and each bucket. */
static void check_same(const eddy_histogram *a, const eddy_histogram *b) {
    ck_assert_int_eq(memcmp(a, b, sizeof *a), 0);
}

START_TEST(each_time_is_told_to_one_in_32) {
    static eddy_histogram it, other;
    for (int64_t time_ns = 0; time_ns < INT64_C(31) << 38; time_ns += time_ns / 37 + 1) {
        memset(&it, 0, sizeof it);
        eddy_histogram_record(&it, time_ns);
        ck_assert_int_eq(eddy_histogram_at_ns(&it, 0.5), time_ns); /* one alone is exact */
        eddy_histogram_record(&it, 0);
        eddy_histogram_record(&it, time_ns);
        eddy_histogram_record(&it, INT64_MAX);
        check_near(eddy_histogram_at_ns(&it, 0.5), time_ns);
        ck_assert_int_eq(eddy_histogram_at_ns(&it, 1), INT64_MAX);
    }
    memset(&it, 0, sizeof it);
    eddy_histogram_record(&it, -5);
    eddy_histogram_record(&other, 0);
    check_same(&it, &other);
}
END_TEST

/* Its ends are where the next one begins, and no power of two is inside of one. */
START_TEST(buckets_join) {
    static eddy_histogram it;
    eddy_histogram_bucket bucket;
    int64_t next_ns = 0;
    unsigned place = 0, count = 0;
    for (unsigned i = 0; i < EDDY_HISTOGRAM_BUCKETS; i++) it.buckets[i] = i + 1;
    while (eddy_histogram_next(&it, &place, &bucket)) {
        ck_assert_int_eq(bucket.first_ns, next_ns);
        ck_assert_uint_eq(bucket.count, ++count);
        ck_assert_int_ge(bucket.last_ns, bucket.first_ns);
        if (bucket.last_ns == INT64_MAX) break;
        ck_assert_int_le(16 * (bucket.last_ns - bucket.first_ns), bucket.first_ns);
        for (int bit = 0; bit < 43; bit++)
            ck_assert(bucket.first_ns >= INT64_C(1) << bit || bucket.last_ns < INT64_C(1) << bit);
        next_ns = bucket.last_ns + 1;
    }
    ck_assert_uint_eq(count, EDDY_HISTOGRAM_BUCKETS);
    ck_assert(!eddy_histogram_next(&it, &place, &bucket));
    for (unsigned i = 0; i < EDDY_HISTOGRAM_BUCKETS; i++) it.buckets[i] = 0;
    place = 0;
    ck_assert(!eddy_histogram_next(&it, &place, &bucket));
}
END_TEST

static int64_t exact_at(const int64_t *sorted, size_t count, double share) {
    double rank = share * (double)count;
    size_t whole = (size_t)rank;
    if ((double)whole < rank) whole++;
    return sorted[whole > 0 ? whole - 1 : 0];
}

static void check_against(const eddy_histogram *it, const int64_t *times, size_t count) {
    static const double shares[] = {0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1};
    int64_t sorted[TIMES_MAX];
    uint64_t sum = 0;
    memcpy(sorted, times, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare);
    for (size_t i = 0; i < count; i++) sum += (uint64_t)sorted[i];
    ck_assert_uint_eq(it->count, count);
    ck_assert_uint_eq(it->sum_ns, sum);
    if (count == 0) return;
    ck_assert_int_eq(eddy_histogram_mean_ns(it), (int64_t)(sum / count));
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++)
        check_near(eddy_histogram_at_ns(it, shares[i]), exact_at(sorted, count, shares[i]));
    check_near(it->min_ns, sorted[0]);
    check_near(it->max_ns, sorted[count - 1]);
}

/* Whatever was recorded, merged and subtracted. */
START_TEST(figures_are_those_of_the_times) {
    static eddy_histogram all, first, second, span;
    for (unsigned round = 0; round < 60; round++) {
        int64_t times[TIMES_MAX];
        random_state = round;
        size_t count = (size_t)(random_next() % TIMES_MAX);
        size_t cut = count > 0 ? (size_t)(random_next() % count) : 0;
        unsigned bits = 1 + round % 42;
        memset(&all, 0, sizeof all);
        memset(&first, 0, sizeof first);
        memset(&second, 0, sizeof second);
        for (size_t i = 0; i < count; i++) {
            times[i] = random_time(bits);
            eddy_histogram_record(&all, times[i]);
            eddy_histogram_record(i < cut ? &first : &second, times[i]);
        }
        check_against(&all, times, count);
        span = all;
        eddy_histogram_subtract(&span, &first);
        check_against(&span, times + cut, count - cut);
        check_against(&second, times + cut, count - cut);
        eddy_histogram_merge(&first, &second);
        check_same(&first, &all);
    }
}
END_TEST

START_TEST(an_empty_one_is_zeros) {
    static eddy_histogram it, none;
    ck_assert_int_eq(eddy_histogram_at_ns(&it, 0.5), 0);
    ck_assert_int_eq(eddy_histogram_at_ns(&it, 1), 0);
    ck_assert_int_eq(eddy_histogram_mean_ns(&it), 0);
    eddy_histogram_merge(&it, &none);
    check_same(&it, &none);
    eddy_histogram_record(&it, 700);
    eddy_histogram_merge(&it, &none);
    ck_assert_int_eq(it.min_ns, 700);
    eddy_histogram_merge(&none, &it);
    check_same(&it, &none);
    eddy_histogram_subtract(&it, &none);
    memset(&none, 0, sizeof none);
    check_same(&it, &none);
}
END_TEST

/* What is no share is the nearest one. */
START_TEST(shares_out_of_range) {
    static eddy_histogram it;
    volatile double zero = 0;
    for (int i = 5; i <= 10; i++) eddy_histogram_record(&it, i);
    ck_assert_int_eq(eddy_histogram_at_ns(&it, -1), 5);
    ck_assert_int_eq(eddy_histogram_at_ns(&it, 2), 10);
    ck_assert_int_eq(eddy_histogram_at_ns(&it, zero / zero), 5);
    ck_assert_int_eq(eddy_histogram_at_ns(&it, 0.5), 7);
    ck_assert_int_eq(eddy_histogram_at_ns(&it, 0.51), 8);
}
END_TEST

/* 7 of 100 times are short: 0.07 of all are, whatever double that is, and not one more. */
START_TEST(a_share_of_hundredths_is_exact) {
    static eddy_histogram it;
    for (int count = 100; count <= 1000; count += 100) {
        for (int hundredths = 1; hundredths < 100; hundredths++) {
            int at_most = hundredths * count / 100;
            memset(&it, 0, sizeof it);
            for (int i = 1; i <= count; i++) eddy_histogram_record(&it, i <= at_most ? 1 : 10);
            ck_assert_int_eq(eddy_histogram_at_ns(&it, hundredths / 100.0), 1);
            ck_assert_int_eq(eddy_histogram_at_ns(&it, (hundredths + 0.001) / 100.0), 10);
        }
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("histogram");
    ck_add(suite, "histogram", each_time_is_told_to_one_in_32, buckets_join,
           figures_are_those_of_the_times, an_empty_one_is_zeros, shares_out_of_range,
           a_share_of_hundredths_is_exact);
    return suite;
}
