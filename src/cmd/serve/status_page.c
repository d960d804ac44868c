/* status_page.c: see status_page.h. */
#include "status_page.h"

#include <eddy/http.h>

#include "page_frame.h"

enum { DEPTH_MAX = 32 };

static const char style[] = "h1 b{color:var(--dim);font-weight:inherit}\n"
                            "main{max-width:40rem;margin:15vh auto}\n";

/* A browser goes up by the slashes that it has sent, whatever they decode to. */
static void put_home(struct text *text, const char *target, size_t length) {
    unsigned slashes = 0;
    for (size_t i = 0; i < length && target[i] != '?'; i++) slashes += target[i] == '/';
    if (length == 0 || target[0] != '/' || slashes > DEPTH_MAX) {
        text_put_literal(text, "/");
        return;
    }
    text_put_literal(text, "./");
    while (--slashes > 0) text_put_literal(text, "../");
}

void status_page_put(struct text *text, int status, const char *target, size_t length) {
    const char *reason = eddy_http_reason(status);
    page_frame_put_begin(text);
    text_put_number(text, (uint64_t)status);
    text_put_literal(text, " ");
    text_put_string(text, reason);
    page_frame_put_style(text, style);
    text_put_literal(text, "<main>\n<h1><b>");
    text_put_number(text, (uint64_t)status);
    text_put_literal(text, "</b> ");
    text_put_string(text, reason);
    text_put_literal(text, "</h1>\n<nav><a href=\"");
    put_home(text, target, target != NULL ? length : 0);
    text_put_literal(text, "\">Home</a></nav>\n</main>\n");
    page_frame_put_end(text);
}
