/* serve_listing_page.c: the page of a directory. */
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listing_page.h"

static struct listing_entry *entry_of(const char *name, int64_t size, bool is_directory) {
    static union {
        struct listing_entry entry;
        char bytes[sizeof(struct listing_entry) + LISTING_NAME_BYTES + 1];
    } made;
    made.entry = (struct listing_entry){
        .size = size,
        .modified_s = 784111777,
        .name_length = (uint16_t)strlen(name),
        .is_directory = is_directory,
    };
    memcpy(made.bytes + offsetof(struct listing_entry, name), name, strlen(name) + 1);
    return &made.entry;
}

static struct listing_view view_of(const char *path) {
    return (struct listing_view){.path = path, .path_length = strlen(path)};
}

/* A row's HTML as a string. */
static const char *row_in(const struct listing_view *view, const char *name, int64_t size,
                          bool is_directory) {
    static char bytes[LISTING_PART_BYTES + 1];
    struct text text = {bytes, sizeof bytes - 1, 0};
    listing_page_put_row(&text, view, entry_of(name, size, is_directory));
    ck_assert(text_fits(&text));
    bytes[text.length] = '\0';
    return bytes;
}

static const char *row_of(const char *name, int64_t size, bool is_directory) {
    struct listing_view view = view_of("");
    return row_in(&view, name, size, is_directory);
}

static void check_has(const char *html, const char *piece) {
    ck_assert_msg(strstr(html, piece) != NULL, "no \"%s\" in %s", piece, html);
}

/* All but the rows. */
static const char *page_in(const struct listing_view *view) {
    static char bytes[3 * LISTING_PART_BYTES + 1];
    struct text text = {bytes, sizeof bytes - 1, 0};
    listing_page_put_begin(&text, view);
    size_t begin = text.length;
    listing_page_put_head(&text, view);
    ck_assert_uint_le(begin, LISTING_PART_BYTES);
    ck_assert_uint_le(text.length - begin, LISTING_PART_BYTES);
    listing_page_put_end(&text, view);
    ck_assert(text_fits(&text));
    bytes[text.length] = '\0';
    return bytes;
}

static const char *page_of(const char *path) {
    struct listing_view view = view_of(path);
    return page_in(&view);
}

/* Names are text, never markup, and their links lead to them. */
START_TEST(names_are_escaped_and_linked) {
    check_has(row_of("a.txt", 1, false), "<a href=\"./a.txt\"><bdi>a.txt</bdi></a>");
    check_has(row_of("sub", 0, true), "<a href=\"./sub/\"><bdi>sub/</bdi></a>");
    check_has(row_of("a:b", 1, false), "<a href=\"./a%3Ab\"><bdi>a:b</bdi></a>");
    check_has(row_of("<b>&\"'", 1, false),
              "<a href=\"./%3Cb%3E%26%22%27\"><bdi>&lt;b&gt;&amp;&quot;&#39;</bdi></a>");
    check_has(row_of("a\nb", 1, false), "<a href=\"./a%0Ab\"><bdi>a\xEF\xBF\xBD"
                                        "b</bdi></a>");
    check_has(row_of("\xE2\x80\xAEgpj.exe", 1, false),
              "<a href=\"./%E2%80%AEgpj.exe\"><bdi>\xEF\xBF\xBDgpj.exe</bdi></a>");
    check_has(row_of("100% #1?", 1, false),
              "<a href=\"./100%25%20%231%3F\"><bdi>100% #1?</bdi></a>");
    check_has(row_of("a.txt", 1, false), "<time>1994-11-06 08:49</time>");
}
END_TEST

/* The longest name of the bytes that take most room is a part that fits. */
START_TEST(a_row_of_the_longest_name_fits) {
    char name[LISTING_NAME_BYTES + 1];
    memset(name, '"', LISTING_NAME_BYTES);
    name[LISTING_NAME_BYTES] = '\0';
    ck_assert_uint_gt(strlen(row_of(name, INT64_MAX, false)), 9 * LISTING_NAME_BYTES);
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
    check_has(page_of("a"),
              "<h1><a href=\"./../\">root</a><i>/</i><a href=\"./\"><bdi>a</bdi></a></h1>");
    check_has(page_of("a/b</c"), "<h1><a href=\"./../../../\">root</a><i>/</i>"
                                 "<a href=\"./../../\"><bdi>a</bdi></a><i>/</i>"
                                 "<a href=\"./../\"><bdi>b&lt;</bdi></a><i>/</i>"
                                 "<a href=\"./\"><bdi>c</bdi></a></h1>");
    check_has(page_of("a"), "<a href=\"../\">Parent directory</a>");
    check_has(page_of("<script>"), "<title>/&lt;script&gt;</title>");
}
END_TEST

static unsigned count_of(const char *html, const char *piece) {
    unsigned count = 0;
    for (; (html = strstr(html, piece)) != NULL; html++) count++;
    return count;
}

