/* entries.c: see entries.h.
 * Invariant: blocks grow, so that a directory of few names takes few pages and one of many is in
 * few blocks; `used` bytes of each hold entries, one behind the other. */
#include "entries.h"

#include <errno.h>
#include <string.h>

#include "listing_page.h"
#include "system.h"

enum { BLOCK_BYTES_MIN = 16 * 1024, BLOCK_BYTES_MAX = 4 * 1024 * 1024 };

/* All listings of a loop. A million entries of ordinary names take 60 MB, of the longest 350. */
#define LISTINGS_BYTES_MAX ((size_t)512 * 1024 * 1024)

struct entry_block {
    _Alignas(struct listing_entry) struct entry_block *next;
    size_t bytes, used; /* both with this head */
};

_Static_assert(sizeof(struct entry_block) % _Alignof(struct listing_entry) == 0,
               "entries behind a block's head are aligned");

/* --- Memory --- */

static void *take(struct context *context, size_t bytes) {
    if (bytes > LISTINGS_BYTES_MAX - context->listing_bytes) return NULL;
    void *memory = system_take_pages(bytes);
    if (memory != NULL) context->listing_bytes += bytes;
    return memory;
}

static void give(struct context *context, void *memory, size_t bytes) {
    if (memory == NULL) return;
    system_give_pages(memory, bytes);
    context->listing_bytes -= bytes;
}

void entries_init(struct entries *entries, struct context *context) {
    *entries = (struct entries){.context = context};
}

void entries_free(struct entries *entries) {
    while (entries->first != NULL) {
        struct entry_block *block = entries->first;
        entries->first = block->next;
        give(entries->context, block, block->bytes);
    }
    entries_settle(entries);
    give(entries->context, entries->list, entries->list_bytes);
}

static struct entry_block *add_block(struct entries *entries) {
    size_t bytes = BLOCK_BYTES_MIN;
    if (entries->last != NULL) bytes = entries->last->bytes;
    if (entries->last != NULL && bytes < BLOCK_BYTES_MAX) bytes *= 2;
    struct entry_block *block = take(entries->context, bytes);
    if (block == NULL) return NULL;
    *block = (struct entry_block){.bytes = bytes, .used = sizeof *block};
    if (entries->last != NULL)
        entries->last->next = block;
    else
        entries->first = block;
    entries->last = block;
    return block;
}

/* --- Adding --- */

static size_t bytes_of(size_t name_length) {
    size_t align = _Alignof(struct listing_entry);
    size_t bytes = offsetof(struct listing_entry, name) + name_length + 1;
    return (bytes + align - 1) / align * align;
}

int entries_add(struct entries *entries, const char *name) {
    size_t length = strlen(name);
    if (length > LISTING_NAME_BYTES) return 0;
    entries->is_partial = entries->count == ENTRIES_MAX;
    if (entries->is_partial) return 0;
    struct entry_block *block = entries->last;
    size_t bytes = bytes_of(length);
    if (block == NULL || block->bytes - block->used < bytes) block = add_block(entries);
    if (block == NULL) return -ENOMEM;
    struct listing_entry *entry = (void *)((char *)block + block->used);
    *entry = (struct listing_entry){.name_length = (uint16_t)length};
    memcpy(entry->name, name, length + 1);
    block->used += bytes;
    entries->count++;
    return 0;
}

struct listing_entry *entries_next(const struct entries *entries, struct entry_cursor *cursor) {
    if (cursor->block == NULL)
        *cursor = (struct entry_cursor){entries->first, sizeof *cursor->block};
    else if (cursor->at == cursor->block->used && cursor->block->next != NULL)
        *cursor = (struct entry_cursor){cursor->block->next, sizeof *cursor->block};
    if (cursor->block == NULL || cursor->at == cursor->block->used) return NULL;
    struct listing_entry *entry = (void *)((char *)cursor->block + cursor->at);
    cursor->at += bytes_of(entry->name_length);
    return entry;
}

/* --- Sorting --- */

int entries_prepare(struct entries *entries) {
    if (entries->count == 0) return 0;
    entries->list_bytes = entries->count * sizeof *entries->list;
    entries->list = take(entries->context, entries->list_bytes);
    entries->spare = take(entries->context, entries->list_bytes);
    return entries->list != NULL && entries->spare != NULL ? 0 : -ENOMEM;
}

void entries_sort(struct entries *entries, struct listing_order order) {
    struct entry_cursor cursor = {0};
    const struct listing_entry *entry;
    while ((entry = entries_next(entries, &cursor)) != NULL)
        if (entry->is_known) entries->list[entries->list_count++] = entry;
    listing_sort(entries->list, entries->spare, entries->list_count, order);
}

void entries_settle(struct entries *entries) {
    give(entries->context, entries->spare, entries->list_bytes);
    entries->spare = NULL;
}
