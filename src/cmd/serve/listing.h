/* listing.h: answers a request for a directory with a page of its entries.
 * Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_LISTING_H
#define EDDY_CMD_SERVE_LISTING_H

#include "exchange.h"

/* Reads the open directory exchange->fd, then answers with its page, or with an error. */
void listing_begin(struct exchange *exchange);

#endif
