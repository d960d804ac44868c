/* accept.h: what a client prefers (RFC 9110 §12.4.2, §12.5). Pure. */
#ifndef EDDY_CMD_SERVE_ACCEPT_H
#define EDDY_CMD_SERVE_ACCEPT_H

enum { ACCEPT_UNNAMED = -1, ACCEPT_MOST = 1000 };

/* The weight, in thousandths, that `list`, the value of Accept, Accept-Encoding or the like, gives
 * to `name`, whatever its case; ACCEPT_UNNAMED: it is not in the list, or its weight cannot be
 * read. Parameters other than "q" are passed over. `list` may be NULL, which is empty. */
int accept_weight(const char *list, const char *name);

#endif
