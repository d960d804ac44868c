/* entries.h: the entries of a directory, packed.
 *
 * They lie in blocks, each entry behind the last one, and never move: 24 bytes, the name, and up to
 * 7 bytes to the next. The list in which they are sorted takes a pointer each, and another one
 * while it is sorted. All of it is whole pages, which the system has back when the entries are
 * freed; it counts in context->listing_bytes, which has a limit. Threading: the loop's. While they
 * are sorted, on a thread, the loop keeps off. */
#ifndef EDDY_CMD_SERVE_ENTRIES_H
#define EDDY_CMD_SERVE_ENTRIES_H

#include "context.h"
#include "listing_order.h"

enum { ENTRIES_MAX = 1000000 };

struct entry_block;

struct entries {
    struct context *context;
    struct entry_block *first, *last;
    size_t count;      /* added */
    size_t list_bytes; /* of both lists */
    const struct listing_entry **list, **spare;
    size_t list_count; /* known */
    bool is_partial;   /* ENTRIES_MAX were not all */
};

/* Where a walk over the entries is; {0} at the beginning. */
struct entry_cursor {
    struct entry_block *block;
    size_t at;
};

void entries_init(struct entries *entries, struct context *context);
void entries_free(struct entries *entries);

/* Adds one that is not known yet. A name longer than LISTING_NAME_BYTES is left out; of more than
 * ENTRIES_MAX it is only noted that there are more. Errors: -ENOMEM. */
int entries_add(struct entries *entries, const char *name);

/* The next one in the order of adding; NULL behind the last. */
struct listing_entry *entries_next(const struct entries *entries, struct entry_cursor *cursor);

/* Makes room for the list. Errors: -ENOMEM. */
int entries_prepare(struct entries *entries);
/* Lists those that are known, in order. Any thread. */
void entries_sort(struct entries *entries, struct listing_order order);
/* Gives back what only the sorting took. */
void entries_settle(struct entries *entries);

#endif
