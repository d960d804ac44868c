/* http_fields.c: what handlers ask of a request. Threading: the loop's. */
#include "http_server.h"

#include <string.h>
#include <sys/un.h>

eddy_http *eddy_http_server(const eddy_http_request *request) {
    return request->http;
}

const char *eddy_http_method(const eddy_http_request *request) {
    return request->method;
}

int eddy_http_minor(const eddy_http_request *request) {
    return request->head.minor;
}

const char *eddy_http_path(const eddy_http_request *request) {
    return request->path;
}

static const char *span_of(const eddy_http_request *request, struct http_span span,
                           size_t *length) {
    *length = span.length;
    return request->text != NULL ? request->text + span.offset : NULL;
}

const char *eddy_http_target(const eddy_http_request *request, size_t *length) {
    return span_of(request, request->head.target, length);
}

const char *eddy_http_line(const eddy_http_request *request, size_t *length) {
    return span_of(request, request->head.line, length);
}

const char *eddy_http_query(const eddy_http_request *request, size_t *length) {
    size_t whole;
    const char *target = eddy_http_target(request, &whole);
    *length = 0;
    if (request->path == NULL || request->query >= whole) return NULL;
    *length = whole - request->query - 1;
    return target + request->query + 1;
}

/* Of a local peer no name is kept, but whoever formats it reads a whole address. */
const struct sockaddr *eddy_http_peer(const eddy_http_request *request) {
    static const struct sockaddr_un unnamed = {.sun_family = AF_UNIX};
    const struct sockaddr *peer = &request->connection->peer.any;
    return peer->sa_family == AF_UNIX ? (const struct sockaddr *)(const void *)&unnamed : peer;
}

/* --- The query --- */

/* The decoded byte at `*at`, which moves behind it, or -EINVAL. */
static int take_byte(const char **at, const char *end) {
    char byte = *(*at)++;
    if (byte == '+') return ' ';
    if (byte != '%') return (unsigned char)byte;
    if (end - *at < 2) return -EINVAL;
    int decoded = http_byte_of_hex(*at);
    *at += 2;
    return decoded > 0 ? decoded : -EINVAL;
}

/* Whether the name at `at` is `name`; then `*value` is what is behind it. */
static bool is_named(const char *at, const char *end, const char *name, const char **value) {
    for (; at < end && *at != '=' && *name != '\0'; name++) {
        int byte = take_byte(&at, end);
        if (byte < 0 || (char)byte != *name) return false;
    }
    *value = at < end ? at + 1 : at;
    return *name == '\0' && (at == end || *at == '=');
}

static int decode_value(const char *at, const char *end, char *text, size_t size) {
    size_t length = 0;
    while (at < end) {
        int byte = take_byte(&at, end);
        if (byte < 0) return byte;
        if (length + 1 < size) text[length] = (char)byte;
        length++;
    }
    if (size > 0) text[length < size ? length : size - 1] = '\0';
    return (int)length;
}

int eddy_http_query_value(const eddy_http_request *request, const char *name, char *text,
                          size_t size) {
    size_t length;
    const char *at = eddy_http_query(request, &length);
    if (at == NULL) return -ENOENT;
    const char *end = at + length, *value;
    while (at <= end) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        if (next == NULL) next = end;
        if (is_named(at, next, name, &value)) return decode_value(value, next, text, size);
        at = next + 1;
    }
    return -ENOENT;
}

/* --- Fields --- */

static char fold(char byte) {
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

static bool is_same_name(const char *one, const char *other, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (fold(one[i]) != fold(other[i])) return false;
    return true;
}

/* The next line of that name, from `from` on, or field_count. */
static unsigned find(const eddy_http_request *request, const char *name, size_t length,
                     unsigned from) {
    const struct http_head *head = &request->head;
    for (unsigned i = from; i < head->field_count; i++) {
        const struct http_span *it = &head->fields[i].name;
        if (it->length == length && is_same_name(request->text + it->offset, name, length))
            return i;
    }
    return head->field_count;
}

/* The bytes at `bytes` move to `at`, and what was there moves behind them. */
static void move_before(char *at, char *bytes, size_t length) {
    char piece[512];
    while (length > 0) {
        size_t size = length < sizeof piece ? length : sizeof piece;
        memcpy(piece, bytes, size);
        memmove(at + size, at, (size_t)(bytes - at));
        memcpy(at, piece, size);
        at += size;
        bytes += size;
        length -= size;
    }
}

/* The value of line `later` moves behind that of line `first`, with two bytes between them, for
 * which its name and colon made room; what was between moves behind it. */
static void combine(eddy_http_request *request, unsigned first, unsigned later,
                    const char *separator) {
    struct http_head *head = &request->head;
    struct http_span *to = &head->fields[first].value, moved = head->fields[later].value;
    char *text = (char *)(uintptr_t)request->text;
    char *at = text + to->offset + to->length;
    memmove(at + 2, at, (size_t)(text + head->fields[later].name.offset - at));
    memcpy(at, separator, 2);
    move_before(at + 2, text + moved.offset, moved.length);
    for (unsigned i = first + 1; i < later; i++) {
        struct http_field_line *line = &head->fields[i];
        line->name.offset = (uint16_t)(line->name.offset + moved.length + 2);
        line->value.offset = (uint16_t)(line->value.offset + moved.length + 2);
    }
    to->length = (uint16_t)(to->length + moved.length + 2);
    head->field_count--;
    memmove(&head->fields[later], &head->fields[later + 1],
            (head->field_count - later) * sizeof head->fields[0]);
}

/* All names at once: no value moves any more once one has been given to the handler. */
static void combine_all(eddy_http_request *request) {
    const struct http_head *head = &request->head;
    for (unsigned first = 0; first < head->field_count; first++) {
        const struct http_span *it = &head->fields[first].name;
        const char *name = request->text + it->offset;
        bool is_cookie = it->length == 6 && is_same_name(name, "cookie", 6);
        unsigned later = first + 1;
        while ((later = find(request, name, it->length, later)) < head->field_count)
            combine(request, first, later, is_cookie ? "; " : ", ");
    }
    request->is_combined = true;
}

const char *eddy_http_field(eddy_http_request *request, const char *name) {
    if (!request->has_fields) return NULL;
    if (!request->is_combined) combine_all(request);
    unsigned at = find(request, name, strlen(name), 0);
    if (at == request->head.field_count) return NULL;
    return request->text + request->head.fields[at].value.offset;
}

/* The target's goes before the field (RFC 9112 §3.2.2). All lines are combined first, as that
 * moves them, and what is given out here is to stay. */
const char *eddy_http_authority(const eddy_http_request *request, size_t *length) {
    *length = 0;
    if (!request->has_fields) return NULL;
    if (request->head.authority.length > 0)
        return span_of(request, request->head.authority, length);
    if (!request->is_combined) combine_all((eddy_http_request *)(uintptr_t)request);
    unsigned at = find(request, "host", 4, 0);
    if (at == request->head.field_count) return NULL;
    return span_of(request, request->head.fields[at].value, length);
}

bool eddy_http_field_next(eddy_http_request *request, size_t *position, const char **name,
                          size_t *name_length, const char **value) {
    const struct http_head *head = &request->head;
    if (!request->has_fields || *position >= head->field_count) return false;
    const struct http_field_line *line = &head->fields[(*position)++];
    *name = request->text + line->name.offset;
    *name_length = line->name.length;
    *value = request->text + line->value.offset;
    return true;
}
