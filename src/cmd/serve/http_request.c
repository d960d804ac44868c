/* http_request.c: see http_request.h.
 *
 * The parser goes line by line. memchr finds a line's end, `scanned` remembers how far it has
 * looked, and a line is parsed once, when it is whole. What is refused before that (a line that is
 * too long, a first byte that begins no request) depends only on bytes that are there, so the cut
 * of the input cannot show. Limits come before syntax for the same reason.
 * Invariant: line_start <= scanned <= length; no line ends between line_start and scanned. */
#include "http_request.h"

#include <string.h>

const struct http_limits http_limits_default = {
    .line_bytes = 8192,
    .header_bytes = 8192,
    .headers_bytes = 32768,
    .header_count = 100,
    .body_bytes = 65536,
};

enum { STATE_LINE, STATE_HEADERS };
enum { EMPTY_LINES_MAX = HTTP_LEADING_BYTES / 2 };

/* Fields that only the parser reads. */
enum {
    FIELD_CONNECTION = HTTP_FIELDS,
    FIELD_CONTENT_LENGTH,
    FIELD_TRANSFER_ENCODING,
    FIELD_EXPECT,
    FIELD_OTHER,
};

/* What a byte may be part of. A target is wider than RFC 3986: people type UTF-8 into curl. */
enum { TOKEN = 1, TARGET = 2, HOST = 4 };
/* clang-format off */
static const uint8_t classes[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 0 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 1 */
    0, 7, 2, 1, 7, 7, 7, 7, 6, 6, 7, 7, 6, 7, 7, 2, /* 2 */
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 2, 6, 2, 2, /* 3 */
    2, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, /* 4 */
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 6, 2, 6, 3, 7, /* 5 */
    3, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, /* 6 */
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 2, 3, 2, 7, 0, /* 7 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 8 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* 9 */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* A */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* B */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* C */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* D */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* E */
    2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, /* F */
};
/* clang-format on */

static inline bool is(char byte, int class) {
    return (classes[(unsigned char)byte] & class) != 0;
}

/* The first byte that is not of the class. There is one: a line ends with CR, which is of none.
 * Four to a round, as half of the time goes here. */
static inline const char *skip(const char *bytes, int class) {
    for (;; bytes += 4) {
        if (!is(bytes[0], class)) return bytes;
        if (!is(bytes[1], class)) return bytes + 1;
        if (!is(bytes[2], class)) return bytes + 2;
        if (!is(bytes[3], class)) return bytes + 3;
    }
}

/* The names by length; at most two share one. */
struct name {
    char text[20]; /* lower case */
    uint8_t field;
};
static const struct name names[][2] = {
    [4] = {{"host", HTTP_FIELD_HOST}},
    [5] = {{"range", HTTP_FIELD_RANGE}},
    [6] = {{"expect", FIELD_EXPECT}},
    [7] = {{"referer", HTTP_FIELD_REFERER}},
    [8] = {{"if-match", HTTP_FIELD_IF_MATCH}, {"if-range", HTTP_FIELD_IF_RANGE}},
    [10] = {{"connection", FIELD_CONNECTION}, {"user-agent", HTTP_FIELD_USER_AGENT}},
    [13] = {{"if-none-match", HTTP_FIELD_IF_NONE_MATCH}},
    [14] = {{"content-length", FIELD_CONTENT_LENGTH}},
    [17] = {{"if-modified-since", HTTP_FIELD_IF_MODIFIED_SINCE},
            {"transfer-encoding", FIELD_TRANSFER_ENCODING}},
    [19] = {{"if-unmodified-since", HTTP_FIELD_IF_UNMODIFIED_SINCE}},
};

/* `lower` is made of lower-case letters and '-', where setting bit 5 folds the case: the only other
 * byte that it turns into '-' is a CR, which no token or checked value holds. */
static bool equals_folded(const char *bytes, const char *lower, size_t length) {
    for (size_t i = 0; i < length; i++)
        if ((bytes[i] | 0x20) != lower[i]) return false;
    return true;
}

/* `length` is not 0: the empty name would be that of every free place. */
static int field_of(const char *name, size_t length) {
    if (length >= sizeof names / sizeof names[0]) return FIELD_OTHER;
    for (int i = 0; i < 2; i++) {
        const struct name *known = &names[length][i];
        if (equals_folded(name, known->text, length)) return known->field;
    }
    return FIELD_OTHER;
}

/* --- values --- */

static inline bool is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

