/* http_head.c: see http_head.h.
 *
 * The parser goes line by line. memchr finds a line's end, `scanned` remembers how far it has
 * looked, and a line is parsed once, when it is whole. What is refused before that (a line that is
 * too long, a first byte that begins no request) depends only on bytes that are there, so the cut
 * of the input cannot show. Limits come before syntax for the same reason.
 * Invariant: line_start <= scanned <= length; no line ends between line_start and scanned.
 * Threading: none of its own; pure. */
#include "http_head.h"

#include "http_authority.h"

#include <string.h>

enum { HEAD_LINE, HEAD_FIELDS }; /* what comes next */
enum { HEAD_EMPTY_LINES_MAX = HTTP_LEADING_BYTES / 2 };
enum { HEAD_ABSENT, HEAD_UNDERSTOOD, HEAD_STRANGE }; /* of Transfer-Encoding and Expect */

/* `lower` is made of lower-case letters, digits and '-', where setting bit 5 folds the case: the
 * other bytes that it turns into those are control characters, which no token or checked value
 * holds. */
static inline bool head_equals(const char *bytes, const char *lower, size_t length) {
    for (size_t i = 0; i < length; i++)
        if ((bytes[i] | 0x20) != lower[i]) return false;
    return true;
}

/* --- Values --- */

static bool head_read_number(const char *digits, size_t length, uint64_t *number) {
    uint64_t value = 0;
    if (length == 0) return false;
    for (size_t i = 0; i < length; i++) {
        if (!http_byte_is_digit(digits[i]) || value > INT64_MAX / 10) return false;
        value = value * 10 + (uint64_t)(digits[i] - '0');
    }
    *number = value;
    return value <= INT64_MAX;
}

/* The members of a list one after the other, without blanks around them; some may be empty. False
 * after the last. `*list` is the rest, NULL behind the end. */
static bool head_next_member(const char **list, const char *end, const char **member,
                             size_t *length) {
    if (*list == NULL) return false;
    const char *start = *list, *comma = start;
    while (comma < end && *comma != ',') comma++;
    *list = comma < end ? comma + 1 : NULL;
    while (start < comma && http_byte_is_blank(*start)) start++;
    while (comma > start && http_byte_is_blank(comma[-1])) comma--;
    *member = start;
    *length = (size_t)(comma - start);
    return true;
}

/* Connection and Expect may come in several lines. */
static void head_read_connection(struct http_head *head, const char *list, const char *end) {
    const char *member;
    size_t length;
    while (head_next_member(&list, end, &member, &length)) {
        if (length == 5 && head_equals(member, "close", 5)) head->has_close = 1;
        if (length == 10 && head_equals(member, "keep-alive", 10)) head->has_keep_alive = 1;
    }
}

static void head_read_expect(struct http_head *head, const char *list, const char *end) {
    const char *member;
    size_t length;
    while (head_next_member(&list, end, &member, &length)) {
        bool is_continue = length == 12 && head_equals(member, "100-continue", 12);
        if (!is_continue && length > 0) head->has_expect = HEAD_STRANGE;
        if (is_continue && head->has_expect == HEAD_ABSENT) head->has_expect = HEAD_UNDERSTOOD;
    }
}

static struct http_span head_span(const char *bytes, const char *start, const char *end) {
    return (struct http_span){(uint16_t)(start - bytes), (uint16_t)(end - start)};
}

/* --- Lines: each returns 0 or the status of an error --- */

static bool head_method_is(const char *method, size_t length, const char *known) {
    return strlen(known) == length && memcmp(method, known, length) == 0;
}

static enum http_method head_method_of(const char *method, size_t length) {
    static const char known[][8] = {"POST",    "PUT",   "DELETE", "CONNECT",
                                    "OPTIONS", "TRACE", "PATCH"};
    if (head_method_is(method, length, "GET")) return HTTP_GET;
    if (head_method_is(method, length, "HEAD")) return HTTP_HEAD;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (head_method_is(method, length, known[i])) return HTTP_METHOD_KNOWN;
    return HTTP_METHOD_UNKNOWN;
}

