/* listing_order.c: see listing_order.h.
 * Sorted by merging: qsort takes memory of its own, whose size nobody bounds, and knows no order
 * but a global one. */
#include "listing_order.h"

#include <string.h>

const char *const listing_key_names[LISTING_KEYS] = {"name", "size", "date"};

struct listing_order listing_order_read(const char *sort, const char *order) {
    struct listing_order result = {LISTING_BY_NAME, false};
    for (unsigned key = 0; sort != NULL && key < LISTING_KEYS; key++)
        if (strcmp(sort, listing_key_names[key]) == 0) result.key = (enum listing_key)key;
    result.is_descending = order != NULL && strcmp(order, "desc") == 0;
    return result;
}

/* --- Names --- */

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

static int fold(char byte) {
    return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : (unsigned char)byte;
}

/* A number in a name: how many zeros lead it, and the digits behind them. */
struct number {
    size_t zeros, digits;
    const char *first;
};

/* Names are ended, so that no digit is behind them. */
static const char *take_number(const char *at, struct number *number) {
    const char *start = at;
    while (*at == '0') at++;
    number->zeros = (size_t)(at - start);
    number->first = at;
    while (is_digit(*at)) at++;
    number->digits = (size_t)(at - number->first);
    return at;
}

static int compare_sizes(size_t a, size_t b) {
    return (a > b) - (a < b);
}

/* `*zeros` is what the first number with other zeros than its counterpart says, or stays. */
static int compare_numbers(const char **a, const char **b, int *zeros) {
    struct number x, y;
    *a = take_number(*a, &x);
    *b = take_number(*b, &y);
    if (*zeros == 0) *zeros = compare_sizes(y.zeros, x.zeros);
    if (x.digits != y.digits) return compare_sizes(x.digits, y.digits);
    return memcmp(x.first, y.first, x.digits);
}

static int compare_names(const char *name, const char *other) {
    const char *a = name, *b = other;
    int zeros = 0;
    while (*a != '\0' && *b != '\0') {
        int order;
        if (is_digit(*a) && is_digit(*b))
            order = compare_numbers(&a, &b, &zeros);
        else
            order = fold(*a++) - fold(*b++);
        if (order != 0) return order;
    }
    if (*a != *b) return *a != '\0' ? 1 : -1;
    return zeros != 0 ? zeros : strcmp(name, other);
}

/* --- Entries --- */

static int compare_values(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

int listing_compare(const struct listing_entry *entry, const struct listing_entry *other,
                    struct listing_order order) {
    int result = 0;
    if (entry->is_directory != other->is_directory) return entry->is_directory ? -1 : 1;
    /* The size of a directory is not shown, so it is none to sort by. */
    if (order.key == LISTING_BY_SIZE && !entry->is_directory)
        result = compare_values(entry->size, other->size);
    if (order.key == LISTING_BY_DATE) result = compare_values(entry->modified_s, other->modified_s);
    if (order.key == LISTING_BY_NAME) result = compare_names(entry->name, other->name);
    if (result != 0) return order.is_descending ? -result : result;
    return compare_names(entry->name, other->name);
}

/* --- Sorting --- */

/* Merges the sorted [start, middle) and [middle, end) of `from` into `to`. */
static void merge(const struct listing_entry **from, const struct listing_entry **to, size_t start,
                  size_t middle, size_t end, struct listing_order order) {
    size_t a = start, b = middle;
    for (size_t at = start; at < end; at++) {
        bool takes_a = b == end || (a < middle && listing_compare(from[a], from[b], order) <= 0);
        to[at] = takes_a ? from[a++] : from[b++];
    }
}

void listing_sort(const struct listing_entry **entries, const struct listing_entry **spare,
                  size_t count, struct listing_order order) {
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t start = 0; start < count; start += 2 * width) {
            size_t middle = count - start < width ? count : start + width;
            size_t end = count - start < 2 * width ? count : start + 2 * width;
            merge(entries, spare, start, middle, end, order);
        }
        memcpy(entries, spare, count * sizeof *entries);
    }
}
