/* context.h: what the requests of one loop share: what is served, the log, files that are kept
 * open, memory.
 * Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_CONTEXT_H
#define EDDY_CMD_SERVE_CONTEXT_H

#include <eddy.h>
#include <eddy/http.h>

#include "access_log.h"
#include "file_cache.h"
#include "free_list.h"
#include "known_files.h"
#include "policy.h"

enum { CONTEXT_LOOKUPS = 64 };

struct exchange;

struct context {
    eddy_loop *loop;
    eddy_guard *guard; /* of --watchdog; NULL: there is none */
    int root;          /* the directory that is served; the caller's */
    const struct policy *policy;
    size_t path_room; /* behind the path of a request; policy_room() */
    struct free_list spare_exchanges;
    struct access_log log;
    struct log_writer writer; /* where it is the log's own */
    struct file_cache cache;
    struct known_files known;
    struct exchange *lookups[CONTEXT_LOOKUPS]; /* under way, and not past their first step */
    eddy_timer expiry;    /* of what the cache holds; runs while it holds something */
    size_t listing_bytes; /* that listings under way take for their entries */
};

struct log_config {
    enum access_format format;
    bool trusts_proxy; /* the peer is who X-Forwarded-For says */
    struct log_writer
        *writer;          /* another loop's, which ends after this one; NULL: one of its own … */
    struct log_file file; /* … into this, which then is its */
};

struct context_config {
    eddy_loop *loop; /* stays the caller's, as does the root */
    int root;
    const struct policy *policy; /* NULL: policy_default */
    unsigned cached_files;
    size_t exchange_bytes;        /* of what a request takes */
    const struct log_config *log; /* NULL: none */
};

/* Errors: as access_log_open. */
int context_open(struct context *context, const struct context_config *config);
void context_close(struct context *context); /* once the loop has ended … */
void context_free(struct context *context);  /* … and once it has been closed */

/* For the watchdog, if there is one: what the callback under way is about. */
void context_label(const struct context *context, const eddy_http_request *request);

/* How to resolve paths below the root (eddy_file_open), and how to open one of them for reading. */
unsigned context_beneath(const struct context *context);
unsigned context_resolve(struct context *context, const struct path_key *key);
/* What it then was, by its fstat. */
void context_note_kind(struct context *context, const struct path_key *key, const eddy_stat *stat);

/* As file_cache_add; sees to it that the file is closed in time. */
struct cached_file *context_keep_file(struct context *context, const struct path_key *key, int fd,
                                      const eddy_stat *stat);

#endif
