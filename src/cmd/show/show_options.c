/* show_options.c: see show_options.h. */
#include "show_options.h"

#include "command_line.h"

#include <eddy.h>
#include <errno.h>
#include <string.h>

static bool set_port(void *to, const char *value) {
    return command_line_number(value, 0, 65535, &((struct show_options *)to)->port);
}

static bool set_seconds(void *to, const char *value) {
    return command_line_number(value, 1, 86400, &((struct show_options *)to)->seconds);
}

static bool set_record(void *to, const char *value) {
    ((struct show_options *)to)->record = value;
    return *value != '\0';
}

static bool set_guide(void *to, const char *value) {
    ((struct show_options *)to)->guide = value;
    return *value != '\0';
}

static bool set_postgres(void *to, const char *value) {
    ((struct show_options *)to)->postgres = value;
    return true;
}

static bool set_backend(void *to, const char *value) {
    eddy_backend_info info;
    ((struct show_options *)to)->backend = value;
    for (size_t i = 0; eddy_backend_at(i, &info) == 0; i++)
        if (strcmp(info.name, value) == 0) return true;
    return false;
}

static bool set_open(void *to, const char *value) {
    (void)value;
    ((struct show_options *)to)->opens = true;
    return true;
}

static bool set_help(void *to, const char *value) {
    (void)value;
    ((struct show_options *)to)->wants_help = true;
    return true;
}

static const struct option_rule rules[] = {
    {"port", "N", "a number from 0 to 65535", set_port,
     "the port of the page; 0: one that is free (default 8020, or one" COMMAND_LINE_INDENT
     "that is free if that is not)"},
    {"backend", "NAME", "a backend of \"eddy backends\"", set_backend,
     "the loop waits with this one (default: the best)"},
    {"record", "FILE", "a file's name", set_record,
     "write what the page is told into FILE, for \"eddy show FILE\""},
    {"guide", "DIR", "a directory", set_guide,
     "serve the guide's pages below /guide/ (build/docs/guide)"},
    {"postgres", "CONNINFO", "a connection string", set_postgres,
     "the slow query asks this PostgreSQL, by psql"},
    {"seconds", "N", "a number from 1 to 86400", set_seconds, "end after so many seconds"},
    {"open", NULL, NULL, set_open, "have the browser open the page (xdg-open, or open)"},
    {"help", NULL, NULL, set_help, "print this"},
};
static const char *const letters[] = {"-p", "port", NULL};

static int take_argument(void *to, const char *argument, char *error, size_t error_size) {
    struct show_options *options = to;
    if (options->file == NULL) {
        options->file = argument;
        return 0;
    }
    snprintf(error, error_size, "one file at most, but \"%s\" comes after \"%s\"", argument,
             options->file);
    return -EINVAL;
}

static const struct command_line line = {
    .command = "eddy show",
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .letters = letters,
    .take_argument = take_argument,
};

int show_options_parse(struct show_options *options, int argc, char **argv, char *error,
                       size_t error_size) {
    *options = (struct show_options){.port = SHOW_PORT_USUAL};
    int err = command_line_parse(&line, options, argc, argv, error, error_size);
    if (err < 0 || options->wants_help || options->file == NULL) return err;
    if (options->record == NULL && options->postgres == NULL && options->backend == NULL) return 0;
    snprintf(error, error_size,
             "FILE is played as it is: --record, --postgres and --backend are "
             "for a loop that runs");
    return -EINVAL;
}

void show_options_help(FILE *out) {
    fputs(
        "usage: eddy show [options]\n"
        "       eddy show FILE [--port N] [--guide DIR] [--seconds N]\n\n"
        "Shows an event loop turning: prints the address of a page that draws its phases, timers,\n"
        "descriptors and pool, puts load on it, and has a button for each thing that one says of\n"
        "loops. With FILE the page plays what --record has written. Only this machine can open\n"
        "it. Ctrl-C ends it.\n\noptions:\n",
        out);
    command_line_help(&line, out);
}
