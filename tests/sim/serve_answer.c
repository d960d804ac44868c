/* serve_answer.c: see serve_answer.h. Without state. */
#include "serve_answer.h"

#include <stdio.h>
#include <string.h>

enum {
    HEAD_BYTES_MAX = 24 * 1024, /* a Location may be long */
};

static const struct {
    int number;
    const char *reason;
} statuses[] = {
    {200, "OK"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {505, "HTTP Version Not Supported"},
};

static const char *const names[ANSWER_HEADERS] = {
    [ANSWER_SERVER] = "Server",
    [ANSWER_DATE] = "Date",
    [ANSWER_TYPE] = "Content-Type",
    [ANSWER_LENGTH] = "Content-Length",
    [ANSWER_MODIFIED] = "Last-Modified",
    [ANSWER_ETAG] = "ETag",
    [ANSWER_ACCEPTS] = "Accept-Ranges",
    [ANSWER_RANGE] = "Content-Range",
    [ANSWER_LOCATION] = "Location",
    [ANSWER_ALLOW] = "Allow",
    [ANSWER_CONNECTION] = "Connection",
    [ANSWER_ENCODING] = "Content-Encoding",
    [ANSWER_VARY] = "Vary",
    [ANSWER_CACHING] = "Cache-Control",
    [ANSWER_CODING] = "Transfer-Encoding",
};

bool answer_text_is(struct answer_text text, const char *string) {
    return text.bytes != NULL && text.length == strlen(string) &&
           memcmp(text.bytes, string, text.length) == 0;
}

/* --- Values --- */

/* Digits without a sign or a leading zero. Moves *at behind them. */
static bool read_number(const char **at, const char *end, int64_t *number) {
    const char *start = *at;
    int64_t value = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
        if (value > (INT64_MAX - 9) / 10) return false;
        value = value * 10 + (**at - '0');
    }
    *number = value;
    return *at > start && (*start != '0' || *at == start + 1);
}

static bool skip_literal(const char **at, const char *end, const char *literal) {
    size_t length = strlen(literal);
    if ((size_t)(end - *at) < length || memcmp(*at, literal, length) != 0) return false;
    *at += length;
    return true;
}

bool answer_read_range(struct answer_text text, int64_t *first, int64_t *last, int64_t *size) {
    const char *at = text.bytes, *end = text.bytes + text.length;
    if (text.bytes == NULL) return false;
    return skip_literal(&at, end, "bytes ") && read_number(&at, end, first) &&
           skip_literal(&at, end, "-") && read_number(&at, end, last) &&
           skip_literal(&at, end, "/") && read_number(&at, end, size) && at == end &&
           *first <= *last && *last < *size;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool is_date(struct answer_text text) {
    static const char form[] = "Aaa, 00 Aaa 0000 00:00:00 GMT";
    if (text.length != sizeof form - 1) return false;
    for (size_t i = 0; i < text.length; i++) {
        char byte = text.bytes[i];
        bool fits = byte == form[i];
        if (form[i] == '0') fits = byte >= '0' && byte <= '9';
        if (form[i] == 'A' && i < 10) fits = byte >= 'A' && byte <= 'Z';
        if (form[i] == 'a') fits = byte >= 'a' && byte <= 'z';
        if (!fits) return false;
    }
    return true;
}

static bool is_etag(struct answer_text text) {
    if (text.length < 3 || text.bytes[0] != '"' || text.bytes[text.length - 1] != '"') return false;
    return memchr(text.bytes + 1, '"', text.length - 2) == NULL;
}

/* --- Lines --- */

static bool read_status_line(struct answer *answer, const char **at, const char *end) {
    int64_t number;
    if (!skip_literal(at, end, "HTTP/1.1 ") || !read_number(at, end, &number)) return false;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (statuses[i].number != number) continue;
        answer->status = (int)number;
        return skip_literal(at, end, " ") && skip_literal(at, end, statuses[i].reason) &&
               skip_literal(at, end, "\r\n");
    }
    return false;
}

/* "Name: value": known, once, printable, without blanks around it. */
static bool read_header(struct answer *answer, const char **at, const char *end) {
    for (int i = 0; i < ANSWER_HEADERS; i++) {
        if (!skip_literal(at, end, names[i])) continue;
        if (answer->headers[i].bytes != NULL || !skip_literal(at, end, ": ")) return false;
        struct answer_text *value = &answer->headers[i];
        value->bytes = *at;
        while (*at < end && (unsigned char)**at >= 0x20 && **at != 0x7f) ++*at;
        value->length = (size_t)(*at - value->bytes);
        if (value->length == 0 || value->bytes[0] == ' ') return false;
        return value->bytes[value->length - 1] != ' ' && skip_literal(at, end, "\r\n");
    }
    return false;
}

