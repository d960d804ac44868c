/* options.c: the command line of `eddy serve`, read by a table.
 * A new option is one line in `rules` and one setter; the help and the messages follow from it.
 * Invariant: nothing is printed and nothing outside `*options` and `error` is changed, so that the
 * tests can call it. */
#include "options.h"

#include <eddy.h>
#include <errno.h>
#include <string.h>

struct rule {
    const char *name;  /* without its dashes */
    const char *value; /* what the help calls it; NULL: a switch */
    const char *wants; /* what would be right, for the messages */
    bool (*set)(struct options *options, const char *value);
    const char *help;
};

/* Digits and nothing else: strtoul would take " +7" and wrap "-1". */
static bool read_number(const char *text, unsigned min, unsigned max, unsigned *number) {
    uint64_t sum = 0;
    if (*text == '\0') return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') return false;
        sum = sum * 10 + (uint64_t)(*text - '0');
        if (sum > max) return false;
    }
    if (sum < min) return false;
    *number = (unsigned)sum;
    return true;
}

static bool set_host(struct options *options, const char *value) {
    struct sockaddr_storage address;
    options->host = strcmp(value, "localhost") == 0 ? "127.0.0.1" : value;
    return eddy_address_parse(&address, options->host, 0) > 0;
}

static bool set_port(struct options *options, const char *value) {
    return read_number(value, 0, 65535, &options->port);
}

static bool set_backend(struct options *options, const char *value) {
    eddy_backend_info backend;
    options->backend = value;
    for (size_t i = 0; eddy_backend_at(i, &backend) == 0; i++)
        if (strcmp(backend.name, value) == 0) return true;
    return false;
}

static bool set_loops(struct options *options, const char *value) {
    return read_number(value, 1, 64, &options->loops);
}

static bool set_pool_threads(struct options *options, const char *value) {
    return read_number(value, 1, 256, &options->pool_threads);
}

static bool set_connections_max(struct options *options, const char *value) {
    return read_number(value, 1, 1000000, &options->connections_max);
}

static bool set_timeout(struct options *options, const char *value) {
    return read_number(value, 1, 86400, &options->timeout_s);
}

static bool set_log(struct options *options, const char *value) {
    options->log_common = strcmp(value, "common") == 0;
    return options->log_common || strcmp(value, "none") == 0;
}

static bool set_quiet(struct options *options, const char *value) {
    (void)value;
    return options->quiet = true;
}

static bool set_help(struct options *options, const char *value) {
    (void)value;
    return options->help = true;
}

static const struct rule rules[] = {
    {"host", "ADDRESS", "an IPv4 or IPv6 address", set_host,
     "listen on this address (default 127.0.0.1; 0.0.0.0 or :: for all)"},
    {"port", "N", "a number from 0 to 65535", set_port,
     "listen on this port (default 8080; 0 picks a free one)"},
    {"backend", "NAME", "a backend of this binary, which \"eddy backends\" lists", set_backend,
     "wait with this backend (default: the best of \"eddy backends\")"},
    {"loops", "N", "a number from 1 to 64", set_loops,
     "run so many loops, a thread and a listener each (default 1)"},
    {"pool-threads", "N", "a number from 1 to 256", set_pool_threads,
     "read files on at most so many threads (default 4)"},
    {"max-connections", "N", "a number from 1 to 1000000", set_connections_max,
     "serve so many at once, further ones wait (default: what\n"
     "                         the limit of open descriptors allows)"},
    {"timeout", "SECONDS", "a number from 1 to 86400", set_timeout,
     "give up on a client that is idle, has not sent its whole\n"
     "                         request or takes no data for so long (default 60)"},
    {"log", "none|common", "none or common", set_log,
     "write a line for each request to stdout (default none)"},
    {"quiet", NULL, "", set_quiet, "do not print the address that is served"},
    {"help", NULL, "", set_help, "print this"},
};

