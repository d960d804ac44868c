/* serve_ask.h: requests, and what each of them must be answered with.
 * serve_ask.c draws requests from the seed; serve_check.c compares answers with them. */
#ifndef EDDY_TESTS_SIM_SERVE_ASK_H
#define EDDY_TESTS_SIM_SERVE_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve_answer.h"
#include "serve_tree.h"

enum ask_kind {
    ASK_PAGE,     /* an error of this status */
    ASK_FILE,     /* `node` */
    ASK_LISTING,  /* of the directory `node` */
    ASK_ECHO,     /* what was sent, of `echo_bytes` with `echo_mark` */
    ASK_REDIRECT, /* to the directory that was asked for, with its slash */
};

enum {
    ASK_RANGES_MAX = 3,
    ASK_PATH_BYTES = 4100,
};

struct ask {
    enum ask_kind kind;
    const struct tree_node *node;
    const struct tree_node *itself; /* of which `node` is the compressed file; NULL: it is none */
    const struct tree_node *directory; /* whose index `node` is; NULL: it is none */
    int status;                        /* that it must have; 0: any that suits the file */
    bool is_head;
    size_t echo_bytes;
    unsigned echo_mark;
    bool is_refused; /* for its target */
    bool may_go_on;  /* the request does not end the connection */
    bool must_end;   /* it does */
    int ranges;      /* of a 206 */
    struct {
        int64_t first, last;
    } range[ASK_RANGES_MAX];
    size_t end;     /* where the request ends in its client's bytes */
    char asked[80]; /* the path, with its slash */
    char path[80];  /* of a redirect: where to, without slashes around it */
};

/* Bytes that grow at the end. */
struct ask_text {
    char *bytes;
    size_t used, room;
};

void ask_put(struct ask_text *text, const char *bytes, size_t length);
void ask_print(struct ask_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A world begins: no tags of files are known. */
void ask_begin(void);

/* From now on compressed files answer who takes them. */
void ask_set_precompressed(bool is_precompressed);

/* What a GET of the path must give. */
void ask_expect(struct ask *ask, const char *path, bool has_slash);

/* Draws a request: a good one, or one of which some part is refused. */
void ask_draw(struct ask *ask, struct ask_text *text);
/* Asks for the largest file. */
void ask_large(struct ask *ask, struct ask_text *text);
/* Draws bytes that are no request. */
void ask_draw_broken(struct ask *ask, struct ask_text *text);

/* NULL, or what is wrong. With `is_foul` calls may have failed, and the answer may say so. */
const char *ask_check(const struct ask *ask, const struct answer *answer, const char *body,
                      bool is_foul);
/* Whether `node` is the compressed file of another that was asked for. */
static inline bool ask_is_compressed(const struct ask *ask) {
    return ask->itself != NULL && ask->node != ask->itself;
}

/* The tag of its file, which does not move, as an answer gave it; "" before. */
const char *ask_etag(const struct ask *ask);

#endif
