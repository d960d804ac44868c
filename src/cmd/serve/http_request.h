/* http_request.h: the head of an HTTP/1 request, strict (RFC 9112, RFC 9110).
 *
 * The parser is a pure function over bytes. The caller collects a connection's bytes in a
 * contiguous buffer and calls http_request_parse() with everything it has of the request, from its
 * first byte on, whenever more came. The buffer may move in between: all places are offsets from
 * the request's first byte. How the input was cut never changes the result, and no byte is looked
 * at twice because of it.
 *
 * What is refused rather than repaired: a line that ends without CR, a CR elsewhere, a folded
 * header, a space before a colon, control characters, a second Content-Length or Host, any
 * Content-Length beside Transfer-Encoding. After an error the connection must be closed, as nobody
 * knows where the next request begins. */
#ifndef EDDY_CMD_SERVE_HTTP_REQUEST_H
#define EDDY_CMD_SERVE_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A field that did not come has offset 0; one that came empty has length 0. */
struct http_span {
    uint32_t offset, length;
};

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_METHOD_KNOWN,   /* one of RFC 9110 or PATCH: 405 */
    HTTP_METHOD_UNKNOWN, /* 501 */
};

/* The headers that are kept. Of a field that came more than once (Connection aside) an empty value
 * is kept: each of them then means the safe thing, that nothing matches and no range is asked for.
 */
enum http_field {
    HTTP_FIELD_HOST,
    HTTP_FIELD_RANGE,
    HTTP_FIELD_IF_RANGE,
    HTTP_FIELD_IF_MATCH,
    HTTP_FIELD_IF_NONE_MATCH,
    HTTP_FIELD_IF_MODIFIED_SINCE,
    HTTP_FIELD_IF_UNMODIFIED_SINCE,
    HTTP_FIELD_USER_AGENT,
    HTTP_FIELD_REFERER,
    HTTP_FIELDS, /* the number of those; the rest are for the parser itself */
};

/* All sizes count the line ends. */
struct http_limits {
    uint32_t line_bytes;    /* the request line: 414 */
    uint32_t header_bytes;  /* one header line: 431 */
    uint32_t headers_bytes; /* all of them with the empty line: 431 */
    uint32_t header_count;  /* 431 */
    uint64_t body_bytes;    /* of a body that is thrown away: 413 */
};

/* A buffer of line_bytes + headers_bytes + HTTP_LEADING_BYTES holds any request within the limits.
 */
extern const struct http_limits http_limits_default; /* 8 KiB, 8 KiB, 32 KiB, 100, 64 KiB */
enum { HTTP_LEADING_BYTES = 8 };                     /* empty lines before the request line */

struct http_request {
    /* Results, valid when http_request_parse() says HTTP_COMPLETE. After an error only `line` is,
     * for the log, and `method` as far as it was read: a HEAD is refused without a body too. */
    struct http_span line;   /* the request line without its end; length 0: none came */
    struct http_span target; /* the path with its query; empty ("/") when only an authority came */
    struct http_span fields[HTTP_FIELDS];
    uint64_t body_bytes; /* follow the head; to be skipped before the next request */
    uint32_t head_bytes; /* the request's bytes up to its body, leading empty lines included */
    uint8_t method;      /* enum http_method */
    uint8_t minor;       /* HTTP/1.minor: 0 or 1 */
    /* Whether the connection may go on after the answer. False as well when the client waits to be
     * told to send its body (Expect), or when a method that is refused has a body that this server
     * does not skip. */
    bool keep_alive;

    /* The parser's own. */
    uint8_t state, empty_lines, has_close, has_keep_alive, has_expect, has_length, has_encoding;
    uint16_t header_count;
    uint32_t line_start, scanned, headers_start;
};

enum {
    HTTP_MORE = 0,       /* not all there yet */
    HTTP_COMPLETE = 200, /* head_bytes and body_bytes say where the next request begins */
};

void http_request_init(struct http_request *request);

/* Looks at `length` bytes from the request's first byte on (never fewer than the time before).
 * HTTP_MORE, HTTP_COMPLETE, or the status to answer before closing: 400, 413, 414, 431, 501, 505.
 * Not to be called again after one of the last. */
int http_request_parse(struct http_request *request, const char *bytes, size_t length,
                       const struct http_limits *limits);

#endif
