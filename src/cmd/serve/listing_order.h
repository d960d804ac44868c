/* listing_order.h: the entries of a directory, and the orders in which they may be shown.
 *
 * Directories come first in each. Names are in the order of people: numbers by their value,
 * whatever the case; what is the same to that is in the order of leading zeros (most first), then
 * of bytes. So no two names are equal, and whatever else is sorted by, the order is complete. Pure.
 */
#ifndef EDDY_CMD_SERVE_LISTING_ORDER_H
#define EDDY_CMD_SERVE_LISTING_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct listing_entry {
    int64_t size; /* of a file */
    int64_t modified_s;
    uint16_t name_length;
    bool is_directory;
    bool is_known; /* it has been looked at, and is to be shown */
    char name[];   /* ended */
};

enum listing_key { LISTING_BY_NAME, LISTING_BY_SIZE, LISTING_BY_DATE, LISTING_KEYS };

struct listing_order {
    enum listing_key key;
    bool is_descending;
};

extern const char *const listing_key_names[LISTING_KEYS]; /* "name", "size", "date" */

/* From the values of "sort" and "order". Unknown ones, or NULL: by name, ascending. */
struct listing_order listing_order_read(const char *sort, const char *order);

/* As of memcmp. */
int listing_compare(const struct listing_entry *entry, const struct listing_entry *other,
                    struct listing_order order);

/* `spare` has room for as many. */
void listing_sort(const struct listing_entry **entries, const struct listing_entry **spare,
                  size_t count, struct listing_order order);

#endif
