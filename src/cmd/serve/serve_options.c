/* serve_options.c: the command line of `eddy serve`. */
#include "serve_options.h"

#include "command_line.h"

#include <eddy.h>
#include <errno.h>
#include <string.h>

#include "account.h"
#include "host_name.h"

static bool set_host(void *to, const char *value) {
    struct options *options = to;
    options->names_port = true;
    if (options->host_count == HOSTS_MAX) return false;
    options->hosts[options->host_count++] = value;
    return host_is_valid(value);
}

static bool set_port(void *to, const char *value) {
    struct options *options = to;
    options->names_port = true;
    return command_line_number(value, 0, 65535, &options->port);
}

static bool set_unix(void *to, const char *value) {
    struct options *options = to;
    struct sockaddr_storage address;
    if (options->local_count == LOCALS_MAX || value[0] == '\0') return false;
    options->locals[options->local_count++] = value;
    return options_local_address(value, &address) > 0;
}

static bool set_unix_mode(void *to, const char *value) {
    struct options *options = to;
    int mode = 0;
    size_t length = strlen(value);
    if (length < 3 || length > 4 || strspn(value, "01234567") != length) return false;
    for (; *value != '\0'; value++) mode = mode * 8 + (*value - '0');
    options->local_mode = mode;
    return mode <= 0777;
}

static bool set_backend(void *to, const char *value) {
    struct options *options = to;
    eddy_backend_info backend;
    options->backend = value;
    for (size_t i = 0; eddy_backend_at(i, &backend) == 0; i++)
        if (strcmp(backend.name, value) == 0) return true;
    return false;
}

static bool set_files(void *to, const char *value) {
    ((struct options *)to)->files = strcmp(value, "uring") == 0;
    return strcmp(value, "pool") == 0 || strcmp(value, "uring") == 0;
}

static bool set_loops(void *to, const char *value) {
    struct options *options = to;
    return command_line_number(value, 1, 64, &options->loops);
}

static bool set_pool_threads(void *to, const char *value) {
    struct options *options = to;
    return command_line_number(value, 1, 256, &options->pool_threads);
}

static bool set_connections_max(void *to, const char *value) {
    struct options *options = to;
    return command_line_number(value, 1, 1000000, &options->connections_max);
}

static bool set_timeout(void *to, const char *value) {
    struct options *options = to;
    return command_line_number(value, 1, 86400, &options->timeout_s);
}

static bool set_log(void *to, const char *value) {
    struct options *options = to;
    static const char *const formats[] = {
        [ACCESS_COMMON] = "common", [ACCESS_COMBINED] = "combined", [ACCESS_JSON] = "json"};
    options->log = false;
    if (strcmp(value, "none") == 0) return true;
    for (unsigned i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (strcmp(value, formats[i]) != 0) continue;
        options->log_format = (enum access_format)i;
        options->log = true;
    }
    return options->log;
}

static bool set_log_file(void *to, const char *value) {
    struct options *options = to;
    options->log_file = value;
    return value[0] != '\0';
}

static bool set_trust_proxy(void *to, const char *value) {
    struct options *options = to;
    (void)value;
    return options->trust_proxy = true;
}

static bool set_cache(void *to, const char *value) {
    struct options *options = to;
    (void)value;
    return options->cache = true;
}

static bool set_quiet(void *to, const char *value) {
    struct options *options = to;
    (void)value;
    return options->quiet = true;
}

static bool set_trace(void *to, const char *value) {
    return trace_request_parse(&((struct options *)to)->trace, value);
}

static bool set_grace(void *to, const char *value) {
    struct options *options = to;
    return command_line_number(value, 0, 86400, &options->grace_s);
}

static bool set_stats(void *to, const char *value) {
    struct options *options = to;
    return command_line_number(value, 1, 86400, &options->stats_s);
}

