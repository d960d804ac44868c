/* policy_options.h: what the command line says of what is served, as it stands there. The strings
 * point into it. Nothing is opened: policy_load.h. */
#ifndef EDDY_CMD_SERVE_POLICY_OPTIONS_H
#define EDDY_CMD_SERVE_POLICY_OPTIONS_H

#include "policy.h"

struct policy_options {
    const char *mime_file; /* NULL: none */
    const char *indexes[POLICY_INDEXES_MAX];
    unsigned index_count;
    bool has_indexes; /* else there is the default one */
    const char *patterns[POLICY_PATTERNS_MAX];
    unsigned pattern_count;
    bool shows_hidden, follows_links;
    const char *fields[POLICY_FIELDS_MAX]; /* "Name: value" */
    unsigned field_count;
    bool allows_origins;
    const char *cache_control; /* NULL: the default; "": none */
    const char *fallback;      /* NULL: none */
    struct {
        int status;
        const char *file;
    } pages[POLICY_PAGES_MAX];
    unsigned page_count;
    bool precompressed;
};

#define POLICY_WANTS_INDEX         "a file's name without \"/\", or \"\" for none; 8 at most"
#define POLICY_WANTS_PATTERN       "a pattern for one name, without \"/\"; 32 at most"
#define POLICY_WANTS_CACHE_CONTROL "the value of a Cache-Control field, or \"\" for none"
#define POLICY_WANTS_FALLBACK      "a file below DIR"
#define POLICY_WANTS_PAGE          "a status (400 to 599) and a file, like 404=404.html; 16 at most"

/* Each takes one value; false: it is not what is wanted. */
bool policy_options_index(struct policy_options *options, const char *name);
bool policy_options_hide(struct policy_options *options, const char *pattern);
bool policy_options_cache_control(struct policy_options *options, const char *value);
bool policy_options_fallback(struct policy_options *options, const char *file);
bool policy_options_page(struct policy_options *options, const char *status_and_file);
/* Whether it is a field is found out by policy_options_check(). */
bool policy_options_field(struct policy_options *options, const char *field);

/* What can only be said of all of them. Returns 0, or -EINVAL with one line in `error`. */
int policy_options_check(const struct policy_options *options, char *error, size_t error_size);

/* The value of "Name: value", without the blanks around it, and the lengths of both. */
const char *policy_options_value(const char *field, size_t *name_length, size_t *value_length);

#endif
