/* fuzz_options.c: the lines of any text as the arguments of `eddy serve`. They are read as options
 * that keep their limits, or there is a message that names the argument; nothing is printed. */
#include <eddy.h>
#include <errno.h>

#include "fuzz.h"
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

static void check_options(const struct options *options) {
    struct sockaddr_storage address;
    FUZZ_CHECK(options->directory != NULL && options->directory[0] != '\0');
    FUZZ_CHECK(eddy_address_parse(&address, options->host, options->port) > 0);
    FUZZ_CHECK(options->backend == NULL || is_backend(options->backend));
    FUZZ_CHECK(options->port <= 65535);
    FUZZ_CHECK(options->loops >= 1 && options->loops <= 64);
    FUZZ_CHECK(options->pool_threads >= 1 && options->pool_threads <= 256);
    FUZZ_CHECK(options->connections_max <= 1000000);
    FUZZ_CHECK(options->connections_max == 0 || options->connections_max >= options->loops);
    FUZZ_CHECK(options->timeout_s >= 1 && options->timeout_s <= 86400);
}

/* One line, which holds one of the arguments as far as its value, and as far as there is room. */
static void check_error(const char *error, size_t size, int argc, char **argv) {
    bool is_named = false;
    size_t length = strnlen(error, size);
    FUZZ_CHECK(length > 0 && length < size);
    for (int i = 0; i < argc && !is_named; i++) {
        size_t named = strcspn(argv[i], "=");
        if (named > NAMED_BYTES) named = NAMED_BYTES;
        if (named == 0) named = strnlen(argv[i], NAMED_BYTES);
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