/* As a path is after it has been decoded, so that there is one way to ask for it. */
static bool set_metrics(void *to, const char *value) {
    struct options *options = to;
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_~/";
    size_t length = strlen(value);
    options->metrics = value;
    if (value[0] != '/' || length < 2 || value[length - 1] == '/') return false;
    for (const char *at = value; *at != '\0'; at++)
        if (*at == '/' && (at[1] == '/' || at[1] == '.')) return false;
    return value[strspn(value, plain)] == '\0';
}

static bool set_watchdog(void *to, const char *value) {
    struct options *options = to;
    return command_line_number(value, 1, 3600000, &options->watchdog_ms);
}

/* Whether there is somebody of that name is found out later. */
static bool set_user(void *to, const char *value) {
    struct options *options = to;
    size_t length = strcspn(value, ":");
    const char *group = value + length;
    options->user = value;
    if (length == 0 || length >= ACCOUNT_NAME_BYTES) return false;
    if (group[0] == '\0') return true;
    return group[1] != '\0' && strchr(group + 1, ':') == NULL;
}

/* --- What is served --- */

static struct policy_options *policy_of(void *to) {
    return &((struct options *)to)->policy;
}

static bool set_mime(void *to, const char *value) {
    policy_of(to)->mime_file = value;
    return value[0] != '\0';
}

static bool set_index(void *to, const char *value) {
    return policy_options_index(policy_of(to), value);
}

static bool set_hide(void *to, const char *value) {
    return policy_options_hide(policy_of(to), value);
}

static bool set_show_hidden(void *to, const char *value) {
    (void)value;
    return policy_of(to)->shows_hidden = true;
}

static bool set_header(void *to, const char *value) {
    return policy_options_field(policy_of(to), value);
}

static bool set_cors(void *to, const char *value) {
    (void)value;
    return policy_of(to)->allows_origins = true;
}

static bool set_cache_control(void *to, const char *value) {
    return policy_options_cache_control(policy_of(to), value);
}

static bool set_spa(void *to, const char *value) {
    return policy_options_fallback(policy_of(to), value);
}

static bool set_error_page(void *to, const char *value) {
    return policy_options_page(policy_of(to), value);
}

static bool set_follow_links(void *to, const char *value) {
    (void)value;
    return policy_of(to)->follows_links = true;
}

static bool set_precompressed(void *to, const char *value) {
    (void)value;
    return policy_of(to)->precompressed = true;
}

/* --- The table --- */

static bool set_help(void *to, const char *value) {
    struct options *options = to;
    (void)value;
    return options->help = true;
}

