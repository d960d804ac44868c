/* http_answer_head.c: the head of an answer, put into the output when the answer begins to go out.
 * Threading: the loop's. */
#include "http_server.h"

#include <string.h>

/* A head grows in the room that was reserved for it. */
static char *put_bytes(char *at, const char *bytes, size_t length) {
    memcpy(at, bytes, length);
    return at + length;
}

/* A literal: its length is known to the compiler. */
#define PUT(at, literal) put_bytes(at, "" literal, sizeof(literal) - 1)

static char *put_number(char *at, uint64_t number) {
    char digits[20];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return put_bytes(at, digits + first, sizeof digits - first);
}

static char *put_framing(const eddy_http_request *request, char *at) {
    if (request->is_chunked) {
        at = PUT(at, "\r\nTransfer-Encoding: chunked");
    } else if (request->length >= 0 && request->status != 204 && request->status != 304) {
        at = PUT(at, "\r\nContent-Length: ");
        at = put_number(at, request->status == 205 ? 0 : (uint64_t)request->length);
    }
    return at;
}

/* One list, in one line: "close" tells of the connection and "Upgrade" of the field of that name,
 * so that both may be true (RFC 9110 §7.6.1), but who reads one line of two sees half. */
static char *put_connection(const eddy_http_request *request, char *at) {
    bool is_switched = request->upgrade != NULL;
    bool is_last = request->is_last && !is_switched;
    bool is_kept = !request->is_last && request->head.minor == 0;
    bool names_upgrade = request->names_upgrade || is_switched;
    if (!is_last && !is_kept && !names_upgrade) return at;
    at = PUT(at, "\r\nConnection: ");
    if (is_last) at = PUT(at, "close");
    if (is_kept) at = PUT(at, "keep-alive");
    if ((is_last || is_kept) && names_upgrade) at = PUT(at, ", ");
    return names_upgrade ? PUT(at, "Upgrade") : at;
}

static void put_lines(eddy_http_request *request) {
    const char *server = request->http->config.server;
    const char *reason = eddy_http_reason(request->status);
    char *begin = request->output.bytes + request->output.used, *at = PUT(begin, "HTTP/1.1 ");
    at = put_number(at, (uint64_t)request->status);
    at = PUT(at, " ");
    at = put_bytes(at, reason, strlen(reason));
    if (server[0] != '\0') {
        at = PUT(at, "\r\nServer: ");
        at = put_bytes(at, server, strlen(server));
    }
    at = PUT(at, "\r\nDate: ");
    at = put_bytes(at, eddy__http_date(request->http), EDDY_HTTP_DATE_BYTES - 1);
    at = PUT(put_connection(request, put_framing(request, at)), "\r\n");
    at = PUT(put_bytes(at, request->fields, request->fields_used), "\r\n");
    request->output.used += (uint32_t)(at - begin);
    request->output.from_file = 0;
}

bool eddy__http_put_head(eddy_http_request *request) {
    int err = eddy__http_reserve(request, HTTP_HEAD_ROOM + request->fields_used);
    if (err < 0) {
        if (err != -EAGAIN) eddy__http_disconnect(request->connection, false);
        return false;
    }
    if (eddy__http_body_ends_connection(request) || request->http->is_draining)
        request->is_last = true;
    if (request->length < 0 && request->has_body && !request->is_chunked) request->is_last = true;
    request->output.answer_start = request->output.used;
    request->has_sent = false;
    put_lines(request);
    request->has_head = true;
    if (!request->has_body) eddy__http_forget_sources(request);
    return true;
}
