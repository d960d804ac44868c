/* http_chunk.c: bodies in chunks, case by case. Every case is taken whole, cut in two at every
 * byte, and byte by byte; all of them must come to the same. */
#include "suite.h"

#include <stdio.h>

#include "chunk_feed.h"

static struct chunk_body take_bytes(const char *bytes, size_t length) {
    struct chunk_body whole = chunk_feed(bytes, length, length, 1);
    ck_assert(whole.is_sound);
    for (size_t cut = 0; cut <= length + 1; cut++) {
        bool is_bytewise = cut > length;
        struct chunk_body other =
            chunk_feed(bytes, length, is_bytewise ? 0 : cut, is_bytewise ? 1 : length);
        ck_assert_msg(chunk_same_body(&whole, &other), "cut at %zu: %d, whole: %d, of \"%s\"", cut,
                      other.result, whole.result, bytes);
        free(other.data);
    }
    return whole;
}

struct case_of_body {
    const char *text;
    enum http_chunk_result result;
    const char *data;
};

static void check_bodies(const struct case_of_body *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct chunk_body body = take_bytes(cases[i].text, strlen(cases[i].text));
        ck_assert_msg(body.result == cases[i].result, "%d for \"%s\"", body.result, cases[i].text);
        ck_assert_msg(body.size == strlen(cases[i].data) &&
                          memcmp(body.data, cases[i].data, body.size) == 0,
                      "%.*s of \"%s\"", (int)body.size, body.data, cases[i].text);
        free(body.data);
    }
}

#define CHECK_BODIES(cases) check_bodies(cases, sizeof(cases) / sizeof(cases)[0])

static const enum http_chunk_result more = HTTP_CHUNK_MORE, end = HTTP_CHUNK_END,
                                    error = HTTP_CHUNK_ERROR;

START_TEST(chunks_become_a_body) {
    const struct case_of_body cases[] = {
        {"0\r\n\r\n", end, ""},
        {"5\r\nhello\r\n0\r\n\r\n", end, "hello"},
        {"4\r\nWiki\r\n7\r\npedia i\r\nB\r\nn \r\nchunks.\r\n0\r\n\r\n", end,
         "Wikipedia in \r\nchunks."},
        {"1a\r\nabcdefghijklmnopqrstuvwxyz\r\n000\r\n\r\n", end, "abcdefghijklmnopqrstuvwxyz"},
        {"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", end, "01234567890123456789"},
        {"000000000000005\r\nhello\r\n0\r\n\r\n", end, "hello"},
        {"000000000000000\r\n\r\n", end, ""},
        {"7\r\n0\r\n\r\n0\r\r\n0\r\n\r\n", end, "0\r\n\r\n0\r"},
        {"", more, ""},
        {"5", more, ""},
        {"5\r", more, ""},
        {"5\r\nhel", more, "hel"},
        {"5\r\nhello", more, "hello"},
        {"5\r\nhello\r", more, "hello"},
        {"5\r\nhello\r\n0\r\n", more, "hello"},
        {"5\r\nhello\r\n0\r\n\r", more, "hello"},
    };
    CHECK_BODIES(cases);
}
END_TEST

/* What another parser reads as another size is how requests are smuggled. */
START_TEST(sizes_are_never_guessed) {
    const struct case_of_body cases[] = {
        {"\r\n", error, ""},
        {"\r\n5\r\nhello\r\n0\r\n\r\n", error, ""},
        {"\n5\r\nhello", error, ""},
        {"0x5\r\nhello", error, ""},
        {"0x10\r\n", error, ""},
        {"+5\r\nhello", error, ""},
        {"-5\r\nhello", error, ""},
        {"-0\r\n\r\n", error, ""},
        {" 5\r\nhello", error, ""},
        {"\t5\r\nhello", error, ""},
        {"5 \r\nhello", error, ""},
        {"5\t\r\nhello", error, ""},
        {"5 5\r\nhello", error, ""},
        {"5,5\r\nhello", error, ""},
        {"5_0\r\nhello", error, ""},
        {"5.\r\nhello", error, ""},
        {"5h\r\nhello", error, ""},
        {"g\r\nhello", error, ""},
        {"\"5\"\r\nhello", error, ""},
        {"5\x0b\r\nhello", error, ""},
        {"\xef\xbc\x95\r\nhello", error, ""}, /* a 5 of another alphabet */
        {"\x15\r\n", error, ""},
        {"5\nhello\r\n0\r\n\r\n", error, ""},
        {"5\rhello\r\n0\r\n\r\n", error, ""},
        {"5\r\r\nhello\r\n0\r\n\r\n", error, ""},
        {"5\n\nhello", error, ""},
        {"0000000000000005\r\nhello", error, ""}, /* 16 digits, whatever they come to */
        {"0000000000000000\r\n\r\n", error, ""},
        {"ffffffffffffffff\r\n", error, ""},
        {"10000000000000005\r\nhello", error, ""}, /* 2^64 + 5 */
        {"fffffffffffffff\r\nhello\r\n0\r\n\r\n", more, "hello\r\n0\r\n\r\n"},
    };
    CHECK_BODIES(cases);
}
END_TEST

