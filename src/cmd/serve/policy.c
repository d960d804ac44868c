/* policy.c: see policy.h. */
#include "policy.h"

#include <fnmatch.h>
#include <string.h>

/* Where there is none, a pattern has to be in the case of the name. */
#ifdef FNM_CASEFOLD
enum { MATCH_FLAGS = FNM_CASEFOLD };
#else
enum { MATCH_FLAGS = 0 };
#endif

#define WELL_KNOWN ".well-known"

const struct policy policy_default = {.indexes = {"index.html"}, .index_count = 1};

bool policy_hides_name(const struct policy *policy, const char *name) {
    if (name[0] == '.' && !policy->shows_hidden) return true;
    for (unsigned i = 0; i < policy->pattern_count; i++)
        if (fnmatch(policy->patterns[i], name, MATCH_FLAGS) == 0) return true;
    return false;
}

static bool matches_segment(const struct policy *policy, const char *segment, size_t length) {
    char name[POLICY_NAME_BYTES + 1];
    if (length > POLICY_NAME_BYTES) return true; /* no file has such a name */
    memcpy(name, segment, length);
    name[length] = '\0';
    return policy_hides_name(policy, name);
}

bool policy_hides_path(const struct policy *policy, const char *path) {
    const char *at = path;
    size_t length = strcspn(path, "/");
    bool is_well_known = length == strlen(WELL_KNOWN) && memcmp(path, WELL_KNOWN, length) == 0;
    if (is_well_known) at += length + (path[length] == '/');
    if (policy->pattern_count == 0) /* the usual case, and cheap */
        return !policy->shows_hidden && (at[0] == '.' || strstr(at, "/.") != NULL);
    for (; *at != '\0'; at += length + (at[length] == '/')) {
        length = strcspn(at, "/");
        if (matches_segment(policy, at, length)) return true;
    }
    return false;
}

const struct policy_page *policy_page_of(const struct policy *policy, int status) {
    for (unsigned i = 0; i < policy->page_count; i++)
        if (policy->pages[i].status == status) return &policy->pages[i];
    return NULL;
}

size_t policy_room(const struct policy *policy) {
    size_t room = policy->fallback != NULL ? strlen(policy->fallback) : 0;
    for (unsigned i = 0; i < policy->index_count; i++) {
        size_t length = strlen(policy->indexes[i]) + 1; /* with its slash */
        if (length > room) room = length;
    }
    return room + (policy->precompressed ? strlen(".zst") : 0) + 1;
}
