/* free_list.h: blocks of one size, kept for reuse, so that serving a request allocates nothing.
 * The block given back last is taken first: its bytes are still in the processor's caches.
 * Threading: a list belongs to one loop. */
#ifndef EDDY_CMD_SERVE_FREE_LIST_H
#define EDDY_CMD_SERVE_FREE_LIST_H

#include <stddef.h>

struct free_list {
    size_t block_bytes;
    unsigned kept, kept_max; /* blocks beyond kept_max are freed: a peak is not paid for ever */
    struct free_block *first;
};

void free_list_init(struct free_list *list, size_t block_bytes, unsigned kept_max);
void *free_list_take(struct free_list *list); /* NULL: no memory; the content is undefined */
void free_list_give(struct free_list *list, void *block);
void free_list_clear(struct free_list *list);

#endif
