/* answer.c: see answer.h. */
#include "answer.h"

#include <errno.h>
#include <string.h>

#include "conditional.h"
#include "etag.h"
#include "mime.h"
#include "parts.h"
#include "status_page.h"
#include "system.h"

static const char html[] = "text/html; charset=utf-8";
static const char methods[] = "GET, HEAD, OPTIONS"; /* with OPTIONS, see answer_preflight() */

/* --- Pages --- */

void answer_add_fields(const struct context *context, eddy_http_request *request, int status) {
    const struct policy *policy = context->policy;
    bool is_found = status < 300 || status == 304;
    for (unsigned i = 0; i < policy->field_count; i++)
        (void)eddy_http_add(request, policy->fields[i].name, policy->fields[i].value);
    if (policy->allows_origins) {
        (void)eddy_http_add(request, "Access-Control-Allow-Origin", "*");
        (void)eddy_http_add(request, "Access-Control-Expose-Headers", "*");
    }
    /* What is wrong today may be mended tomorrow, however long files may be kept. */
    if (policy->cache_control != NULL)
        (void)eddy_http_add(request, "Cache-Control",
                            is_found ? policy->cache_control : "no-cache");
}

void answer_status(const struct context *context, eddy_http_request *request, int status) {
    char bytes[STATUS_PAGE_BYTES];
    struct text page = {bytes, sizeof bytes, 0};
    const struct policy_page *own = policy_page_of(context->policy, status);
    answer_add_fields(context, request, status);
    if (own != NULL) {
        (void)eddy_http_add(request, "Content-Type", own->type);
        (void)eddy_http_respond_lent(request, status, own->bytes, own->length);
        return;
    }
    size_t length;
    const char *target = eddy_http_target(request, &length);
    status_page_put(&page, status, target, length);
    (void)eddy_http_add(request, "Content-Type", html);
    (void)eddy_http_respond(request, status, bytes, page.length);
}

int answer_status_of(int error) {
    int status = 500;
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -ENAMETOOLONG:
    case -EINVAL: /* names that the file system refuses … */
    case -EILSEQ: /* … as some do if they are not UTF-8 */
    case -ELOOP:  /* a symbolic link that leads nowhere … */
    case -EXDEV:  /* … or out of the directory */
    case -ENXIO:  /* a socket, or a device that is not there */
    case -ENODEV:
        status = 404;
        break;
    case -EACCES:
    case -EPERM:
        status = 403;
        break;
    case -EMFILE: /* short of something, but not for ever */
    case -ENFILE:
    case -ENOMEM:
    case -ENOBUFS:
    case -EAGAIN:
        status = 503;
        break;
    default:
        break;
    }
    return status;
}

static void answer_page_of(struct exchange *exchange, int status) {
    answer_status(exchange->context, exchange->request, status);
}

void answer_error(struct exchange *exchange, int error) {
    answer_page_of(exchange, answer_status_of(error));
}

bool answer_launched(struct exchange *exchange, int err) {
    if (err < 0)
        answer_error(exchange, err);
    else
        exchange_launched(exchange);
    return err == 0;
}

/* "/", the path escaped, "/", the query. It is made from the decoded path, as the raw target may be
 * "//host", which would lead to another site. */
static void put_location(struct text *text, const struct exchange *exchange) {
    size_t length;
    const char *query = eddy_http_query(exchange->request, &length);
    text_put_literal(text, "/");
    text_put_url(text, exchange->path, exchange->path_length);
    if (exchange->path_length > 0) text_put_literal(text, "/");
    if (query != NULL) {
        text_put_literal(text, "?");
        text_put(text, query, length);
    }
    text_put(text, "", 1);
}

void answer_redirect(struct exchange *exchange) {
    struct text location = {0};
    put_location(&location, exchange);
    char *bytes = system_resize(NULL, location.length);
    if (bytes == NULL) {
        answer_page_of(exchange, 503);
        return;
    }
    location = (struct text){bytes, location.length, 0};
    put_location(&location, exchange);
    int err = eddy_http_add(exchange->request, "Location", bytes);
    system_free(bytes);
    answer_page_of(exchange, err == 0 ? 301 : err == -EMSGSIZE ? 414 : 503);
}

bool answer_begin_page(struct exchange *exchange) {
    answer_add_fields(exchange->context, exchange->request, 200);
    (void)eddy_http_add(exchange->request, "Content-Type", html);
    int err = eddy_http_start(exchange->request, 200, -1);
    if (err < 0) eddy_http_abort(exchange->request);
    return err == 0;
}

/* Asked by a browser before a script's request with fields of its own (the Fetch standard, "CORS
 * protocol"). What it may send is read by nobody here, so that all of it is allowed. */
void answer_preflight(eddy_http_request *request, void *context) {
    const char *fields = eddy_http_field(request, "Access-Control-Request-Headers");
    answer_add_fields(context, request, 204);
    (void)eddy_http_add(request, "Allow", methods);
    (void)eddy_http_add(request, "Access-Control-Allow-Methods", methods);
    if (fields != NULL) (void)eddy_http_add(request, "Access-Control-Allow-Headers", fields);
    (void)eddy_http_add(request, "Access-Control-Max-Age",
                        "7200"); /* what Chromium takes at most */
    (void)eddy_http_respond(request, 204, NULL, 0);
}

