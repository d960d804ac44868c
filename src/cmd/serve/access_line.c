/* access_line.c: see access_line.h.
 * Invariant: the shares of the fields, and 256 bytes for all else, are LINE_BYTES_MAX together. */
#include "access_line.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <time.h>

enum {
    REQUEST_BYTES = 2560,
    METHOD_BYTES = 128, /* of the request's share, as the others of JSON */
    PROTOCOL_BYTES = 32,
    TARGET_BYTES = REQUEST_BYTES - METHOD_BYTES - PROTOCOL_BYTES,
    FIELD_BYTES = 640, /* Referer, User-Agent */
    OTHER_BYTES = 256, /* 190 of JSON's names, 46 of an address, 24 of the time: not all are full */
    ESCAPE_BYTES = 6,  /* of the longest: a \u00ff */
};

#define NS_PER_S INT64_C(1000000000)

_Static_assert(REQUEST_BYTES + 2 * FIELD_BYTES + OTHER_BYTES <= LINE_BYTES_MAX, "a line fits");

/* --- What a client wrote --- */

static bool is_plain(unsigned char byte) {
    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

static size_t escape(char *to, enum access_format format, unsigned char byte) {
    static const char hex[] = "0123456789abcdef";
    size_t length = 0;
    to[length++] = '\\';
    if (format == ACCESS_JSON && (byte == '"' || byte == '\\')) {
        to[length++] = (char)byte;
        return length;
    }
    const char *prefix = format == ACCESS_JSON ? "u00" : "x";
    while (*prefix != '\0') to[length++] = *prefix++;
    to[length++] = hex[byte >> 4];
    to[length++] = hex[byte & 15];
    return length;
}

/* What a client wrote must neither end the quotes nor reach the terminal of a reader. Puts `room`
 * bytes at most; false if that was not all. */
static bool put_escaped(struct text *text, enum access_format format, const char *bytes,
                        size_t length, size_t room) {
    char *start = text->bytes + text->length, *to = start;
    const char *last = start + room - 2 * ESCAPE_BYTES; /* an escape and the mark fit behind it */
    size_t i = 0;
    while (i < length && to < last) {
        unsigned char byte = (unsigned char)bytes[i++];
        if (is_plain(byte))
            *to++ = (char)byte;
        else
            to += escape(to, format, byte);
    }
    text->length += (size_t)(to - start);
    if (i == length) return true;
    if (format != ACCESS_JSON) text_put_literal(text, "\\...");
    return false;
}

/* --- The address --- */

/* As inet_ntop writes it, which takes ten times as long. */
static void put_v4(struct text *text, const struct sockaddr_in *in) {
    unsigned char bytes[4];
    memcpy(bytes, &in->sin_addr, sizeof bytes);
    for (int i = 0; i < 4; i++) {
        if (i > 0) text_put_literal(text, ".");
        text_put_number(text, bytes[i]);
    }
}

/* The address alone, as logs have it. False, and nothing is put, if it is not one of IP or
 * local, which have no more of a name. */
static bool put_peer(struct text *text, const struct sockaddr *peer) {
    if (peer->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, peer, sizeof in);
        put_v4(text, &in);
        return true;
    }
    if (peer->sa_family == AF_UNIX) {
        text_put_literal(text, "unix:");
        return true;
    }
    if (peer->sa_family != AF_INET6) return false;
    struct sockaddr_in6 in6;
    char name[INET6_ADDRSTRLEN] = "";
    memcpy(&in6, peer, sizeof in6);
    (void)inet_ntop(AF_INET6, &in6.sin6_addr, name, sizeof name);
    text_put_string(text, name);
    return true;
}

