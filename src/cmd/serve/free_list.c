/* free_list.c: see free_list.h.
 * Invariant: `first` leads to `kept` blocks, each at least as large as struct free_block. */
#include "free_list.h"

#include "system.h"

struct free_block {
    struct free_block *next;
};

void free_list_init(struct free_list *list, size_t block_bytes, unsigned kept_max) {
    *list = (struct free_list){.block_bytes = block_bytes, .kept_max = kept_max};
    if (block_bytes < sizeof(struct free_block)) list->block_bytes = sizeof(struct free_block);
}

void *free_list_take(struct free_list *list) {
    struct free_block *block = list->first;
    if (block == NULL) return system_resize(NULL, list->block_bytes);
    list->first = block->next;
    list->kept--;
    return block;
}

void free_list_give(struct free_list *list, void *memory) {
    struct free_block *block = memory;
    if (block == NULL) return;
    if (list->kept == list->kept_max) {
        system_free(block);
        return;
    }
    block->next = list->first;
    list->first = block;
    list->kept++;
}

void free_list_clear(struct free_list *list) {
    while (list->first != NULL) system_free(free_list_take(list));
}
