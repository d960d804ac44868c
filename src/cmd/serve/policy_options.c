/* policy_options.c: see policy_options.h. */
#include "policy_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    FIELDS_BYTES_MAX = 4096, /* half of what the HTTP server takes; the rest is the answer's own */
    FALLBACK_BYTES_MAX = 4096,
};

static bool is_name(const char *name) {
    return strchr(name, '/') == NULL && strlen(name) <= POLICY_NAME_BYTES &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool is_text(const char *text) {
    for (; *text != '\0'; text++)
        if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f) return false;
    return true;
}

bool policy_options_index(struct policy_options *options, const char *name) {
    options->has_indexes = true;
    if (name[0] == '\0') {
        options->index_count = 0;
        return true;
    }
    if (!is_name(name) || options->index_count == POLICY_INDEXES_MAX) return false;
    options->indexes[options->index_count++] = name;
    return true;
}

bool policy_options_hide(struct policy_options *options, const char *pattern) {
    if (pattern[0] == '\0' || strchr(pattern, '/') != NULL ||
        options->pattern_count == POLICY_PATTERNS_MAX)
        return false;
    options->patterns[options->pattern_count++] = pattern;
    return true;
}

bool policy_options_cache_control(struct policy_options *options, const char *value) {
    options->cache_control = value;
    return is_text(value) && strlen(value) <= FIELDS_BYTES_MAX / 4;
}

bool policy_options_fallback(struct policy_options *options, const char *file) {
    file += strspn(file, "/"); /* "/index.html" is a path of a URL: the same file */
    size_t length = strlen(file);
    options->fallback = file;
    return length > 0 && length <= FALLBACK_BYTES_MAX && file[length - 1] != '/';
}

bool policy_options_page(struct policy_options *options, const char *status_and_file) {
    int status = 0;
    const char *at = status_and_file;
    for (; *at >= '0' && *at <= '9' && at < status_and_file + 3; at++)
        status = 10 * status + (*at - '0');
    if (status < 400 || status > 599 || at[0] != '=' || at[1] == '\0') return false;
    unsigned i = 0;
    while (i < options->page_count && options->pages[i].status != status) i++;
    if (i == POLICY_PAGES_MAX) return false;
    options->pages[i].status = status;
    options->pages[i].file = at + 1;
    if (i == options->page_count) options->page_count++;
    return true;
}

bool policy_options_field(struct policy_options *options, const char *field) {
    if (options->field_count == POLICY_FIELDS_MAX) return false;
    options->fields[options->field_count++] = field;
    return true;
}

/* --- Fields --- */

const char *policy_options_value(const char *field, size_t *name_length, size_t *value_length) {
    *name_length = strcspn(field, ":");
    const char *value = field + *name_length + (field[*name_length] == ':');
    value += strspn(value, " \t");
    *value_length = strlen(value);
    while (*value_length > 0 && strchr(" \t", value[*value_length - 1]) != NULL) --*value_length;
    return value;
}

static bool is_token(const char *name, size_t length) {
    for (size_t i = 0; i < length; i++) {
        char byte = name[i];
        bool is_plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                        (byte >= '0' && byte <= '9');
        if (!is_plain && (byte == '\0' || strchr("!#$%&'*+-.^_`|~", byte) == NULL)) return false;
    }
    return length > 0;
}

static bool is_called(const char *field, const char *name) {
    size_t length = strlen(name);
    return strncasecmp(field, name, length) == 0 && field[length] == ':';
}

/* Those that the server sets, or that are about the connection. */
static bool is_ours(const char *field) {
    static const char *const ours[] = {
        "Accept-Ranges",
        "Allow",
        "Connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Range",
        "Content-Type",
        "Date",
        "ETag",
        "Keep-Alive",
        "Last-Modified",
        "Location",
        "Server",
        "TE",
        "Trailer",
        "Upgrade",
        "Transfer-Encoding",
    };
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (is_called(field, ours[i])) return true;
    return false;
}

/* What is wrong with a field, or NULL. */
static const char *fault_of(const struct policy_options *options, const char *field) {
    size_t name_length, value_length;
    const char *value = policy_options_value(field, &name_length, &value_length);
    if (field[name_length] != ':') return "has no colon; a field is written \"Name: value\"";
    if (!is_token(field, name_length))
        return "has no field's name before the colon, which is of letters, digits and \"-\"";
    if (!is_text(value)) return "has a control character in its value";
    if (is_ours(field)) return "is a field that the server sets itself";
    if (is_called(field, "Cache-Control") && options->cache_control != NULL)
        return "is what --cache-control says; give one of them";
    if (options->allows_origins && (is_called(field, "Access-Control-Allow-Origin") ||
                                    is_called(field, "Access-Control-Expose-Headers")))
        return "is what --cors sets; give one of them";
    return NULL;
}

int policy_options_check(const struct policy_options *options, char *error, size_t error_size) {
    size_t bytes = 0;
    for (unsigned i = 0; i < options->field_count; i++) {
        const char *field = options->fields[i], *fault = fault_of(options, field);
        if (fault != NULL) {
            snprintf(error, error_size, "--header: \"%.80s\" %s", field, fault);
            return -EINVAL;
        }
        bytes += strlen(field) + strlen("\r\n");
    }
    if (bytes > FIELDS_BYTES_MAX) {
        snprintf(error, error_size, "--header: %zu bytes of fields are more than %d", bytes,
                 FIELDS_BYTES_MAX);
        return -EINVAL;
    }
    return 0;
}
