/* serve_listing_page.c: the page of a directory. */
#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "listing_page.h"

/* A row's HTML as a string. */
static const char *row_of(const char *name, int64_t size, bool is_directory) {
    static char bytes[1024];
    struct text text = {bytes, sizeof bytes - 1, 0};
    listing_page_put_row(
        &text, &(struct listing_entry){name, strlen(name), size, 784111777, is_directory});
    ck_assert(text_fits(&text));
    bytes[text.length] = '\0';
    return bytes;
}

static void check_has(const char *html, const char *piece) {
    ck_assert_msg(strstr(html, piece) != NULL, "no \"%s\" in %s", piece, html);
}

static const char *page_of(const char *path) {
    static char bytes[8192];
    struct text text = {bytes, sizeof bytes - 1, 0};
    listing_page_put_begin(&text, path, strlen(path));
    listing_page_put_end(&text, 0);
    ck_assert(text_fits(&text));
    bytes[text.length] = '\0';
    return bytes;
}

/* Names are text, never markup, and their links lead to them. */
START_TEST(names_are_escaped_and_linked) {
    check_has(row_of("a.txt", 1, false), "<a href=\"./a.txt\">a.txt</a>");
    check_has(row_of("sub", 0, true), "<a href=\"./sub/\">sub/</a>");
    check_has(row_of("a:b", 1, false), "<a href=\"./a%3Ab\">a:b</a>");
    check_has(row_of("<b>&\"'", 1, false),
              "<a href=\"./%3Cb%3E%26%22%27\">&lt;b&gt;&amp;&quot;&#39;</a>");
    check_has(row_of("a\nb", 1, false), "<a href=\"./a%0Ab\">a\xEF\xBF\xBD"
                                        "b</a>");
    check_has(row_of("100% #1?", 1, false), "<a href=\"./100%25%20%231%3F\">100% #1?</a>");
    check_has(row_of("a.txt", 1, false), "<time>1994-11-06 08:49</time>");
}
END_TEST

START_TEST(sizes_are_for_people) {
    static const struct {
        int64_t size;
        const char *text;
    } cases[] = {
        {0, ">0 B<"},           {1023, ">1023 B<"},        {1024, ">1.0 KiB<"},
        {1536, ">1.5 KiB<"},    {1048524, ">1023.9 KiB<"}, {1048575, ">1.0 MiB<"},
        {1048576, ">1.0 MiB<"}, {3221225472, ">3.0 GiB<"}, {INT64_MAX, ">8.0 EiB<"},
        {-1, ">0 B<"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_has(row_of("a", cases[i].size, false), cases[i].text);
    ck_assert_ptr_null(strstr(row_of("a", 4096, true), "KiB"));
}
END_TEST

START_TEST(breadcrumbs_lead_back) {
    check_has(page_of(""), "<h1><a href=\"./\">root</a></h1>");
    ck_assert_ptr_null(strstr(page_of(""), "Parent directory"));
    check_has(page_of("a"), "<h1><a href=\"./../\">root</a><i>/</i><a href=\"./\">a</a></h1>");
    check_has(page_of("a/b</c"), "<h1><a href=\"./../../../\">root</a><i>/</i>"
                                 "<a href=\"./../../\">a</a><i>/</i><a href=\"./../\">b&lt;</a>"
                                 "<i>/</i><a href=\"./\">c</a></h1>");
    check_has(page_of("a"), "<a href=\"../\">Parent directory</a>");
    check_has(page_of("<script>"), "<title>/&lt;script&gt;</title>");
}
END_TEST

/* Nothing is fetched from elsewhere, and there is no script. */
START_TEST(the_page_stands_alone) {
    const char *page = page_of("a");
    ck_assert_ptr_null(strstr(page, "<script"));
    ck_assert_ptr_null(strstr(page, "@import"));
    ck_assert_ptr_null(strstr(page, "href=\"http"));
    ck_assert_ptr_null(strstr(page, "url(http"));
}
END_TEST

START_TEST(directories_come_first_then_names) {
    struct listing_entry entries[] = {
        {"b", 1, 0, 0, false},        {"B", 1, 0, 0, false},  {"a", 1, 0, 0, false},
        {"zdir", 4, 0, 0, true},      {"ab", 2, 0, 0, false}, {"Adir", 4, 0, 0, true},
        {"\xc3\xa4", 2, 0, 0, false},
    };
    static const char *const sorted[] = {"Adir", "zdir", "a", "ab", "B", "b", "\xc3\xa4"};
    size_t count = sizeof entries / sizeof entries[0];
    qsort(entries, count, sizeof entries[0], listing_page_compare);
    for (size_t i = 0; i < count; i++) ck_assert_str_eq(entries[i].name, sorted[i]);
}
END_TEST

/* The caller may grow its buffer and write the same again. */
START_TEST(a_page_that_does_not_fit_says_how_much_it_needs) {
    char small[64];
    struct text text = {small, sizeof small, 0};
    struct listing_entry entry = {"name", 4, 5, 6, false};
    listing_page_put_row(&text, &entry);
    ck_assert(!text_fits(&text));
    char *large = malloc(text.length);
    struct text again = {large, text.length, 0};
    listing_page_put_row(&again, &entry);
    ck_assert(text_fits(&again));
    ck_assert_uint_eq(again.length, text.length);
    free(large);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("serve_listing_page");
    ck_add(suite, "rows", names_are_escaped_and_linked, sizes_are_for_people,
           directories_come_first_then_names);
    ck_add(suite, "page", breadcrumbs_lead_back, the_page_stands_alone,
           a_page_that_does_not_fit_says_how_much_it_needs);
    return suite;
}
