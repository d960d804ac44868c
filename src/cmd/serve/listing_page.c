/* listing_page.c: see listing_page.h. */
#include "listing_page.h"

#include <time.h>

#include "page_frame.h"

enum {
    CRUMBS_MAX = 16,
    CRUMBS_BYTES = 3 * 1024, /* of all their names, as text; but one is always there */
};

/* The two icons are drawn in the colour of their text. A narrow screen has two lines for each
 * entry: its name, and below it what is known of it. */
static const char style[] =
    "h1 i{color:var(--dim);font-style:normal;font-weight:400;padding:0 .15em}\n"
    "table{width:100%;border-collapse:separate;border-spacing:0;border:1px solid var(--line);"
    "border-radius:8px;overflow:hidden}\n"
    "th,td{padding:.4rem .75rem;text-align:left;border-top:1px solid var(--line)}\n"
    "thead th{border-top:0;background:var(--hover);font-size:.8rem;font-weight:500}\n"
    "th a{display:flex;color:var(--dim)}.s a{justify-content:flex-end}\n"
    "[aria-sort] a{color:var(--fg)}[aria-sort=ascending] a::after{content:\"\\a0\\2191\"}\n"
    "[aria-sort=descending] a::after{content:\"\\a0\\2193\"}\n"
    "tbody tr:hover{background:var(--hover)}\n"
    ".n{width:100%;overflow-wrap:anywhere}\n"
    ".s,.t{white-space:nowrap;color:var(--dim);font-variant-numeric:tabular-nums}\n"
    ".s{text-align:right}\n"
    ".n a{display:flex;align-items:baseline}td bdi{min-width:0}\n"
    "td.n a::before{content:\"\";flex:none;width:1rem;height:1rem;margin-right:.6rem;"
    "align-self:center;background:var(--dim);"
    "-webkit-mask:var(--icon) center/contain no-repeat;mask:var(--icon) center/contain no-repeat;"
    "--icon:url(\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'"
    "%3E%3Cpath d='M3 1h6l4 4v10H3zm1 1v12h8V6H8V2zm5 .5V5h2.5z' fill-rule='evenodd'/%3E%3C/svg%3E"
    "\")}\n"
    ".d a{font-weight:500}td.d a::before{background:var(--link);"
    "--icon:url(\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'"
    "%3E%3Cpath d='M1 3h5l2 2h7v9H1z'/%3E%3C/svg%3E\")}\n"
    "td.u a::before{-webkit-mask:none;mask:none;background:none;content:\"\\2191\";height:auto;"
    "text-align:center;line-height:1}\n"
    "footer{margin-top:.75rem;color:var(--dim);font-size:.8rem}\n"
    "@media(max-width:36rem),(pointer:coarse){\n"
    ".n a,th a{min-width:44px;min-height:44px;align-items:center}\n"
    "td.n,th{padding-top:0;padding-bottom:0}}\n"
    "@media(max-width:36rem){body{padding:1rem .5rem}\n"
    "tr{display:flex;flex-wrap:wrap;border-top:1px solid var(--line)}\n"
    "thead tr,th,td{border-top:0}th.n{flex:1;width:auto}\n"
    "td.n{flex:0 0 100%}td.s{padding:0 0 .5rem 2.35rem}td.t{margin-left:auto;"
    "padding:0 .75rem .5rem}.u~td{display:none}}\n";

/* --- Links --- */

/* Behind a link to a directory: it is to be shown in the same order. */
static void put_order(struct text *text, enum listing_key key, bool is_descending) {
    text_put_literal(text, "?sort=");
    text_put_string(text, listing_key_names[key]);
    text_put_string(text, is_descending ? "&amp;order=desc" : "&amp;order=asc");
}

static void put_kept_order(struct text *text, const struct listing_view *view) {
    if (view->order.key != LISTING_BY_NAME || view->order.is_descending)
        put_order(text, view->order.key, view->order.is_descending);
}

/* --- The way to here --- */

/* Where the parts of the path begin that are shown. */
static size_t shown_from(const struct listing_view *view) {
    struct text names = {0};
    size_t start = view->path_length, parts = 0;
    while (start > 0) {
        size_t end = start == view->path_length ? start : start - 1, first = end;
        while (first > 0 && view->path[first - 1] != '/') first--;
        text_put_html(&names, view->path + first, end - first);
        if (parts++ > 0 && (parts > CRUMBS_MAX || names.length > CRUMBS_BYTES)) break;
        start = first;
    }
    return start;
}

static size_t count_slashes(const char *path, size_t length) {
    size_t count = 0;
    for (size_t i = 0; i < length; i++) count += path[i] == '/';
    return count;
}

static void put_link_up(struct text *text, const struct listing_view *view, size_t levels) {
    text_put_literal(text, "<a href=\"./");
    for (size_t i = 0; i < levels; i++) text_put_literal(text, "../");
    put_kept_order(text, view);
    text_put_literal(text, "\">");
}

/* Each part a link: root / usr / share. Beyond some parts the way to each would be long, and all
 * ways together longer than the page. */
static void put_breadcrumbs(struct text *text, const struct listing_view *view) {
    const char *path = view->path;
    size_t length = view->path_length, start = shown_from(view);
    text_put_literal(text, "<nav><h1>");
    put_link_up(text, view, length > 0 ? count_slashes(path, length) + 1 : 0);
    text_put_literal(text, "root</a>");
    if (start > 0) text_put_literal(text, "<i>/</i> \xE2\x80\xA6 ");
    while (start < length) {
        size_t end = start;
        while (end < length && path[end] != '/') end++;
        text_put_literal(text, "<i>/</i>");
        put_link_up(text, view, count_slashes(path + end, length - end));
        text_put_literal(text, "<bdi>");
        text_put_html(text, path + start, end - start);
        text_put_literal(text, "</bdi></a>");
        start = end + 1;
    }
    text_put_literal(text, "</h1></nav>\n");
}

