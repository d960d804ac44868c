/* http_head.h: the head of an HTTP/1 request, strict (RFC 9112, RFC 9110).
 *
 * The parser is a pure function over bytes. The caller collects a connection's bytes in a
 * contiguous buffer and calls eddy__http_head_parse() with everything it has of the request, from
 * its first byte on, whenever more came. The buffer may move in between: all places are offsets
 * from the request's first byte. How the input was cut never changes the result, and no byte is
 * looked at twice because of it.
 *
 * What is refused rather than repaired: a line that ends without CR, a CR elsewhere, a folded
 * field, a space before a colon, control characters, a second Content-Length or Host, any
 * Content-Length beside Transfer-Encoding, an authority that is none. After an error the connection
 * must be closed, as nobody knows where the next request begins.
 * Threading: none of its own. */
#ifndef EDDY_HTTP_HTTP_HEAD_H
#define EDDY_HTTP_HTTP_HEAD_H

#include "http_bytes.h"

enum {
    HTTP_FIELDS_MAX = 128,
    HTTP_HEAD_BYTES_MAX = 65535, /* what limits may allow: places are 16 bits */
    HTTP_LEADING_BYTES = 8,      /* empty lines before the request line */
};

struct http_span {
    uint16_t offset, length;
};

/* All sizes count the line ends; with HTTP_LEADING_BYTES they are no more than HTTP_HEAD_BYTES_MAX.
 */
struct http_head_limits {
    uint32_t line_bytes;   /* the request line: 414 */
    uint32_t field_bytes;  /* one field line: 431 */
    uint32_t fields_bytes; /* all of them with the empty line: 431 */
    uint32_t fields;       /* lines, no more than HTTP_FIELDS_MAX: 431 */
};

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_METHOD_KNOWN, /* one more of RFC 9110, or PATCH */
    HTTP_METHOD_UNKNOWN,
};

struct http_field_line {
    struct http_span name, value; /* without blanks around it */
};

struct http_head {
    /* Results, valid when eddy__http_head_parse() says HTTP_COMPLETE. After an error only `line`
     * is, for the log, and `method` as far as it was read: a HEAD is refused without a body too. */
    struct http_span line;      /* the request line without its end; length 0: none came */
    struct http_span name;      /* of the method */
    struct http_span authority; /* of an absolute target; length 0: it was none */
    struct http_span target;    /* the path with its query, "*" of OPTIONS, or empty, which is "/",
                                   when only an authority came */
    uint16_t head_bytes;   /* the request's bytes up to its body, leading empty lines included */
    uint16_t field_count;  /* of `fields`, in the order in which they came */
    uint64_t body_bytes;   /* that follow the head, if it is not chunked */
    uint8_t method;        /* enum http_method */
    uint8_t minor;         /* HTTP/1.minor: 0 or 1 */
    bool is_chunked;       /* a body of that kind follows: "chunked" is all of Transfer-Encoding */
    bool expects_continue; /* the client may wait for a 100 before it sends its body */
    bool keep_alive;       /* the connection may go on after the answer */

    /* The parser's own. */
    uint8_t state, empty_lines, has_close, has_keep_alive, has_length, has_encoding, has_expect;
    uint8_t has_host;
    uint32_t line_start, scanned, fields_start;

    struct http_field_line fields[HTTP_FIELDS_MAX]; /* a result, too */
};

enum {
    HTTP_MORE = 0, /* not all there yet */
    HTTP_COMPLETE = 200,
};

void eddy__http_head_init(struct http_head *head); /* does not touch `fields` */

/* Looks at `length` bytes from the request's first byte on (never fewer than the time before).
 * HTTP_MORE, HTTP_COMPLETE, or the status to answer before closing: 400; 414 and 431 of the limits;
 * 417 (an Expect that is not 100-continue); 501 (a Transfer-Encoding that is not chunked, CONNECT);
 * 505. Not to be called again after one of the last. */
int eddy__http_head_parse(struct http_head *head, const char *bytes, size_t length,
                          const struct http_head_limits *limits);

#endif