/* The deepest path has a page that is not much longer than that of any other: the root and the
 * nearest directories. */
START_TEST(a_deep_path_is_shown_from_its_end) {
    char path[4097];
    for (size_t i = 0; i < 4096; i++) path[i] = i % 2 == 0 ? 'a' : '/';
    path[4095] = '\0';
    const char *page = page_of(path);
    ck_assert_uint_lt(strlen(page), 16 * 1024);
    ck_assert_uint_eq(count_of(page, "<bdi>a</bdi></a>"), 16);
    check_has(page, "<i>/</i> \xE2\x80\xA6 <i>/</i><a href=\"./../../../");
    check_has(page, "<title>\xE2\x80\xA6/a/a/");
    const char *root = strstr(page, "<h1><a href=\"./");
    ck_assert_uint_eq((size_t)(strstr(root, "\">root") - root), 15 + 3 * 2048);
    /* Names that take most room: as many as fit, and the last one always. */
    memset(path, '"', 4096);
    for (size_t i = 0; i < 16; i++) path[256 * i] = '/';
    path[4096] = '\0';
    page = page_of(path + 1);
    ck_assert_uint_eq(count_of(page, "&quot;</bdi></a>"), 2);
    check_has(page, "&quot;</bdi></a></h1>");
    path[4096 - LISTING_NAME_BYTES - 1] = '/';
    memset(path + 4096 - LISTING_NAME_BYTES, '"', LISTING_NAME_BYTES);
    for (size_t i = 0; i < 4096 - LISTING_NAME_BYTES - 1; i++) path[i] = i % 2 == 0 ? 'a' : '/';
    ck_assert_uint_eq(count_of(page_of(path), "</bdi></a>"), 1);
}
END_TEST

/* The heads of the columns say how it is sorted and lead to the other orders; links to directories
 * keep what is not the default. */
START_TEST(orders_are_links) {
    struct listing_view view = view_of("a");
    const char *page = page_in(&view);
    check_has(page, "<th scope=\"col\" class=\"n\" aria-sort=\"ascending\">"
                    "<a href=\"?sort=name&amp;order=desc\">Name</a></th>");
    check_has(page, "<th scope=\"col\" class=\"s\"><a href=\"?sort=size&amp;order=desc\">Size</a>");
    check_has(page, "<th scope=\"col\" class=\"t\"><a href=\"?sort=date&amp;order=desc\">Modified");
    check_has(row_in(&view, "sub", 0, true), "\"./sub/\"");
    view.order = (struct listing_order){LISTING_BY_SIZE, true};
    page = page_in(&view);
    check_has(page, "class=\"s\" aria-sort=\"descending\"><a href=\"?sort=size&amp;order=asc\">");
    check_has(page, "class=\"n\"><a href=\"?sort=name&amp;order=asc\">");
    check_has(page, "<a href=\"../?sort=size&amp;order=desc\">Parent");
    check_has(page, "<a href=\"./../?sort=size&amp;order=desc\">root");
    ck_assert_uint_eq(count_of(page, "aria-sort=\""), 1);
    check_has(row_in(&view, "sub", 0, true), "\"./sub/?sort=size&amp;order=desc\"");
    check_has(row_in(&view, "file", 0, false), "\"./file\"");
}
END_TEST

/* A page that does not show all says so before its rows. */
START_TEST(what_is_left_out_is_told) {
    struct listing_view view = view_of("");
    view.count = 1000000;
    const char *page = page_in(&view);
    check_has(page, "<footer>1000000 entries,");
    ck_assert_ptr_null(strstr(page, "<p>"));
    view.is_partial = true;
    page = page_in(&view);
    check_has(page, "more entries than a listing holds. The 1000000 that are shown");
    ck_assert(strstr(page, "<p>") < strstr(page, "<table>"));
    view.count = 1;
    check_has(page_in(&view), "<footer>1 entry,");
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

/* The caller may go on where there is more room, and write the same again. */
START_TEST(a_row_that_does_not_fit_says_how_much_it_needs) {
    char small[64];
    struct listing_view view = view_of("");
    struct text text = {small, sizeof small, 0};
    listing_page_put_row(&text, &view, entry_of("name", 5, false));
    ck_assert(!text_fits(&text));
    char *large = malloc(text.length);
    struct text again = {large, text.length, 0};
    listing_page_put_row(&again, &view, entry_of("name", 5, false));
    ck_assert(text_fits(&again));
    ck_assert_uint_eq(again.length, text.length);
    free(large);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("serve_listing_page");
    ck_add(suite, "rows", names_are_escaped_and_linked, a_row_of_the_longest_name_fits,
           sizes_are_for_people, a_row_that_does_not_fit_says_how_much_it_needs);
    ck_add(suite, "page", breadcrumbs_lead_back, a_deep_path_is_shown_from_its_end,
           orders_are_links, what_is_left_out_is_told, the_page_stands_alone);
    return suite;
}
