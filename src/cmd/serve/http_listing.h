/* http_listing.h: a directory as a page that a person likes to look at.
 *
 * The page is begin, a row for each entry in the caller's order, end; type "text/html;
 * charset=utf-8". It needs no script and no other resource. Names are escaped, links are relative
 * ("./name"), so the page works under any prefix. */
#ifndef EDDY_CMD_SERVE_HTTP_LISTING_H
#define EDDY_CMD_SERVE_HTTP_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http_path.h"
#include "http_text.h"

struct http_entry {
    const char *name;
    size_t name_length;
    int64_t size; /* of a file */
    int64_t modified_s;
    bool is_directory;
};

/* For qsort: directories first, then by name whatever the case, then by bytes. */
int http_listing_compare(const void *entry, const void *other);

void http_listing_put_begin(struct http_text *text, const struct http_path *path);
void http_listing_put_row(struct http_text *text, const struct http_entry *entry);
void http_listing_put_end(struct http_text *text, size_t count); /* of the rows */

#endif
