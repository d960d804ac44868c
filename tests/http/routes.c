/* routes.c: which handler gets a request, and what answers where none does. */
#include "site.h"

static struct site site;
static struct site_reply reply;

/* Says who it is. */
static void answer(eddy_http_request *request, void *context) {
    const char *name = context;
    ck_assert_int_eq(eddy_http_add(request, "Handler", name), 0);
    ck_assert_int_eq(eddy_http_respond(request, 200, name, strlen(name)), 0);
}

static void handle(const char *method, const char *prefix, const char *name) {
    int err = eddy_http_handle(site.http, method, prefix, answer, (void *)(uintptr_t)name);
    ck_assert_int_eq(err, 0);
}

/* The value of a field of the answer; "" if it has none. */
static const char *field_of_reply(const char *name) {
    static char value[256];
    char line[64];
    snprintf(line, sizeof line, "\r\n%s: ", name);
    value[0] = '\0';
    const char *end = strstr(reply.text, "\r\n\r\n"), *at = strstr(reply.text, line);
    if (at != NULL && at < end) sscanf(at + strlen(line), "%255[^\r]", value);
    return value;
}

static const char *body_of_reply(void) {
    const char *end = strstr(reply.text, "\r\n\r\n");
    ck_assert_ptr_nonnull(end);
    return end + 4;
}

static int ask(const char *method, const char *target) {
    char request[512];
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: h\r\n\r\n", method, target);
    return site_ask(&site, request, &reply);
}

static void check_goes_to(const char *method, const char *target, const char *name) {
    int status = ask(method, target);
    ck_assert_msg(status == 200, "%d for %s %s", status, method, target);
    const char *got = field_of_reply("Handler");
    ck_assert_msg(strcmp(got, name) == 0, "%s %s goes to %s", method, target, got);
    ck_assert_str_eq(body_of_reply(), strcmp(method, "HEAD") == 0 ? "" : name);
}

static void check_refused(const char *method, const char *target, int expected) {
    int status = ask(method, target);
    ck_assert_msg(status == expected, "%d for %s %s", status, method, target);
    ck_assert_msg(expected == 405 || field_of_reply("Allow")[0] == '\0', "%s", reply.text);
}

/* Allow has just these methods, in any order. */
static void check_allowed(const char *method, const char *target, const char *const *methods) {
    check_refused(method, target, 405);
    char *at = (char *)(uintptr_t)field_of_reply("Allow");
    unsigned count = 0, found = 0;
    for (; *methods != NULL; methods++) count++;
    methods -= count;
    for (char *name = strtok(at, ", "); name != NULL; name = strtok(NULL, ", ")) {
        unsigned i = 0;
        while (i < count && strcmp(methods[i], name) != 0) i++;
        ck_assert_msg(i < count, "%s is allowed for %s", name, target);
        ck_assert_msg((found & 1u << i) == 0, "%s is allowed twice for %s", name, target);
        found |= 1u << i;
    }
    ck_assert_msg(found == (1u << count) - 1, "some method is not allowed for %s", target);
}

static const struct {
    const char *method, *prefix, *name;
} routes[] = {
    {"GET", "/", "root"},
    {"GET", "/api", "api"},
    {NULL, "/api/any/", "any"},
    {"POST", "/api/any", "post"},
    {"DELETE", "/api/any/deep/er", "deeper"},
    {"HEAD", "/own", "head"},
    {"GET", "/own", "own"},
    {NULL, "/both", "both-any"},
    {"GET", "/both", "both-get"},
    {"PURGE", "/purge", "purge"},
};

enum { ROUTES = sizeof routes / sizeof routes[0] };

