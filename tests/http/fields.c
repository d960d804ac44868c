/* fields.c: the field lines of a request, as a handler gets them. */
#include "site.h"

#include <stdlib.h>
#include <strings.h>

static struct site site;
static struct site_reply reply;
static unsigned handled;

static void answer(eddy_http_request *request) {
    handled++;
    ck_assert_int_eq(eddy_http_respond(request, 200, NULL, 0), 0);
}

static void open_site(eddy_http_fn *fn) {
    site_open(&site, (eddy_http_config){0});
    ck_assert_int_eq(eddy_http_handle(site.http, NULL, "/", fn, NULL), 0);
}

/* --- Lines that were made by hand --- */

struct field {
    const char *name, *value; /* NULL: it did not come */
};

enum { ASKED_MAX = 8 };

static const struct fields_case {
    const char *lines;
    struct field asked[ASKED_MAX]; /* NULL behind the last */
} cases[] = {
    {"A: 1\r\n", {{"A", "1"}, {"a", "1"}, {"b", NULL}, {"", NULL}, {"A:", NULL}, {"Host", "h"}}},
    {"Long-Name: 1\r\n",
     {{"LONG-NAME", "1"}, {"long-name", "1"}, {"Long-Nam", NULL}, {"Long-Names", NULL}}},
    {"A:1\r\nB:\t 2 \t\r\nC:   \r\nD:\r\n", {{"A", "1"}, {"B", "2"}, {"C", ""}, {"D", ""}}},
    {"A: b: c, \"d\"\te\r\n", {{"A", "b: c, \"d\"\te"}}},
    {"A: \xc3\xa4\xff\r\n", {{"A", "\xc3\xa4\xff"}}},
    /* Names in which only bit 5 is another are not the same. */
    {"A^: 1\r\nB`: 2\r\n", {{"A~", NULL}, {"a^", "1"}, {"B@", NULL}, {"b`", "2"}}},
    /* Several lines are one, in their order. */
    {"A: 1\r\nA: 2\r\n", {{"A", "1, 2"}}},
    {"A: 1\r\na: 2\r\nA: 3\r\n", {{"A", "1, 2, 3"}}},
    {"A: 1\r\nB: x\r\nA: 2\r\nC: y\r\nA: 3\r\nD: z\r\n",
     {{"A", "1, 2, 3"}, {"B", "x"}, {"C", "y"}, {"D", "z"}, {"E", NULL}}},
    {"x: 0\r\nA: 1\r\nBbbb: bbbb\r\nA: 2\r\n",
     {{"A", "1, 2"}, {"B", NULL}, {"bbbb", "bbbb"}, {"X", "0"}}},
    {"A: 1\r\nB: x\r\nA: 2\r\nB: y\r\nB: z\r\nA: 3\r\n", {{"A", "1, 2, 3"}, {"B", "x, y, z"}}},
    {"A: 1\r\nB: x\r\nB: y\r\nA: 2\r\n", {{"A", "1, 2"}, {"B", "x, y"}}},
    {"A: 1, 2\r\nA: 3,\r\n", {{"A", "1, 2, 3,"}}},
    /* Empty ones among them, and blanks. */
    {"A:\r\nA:\r\n", {{"A", ", "}}},
    {"A:\r\nA: 1\r\n", {{"A", ", 1"}}},
    {"A: 1\r\nA:\r\n", {{"A", "1, "}}},
    {"A: 1\r\nA:\r\nB:\r\nA: 3\r\n", {{"A", "1, , 3"}, {"B", ""}}},
    {"A:    \r\nB: b  \r\nA:   2  \r\nB:    bb\r\n", {{"A", ", 2"}, {"B", "b, bb"}}},
    /* The last line, and the only ones. */
    {"B: x\r\nA: 1\r\nA: 2\r\n", {{"B", "x"}, {"A", "1, 2"}}},
    {"A: 1\r\nB: long enough to be longer than both of the others\r\nA: 2\r\n",
     {{"A", "1, 2"}, {"B", "long enough to be longer than both of the others"}}},
    {"A: long enough to be longer than the other one\r\nB: 1\r\nA: as long as need be as well\r\n",
     {{"A", "long enough to be longer than the other one, as long as need be as well"},
      {"B", "1"}}},
    /* Cookies have a separator of their own (RFC 9113 §8.2.3). */
    {"Cookie: a=1\r\nB: x\r\ncookie: b=2\r\nCOOKIE: c=3\r\nB: y\r\n",
     {{"cookie", "a=1; b=2; c=3"}, {"b", "x, y"}}},
    {"Cookies: 1\r\nCookies: 2\r\nCooki: 1\r\nCooki: 2\r\nXookie: 1\r\nXookie: 2\r\n",
     {{"cookies", "1, 2"}, {"cooki", "1, 2"}, {"xookie", "1, 2"}}},
};

