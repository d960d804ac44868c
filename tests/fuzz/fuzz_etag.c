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

static struct listing_entry *make_entry(const char *name, size_t length) {
    struct listing_entry *entry = calloc(1, sizeof *entry + length + 1);
    FUZZ_CHECK(entry != NULL);
    entry->name_length = (uint16_t)length;
    if (length > 0) memcpy(entry->name, name, length);
    return entry;
}

/* Each name has a row that fits, and is equal to itself only. */
static void check_row(const char *bytes, size_t size) {
    static const struct listing_view view = {.order = {LISTING_BY_NAME, false}};
    size_t length = size > 0 ? strnlen(bytes, size) : 0;
    if (length > LISTING_NAME_BYTES) length = LISTING_NAME_BYTES;
    struct listing_entry *entry = make_entry(bytes, length);
    struct listing_entry *shorter = make_entry(bytes, length / 2);
    struct text row = {0};
    listing_page_put_row(&row, &view, entry);
    FUZZ_CHECK(row.length > 2 * length && row.length <= LISTING_PART_BYTES);
    int order = listing_compare(entry, shorter, view.order);
    int back = listing_compare(shorter, entry, view.order);
    FUZZ_CHECK((order > 0) == (back < 0) && (order < 0) == (back > 0));
    FUZZ_CHECK((order == 0) == (length == length / 2));
    FUZZ_CHECK(listing_compare(entry, entry, view.order) == 0);
    free(entry);
    free(shorter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *bytes = (const char *)data;
    bool weak = etag_matches(bytes, size, "\"tag\"", 5, ETAG_WEAK);
    bool strong = etag_matches(bytes, size, "\"tag\"", 5, ETAG_STRONG);
    FUZZ_CHECK(weak || !strong);
    FUZZ_CHECK(strchr(mime_type(NULL, bytes, size), '/') != NULL);
    check_html(bytes, size);
    check_row(bytes, size);
    return 0;
}
