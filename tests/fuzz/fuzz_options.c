/* fuzz_options.c: the lines of any text as the arguments of `eddy serve`. They are read as options
 * that keep their limits, or there is a message that names the argument; nothing is printed. */
#include <eddy.h>
#include <errno.h>

#include "account.h"
#include "fuzz.h"
#include "host_name.h"
#include "serve_options.h"

enum {
    ARGUMENTS_MAX = 40,
    NAMED_BYTES = 60, /* of an argument, in a message that has to end */
    UNTOUCHED = 1,    /* what nobody prints */
};

static char printed[2][BUFSIZ]; /* the buffers of stdout and stderr */

static void watch_output(void) {
    static bool is_watching;
    if (!is_watching) {
        FUZZ_CHECK(setvbuf(stdout, printed[0], _IOFBF, sizeof printed[0]) == 0);
        FUZZ_CHECK(setvbuf(stderr, printed[1], _IOFBF, sizeof printed[1]) == 0);
    }
    is_watching = true;
    printed[0][0] = printed[1][0] = UNTOUCHED;
}

static bool is_backend(const char *name) {
    eddy_backend_info backend;
    for (size_t i = 0; eddy_backend_at(i, &backend) == 0; i++)
        if (strcmp(backend.name, name) == 0) return true;
    return false;
}

/* What would end a line of a head, or leave the directory, has been refused. */
static void check_policy(const struct policy_options *policy) {
    FUZZ_CHECK(policy->index_count <= POLICY_INDEXES_MAX);
    for (unsigned i = 0; i < policy->index_count; i++)
        FUZZ_CHECK(policy->indexes[i][0] != '\0' && strchr(policy->indexes[i], '/') == NULL);
    FUZZ_CHECK(policy->pattern_count <= POLICY_PATTERNS_MAX);
    FUZZ_CHECK(policy->field_count <= POLICY_FIELDS_MAX);
    for (unsigned i = 0; i < policy->field_count; i++) {
        size_t name_length, value_length;
        const char *value = policy_options_value(policy->fields[i], &name_length, &value_length);
        FUZZ_CHECK(name_length > 0 && strpbrk(policy->fields[i], "\r\n") == NULL);
        FUZZ_CHECK(value + value_length <= policy->fields[i] + strlen(policy->fields[i]));
    }
    FUZZ_CHECK(policy->page_count <= POLICY_PAGES_MAX);
    for (unsigned i = 0; i < policy->page_count; i++)
        FUZZ_CHECK(policy->pages[i].status >= 400 && policy->pages[i].status <= 599);
    FUZZ_CHECK(policy->fallback == NULL || policy->fallback[0] != '/');
    FUZZ_CHECK(policy->cache_control == NULL || strpbrk(policy->cache_control, "\r\n") == NULL);
}

/* USER or USER:GROUP, neither of them empty, and USER fits where it is looked up. */
static void check_user(const char *user) {
    if (user == NULL) return;
    const char *colon = strchr(user, ':');
    size_t length = colon != NULL ? (size_t)(colon - user) : strlen(user);
    FUZZ_CHECK(length > 0 && length < ACCOUNT_NAME_BYTES);
    FUZZ_CHECK(colon == NULL || (colon[1] != '\0' && strchr(colon + 1, ':') == NULL));
}

/* Each fits an address, and the mode is of one of them. */
static void check_locals(const struct options *options) {
    struct sockaddr_storage address;
    for (unsigned i = 0; i < options->local_count; i++)
        FUZZ_CHECK(options_local_address(options->locals[i], &address) > 0);
    FUZZ_CHECK(options->local_mode >= -1 && options->local_mode <= 0777);
    FUZZ_CHECK(options->local_mode == -1 || options->local_count > 0);
}

/* A request's path may be it. */
static void check_metrics(const char *path) {
    if (path == NULL) return;
    size_t length = strlen(path);
    FUZZ_CHECK(length >= 2 && path[0] == '/' && path[length - 1] != '/');
    FUZZ_CHECK(strstr(path, "//") == NULL && strpbrk(path, "%?#.\\ ") == NULL);
}

static void check_options(const struct options *options) {
    FUZZ_CHECK(options->directory != NULL && options->directory[0] != '\0');
    FUZZ_CHECK(options->host_count + options->local_count >= 1);
    FUZZ_CHECK(options->host_count <= HOSTS_MAX && options->local_count <= LOCALS_MAX);
    for (unsigned i = 0; i < options->host_count; i++) FUZZ_CHECK(host_is_valid(options->hosts[i]));
    check_locals(options);
    FUZZ_CHECK(options->backend == NULL || is_backend(options->backend));
    FUZZ_CHECK(options->port <= 65535);
    FUZZ_CHECK(options->loops >= 1 && options->loops <= 64);
    FUZZ_CHECK(options->pool_threads >= 1 && options->pool_threads <= 256);
    FUZZ_CHECK(options->connections_max <= 1000000);
    FUZZ_CHECK(options->connections_max == 0 || options->connections_max >= options->loops);
    FUZZ_CHECK(options->timeout_s >= 1 && options->timeout_s <= 86400);
    FUZZ_CHECK(options->grace_s <= 86400);
    FUZZ_CHECK(options->stats_s <= 86400);
    check_metrics(options->metrics);
    FUZZ_CHECK(options->watchdog_ms <= 3600000);
    check_user(options->user);
    check_policy(&options->policy);
}

/* How much of an argument a message must hold: as far as its value, and as far as there is room. */
static size_t named_bytes(const char *argument) {
    if (argument[0] == '-' && argument[1] != '-') return strnlen(argument, 2); /* -pVALUE */
    size_t length = strcspn(argument, "=");
    if (length == 0) length = strlen(argument);
    return length < NAMED_BYTES ? length : NAMED_BYTES;
}

/* One line, which holds one of the arguments. */
static void check_error(const char *error, size_t size, int argc, char **argv) {
    bool is_named = false;
    size_t length = strnlen(error, size);
    FUZZ_CHECK(length > 0 && length < size);
    for (int i = 0; i < argc && !is_named; i++) {
        size_t named = named_bytes(argv[i]);
        is_named = named > 0 ? memmem(error, length, argv[i], named) != NULL
                             : strncmp(error, "DIR is empty", 12) == 0;
    }
    FUZZ_CHECK(is_named);
}

static int split(char *text, char **argv) {
    int argc = 0;
    for (char *line = text; line != NULL && argc < ARGUMENTS_MAX; argc++) {
        char *end = strchr(line, '\n');
        if (end != NULL) *end++ = '\0';
        argv[argc] = line;
        line = end;
    }
    return argc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *argv[ARGUMENTS_MAX + 1] = {NULL}, error[256] = "";
    struct options options;
    char *text = malloc(size + 1);
    FUZZ_CHECK(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    int argc = size > 0 ? split(text, argv) : 0;
    watch_output();
    int err = options_parse(&options, argc, argv, error, sizeof error);
    FUZZ_CHECK(printed[0][0] == UNTOUCHED && printed[1][0] == UNTOUCHED);
    FUZZ_CHECK(err == 0 || err == -EINVAL);
    if (err == 0)
        check_options(&options);
    else
        check_error(error, sizeof error, argc, argv);
    free(text);
    return 0;
}
