/* listing_page.c: see listing_page.h. */
#include "listing_page.h"

#include <time.h>

/* Colours follow the reader's system; a narrow screen drops the dates. The two icons are drawn in
 * the colour of their text. */
static const char style[] =
    ":root{color-scheme:light dark;--fg:#1f2328;--dim:#656d76;--bg:#fff;--line:#d8dee4;"
    "--hover:#f6f8fa;--link:#0969da}\n"
    "@media(prefers-color-scheme:dark){:root{--fg:#e6edf3;--dim:#8d96a0;--bg:#0d1117;"
    "--line:#30363d;--hover:#161b22;--link:#58a6ff}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:60rem;padding:2rem 1rem;background:var(--bg);color:var(--fg);"
    "font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif}\n"
    "h1{margin:0 0 1rem;font-size:1.25rem;font-weight:600;overflow-wrap:anywhere}\n"
    "h1 i{color:var(--dim);font-style:normal;font-weight:400;padding:0 .15em}\n"
    "a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}\n"
    "table{width:100%;border-collapse:separate;border-spacing:0;border:1px solid var(--line);"
    "border-radius:8px;overflow:hidden}\n"
    "th,td{padding:.4rem .75rem;text-align:left;border-top:1px solid var(--line)}\n"
    "thead th{border-top:0;background:var(--hover);color:var(--dim);font-size:.8rem;"
    "font-weight:500}\n"
    "tbody tr:hover{background:var(--hover)}\n"
    ".n{width:100%;overflow-wrap:anywhere}\n"
    ".s,.t{white-space:nowrap;color:var(--dim);font-variant-numeric:tabular-nums}\n"
    ".s{text-align:right}\n"
    ".n a{display:flex;align-items:baseline}\n"
    ".n a::before{content:\"\";flex:none;width:1rem;height:1rem;margin-right:.6rem;"
    "align-self:center;background:var(--dim);"
    "-webkit-mask:var(--icon) center/contain no-repeat;mask:var(--icon) center/contain no-repeat;"
    "--icon:url(\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'"
    "%3E%3Cpath d='M3 1h6l4 4v10H3zm1 1v12h8V6H8V2zm5 .5V5h2.5z' fill-rule='evenodd'/%3E%3C/svg%3E"
    "\")}\n"
    ".d a{font-weight:500}.d a::before{background:var(--link);"
    "--icon:url(\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'"
    "%3E%3Cpath d='M1 3h5l2 2h7v9H1z'/%3E%3C/svg%3E\")}\n"
    ".u a::before{-webkit-mask:none;mask:none;background:none;content:\"\\2191\";height:auto;"
    "text-align:center;line-height:1}\n"
    "footer{margin-top:.75rem;color:var(--dim);font-size:.8rem}\n"
    "@media(max-width:36rem){.t{display:none}body{padding:1rem .5rem}}\n";

static int fold(unsigned char byte) {
    return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

int listing_page_compare(const void *entry, const void *other) {
    const struct listing_entry *a = entry, *b = other;
    if (a->is_directory != b->is_directory) return a->is_directory ? -1 : 1;
    size_t common = a->name_length < b->name_length ? a->name_length : b->name_length;
    for (size_t i = 0; i < common; i++) {
        int order = fold((unsigned char)a->name[i]) - fold((unsigned char)b->name[i]);
        if (order != 0) return order;
    }
    if (a->name_length != b->name_length) return a->name_length < b->name_length ? -1 : 1;
    return common > 0 ? memcmp(a->name, b->name, common) : 0;
}

/* The way to here, each part a link: root / usr / share. */
static void put_breadcrumbs(struct text *text, const char *path, size_t length) {
    size_t above = 0; /* directories between the part at hand and this one */
    for (size_t i = 0; i < length; i++) above += path[i] == '/';
    text_put_literal(text, "<h1><a href=\"./");
    if (length > 0)
        for (size_t k = 0; k <= above; k++) text_put_literal(text, "../");
    text_put_literal(text, "\">root</a>");
    for (size_t start = 0; start < length; above--) {
        size_t end = start;
        while (end < length && path[end] != '/') end++;
        text_put_literal(text, "<i>/</i><a href=\"./");
        for (size_t k = 0; k < above; k++) text_put_literal(text, "../");
        text_put_literal(text, "\">");
        text_put_html(text, path + start, end - start);
        text_put_literal(text, "</a>");
        start = end + 1;
    }
    text_put_literal(text, "</h1>\n");
}

void listing_page_put_begin(struct text *text, const char *path, size_t length) {
    text_put_literal(text, "<!doctype html>\n<html lang=\"en\">\n<head>\n"
                           "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
                           "content=\"width=device-width,initial-scale=1\">\n<title>/");
    text_put_html(text, path, length);
    text_put_literal(text, "</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n");
    text_put(text, style, sizeof style - 1);
    text_put_literal(text, "</style>\n</head>\n<body>\n");
    put_breadcrumbs(text, path, length);
    text_put_literal(text, "<table>\n<thead><tr><th class=\"n\">Name</th><th class=\"s\">Size"
                           "</th><th class=\"t\">Modified (UTC)</th></tr></thead>\n<tbody>\n");
    if (length > 0)
        text_put_literal(text, "<tr><td class=\"n u\"><a href=\"../\">Parent directory</a></td>"
                               "<td class=\"s\"></td><td class=\"t\"></td></tr>\n");
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

void listing_page_put_row(struct text *text, const struct listing_entry *entry) {
    const char *slash = entry->is_directory ? "/" : "";
    text_put_string(text, entry->is_directory ? "<tr><td class=\"n d\">" : "<tr><td class=\"n\">");
    /* Without "./" a name such as "a:b" would be a URL with a scheme of its own. */
    text_put_literal(text, "<a href=\"./");
    text_put_url(text, entry->name, entry->name_length);
    text_put_string(text, slash);
    text_put_literal(text, "\">");
    text_put_html(text, entry->name, entry->name_length);
    text_put_string(text, slash);
    text_put_literal(text, "</a></td><td class=\"s\">");
    if (!entry->is_directory) put_size(text, entry->size);
    text_put_literal(text, "</td><td class=\"t\"><time>");
    put_time(text, entry->modified_s);
    text_put_literal(text, "</time></td></tr>\n");
}

void listing_page_put_end(struct text *text, size_t count) {
    text_put_literal(text, "</tbody>\n</table>\n<footer>");
    text_put_number(text, count);
    text_put_string(text, count == 1 ? " entry" : " entries");
    text_put_literal(text, ", served by eddy</footer>\n</body>\n</html>\n");
}
