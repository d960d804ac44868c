/* status_page.h: the small page that explains an error or redirection. Pure. */
#ifndef EDDY_CMD_SERVE_STATUS_PAGE_H
#define EDDY_CMD_SERVE_STATUS_PAGE_H

#include "text.h"

enum { STATUS_PAGE_BYTES = 768 }; /* the longest */

/* "text/html; charset=utf-8". */
void status_page_put(struct text *text, int status);

#endif
