/* stock.c: see stock.h.
 * Invariant: `first` leads to `kept` blocks, each at least as large as struct stock_block. */
#include "stock.h"

#include "system.h"

struct stock_block {
    struct stock_block *next;
};

void stock_init(struct stock *stock, size_t block_bytes, unsigned kept_max) {
    *stock = (struct stock){.block_bytes = block_bytes, .kept_max = kept_max};
    if (block_bytes < sizeof(struct stock_block)) stock->block_bytes = sizeof(struct stock_block);
}

void *stock_take(struct stock *stock) {
    struct stock_block *block = stock->first;
    if (block == NULL) return system_resize(NULL, stock->block_bytes);
    stock->first = block->next;
    stock->kept--;
    return block;
}

void stock_give(struct stock *stock, void *memory) {
    struct stock_block *block = memory;
    if (block == NULL) return;
    if (stock->kept == stock->kept_max) {
        system_free(block);
        return;
    }
    block->next = stock->first;
    stock->first = block;
    stock->kept++;
}

void stock_clear(struct stock *stock) {
    while (stock->first != NULL) system_free(stock_take(stock));
}