/* Cuts scheme and authority off an absolute target. */
static int head_read_target(struct http_head *head, const char *bytes) {
    struct http_span *target = &head->target;
    const char *text = bytes + target->offset, *end = text + target->length;
    if (*text == '/') return 0;
    if (target->length == 1 && *text == '*')
        return head_method_is(bytes + head->name.offset, head->name.length, "OPTIONS") ? 0 : 400;
    size_t scheme = 0;
    if (target->length > 7 && head_equals(text, "http", 4) && memcmp(text + 4, "://", 3) == 0)
        scheme = 7;
    if (target->length > 8 && head_equals(text, "https", 5) && memcmp(text + 5, "://", 3) == 0)
        scheme = 8;
    const char *path = scheme > 0 ? eddy__http_authority_end(text + scheme, end) : NULL;
    if (path == NULL || (path < end && *path != '/' && *path != '?')) return 400;
    head->authority = head_span(bytes, text + scheme, path);
    target->offset = (uint16_t)(path - bytes);
    target->length = (uint16_t)(end - path);
    return 0;
}

static int head_read_version(struct http_head *head, const char *text, size_t length) {
    if (length != 8) return 400;
    if (memcmp(text, "HTTP/1.1", 8) == 0) return 0; /* mostly */
    if (memcmp(text, "HTTP/", 5) != 0 || text[6] != '.') return 400;
    if (!http_byte_is_digit(text[5]) || !http_byte_is_digit(text[7])) return 400;
    if (text[5] != '1') return 505;
    /* A later minor version of HTTP/1 is spoken to as 1.1 (RFC 9110 §2.5). */
    head->minor = text[7] != '0';
    return 0;
}

static int head_read_request_line(struct http_head *head, const char *bytes, const char *end) {
    const char *method = bytes + head->line_start;
    if (end == method) return ++head->empty_lines > HEAD_EMPTY_LINES_MAX ? 400 : 0;
    head->line = head_span(bytes, method, end);
    const char *method_end = http_skip(method, HTTP_BYTE_TOKEN);
    if (method_end == method || *method_end != ' ') return 400;
    head->name = head_span(bytes, method, method_end);
    head->method = (uint8_t)head_method_of(method, head->name.length);
    const char *target = method_end + 1, *target_end = http_skip(target, HTTP_BYTE_TARGET);
    if (target_end == target || *target_end != ' ') return 400;
    head->target = head_span(bytes, target, target_end);
    int status = head_read_version(head, target_end + 1, (size_t)(end - (target_end + 1)));
    if (status != 0) return status;
    head->state = HEAD_FIELDS;
    /* Its target is another than those of all other methods. */
    if (head_method_is(method, head->name.length, "CONNECT")) return 501;
    return head_read_target(head, bytes);
}

static int head_read_host(struct http_head *head, const char *text, const char *end) {
    if (head->has_host++) return 400;
    return text == end || eddy__http_authority_end(text, end) == end ? 0 : 400;
}

static int head_read_encoding(struct http_head *head, const char *text, size_t length) {
    bool is_chunked = length == 7 && head_equals(text, "chunked", 7);
    bool is_first = head->has_encoding == HEAD_ABSENT;
    head->has_encoding = is_chunked && is_first ? HEAD_UNDERSTOOD : HEAD_STRANGE;
    return length > 0 ? 0 : 400;
}

/* The names that the parser knows are told apart by their lengths. */
static int head_read_known(struct http_head *head, const char *name, size_t name_length,
                           const char *text, size_t length) {
    switch (name_length) {
    case 4:
        return head_equals(name, "host", 4) ? head_read_host(head, text, text + length) : 0;
    case 6:
        if (head_equals(name, "expect", 6)) head_read_expect(head, text, text + length);
        return 0;
    case 10:
        if (head_equals(name, "connection", 10)) head_read_connection(head, text, text + length);
        return 0;
    case 14:
        if (!head_equals(name, "content-length", 14)) return 0;
        if (head->has_length++) return 400;
        return head_read_number(text, length, &head->body_bytes) ? 0 : 400;
    case 17:
        return head_equals(name, "transfer-encoding", 17) ? head_read_encoding(head, text, length)
                                                          : 0;
    default:
        return 0;
    }
}