enum { CASES = sizeof cases / sizeof cases[0] };

static const struct fields_case *it;
static unsigned first_asked; /* as the order in which fields are asked for must not matter */

static unsigned count_asked(void) {
    unsigned count = 0;
    while (count < ASKED_MAX && it->asked[count].name != NULL) count++;
    return count;
}

static void check_value(const struct field *field, const char *value) {
    if (field->value == NULL)
        ck_assert_msg(value == NULL, "%s is \"%s\" in\n%s", field->name, value, it->lines);
    else
        ck_assert_msg(value != NULL && strcmp(value, field->value) == 0, "%s is \"%s\" in\n%s",
                      field->name, value != NULL ? value : "(none)", it->lines);
}

/* What was got first is still there when all has been asked for, and it is the same again. */
static void look(eddy_http_request *request, void *context) {
    const char *values[ASKED_MAX];
    unsigned count = count_asked();
    (void)context;
    for (unsigned i = 0; i < count; i++) {
        unsigned at = (first_asked + i) % count;
        values[at] = eddy_http_field(request, it->asked[at].name);
        check_value(&it->asked[at], values[at]);
    }
    for (unsigned i = 0; i < count; i++) {
        check_value(&it->asked[i], values[i]);
        ck_assert_ptr_eq(eddy_http_field(request, it->asked[i].name), values[i]);
    }
    answer(request);
}

START_TEST(fields_are_found_and_lines_combined) {
    unsigned asked = 0;
    open_site(look);
    for (it = cases; it < cases + CASES; it++) {
        for (first_asked = 0; first_asked < count_asked(); first_asked++, asked++) {
            char request[1024];
            snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", it->lines);
            ck_assert_int_eq(site_ask(&site, request, &reply), 200);
        }
    }
    ck_assert_uint_eq(handled, asked);
    site_close(&site);
}
END_TEST

/* --- Lines that were drawn --- */

enum { LINES_MAX = 40, NAMES = 6, REQUESTS = 400 };

static const char *const names[NAMES] = {"a", "B", "Cookie", "X-Longer-Name", "X-Longer-Nam", "d"};

static struct {
    uint64_t state;
    unsigned lines, name[LINES_MAX], blanks[LINES_MAX][2];
    char value[LINES_MAX][32];
} drawn;

static unsigned draw(unsigned below) {
    drawn.state = drawn.state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(drawn.state >> 33) % below;
}

static void draw_lines(void) {
    drawn.lines = draw(LINES_MAX + 1);
    for (unsigned i = 0; i < drawn.lines; i++) {
        unsigned length = draw(4) == 0 ? 0 : 1 + draw(sizeof drawn.value[0] - 1);
        drawn.name[i] = draw(2) == 0 ? 0 : draw(NAMES);
        for (unsigned k = 0; k < length; k++) drawn.value[i][k] = (char)('a' + (i + k) % 26);
        drawn.value[i][length] = '\0';
        for (int k = 0; k < 2; k++) drawn.blanks[i][k] = draw(3);
    }
}

