/* fuzz_path.c: any bytes as a target. What is accepted names something beneath the root, and
 * encoded again it means the same; what is refused is refused, and what is accepted means the same,
 * to a decoder that was written apart. */
#include "fuzz.h"
#include "http_path.h"
#include "serve_path.h"

/* No segment is empty, "." or "..". */
static void check_segments(const struct http_path *path) {
    for (size_t start = 0; start < path->length;) {
        size_t end = start;
        while (end < path->length && path->text[end] != '/') end++;
        const char *segment = path->text + start;
        FUZZ_CHECK(end > start);
        FUZZ_CHECK(!(end - start == 1 && segment[0] == '.'));
        FUZZ_CHECK(!(end - start == 2 && segment[0] == '.' && segment[1] == '.'));
        start = end + 1;
        FUZZ_CHECK(start != path->length);
    }
}

static void check_location(const struct http_path *path, const char *target) {
    static char bytes[1 << 20];
    struct http_text text = {bytes, sizeof bytes, 0};
    struct http_path again;
    http_path_put_location(&text, path, target);
    FUZZ_CHECK(http_text_fits(&text));
    size_t length = text.length - path->query_length;
    FUZZ_CHECK(bytes[0] == '/' && bytes[length - 1] == '/');
    FUZZ_CHECK(length == 1 || bytes[1] != '/');
    for (size_t i = 0; i < length; i++) FUZZ_CHECK(bytes[i] > 0x20 && bytes[i] < 0x7f);
    FUZZ_CHECK(http_path_decode(&again, bytes, text.length) == 0);
    FUZZ_CHECK(strcmp(again.text, path->text) == 0 && again.has_slash);
    FUZZ_CHECK(again.query_length == path->query_length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct http_path path;
    static char naive[HTTP_PATH_MAX + 3];
    int status = http_path_decode(&path, (const char *)data, size);
    bool is_good = serve_path(naive, sizeof naive, (const char *)data, size);
    FUZZ_CHECK(status == 414 || is_good == (status == 0));
    if (status != 0) {
        FUZZ_CHECK(status == 400 || status == 404 || status == 414);
        return 0;
    }
    FUZZ_CHECK(path.length <= HTTP_PATH_MAX);
    FUZZ_CHECK(strlen(path.text) == path.length);
    FUZZ_CHECK(path.query_offset + path.query_length == size);
    FUZZ_CHECK(path.query_length == 0 || data[path.query_offset] == '?');
    FUZZ_CHECK(path.length > 0 || path.has_slash);
    FUZZ_CHECK(strcmp(path.text, naive) == 0);
    check_segments(&path);
    check_location(&path, (const char *)data);
    return 0;
}
