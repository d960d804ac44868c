/* listing_page.h: a directory as a page that a person likes to look at.
 *
 * The page is begin, a row for each entry in the caller's order, end; type "text/html;
 * charset=utf-8". It needs no script and no other resource. Names are escaped, links are relative
 * ("./name"), so the page works under any prefix. */
#ifndef EDDY_CMD_SERVE_LISTING_PAGE_H
#define EDDY_CMD_SERVE_LISTING_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

struct listing_entry {
    const char *name;
    size_t name_length;
    int64_t size; /* of a file */
    int64_t modified_s;
    bool is_directory;
};

/* For qsort: directories first, then by name whatever the case, then by bytes. */
int listing_page_compare(const void *entry, const void *other);

/* `path` is that of the directory below the root, without slashes at its ends. */
void listing_page_put_begin(struct text *text, const char *path, size_t length);
void listing_page_put_row(struct text *text, const struct listing_entry *entry);
void listing_page_put_end(struct text *text, size_t count); /* of the rows */

#endif
