/* check.c: as much of libcheck 0.15 behind its own check.h as the tests use, for machines whose
 * Debian has no libcheck, and for other C libraries. Each test runs in a child that leads a process
 * group, as there; what the group leaves behind is killed.
 *
 * TESTS_SKIP names tests, each between spaces, that are passed over; TESTS_ONLY those that alone
 * run; CK_TIMEOUT_MULTIPLIER, CK_FORK and CK_VERBOSITY=verbose are as in libcheck. */
#include <check.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FUNCTIONS_MAX = 128, CASES_MAX = 64, SUITES_MAX = 8 };

struct function {
    const TTest *test;
    int signal, status; /* how it has to end */
    int first, end;     /* `_i` of each run */
};

struct TCase {
    const char *name;
    double timeout_s;
    SFun setup, teardown;
    int count;
    struct function functions[FUNCTIONS_MAX];
};

struct Suite {
    const char *name;
    int count;
    TCase *cases[CASES_MAX];
};

struct SRunner {
    int count;
    Suite *suites[SUITES_MAX];
    enum fork_status fork;
    int run, failed, skipped;
};

static const char *running_name = "(none)";
static volatile pid_t running; /* the child, for the handler of the alarm */
static volatile sig_atomic_t is_late;

static void *zeroed(size_t size) {
    void *memory = calloc(1, size);
    if (memory == NULL) abort();
    return memory;
}

static void full(const char *what) {
    fprintf(stderr, "check: more %s than there are places for\n", what);
    abort();
}

/* --- What a program says --- */

Suite *suite_create(const char *name) {
    Suite *suite = zeroed(sizeof *suite);
    suite->name = name;
    return suite;
}

TCase *tcase_create(const char *name) {
    TCase *it = zeroed(sizeof *it);
    it->name = name;
    it->timeout_s = 4;
    return it;
}

void suite_add_tcase(Suite *suite, TCase *it) {
    if (suite->count == CASES_MAX) full("cases");
    suite->cases[suite->count++] = it;
}

void tcase_set_timeout(TCase *it, double timeout) {
    it->timeout_s = timeout;
}

void tcase_add_checked_fixture(TCase *it, SFun setup, SFun teardown) {
    if (it->setup != NULL || it->teardown != NULL) full("fixtures");
    it->setup = setup;
    it->teardown = teardown;
}

void _tcase_add_test(TCase *it, const TTest *test, int signal, int status, int first, int end) {
    if (it->count == FUNCTIONS_MAX) full("tests");
    it->functions[it->count++] = (struct function){test, signal, status, first, end};
}

const char *tcase_name(void) {
    return running_name;
}

void _mark_point(const char *file, int line) {
    (void)file;
    (void)line;
}

void _ck_assert_failed(const char *file, int line, const char *expression, const char *format,
                       ...) {
    char text[4096] = "";
    va_list list;
    va_start(list, format);
    if (format != NULL) vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fflush(stdout);
    fprintf(stderr, "%s:%d: %s: %s\n", file, line, running_name,
            format != NULL ? text : expression);
    exit(EXIT_FAILURE);
}

/* --- Running --- */

static void on_alarm(int number) {
    (void)number;
    int saved = errno;
    is_late = 1;
    if (running > 0) kill(-running, SIGKILL);
    errno = saved;
}

static void run_in_child(const TCase *it, const struct function *function, int i) {
    if (it->setup != NULL) it->setup();
    function->test->fn(i);
    if (it->teardown != NULL) it->teardown();
    exit(EXIT_SUCCESS);
}

static bool has_ended_well(const struct function *function, int status) {
    if (function->signal != 0) return WIFSIGNALED(status) && WTERMSIG(status) == function->signal;
    return WIFEXITED(status) && WEXITSTATUS(status) == function->status;
}

/* The group is made on both sides, as either may come first. */
static bool run_apart(const TCase *it, const struct function *function, int i) {
    const char *factor = getenv("CK_TIMEOUT_MULTIPLIER");
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        run_in_child(it, function, i);
    }
    if (child < 0) return false;
    setpgid(child, child);
    running = child;
    is_late = 0;
    alarm((unsigned)(it->timeout_s * (factor != NULL ? atof(factor) : 1)) + 1);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
    alarm(0);
    running = 0;
    kill(-child, SIGKILL);
    if (is_late || !has_ended_well(function, status)) {
        fprintf(stderr, "%s:%d: %s: %s, %s %d\n", function->test->file, function->test->line,
                function->test->name, is_late ? "took too long" : "failed",
                WIFSIGNALED(status) ? "signal" : "status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        return false;
    }
    return true;
}

static bool is_listed(const char *variable, const char *name, bool otherwise) {
    const char *list = getenv(variable);
    if (list == NULL || *list == 0) return otherwise;
    for (size_t length = strlen(name); (list = strstr(list, name)) != NULL; list += length)
        if (list[-1] == ' ' && list[length] == ' ') return true;
    return false;
}

static void run_function(SRunner *runner, const TCase *it, const struct function *function) {
    const char *name = function->test->name, *verbosity = getenv("CK_VERBOSITY");
    if (is_listed("TESTS_SKIP", name, false) || !is_listed("TESTS_ONLY", name, true)) {
        runner->skipped++;
        return;
    }
    running_name = name;
    for (int i = function->first; i < function->end; i++) {
        fflush(NULL);
        runner->run++;
        bool is_right = true;
        if (runner->fork == CK_FORK) {
            is_right = run_apart(it, function, i);
        } else {
            if (it->setup != NULL) it->setup();
            function->test->fn(i);
            if (it->teardown != NULL) it->teardown();
        }
        if (!is_right) runner->failed++;
        if (verbosity != NULL && strcmp(verbosity, "verbose") == 0)
            printf("%s: %s %d\n", is_right ? "passed" : "FAILED", name, i);
    }
}

SRunner *srunner_create(Suite *suite) {
    SRunner *runner = zeroed(sizeof *runner);
    const char *way = getenv("CK_FORK");
    runner->fork = way != NULL && strcmp(way, "no") == 0 ? CK_NOFORK : CK_FORK;
    runner->suites[runner->count++] = suite;
    return runner;
}

enum fork_status srunner_fork_status(SRunner *runner) {
    return runner->fork;
}

void srunner_run_all(SRunner *runner, enum print_output output) {
    (void)output;
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    for (int i = 0; i < runner->count; i++)
        for (int j = 0; j < runner->suites[i]->count; j++) {
            const TCase *it = runner->suites[i]->cases[j];
            for (int k = 0; k < it->count; k++) run_function(runner, it, &it->functions[k]);
        }
    printf("Checks: %d, Failures: %d, Skipped: %d\n", runner->run, runner->failed, runner->skipped);
}

int srunner_ntests_failed(SRunner *runner) {
    return runner->failed;
}

void srunner_free(SRunner *runner) {
    for (int i = 0; i < runner->count; i++) {
        for (int j = 0; j < runner->suites[i]->count; j++) free(runner->suites[i]->cases[j]);
        free(runner->suites[i]);
    }
    free(runner);
}
