/* entries.c: the packed entries of a directory: all of them, up to a bound, and nothing left. */
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "entries.h"
#include "listing_page.h"

static struct context context;
static struct entries entries;

static void setup(void) {
    context = (struct context){0};
    entries_init(&entries, &context);
}

static void teardown(void) {
    entries_free(&entries);
    ck_assert_uint_eq(context.listing_bytes, 0);
}

static void add_number(unsigned number) {
    char name[300];
    snprintf(name, sizeof name, "%0*u", (int)(1 + number % 255), number);
    if (entries_add(&entries, name) != 0) ck_abort_msg("entry %u", number);
}

/* Names of all lengths come back in the order of adding, aligned, over many blocks. */
START_TEST(entries_are_walked_in_order) {
    enum { COUNT = 50000 };
    struct entry_cursor cursor = {0};
    struct listing_entry *entry;
    unsigned number = 0;
    ck_assert_ptr_null(entries_next(&entries, &cursor));
    for (unsigned i = 0; i < COUNT; i++) add_number(i);
    while ((entry = entries_next(&entries, &cursor)) != NULL) {
        bool is_right = (unsigned)strtoul(entry->name, NULL, 10) == number && !entry->is_known &&
                        strlen(entry->name) == entry->name_length &&
                        (uintptr_t)entry % _Alignof(struct listing_entry) == 0;
        if (!is_right) ck_abort_msg("\"%s\" in place of %u", entry->name, number);
        entry->is_known = number++ % 2 == 0;
    }
    ck_assert_uint_eq(number, COUNT);
    ck_assert_ptr_null(entries_next(&entries, &cursor));
    ck_assert_int_eq(entries_prepare(&entries), 0);
    entries_sort(&entries, (struct listing_order){LISTING_BY_NAME, true});
    ck_assert_uint_eq(entries.list_count, COUNT / 2);
    ck_assert_uint_eq(strtoul(entries.list[0]->name, NULL, 10), COUNT - 2);
    size_t bytes = context.listing_bytes;
    entries_settle(&entries);
    ck_assert_uint_eq(context.listing_bytes, bytes - COUNT * sizeof(void *));
}
END_TEST

/* A walk that has come to the end goes on with what is added behind it. */
START_TEST(a_walk_goes_on_behind_the_last) {
    struct entry_cursor cursor = {0};
    for (unsigned i = 0; i < 2000; i++) {
        add_number(i);
        const struct listing_entry *entry = entries_next(&entries, &cursor);
        ck_assert(entry != NULL && strtoul(entry->name, NULL, 10) == i);
        ck_assert_ptr_null(entries_next(&entries, &cursor));
    }
}
END_TEST

/* A million is the end, and whether there was more is known. */
START_TEST(a_million_is_the_bound) {
    char name[16];
    for (unsigned i = 0; i < ENTRIES_MAX; i++) {
        snprintf(name, sizeof name, "%u", i);
        if (entries_add(&entries, name) != 0) ck_abort_msg("entry %u", i);
    }
    ck_assert(!entries.is_partial);
    ck_assert_uint_le(context.listing_bytes, (size_t)ENTRIES_MAX * 40);
    ck_assert_int_eq(entries_add(&entries, "more"), 0);
    ck_assert(entries.is_partial);
    ck_assert_uint_eq(entries.count, ENTRIES_MAX);
}
END_TEST

START_TEST(a_name_too_long_for_a_page_is_left_out) {
    char name[LISTING_NAME_BYTES + 2];
    memset(name, 'x', sizeof name);
    name[LISTING_NAME_BYTES + 1] = '\0';
    ck_assert_int_eq(entries_add(&entries, name), 0);
    ck_assert_uint_eq(entries.count, 0);
    name[LISTING_NAME_BYTES] = '\0';
    ck_assert_int_eq(entries_add(&entries, name), 0);
    ck_assert_uint_eq(entries.count, 1);
}
END_TEST

/* Where other listings have taken all, there is nothing for one more, and it takes nothing. */
START_TEST(all_listings_together_are_bounded) {
    const size_t all = (size_t)512 << 20;
    context.listing_bytes = all - 16 * 1024;
    ck_assert_int_eq(entries_add(&entries, "one"), 0);
    ck_assert_int_eq(entries_prepare(&entries), -ENOMEM);
    entries_free(&entries);
    ck_assert_uint_eq(context.listing_bytes, all - 16 * 1024);
    entries_init(&entries, &context);
    context.listing_bytes = all - 16 * 1024 + 1;
    ck_assert_int_eq(entries_add(&entries, "one"), -ENOMEM);
    context.listing_bytes = 0;
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("entries");
    TCase *tcase = tcase_create("entries");
    tcase_set_timeout(tcase, 60); /* as ck_add does */
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, entries_are_walked_in_order);
    tcase_add_test(tcase, a_walk_goes_on_behind_the_last);
    tcase_add_test(tcase, a_million_is_the_bound);
    tcase_add_test(tcase, a_name_too_long_for_a_page_is_left_out);
    tcase_add_test(tcase, all_listings_together_are_bounded);
    suite_add_tcase(suite, tcase);
    return suite;
}
