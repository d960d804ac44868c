/* http_response.c: see http_response.h. */
#include "http_response.h"

#include "http_date.h"

/* Each status that the server gives, with its status line ready to be copied. */
#define STATUS(number, reason)                                     \
    {                                                              \
        number, sizeof("HTTP/1.1 " #number " " reason "\r\n") - 1, \
            "HTTP/1.1 " #number " " reason "\r\n", reason          \
    }
static const struct status {
    short number;
    unsigned short line_length;
    char line[56];
    char reason[40];
} statuses[] = {
    STATUS(200, "OK"),
    STATUS(206, "Partial Content"),
    STATUS(301, "Moved Permanently"),
    STATUS(304, "Not Modified"),
    STATUS(400, "Bad Request"),
    STATUS(403, "Forbidden"),
    STATUS(404, "Not Found"),
    STATUS(405, "Method Not Allowed"),
    STATUS(408, "Request Timeout"),
    STATUS(412, "Precondition Failed"),
    STATUS(413, "Content Too Large"),
    STATUS(414, "URI Too Long"),
    STATUS(416, "Range Not Satisfiable"),
    STATUS(431, "Request Header Fields Too Large"),
    STATUS(501, "Not Implemented"),
    STATUS(503, "Service Unavailable"),
    STATUS(505, "HTTP Version Not Supported"),
    STATUS(500, "Internal Server Error"), /* last: it also stands for those not in the table */
};

static const struct status *status_of(int number) {
    size_t i = 0;
    while (statuses[i].number != number && statuses[i].number != 500) i++;
    return &statuses[i];
}

const char *http_response_reason(int status) {
    return status_of(status)->reason;
}

static void put_date(struct http_text *text, const char *date) {
    http_text_put(text, date, HTTP_DATE_BYTES);
}

static void put_validators(struct http_text *text, const struct http_response *response) {
    if (response->last_modified != NULL) {
        http_text_put_literal(text, "\r\nLast-Modified: ");
        put_date(text, response->last_modified);
    }
    if (response->etag != NULL) {
        http_text_put_literal(text, "\r\nETag: ");
        http_text_put(text, response->etag, response->etag_length);
    }
    if (response->accepts_ranges) http_text_put_literal(text, "\r\nAccept-Ranges: bytes");
}

static void put_special(struct http_text *text, const struct http_response *response) {
    if (response->range != NULL || response->status == 416) {
        http_text_put_literal(text, "\r\nContent-Range: ");
        http_range_put(text, response->range, response->size);
    }
    if (response->location != NULL) {
        http_text_put_literal(text, "\r\nLocation: ");
        http_text_put(text, response->location, response->location_length);
    }
    if (response->status == 405) http_text_put_literal(text, "\r\nAllow: GET, HEAD");
}

void http_response_put_head(struct http_text *text, const struct http_response *response) {
    const struct status *status = status_of(response->status);
    http_text_put(text, status->line, status->line_length);
    http_text_put_literal(text, "Server: eddy\r\nDate: ");
    put_date(text, response->date);
    if (response->type != NULL) {
        http_text_put_literal(text, "\r\nContent-Type: ");
        http_text_put_string(text, response->type);
    }
    if (response->length >= 0) {
        http_text_put_literal(text, "\r\nContent-Length: ");
        http_text_put_number(text, (uint64_t)response->length);
    }
    put_validators(text, response);
    put_special(text, response);
    if (!response->keep_alive)
        http_text_put_literal(text, "\r\nConnection: close");
    else if (response->is_old)
        http_text_put_literal(text, "\r\nConnection: keep-alive");
    http_text_put_literal(text, "\r\n\r\n");
}

void http_response_put_page(struct http_text *text, int status) {
    const char *reason = http_response_reason(status);
    http_text_put_literal(text, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
                                "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    http_text_put_number(text, (uint64_t)status);
    http_text_put_literal(text, " ");
    http_text_put_string(text, reason);
    http_text_put_literal(text, "</title>\n<style>:root{color-scheme:light dark}"
                                "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;"
                                "margin:20vh auto;padding:0 1rem}h1{font-weight:600}"
                                "b{opacity:.5;font-weight:inherit}</style>\n<h1><b>");
    http_text_put_number(text, (uint64_t)status);
    http_text_put_literal(text, "</b> ");
    http_text_put_string(text, reason);
    http_text_put_literal(text, "</h1>\n</html>\n");
}