static int head_read_field(struct http_head *head, const char *bytes, const char *end) {
    const char *name = bytes + head->line_start, *colon = http_skip(name, HTTP_BYTE_TOKEN);
    /* A folded line begins with a blank, so its name is empty here. */
    if (colon == name || *colon != ':') return 400;
    const char *value = colon + 1;
    while (http_byte_is_blank(*value)) value++;
    while (end > value && http_byte_is_blank(end[-1])) end--;
    size_t length = (size_t)(end - value);
    if (!eddy__http_is_value(value, length)) return 400;
    struct http_field_line *field = &head->fields[head->field_count++];
    field->name = head_span(bytes, name, colon);
    field->value = head_span(bytes, value, end);
    return head_read_known(head, name, field->name.length, value, length);
}

/* The empty line came: what follows from all the fields together. */
static int head_finish(struct http_head *head) {
    if (head->minor == 1 && !head->has_host) return 400;
    /* Two framings, or one that HTTP/1.0 does not know: the classic way to smuggle a request. */
    if (head->has_encoding && (head->has_length || head->minor == 0)) return 400;
    if (head->has_encoding == HEAD_STRANGE) return 501;
    /* HTTP/1.0 has no expectations (RFC 9110 §10.1.1). */
    if (head->has_expect == HEAD_STRANGE && head->minor == 1) return 417;
    head->is_chunked = head->has_encoding == HEAD_UNDERSTOOD;
    head->expects_continue = head->has_expect == HEAD_UNDERSTOOD && head->minor == 1 &&
                             (head->is_chunked || head->body_bytes > 0);
    head->keep_alive = !head->has_close && (head->minor == 1 || head->has_keep_alive);
    return HTTP_COMPLETE;
}

/* `line_bytes` is the length of a whole line, or the least that an unfinished one will have. */
static int head_check_limits(const struct http_head *head, size_t line_bytes,
                             const struct http_head_limits *limits) {
    if (head->state == HEAD_LINE) return line_bytes > limits->line_bytes ? 414 : 0;
    size_t fields_bytes = head->line_start - head->fields_start + line_bytes;
    bool over = line_bytes > limits->field_bytes || fields_bytes > limits->fields_bytes;
    return over ? 431 : 0;
}

/* The line from line_start to the LF at `newline`. 0: goes on. */
static int head_read_line(struct http_head *head, const char *bytes, size_t newline,
                          const struct http_head_limits *limits) {
    int status = head_check_limits(head, newline + 1 - head->line_start, limits);
    if (status != 0) return status;
    if (newline == head->line_start || bytes[newline - 1] != '\r') return 400;
    const char *end = bytes + newline - 1;
    if (head->state == HEAD_LINE) {
        status = head_read_request_line(head, bytes, end);
        head->fields_start = (uint32_t)newline + 1;
    } else if (newline - 1 == head->line_start) {
        head->head_bytes = (uint16_t)(newline + 1);
        return head_finish(head);
    } else {
        if (head->field_count >= limits->fields) return 431;
        status = head_read_field(head, bytes, end);
    }
    head->line_start = head->scanned = (uint32_t)newline + 1;
    return status;
}

void eddy__http_head_init(struct http_head *head) {
    memset(head, 0, offsetof(struct http_head, fields));
    head->method = HTTP_METHOD_UNKNOWN;
    head->minor = 1;
}

int eddy__http_head_parse(struct http_head *head, const char *bytes, size_t length,
                          const struct http_head_limits *limits) {
    while (head->scanned < length) {
        /* What speaks another protocol (TLS, say) is told at once rather than at its timeout. */
        char first = bytes[head->line_start];
        if (head->state == HEAD_LINE && first != '\r' && !http_byte_is(first, HTTP_BYTE_TOKEN))
            return 400;
        const char *newline = memchr(bytes + head->scanned, '\n', length - head->scanned);
        int status;
        if (newline == NULL) {
            status = head_check_limits(head, length - head->line_start + 1, limits);
            if (status != 0) return status;
            head->scanned = (uint32_t)length;
            return HTTP_MORE;
        }
        status = head_read_line(head, bytes, (size_t)(newline - bytes), limits);
        if (status != 0) return status;
    }
    return HTTP_MORE;
}
