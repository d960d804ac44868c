/* trace_request.c: see trace_request.h. Without state. */
#include "trace_request.h"

#include "command_line.h"

#include <stdio.h>
#include <string.h>

bool trace_request_parse(struct trace_request *request, const char *value) {
    const char *comma = strrchr(value, ',');
    unsigned seconds = 0;
    *request = (struct trace_request){.value = value, .path_length = strlen(value), .seconds = -1};
    if (comma != NULL && strspn(comma + 1, "0123456789") == strlen(comma + 1)) {
        if (!command_line_number(comma + 1, 0, TRACE_SECONDS_MAX, &seconds)) return false;
        request->path_length = (size_t)(comma - value);
        request->seconds = (int)seconds;
    }
    return request->path_length > 0 && request->path_length < TRACE_PATH_MAX - TRACE_SUFFIX_MAX;
}

bool trace_path_is_text(const char *path) {
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".txt") == 0;
}

/* Where the name's ending begins; a name that begins with a dot has none. */
static int trace_path_base(const char *path, int length) {
    for (int i = length - 1; i > 0 && path[i] != '/'; i--)
        if (path[i] == '.') return path[i - 1] != '/' ? i : length;
    return length;
}

void trace_path_with(char *to, const struct trace_request *request, const char *suffix) {
    int length = (int)request->path_length;
    int base = trace_path_base(request->value, length);
    snprintf(to, TRACE_PATH_MAX, "%.*s%s%s%.*s", base, request->value, suffix != NULL ? "-" : "",
             suffix != NULL ? suffix : "", length - base, request->value + base);
}
