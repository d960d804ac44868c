/* page_frame.c: see page_frame.h. */
#include "page_frame.h"

/* What fingers must hit is 44 pixels high and wide. */
static const char style[] =
    ":root{color-scheme:light dark;--fg:#1f2328;--dim:#59636e;--bg:#fff;--line:#d1d9e0;"
    "--hover:#f6f8fa;--link:#0969da}\n"
    "@media(prefers-color-scheme:dark){:root{--fg:#e6edf3;--dim:#9198a1;--bg:#0d1117;"
    "--line:#3d444d;--hover:#151b23;--link:#4493f8}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:60rem;padding:2rem 1rem;background:var(--bg);color:var(--fg);"
    "font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif}\n"
    "h1{margin:0 0 1rem;font-size:1.25rem;font-weight:600;overflow-wrap:anywhere}\n"
    "a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}\n"
    "nav a{display:inline-flex;align-items:center;justify-content:center;min-width:44px;"
    "min-height:44px}\n";

void page_frame_put_begin(struct text *text) {
    text_put_literal(text, "<!doctype html>\n<html lang=\"en\">\n<head>\n"
                           "<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
                           "content=\"width=device-width,initial-scale=1\">\n<title>");
}

void page_frame_put_style(struct text *text, const char *more) {
    text_put_literal(text, "</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n");
    text_put(text, style, sizeof style - 1);
    text_put_string(text, more);
    text_put_literal(text, "</style>\n</head>\n<body>\n");
}

void page_frame_put_end(struct text *text) {
    text_put_literal(text, "</body>\n</html>\n");
}
