/* http_date.h: HTTP dates (RFC 9110 §5.6.7) without locale or time zone.
 * Times are seconds since 1970 in UTC. */
#ifndef EDDY_CMD_SERVE_HTTP_DATE_H
#define EDDY_CMD_SERVE_HTTP_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_DATE_BYTES = 29 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" */

struct http_civil {
    int year, month, day; /* month and day from 1 */
    int hour, minute, second;
    int weekday; /* 0: Sunday */
};

/* Times outside 1970 to 9999 become the nearest one inside. */
struct http_civil http_date_civil(int64_t time_s);

/* Writes HTTP_DATE_BYTES bytes, no NUL. */
void http_date_format(char *text, int64_t time_s);

/* Any of the three forms, strict: the weekday has to fit. A year of two digits is in 1970 to 2069.
 * Returns false and leaves *time_s alone when it is no date. */
bool http_date_parse(const char *text, size_t length, int64_t *time_s);

#endif