enum { RULES = sizeof rules / sizeof rules[0] };

static const struct rule *find_rule(const char *name, size_t length) {
    for (size_t i = 0; i < RULES; i++)
        if (strlen(rules[i].name) == length && memcmp(rules[i].name, name, length) == 0)
            return &rules[i];
    return NULL;
}

/* Reads the option at argv[*index], and its value, which may stand behind "=" or be the next
 * argument; moves *index to the last argument that was used. */
static int read_option(struct options *options, int argc, char **argv, int *index, char *error,
                       size_t error_size) {
    const char *name = argv[*index] + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    const struct rule *rule = find_rule(name, length);
    if (rule == NULL) {
        snprintf(error, error_size, "unknown option \"%.*s\"; \"eddy serve --help\" lists them",
                 (int)length + 2, argv[*index]);
        return -EINVAL;
    }
    if (rule->value == NULL && value != NULL) {
        snprintf(error, error_size, "--%s takes no value, but was given \"%s\"", rule->name, value);
        return -EINVAL;
    }
    if (rule->value != NULL && value == NULL) {
        if (*index + 1 == argc) {
            snprintf(error, error_size, "--%s wants %s behind it", rule->name, rule->wants);
            return -EINVAL;
        }
        value = argv[++*index];
    }
    if (!rule->set(options, value)) {
        snprintf(error, error_size, "--%s: \"%s\" is not %s", rule->name, value, rule->wants);
        return -EINVAL;
    }
    return 0;
}

static int take_directory(struct options *options, const char *argument, char *error,
                          size_t error_size) {
    if (options->directory != NULL) {
        snprintf(error, error_size, "one DIR can be served, but there are \"%s\" and \"%s\"",
                 options->directory, argument);
        return -EINVAL;
    }
    if (argument[0] == '\0') {
        snprintf(error, error_size, "DIR is empty; \".\" is the current directory");
        return -EINVAL;
    }
    options->directory = argument;
    return 0;
}

int options_parse(struct options *options, int argc, char **argv, char *error, size_t error_size) {
    bool options_end = false;
    *options = (struct options){
        .host = "127.0.0.1",
        .port = 8080,
        .loops = 1,
        .pool_threads = 4,
        .timeout_s = 60,
    };
    for (int i = 0; i < argc; i++) {
        const char *argument = argv[i];
        int err;
        if (options_end || argument[0] != '-' || argument[1] == '\0') {
            err = take_directory(options, argument, error, error_size);
        } else if (strcmp(argument, "--") == 0) {
            options_end = true;
            continue;
        } else if (strcmp(argument, "-h") == 0) {
            options->help = true;
            continue;
        } else if (argument[1] == '-') {
            err = read_option(options, argc, argv, &i, error, error_size);
        } else {
            snprintf(error, error_size, "unknown option \"%s\"; \"eddy serve --help\" lists them",
                     argument);
            err = -EINVAL;
        }
        if (err < 0) return err;
    }
    if (options->directory == NULL) options->directory = ".";
    if (options->connections_max != 0 && options->connections_max < options->loops) {
        snprintf(error, error_size,
                 "--max-connections: \"%u\" is not at least one for each of the "
                 "%u loops",
                 options->connections_max, options->loops);
        return -EINVAL;
    }
    return 0;
}

void options_help(FILE *out) {
    fputs("usage: eddy serve [options] [DIR]\n\n"
          "Serves the files below DIR (default: the current directory) over HTTP/1.1.\n"
          "SIGINT and SIGTERM let running transfers finish, for 10 seconds at most.\n\n"
          "options:\n",
          out);
    for (size_t i = 0; i < RULES; i++) {
        char name[32];
        snprintf(name, sizeof name, "--%s %s", rules[i].name,
                 rules[i].value != NULL ? rules[i].value : "");
        fprintf(out, "  %-22s %s\n", name, rules[i].help);
    }
}