static const struct option_rule rules[] = {
    {"host", "HOST", "an IPv4 or IPv6 address or a host's name; 8 at most", set_host,
     "listen on this address, or all addresses of this name; may" COMMAND_LINE_INDENT
     "be given several times (default 127.0.0.1; 0.0.0.0 and" COMMAND_LINE_INDENT ":: for all)"},
    {"port", "N", "a number from 0 to 65535", set_port,
     "listen on this port (default 8080; 0 picks a free one)"},
    {"unix", "PATH", "a path that fits a socket's address, 107 bytes on Linux, or @NAME; 8 at most",
     set_unix,
     "listen on a local socket, and not on a port unless --host" COMMAND_LINE_INDENT
     "or --port is given too; @NAME is an abstract name of Linux;" COMMAND_LINE_INDENT
     "may be given several times"},
    {"unix-mode", "MODE", "permissions as 0660, three or four digits from 0 to 7, at most 0777",
     set_unix_mode,
     "permissions of those sockets: who may write may connect" COMMAND_LINE_INDENT
     "(default: what the umask leaves of 0777)"},
    {"backend", "NAME", "a backend of this binary, which \"eddy backends\" lists", set_backend,
     "wait with this backend (default: the best of \"eddy backends\")"},
    {"loops", "N", "a number from 1 to 64", set_loops,
     "run so many loops, a thread and a listener each (default 1)"},
    {"pool-threads", "N", "a number from 1 to 256", set_pool_threads,
     "read files on at most so many threads (default 4)"},
    {"files", "WHO", "\"pool\" or \"uring\"", set_files,
     "have what is not cached read by threads (pool, the default)" COMMAND_LINE_INDENT
     "or by the kernel (uring), where it lets us"},
    {"max-connections", "N", "a number from 1 to 1000000", set_connections_max,
     "serve so many at once, further ones wait (default: what" COMMAND_LINE_INDENT
     "the limit of open descriptors allows)"},
    {"timeout", "SECONDS", "a number from 1 to 86400", set_timeout,
     "give up on a client that is idle, has not sent its whole" COMMAND_LINE_INDENT
     "request or takes no data for so long (default 60)"},
    {"grace", "SECONDS", "a number from 0 to 86400", set_grace,
     "let running transfers go on for so long when stopped" COMMAND_LINE_INDENT "(default 10)"},
    {"index", "NAME", POLICY_WANTS_INDEX, set_index,
     "a directory is answered with this file of it; several are" COMMAND_LINE_INDENT
     "tried in order (default index.html; \"\" for none)"},
    {"hide", "PATTERN", POLICY_WANTS_PATTERN, set_hide,
     "answer 404 for names like *.bak, and for what is below" COMMAND_LINE_INDENT
     "them, and do not list them; may be given several times"},
    {"show-hidden", NULL, "", set_show_hidden,
     "serve names that begin with a dot as well; without it only" COMMAND_LINE_INDENT
     "/.well-known is"},
    {"follow-links", NULL, "", set_follow_links,
     "follow symbolic links that lead out of DIR, and absolute" COMMAND_LINE_INDENT
     "ones; without it only relative ones that stay inside are"},
    {"mime", "FILE", "a file like /etc/mime.types", set_mime,
     "media types that go before those that are built in, as" COMMAND_LINE_INDENT
     "/etc/mime.types has them"},
    {"header", "FIELD", "a field as \"Name: value\"; 32 at most", set_header,
     "add this field, \"Name: value\", to each answer; may be" COMMAND_LINE_INDENT
     "given several times"},
    {"cache-control", "VALUE", POLICY_WANTS_CACHE_CONTROL, set_cache_control,
     "what caches may do with files (default no-cache: ask each" COMMAND_LINE_INDENT
     "time whether they have changed; \"\" says nothing)"},
    {"cors", NULL, "", set_cors, "let scripts of all other sites read the answers"},
    {"spa", "FILE", POLICY_WANTS_FALLBACK, set_spa,
     "answer with this file of DIR where there is none, if a page" COMMAND_LINE_INDENT
     "may have been asked for"},
    {"error-page", "STATUS=FILE", POLICY_WANTS_PAGE, set_error_page,
     "answer that status with this file of DIR; may be given" COMMAND_LINE_INDENT "several times"},
    {"precompressed", NULL, "", set_precompressed,
     "answer with FILE.br, FILE.zst or FILE.gz where there is one" COMMAND_LINE_INDENT
     "and the client takes it"},
    {"cache", NULL, "", set_cache,
     "keep files open for a second, instead of opening them" COMMAND_LINE_INDENT
     "for each request; a file that was put in the place of" COMMAND_LINE_INDENT
     "another shows after that, what is written to it at once"},
    {"log", "FORMAT", "none, common, combined or json", set_log,
     "write a line for each request, in this format: none," COMMAND_LINE_INDENT
     "common, combined or json (default none)"},
    {"log-file", "FILE", "the name of a file", set_log_file,
     "append the lines to FILE, which SIGUSR1 opens anew" COMMAND_LINE_INDENT "(default: stdout)"},
    {"trust-proxy", NULL, "", set_trust_proxy,
     "log the last address of X-Forwarded-For as the client's"},
    {"trace", "FILE[,SECONDS]", TRACE_WANTS, set_trace,
     "write down what the loops do, from the start for so long" COMMAND_LINE_INDENT
     "(else to the end; 0: not before SIGPROF, which ends it or" COMMAND_LINE_INDENT
     "begins anew), as text (FILE.txt) or for ui.perfetto.dev"},
    {"stats", "SECONDS", "a number from 1 to 86400", set_stats,
     "say on stderr each so many seconds how all loops do"},
    {"metrics", "PATH", "a path as /metrics, of letters, digits, \"-\", \"_\", \"~\" and \"/\"",
     set_metrics,
     "answer this path with figures for Prometheus; whoever can" COMMAND_LINE_INDENT
     "ask for a file can ask for them"},
    {"watchdog", "MS", "a number from 1 to 3600000", set_watchdog,
     "say on stderr which callback has held up its loop for so long," COMMAND_LINE_INDENT
     "while it still does: what it serves, and where it stands"},
    {"user", "USER[:GROUP]", "a user or USER:GROUP, by name or number", set_user,
     "once it listens, and its files are open, go on as this user" COMMAND_LINE_INDENT
     "and not as root"},
    {"quiet", NULL, "", set_quiet, "do not print the address that is served"},
    {"help", NULL, "", set_help, "print this"},
};

