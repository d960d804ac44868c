/* serve_ask.c: draws requests, and knows what each must be answered with.
 * Threading: one context runs at a time. */
#include "serve_ask.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve_echo.h"
#include "sim.h"

/* --- Text --- */

void ask_put(struct ask_text *text, const char *bytes, size_t length) {
    if (text->used + length > text->room) {
        text->room = 2 * (text->used + length);
        text->bytes = realloc(text->bytes, text->room);
        if (text->bytes == NULL) sim_fail("no memory for the simulation itself");
    }
    if (length > 0) memcpy(text->bytes + text->used, bytes, length);
    text->used += length;
}

void ask_print(struct ask_text *text, const char *format, ...) {
    char bytes[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(bytes, sizeof bytes, format, arguments);
    va_end(arguments);
    ask_put(text, bytes, (size_t)length);
}

static void put_many(struct ask_text *text, char byte, size_t count) {
    char bytes[64];
    memset(bytes, byte, sizeof bytes);
    for (; count > sizeof bytes; count -= sizeof bytes) ask_put(text, bytes, sizeof bytes);
    ask_put(text, bytes, count);
}

/* --- What must come --- */

static void expect_page(struct ask *ask, int status) {
    ask->kind = ASK_PAGE;
    ask->status = status;
    ask->node = NULL;
}

static void expect_index(struct ask *ask, const struct tree_node *directory) {
    char index[ASK_PATH_BYTES];
    snprintf(index, sizeof index, "%s%sindex.html", directory->path,
             directory->path[0] != '\0' ? "/" : "");
    const struct tree_node *node = tree_find(index);
    if (node != NULL && node->kind == TREE_FILE) {
        ask->kind = ASK_FILE;
        ask->node = node;
        ask->directory = directory;
        return;
    }
    /* An index that leads out of the root is no index, and tells nothing of what lies there. */
    for (size_t i = 0; i < tree_count() && node == NULL; i++) {
        if (strcmp(tree_at(i)->path, index) != 0) continue;
        expect_page(ask, 404);
        ask->directory = directory;
        return;
    }
    ask->kind = ASK_LISTING;
    ask->node = directory;
}

/* Names that begin with a dot are as those that are not there. */
static bool is_hidden(const char *path) {
    return path[0] == '.' || strstr(path, "/.") != NULL;
}

void ask_expect(struct ask *ask, const char *path, bool has_slash) {
    const struct tree_node *node = is_hidden(path) ? NULL : tree_find(path);
    ask->node = node;
    ask->status = 200;
    if (node == NULL || (node->kind == TREE_FILE && has_slash)) {
        expect_page(ask, 404);
    } else if (node->kind == TREE_FILE) {
        ask->kind = ASK_FILE;
    } else if (has_slash) {
        expect_index(ask, node);
    } else {
        ask->kind = ASK_REDIRECT;
        ask->status = 301;
        snprintf(ask->path, sizeof ask->path, "%s", path);
    }
}

/* --- Compressed files --- */

static bool is_precompressed;

void ask_set_precompressed(bool is_on) {
    is_precompressed = is_on;
}

/* The client takes gzip rather than br. What is asked for lies beside the name that was asked for,
 * wherever a link leads. */
static void accept_gzip(struct ask *ask, struct ask_text *text) {
    char path[ASK_PATH_BYTES];
    ask_print(text, "Accept-Encoding: br;q=0.5, gzip\r\n");
    if (!is_precompressed || ask->kind != ASK_FILE) return;
    snprintf(path, sizeof path, "%s%s.gz", ask->asked, ask->directory != NULL ? "index.html" : "");
    const struct tree_node *node = tree_find(path);
    if (node == NULL || node->kind != TREE_FILE) return;
    ask->itself = ask->node;
    ask->node = node;
}

/* --- Targets --- */

static const struct {
    const char *target;
    int status;
    bool is_refused; /* by its spelling, whatever the method is */
} odd_targets[] = {
    {"/nothing", 404, false},
    {"/docs/nothing/at/all", 404, false},
    {"/small.txt/", 404, false},
    {"/small.txt/x", 404, false},
    {"/..", 400, true},
    {"/../secret.txt", 400, true},
    {"/docs/%2e%2e/%2E%2e/secret.txt", 400, true},
    {"/%2e%2e/other/", 400, true},
    {"/docs/../../www-secret", 400, true},
    {"/%00", 400, true},
    {"/small.txt%00.html", 400, true},
    {"/docs%2fa.txt", 404, true},
    {"/..%2fsecret.txt", 404, true},
    {"/%", 400, true},
    {"/%4", 400, true},
    {"/%zz", 400, true},
    {"/docs/out/", 404, false},
    {"/docs/away/", 404, false},
    {"/%252e%252e/secret.txt", 404, false},
    {"/..%5csecret.txt", 404, false},
};

/* Writes a path in one of its spellings, odd ones among them. */
static void put_path(struct ask_text *text, const char *path) {
    unsigned oddness = sim_below(3) == 0 ? 3000 : 0;
    for (; *path != '\0'; path++) {
        unsigned char byte = (unsigned char)*path;
        bool is_plain = (byte > ' ' && byte < 0x7f && strchr("%#?\"<>", byte) == NULL) ||
                        (byte >= 0x80 && sim_below(2) == 0);
        if (byte == '/') {
            ask_print(text, "%s", sim_chance(oddness) ? "/./" : sim_chance(oddness) ? "//" : "/");
        } else if (is_plain && !sim_chance(oddness)) {
            ask_put(text, path, 1);
        } else {
            ask_print(text, sim_below(2) == 0 ? "%%%02x" : "%%%02X", byte);
        }
    }
}

static void draw_target(struct ask *ask, struct ask_text *text) {
    size_t odd = sizeof odd_targets / sizeof odd_targets[0];
    if (sim_below(5) == 0) {
        size_t i = sim_below((unsigned)odd);
        ask_print(text, "%s", odd_targets[i].target);
        expect_page(ask, odd_targets[i].status);
        ask->is_refused = odd_targets[i].is_refused;
        return;
    }
    const struct tree_node *node = tree_at(sim_below((unsigned)tree_count()));
    const struct tree_node *found = tree_find(node->path);
    bool has_slash = found != NULL && found->kind == TREE_DIRECTORY && sim_below(3) > 0;
    if (node->path[0] == '\0') has_slash = true;
    if (sim_below(8) == 0) ask_print(text, "http://%s", sim_below(2) == 0 ? "a" : "[::1]:80");
    if (sim_below(8) == 0) ask_print(text, "/nothing/..");
    ask_print(text, "/");
    put_path(text, node->path);
    if (has_slash && node->path[0] != '\0') ask_print(text, "/");
    if (sim_below(8) == 0)
        ask_print(text, "?a=%%zz&../..");
    else if (sim_below(8) == 0)
        ask_print(text, "?sort=%s&order=desc", sim_below(2) == 0 ? "size" : "date");
    ask_expect(ask, node->path, has_slash);
    snprintf(ask->asked, sizeof ask->asked, "%s%s", node->path,
             has_slash && node->path[0] != '\0' ? "/" : "");
}

/* --- Conditions and ranges --- */

static void want_range(struct ask *ask, int64_t first, int64_t last) {
    ask->status = 206;
    ask->range[ask->ranges].first = first;
    ask->range[ask->ranges++].last = last;
}

static void draw_range(struct ask *ask, struct ask_text *text) {
    int64_t size = (int64_t)tree_bytes_of(ask->node);
    int64_t first = sim_below((unsigned)size), last = first + sim_below((unsigned)(size - first));
    switch (sim_below(7)) {
    case 0:
        ask_print(text, "Range: bytes=%lld-%lld\r\n", (long long)first, (long long)last);
        want_range(ask, first, last);
        break;
    case 1:
        ask_print(text, "Range: bytes=%lld-\r\n", (long long)first);
        want_range(ask, first, size - 1);
        break;
    case 2:
        ask_print(text, "Range: bytes=-%lld\r\n", (long long)(last - first + 1));
        want_range(ask, size - (last - first + 1), size - 1);
        break;
    case 3:
        ask_print(text, "Range: bytes=%lld-%lld, %lld-\r\nIf-Range: %s\r\n", (long long)(size / 2),
                  (long long)(size / 2), (long long)size - 1, "\"another\"");
        break; /* the file is another one by now: all of it */
    case 4:
        ask_print(text, "Range: bytes=%lld-\r\n", (long long)size);
        expect_page(ask, 416);
        break;
    case 5:
        ask_print(text, "Range: bytes=5-4\r\n");
        break;
    default:
        if (size < 9) break;
        ask_print(text, "Range: bytes=1-2,%lld-999999999, 4-4\r\n", (long long)size - 2);
        want_range(ask, 1, 2);
        want_range(ask, size - 2, size - 1);
        want_range(ask, 4, 4);
    }
}

#define NEVER "Fri, 31 Dec 9999 23:59:59 GMT"

static void draw_condition(struct ask *ask, struct ask_text *text) {
    const char *tag = ask_etag(ask);
    switch (sim_below(7)) {
    case 0:
        if (tag[0] == '\0') break;
        ask_print(text, "If-None-Match: \"x\", %s%s\r\n", sim_below(2) == 0 ? "W/" : "", tag);
        ask->status = 304;
        break;
    case 1:
        ask_print(text, "if-none-match: *\r\n");
        ask->status = 304;
        break;
    case 2:
        ask_print(text, "If-None-Match: \"x\"\r\nIf-Modified-Since: " NEVER "\r\n");
        break;
    case 3:
        ask_print(text, "If-Modified-Since: " NEVER "\r\n");
        ask->status = 304;
        break;
    case 4:
        ask_print(text, "If-Match: \"x\"\r\n");
        expect_page(ask, 412);
        break;
    case 5:
        ask_print(text, "If-Match: *\r\nIf-None-Match: \"x\r\n");
        break;
    default:
        ask_print(text, "IF-UNMODIFIED-SINCE: " NEVER "\r\n");
    }
}

static void draw_conditions(struct ask *ask, struct ask_text *text) {
    if (ask->kind != ASK_FILE || ask->node->is_moving) return;
    unsigned choice = sim_below(4);
    if (choice == 0) draw_condition(ask, text);
    if (choice == 1 && !ask->is_head && tree_bytes_of(ask->node) > 0) draw_range(ask, text);
}

/* --- Whole requests --- */

static void draw_headers(struct ask *ask, struct ask_text *text, bool is_old) {
    if (!is_old || sim_below(2) == 0) ask_print(text, "Host: a.example:80\r\n");
    for (unsigned i = sim_below(4); i > 0; i--) ask_print(text, "X-%u:\t%u \r\n", i, i);
    /* So much that a few such requests are more than the server takes while it answers. */
    bool is_fat = sim_weather()->window_bytes >= 4096 && sim_below(12) == 0;
    for (unsigned i = is_fat ? 4 : 0; i > 0; i--) {
        ask_print(text, "X: ");
        put_many(text, 'x', 8000);
        ask_print(text, "\r\n");
    }
    if (sim_below(4) == 0) accept_gzip(ask, text);
    if (is_old && sim_below(2) == 0) {
        ask_print(text, "Connection: keep-alive\r\n");
    } else if (is_old || sim_below(8) == 0) {
        ask_print(text, "Connection: x, Close\r\n");
        ask->must_end = true;
    }
}

/* A body for a handler that gives it back. */
static void draw_echo(struct ask *ask, struct ask_text *text) {
    char body[ECHO_BYTES_MAX];
    size_t size = sim_below(4) == 0 ? 0 : sim_below(ECHO_BYTES_MAX + 1);
    *ask = (struct ask){.kind = ASK_ECHO, .status = 200, .may_go_on = true};
    ask->echo_bytes = size;
    ask->echo_mark = sim_below(26);
    for (size_t i = 0; i < size; i++) body[i] = serve_echo_byte(ask->echo_mark, i);
    ask_print(text, "POST /echo HTTP/1.1\r\nHost: a\r\n");
    if (sim_below(2) == 0) {
        ask_print(text, "Content-Length: %zu\r\n\r\n", size);
        ask_put(text, body, size);
    } else {
        ask_print(text, "Transfer-Encoding: chunked\r\n\r\n");
        for (size_t at = 0, piece; at < size; at += piece) {
            piece = 1 + sim_below((unsigned)(size - at));
            ask_print(text, "%zX\r\n", piece);
            ask_put(text, body + at, piece);
            ask_print(text, "\r\n");
        }
        ask_print(text, "0\r\n\r\n");
    }
    ask->end = text->used;
}

void ask_draw(struct ask *ask, struct ask_text *text) {
    if (sim_below(12) == 0) {
        draw_echo(ask, text);
        return;
    }

    static const char *const known[] = {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"};
    static const char body[] = "GET /one HTTP/1.1\r\nHost: smuggled\r\n\r\n";
    bool is_old = sim_below(10) == 0;
    unsigned method = sim_below(16);
    *ask = (struct ask){.is_head = method < 3};
    if (sim_below(10) == 0) ask_print(text, "\r\n\r\n");
    ask_print(text, "%s ",
              method < 3    ? "HEAD"
              : method == 3 ? known[sim_below(6)]
              : method == 4 ? "get"
                            : "GET");
    draw_target(ask, text);
    if (method == 3 && !ask->is_refused) expect_page(ask, 405);
    if (method == 4 && !ask->is_refused) expect_page(ask, 501);
    ask_print(text, " HTTP/1.%d\r\n", is_old ? 0 : 1);
    draw_headers(ask, text, is_old);
    draw_conditions(ask, text);
    bool has_body = sim_below(10) == 0, is_chunked = has_body && !is_old && sim_below(2) == 0;
    if (is_chunked) {
        ask_print(text, "Transfer-Encoding: Chunked\r\n\r\n%zx;a=b\r\n%s\r\n", sizeof body - 1,
                  body);
        ask_print(text, "%s0\r\n%s\r\n", sim_below(2) == 0 ? "1\r\nx\r\n" : "",
                  sim_below(2) == 0 ? "X: trailer\r\n" : "");
    } else {
        if (has_body) ask_print(text, "Content-Length: %zu\r\n", sizeof body - 1);
        ask_print(text, "\r\n%s", has_body ? body : "");
    }
    ask->may_go_on = !ask->must_end;
    ask->end = text->used;
}

void ask_large(struct ask *ask, struct ask_text *text) {
    *ask = (struct ask){.may_go_on = true};
    ask_print(text, "GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    ask_expect(ask, "large.bin", false);
    ask->end = text->used;
}

static const struct {
    const char *bytes;
    int status;
} broken_requests[] = {
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /\r\n", 400},
    {"GET /x#y HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"HEAD /x\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\nHost: a\n\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: \r \r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
    {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", 413},
    {"\r\n\r\n\r\n\r\n\r\n\r\n", 400},
    {"\x16\x03\x01\x02\x05", 400},
    {" GET / HTTP/1.1\r\n", 400},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
};

/* Too much of something. */
static int draw_huge(struct ask_text *text) {
    unsigned choice = sim_below(3);
    ask_print(text, "GET /");
    if (choice == 0) {
        put_many(text, 'a', 8192);
        return 414;
    }
    ask_print(text, "one HTTP/1.1\r\nHost: a\r\n");
    if (choice == 1) {
        ask_print(text, "X: ");
        put_many(text, 'x', 8192);
    } else {
        for (int i = 0; i < 110; i++) ask_print(text, "X: y\r\n");
    }
    return 431;
}

void ask_draw_broken(struct ask *ask, struct ask_text *text) {
    *ask = (struct ask){.must_end = true};
    unsigned choice = sim_below(sizeof broken_requests / sizeof broken_requests[0] + 3);
    if (choice >= sizeof broken_requests / sizeof broken_requests[0]) {
        expect_page(ask, draw_huge(text));
    } else {
        ask_print(text, "%s", broken_requests[choice].bytes);
        ask->is_head = broken_requests[choice].bytes[0] == 'H';
        expect_page(ask, broken_requests[choice].status);
    }
    ask->end = text->used;
}