START_TEST(data_ends_where_its_size_says) {
    const struct case_of_body cases[] = {
        {"5\r\nhello0\r\n\r\n", error, "hello"},
        {"5\r\nhello\n0\r\n\r\n", error, "hello"},
        {"5\r\nhello\r0\r\n\r\n", error, "hello"},
        {"5\r\nhello\n\r0\r\n\r\n", error, "hello"},
        {"5\r\nhello\r\n\r\n0\r\n\r\n", error, "hello"},
        {"5\r\nhello \r\n0\r\n\r\n", error, "hello"},
        {"4\r\nhello\r\n0\r\n\r\n", error, "hell"},
        {"6\r\nhello\r\n0\r\n\r\n", error, "hello\r"},
        {"7\r\nhello\r\n0\r\n\r\n", error, "hello\r\n"},
        {"5\r\nhello\r\n0\n\r\n", error, "hello"},
        {"5\r\nhello\r\n0\r\n\n", error, "hello"},
        {"5\r\nhello\r\n0\r\n\r\r\n", error, "hello"},
        {"0\r\n\rX", error, ""},
        {"2\r\nab\r\ng", error, "ab"},
    };
    CHECK_BODIES(cases);
}
END_TEST

START_TEST(extensions_are_skipped) {
    const struct case_of_body cases[] = {
        {"5;a\r\nhello\r\n0;b\r\n\r\n", end, "hello"},
        {"5;a=b;c=\"d;e\\\"f\"\r\nhello\r\n0\r\n\r\n", end, "hello"},
        {"5 ;\ta = b \r\nhello\r\n0\r\n\r\n", end, "hello"},
        {"5;a=\"0\xc3\xa4\"\r\nhello\r\n0\r\n\r\n", end, "hello"},
        {"5;a=\"\r\nhello\r\n0\r\n\r\n", end, "hello"}, /* lines end whatever is quoted */
        {"5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", error, ""},
        {"5;a\nhello\r\n0\r\n\r\n", error, ""},
        {"5;a\rb\r\nhello\r\n0\r\n\r\n", error, ""},
        {"5;\r\r\nhello", error, ""},
        {"5;a\x01\r\nhello", error, ""},
        {"5;a\x7f\r\nhello", error, ""},
        {";a\r\nhello", error, ""},
        {"5 a\r\nhello", error, ""},
        {"5=a\r\nhello", error, ""},
    };
    CHECK_BODIES(cases);
}
END_TEST

START_TEST(trailers_are_skipped_and_strict) {
    const struct case_of_body cases[] = {
        {"0\r\nA: b\r\n\r\n", end, ""},
        {"5\r\nhello\r\n0\r\nA: b\r\nC:\r\nd:\t\xff \r\n\r\n", end, "hello"},
        {"0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", end, ""},
        {"0\r\nA: b\r\n", more, ""},
        {"0\r\nA\r\n\r\n", error, ""},
        {"0\r\nA : b\r\n\r\n", error, ""},
        {"0\r\n: b\r\n\r\n", error, ""},
        {"0\r\n A: b\r\n\r\n", error, ""},
        {"0\r\nA: b\r\n c\r\n\r\n", error, ""}, /* folded */
        {"0\r\nA: b\n\r\n", error, ""},
        {"0\r\nA: b\n\n", error, ""},
        {"0\r\nA: b\rc\r\n\r\n", error, ""},
        {"0\r\nA: b\x01\r\n\r\n", error, ""},
        {"0\r\nA: b\r\n\n", error, ""},
        {"0\r\nGET / HTTP/1.1\r\n\r\n", error, ""},
        {"0\r\n\nA: b\r\n\r\n", error, ""},
    };
    CHECK_BODIES(cases);
}
END_TEST

/* The next request begins behind the last byte, and the parser stays where it ended. */
START_TEST(a_body_ends_where_it_ends) {
    static const char text[] = "3\r\nabc\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n";
    struct chunk_body body = take_bytes(text, sizeof text - 1);
    ck_assert_int_eq(body.result, HTTP_CHUNK_END);
    ck_assert_str_eq(text + body.taken, "GET / HTTP/1.1\r\n");
    free(body.data);
    static const char *const texts[] = {"0\r\n\r\n", "x"};
    for (int i = 0; i < 2; i++) {
        struct http_chunk chunk;
        size_t taken, size;
        const char *data;
        eddy__http_chunk_init(&chunk);
        enum http_chunk_result result =
            eddy__http_chunk_take(&chunk, texts[i], strlen(texts[i]), &taken, &data, &size);
        ck_assert_int_eq(result, i == 0 ? HTTP_CHUNK_END : HTTP_CHUNK_ERROR);
        result = eddy__http_chunk_take(&chunk, "0\r\n\r\n", 5, &taken, &data, &size);
        ck_assert_int_eq(result, i == 0 ? HTTP_CHUNK_END : HTTP_CHUNK_ERROR);
        ck_assert_uint_eq(taken, 0);
    }
}
END_TEST

