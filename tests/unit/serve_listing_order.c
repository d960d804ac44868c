/* serve_listing_order.c: the orders of a directory's entries. */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "listing_order.h"

enum { ENTRIES_MAX = 1000 };

static const struct listing_order by_name = {LISTING_BY_NAME, false};

static struct listing_entry *make(const char *name, int64_t size, int64_t modified_s,
                                  bool is_directory) {
    size_t length = strlen(name);
    struct listing_entry *entry = malloc(sizeof *entry + length + 1);
    ck_assert_ptr_nonnull(entry);
    *entry = (struct listing_entry){size, modified_s, (uint16_t)length, is_directory, true};
    memcpy(entry->name, name, length + 1);
    return entry;
}

static void free_all(const struct listing_entry **entries, size_t count) {
    for (size_t i = 0; i < count; i++) free((void *)(uintptr_t)entries[i]);
}

static int sign(int number) {
    return (number > 0) - (number < 0);
}

/* In order. Numbers go by their value, however long; case and zeros count where nothing else does.
 */
static const char *const sorted[] = {
    "",
    "#1",
    "00",
    "0",
    "01",
    "1",
    "1.txt",
    "2",
    "09",
    "9",
    "9a",
    "010",
    "10",
    "10 ",
    "99999999999999999999998",
    "99999999999999999999999",
    "100000000000000000000000",
    "A",
    "a",
    "a-1",
    "a1",
    "a1b02",
    "a1b2",
    "a1b3",
    "a01c1", /* behind a1b…: the zero is for names that are equal else */
    "a1c1",
    "ab",
    "B",
    "b",
    "File02",
    "file02",
    "File2",
    "file2",
    "file002x",
    "file2x",
    "file10",
    "img007-1",
    "img07-01",
    "img07-1",
    "z",
    "~",
    "\xc3\xa4",
};

/* Each pair, both ways: it is one order, and no name is equal to another. */
START_TEST(names_are_in_natural_order) {
    size_t count = sizeof sorted / sizeof sorted[0];
    const struct listing_entry *entries[sizeof sorted / sizeof sorted[0]];
    for (size_t i = 0; i < count; i++) entries[i] = make(sorted[i], 0, 0, false);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++) {
            int expected = (i > k) - (i < k);
            int order = sign(listing_compare(entries[i], entries[k], by_name));
            ck_assert_msg(order == expected, "\"%s\" and \"%s\": %d", sorted[i], sorted[k], order);
        }
    free_all(entries, count);
}
END_TEST

static void check_order(struct listing_order order, const char *const *expected) {
    const struct listing_entry *spare[6];
    const struct listing_entry *entries[6] = {
        make("b", 5, 30, false),  make("a", 5, 10, false),   make("zdir", 1, 50, true),
        make("c", 99, 20, false), make("adir", 9, 40, true), make("d", 1, 20, false),
    };
    listing_sort(entries, spare, 6, order);
    for (size_t i = 0; i < 6; i++)
        ck_assert_msg(strcmp(entries[i]->name, expected[i]) == 0, "by %d, %d: %s at %zu",
                      (int)order.key, order.is_descending, entries[i]->name, i);
    free_all(entries, 6);
}

/* Directories stay first, and have no size; what is equal is by name, always upwards. */
START_TEST(each_key_sorts_both_ways) {
    static const struct {
        struct listing_order order;
        const char *names[6];
    } cases[] = {
        {{LISTING_BY_NAME, false}, {"adir", "zdir", "a", "b", "c", "d"}},
        {{LISTING_BY_NAME, true}, {"zdir", "adir", "d", "c", "b", "a"}},
        {{LISTING_BY_SIZE, false}, {"adir", "zdir", "d", "a", "b", "c"}},
        {{LISTING_BY_SIZE, true}, {"adir", "zdir", "c", "a", "b", "d"}},
        {{LISTING_BY_DATE, false}, {"adir", "zdir", "a", "c", "d", "b"}},
        {{LISTING_BY_DATE, true}, {"zdir", "adir", "b", "c", "d", "a"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_order(cases[i].order, cases[i].names);
}
END_TEST

/* All counts, so that runs of each length are merged with each rest. */
START_TEST(any_number_is_sorted) {
    const struct listing_entry *entries[ENTRIES_MAX], *spare[ENTRIES_MAX];
    uint32_t state = 1;
    for (size_t count = 0; count < ENTRIES_MAX; count += 1 + count / 8) {
        for (size_t i = 0; i < count; i++) {
            state = state * 1664525 + 1013904223;
            entries[i] = make("x", (state >> 16) % 512, (int64_t)i, false);
        }
        listing_sort(entries, spare, count, (struct listing_order){LISTING_BY_SIZE, false});
        int64_t sum = 0;
        for (size_t i = 0; i < count; i++) {
            if (i > 0 && entries[i - 1]->size > entries[i]->size)
                ck_abort_msg("%zu of %zu is not in order", i, count);
            sum += entries[i]->modified_s;
        }
        ck_assert_int_eq(sum, (int64_t)(count * (count > 0 ? count - 1 : 0) / 2)); /* each once */
        free_all(entries, count);
    }
}
END_TEST

START_TEST(unknown_orders_are_the_default) {
    static const struct {
        const char *sort, *order;
        enum listing_key key;
        bool is_descending;
    } cases[] = {
        {NULL, NULL, LISTING_BY_NAME, false},     {"", "", LISTING_BY_NAME, false},
        {"size", NULL, LISTING_BY_SIZE, false},   {"date", "desc", LISTING_BY_DATE, true},
        {"name", "desc", LISTING_BY_NAME, true},  {NULL, "desc", LISTING_BY_NAME, true},
        {"size", "asc", LISTING_BY_SIZE, false},  {"size", "down", LISTING_BY_SIZE, false},
        {"Size", "desc", LISTING_BY_NAME, true},  {"sizes", "asc", LISTING_BY_NAME, false},
        {"<b>", "desc ", LISTING_BY_NAME, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct listing_order order = listing_order_read(cases[i].sort, cases[i].order);
        ck_assert_int_eq((int)order.key, (int)cases[i].key);
        ck_assert_int_eq(order.is_descending, cases[i].is_descending);
    }
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("serve_listing_order");
    ck_add(suite, "order", names_are_in_natural_order, each_key_sorts_both_ways,
           any_number_is_sorted, unknown_orders_are_the_default);
    return suite;
}
