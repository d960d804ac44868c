/* fuzz_request.c: any bytes as a request. However they are cut the result is the same, what the
 * spans say lies inside, and what was accepted holds nothing that the parser promises to refuse. */
#include "fuzz.h"
#include "http_conditional.h"
#include "http_feed.h"

static void check_span(const struct http_request *request, const char *bytes,
                       struct http_span span) {
    FUZZ_CHECK(span.offset <= request->head_bytes);
    FUZZ_CHECK(span.length <= request->head_bytes - span.offset);
    for (uint32_t i = 0; i < span.length; i++) {
        unsigned char byte = (unsigned char)bytes[span.offset + i];
        FUZZ_CHECK(byte == '\t' || (byte >= 0x20 && byte != 0x7f));
    }
}

static void check_complete(const struct http_request *request, const char *bytes, size_t length) {
    uint32_t head = request->head_bytes;
    FUZZ_CHECK(head >= 4 && head <= length);
    FUZZ_CHECK(memcmp(bytes + head - 4, "\r\n\r\n", 4) == 0);
    FUZZ_CHECK(request->line.length > 0 && request->minor <= 1);
    check_span(request, bytes, request->line);
    check_span(request, bytes, request->target);
    for (int i = 0; i < HTTP_FIELDS; i++) check_span(request, bytes, request->fields[i]);
    FUZZ_CHECK(request->minor == 0 || request->fields[HTTP_FIELD_HOST].offset != 0);
    for (uint32_t i = 0; i < head; i++) {
        FUZZ_CHECK(bytes[i] != '\0');
        FUZZ_CHECK(bytes[i] != '\n' || (i > 0 && bytes[i - 1] == '\r'));
        FUZZ_CHECK(bytes[i] != '\r' || (i + 1 < head && bytes[i + 1] == '\n'));
    }
}

static void check_conditional(const struct http_request *request, const char *bytes, int64_t size) {
    const struct http_validators file = {"\"tag\"", 5, 784111777, size};
    struct http_ranges ranges;
    int status = http_conditional(request, bytes, &file, &ranges);
    FUZZ_CHECK(status == 200 || status == 206 || status == 304 || status == 412 || status == 416);
    FUZZ_CHECK((status == 206) == (ranges.count > 0));
}

static void check_cuts(const char *bytes, size_t length, const struct http_limits *limits) {
    struct http_request whole, other;
    int status = http_feed_whole(&whole, bytes, length, limits);
    FUZZ_CHECK(status == HTTP_MORE || status == HTTP_COMPLETE || (status >= 400 && status <= 505));
    if (status == HTTP_COMPLETE) {
        check_complete(&whole, bytes, length);
        FUZZ_CHECK(whole.body_bytes <= limits->body_bytes);
        if (whole.method <= HTTP_HEAD) check_conditional(&whole, bytes, 100);
    }
    /* A few places to cut at, which depend on the input; all of them byte by byte. */
    for (size_t i = 0; i < 4 && length > 0; i++) {
        size_t cut = ((unsigned char)bytes[i % length] * 31u + i * length / 4) % (length + 1);
        FUZZ_CHECK(http_feed_cut(&other, bytes, length, cut, limits) == status);
        FUZZ_CHECK(http_same_result(&whole, &other, status));
    }
    if (length > 1024) return;
    FUZZ_CHECK(http_feed_bytewise(&other, bytes, length, limits) == status);
    FUZZ_CHECK(http_same_result(&whole, &other, status));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct http_limits small = {40, 24, 60, 4, 10};
    check_cuts((const char *)data, size, &http_limits_default);
    check_cuts((const char *)data, size, &small);
    return 0;
}
