/* http_response.h: the head of an answer, and the small page that explains an error. */
#ifndef EDDY_CMD_SERVE_HTTP_RESPONSE_H
#define EDDY_CMD_SERVE_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http_range.h"
#include "http_text.h"

/* What is zero or NULL is left out, but for `status`, `date`, `length` and the connection. */
struct http_response {
    int status;
    const char *date;          /* HTTP_DATE_BYTES of http_date_format, made once a second */
    int64_t length;            /* Content-Length; -1: none, which 304 wants */
    const char *type;          /* Content-Type */
    const char *last_modified; /* HTTP_DATE_BYTES; never later than `date` (RFC 9110 §8.8.2) */
    const char *etag;
    size_t etag_length;
    const struct http_range *range; /* Content-Range of a 206 with one range */
    int64_t size;                   /* of the whole file, for `range` and for 416 */
    const char *location;           /* of http_path_put_location */
    size_t location_length;
    bool accepts_ranges;
    bool keep_alive;
    bool is_old; /* the request was HTTP/1.0: keep-alive has to be said */
};

/* Room for any head without `location`; with it, location_length more. */
enum { HTTP_RESPONSE_HEAD_BYTES = 768 };

/* The status line, the headers and the empty line. A 405 carries Allow, a 416 Content-Range. */
void http_response_put_head(struct http_text *text, const struct http_response *response);

const char *http_response_reason(int status); /* "Not Found" */

/* The page of an error or redirection, "text/html; charset=utf-8", under HTTP_RESPONSE_PAGE_BYTES.
 */
void http_response_put_page(struct http_text *text, int status);
enum { HTTP_RESPONSE_PAGE_BYTES = 768 };

#endif
