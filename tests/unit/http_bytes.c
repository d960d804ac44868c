/* http_bytes.c: what names, tokens and values may be made of. */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "src/http/http_head.h"

static bool name_is(const char *name, const char *lower) {
    return eddy__http_name_is(name, strlen(name), lower);
}

/* Names are told apart in whatever case, and each of their bytes counts. */
START_TEST(names_are_equal_in_any_case) {
    ck_assert(name_is("Content-Type", "content-type"));
    ck_assert(name_is("CONTENT-TYPE", "content-type"));
    ck_assert(name_is("x_1.!", "x_1.!"));
    ck_assert(name_is("", ""));
    ck_assert(!name_is("Content-Typ", "content-type"));
    ck_assert(!name_is("Content-Types", "content-type"));
    ck_assert(!name_is("", "a"));
    ck_assert(!name_is("a", ""));
    /* These differ by the bit that tells cases of letters apart. */
    ck_assert(!name_is("a^b", "a~b"));
    ck_assert(!name_is("a\rb", "a-b"));
    ck_assert(!name_is("a\x11", "a1"));
    ck_assert(!name_is("a@b", "a`b"));
    /* What stands behind the name, and a NUL in it, is not looked at as if it were `lower`. */
    ck_assert(eddy__http_name_is("abc", 2, "ab"));
    ck_assert(!eddy__http_name_is("ab\0c", 4, "ab"));
}
END_TEST

static bool is_of_token(int byte) {
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || (byte > 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

static bool is_of_value(int byte) {
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

/* Every byte in every place of texts up to a few words long. */
START_TEST(each_byte_is_of_a_token_and_of_a_value_or_not) {
    ck_assert(!eddy__http_is_token("", 0));
    ck_assert(eddy__http_is_value("", 0));
    for (size_t length = 1; length < 20; length++) {
        for (size_t at = 0; at < length; at++) {
            for (int byte = 0; byte < 256; byte++) {
                char *text = malloc(length); /* of its size, so that a sanitizer sees the end */
                memset(text, 'v', length);
                text[at] = (char)byte;
                bool is_token = eddy__http_is_token(text, length);
                bool is_value = eddy__http_is_value(text, length);
                free(text);
                ck_assert_msg(is_token == is_of_token(byte), "%d at %zu", byte, at);
                ck_assert_msg(is_value == is_of_value(byte), "%d at %zu", byte, at);
            }
        }
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("http_bytes");
    ck_add(suite, "bytes", names_are_equal_in_any_case,
           each_byte_is_of_a_token_and_of_a_value_or_not);
    return suite;
}