void listing_page_put_begin(struct text *text, const struct listing_view *view) {
    size_t start = shown_from(view);
    page_frame_put_begin(text);
    text_put_string(text, start > 0 ? "\xE2\x80\xA6/" : "/");
    text_put_html(text, view->path + start, view->path_length - start);
    page_frame_put_style(text, style);
}

/* --- The table --- */

/* A column that is sorted by offers the other direction; others the one that is asked for first:
 * the largest, the latest. */
static void put_column(struct text *text, const struct listing_view *view, enum listing_key key,
                       const char *column, const char *title) {
    bool is_descending = key != LISTING_BY_NAME;
    text_put_literal(text, "<th scope=\"col\" class=\"");
    text_put_string(text, column);
    text_put_literal(text, "\"");
    if (view->order.key == key) {
        is_descending = !view->order.is_descending; /* the other one is shown */
        text_put_string(text,
                        is_descending ? " aria-sort=\"ascending\"" : " aria-sort=\"descending\"");
    }
    text_put_literal(text, "><a href=\"");
    put_order(text, key, is_descending);
    text_put_literal(text, "\">");
    text_put_string(text, title);
    text_put_literal(text, "</a></th>");
}

void listing_page_put_head(struct text *text, const struct listing_view *view) {
    put_breadcrumbs(text, view);
    if (view->is_partial) {
        text_put_literal(text, "<p>This directory has more entries than a listing holds. The ");
        text_put_number(text, view->count);
        text_put_literal(text, " that are shown are those which the system named first.</p>\n");
    }
    text_put_literal(text, "<table>\n<thead><tr>");
    put_column(text, view, LISTING_BY_NAME, "n", "Name");
    put_column(text, view, LISTING_BY_SIZE, "s", "Size");
    put_column(text, view, LISTING_BY_DATE, "t", "Modified (UTC)");
    text_put_literal(text, "</tr></thead>\n<tbody>\n");
    if (view->path_length == 0) return;
    text_put_literal(text, "<tr><td class=\"n u\"><a href=\"../");
    put_kept_order(text, view);
    text_put_literal(text, "\">Parent directory</a></td><td class=\"s\"></td><td class=\"t\"></td>"
                           "</tr>\n");
}

/* 999 B, 1.0 KiB, 12.3 MiB. */
static void put_size(struct text *text, int64_t size) {
    static const char units[][4] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    uint64_t left = size > 0 ? (uint64_t)size : 0;
    if (left < 1024) {
        text_put_number(text, left);
        text_put_literal(text, " B");
        return;
    }
    size_t unit = 0;
    for (; left >= 1024 * 1024; left >>= 10) unit++;
    uint64_t tenths = (left * 10 + 512) / 1024;
    if (tenths >= 10240) { /* 1024.0 is 1.0 of the next one */
        tenths = 10;
        unit++;
    }
    char fraction[2] = {'.', (char)('0' + tenths % 10)};
    text_put_number(text, tenths / 10);
    text_put(text, fraction, 2);
    text_put_literal(text, " ");
    text_put(text, units[unit], 3);
}

static void put_two(struct text *text, int number) {
    char digits[2] = {(char)('0' + number / 10), (char)('0' + number % 10)};
    text_put(text, digits, 2);
}

/* 2024-02-29 23:59 */
static void put_time(struct text *text, int64_t time_s) {
    time_t time = (time_t)(time_s > 0 ? time_s : 0);
    struct tm civil;
    if (gmtime_r(&time, &civil) == NULL || civil.tm_year > 8099) return; /* after 9999 */
    put_two(text, civil.tm_year / 100 + 19);
    put_two(text, civil.tm_year % 100);
    text_put_literal(text, "-");
    put_two(text, civil.tm_mon + 1);
    text_put_literal(text, "-");
    put_two(text, civil.tm_mday);
    text_put_literal(text, " ");
    put_two(text, civil.tm_hour);
    text_put_literal(text, ":");
    put_two(text, civil.tm_min);
}

void listing_page_put_row(struct text *text, const struct listing_view *view,
                          const struct listing_entry *entry) {
    const char *slash = entry->is_directory ? "/" : "";
    text_put_string(text, entry->is_directory ? "<tr><td class=\"n d\">" : "<tr><td class=\"n\">");
    /* Without "./" a name such as "a:b" would be a URL with a scheme of its own. */
    text_put_literal(text, "<a href=\"./");
    text_put_url(text, entry->name, entry->name_length);
    text_put_string(text, slash);
    if (entry->is_directory) put_kept_order(text, view);
    text_put_literal(text, "\"><bdi>");
    text_put_html(text, entry->name, entry->name_length);
    text_put_string(text, slash);
    text_put_literal(text, "</bdi></a></td><td class=\"s\">");
    if (!entry->is_directory) put_size(text, entry->size);
    text_put_literal(text, "</td><td class=\"t\"><time>");
    put_time(text, entry->modified_s);
    text_put_literal(text, "</time></td></tr>\n");
}

void listing_page_put_end(struct text *text, const struct listing_view *view) {
    text_put_literal(text, "</tbody>\n</table>\n<footer>");
    text_put_number(text, view->count);
    text_put_string(text, view->count == 1 ? " entry" : " entries");
    text_put_literal(text, ", served by eddy</footer>\n");
    page_frame_put_end(text);
}
