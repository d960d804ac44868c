/* fuzz_chunk.c: any bytes as a body in chunks. However they are cut the result is the same, and it
 * is that of a second parser, which sees the whole at once and goes line by line. And any bytes as
 * data: cut into chunks they come out again. */
#include "fuzz.h"

#include "chunk_feed.h"
#include "src/http/http_bytes.h"

/* The length of the line at `at` with its CR LF, which may hold what a value may; 0: it is none, or
 * not complete. */
static size_t line_length(const char *bytes, size_t length, size_t at) {
    size_t end = at;
    while (end < length && eddy__http_is_value(bytes + end, 1)) end++;
    return length - end >= 2 && memcmp(bytes + end, "\r\n", 2) == 0 ? end + 2 - at : 0;
}

/* Reads the size's line of `length` bytes at `line`. */
static bool read_size(const char *line, size_t length, uint64_t *size) {
    size_t digits = strspn(line, "0123456789abcdefABCDEF"), blanks;
    if (digits == 0 || digits > 15 || length > HTTP_CHUNK_LINE_BYTES) return false;
    *size = strtoull(line, NULL, 16);
    blanks = strspn(line + digits, " \t");
    return line[digits + blanks] == ';' || digits + 2 == length;
}

static bool is_field(const char *line, size_t length) {
    const char *colon = memchr(line, ':', length);
    return colon != NULL && eddy__http_is_token(line, (size_t)(colon - line));
}

/* Whether `bytes`, which a NUL ends, are a whole body, and then how many, and of how much data. */
static bool is_body(const char *bytes, size_t length, size_t *taken, size_t *data_bytes) {
    size_t at = 0, line, trailers;
    uint64_t size = 1, excess = 0;
    *data_bytes = 0;
    while (size > 0) {
        line = line_length(bytes, length, at);
        if (line == 0 || !read_size(bytes + at, line, &size)) return false;
        excess += line;
        excess -= excess < 2 * size + 16 ? excess : 2 * size + 16;
        if (excess > HTTP_CHUNK_EXCESS_BYTES) return false;
        at += line;
        if (size == 0) break;
        if (length - at < 2 || size > length - at - 2) return false;
        at += size;
        *data_bytes += size;
        if (bytes[at] != '\r' || bytes[at + 1] != '\n') return false;
        at += 2;
    }
    for (trailers = 0; (line = line_length(bytes, length, at)) > 2; at += line) {
        if (!is_field(bytes + at, line)) return false;
        trailers += line;
    }
    *taken = at + 2;
    return line == 2 && trailers + 2 <= HTTP_CHUNK_TRAILER_BYTES;
}

static void check_cuts(const char *bytes, size_t length) {
    struct chunk_body whole = chunk_feed(bytes, length, length, 1);
    FUZZ_CHECK(whole.is_sound);
    size_t taken = 0, data_bytes = 0;
    bool is_complete = is_body(bytes, length, &taken, &data_bytes);
    FUZZ_CHECK(is_complete == (whole.result == HTTP_CHUNK_END));
    if (is_complete) FUZZ_CHECK(taken == whole.taken && data_bytes == whole.size);
    if (whole.result == HTTP_CHUNK_MORE) FUZZ_CHECK(whole.taken == length);
    for (size_t i = 0; i < 5 && length > 0; i++) {
        size_t first = ((unsigned char)bytes[i % length] * 31u + i * length / 4) % (length + 1);
        struct chunk_body other = chunk_feed(bytes, length, i == 0 ? 0 : first, i * i * i + 1);
        FUZZ_CHECK(chunk_same_body(&whole, &other));
        free(other.data);
    }
    free(whole.data);
}

/* Chunks whose sizes are in the data itself. */
static void check_round_trip(const char *bytes, size_t length) {
    char *text = malloc(length * 8 + 8);
    if (text == NULL) abort();
    size_t end = 0;
    for (size_t at = 0; at < length;) {
        size_t size = (size_t)(unsigned char)bytes[at] % 40 + 1;
        if (size > length - at) size = length - at;
        end += (size_t)sprintf(text + end, size % 2 ? "%zx\r\n" : "%03zX\r\n", size);
        memcpy(text + end, bytes + at, size);
        memcpy(text + end + size, "\r\n", 2);
        end += size + 2;
        at += size;
    }
    memcpy(text + end, "0\r\n\r\nG", 6);
    struct chunk_body body = chunk_feed(text, end + 6, end / 2, end / 3 + 1);
    FUZZ_CHECK(body.result == HTTP_CHUNK_END && body.taken == end + 5);
    FUZZ_CHECK(body.size == length && (length == 0 || memcmp(body.data, bytes, length) == 0));
    free(body.data);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1); /* ended, for the second parser */
    if (text == NULL) abort();
    if (size > 0) memcpy(text, data, size);
    text[size] = '\0';
    check_cuts(text, size);
    check_round_trip(text, size);
    free(text);
    return 0;
}