static bool is_clean_byte(unsigned char byte) {
    return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

static bool are_clean_bytes(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (!is_clean_byte((unsigned char)bytes[i])) return false;
    return true;
}

/* Whether no byte of the eight is below 0x20 or is 0x7f. */
static inline bool is_clean_word(const char *bytes) {
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    uint64_t deletes = word ^ (ones * 0x7f);
    return ((((word - ones * 0x20) & ~word) | ((deletes - ones) & ~deletes)) & tops) == 0;
}

/* No control characters but tabs; a CR is one. Eight bytes at a time, the last eight may overlap
 * those before; what looks odd there, a tab perhaps, is looked at again byte by byte. */
static bool is_clean(const char *bytes, size_t length) {
    if (length < 8) return are_clean_bytes(bytes, length);
    bool clean = is_clean_word(bytes + length - 8);
    for (size_t i = 0; i + 8 < length; i += 8) clean &= is_clean_word(bytes + i);
    return clean || are_clean_bytes(bytes, length);
}

static bool read_number(const char *digits, size_t length, uint64_t *number) {
    uint64_t value = 0;
    if (length == 0) return false;
    for (size_t i = 0; i < length; i++) {
        if (digits[i] < '0' || digits[i] > '9') return false;
        if (value > INT64_MAX / 10) return false;
        value = value * 10 + (uint64_t)(digits[i] - '0');
    }
    if (value > INT64_MAX) return false;
    *number = value;
    return true;
}

/* The tokens of Connection, which may come in several lines. */
static void read_connection(struct http_request *request, const char *list, size_t length) {
    for (size_t i = 0; i <= length; i++) {
        size_t start = i, end;
        while (i < length && list[i] != ',') i++;
        end = i;
        while (start < end && is_blank(list[start])) start++;
        while (end > start && is_blank(list[end - 1])) end--;
        if (end - start == 5 && equals_folded(list + start, "close", 5)) request->has_close = 1;
        if (end - start == 10 && equals_folded(list + start, "keep-alive", 10))
            request->has_keep_alive = 1;
    }
}

/* --- lines: each returns 0 or the status of an error --- */

static enum http_method method_of(const char *method, size_t length) {
    static const char *const known[] = {"POST",    "PUT",   "DELETE", "CONNECT",
                                        "OPTIONS", "TRACE", "PATCH"};
    if (length == 3 && memcmp(method, "GET", 3) == 0) return HTTP_GET;
    if (length == 4 && memcmp(method, "HEAD", 4) == 0) return HTTP_HEAD;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i]) == length && memcmp(method, known[i], length) == 0)
            return HTTP_METHOD_KNOWN;
    return HTTP_METHOD_UNKNOWN;
}

/* Cuts scheme and authority off an absolute target. The authority is checked and then forgotten:
 * this server answers for every name. The target of a method that will be refused may be anything.
 */
static int read_target(struct http_request *request, const char *bytes) {
    struct http_span *target = &request->target;
    const char *text = bytes + target->offset;
    if (text[0] == '/' || request->method >= HTTP_METHOD_KNOWN) return 0;
    uint32_t scheme = 0;
    if (target->length > 7 && equals_folded(text, "http", 4) && memcmp(text + 4, "://", 3) == 0)
        scheme = 7;
    else if (target->length > 8 && equals_folded(text, "https", 5) &&
             memcmp(text + 5, "://", 3) == 0)
        scheme = 8;
    if (scheme == 0) return 400;
    uint32_t end = scheme;
    while (end < target->length && is(text[end], HOST)) end++;
    if (end == scheme) return 400;
    if (end < target->length && text[end] != '/' && text[end] != '?') return 400;
    target->offset += end;
    target->length -= end;
    return 0;
}

static int read_version(struct http_request *request, const char *text, size_t length) {
    if (length != 8 || memcmp(text, "HTTP/", 5) != 0 || text[6] != '.') return 400;
    if (text[5] < '0' || text[5] > '9' || text[7] < '0' || text[7] > '9') return 400;
    if (text[5] != '1') return 505;
    /* A later minor version of HTTP/1 is spoken to as 1.1 (RFC 9110 §2.5). */
    request->minor = text[7] != '0';
    return 0;
}

static int read_request_line(struct http_request *request, const char *bytes, uint32_t end) {
    if (end == request->line_start) return ++request->empty_lines > EMPTY_LINES_MAX ? 400 : 0;
    request->line = (struct http_span){request->line_start, end - request->line_start};
    const char *method = bytes + request->line_start, *method_end = skip(method, TOKEN);
    if (method_end == method || *method_end != ' ') return 400;
    request->method = (uint8_t)method_of(method, (size_t)(method_end - method));
    const char *target = method_end + 1, *target_end = skip(target, TARGET);
    if (target_end == target || *target_end != ' ') return 400;
    const char *version = target_end + 1;
    request->target.offset = (uint32_t)(target - bytes);
    request->target.length = (uint32_t)(target_end - target);
    int status = read_version(request, version, (size_t)(bytes + end - version));
    if (status == 0) status = read_target(request, bytes);
    request->state = STATE_HEADERS;
    return status;
}