bool access_peer_forwarded(const char *field, struct sockaddr_storage *peer) {
    char name[INET6_ADDRSTRLEN];
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (field == NULL) return false;
    const char *comma = strrchr(field, ','), *start = comma != NULL ? comma + 1 : field;
    start += strspn(start, " \t");
    size_t length = strcspn(start, " \t");
    if (length >= sizeof name || start[length + strspn(start + length, " \t")] != '\0')
        return false;
    memcpy(name, start, length);
    name[length] = '\0';
    if (inet_pton(AF_INET, name, &in.sin_addr) == 1) {
        memcpy(peer, &in, sizeof in);
    } else if (inet_pton(AF_INET6, name, &in6.sin6_addr) == 1) {
        memcpy(peer, &in6, sizeof in6);
    } else {
        return false;
    }
    return true;
}

/* --- The time --- */

static void put_two(struct text *text, int number) {
    char digits[2] = {(char)('0' + number / 10), (char)('0' + number % 10)};
    text_put(text, digits, 2);
}

static void put_clock(struct text *text, const struct tm *civil) {
    put_two(text, civil->tm_hour);
    text_put_literal(text, ":");
    put_two(text, civil->tm_min);
    text_put_literal(text, ":");
    put_two(text, civil->tm_sec);
}

/* "[24/Nov/2026:06:52:41 +0000]" */
static void put_common_time(struct text *text, const struct tm *civil) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    text_put_literal(text, "[");
    put_two(text, civil->tm_mday);
    text_put_literal(text, "/");
    text_put(text, months + 3 * civil->tm_mon, 3);
    text_put_literal(text, "/");
    text_put_number(text, (uint64_t)civil->tm_year + 1900);
    text_put_literal(text, ":");
    put_clock(text, civil);
    text_put_literal(text, " +0000]");
}

/* "2026-11-24T06:52:41", of RFC 3339; the milliseconds are each line's own. */
static void put_json_time(struct text *text, const struct tm *civil) {
    text_put_number(text, (uint64_t)civil->tm_year + 1900);
    text_put_literal(text, "-");
    put_two(text, civil->tm_mon + 1);
    text_put_literal(text, "-");
    put_two(text, civil->tm_mday);
    text_put_literal(text, "T");
    put_clock(text, civil);
}

static void refresh_stamp(struct access_stamp *stamp, enum access_format format, int64_t second) {
    if (second == stamp->second) return;
    time_t time = (time_t)second;
    struct tm civil = {0};
    (void)gmtime_r(&time, &civil);
    struct text text = {stamp->bytes, sizeof stamp->bytes, 0};
    if (format == ACCESS_JSON)
        put_json_time(&text, &civil);
    else
        put_common_time(&text, &civil);
    stamp->length = text_fits(&text) ? text.length : 0;
    stamp->second = second;
}

/* --- Common and combined --- */

static void put_quoted(struct text *text, const char *bytes, size_t length, size_t room) {
    text_put_literal(text, "\"");
    if (bytes != NULL)
        (void)put_escaped(text, ACCESS_COMMON, bytes, length, room);
    else
        text_put_literal(text, "-");
    text_put_literal(text, "\"");
}

static void put_field(struct text *text, const char *value) {
    text_put_literal(text, " ");
    put_quoted(text, value, value != NULL ? strlen(value) : 0, FIELD_BYTES);
}

static void put_common(struct text *text, enum access_format format, const struct access_line *line,
                       const struct access_stamp *stamp) {
    if (!put_peer(text, line->peer)) text_put_literal(text, "-");
    text_put_literal(text, " - - ");
    text_put(text, stamp->bytes, stamp->length);
    text_put_literal(text, " ");
    put_quoted(text, line->request, line->request_length, REQUEST_BYTES);
    text_put_literal(text, " ");
    text_put_number(text, (uint64_t)line->status);
    text_put_literal(text, " ");
    if (line->body_bytes > 0)
        text_put_number(text, (uint64_t)line->body_bytes);
    else
        text_put_literal(text, "-");
    if (format == ACCESS_COMBINED) {
        put_field(text, line->referer);
        put_field(text, line->user_agent);
    }
    text_put_literal(text, "\n");
}

