/* http_route.c: from a request to its handler, and answers of the server itself.
 * Threading: the loop's. */
#include "http_server.h"

#include <string.h>

int eddy_http_handle(eddy_http *http, const char *method, const char *prefix, eddy_http_fn *fn,
                     void *context) {
    size_t length = strlen(prefix);
    if (fn == NULL || (prefix[0] != '/' && strcmp(prefix, "*") != 0)) return -EINVAL;
    if (method != NULL && !eddy__http_is_token(method, strlen(method))) return -EINVAL;
    while (length > 0 && prefix[length - 1] == '/') length--;
    for (const struct http_route *it = http->routes; it != NULL; it = it->next) {
        bool same_method = method == NULL || it->method == NULL ? method == it->method
                                                                : strcmp(method, it->method) == 0;
        if (same_method && it->length == length && memcmp(it->prefix, prefix, length) == 0)
            return -EEXIST;
    }
    struct http_route *route = eddy__http_resize(http, NULL, 0, sizeof *route);
    if (route == NULL) return -ENOMEM;
    *route = (struct http_route){http->routes, method, prefix, length, fn, context};
    http->routes = route;
    return 0;
}

void eddy__http_free_routes(eddy_http *http) {
    while (http->routes != NULL) {
        struct http_route *route = http->routes;
        http->routes = route->next;
        (void)eddy__http_resize(http, route, sizeof *route, 0);
    }
}

static bool has_prefix(const struct http_route *route, const eddy_http_request *request) {
    const char *path = request->path;
    size_t length = route->length;
    if (request->path_length < length || memcmp(path, route->prefix, length) != 0) return false;
    return path[length] == '\0' || path[length] == '/';
}

/* How well a handler's method fits: 0, not at all. */
static int fit_of(const struct http_route *route, const eddy_http_request *request) {
    if (route->method == NULL) return 1;
    if (strcmp(route->method, request->method) == 0) return 3;
    return request->head.method == HTTP_HEAD && strcmp(route->method, "GET") == 0 ? 2 : 0;
}

/* The longest prefix decides, whether its methods fit or not. */
static size_t longest_prefix(const eddy_http_request *request, bool *found) {
    size_t longest = 0;
    *found = false;
    for (const struct http_route *it = request->http->routes; it != NULL; it = it->next) {
        if (!has_prefix(it, request)) continue;
        if (it->length > longest) longest = it->length;
        *found = true;
    }
    return longest;
}

static bool takes_head(const eddy_http_request *request, size_t length) {
    for (const struct http_route *it = request->http->routes; it != NULL; it = it->next)
        if (it->length == length && has_prefix(it, request) && strcmp(it->method, "HEAD") == 0)
            return true;
    return false;
}

/* Puts a word behind the text, if all of it fits. */
static bool add_word(char *text, size_t room, size_t *length, const char *word) {
    size_t more = strlen(word);
    if (more >= room - *length) return false;
    memcpy(text + *length, word, more + 1);
    *length += more;
    return true;
}

/* No handler of that prefix takes all methods. */
static void add_allow(eddy_http_request *request, size_t length) {
    char text[256];
    size_t used = 0;
    const char *with_get = takes_head(request, length) ? "" : ", HEAD";
    for (const struct http_route *it = request->http->routes; it != NULL; it = it->next) {
        if (it->length != length || !has_prefix(it, request)) continue;
        const char *head = strcmp(it->method, "GET") == 0 ? with_get : "";
        size_t before = used;
        if (add_word(text, sizeof text, &used, before > 0 ? ", " : "") &&
            add_word(text, sizeof text, &used, it->method) &&
            add_word(text, sizeof text, &used, head))
            continue;
        used = before;
        break;
    }
    text[used] = '\0';
    (void)eddy_http_add(request, "Allow", text);
}

static int decode_path(eddy_http_request *request) {
    const struct http_head *head = &request->head;
    uint32_t room = head->target.length + 2u;
    const char *target = request->text + head->target.offset;
    request->path = request->path_inline;
    if (room > sizeof request->path_inline) {
        request->path = eddy__http_resize(request->http, NULL, 0, room);
        if (request->path == NULL) return 503;
        request->path_room = room;
    }
    int status = eddy__http_path_decode(request->path, &request->path_length, target,
                                        head->target.length, &request->query);
    if (status != 0) { /* the log is not to show what is half decoded */
        request->path[0] = '\0';
        request->path_length = 0;
        request->query = head->target.length;
    }
    return status;
}

/* Values end with a NUL, where a blank or the line's end is. */
static void end_values(eddy_http_request *request) {
    const struct http_head *head = &request->head;
    char *text = (char *)(uintptr_t)request->text;
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct http_span *value = &head->fields[i].value;
        text[value->offset + value->length] = '\0';
    }
    request->has_fields = true;
    if (head->name.length >= sizeof request->method_bytes) return;
    memcpy(request->method_bytes, request->text + head->name.offset, head->name.length);
    request->method_bytes[head->name.length] = '\0';
    request->method = request->method_bytes;
}

/* A path that none can have is a 400 whatever the method: which methods there are (405) depends on
 * what is named, and that names nothing (RFC 9110 §15.5.6). */
void eddy__http_dispatch(eddy_http_request *request) {
    end_values(request);
    int status = request->method != NULL ? decode_path(request) : 501;
    if (status != 0) {
        eddy__http_refuse(request, status);
        return;
    }
    bool found;
    size_t length = longest_prefix(request, &found);
    const struct http_route *best = NULL;
    int fit = 0;
    for (const struct http_route *it = request->http->routes; it != NULL; it = it->next) {
        if (it->length != length || !has_prefix(it, request) || fit_of(it, request) <= fit)
            continue;
        best = it;
        fit = fit_of(it, request);
    }
    if (best != NULL) {
        best->fn(request, best->context);
    } else if (!found) {
        eddy__http_refuse(request, 404);
    } else if (request->head.method == HTTP_METHOD_UNKNOWN) {
        eddy__http_refuse(request, 501);
    } else {
        add_allow(request, length);
        eddy__http_refuse(request, 405);
    }
}

/* --- Answers of the server itself --- */

void eddy__http_refuse(eddy_http_request *request, int status) {
    eddy_http *http = request->http;
    bool was_handled = request->is_ended, was_refused = request->is_refused;
    request->has_begun = request->has_head = request->is_ended = false;
    request->is_refused = true;
    request->upgrade = NULL;
    if (status != 405) request->fields_used = 0;
    request->names_upgrade = false;
    http->counts.refused += !was_handled;
    if (http->config.error != NULL && !was_refused) {
        http->config.error(request, status, http->config.context);
        return;
    }
    char text[64] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
                     (char)('0' + status % 10), ' '};
    size_t length = 4;
    (void)add_word(text, sizeof text, &length, eddy_http_reason(status));
    (void)add_word(text, sizeof text, &length, "\n");
    (void)eddy_http_add(request, "Content-Type", "text/plain; charset=utf-8");
    (void)eddy_http_respond(request, status, text, length);
}
