/* http_memory.c: the server's memory, in blocks of two sizes and otherwise as it comes.
 * Invariant: `first` leads to `kept` blocks. Threading: the loop's. */
#include "http_server.h"

void *eddy__http_resize(eddy_http *http, void *memory, size_t old_bytes, size_t new_bytes) {
    void *moved = http->allocator.resize(http->allocator.context, memory, old_bytes, new_bytes);
    if (moved != NULL || new_bytes == 0) http->counts.memory_bytes += new_bytes - old_bytes;
    return moved;
}

void eddy__http_blocks_init(struct http_blocks *blocks, uint32_t bytes, uint32_t kept_max,
                            uint32_t taken_max) {
    *blocks = (struct http_blocks){.bytes = bytes, .kept_max = kept_max, .taken_max = taken_max};
}

void *eddy__http_take(eddy_http *http, struct http_blocks *blocks) {
    if (blocks->taken_max > 0 && blocks->taken == blocks->taken_max) return NULL;
    struct http_block *block = blocks->first;
    if (block == NULL) {
        block = eddy__http_resize(http, NULL, 0, blocks->bytes);
        if (block == NULL) return NULL;
    } else {
        blocks->first = block->next;
        blocks->kept--;
    }
    blocks->taken++;
    return block;
}

void eddy__http_give(eddy_http *http, struct http_blocks *blocks, void *memory) {
    struct http_block *block = memory;
    blocks->taken--;
    if (blocks->kept == blocks->kept_max) {
        (void)eddy__http_resize(http, block, blocks->bytes, 0);
        return;
    }
    block->next = blocks->first;
    blocks->first = block;
    blocks->kept++;
}

void eddy__http_blocks_trim(eddy_http *http, struct http_blocks *blocks, uint32_t left) {
    while (blocks->kept > left) {
        struct http_block *block = blocks->first;
        blocks->first = block->next;
        blocks->kept--;
        (void)eddy__http_resize(http, block, blocks->bytes, 0);
    }
}
