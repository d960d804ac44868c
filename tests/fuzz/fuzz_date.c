/* fuzz_date.c: any bytes as a date, and as a time. A date that is read is written as the same one;
 * a time that is written is read as the same one. */
#include <eddy/http.h>

#include "fuzz.h"

#define LAST_SECOND INT64_C(253402300799)

enum { LENGTH = EDDY_HTTP_DATE_BYTES - 1 };

static void check_text(const char *bytes, size_t size) {
    char text[EDDY_HTTP_DATE_BYTES];
    int64_t time_s = -12345, again = 0;
    int err = eddy_http_date_parse(bytes, size, &time_s);
    if (err != 0) {
        FUZZ_CHECK(err == -EINVAL && time_s == -12345);
        return;
    }
    /* One more for the leap second at the end of 9999. */
    FUZZ_CHECK(time_s >= 0 && time_s <= LAST_SECOND + 1);
    eddy_http_date_format(text, time_s);
    FUZZ_CHECK(eddy_http_date_parse(text, LENGTH, &again) == 0);
    FUZZ_CHECK(again == time_s || time_s > LAST_SECOND);
    if (size == LENGTH && memcmp(bytes + 23, "60", 2) != 0)
        FUZZ_CHECK(memcmp(text, bytes, size) == 0);
}

static void check_time(int64_t time_s) {
    char text[EDDY_HTTP_DATE_BYTES];
    int64_t again = 0;
    eddy_http_date_format(text, time_s);
    FUZZ_CHECK(strlen(text) == LENGTH);
    FUZZ_CHECK(eddy_http_date_parse(text, LENGTH, &again) == 0);
    if (time_s >= 0 && time_s <= LAST_SECOND) FUZZ_CHECK(again == time_s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t time_s = 0;
    check_text((const char *)data, size);
    if (size < sizeof time_s) return 0;
    memcpy(&time_s, data, sizeof time_s);
    if (data[7] & 1) time_s = (int64_t)((uint64_t)time_s % (LAST_SECOND + 1));
    check_time(time_s);
    return 0;
}
