/* http_date.c: dates, to and fro. */
#include "suite.h"

#include <eddy/http.h>
#include <stdio.h>
#include <string.h>

#define DAY INT64_C(86400)

static bool parse(const char *text, int64_t *time_s) {
    return eddy_http_date_parse(text, strlen(text), time_s) == 0;
}

START_TEST(known_moments_are_written_right) {
    static const struct {
        int64_t time_s;
        const char *text;
    } cases[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {951782399, "Mon, 28 Feb 2000 23:59:59 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {951868800, "Wed, 01 Mar 2000 00:00:00 GMT"},
        {2147483647, "Tue, 19 Jan 2038 03:14:07 GMT"},
        {2147483648, "Tue, 19 Jan 2038 03:14:08 GMT"},
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
        {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[EDDY_HTTP_DATE_BYTES];
        int64_t time_s = -1;
        eddy_http_date_format(text, cases[i].time_s);
        ck_assert_str_eq(text, cases[i].text);
        ck_assert(parse(text, &time_s));
        ck_assert_int_eq(time_s, cases[i].time_s);
    }
}
END_TEST

/* Whether the day and a moment in it are written and read back right. */
static bool day_is_right(int64_t days, int year, int month, int day) {
    static const char names[] = "SunMonTueWedThuFriSatJanFebMarAprMayJunJulAugSepOctNovDec";
    char text[EDDY_HTTP_DATE_BYTES], expected[64];
    int second = (int)(days * 7919 % DAY);
    int64_t time_s = days * DAY + second, again = -1;
    snprintf(expected, sizeof expected, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
             names + 3 * ((days + 4) % 7), day, names + 3 * (month + 6), year, second / 3600,
             second / 60 % 60, second % 60);
    eddy_http_date_format(text, time_s);
    return strcmp(text, expected) == 0 && parse(text, &again) && again == time_s;
}

/* Every day of 400 years, after which the calendar repeats, and the same day of the last 400. */
START_TEST(every_day_comes_back) {
    static const int lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    enum { CYCLE_DAYS = 146097 };
    int year = 1970, month = 1, day = 1;
    for (int64_t days = 0; days < CYCLE_DAYS; days++) {
        int later = (9999 - year) / 400;
        if (!day_is_right(days, year, month, day) ||
            !day_is_right(days + later * CYCLE_DAYS, year + later * 400, month, day))
            ck_abort_msg("%d-%d-%d", year, month, day);
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        if (++day <= lengths[month - 1] + (month == 2 && leap)) continue;
        day = 1;
        if (++month <= 12) continue;
        month = 1;
        year++;
    }
    ck_assert(year == 2370 && month == 1 && day == 1);
}
END_TEST

START_TEST(times_outside_become_the_nearest_inside) {
    char text[EDDY_HTTP_DATE_BYTES];
    eddy_http_date_format(text, -1);
    ck_assert_str_eq(text, "Thu, 01 Jan 1970 00:00:00 GMT");
    eddy_http_date_format(text, INT64_MIN);
    ck_assert_str_eq(text, "Thu, 01 Jan 1970 00:00:00 GMT");
    eddy_http_date_format(text, INT64_MAX);
    ck_assert_str_eq(text, "Fri, 31 Dec 9999 23:59:59 GMT");
}
END_TEST

START_TEST(all_three_forms_are_read) {
    static const struct {
        const char *text;
        int64_t time_s;
    } cases[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
        {"Sun Nov  6 08:49:37 1994", 784111777},
        {"Wednesday, 01-Jan-70 00:00:00 GMT", -1}, /* was a Thursday */
        {"Thursday, 01-Jan-70 00:00:00 GMT", 0},
        {"Tuesday, 31-Dec-69 23:59:59 GMT", 3155759999}, /* 2069 */
        {"Wed Feb 29 12:00:00 2040", 2214129600},
        {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800}, /* a leap second */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t time_s = -1;
        bool good = parse(cases[i].text, &time_s);
        ck_assert_msg(good == (cases[i].time_s >= 0), "%s", cases[i].text);
        ck_assert_msg(time_s == cases[i].time_s, "%lld for %s", (long long)time_s, cases[i].text);
    }
}
END_TEST

START_TEST(what_is_no_date_is_refused) {
    static const char *const cases[] = {
        "",
        "0",
        "784111777",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GM",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun,06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Mon, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Thu, 31 Nov 1994 08:49:37 GMT",
        "Wed, 29 Feb 1995 08:49:37 GMT",
        "Mon, 29 Feb 2100 08:49:37 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        "Wed, 00 Jan 1970 00:00:00 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov  0 08:49:37 1994",
        "Sun, 06 Nov 19940 08:49:37 GMT",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t time_s = 12345;
        ck_assert_msg(!parse(cases[i], &time_s), "%s", cases[i]);
        ck_assert_int_eq(time_s, 12345);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("http_date");
    ck_add(suite, "dates", known_moments_are_written_right, every_day_comes_back,
           times_outside_become_the_nearest_inside, all_three_forms_are_read,
           what_is_no_date_is_refused);
    return suite;
}
