/* page_memory.c: see page_memory.h. Threading: without state. */
#include "page_memory.h"

#include <stdbool.h>
#include <string.h>

#include "system.h"

/* As much as a request of the HTTP server takes. Where a page is larger it is malloc's, as all that
 * is smaller: half of a page would be lost. */
enum { PAGES_BYTES_MIN = 8 * 1024 };

static bool is_in_pages(size_t bytes) {
    return bytes >= PAGES_BYTES_MIN && bytes >= system_page_bytes();
}

static void *resize(void *context, void *memory, size_t old_bytes, size_t new_bytes) {
    bool was_in_pages = memory != NULL && is_in_pages(old_bytes);
    (void)context;
    if (!was_in_pages && new_bytes > 0 && !is_in_pages(new_bytes))
        return system_resize(memory, new_bytes);
    void *moved = NULL;
    if (new_bytes > 0) {
        moved =
            is_in_pages(new_bytes) ? system_take_pages(new_bytes) : system_resize(NULL, new_bytes);
        if (moved == NULL) return NULL;
        if (memory != NULL) memcpy(moved, memory, old_bytes < new_bytes ? old_bytes : new_bytes);
    }
    if (was_in_pages)
        system_give_pages(memory, old_bytes);
    else
        system_free(memory);
    return moved;
}

const eddy_allocator page_memory = {.resize = resize};
