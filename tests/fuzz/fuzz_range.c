/* fuzz_range.c: a file size (8 bytes) and any bytes as a Range. Ranges lie inside the file, and
 * together ask for no more than it. */
#include "fuzz.h"

#include "multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t file_size;
    struct ranges ranges;
    if (size < sizeof file_size) return 0;
    memcpy(&file_size, data, sizeof file_size);
    file_size &= INT64_MAX;
    if (data[0] & 1) file_size &= 0xff;
    const char *value = (const char *)data + sizeof file_size;
    int status = range_parse(&ranges, value, size - sizeof file_size, file_size);
    FUZZ_CHECK(status == 200 || status == 206 || status == 416);
    FUZZ_CHECK(ranges.count <= RANGES_MAX);
    FUZZ_CHECK((status == 206) == (ranges.count > 0));
    int64_t left = file_size;
    for (unsigned i = 0; i < ranges.count; i++) {
        const struct range *range = &ranges.list[i];
        FUZZ_CHECK(range->first >= 0 && range->first <= range->last);
        FUZZ_CHECK(range->last < file_size);
        FUZZ_CHECK(range->last - range->first < left);
        left -= range->last - range->first + 1;
    }
    if (file_size > INT64_MAX / 2) return 0;
    const struct multipart multipart = {"text/plain", file_size, 1};
    FUZZ_CHECK(multipart_bytes(&multipart, &ranges) > file_size - left);
    return 0;
}
