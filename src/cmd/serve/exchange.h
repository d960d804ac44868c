/* exchange.h: a request for a file and the answer to it, beside what the HTTP server keeps.
 *
 * The files are looked for by requests to the library ("file requests"). Each of their callbacks
 * begins with exchange_landed(), and then takes the next step or answers. The answer ends the
 * request, of which the HTTP server tells when it is over: that frees the exchange.
 * Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_EXCHANGE_H
#define EDDY_CMD_SERVE_EXCHANGE_H

#include <eddy.h>
#include <eddy/http.h>

#include "context.h"
#include "range.h"

enum { PATH_BYTES = 4096, PATH_INLINE_BYTES = 320 };

/* What a page is made from while it is sent. */
struct page {
    void (*free)(struct page *page); /* of the layer that makes it */
};

/* A file that is open, and what it was when it was opened or asked for last. */
struct opened {
    int fd;                     /* -1: there is none */
    struct cached_file *cached; /* whose descriptor that is, or NULL: it is the exchange's own */
    eddy_stat stat;
};

/* See lookup.h. */
struct lookup {
    void (*fn)(struct exchange *exchange, int error);
    struct path_key key;
    int64_t asked_ns;
    struct exchange *next;  /* who shares it with this one … */
    struct exchange **last; /* … of the first of them: where the next one goes */
};

struct exchange {
    struct context *context;
    eddy_http_request *request;
    eddy_file file;
    unsigned in_flight;      /* file requests, and jobs */
    bool is_gone;            /* nobody waits any more: what is in flight still comes back */
    bool is_index;           /* the file that is opened is a directory's index … */
    unsigned index;          /* … and this one of the policy's */
    bool has_slash;          /* a directory is meant */
    bool is_again;           /* the file became shorter before any of it was sent */
    bool is_fallback;        /* the file is the policy's, in place of what is not there */
    struct page *page;       /* of a directory, or NULL */
    struct parts *parts;     /* of an answer of several ranges, or NULL */
    struct variant *variant; /* of a search for a compressed file, or NULL */
    const char *encoding;    /* of the file that is sent; NULL: as it is */
    size_t path_length;
    char *path; /* below the root, without slashes at its ends, ended by a NUL; "": the root. There
                   is room for the names of the policy behind it */
    struct lookup lookup; /* of its path, while there is one under way */
    struct opened opened; /* what is sent, or looked at */
    eddy_stat before;     /* what that was when it could not be read, if is_again */
    char path_inline[PATH_INLINE_BYTES];
};

/* Takes the request over. NULL: there is no memory. */
struct exchange *exchange_open(struct context *context, eddy_http_request *request);

/* Closes the file, if there is one, or gives it back to the cache. */
void opened_drop(struct opened *opened);

/* Counts a file request or job as under way. */
static inline void exchange_launched(struct exchange *exchange) {
    exchange->in_flight++;
}

/* One has come back. False: nobody waits for the answer, and the exchange may be gone; the callback
 * does nothing more. */
bool exchange_landed(struct exchange *exchange);

#endif