/* --- What belongs to what --- */

static const char *check_common(struct answer *answer) {
    const struct answer_text *headers = answer->headers;
    if (!answer_text_is(headers[ANSWER_SERVER], "eddy")) return "Server";
    if (headers[ANSWER_DATE].bytes == NULL || !is_date(headers[ANSWER_DATE])) return "Date";
    struct answer_text connection = headers[ANSWER_CONNECTION];
    answer->is_last = answer_text_is(connection, "close");
    if (connection.bytes != NULL && !answer->is_last && !answer_text_is(connection, "keep-alive"))
        return "Connection";
    if (headers[ANSWER_LENGTH].bytes != NULL) {
        const char *at = headers[ANSWER_LENGTH].bytes, *end = at + headers[ANSWER_LENGTH].length;
        if (!read_number(&at, end, &answer->length) || at != end) return "Content-Length";
    }
    answer->is_chunked = answer_text_is(headers[ANSWER_CODING], "chunked");
    if (answer->is_chunked != (headers[ANSWER_CODING].bytes != NULL)) return "Transfer-Encoding";
    if (answer->is_chunked && answer->length >= 0) return "a length of chunks";
    /* Only a listing's length is not known. */
    bool is_listing = answer->status == 200 && answer->length < 0;
    if (answer->is_chunked && !is_listing) return "chunks of something else";
    if ((answer->status == 304 || is_listing) != (answer->length < 0))
        return "a length where there is none";
    if ((answer->status == 304) != (headers[ANSWER_TYPE].bytes == NULL)) return "Content-Type";
    if (is_listing && headers[ANSWER_ETAG].bytes != NULL) return "a file without its length";
    answer->is_to_end = is_listing && !answer->is_chunked;
    return NULL;
}

static const char *check_special(const struct answer *answer) {
    const struct answer_text *headers = answer->headers;
    int status = answer->status;
    int64_t first, last, size;
    bool is_file = headers[ANSWER_ETAG].bytes != NULL;
    if (is_file && (!is_etag(headers[ANSWER_ETAG]) || headers[ANSWER_MODIFIED].bytes == NULL))
        return "ETag";
    if (is_file && status != 200 && status != 206 && status != 304) return "ETag of no file";
    if (!is_file && (status == 206 || status == 304)) return "no ETag";
    if (headers[ANSWER_MODIFIED].bytes != NULL && (!is_file || !is_date(headers[ANSWER_MODIFIED])))
        return "Last-Modified";
    if (headers[ANSWER_ACCEPTS].bytes != NULL &&
        (!is_file || !answer_text_is(headers[ANSWER_ACCEPTS], "bytes")))
        return "Accept-Ranges";
    bool has_events = answer_text_is(headers[ANSWER_TYPE], "text/event-stream");
    if (has_events != answer_text_is(headers[ANSWER_CACHING], "no-store")) return "Cache-Control";
    if ((status == 301) != (headers[ANSWER_LOCATION].bytes != NULL)) return "Location";
    if ((status == 405) != (headers[ANSWER_ALLOW].bytes != NULL)) return "Allow";
    struct answer_text range = headers[ANSWER_RANGE];
    if (status == 416) {
        if (range.length < 9 || memcmp(range.bytes, "bytes */", 8) != 0) return "range of a 416";
    } else if (range.bytes != NULL) {
        if (status != 206 || !answer_read_range(range, &first, &last, &size)) return "a range";
        if (answer->length != last - first + 1) return "the length of a range";
    } else if (status == 206) {
        if (headers[ANSWER_TYPE].length < 22 ||
            memcmp(headers[ANSWER_TYPE].bytes, "multipart/byteranges; ", 22) != 0)
            return "a 206 of no range";
    }
    return NULL;
}

