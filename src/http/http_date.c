/* http_date.c: dates as HTTP has them (RFC 9110 §5.6.7), without locale or time zone.
 * Threading: none of its own; pure. */
#include <eddy/http.h>

#include <string.h>

#define LAST_SECOND INT64_C(253402300799) /* of 9999 */

enum { DAY_SECONDS = 86400 };

struct http_civil {
    int year, month, day; /* month and day from 1 */
    int hour, minute, second;
    int weekday; /* 0: Sunday */
};

static const char weekdays[7][10] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                     "Thursday", "Friday", "Saturday"};
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Years that begin in March put the leap day last: a month's first day is then (153 m + 2) / 5,
 * and 146,097 days are 400 years. Day 0 is 0000-03-01, 719,468 days before 1970. */
static int64_t days_of(int year, int month, int day) {
    int from_march = (month + 9) % 12;
    int64_t y = month <= 2 ? year - 1 : year;
    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * from_march + 2) / 5 + day - 1 - 719468;
}

static void civil_of_days(int64_t days, struct http_civil *civil) {
    uint32_t day = (uint32_t)(days + 719468), era = day / 146097;
    day -= era * 146097;
    uint32_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    uint32_t from_march = (5 * day + 2) / 153;
    civil->day = (int)(day - (153 * from_march + 2) / 5 + 1);
    civil->month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
    civil->year = (int)(year + era * 400 + (from_march >= 10));
    civil->weekday = (int)((days + 4) % 7);
}

/* Times outside 1970 to 9999 become the nearest one inside. */
static struct http_civil civil_of(int64_t time_s) {
    if (time_s < 0) time_s = 0;
    if (time_s > LAST_SECOND) time_s = LAST_SECOND;
    struct http_civil civil;
    civil_of_days(time_s / DAY_SECONDS, &civil);
    int rest = (int)(time_s % DAY_SECONDS);
    civil.hour = rest / 3600;
    civil.minute = rest / 60 % 60;
    civil.second = rest % 60;
    return civil;
}

static void put_two(char *text, int number) {
    text[0] = (char)('0' + number / 10);
    text[1] = (char)('0' + number % 10);
}

void eddy_http_date_format(char text[EDDY_HTTP_DATE_BYTES], int64_t time_s) {
    struct http_civil civil = civil_of(time_s);
    memcpy(text, "Sun, 00 Jan 0000 00:00:00 GMT", EDDY_HTTP_DATE_BYTES);
    memcpy(text, weekdays[civil.weekday], 3);
    put_two(text + 5, civil.day);
    memcpy(text + 8, months + (civil.month - 1) * 3, 3);
    put_two(text + 12, civil.year / 100);
    put_two(text + 14, civil.year % 100);
    put_two(text + 17, civil.hour);
    put_two(text + 20, civil.minute);
    put_two(text + 23, civil.second);
}

/* --- reading --- */

struct date_cursor {
    const char *at, *end;
};

static bool take(struct date_cursor *in, const char *text, size_t length) {
    if ((size_t)(in->end - in->at) < length || memcmp(in->at, text, length) != 0) return false;
    in->at += length;
    return true;
}

static bool take_number(struct date_cursor *in, int digits, int *number) {
    *number = 0;
    if (in->end - in->at < digits) return false;
    for (; digits > 0; digits--, in->at++) {
        if (*in->at < '0' || *in->at > '9') return false;
        *number = *number * 10 + (*in->at - '0');
    }
    return true;
}

static bool take_weekday(struct date_cursor *in, bool whole, int *weekday) {
    for (*weekday = 0; *weekday < 7; ++*weekday) {
        const char *name = weekdays[*weekday];
        if (take(in, name, whole ? strlen(name) : 3)) return true;
    }
    return false;
}

static bool take_month(struct date_cursor *in, int *month) {
    for (*month = 1; *month <= 12; ++*month)
        if (take(in, months + (*month - 1) * 3, 3)) return true;
    return false;
}

/* One letter of a form (below), anything else stands for itself. */
static bool take_part(struct date_cursor *in, const char *part, struct http_civil *civil) {
    switch (*part) {
    case 'w':
    case 'W':
        return take_weekday(in, *part == 'W', &civil->weekday);
    case 'd':
        return take_number(in, 2, &civil->day);
    case 'e': /* one digit after a space */
        if (take(in, " ", 1)) return take_number(in, 1, &civil->day);
        return take_number(in, 2, &civil->day);
    case 'b':
        return take_month(in, &civil->month);
    case 'y':
        if (!take_number(in, 2, &civil->year)) return false;
        civil->year += civil->year < 70 ? 2000 : 1900;
        return true;
    case 'Y':
        return take_number(in, 4, &civil->year);
    case 'h':
        return take_number(in, 2, &civil->hour);
    case 'm':
        return take_number(in, 2, &civil->minute);
    case 's':
        return take_number(in, 2, &civil->second);
    case 'z':
        return take(in, "GMT", 3);
    default:
        return take(in, part, 1);
    }
}

static bool take_form(struct date_cursor in, const char *form, struct http_civil *civil) {
    for (; *form != '\0'; form++)
        if (!take_part(&in, form, civil)) return false;
    return in.at == in.end;
}

static bool time_of(const struct http_civil *civil, int64_t *time_s) {
    /* 60 is a leap second: the one that follows 59. */
    if (civil->hour > 23 || civil->minute > 59 || civil->second > 60) return false;
    if (civil->year < 1970) return false;
    int64_t days = days_of(civil->year, civil->month, civil->day);
    if (days < 0) return false;
    struct http_civil real;
    civil_of_days(days, &real); /* another day when the month has no such one */
    if (real.day != civil->day || real.weekday != civil->weekday) return false;
    *time_s = days * DAY_SECONDS + civil->hour * 3600 + civil->minute * 60 + civil->second;
    return true;
}

int eddy_http_date_parse(const char *text, size_t length, int64_t *time_s) {
    static const char *const forms[] = {
        "w, d b Y h:m:s z", /* Sun, 06 Nov 1994 08:49:37 GMT, as everybody writes it now */
        "W, d-b-y h:m:s z", /* Sunday, 06-Nov-94 08:49:37 GMT, RFC 850 */
        "w b e h:m:s Y",    /* Sun Nov  6 08:49:37 1994, asctime() */
    };
    struct date_cursor in = {text, text + length};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct http_civil civil = {0};
        if (take_form(in, forms[i], &civil)) return time_of(&civil, time_s) ? 0 : -EINVAL;
    }
    return -EINVAL;
}
