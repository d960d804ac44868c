/* fuzz_etag.c: any bytes as the value of If-None-Match, as a name in a listing and as a path with a
 * media type. What matches strongly matches weakly; what is escaped holds no markup. */
#include "fuzz.h"

#include "etag.h"
#include "listing_page.h"
#include "mime.h"

static void check_html(const char *bytes, size_t size) {
    struct text count = {0};
    text_put_html(&count, bytes, size);
    char *html = malloc(count.length + 1);
    FUZZ_CHECK(html != NULL);
    struct text text = {html, count.length, 0};
    text_put_html(&text, bytes, size);
    FUZZ_CHECK(text.length == count.length && text_fits(&text));
    for (size_t i = 0; i < text.length; i++)
        FUZZ_CHECK(strchr("<>\"'\n\r", html[i]) == NULL && html[i] != '\0');
    free(html);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *bytes = (const char *)data;
    bool weak = etag_matches(bytes, size, "\"tag\"", 5, ETAG_WEAK);
    bool strong = etag_matches(bytes, size, "\"tag\"", 5, ETAG_STRONG);
    FUZZ_CHECK(weak || !strong);
    FUZZ_CHECK(strchr(mime_type(NULL, bytes, size), '/') != NULL);
    check_html(bytes, size);
    struct text row = {0};
    listing_page_put_row(&row, &(struct listing_entry){bytes, size, (int64_t)size, 0, false});
    FUZZ_CHECK(row.length > 2 * size);
    return 0;
}
