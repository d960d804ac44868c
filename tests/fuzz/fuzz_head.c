/* fuzz_head.c: any bytes as the head of a request. However they are cut the result is the same,
 * what the spans say lies inside, and what was accepted holds nothing that the parser promises to
 * refuse.
 */
#include "fuzz.h"
#include "head_feed.h"

static void check_span(const struct http_head *head, const char *bytes, struct http_span span) {
    FUZZ_CHECK(span.offset <= head->head_bytes);
    FUZZ_CHECK(span.length <= head->head_bytes - span.offset);
    FUZZ_CHECK(eddy__http_is_value(bytes + span.offset, span.length));
}

/* Field lines follow one another from the request line to the empty line. */
static void check_lines(const struct http_head *head, const char *bytes) {
    size_t at = head->line.offset + (size_t)head->line.length + 2;
    for (int i = 0; i < head->field_count; i++) {
        struct http_span name = head->fields[i].name, value = head->fields[i].value;
        check_span(head, bytes, name);
        check_span(head, bytes, value);
        FUZZ_CHECK(name.offset == at);
        FUZZ_CHECK(eddy__http_is_token(bytes + at, name.length));
        at += name.length;
        FUZZ_CHECK(bytes[at++] == ':');
        while (at < value.offset && (bytes[at] == ' ' || bytes[at] == '\t')) at++;
        FUZZ_CHECK(at == value.offset);
        at += value.length;
        FUZZ_CHECK(value.length == 0 || (bytes[at - 1] != ' ' && bytes[at - 1] != '\t'));
        while (bytes[at] == ' ' || bytes[at] == '\t') at++;
        FUZZ_CHECK(bytes[at] == '\r' && bytes[at + 1] == '\n');
        at += 2;
    }
    FUZZ_CHECK(at + 2 == head->head_bytes);
}

/* The field of that name, of which there may be one; NULL if there is none. */
static const struct http_span *find_only(const struct http_head *head, const char *bytes,
                                         const char *name) {
    const struct http_span *found = NULL;
    for (int i = 0; i < head->field_count; i++) {
        const struct http_field_line *field = &head->fields[i];
        if (!eddy__http_name_is(bytes + field->name.offset, field->name.length, name)) continue;
        FUZZ_CHECK(found == NULL);
        found = &field->value;
    }
    return found;
}

static void check_framing(const struct http_head *head, const char *bytes) {
    const struct http_span *encoding = find_only(head, bytes, "transfer-encoding");
    const struct http_span *length = find_only(head, bytes, "content-length");
    FUZZ_CHECK(find_only(head, bytes, "host") != NULL || head->minor == 0);
    FUZZ_CHECK(encoding == NULL || length == NULL);
    FUZZ_CHECK(head->is_chunked == (encoding != NULL));
    FUZZ_CHECK(!head->is_chunked || head->minor == 1);
    if (encoding != NULL)
        FUZZ_CHECK(eddy__http_name_is(bytes + encoding->offset, encoding->length, "chunked"));
    if (length == NULL) {
        FUZZ_CHECK(head->body_bytes == 0);
    } else {
        char *rest;
        FUZZ_CHECK(strtoull(bytes + length->offset, &rest, 10) == head->body_bytes);
        FUZZ_CHECK(rest == bytes + length->offset + length->length);
    }
    FUZZ_CHECK(!head->expects_continue || head->is_chunked || head->body_bytes > 0);
}

static void check_complete(const struct http_head *head, const char *bytes, size_t length) {
    size_t end = head->head_bytes;
    FUZZ_CHECK(end >= 4 && end <= length);
    FUZZ_CHECK(memcmp(bytes + end - 4, "\r\n\r\n", 4) == 0);
    FUZZ_CHECK(head->line.length > 0 && head->minor <= 1);
    check_span(head, bytes, head->line);
    check_span(head, bytes, head->name);
    check_span(head, bytes, head->target);
    FUZZ_CHECK(head->name.offset == head->line.offset && head->name.length > 0);
    char first = head->target.length > 0 ? bytes[head->target.offset] : '/';
    FUZZ_CHECK(first == '/' || first == '?' || (first == '*' && head->target.length == 1));
    check_lines(head, bytes);
    check_framing(head, bytes);
    for (size_t i = 0; i < end; i++) {
        FUZZ_CHECK(bytes[i] != '\0');
        FUZZ_CHECK(bytes[i] != '\n' || (i > 0 && bytes[i - 1] == '\r'));
        FUZZ_CHECK(bytes[i] != '\r' || (i + 1 < end && bytes[i + 1] == '\n'));
    }
}

static void check_cuts(const char *bytes, size_t length, const struct http_head_limits *limits) {
    struct http_head whole, other;
    int status = head_feed_whole(&whole, bytes, length, limits);
    FUZZ_CHECK(status == HTTP_MORE || status == HTTP_COMPLETE || status == 400 || status == 414 ||
               status == 417 || status == 431 || status == 501 || status == 505);
    FUZZ_CHECK(whole.field_count <= limits->fields);
    if (status == HTTP_COMPLETE) check_complete(&whole, bytes, length);
    /* A few places to cut at, which depend on the input; all of them byte by byte. */
    for (size_t i = 0; i < 4 && length > 0; i++) {
        size_t cut = ((unsigned char)bytes[i % length] * 31u + i * length / 4) % (length + 1);
        FUZZ_CHECK(head_feed_cut(&other, bytes, length, cut, limits) == status);
        FUZZ_CHECK(head_same_result(&whole, &other, status));
    }
    if (length > 1024) return;
    FUZZ_CHECK(head_feed_bytewise(&other, bytes, length, limits) == status);
    FUZZ_CHECK(head_same_result(&whole, &other, status));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct http_head_limits small = {40, 24, 60, 4};
    check_cuts((const char *)data, size, &head_feed_limits);
    check_cuts((const char *)data, size, &small);
    return 0;
}