static int take_directory(void *to, const char *argument, char *error, size_t error_size) {
    struct options *options = to;
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

static const char *const letters[] = {"-p", "port", NULL};

static const struct command_line line = {
    .command = "eddy serve",
    .letters = letters,
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .take_argument = take_directory,
};

/* What would have no effect is a mistake that nobody would notice. */
static int check_unix(const struct options *options, char *error, size_t error_size) {
    if (options->local_mode < 0 || options->local_count > 0) return 0;
    snprintf(error, error_size, "--unix-mode is of no use without --unix");
    return -EINVAL;
}

static int check_log(const struct options *options, char *error, size_t error_size) {
    if (options->log || (options->log_file == NULL && !options->trust_proxy)) return 0;
    snprintf(error, error_size, "%s is of no use without --log common, combined or json",
             options->log_file != NULL ? "--log-file" : "--trust-proxy");
    return -EINVAL;
}

int options_parse(struct options *options, int argc, char **argv, char *error, size_t error_size) {
    *options = (struct options){
        .port = 8080,
        .local_mode = -1,
        .loops = 1,
        .pool_threads = 4,
        .timeout_s = 60,
        .grace_s = 10,
    };
    int err = command_line_parse(&line, options, argc, argv, error, error_size);
    if (err < 0) return err;
    if (options->directory == NULL) options->directory = ".";
    if (options->host_count == 0 && (options->names_port || options->local_count == 0))
        options->hosts[options->host_count++] = "127.0.0.1";
    unsigned max = options->connections_max, loops = options->loops;
    if (max != 0 && max < loops) {
        snprintf(error, error_size,
                 "--max-connections: \"%u\" is not at least one for each of the %u loops", max,
                 loops);
        return -EINVAL;
    }
    err = check_unix(options, error, error_size);
    if (err == 0) err = check_log(options, error, error_size);
    return err < 0 ? err : policy_options_check(&options->policy, error, error_size);
}

void options_help(FILE *out) {
    fputs("usage: eddy serve [options] [DIR]\n\n"
          "Serves the files below DIR (default: the current directory) over HTTP/1.1.\n"
          "SIGINT and SIGTERM let running transfers finish, see --grace; a second one cuts them\n"
          "off. The exit status is 0 after a stop by signal, 1 if the system refuses something\n"
          "(a port in use, no such DIR), 2 if the command line, or a file that it names, is\n"
          "wrong.\n"
          "SIGUSR1 opens the file of the log anew, and SIGHUP DIR as well. SIGUSR2 starts the\n"
          "program anew, on the same sockets, and ends this process once that serves. Sockets of\n"
          "systemd (LISTEN_FDS) are listened on in place of --host, --port and --unix.\n\n"
          "options:\n",
          out);
    command_line_help(&line, out);
    fputs("\nTLS, HTTP/2, passwords, scripts and rewriting are not here, and will not be. Put a\n"
          "proxy in front for them (Caddy, nginx, HAProxy) and let this listen on 127.0.0.1 or "
          "--unix.\n",
          out);
}
