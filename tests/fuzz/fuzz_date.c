/* fuzz_date.c: any bytes as a date, and as a time. A date that is read is written as the same one;
 * a time that is written is read as the same one. */
#include "fuzz.h"
#include "http_date.h"

#define LAST_SECOND INT64_C(253402300799)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char text[HTTP_DATE_BYTES];
    int64_t time_s = 0, again = 0;
    if (http_date_parse((const char *)data, size, &time_s)) {
        /* One more for the leap second at the end of 9999. */
        FUZZ_CHECK(time_s >= 0 && time_s <= LAST_SECOND + 1);
        http_date_format(text, time_s);
        FUZZ_CHECK(http_date_parse(text, sizeof text, &again));
        FUZZ_CHECK(again == time_s || time_s > LAST_SECOND);
        if (size == sizeof text && memcmp(data + 23, "60", 2) != 0)
            FUZZ_CHECK(memcmp(text, data, size) == 0);
    }
    if (size < sizeof time_s) return 0;
    memcpy(&time_s, data, sizeof time_s);
    if (data[7] & 1) time_s = (int64_t)((uint64_t)time_s % (LAST_SECOND + 1));
    http_date_format(text, time_s);
    FUZZ_CHECK(http_date_parse(text, sizeof text, &again));
    if (time_s >= 0 && time_s <= LAST_SECOND) FUZZ_CHECK(again == time_s);
    return 0;
}
