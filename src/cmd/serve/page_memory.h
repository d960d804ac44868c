/* page_memory.h: an allocator whose large blocks are the system's again as soon as they are given
 * back. malloc gives back what is above the last block in use only, and of what thousands of slow
 * readers took one is always kept. Any thread. */
#ifndef EDDY_CMD_SERVE_PAGE_MEMORY_H
#define EDDY_CMD_SERVE_PAGE_MEMORY_H

#include <eddy/base.h>

extern const eddy_allocator page_memory;

#endif