/* --- JSON --- */

struct part {
    const char *bytes; /* NULL: null */
    size_t length;
};

struct parts {
    struct part method, target, protocol;
};

/* By its first and last space, whatever is between them. What has none is a target alone. */
static struct parts split_request(const char *request, size_t length) {
    struct parts parts = {{NULL, 0}, {request, length}, {NULL, 0}};
    const char *first = request != NULL ? memchr(request, ' ', length) : NULL;
    if (first == NULL) return parts;
    const char *end = request + length, *last = end - 1;
    while (*last != ' ') last--;
    parts.method = (struct part){request, (size_t)(first - request)};
    if (last > first) {
        parts.protocol = (struct part){last + 1, (size_t)(end - last - 1)};
        end = last;
    }
    parts.target = (struct part){first + 1, (size_t)(end - first - 1)};
    return parts;
}

static bool put_string(struct text *text, struct part part, size_t room) {
    if (part.bytes == NULL) {
        text_put_literal(text, "null");
        return true;
    }
    text_put_literal(text, "\"");
    bool is_whole = put_escaped(text, ACCESS_JSON, part.bytes, part.length, room);
    text_put_literal(text, "\"");
    return is_whole;
}

static struct part part_of(const char *string) {
    return (struct part){string, string != NULL ? strlen(string) : 0};
}

static void put_json_head(struct text *text, const struct access_line *line,
                          const struct access_stamp *stamp, unsigned milliseconds) {
    text_put_literal(text, "{\"time\":\"");
    text_put(text, stamp->bytes, stamp->length);
    text_put_literal(text, ".");
    text_put_number(text, milliseconds / 100);
    put_two(text, (int)(milliseconds % 100));
    text_put_literal(text, "Z\",\"peer\":");
    size_t before = text->length;
    text_put_literal(text, "\"");
    if (put_peer(text, line->peer)) {
        text_put_literal(text, "\"");
    } else {
        text->length = before;
        text_put_literal(text, "null");
    }
}

static void put_json(struct text *text, const struct access_line *line,
                     const struct access_stamp *stamp, unsigned milliseconds) {
    struct parts parts = split_request(line->request, line->request_length);
    put_json_head(text, line, stamp, milliseconds);
    text_put_literal(text, ",\"method\":");
    bool is_whole = put_string(text, parts.method, METHOD_BYTES);
    text_put_literal(text, ",\"target\":");
    is_whole &= put_string(text, parts.target, TARGET_BYTES);
    text_put_literal(text, ",\"protocol\":");
    is_whole &= put_string(text, parts.protocol, PROTOCOL_BYTES);
    text_put_literal(text, ",\"status\":");
    text_put_number(text, (uint64_t)line->status);
    text_put_literal(text, ",\"bytes\":");
    text_put_number(text, line->body_bytes > 0 ? (uint64_t)line->body_bytes : 0);
    text_put_literal(text, ",\"duration_us\":");
    text_put_number(text, line->taken_ns > 0 ? (uint64_t)line->taken_ns / 1000 : 0);
    text_put_literal(text, ",\"referer\":");
    is_whole &= put_string(text, part_of(line->referer), FIELD_BYTES);
    text_put_literal(text, ",\"user_agent\":");
    is_whole &= put_string(text, part_of(line->user_agent), FIELD_BYTES);
    if (!is_whole) text_put_literal(text, ",\"cut\":true");
    text_put_literal(text, "}\n");
}

void access_line_put(struct text *text, enum access_format format, const struct access_line *line,
                     struct access_stamp *stamp, int64_t now_ns) {
    refresh_stamp(stamp, format, now_ns / NS_PER_S);
    if (format == ACCESS_JSON)
        put_json(text, line, stamp, (unsigned)(now_ns % NS_PER_S / 1000000));
    else
        put_common(text, format, line, stamp);
}
