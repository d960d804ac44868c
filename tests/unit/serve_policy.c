/* serve_policy.c: what is hidden, what a client prefers, and who wants a page. */
#include "suite.h"

#include "accept.h"
#include "policy.h"
#include "wants_page.h"

/* Names that begin with a dot are hidden, wherever they stand, but for what is made to be found. */
START_TEST(dotted_names_are_hidden) {
    static const char *const hidden[] = {
        ".git",         ".git/config",        "a/.b",       "a/.b/c",          "...",
        ".well-known2", ".well-known/.htpwd", ".well-know", "a/.well-known/b", ".well-known/a/.b",
    };
    static const char *const shown[] = {
        "", "a", "a.b", "a./b", "a/b.c", ".well-known", ".well-known/acme-challenge/x",
    };
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        ck_assert_msg(policy_hides_path(&policy_default, hidden[i]), "%s", hidden[i]);
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        ck_assert_msg(!policy_hides_path(&policy_default, shown[i]), "%s", shown[i]);
    struct policy open = policy_default;
    open.shows_hidden = true;
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        ck_assert_msg(!policy_hides_path(&open, hidden[i]), "%s", hidden[i]);
}
END_TEST

/* Patterns are for one name, any on the way, in whatever case; the rule for dots stays. */
START_TEST(patterns_hide_names_on_the_way) {
    struct policy policy = {.patterns = {"*.bak", "node_modules"}, .pattern_count = 2};
    char many[400];
    static const char *const hidden[] = {
        "a.bak",          "x/A.BAK", "a.bak/b",   "node_modules/x/y",
        "x/Node_Modules", ".bak",    ".git/HEAD", ".well-known/a.bak",
    };
    static const char *const shown[] = {
        "", "a.bak2", "bak", "x/node_modules2", ".well-known", ".well-known/a",
    };
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        ck_assert_msg(policy_hides_path(&policy, hidden[i]), "%s", hidden[i]);
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        ck_assert_msg(!policy_hides_path(&policy, shown[i]), "%s", shown[i]);
    memset(many, 'a', sizeof many);
    many[sizeof many - 1] = '\0'; /* longer than a name can be: nothing is there, nothing is cut */
    ck_assert(policy_hides_path(&policy, many));
    ck_assert(policy_hides_name(&policy, "B.bak"));
    ck_assert(!policy_hides_name(&policy, "bak"));
}
END_TEST

/* The room behind a path holds the longest of what may be put there. */
START_TEST(there_is_room_for_all_names) {
    struct policy policy = policy_default;
    ck_assert_uint_eq(policy_room(&policy), sizeof "/index.html");
    policy.precompressed = true;
    ck_assert_uint_eq(policy_room(&policy), sizeof "/index.html.zst");
    policy.fallback = "a/longer/fallback.html";
    ck_assert_uint_eq(policy_room(&policy), sizeof "a/longer/fallback.html.zst");
    policy = (struct policy){0};
    ck_assert_uint_eq(policy_room(&policy), 1);
}
END_TEST

START_TEST(weights_are_read) {
    static const struct {
        const char *list, *name;
        int weight;
    } cases[] = {
        {NULL, "br", -1},
        {"", "br", -1},
        {"br", "br", 1000},
        {"gzip, BR", "br", 1000},
        {"gzip,br;q=0.5", "br", 500},
        {"br ; q=0.123 ,x", "br", 123},
        {"br;Q=1.000", "br", 1000},
        {"br;q=0", "br", 0},
        {"br;q=0.", "br", 0},
        {"br;q=1.001", "br", -1},
        {"br;q=2", "br", -1},
        {"br;q=", "br", -1},
        {"br;q=0.1234", "br", -1},
        {"br;q=-1", "br", -1},
        {"brx, xbr, b", "br", -1},
        {",, br", "br", 1000},
        {"*;q=0.1", "br", -1},
        {"*;q=0.1", "*", 100},
        {"text/html;level=1;q=0.7", "text/html", 700},
        {"a/b;x=\"c,text/html\";q=0.2, text/html;q=0.3", "text/html", 300},
        {"a/b;x=\"\\\",text/html", "text/html", -1},
        {"text/html;q=0.5, text/html", "text/html", 500},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(accept_weight(cases[i].list, cases[i].name) == cases[i].weight,
                      "case %zu: %d", i, accept_weight(cases[i].list, cases[i].name));
}
END_TEST

/* A page is what a browser goes to; what a page loads is not. */
START_TEST(pages_are_told_from_what_they_load) {
    static const struct {
        const char *path, *accept;
        bool is_wanted;
    } cases[] = {
        {"/a", NULL, true},
        {"/a/", NULL, true},
        {"/a.b/c", NULL, true},
        {"/a.js", NULL, false},
        {"/a", "*/*", true},
        {"/a.js", "*/*", false},
        {"/a", "text/*", true},
        {"/john.doe", "text/html,application/xhtml+xml,*/*;q=0.8", true},
        {"/a", "text/html;q=0, */*", false},
        {"/a", "application/json", false},
        {"/a", "application/json, */*;q=0", false},
        {"/a", "image/avif,image/webp,*/*;q=0.8", true},
        {"/a.png", "image/avif,image/webp,*/*;q=0.8", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(wants_page(cases[i].path, cases[i].accept) == cases[i].is_wanted, "%s, %s",
                      cases[i].path, cases[i].accept != NULL ? cases[i].accept : "-");
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("serve policy");
    ck_add(suite, "policy", dotted_names_are_hidden, patterns_hide_names_on_the_way,
           there_is_room_for_all_names);
    ck_add(suite, "accept", weights_are_read, pages_are_told_from_what_they_load);
    return suite;
}