/* No NUL gets through but as data. */
START_TEST(nul_is_refused_outside_of_data) {
    static const char whole[] = "5 ;a\r\nhello\r\n0\r\nA: b\r\n\r\n";
    for (size_t i = 0; i < sizeof whole - 1; i++) {
        char text[sizeof whole];
        memcpy(text, whole, sizeof whole);
        text[i] = '\0';
        struct chunk_body body = take_bytes(text, sizeof whole - 1);
        bool is_data = i >= 6 && i < 11;
        ck_assert_msg(body.result == (is_data ? end : error), "%d at %zu", body.result, i);
        free(body.data);
    }
}
END_TEST

/* Takes `before`, `count` bytes of `filling`, and `after`. */
static enum http_chunk_result take_long(const char *before, size_t count, char filling,
                                        const char *after) {
    size_t head = strlen(before), length = head + count + strlen(after);
    char *text = malloc(length);
    memcpy(text, before, head);
    memset(text + head, filling, count);
    memcpy(text + head + count, after, strlen(after));
    struct chunk_body whole = chunk_feed(text, length, length, 1);
    struct chunk_body other = chunk_feed(text, length, 0, 1);
    ck_assert(chunk_same_body(&whole, &other));
    enum http_chunk_result result = whole.result;
    free(whole.data);
    free(other.data);
    free(text);
    return result;
}

START_TEST(limits_hold_to_the_byte) {
    enum { LINE = HTTP_CHUNK_LINE_BYTES, TRAILERS = HTTP_CHUNK_TRAILER_BYTES };
    ck_assert_int_eq(take_long("0;", LINE - 4, 'a', "\r\n\r\n"), end);
    ck_assert_int_eq(take_long("0;", LINE - 3, 'a', "\r\n\r\n"), error);
    ck_assert_int_eq(take_long("0;", LINE - 2, 'a', ""), more);
    ck_assert_int_eq(take_long("0;", LINE - 1, 'a', ""), error);
    ck_assert_int_eq(take_long("0", LINE - 3, ' ', ";\r\n\r\n"), error);
    ck_assert_int_eq(take_long("0\r\nA:", TRAILERS - 6, 'a', "\r\n\r\n"), end);
    ck_assert_int_eq(take_long("0\r\nA:", TRAILERS - 5, 'a', "\r\n\r\n"), error);
    ck_assert_int_eq(take_long("0\r\n", TRAILERS, 'a', ""), more);
    ck_assert_int_eq(take_long("0\r\n", TRAILERS + 1, 'a', ""), error);
    ck_assert_int_eq(take_long("0\r\nA:\r\nB:\r\nC:", TRAILERS - 14, 'a', "\r\n\r\n"), end);
    ck_assert_int_eq(take_long("0\r\nA:\r\nB:\r\nC:", TRAILERS - 13, 'a', "\r\n\r\n"), error);
    ck_assert_int_eq(take_long("5;", LINE - 4, 'a', "\r\nhello\r\n0;a\r\n\r\n"), end);
}
END_TEST

/* Takes `count` chunks of `size` bytes, each with an extension that makes its line as long as
 * `line_bytes`. */
static enum http_chunk_result take_extended(int count, int size, int line_bytes) {
    char digits[8], chunk[8192];
    size_t length = (size_t)sprintf(digits, "%x;", size);
    size_t line = (size_t)line_bytes;
    memset(chunk, 'a', sizeof chunk);
    memcpy(chunk, digits, length);
    memcpy(chunk + line - 2, "\r\n", 2);
    memcpy(chunk + line + size, "\r\n", 2);
    struct http_chunk state;
    enum http_chunk_result result = HTTP_CHUNK_MORE;
    eddy__http_chunk_init(&state);
    while (count-- > 0 && result == HTTP_CHUNK_MORE) {
        for (size_t at = 0, taken, of_data; at < line + (size_t)size + 2; at += taken) {
            const char *data;
            result = eddy__http_chunk_take(&state, chunk + at, line + (size_t)size + 2 - at, &taken,
                                           &data, &of_data);
            if (result == HTTP_CHUNK_ERROR) break;
        }
    }
    return result;
}

/* A body that is mostly extensions is refused, however small each of them is. */
START_TEST(extensions_are_limited_as_a_whole) {
    enum { EXCESS = HTTP_CHUNK_EXCESS_BYTES };
    ck_assert_int_eq(take_extended(EXCESS, 1, 19), more);
    ck_assert_int_eq(take_extended(EXCESS + 1, 1, 19), error);
    ck_assert_int_eq(take_extended(4, 1, 4096), more);
    ck_assert_int_eq(take_extended(5, 1, 4096), error);
    ck_assert_int_eq(take_extended(100000, 1, 18), more);
    ck_assert_int_eq(take_extended(100000, 100, 216), more);
    ck_assert_int_eq(take_extended(100000, 100, 217), error);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("http_chunk");
    ck_add(suite, "chunks", chunks_become_a_body, sizes_are_never_guessed,
           data_ends_where_its_size_says, extensions_are_skipped, trailers_are_skipped_and_strict,
           a_body_ends_where_it_ends, nul_is_refused_outside_of_data);
    ck_add(suite, "bounds", limits_hold_to_the_byte, extensions_are_limited_as_a_whole);
    return suite;
}