/* --- Files --- */

static struct conditions conditions_of(eddy_http_request *request) {
    return (struct conditions){
        .if_match = eddy_http_field(request, "If-Match"),
        .if_unmodified_since = eddy_http_field(request, "If-Unmodified-Since"),
        .if_none_match = eddy_http_field(request, "If-None-Match"),
        .if_modified_since = eddy_http_field(request, "If-Modified-Since"),
        .if_range = eddy_http_field(request, "If-Range"),
        .range = eddy_http_field(request, "Range"),
        .is_get = strcmp(eddy_http_method(request), "GET") == 0,
    };
}

static void add_content_range(eddy_http_request *request, const struct range *range, int64_t size) {
    char bytes[80];
    struct text text = {bytes, sizeof bytes - 1, 0};
    range_put(&text, range, size);
    bytes[text.length] = '\0';
    (void)eddy_http_add(request, "Content-Range", bytes);
}

static void on_sent(eddy_http_request *request, void *context) {
    (void)context;
    (void)eddy_http_end(request);
}

/* A file that has become shorter once may do so again: then the head goes out before it is read,
 * and the client sees that the body is cut. */
static void send_file(struct exchange *exchange, int status, int64_t offset, int64_t length) {
    eddy_http_request *request = exchange->request;
    if (!exchange->is_again) {
        (void)eddy_http_respond_file(request, status, exchange->opened.fd, offset, length);
        return;
    }
    eddy_http_on_drained(request, on_sent, NULL);
    int err = eddy_http_start(request, status, length);
    if (err == 0) err = eddy_http_write_file(request, exchange->opened.fd, offset, length);
    if (err < 0) eddy_http_abort(request);
}

static void answer_range(struct exchange *exchange, const struct range *range) {
    add_content_range(exchange->request, range, exchange->opened.stat.size);
    send_file(exchange, 206, range->first, range->last - range->first + 1);
}

void answer_file(struct exchange *exchange) {
    eddy_http_request *request = exchange->request;
    const eddy_stat *stat = &exchange->opened.stat;
    char etag[ETAG_BYTES], modified[EDDY_HTTP_DATE_BYTES];
    struct text tag = {etag, sizeof etag - 1, 0};
    etag_put(&tag, stat->size, stat->modify_s, stat->modify_ns);
    int64_t now_ns = system_time_ns();
    if (etag_is_young(stat->modify_s, stat->modify_ns, now_ns)) { /* it is another a moment later */
        tag.length--;
        text_put_literal(&tag, "-young\"");
    }
    if (exchange->encoding != NULL) { /* it must differ from that of the file as it is */
        tag.length--;
        text_put_literal(&tag, "-");
        text_put_string(&tag, exchange->encoding);
        text_put_literal(&tag, "\"");
    }
    etag[tag.length] = '\0';
    int64_t now_s = now_ns / EDDY_NS_PER_S;
    struct validators validators = {
        .etag = etag,
        .etag_length = tag.length,
        .modified_s = stat->modify_s < now_s ? stat->modify_s : now_s,
        .size = stat->size,
    };
    struct conditions conditions = conditions_of(request);
    struct ranges ranges;
    int status = conditional(&conditions, &validators, &ranges);
    if (status == 416) add_content_range(request, NULL, stat->size);
    if (status == 412 || status == 416) {
        answer_page_of(exchange, status);
        return;
    }
    eddy_http_date_format(modified, validators.modified_s);
    (void)eddy_http_add(request, "Last-Modified", modified);
    (void)eddy_http_add(request, "ETag", etag);
    answer_add_fields(exchange->context, request, status);
    if (exchange->is_fallback) (void)eddy_http_add(request, "Vary", "Accept");
    if (exchange->context->policy->precompressed)
        (void)eddy_http_add(request, "Vary", "Accept-Encoding");
    if (status == 304) {
        (void)eddy_http_respond(request, status, NULL, 0);
        return;
    }
    size_t length = strlen(exchange->path);
    const char *encoding = exchange->encoding;
    if (encoding == NULL) encoding = mime_encoding(exchange->path, length);
    const char *type = mime_type(exchange->context->policy->types, exchange->path, length);
    bool has_parts = status == 206 && ranges.count > 1;
    uint64_t boundary;
    if (has_parts && (encoding != NULL || !system_random(&boundary))) {
        has_parts = false;
        status = 200;
    }
    (void)eddy_http_add(request, "Accept-Ranges", "bytes");
    if (encoding != NULL) (void)eddy_http_add(request, "Content-Encoding", encoding);
    if (has_parts) {
        if (parts_answer(exchange, type, &ranges, boundary) == 0) return;
        eddy_http_clear(request);
        answer_page_of(exchange, 503);
        return;
    }
    (void)eddy_http_add(request, "Content-Type", type);
    if (status == 206)
        answer_range(exchange, &ranges.list[0]);
    else
        send_file(exchange, 200, 0, stat->size);
}
