/* spawn_path.c: which file a child runs, and the errno when it is none. */
#include "sanitized.h"
#include "spawned.h"

#include <sys/stat.h>

extern char **environ; /* not every system's headers have it */

static char place[64]; /* a directory, with these in it: */

static const char *path_in(const char *name) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", place, name);
    return path;
}

static void make_file(const char *name, const char *text, unsigned mode) {
    int fd = open(path_in(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    put(fd, text);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

static const char *const names[] = {"a/tool", "b/tool", "c/tool", "plain", "text",
                                    "lost",   "circle", "no/odd", "tool",  "script"};
static const char *const directories[] = {"a", "b", "c", "no"};

static void place_make(void) {
    strcpy(place, "/tmp/eddy-spawn-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(place));
    for (int i = 0; i < 4; i++) ck_assert_int_eq(mkdir(path_in(directories[i]), 0700), 0);
    ck_assert_int_eq(mkdir(path_in("a/odd"), 0700), 0);
    make_file("a/tool", "#!/bin/sh\nexit 1\n", 0600); /* may not be run */
    make_file("b/tool", "#!/bin/sh\nexit 2\n", 0700);
    make_file("c/tool", "#!/bin/sh\nexit 3\n", 0700);
    make_file("tool", "#!/bin/sh\nexit 4\n", 0700);
    make_file("plain", "#!/bin/sh\nexit 5\n", 0600);
    make_file("text", "echo no program\n", 0700);
    make_file("lost", "#!/nothing/there\n", 0700);
    make_file("no/odd", "nothing\n", 0700);
    make_file("script", "#!/bin/sh\necho \"$0 $1\"\nexit 6\n", 0700);
    ck_assert_int_eq(symlink("circle", path_in("circle")), 0);
}

static void place_remove(void) {
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unlink(path_in(names[i]));
    rmdir(path_in("a/odd"));
    for (int i = 0; i < 4; i++) rmdir(path_in(directories[i]));
    ck_assert_int_eq(rmdir(place), 0);
}

/* Runs `file`, looked for along `path` (NULL: no PATH at all); returns its exit status or -errno.
 */
static int run_along(const char *file, const char *path) {
    static char variable[8192];
    char *arguments[] = {(char *)(uintptr_t)file, NULL};
    char *environment[] = {(char[]){"PATHS=/no"}, variable, (char[]){"PATH=/second/one"}, NULL};
    if (path != NULL) snprintf(variable, sizeof variable, "PATH=%s", path);
    if (path == NULL) environment[1] = NULL;
    eddy_child_options options = {
        .arguments = arguments, .environment = environment, .directory = place};
    int err = eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd);
    if (err < 0) return err;
    spawned_wait();
    ck_assert(WIFEXITED(spawned.status));
    return WEXITSTATUS(spawned.status);
}

static const char *along(const char *const *entries) {
    static char path[4096];
    path[0] = '\0';
    for (int i = 0; entries[i] != NULL; i++) {
        if (i > 0) strcat(path, ":");
        if (entries[i][0] != '\0') strcat(path, path_in(entries[i]));
    }
    return path;
}
#define ALONG(...) along((const char *const[]){__VA_ARGS__, NULL})

START_TEST(the_first_that_can_be_run_is_run) {
    place_make();
    ck_assert_int_eq(run_along("tool", ALONG("b", "c")), 2);
    ck_assert_int_eq(run_along("tool", ALONG("c", "b")), 3);
    ck_assert_int_eq(run_along("tool", ALONG("a", "c", "b")), 3);
    ck_assert_int_eq(run_along("tool", ALONG("missing", "plain", "circle", "c")), 3);
    ck_assert_int_eq(run_along("tool", ALONG("", "c")), 4); /* an empty one is `directory` */
    ck_assert_int_eq(run_along("tool", ALONG("missing", "", "c")), 4);
    ck_assert_int_eq(run_along("tool", ALONG("missing", "")), 4);
    ck_assert_int_eq(run_along("tool", ""), 4);
    ck_assert_int_eq(run_along("tool", "b"), 2); /* and a relative one starts there */
    ck_assert_int_eq(run_along("./tool", "/no"), 4);
    ck_assert_int_eq(run_along("c/tool", "/no"), 3);
    place_remove();
}
END_TEST

START_TEST(what_is_not_found_says_why) {
    static char component[400], many[8000];
    place_make();
    ck_assert_int_eq(run_along("tool", ALONG("missing", "plain")), -ENOENT);
    ck_assert_int_eq(run_along("tool", ALONG("a", "missing")), -EACCES);
    ck_assert_int_eq(run_along("tool", ALONG("missing", "a", "circle")), -EACCES);
    ck_assert_int_eq(run_along("odd", ALONG("a")), -EACCES); /* a directory */
    ck_assert_int_eq(run_along("odd", ALONG("a", "no")), -ENOEXEC);
    ck_assert_int_eq(run_along("", ALONG("b")), -ENOENT);
    memset(component, 'x', sizeof component - 1);
    ck_assert_int_eq(run_along(component, ALONG("b")), -ENAMETOOLONG);
    ck_assert_int_eq(run_along("tool", component), -ENAMETOOLONG);
    snprintf(many, sizeof many, "%s:%s/b", component, place);
    ck_assert_int_eq(run_along("tool", many), 2);
    memset(many, ':', sizeof many - 6);
    strcpy(many + sizeof many - 6, "/no");
    ck_assert_int_eq(run_along("nothing", many), -ENOENT);
    place_remove();
}
END_TEST

/* Not that of this process; without one the system's directories. */
START_TEST(the_path_is_that_of_the_new_environment) {
    place_make();
    setenv("PATH", path_in("b"), 1);
    ck_assert_int_eq(run_along("tool", ALONG("c")), 3);
    ck_assert_int_eq(run_along("tool", NULL), -ENOENT);
    ck_assert_int_eq(run_along("true", NULL), 0);
    char *arguments[] = {(char[]){"tool"}, NULL};
    eddy_child_options options = {.arguments = arguments}; /* this process's, which is passed on */
    ck_assert_int_eq(eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd), 0);
    spawned_wait();
    ck_assert_int_eq(WEXITSTATUS(spawned.status), 2);
    environ = NULL;
    arguments[0] = (char[]){"true"};
    ck_assert_int_eq(eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd), 0);
    spawned_wait();
    ck_assert_int_eq(spawned.status, 0);
    place_remove();
}
END_TEST

/* In its order, with what is there twice and what is no variable. */
START_TEST(the_environment_is_passed_on_as_it_is) {
    char *environment[] = {(char[]){"B=2"}, (char[]){"A=1"}, (char[]){"B=3"}, (char[]){"odd"},
                           NULL};
    char *nothing[] = {NULL};
    eddy_child_options options = {.environment = environment};
    ck_assert_str_eq(look(options, "environment"), "B=2 A=1 B=3 odd \n");
    options.environment = nothing;
    ck_assert_str_eq(look(options, "environment"), "\n");
    options.environment = NULL;
    setenv("EDDY_TEST", "here", 1);
    ck_assert_ptr_nonnull(strstr(look(options, "environment"), "EDDY_TEST=here "));
}
END_TEST

START_TEST(the_file_need_not_be_the_first_argument) {
    char *arguments[] = {(char[]){"other"}, (char[]){"word"}, NULL};
    int ends[2];
    place_make();
    test_pipe(ends);
    struct eddy_os_child_fd map = {.number = 1, .fd = ends[1]};
    eddy_child_options options = {.file = "./script", .arguments = arguments, .directory = place};
    ck_assert_int_eq(eddy_os_spawn(&options, &map, 1, &spawned.pid, &spawned.pidfd), 0);
    close(ends[1]);
    spawned_read(ends[0]);
    close(ends[0]);
    spawned_wait();
    ck_assert_int_eq(WEXITSTATUS(spawned.status), 6);
    ck_assert_str_eq(spawned.answer, "./script word\n");
    place_remove();
}
END_TEST

/* Nothing is left of what exec has refused: no zombie, no descriptor; and it is no exit 127.
 * valgrind 3.19 takes some errors of exec for fatal. */
START_TEST(what_exec_refuses_is_the_error) {
    static const struct {
        const char *file;
        int error;
    } rows[] = {
        {"./nothing", ENOENT}, {"./plain", EACCES},         {"./a", EACCES},
        {"./text", ENOEXEC},   {"./plain/x", ENOTDIR},      {"./lost", ENOENT},
        {"./circle", ELOOP},   {"/nothing/at/all", ENOENT},
    };
    bool is_valgrind = getenv("EDDY_TEST_SLOW") != NULL;
    place_make();
    int before = descriptors_open(256);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (is_valgrind && strcmp(rows[i].file, "./lost") == 0) continue;
        ck_assert_int_eq(run_along(rows[i].file, "/bin"), -rows[i].error);
        ck_assert(has_no_children());
    }
    static char large[4 << 20];
    memset(large, 'x', sizeof large - 1);
    char *arguments[] = {(char[]){"/bin/true"}, large, NULL};
    eddy_child_options options = {.arguments = arguments};
    if (!is_valgrind)
        ck_assert_int_eq(eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd), -E2BIG);
    arguments[1] = NULL;
    options.directory = path_in("nothing");
    ck_assert_int_eq(eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd), -ENOENT);
    options.directory = path_in("plain");
    ck_assert_int_eq(eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd), -ENOTDIR);
    ck_assert(has_no_children());
    ck_assert_int_eq(descriptors_open(256), before);
    place_remove();
}
END_TEST

START_TEST(very_many_failures_leave_nothing) {
    enum { ROUNDS = 10000 };
    int rounds = IS_SANITIZED || getenv("EDDY_TEST_SLOW") != NULL ? ROUNDS / 50 : ROUNDS;
    char *arguments[] = {(char[]){"/nothing/there"}, NULL};
    eddy_child_options options = {.arguments = arguments};
    int before = descriptors_open(256);
    for (int i = 0; i < rounds; i++)
        ck_assert(eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd) == -ENOENT);
    ck_assert_int_eq(descriptors_open(256), before);
    ck_assert(has_no_children());
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("the file of a child");
    ck_add(suite, "path", the_first_that_can_be_run_is_run, what_is_not_found_says_why,
           the_path_is_that_of_the_new_environment, the_environment_is_passed_on_as_it_is,
           the_file_need_not_be_the_first_argument);
    ck_add(suite, "errors", what_exec_refuses_is_the_error, very_many_failures_leave_nothing);
    return suite;
}
