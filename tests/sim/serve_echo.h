/* serve_echo.h: a handler beside the files: a body that comes in pieces, and an answer that comes
 * later, in one of the ways in which answers may be given, events among them. */
#ifndef EDDY_TESTS_SIM_SERVE_ECHO_H
#define EDDY_TESTS_SIM_SERVE_ECHO_H

#include <eddy/http.h>

enum { ECHO_BYTES_MAX = 600 };

/* Answers POST /echo with what was sent. Errors: -ENOMEM. */
int serve_echo_add(eddy_http *http);

/* Requests of it that are not over. */
unsigned serve_echo_open(void);

/* The byte at `i` of the body that is sent with `mark`. */
static inline char serve_echo_byte(unsigned mark, size_t i) {
    return (char)('a' + (mark + i * 7) % 26);
}

#endif