static void check_routes(void) {
    check_goes_to("GET", "/", "root");
    check_goes_to("GET", "/x/y", "root");
    check_goes_to("GET", "/api", "api");
    check_goes_to("GET", "/api/", "api");
    check_goes_to("GET", "/api/x", "api");
    check_goes_to("GET", "/api?x", "api");
    check_goes_to("GET", "/%61pi", "api");
    check_goes_to("GET", "/x/../api", "api");
    check_goes_to("GET", "//api//x", "api");
    check_goes_to("GET", "http://h/api", "api");
    check_goes_to("GET", "/apix", "root");
    check_goes_to("GET", "/apix/any", "root");
    check_goes_to("GET", "/ap", "root");
    check_goes_to("GET", "/API", "root");
    check_goes_to("GET", "/x/api", "root");
    check_goes_to("GET", "/api/any", "any");
    check_goes_to("GET", "/api/any/", "any");
    check_goes_to("GET", "/api/any/x", "any");
    check_goes_to("GET", "/api/anyx", "api");
    check_goes_to("POST", "/api/any/x", "post");
    check_goes_to("PUT", "/api/any/x", "any");
    check_goes_to("get", "/api/any/x", "any");
    check_goes_to("FOO", "/api/any", "any");
    check_goes_to("DELETE", "/api/any/deep/er/x", "deeper");
    check_goes_to("DELETE", "/api/any/deep/erx", "any");
    check_goes_to("HEAD", "/", "root");
    check_goes_to("HEAD", "/api/x", "api");
    check_goes_to("HEAD", "/api/any", "any");
    check_goes_to("HEAD", "/own", "head");
    check_goes_to("GET", "/own", "own");
    check_goes_to("HEAD", "/both", "both-get");
    check_goes_to("PUT", "/both", "both-any");
    check_goes_to("PURGE", "/purge/x", "purge");
    /* The longest prefix decides, also where a shorter one takes the method. */
    check_allowed("POST", "/", (const char *[]){"GET", "HEAD", NULL});
    check_allowed("GET", "/api/any/deep/er", (const char *[]){"DELETE", NULL});
    check_allowed("HEAD", "/api/any/deep/er", (const char *[]){"DELETE", NULL});
    check_allowed("POST", "/own/x", (const char *[]){"GET", "HEAD", NULL});
    check_allowed("GET", "/purge", (const char *[]){"PURGE", NULL});
    check_refused("get", "/", 501);
    check_refused("FOO", "/own", 501);
    check_refused("purge", "/purge", 501);
    check_refused("OPTIONS", "*", 404);
}

/* The same, whatever the order in which handlers were given. */
START_TEST(the_longest_prefix_decides_and_then_the_method) {
    for (int order = 0; order < 4; order++) {
        site_open(&site, (eddy_http_config){0});
        for (int i = 0; i < ROUTES; i++) {
            int at = order < 2 ? i : (i * 7 + 3) % ROUTES;
            if (order & 1) at = ROUTES - 1 - at;
            handle(routes[at].method, routes[at].prefix, routes[at].name);
        }
        check_routes();
        site_close(&site);
    }
}
END_TEST

/* Without a handler for "/" there are paths that nobody knows, whatever the method. */
START_TEST(where_no_prefix_is_the_answer_is_404) {
    site_open(&site, (eddy_http_config){0});
    check_refused("GET", "/", 404);
    handle("GET", "/a/b", "b");
    check_goes_to("GET", "/a/b", "b");
    check_refused("GET", "/", 404);
    check_refused("GET", "/a", 404);
    check_refused("HEAD", "/a/bc", 404);
    check_refused("POST", "/x", 404);
    check_refused("FOO", "/x", 404);
    check_refused("GET", "/a/b/..", 404);
    eddy_http_counts counts;
    eddy_http_read_counts(site.http, &counts, sizeof counts);
    ck_assert_uint_eq(counts.refused, 7);
    ck_assert_uint_eq(counts.requests, 8);
    site_close(&site);
}
END_TEST

/* "*" is a target of its own, which only a handler for "*" gets. */
START_TEST(the_star_of_options_is_no_path) {
    site_open(&site, (eddy_http_config){0});
    handle(NULL, "/", "root");
    check_refused("OPTIONS", "*", 404);
    handle("OPTIONS", "*", "star");
    check_goes_to("OPTIONS", "*", "star");
    check_goes_to("OPTIONS", "/", "root");
    check_goes_to("OPTIONS", "/*", "root");
    check_goes_to("GET", "/*", "root");
    check_refused("GET", "*", 400);
    site_close(&site);
}
END_TEST