enum answer_state answer_read(struct answer *answer, const char *bytes, size_t length, bool is_head,
                              const char **broken) {
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);
    *answer = (struct answer){.length = -1};
    *broken = "the head is too long";
    if (end == NULL) {
        size_t shown = length < 9 ? length : 9;
        if (memcmp(bytes, "HTTP/1.1 ", shown) != 0)
            *broken = "it does not begin as an answer";
        else if (length <= HEAD_BYTES_MAX)
            return ANSWER_MORE;
        return ANSWER_BROKEN;
    }
    const char *at = bytes;
    end += 2; /* where the empty line begins */
    *broken = "the status line";
    if (!read_status_line(answer, &at, end)) return ANSWER_BROKEN;
    *broken = "a header line";
    while (at < end)
        if (!read_header(answer, &at, end)) return ANSWER_BROKEN;
    *broken = check_common(answer);
    if (*broken == NULL) *broken = check_special(answer);
    if (*broken != NULL) return ANSWER_BROKEN;
    answer->head_bytes = (size_t)(end + 2 - bytes);
    answer->body_bytes = is_head || answer->length < 0 ? 0 : (size_t)answer->length;
    answer->is_to_end = answer->is_to_end && !is_head;
    answer->is_chunked = answer->is_chunked && !is_head;
    *broken = "a body to an end that does not come";
    return answer->is_to_end && !answer->is_last ? ANSWER_BROKEN : ANSWER_HEAD;
}

/* --- Chunks --- */

/* A size in hexadecimal without a leading zero, and nothing behind it. */
static enum answer_state read_size(const char **at, const char *end, size_t *size) {
    static const char digits[] = "0123456789abcdef";
    const char *start = *at, *digit;
    *size = 0;
    while (*at < end && **at != '\r') {
        digit = memchr(digits, **at, sizeof digits - 1);
        if (digit == NULL || *at - start > 7) return ANSWER_BROKEN;
        *size = 16 * *size + (size_t)(digit - digits);
        ++*at;
    }
    if (end - *at < 2) return ANSWER_MORE;
    bool is_good = *at > start && (*start != '0' || *at == start + 1);
    return is_good && skip_literal(at, end, "\r\n") ? ANSWER_HEAD : ANSWER_BROKEN;
}

enum answer_state answer_read_chunks(struct answer *answer, const char *bytes, size_t length,
                                     char *body, size_t *used) {
    const char *at = bytes, *end = bytes + length;
    size_t size;
    answer->body_bytes = 0;
    do {
        enum answer_state state = read_size(&at, end, &size);
        if (state != ANSWER_HEAD) return state;
        if ((size_t)(end - at) < size + 2) return ANSWER_MORE;
        if (size > 0) memcpy(body + answer->body_bytes, at, size);
        answer->body_bytes += size;
        at += size;
        if (!skip_literal(&at, end, "\r\n")) return ANSWER_BROKEN;
    } while (size > 0);
    *used = (size_t)(at - bytes);
    return ANSWER_HEAD;
}

/* --- Several ranges --- */

static bool read_part(const char **at, const char *end, const char *boundary, size_t length,
                      struct answer_part *part) {
    struct answer_text range;
    if (!skip_literal(at, end, "\r\n--") || (size_t)(end - *at) < length) return false;
    if (memcmp(*at, boundary, length) != 0) return false;
    *at += length;
    if (!skip_literal(at, end, "\r\nContent-Type: ")) return false;
    const char *line_end = memchr(*at, '\r', (size_t)(end - *at));
    if (line_end == NULL) return false;
    *at = line_end;
    if (!skip_literal(at, end, "\r\nContent-Range: ")) return false;
    range.bytes = *at;
    line_end = memchr(*at, '\r', (size_t)(end - *at));
    if (line_end == NULL) return false;
    range.length = (size_t)(line_end - *at);
    *at = line_end;
    if (!answer_read_range(range, &part->first, &part->last, &part->size)) return false;
    if (!skip_literal(at, end, "\r\n\r\n")) return false;
    part->bytes = *at;
    if (end - *at < part->last - part->first + 1) return false;
    *at += part->last - part->first + 1;
    return true;
}

int answer_read_parts(const struct answer *answer, const char *body, struct answer_part *parts,
                      int parts_max) {
    struct answer_text type = answer->headers[ANSWER_TYPE];
    const char *at = body, *end = body + answer->body_bytes;
    const char *boundary = memchr(type.bytes, '=', type.length);
    if (boundary == NULL) return -1;
    size_t length = (size_t)(type.bytes + type.length - ++boundary);
    char last[128];
    int used = snprintf(last, sizeof last, "\r\n--%.*s--\r\n", (int)length, boundary);
    if (length == 0 || length > 70 || used <= 0) return -1;
    for (int count = 0; count <= parts_max; count++) {
        if (end - at == used && memcmp(at, last, (size_t)used) == 0) return count;
        if (count == parts_max || !read_part(&at, end, boundary, length, &parts[count])) return -1;
    }
    return -1;
}
