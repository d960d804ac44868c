/* stock.h: blocks of one size, kept for reuse, so that serving a request allocates nothing.
 * The block given back last is taken first: its bytes are still in the processor's caches.
 * Threading: a stock belongs to one loop. */
#ifndef EDDY_CMD_SERVE_STOCK_H
#define EDDY_CMD_SERVE_STOCK_H

#include <stddef.h>

struct stock {
    size_t block_bytes;
    unsigned kept, kept_max; /* blocks beyond kept_max are freed: a peak is not paid for ever */
    struct stock_block *first;
};

void stock_init(struct stock *stock, size_t block_bytes, unsigned kept_max);
void *stock_take(struct stock *stock); /* NULL: no memory; the content is undefined */
void stock_give(struct stock *stock, void *block);
void stock_clear(struct stock *stock);

#endif