/* What a path must not be is refused before any handler is called. */
START_TEST(bad_paths_have_no_handler) {
    site_open(&site, (eddy_http_config){0});
    handle(NULL, "/", "root");
    handle(NULL, "*", "star");
    check_refused("GET", "/a%2fb", 404);
    check_refused("POST", "/%2F", 404);
    check_refused("GET", "/..", 400);
    check_refused("GET", "/a/../../b", 400);
    check_refused("GET", "/%", 400);
    check_refused("GET", "/a%00b", 400);
    check_refused("FOO", "/%zz", 400);
    check_refused("CONNECT", "h:80", 501);
    site_close(&site);
}
END_TEST

/* Methods that HTTP does not know may have handlers, up to a length. */
START_TEST(methods_are_compared_whole) {
    site_open(&site, (eddy_http_config){0});
    handle("GE", "/", "short");
    handle("GETS", "/", "long");
    handle("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDE", "/", "longest"); /* 31 */
    check_goes_to("GE", "/", "short");
    check_goes_to("GETS", "/", "long");
    check_goes_to("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDE", "/", "longest");
    check_refused("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF", "/", 501);
    check_allowed("GET", "/",
                  (const char *[]){"GE", "GETS", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDE", NULL});
    handle(NULL, "/any", "any");
    check_refused("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF", "/any", 501);
    site_close(&site);
}
END_TEST

static int try_handle(const char *method, const char *prefix) {
    return eddy_http_handle(site.http, method, prefix, answer, (void *)(uintptr_t) "other");
}

/* What is refused leaves the handlers as they were. */
START_TEST(handlers_that_cannot_be_are_errors) {
    site_open(&site, (eddy_http_config){0});
    ck_assert_int_eq(try_handle("GET", ""), -EINVAL);
    ck_assert_int_eq(try_handle("GET", "a"), -EINVAL);
    ck_assert_int_eq(try_handle("GET", "a/b"), -EINVAL);
    ck_assert_int_eq(try_handle("GET", "**"), -EINVAL);
    ck_assert_int_eq(try_handle("", "/"), -EINVAL);
    ck_assert_int_eq(try_handle("GET ", "/"), -EINVAL);
    ck_assert_int_eq(try_handle("GET,HEAD", "/"), -EINVAL);
    ck_assert_int_eq(eddy_http_handle(site.http, "GET", "/", NULL, NULL), -EINVAL);
    site.memory.fail_in = 0;
    ck_assert_int_eq(try_handle("GET", "/"), -ENOMEM);
    check_refused("GET", "/", 404);
    handle("GET", "/", "root");
    handle("GET", "/a", "a");
    handle(NULL, "/a/", "any");
    handle("POST", "/a/", "post");
    ck_assert_int_eq(try_handle("GET", "/"), -EEXIST);
    ck_assert_int_eq(try_handle("GET", "/a"), -EEXIST);
    ck_assert_int_eq(try_handle("GET", "/a/"), -EEXIST);
    ck_assert_int_eq(try_handle(NULL, "/a"), -EEXIST);
    ck_assert_int_eq(try_handle("POST", "/a"), -EEXIST);
    check_goes_to("GET", "/", "root");
    check_goes_to("GET", "/a", "a");
    check_goes_to("PUT", "/a", "any");
    check_goes_to("POST", "/a", "post");
    site_close(&site);
}
END_TEST

static void handle_more(eddy_http_request *request, void *context) {
    handle("GET", "/more", "more");
    answer(request, context);
}

/* A handler may add another, which the next request finds. */
START_TEST(handlers_may_come_while_one_runs) {
    site_open(&site, (eddy_http_config){0});
    ck_assert_int_eq(
        eddy_http_handle(site.http, "GET", "/", handle_more, (void *)(uintptr_t) "first"), 0);
    check_goes_to("GET", "/more", "first");
    check_goes_to("GET", "/more", "more");
    site_close(&site);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("routes");
    ck_add(suite, "found", the_longest_prefix_decides_and_then_the_method,
           the_star_of_options_is_no_path, methods_are_compared_whole,
           handlers_may_come_while_one_runs);
    ck_add(suite, "refused", where_no_prefix_is_the_answer_is_404, bad_paths_have_no_handler,
           handlers_that_cannot_be_are_errors);
    return suite;
}
