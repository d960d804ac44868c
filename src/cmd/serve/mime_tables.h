/* mime_tables.h: the media types that are built in. Each table is in the order of its names' bytes,
 * which are lower case. Pure. */
#ifndef EDDY_CMD_SERVE_MIME_TABLES_H
#define EDDY_CMD_SERVE_MIME_TABLES_H

#include <stddef.h>

enum { MIME_NAME_MAX = 27 };

struct mime_entry {
    char name[MIME_NAME_MAX + 1];
    const char *type;
};

extern const struct mime_entry mime_extensions[];
extern const size_t mime_extension_count;

/* Whole names, of files without an extension. */
extern const struct mime_entry mime_names[];
extern const size_t mime_name_count;

#endif
