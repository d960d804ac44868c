/* fuzz_etag.c: any bytes as the value of If-None-Match, as a name in a listing and as a path with a
 * media type. What matches strongly matches weakly; what is escaped holds no markup. */
#include "fuzz.h"
#include "http_etag.h"
#include "http_listing.h"
#include "http_mime.h"

static void check_html(const char *bytes, size_t size) {
    struct http_text count = {0};
    http_text_put_html(&count, bytes, size);
    char *html = malloc(count.length + 1);
    FUZZ_CHECK(html != NULL);
    struct http_text text = {html, count.length, 0};
    http_text_put_html(&text, bytes, size);
    FUZZ_CHECK(text.length == count.length && http_text_fits(&text));
    for (size_t i = 0; i < text.length; i++)
        FUZZ_CHECK(strchr("<>\"'\n\r", html[i]) == NULL && html[i] != '\0');
    free(html);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *bytes = (const char *)data;
    bool weak = http_etag_matches(bytes, size, "\"tag\"", 5, HTTP_ETAG_WEAK);
    bool strong = http_etag_matches(bytes, size, "\"tag\"", 5, HTTP_ETAG_STRONG);
    FUZZ_CHECK(weak || !strong);
    FUZZ_CHECK(strchr(http_mime_type(bytes, size), '/') != NULL);
    check_html(bytes, size);
    struct http_text row = {0};
    http_listing_put_row(&row, &(struct http_entry){bytes, size, (int64_t)size, 0, false});
    FUZZ_CHECK(row.length > 2 * size);
    return 0;
}
