/* conditional.c: see conditional.h. */
#include "conditional.h"

#include <eddy/http.h>
#include <string.h>

#include "etag.h"

static bool matches(const char *list, const struct validators *file, enum etag_compare compare) {
    return etag_matches(list, strlen(list), file->etag, file->etag_length, compare);
}

static bool is_modified_since(const char *date, const struct validators *file, bool unknown) {
    int64_t time_s;
    if (eddy_http_date_parse(date, strlen(date), &time_s) < 0) return unknown;
    return file->modified_s > time_s;
}

/* A tag has to match strongly and a date exactly: the client is going to put bytes of this file
 * next to those it has. */
static bool range_applies(const char *if_range, const struct validators *file) {
    int64_t time_s;
    if (if_range == NULL) return true;
    size_t length = strlen(if_range);
    if (eddy_http_date_parse(if_range, length, &time_s) == 0) return time_s == file->modified_s;
    return length == file->etag_length && memcmp(if_range, file->etag, length) == 0;
}

int conditional(const struct conditions *in, const struct validators *file, struct ranges *ranges) {
    ranges->count = 0;
    if (in->if_match != NULL) { /* 1 */
        if (!matches(in->if_match, file, ETAG_STRONG)) return 412;
    } else if (in->if_unmodified_since != NULL) { /* 2 */
        if (is_modified_since(in->if_unmodified_since, file, false)) return 412;
    }
    if (in->if_none_match != NULL) { /* 3 */
        if (matches(in->if_none_match, file, ETAG_WEAK)) return 304;
    } else if (in->if_modified_since != NULL) { /* 4 */
        if (!is_modified_since(in->if_modified_since, file, true)) return 304;
    }
    if (!in->is_get || in->range == NULL || !range_applies(in->if_range, file)) return 200; /* 5 */
    return range_parse(ranges, in->range, strlen(in->range), file->size);
}
