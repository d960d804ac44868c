/* Listings of eddy serve as a browser and a bad neighbour see them: in each order, of whatever
 * names and links, and while the directory changes. */
#include "fifo.h"
#include "listing.h"

static void expect_in_order(const char *page, const char *const *pieces, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *at = strstr(page, pieces[i]);
        ck_assert_msg(at != NULL, "no %s, or not in its place, in %s", pieces[i], page);
        page = at + strlen(pieces[i]);
    }
}

/* --- Order --- */

START_TEST(the_heads_of_the_columns_sort) {
    static const struct {
        const char *query, *pieces[7];
    } cases[] = {
        {"", {"aria-sort=\"ascending\"><a href=\"?sort=name", "./sub/\"", "./a2", "./a10", "./b"}},
        {"?sort=name&order=desc", {"aria-sort=\"descending\"", "./sub/?", "./b", "./a10", "./a2"}},
        {"?sort=size&order=asc",
         {"Name</a>", "aria-sort=\"ascending\"", "./sub/?", "./b", "./a2", "./a10"}},
        {"?sort=size&order=desc",
         {"aria-sort=\"descending\"", "./sub/?sort=size&amp;order=desc\"", "./a10", "./a2", "./b"}},
        {"?sort=date&order=desc", {"Size</a>", "aria-sort=", "./sub/?", "./a2", "./b", "./a10"}},
        {"?sort=%73ize&x=y&order=nonsense", {"Name</a>", "aria-sort=\"ascending\"", "./b"}},
        {"?sort=nonsense&order=", {"ascending", "./sub/\"", "./a2", "./a10", "./b"}},
        {"?sort=%zz&order=%00", {"ascending", "./sub/\"", "./a2", "./a10", "./b"}},
        {"?sort=sizesizesizesizesizesize", {"ascending", "./sub/\"", "./a2", "./a10", "./b"}},
    };
    char path[128];
    make_directory(root, "dir");
    make_directory(root, "dir/sub");
    make_pattern(root, "dir/a10", 300);
    make_pattern(root, "dir/a2", 20);
    make_pattern(root, "dir/b", 1);
    int dir = open_root("dir");
    for (int i = 0; i < 3; i++) {
        static const char *const by_date[] = {"a10", "b", "a2"};
        struct timespec times[2] = {{1000000000 + i, 0}, {1000000000 + i, 0}};
        ck_assert_int_eq(utimensat(dir, by_date[i], times, 0), 0);
    }
    close(dir);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t count = 0;
        while (count < 7 && cases[i].pieces[count] != NULL) count++;
        snprintf(path, sizeof path, "/dir/%s", cases[i].query);
        struct reply *reply = get(path);
        const char *head = strstr(reply->body, "<thead>");
        ck_assert_ptr_nonnull(head);
        expect_in_order(head, cases[i].pieces, count);
        reply_free(reply);
    }
    struct reply *reply = get("/dir/sub/?sort=size&order=desc");
    ck_assert_ptr_nonnull(strstr(reply->body, "\"../?sort=size&amp;order=desc\">Parent"));
    reply_free(reply);
}
END_TEST

/* --- Names --- */

/* Whatever it is called: its link leads to it, and its text is no markup and turns nothing. */
START_TEST(hostile_names_are_names) {
    char longest[256];
    memset(longest, '"', 255);
    longest[255] = '\0';
    const char *const names[] = {
        "\xE2\x80\xAEtxt.exe",
        "\xff\xfe",
        "new\nline",
        "javascript:alert(1)",
        "<bdi><table>",
        "<!--",
        "?sort=size",
        "#top",
        "a\\b",
        "%2e%2e",
        "\x01\x7f",
        longest,
    };
    make_directory(root, "names");
    int dir = open_root("names");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) make_empty(dir, names[i]);
    make_empty(dir, ".hidden");
    close(dir);
    struct reply *reply = get("/names/");
    const char *page = strstr(reply->body, "<tbody>");
    ck_assert_ptr_null(strstr(page, "\xE2\x80\xAE"));
    ck_assert_ptr_null(strstr(page, "<!--"));
    ck_assert_ptr_null(strstr(page, ".hidden"));
    size_t rows = 0;
    static const char link[] = "<a href=\"./";
    for (const char *at = page; (at = strstr(at, link)) != NULL; rows++) {
        char path[1024];
        at += sizeof link - 1;
        ck_assert_int_eq(strncmp(strchr(at, '"'), "\"><bdi>", 7), 0);
        snprintf(path, sizeof path, "/names/%.*s", (int)strcspn(at, "\""), at);
        ck_assert_msg(ask_status(program.port, path) == 200, "%s is not there", path);
    }
    ck_assert_uint_eq(rows, sizeof names / sizeof names[0]);
    reply_free(reply);
}
END_TEST

