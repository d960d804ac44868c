/* status_page.h: the page that explains an error or redirection, with a way home. Pure. */
#ifndef EDDY_CMD_SERVE_STATUS_PAGE_H
#define EDDY_CMD_SERVE_STATUS_PAGE_H

#include "text.h"

enum { STATUS_PAGE_BYTES = 2048 }; /* the longest */

/* "text/html; charset=utf-8". `target` is that of the request, as it came: the link home goes up
 * from there, so that it works under the prefix of a proxy. Where it is no path, or NULL, or deeper
 * than anybody goes, the link is "/". */
void status_page_put(struct text *text, int status, const char *target, size_t length);

#endif
