/* listing_page.h: a directory as a page that a person likes to look at.
 *
 * The page is begin, the table's head, a row for each entry in the caller's order, end; type
 * "text/html; charset=utf-8". It needs no script and no other resource. Names are escaped, and each
 * stands in an element of its own direction. All links are relative ("./name", "../"), so the page
 * works under any prefix; those to directories keep the order. Pure. */
#ifndef EDDY_CMD_SERVE_LISTING_PAGE_H
#define EDDY_CMD_SERVE_LISTING_PAGE_H

#include "listing_order.h"
#include "text.h"

enum {
    /* Of any part of a page whose path has 4096 bytes and whose names have LISTING_NAME_BYTES: the
     * way to the root is 3 bytes a directory, a byte of a name 6 as text and 3 as a link. */
    LISTING_PART_BYTES = 12 * 1024,
    LISTING_NAME_BYTES = 1000, /* of which no file system is known that has longer ones */
};

struct listing_view {
    const char *path; /* below the root, without slashes at its ends */
    size_t path_length;
    struct listing_order order;
    size_t count;    /* of the rows */
    bool is_partial; /* there are more entries than these */
};

void listing_page_put_begin(struct text *text, const struct listing_view *view);
/* With the way to here: the root and the nearest directories. */
void listing_page_put_head(struct text *text, const struct listing_view *view);
void listing_page_put_row(struct text *text, const struct listing_view *view,
                          const struct listing_entry *entry);
void listing_page_put_end(struct text *text, const struct listing_view *view);

#endif
