/* fuzz_path.c: any bytes as a target. What is accepted names something below "/", and encoded again
 * it means the same; what is refused is refused, and what is accepted means the same, to a decoder
 * that was written apart. */
#include "fuzz.h"
#include "serve_path.h"
#include "src/http/http_server.h"
#include "text.h"

enum { TARGET_MAX = 8000 }; /* what the other decoder takes */

struct path {
    char *text;
    uint32_t length, query;
};

/* Into a block of the size that the header asks for. */
static int decode(struct path *path, const char *target, size_t size) {
    path->text = malloc(size + 2);
    FUZZ_CHECK(path->text != NULL);
    return eddy__http_path_decode(path->text, &path->length, target, (uint32_t)size, &path->query);
}

/* No segment is empty, "." or "..". */
static void check_segments(const struct path *path) {
    FUZZ_CHECK(path->text[0] == '/');
    for (size_t start = 1; start < path->length;) {
        size_t end = start;
        while (end < path->length && path->text[end] != '/') end++;
        const char *segment = path->text + start;
        FUZZ_CHECK(end > start);
        FUZZ_CHECK(!(end - start == 1 && segment[0] == '.'));
        FUZZ_CHECK(!(end - start == 2 && segment[0] == '.' && segment[1] == '.'));
        start = end + 1;
    }
}

/* The other one leaves out the slashes at both ends. */
static void check_same(const struct path *path, const char *naive) {
    size_t length = strlen(naive);
    FUZZ_CHECK(path->length >= 1 + length && path->length <= 2 + length);
    FUZZ_CHECK(memcmp(path->text + 1, naive, length) == 0);
    if (path->length == 2 + length)
        FUZZ_CHECK(length > 0 && path->text[path->length - 1] == '/');
    else
        FUZZ_CHECK(length == 0 || path->text[path->length - 1] != '/');
}

static void check_encoded(const struct path *path) {
    struct text count = {0};
    struct path again;
    text_put_url(&count, path->text, path->length);
    char *bytes = malloc(count.length);
    FUZZ_CHECK(bytes != NULL);
    struct text text = {bytes, count.length, 0};
    text_put_url(&text, path->text, path->length);
    FUZZ_CHECK(text.length == count.length);
    for (size_t i = 0; i < text.length; i++) FUZZ_CHECK(bytes[i] > 0x20 && bytes[i] < 0x7f);
    FUZZ_CHECK(decode(&again, bytes, text.length) == 0);
    FUZZ_CHECK(again.length == path->length && strcmp(again.text, path->text) == 0);
    FUZZ_CHECK(again.query == text.length);
    free(again.text);
    free(bytes);
}

static void check_accepted(const struct path *path, const char *target, size_t size,
                           const char *naive) {
    FUZZ_CHECK(strlen(path->text) == path->length);
    FUZZ_CHECK(path->query == size || (path->query < size && target[path->query] == '?'));
    FUZZ_CHECK(memchr(target, '?', path->query) == NULL);
    if (size == 1 && target[0] == '*') {
        FUZZ_CHECK(strcmp(path->text, "*") == 0);
        return;
    }
    check_segments(path);
    check_same(path, naive);
    check_encoded(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char naive[TARGET_MAX + 3];
    const char *target = (const char *)data;
    struct path path;
    if (size > TARGET_MAX) return 0;
    int status = decode(&path, target, size);
    FUZZ_CHECK(status == 0 || status == 400 || status == 404);
    FUZZ_CHECK(serve_path(naive, sizeof naive, target, size) == (status == 0));
    if (status == 0) check_accepted(&path, target, size, naive);
    free(path.text);
    return 0;
}