static int read_field(struct http_request *request, int field, const char *bytes,
                      struct http_span value) {
    const char *text = bytes + value.offset;
    switch (field) {
    case FIELD_OTHER:
        return 0;
    case FIELD_CONNECTION:
        read_connection(request, text, value.length);
        return 0;
    case FIELD_EXPECT:
        request->has_expect = 1;
        return 0;
    case FIELD_TRANSFER_ENCODING:
        request->has_encoding = 1;
        return value.length > 0 ? 0 : 400;
    case FIELD_CONTENT_LENGTH:
        if (request->has_length++) return 400;
        return read_number(text, value.length, &request->body_bytes) ? 0 : 400;
    default:
        if (field == HTTP_FIELD_HOST) {
            if (request->fields[field].offset != 0) return 400;
            if (skip(text, HOST) < text + value.length) return 400;
        }
        if (request->fields[field].offset != 0) value.length = 0;
        request->fields[field] = value;
        return 0;
    }
}

static int read_header(struct http_request *request, const char *bytes, uint32_t end) {
    const char *name = bytes + request->line_start, *colon = skip(name, TOKEN);
    /* A folded line begins with a blank, so its name is empty here. */
    if (colon == name || *colon != ':') return 400;
    const char *value = colon + 1, *value_end = bytes + end;
    while (is_blank(*value)) value++;
    while (value_end > value && is_blank(value_end[-1])) value_end--;
    size_t length = (size_t)(value_end - value);
    if (!is_clean(value, length)) return 400;
    int field = field_of(name, (size_t)(colon - name));
    struct http_span span = {(uint32_t)(value - bytes), (uint32_t)length};
    return read_field(request, field, bytes, span);
}

/* The empty line came: what follows from all the headers together. */
static int finish(struct http_request *request, const struct http_limits *limits) {
    if (request->minor == 1 && request->fields[HTTP_FIELD_HOST].offset == 0) return 400;
    /* Two framings, or one that HTTP/1.0 does not know: the classic way to smuggle a request. */
    if (request->has_encoding && (request->has_length || request->minor == 0)) return 400;
    request->keep_alive = !request->has_close && (request->minor == 1 || request->has_keep_alive);
    bool has_body = request->has_encoding || request->body_bytes > 0;
    if (has_body && request->has_expect) request->keep_alive = false;
    /* No client sends a chunked GET. Decoding chunks just to drop them would be one more place to
     * be wrong in, so the connection ends instead. */
    if (request->has_encoding || request->body_bytes > limits->body_bytes) {
        if (request->method <= HTTP_HEAD) return request->has_encoding ? 501 : 413;
        request->keep_alive = false;
        request->body_bytes = 0;
    }
    return HTTP_COMPLETE;
}

/* `line_bytes` is the length of a whole line, or the least that an unfinished one will have. */
static int check_limits(const struct http_request *request, size_t line_bytes,
                        const struct http_limits *limits) {
    if (request->state == STATE_LINE) return line_bytes > limits->line_bytes ? 414 : 0;
    size_t headers_bytes = request->line_start - request->headers_start + line_bytes;
    bool over = line_bytes > limits->header_bytes || headers_bytes > limits->headers_bytes;
    return over ? 431 : 0;
}

/* The line from line_start to the LF at `newline`. 0: goes on. */
static int read_line(struct http_request *request, const char *bytes, size_t newline,
                     const struct http_limits *limits) {
    int status = check_limits(request, newline + 1 - request->line_start, limits);
    if (status != 0) return status;
    if (newline == request->line_start || bytes[newline - 1] != '\r') return 400;
    uint32_t end = (uint32_t)newline - 1;
    if (request->state == STATE_LINE) {
        status = read_request_line(request, bytes, end);
        request->headers_start = end + 2;
    } else if (end == request->line_start) {
        request->head_bytes = end + 2;
        return finish(request, limits);
    } else {
        if (request->header_count++ >= limits->header_count) return 431;
        status = read_header(request, bytes, end);
    }
    request->line_start = request->scanned = end + 2;
    return status;
}

void http_request_init(struct http_request *request) {
    memset(request, 0, sizeof *request);
    request->method = HTTP_METHOD_UNKNOWN;
    request->minor = 1;
}

int http_request_parse(struct http_request *request, const char *bytes, size_t length,
                       const struct http_limits *limits) {
    while (request->scanned < length) {
        /* What speaks another protocol (TLS, say) is told at once rather than at its timeout. */
        char first = bytes[request->line_start];
        if (request->state == STATE_LINE && first != '\r' && !is(first, TOKEN)) return 400;
        const char *newline = memchr(bytes + request->scanned, '\n', length - request->scanned);
        int status;
        if (newline == NULL) {
            status = check_limits(request, length - request->line_start + 1, limits);
            if (status != 0) return status;
            request->scanned = (uint32_t)length;
            return HTTP_MORE;
        }
        status = read_line(request, bytes, (size_t)(newline - bytes), limits);
        if (status != 0) return status;
    }
    return HTTP_MORE;
}
