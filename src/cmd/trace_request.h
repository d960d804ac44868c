/* trace_request.h: the value of --trace, and the names of files that follow from it. Pure. */
#ifndef EDDY_CMD_TRACE_REQUEST_H
#define EDDY_CMD_TRACE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

/* What is behind --trace: FILE, or FILE,SECONDS. */
struct trace_request {
    const char *value; /* NULL: nothing was asked for */
    size_t path_length;
    int seconds; /* -1: not said */
};

enum { TRACE_PATH_MAX = 1024, TRACE_SUFFIX_MAX = 128, TRACE_SECONDS_MAX = 86400 };
#define TRACE_WANTS "a file's name, maybe with a comma and seconds from 0 to 86400 behind it"

/* A comma with no number behind it is the name's. */
bool trace_request_parse(struct trace_request *request, const char *value);
/* Text if the name ends in .txt, else Perfetto. */
bool trace_path_is_text(const char *path);
/* "a/b-2.txt" for "a/b.txt" and "2"; the name as it is for NULL. `to` has room for TRACE_PATH_MAX.
 */
void trace_path_with(char *to, const struct trace_request *request, const char *suffix);

#endif
