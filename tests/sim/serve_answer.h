/* serve_answer.h: reads the server's answers, and forgives nothing.
 * Written apart from the server, so that both would have to be wrong in the same way. */
#ifndef EDDY_TESTS_SIM_SERVE_ANSWER_H
#define EDDY_TESTS_SIM_SERVE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of the answer's head; NULL: that header did not come. */
struct answer_text {
    const char *bytes;
    size_t length;
};

enum answer_header {
    ANSWER_SERVER,
    ANSWER_DATE,
    ANSWER_TYPE,
    ANSWER_LENGTH,
    ANSWER_MODIFIED,
    ANSWER_ETAG,
    ANSWER_ACCEPTS,
    ANSWER_RANGE,
    ANSWER_LOCATION,
    ANSWER_ALLOW,
    ANSWER_CONNECTION,
    ANSWER_CODING,
    ANSWER_ENCODING,
    ANSWER_VARY,
    ANSWER_CACHING,
    ANSWER_HEADERS,
};

struct answer {
    int status;
    size_t head_bytes;
    size_t body_bytes; /* that follow the head; of chunks only once they are decoded */
    int64_t length;    /* of Content-Length; -1: none */
    bool is_chunked;
    bool is_to_end; /* what follows up to the end of the connection is the body */
    bool is_last;   /* the connection ends behind it */
    struct answer_text headers[ANSWER_HEADERS];
};

enum answer_state {
    ANSWER_MORE,   /* the head is not all there */
    ANSWER_HEAD,   /* it is, and says how long the body is */
    ANSWER_BROKEN, /* no answer that this server may give */
};

/* Reads the head of the answer that `bytes` begin with. `*broken` says what is wrong. */
enum answer_state answer_read(struct answer *answer, const char *bytes, size_t length, bool is_head,
                              const char **broken);

/* Reads the chunks that `bytes` begin with into `body`, which has room for as many bytes.
 * ANSWER_HEAD: they are all there; `*used` is how long they were, and answer->body_bytes how long
 * what was in them is. */
enum answer_state answer_read_chunks(struct answer *answer, const char *bytes, size_t length,
                                     char *body, size_t *used);

bool answer_text_is(struct answer_text text, const char *string);

/* Reads "bytes 1-2/3". False: it is something else. */
bool answer_read_range(struct answer_text text, int64_t *first, int64_t *last, int64_t *size);

/* A part of a body of several ranges. */
struct answer_part {
    int64_t first, last, size;
    const char *bytes;
};

/* Takes a 206 without Content-Range apart. Returns how many parts there are; -1: it is broken. */
int answer_read_parts(const struct answer *answer, const char *body, struct answer_part *parts,
                      int parts_max);

#endif
