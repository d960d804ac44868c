/* http_conditional.c: see http_conditional.h. The steps are numbered as in RFC 9110 §13.2.2. */
#include "http_conditional.h"

#include <string.h>

#include "http_date.h"
#include "http_etag.h"

struct condition {
    const struct http_request *request;
    const char *bytes;
    const struct http_validators *file;
};

static bool has(const struct condition *in, enum http_field field) {
    return in->request->fields[field].offset != 0;
}

static bool matches(const struct condition *in, enum http_field field,
                    enum http_etag_compare compare) {
    struct http_span list = in->request->fields[field];
    return http_etag_matches(in->bytes + list.offset, list.length, in->file->etag,
                             in->file->etag_length, compare);
}

static bool date_of(const struct condition *in, enum http_field field, int64_t *time_s) {
    struct http_span date = in->request->fields[field];
    return http_date_parse(in->bytes + date.offset, date.length, time_s);
}

static bool is_modified_since(const struct condition *in, enum http_field field, bool unknown) {
    int64_t time_s;
    return date_of(in, field, &time_s) ? in->file->modified_s > time_s : unknown;
}

/* A tag has to match strongly and a date exactly: the client is going to put bytes of this file
 * next to those it has. */
static bool range_applies(const struct condition *in) {
    if (!has(in, HTTP_FIELD_IF_RANGE)) return true;
    struct http_span value = in->request->fields[HTTP_FIELD_IF_RANGE];
    int64_t time_s;
    if (date_of(in, HTTP_FIELD_IF_RANGE, &time_s)) return time_s == in->file->modified_s;
    return value.length == in->file->etag_length &&
           memcmp(in->bytes + value.offset, in->file->etag, value.length) == 0;
}

int http_conditional(const struct http_request *request, const char *bytes,
                     const struct http_validators *file, struct http_ranges *ranges) {
    const struct condition in = {request, bytes, file};
    ranges->count = 0;
    if (has(&in, HTTP_FIELD_IF_MATCH)) { /* 1 */
        if (!matches(&in, HTTP_FIELD_IF_MATCH, HTTP_ETAG_STRONG)) return 412;
    } else if (has(&in, HTTP_FIELD_IF_UNMODIFIED_SINCE)) { /* 2 */
        if (is_modified_since(&in, HTTP_FIELD_IF_UNMODIFIED_SINCE, false)) return 412;
    }
    if (has(&in, HTTP_FIELD_IF_NONE_MATCH)) { /* 3 */
        if (matches(&in, HTTP_FIELD_IF_NONE_MATCH, HTTP_ETAG_WEAK)) return 304;
    } else if (has(&in, HTTP_FIELD_IF_MODIFIED_SINCE)) { /* 4 */
        if (!is_modified_since(&in, HTTP_FIELD_IF_MODIFIED_SINCE, true)) return 304;
    }
    struct http_span range = request->fields[HTTP_FIELD_RANGE];
    if (request->method != HTTP_GET || range.offset == 0 || !range_applies(&in)) return 200; /* 5 */
    return http_range_parse(ranges, bytes + range.offset, range.length, file->size);
}
