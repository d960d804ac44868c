/* listing.h: answers a request for a directory with a page of its entries.
 *
 * The entries are read, looked at and sorted before the first byte goes out, and their names, sizes
 * and dates are kept until the last one has (entries.h says how much that is): that, the exchange
 * and a block of the HTTP server is what a client takes, however slowly it reads. The page itself
 * is nowhere whole. A HEAD is answered without any of this. Threading: the loop's. */
#ifndef EDDY_CMD_SERVE_LISTING_H
#define EDDY_CMD_SERVE_LISTING_H

#include "exchange.h"

/* Reads the open directory exchange->opened.fd, then answers with its page, or with an error. */
void listing_begin(struct exchange *exchange);

#endif