/* A page far below has a bounded way back, whose root is the right one. */
START_TEST(a_deep_directory_has_a_way_back) {
    enum { DEPTH = 1500 };
    static char path[2 * DEPTH + 2], up[3 * DEPTH + 64];
    int dir = open_root("");
    for (int i = 0; i < DEPTH; i++) {
        ck_assert_int_eq(mkdirat(dir, "d", 0755), 0);
        int next = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(next, 0);
        close(dir);
        dir = next;
        strcat(path, "/d");
    }
    close(dir);
    strcat(path, "/");
#ifdef __linux__ /* other systems do not go so deep; see EDDY_BENEATH */
    struct reply *reply = get(path);
    strcpy(up, "<h1><a href=\"./");
    for (int i = 0; i < DEPTH; i++) strcat(up, "../");
    strcat(up, "\">root</a>");
    ck_assert_ptr_nonnull(strstr(reply->body, up));
    ck_assert_uint_lt(reply->size, 16 * 1024);
    reply_free(reply);
#endif
}
END_TEST

/* --- What else goes on --- */

static pid_t start_mover(int dir) {
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid > 0) return pid;
    for (unsigned i = 0;; i = (i + 1) % 1000) {
        char name[256], other[32];
        snprintf(name, sizeof name, MANY_NAME, i);
        snprintf(other, sizeof other, "other-%u.txt", i);
        if (renameat(dir, name, dir, other) != 0) (void)renameat(dir, other, dir, name);
    }
}

/* Names that vanish while they are looked at are left out, and the rest is there. */
START_TEST(a_directory_may_change_meanwhile) {
    make_many(1000);
    int dir = open_root("many");
    make_empty(dir, "stays");
    pid_t mover = start_mover(dir);
    for (int i = 0; i < 20; i++) {
        struct reply *reply = get("/many/");
        ck_assert_ptr_nonnull(strstr(reply->body, "\"./stays\""));
        reply_free(reply);
    }
    ck_assert_int_eq(kill(mover, SIGKILL), 0);
    ck_assert_int_eq(waitpid(mover, NULL, 0), mover);
    close(dir);
}
END_TEST

#ifdef O_PATH
/* Looking at what a link leads to is not opening it: the writer of a FIFO goes on waiting for its
 * reader, and what may not be read is shown. */
START_TEST(links_are_looked_at_and_not_opened) {
    make_directory(root, "links");
    struct fifo_writer writer = fifo_make(root, "fifo");
    make_link(root, "links/fifo", "../fifo");
    make_file(root, "secret", "x", 1);
    make_link(root, "links/secret", "../secret");
    make_link(root, "links/absolute", root);
    for (int i = 0; i < 20; i++) { /* it may take a while to get to its open */
        struct reply *reply = get("/links/");
        ck_assert_ptr_null(strstr(reply->body, "./fifo"));
        ck_assert_ptr_null(strstr(reply->body, "./absolute"));
        ck_assert_ptr_nonnull(strstr(reply->body, "\"./secret\""));
        reply_free(reply);
        fifo_expect_waiting(&writer);
    }
    ck_assert_int_eq(ask_status(program.port, "/links/absolute/"), 404);
    fifo_end(&writer);
}
END_TEST
#endif

/* The page of an error is of the same kind, and its link leads to the root from where it stands. */
START_TEST(errors_have_a_way_home) {
    static const char *const cases[][2] = {{"/nothing", "\"./\">Home"},
                                           {"/a/b/c?d=/e/", "\"./../../\">Home"},
                                           {"/%zz", "\"./\">Home"},
                                           {"*", "\"/\">Home"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reply *reply = ask(program.port, "GET", cases[i][0], "");
        ck_assert_int_ge(reply->status, 400);
        ck_assert_msg(strstr(reply->body, cases[i][1]) != NULL, "%s: %s", cases[i][0], reply->body);
        ck_assert_ptr_nonnull(strstr(reply->body, "prefers-color-scheme:dark"));
        reply_free(reply);
    }
}
END_TEST

Suite *make_suite(void) {
    const TTest *const tests[] = {
        the_heads_of_the_columns_sort,
        hostile_names_are_names,
        a_deep_directory_has_a_way_back,
        a_directory_may_change_meanwhile,
#ifdef O_PATH
        links_are_looked_at_and_not_opened,
#endif
        errors_have_a_way_home,
    };
    return listing_suite("listing_names", tests, sizeof tests / sizeof tests[0]);
}
