/* quantity.c: see quantity.h. Without state. */
#include "quantity.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *text_of_time(char *text, size_t size, double ns) {
    if (ns < 0)
        snprintf(text, size, "-");
    else if (ns < 999.5)
        snprintf(text, size, ns < 9.995 ? "%.2f ns" : ns < 99.95 ? "%.1f ns" : "%.0f ns", ns);
    else if (ns < 999.5e3)
        snprintf(text, size, ns < 9.995e3 ? "%.2f us" : "%.1f us", ns / 1e3);
    else if (ns < 999.5e6)
        snprintf(text, size, "%.1f ms", ns / 1e6);
    else
        snprintf(text, size, "%.2f s", ns / 1e9);
    return text;
}

const char *text_of_count(char *text, size_t size, double count) {
    if (count < 0)
        snprintf(text, size, "-");
    else if (count < 1e4)
        snprintf(text, size, count < 10 ? "%.2f" : "%.0f", count);
    else if (count < 1e6)
        snprintf(text, size, count < 1e5 ? "%.1f k" : "%.0f k", count / 1e3);
    else
        snprintf(text, size, "%.2f M", count / 1e6);
    return text;
}

const char *text_of_bytes(char *text, size_t size, double bytes) {
    if (bytes < 0)
        snprintf(text, size, "-");
    else if (bytes < 10 * 1024)
        snprintf(text, size, "%.0f B", bytes);
    else if (bytes < 10 * 1024 * 1024)
        snprintf(text, size, "%.0f KiB", bytes / 1024);
    else
        snprintf(text, size, "%.0f MiB", bytes / (1024 * 1024));
    return text;
}

const char *text_of_ratio(char *text, size_t size, double ratio) {
    snprintf(text, size,
             ratio < 0     ? "-"
             : ratio < 10  ? "%.2f"
             : ratio < 100 ? "%.1f"
                           : "%.0f",
             ratio);
    return text;
}

const char *text_of_one(char *text) {
    for (char *at = text; (at = strstr(at, "1 ")) != NULL; at += 2) {
        char *end = at + 2 + strcspn(at + 2, " ,");
        bool is_one = at == text || at[-1] == ' ';
        if (is_one && end > at + 2 && end[-1] == 's') memmove(end - 1, end, strlen(end) + 1);
    }
    return text;
}
