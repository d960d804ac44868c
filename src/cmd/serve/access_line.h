/* access_line.h: what a request becomes in the log.
 *
 * Bounds: a line has LINE_BYTES_MAX bytes at most, whatever a client sends. What is longer in a
 * field is cut, and the line says so: the field ends in "\..." (no escape looks like it), an object
 * of JSON has "cut":true. Threading: none of its own; pure functions without I/O or allocation. */
#ifndef EDDY_CMD_SERVE_ACCESS_LINE_H
#define EDDY_CMD_SERVE_ACCESS_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "text.h"

enum { LINE_BYTES_MAX = 4096 };

enum access_format {
    ACCESS_COMMON,   /* the Common Log Format */
    ACCESS_COMBINED, /* and Referer and User-Agent behind it */
    ACCESS_JSON,     /* an object a line; each byte of a client is the character of its number */
};

struct access_line {
    const struct sockaddr *peer;
    const char *request; /* the request line as it came; NULL: none came */
    size_t request_length;
    int status;
    int64_t body_bytes, taken_ns;
    const char *referer, *user_agent; /* NULL: did not come, or are not in the format */
};

/* The time as a format writes it, made anew once a second. Begins as {.second = -1}. */
struct access_stamp {
    int64_t second;
    char bytes[32];
    size_t length;
};

/* Puts a whole line into `text`, which has room for LINE_BYTES_MAX more. `now_ns` is the time of
 * day. */
void access_line_put(struct text *text, enum access_format format, const struct access_line *line,
                     struct access_stamp *stamp, int64_t now_ns);

/* The right-most address of an X-Forwarded-For, which is the one that our own proxy has added.
 * False, and `*peer` is as it was, if there is none (`field` is NULL) or it is no address. */
bool access_peer_forwarded(const char *field, struct sockaddr_storage *peer);

#endif
