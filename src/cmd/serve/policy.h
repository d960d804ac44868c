/* policy.h: what of the directory is served, and how. All servers of the program share one, which
 * nobody changes while they run. Pure. */
#ifndef EDDY_CMD_SERVE_POLICY_H
#define EDDY_CMD_SERVE_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "mime.h"

enum {
    POLICY_INDEXES_MAX = 8,
    POLICY_PATTERNS_MAX = 32,
    POLICY_FIELDS_MAX = 32,
    POLICY_PAGES_MAX = 16,
    POLICY_NAME_BYTES = 255, /* of a file */
};

/* The strings stay with who made the policy. */
struct policy {
    const struct mime_map *types; /* NULL: only those that are built in */
    const char *indexes[POLICY_INDEXES_MAX];
    unsigned index_count;
    const char *patterns[POLICY_PATTERNS_MAX]; /* of names that are hidden */
    unsigned pattern_count;
    bool shows_hidden;  /* names that begin with a dot are like all others */
    bool follows_links; /* symbolic links may lead out of the directory */
    struct policy_field {
        const char *name, *value;
    } fields[POLICY_FIELDS_MAX]; /* of each answer */
    unsigned field_count;
    bool allows_origins;       /* scripts of all sites may read the answers */
    const char *cache_control; /* of what is found; NULL: not told */
    const char *fallback;      /* below the root: answers in place of what is not there; NULL */
    struct policy_page {
        int status;
        const char *type, *bytes;
        size_t length;
    } pages[POLICY_PAGES_MAX]; /* in place of the built-in ones */
    unsigned page_count;
    bool precompressed; /* a compressed file beside the one asked for may answer */
};

/* Of a server that was told nothing. */
extern const struct policy policy_default;

/* Whether the entry `name` of a directory is not to be seen. Patterns are those of fnmatch, in
 * whatever case. */
bool policy_hides_name(const struct policy *policy, const char *name);

/* Whether one of the segments of `path`, which lies below the root, is hidden. "/.well-known" is
 * not: its names are made to be asked for (RFC 8615). */
bool policy_hides_path(const struct policy *policy, const char *path);

/* The page for an error, or NULL: the built-in one. */
const struct policy_page *policy_page_of(const struct policy *policy, int status);

/* The bytes that the names of files may need behind the path of a request, or in its place. */
size_t policy_room(const struct policy *policy);

#endif
