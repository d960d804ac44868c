/* status_page.c: see status_page.h. */
#include "status_page.h"

#include <eddy/http.h>

void status_page_put(struct text *text, int status) {
    const char *reason = eddy_http_reason(status);
    text_put_literal(text, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
                           "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    text_put_number(text, (uint64_t)status);
    text_put_literal(text, " ");
    text_put_string(text, reason);
    text_put_literal(text, "</title>\n<style>:root{color-scheme:light dark}"
                           "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;"
                           "margin:20vh auto;padding:0 1rem}h1{font-weight:600}"
                           "b{opacity:.5;font-weight:inherit}</style>\n<h1><b>");
    text_put_number(text, (uint64_t)status);
    text_put_literal(text, "</b> ");
    text_put_string(text, reason);
    text_put_literal(text, "</h1>\n</html>\n");
}