static size_t print_lines(char *text, size_t size) {
    size_t used = (size_t)snprintf(text, size, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (unsigned i = 0; i < drawn.lines; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s", names[drawn.name[i]]);
        for (char *at = name; *at != '\0'; at++)
            if (*at != '-' && draw(4) == 0) *at ^= 0x20;
        used += (size_t)snprintf(text + used, size - used, "%s:%*s%s%*s\r\n", name,
                                 (int)drawn.blanks[i][0], "", drawn.value[i],
                                 (int)drawn.blanks[i][1], "");
    }
    return used + (size_t)snprintf(text + used, size - used, "\r\n");
}

/* What the field must be: "" and false, if it did not come. */
static bool combine_drawn(unsigned name, char *text, size_t size) {
    size_t used = 0;
    bool found = false;
    text[0] = '\0';
    for (unsigned i = 0; i < drawn.lines; i++) {
        if (drawn.name[i] != name) continue;
        const char *separator = !found ? "" : strcmp(names[name], "Cookie") == 0 ? "; " : ", ";
        used += (size_t)snprintf(text + used, size - used, "%s%s", separator, drawn.value[i]);
        found = true;
    }
    return found;
}

static void check_walk(eddy_http_request *request) {
    size_t position = 0, length;
    const char *name, *value;
    ck_assert(eddy_http_field_next(request, &position, &name, &length, &value));
    ck_assert(length == 4 && memcmp(name, "Host", 4) == 0 && strcmp(value, "h") == 0);
    for (unsigned i = 0; i < drawn.lines; i++) {
        ck_assert(eddy_http_field_next(request, &position, &name, &length, &value));
        ck_assert_uint_eq(length, strlen(names[drawn.name[i]]));
        ck_assert_int_eq(strncasecmp(name, names[drawn.name[i]], length), 0);
        ck_assert_str_eq(value, drawn.value[i]);
    }
    for (int i = 0; i < 2; i++)
        ck_assert(!eddy_http_field_next(request, &position, &name, &length, &value));
}

static void check_drawn(eddy_http_request *request, void *context) {
    const char *values[NAMES] = {NULL};
    (void)context;
    check_walk(request);
    check_walk(request);
    for (int i = 0; i < 3 * NAMES; i++) {
        char expected[LINES_MAX * 40];
        unsigned name = i < 2 * NAMES ? draw(NAMES) : (unsigned)i % NAMES;
        bool found = combine_drawn(name, expected, sizeof expected);
        const char *value = eddy_http_field(request, names[name]);
        ck_assert_msg((value != NULL) == found, "%s in request %u", names[name], handled);
        if (found)
            ck_assert_msg(strcmp(value, expected) == 0, "%s is \"%s\" instead of \"%s\"",
                          names[name], value, expected);
        if (values[name] != NULL) ck_assert_ptr_eq(value, values[name]);
        values[name] = value;
    }
    ck_assert_str_eq(eddy_http_field(request, "hOST"), "h");
    answer(request);
}

/* Any lines in any order of asking are what a list of strings makes of them; and the head of the
 * next request, which lies behind in the same memory, is not touched. */
START_TEST(any_lines_are_as_a_list_of_them) {
    static char text[LINES_MAX * 64 + 64];
    open_site(check_drawn);
    for (unsigned i = 0; i < REQUESTS; i++) {
        drawn.state = i;
        draw_lines();
        size_t length = print_lines(text, sizeof text);
        site_ask_bytes(&site, text, length, &reply);
        ck_assert_msg(handled == i + 1, "%s", reply.text);
    }
    site_close(&site);
}
END_TEST

/* --- Pipelined, and later --- */

static void check_numbered(eddy_http_request *request, void *context) {
    char expected[64];
    (void)context;
    snprintf(expected, sizeof expected, "%u, %u, %u", handled, handled + 1, handled + 2);
    ck_assert_str_eq(eddy_http_field(request, "N"), expected);
    ck_assert_str_eq(eddy_http_field(request, "Other"), "x");
    ck_assert_str_eq(eddy_http_path(request), "/a");
    answer(request);
}

/* The values are ended where the next line begins, and where the next request does. */
START_TEST(pipelined_heads_do_not_touch_each_other) {
    static char text[16384];
    size_t length = 0;
    enum { COUNT = 100 };
    open_site(check_numbered);
    for (int i = 0; i < COUNT; i++)
        length +=
            (size_t)snprintf(text + length, sizeof text - length,
                             "GET /a HTTP/1.1\r\nHost:h\r\nN:%d\r\nOther:x\r\nN:%d\r\nN:%d\r\n\r\n",
                             i, i + 1, i + 2);
    site_ask_bytes(&site, text, length, &reply);
    ck_assert_uint_eq(handled, COUNT);
    site_close(&site);
}
END_TEST

static eddy_http_request *waiting;
static const char *early;

static void wait(eddy_http_request *request, void *context) {
    (void)context;
    if (waiting != NULL) {
        answer(request);
        return;
    }
    waiting = request;
    early = eddy_http_field(request, "B");
    ck_assert_str_eq(early, "early");
}

/* All of it stays while more comes in than there is memory for behind it. */
static void check_stays(size_t padding) {
    static char first[16384], more[16384];
    unsigned count = 0;
    waiting = NULL;
    handled = 0;
    open_site(wait);
    int fd = site_connect(&site);
    int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    memset(&reply, 0, sizeof reply);
    int size =
        snprintf(first, sizeof first,
                 "GET /a?b=c HTTP/1.1\r\nHost: h\r\nP: %0*d\r\nA: 1\r\nB: early\r\nA: 2\r\n\r\n",
                 (int)padding, 0);
    site_send(fd, first, (size_t)size);
    while (waiting == NULL) {
        site_turn(&site, fd, &reply);
        ck_assert_int_lt(test_now_ns(), give_up_ns);
    }
    size_t length = 0;
    for (; length + 1000 < sizeof more; count++)
        length += (size_t)snprintf(more + length, sizeof more - length,
                                   "GET / HTTP/1.1\r\nHost: h\r\nA: %0900d\r\n\r\n", 0);
    site_send(fd, more, length);
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    for (int i = 0; i < 20; i++) site_turn(&site, fd, &reply);
    ck_assert_uint_eq(reply.used, 0);
    ck_assert_str_eq(early, "early");
    ck_assert_str_eq(eddy_http_field(waiting, "A"), "1, 2");
    ck_assert_ptr_eq(eddy_http_field(waiting, "B"), early);
    ck_assert_uint_eq(strlen(eddy_http_field(waiting, "P")), padding);
    ck_assert_str_eq(eddy_http_path(waiting), "/a");
    ck_assert_str_eq(eddy_http_method(waiting), "GET");
    const char *query = eddy_http_query(waiting, &length);
    ck_assert(length == 3 && memcmp(query, "b=c", 3) == 0);
    answer(waiting);
    while (!reply.ended) {
        site_turn(&site, fd, &reply);
        ck_assert_int_lt(test_now_ns(), give_up_ns);
    }
    ck_assert_uint_eq(handled, count + 1);
    close(fd);
    site_close(&site);
}

/* Whether the head lies in the request's own memory or had to be given more. */
START_TEST(fields_stay_while_the_answer_waits) {
    check_stays(1);
    check_stays(8000);
}
END_TEST

static void check_many(eddy_http_request *request, void *context) {
    const char *value = eddy_http_field(request, "A");
    (void)context;
    for (unsigned i = 0; i < 98; i++) {
        char number[8];
        snprintf(number, sizeof number, "%04u%s", i, i < 97 ? ", " : "");
        ck_assert_msg(strncmp(value, number, strlen(number)) == 0, "line %u: %.10s", i, value);
        value += strlen(number);
    }
    ck_assert_str_eq(value, "");
    value = eddy_http_field(request, "B");
    ck_assert_uint_eq(strlen(value), 8000);
    ck_assert_uint_eq(strspn(value, "b"), 8000);
    answer(request);
}

/* As many lines as are allowed, and a long one between. */
START_TEST(all_lines_may_be_one_field) {
    static char text[32768];
    size_t length = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost:h\r\nA:0000\r\nB:");
    open_site(check_many);
    memset(text + length, 'b', 8000);
    length += 8000;
    for (int i = 1; i < 98; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "\r\nA:%04d", i);
    length += (size_t)snprintf(text + length, sizeof text - length, "\r\n\r\n");
    site_ask_bytes(&site, text, length, &reply);
    ck_assert_uint_eq(handled, 1);
    site_close(&site);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fields");
    ck_add(suite, "values", fields_are_found_and_lines_combined, any_lines_are_as_a_list_of_them,
           all_lines_may_be_one_field);
    ck_add(suite, "kept", pipelined_heads_do_not_touch_each_other,
           fields_stay_while_the_answer_waits);
    return suite;
}
