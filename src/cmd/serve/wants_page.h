/* wants_page.h: whether a request for what is not there is for a page, which a single-page
 * application makes of its one file. Pure. */
#ifndef EDDY_CMD_SERVE_WANTS_PAGE_H
#define EDDY_CMD_SERVE_WANTS_PAGE_H

#include <stdbool.h>

/* `accept` is the field, or NULL. Who names text/html, as browsers do when they go to a page, wants
 * one whatever the path is. Who takes anything wants one if the path's last segment has no
 * extension: a script that is missing must not be answered with HTML. Who takes neither does not.
 */
bool wants_page(const char *path, const char *accept);

#endif
