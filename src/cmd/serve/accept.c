/* accept.c: see accept.h. */
#include "accept.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static const char *skip_blanks(const char *at) {
    while (*at == ' ' || *at == '\t') at++;
    return at;
}

/* The end of what stands before one of `ends`, or of the list. Between quotes they are no ends. */
static const char *find_end(const char *at, const char *ends) {
    bool is_quoted = false;
    for (; *at != '\0'; at++) {
        if (*at == '"') is_quoted = !is_quoted;
        if (is_quoted && *at == '\\' && at[1] != '\0')
            at++;
        else if (!is_quoted && strchr(ends, *at) != NULL)
            break;
    }
    return at;
}

/* "0.5", with three digits at most, up to the end of the parameter. */
static int read_weight(const char *at) {
    if (*at != '0' && *at != '1') return ACCEPT_UNNAMED;
    int weight = (*at++ - '0') * ACCEPT_MOST;
    if (*at == '.') {
        at++;
        for (int unit = 100; unit > 0 && *at >= '0' && *at <= '9'; unit /= 10)
            weight += (*at++ - '0') * unit;
    }
    at = skip_blanks(at);
    bool is_end = *at == '\0' || *at == ',' || *at == ';';
    return is_end && weight <= ACCEPT_MOST ? weight : ACCEPT_UNNAMED;
}

/* Of the element whose parameters begin at `at`. */
static int weight_of(const char *at) {
    while (*at == ';') {
        at = skip_blanks(at + 1);
        if ((at[0] == 'q' || at[0] == 'Q') && at[1] == '=') return read_weight(at + 2);
        at = find_end(at, ",;");
    }
    return ACCEPT_MOST;
}

int accept_weight(const char *list, const char *name) {
    size_t length = strlen(name);
    for (const char *at = list; at != NULL && *at != '\0';) {
        at = skip_blanks(at);
        const char *end = find_end(at, ",;");
        size_t bytes = (size_t)(end - at);
        while (bytes > 0 && (at[bytes - 1] == ' ' || at[bytes - 1] == '\t')) bytes--;
        if (bytes == length && strncasecmp(at, name, length) == 0) return weight_of(end);
        at = find_end(end, ",");
        if (*at == ',') at++;
    }
    return ACCEPT_UNNAMED;
}
