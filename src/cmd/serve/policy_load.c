/* policy_load.c: see policy_load.h. */
#include "policy_load.h"

#include <eddy.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system.h"

enum {
    PAGE_BYTES_MAX = 1024 * 1024,
    TYPES_BYTES_MAX = 4 * 1024 * 1024,
    READ_FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
};

static int fail(int error, const char *option, const char *file) {
    char text[64];
    system_say("cannot read %s of %s: %s", file, option, eddy_strerror(error, text, sizeof text));
    return 1;
}

/* Opens a regular file. Returns its descriptor, or -errno. */
static int open_file(int directory, const char *file, struct stat *stat) {
    int fd = openat(directory, file, READ_FLAGS);
    if (fd < 0) return -errno;
    int err = fstat(fd, stat) < 0 ? -errno : 0;
    if (err == 0 && !S_ISREG(stat->st_mode)) err = S_ISDIR(stat->st_mode) ? -EISDIR : -EINVAL;
    if (err == 0) return fd;
    close(fd);
    return err;
}

/* The bytes of a file, ended by a NUL. NULL: `*error` says why not. */
static char *read_file(int directory, const char *file, size_t most, size_t *length, int *error) {
    struct stat stat;
    char *bytes = NULL;
    int fd = open_file(directory, file, &stat);
    *error = fd < 0 ? fd : 0;
    *length = 0;
    if (fd >= 0 && stat.st_size > (off_t)most) *error = -EFBIG;
    if (*error == 0 && (bytes = system_resize(NULL, (size_t)stat.st_size + 1)) == NULL)
        *error = -ENOMEM;
    while (*error == 0 && *length < (size_t)stat.st_size) {
        ssize_t got = read(fd, bytes + *length, (size_t)stat.st_size - *length);
        if (got == 0) break; /* it has become shorter */
        if (got < 0 && errno != EINTR) *error = -errno;
        if (got > 0) *length += (size_t)got;
    }
    if (fd >= 0) close(fd);
    if (*error == 0) {
        bytes[*length] = '\0';
        return bytes;
    }
    system_free(bytes);
    return NULL;
}

static int load_types(struct made_policy *made, const char *file) {
    const char *wrong = NULL;
    int err;
    size_t length;
    char *text = read_file(AT_FDCWD, file, TYPES_BYTES_MAX, &length, &err);
    if (text == NULL) return fail(err, "--mime", file);
    struct text bytes = {0};
    size_t line = mime_map_read(&made->types, &bytes, text, &wrong);
    if (line == 0) {
        bytes = (struct text){system_resize(NULL, bytes.length + 1), bytes.length, 0};
        made->type_bytes = bytes.bytes;
        made->types.own = system_resize(NULL, (made->types.count + 1) * sizeof *made->types.own);
        if (made->type_bytes != NULL && made->types.own != NULL)
            (void)mime_map_read(&made->types, &bytes, text, &wrong);
        else
            err = -ENOMEM;
    }
    system_free(text);
    if (err < 0) return fail(err, "--mime", file);
    if (line > 0) system_say("--mime: line %zu of %s is wrong: %s", line, file, wrong);
    made->policy.types = &made->types;
    return line > 0 ? 2 : 0;
}

static int load_fields(struct made_policy *made, const struct policy_options *options) {
    struct policy *policy = &made->policy;
    for (unsigned i = 0; i < options->field_count; i++) {
        size_t name_length, value_length;
        const char *field = options->fields[i];
        const char *value = policy_options_value(field, &name_length, &value_length);
        char *copy = system_resize(NULL, name_length + value_length + 2);
        if (copy == NULL) return fail(-ENOMEM, "--header", field);
        memcpy(copy, field, name_length);
        copy[name_length] = '\0';
        memcpy(copy + name_length + 1, value, value_length);
        copy[name_length + 1 + value_length] = '\0';
        made->fields[i] = copy;
        policy->fields[policy->field_count++] = (struct policy_field){copy, copy + name_length + 1};
        if (strcasecmp(copy, "Cache-Control") == 0) policy->cache_control = NULL;
    }
    return 0;
}

/* They are read now, so that they are there when descriptors or the disk are not. */
static int load_pages(struct made_policy *made, const struct policy_options *options, int root) {
    struct policy *policy = &made->policy;
    for (unsigned i = 0; i < options->page_count; i++) {
        int err;
        struct policy_page *page = &policy->pages[i];
        const char *file = options->pages[i].file;
        char *bytes = read_file(root, file, PAGE_BYTES_MAX, &page->length, &err);
        if (bytes == NULL) return fail(err, "--error-page", file);
        made->pages[i] = bytes;
        page->status = options->pages[i].status;
        page->type = mime_type(policy->types, file, strlen(file));
        page->bytes = bytes;
        policy->page_count++;
    }
    return 0;
}

static int check_fallback(const struct policy *policy, int root) {
    struct stat stat;
    if (policy->fallback == NULL) return 0;
    int fd = open_file(root, policy->fallback, &stat);
    if (fd < 0) return fail(fd, "--spa", policy->fallback);
    close(fd);
    return 0;
}

int policy_load(struct made_policy *made, const struct policy_options *options, int root) {
    struct policy *policy = &made->policy;
    *made = (struct made_policy){0};
    memcpy(policy->patterns, options->patterns, sizeof policy->patterns);
    policy->pattern_count = options->pattern_count;
    policy->shows_hidden = options->shows_hidden;
    policy->follows_links = options->follows_links;
    unsigned count = options->has_indexes ? options->index_count : policy_default.index_count;
    const char *const *names = options->has_indexes ? options->indexes : policy_default.indexes;
    for (unsigned i = 0; i < count; i++) /* what is hidden is no index either */
        if (!policy_hides_name(policy, names[i])) policy->indexes[policy->index_count++] = names[i];
    const char *cache_control = options->cache_control;
    if (cache_control == NULL) cache_control = "no-cache";
    policy->cache_control = cache_control[0] != '\0' ? cache_control : NULL;
    policy->allows_origins = options->allows_origins;
    policy->fallback = options->fallback;
    policy->precompressed = options->precompressed;
    int status = options->mime_file != NULL ? load_types(made, options->mime_file) : 0;
    if (status == 0) status = load_fields(made, options);
    if (status == 0) status = load_pages(made, options, root);
    if (status == 0) status = check_fallback(policy, root);
    return status;
}

void policy_unload(struct made_policy *made) {
    system_free(made->type_bytes);
    system_free(made->types.own);
    for (unsigned i = 0; i < POLICY_FIELDS_MAX; i++) system_free(made->fields[i]);
    for (unsigned i = 0; i < POLICY_PAGES_MAX; i++) system_free(made->pages[i]);
}
