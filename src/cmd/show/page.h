/* page.h: the page of `eddy show`, as the build puts it together from show/page (embed.py). */
#ifndef EDDY_CMD_SHOW_PAGE_H
#define EDDY_CMD_SHOW_PAGE_H

#include <stddef.h>

/* HTML in UTF-8, with its style and script inside; not ended by a NUL. */
extern const char show_page[];
extern const size_t show_page_bytes;

#endif
