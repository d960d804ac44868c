/* page_frame.h: what all pages of the server have in common: the head of the document and the
 * style. Pure.
 *
 *     page_frame_put_begin, the title's text, page_frame_put_style, the page, page_frame_put_end
 *
 * A page needs no script and no other resource, and its colours follow the reader's system. */
#ifndef EDDY_CMD_SERVE_PAGE_FRAME_H
#define EDDY_CMD_SERVE_PAGE_FRAME_H

#include "text.h"

void page_frame_put_begin(struct text *text);
void page_frame_put_style(struct text *text, const char *more); /* CSS of that page alone */
void page_frame_put_end(struct text *text);

#endif
