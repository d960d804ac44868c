/* merge.c: `eddy bench merge`: a page of the reports of several machines, or of one run that was
 * killed before it could write its own. */
#include "merge.h"
#include "command_line.h"
#include "report_page.h"

#include <errno.h>
#include <string.h>

struct options {
    const char *output;
    const char *directories[PANELS_RUNS_MAX];
    size_t count;
    bool help;
};

/* --- The command line --- */

static bool set_output(void *to, const char *value) {
    ((struct options *)to)->output = value;
    return value[0] != '\0';
}

static bool set_help(void *to, const char *value) {
    (void)value;
    return ((struct options *)to)->help = true;
}

static int take_directory(void *to, const char *argument, char *error, size_t error_size) {
    struct options *options = to;
    if (options->count == PANELS_RUNS_MAX) {
        snprintf(error, error_size, "more than %d reports do not fit beside each other",
                 PANELS_RUNS_MAX);
        return -EINVAL;
    }
    options->directories[options->count++] = argument;
    return 0;
}

static const struct option_rule rules[] = {
    {"output", "FILE", "the name of a file to be written", set_output,
     "write the page to FILE (default: print it)"},
    {"help", NULL, "", set_help, "print this"},
};

static const struct command_line line = {
    .command = "eddy bench merge",
    .rules = rules,
    .rule_count = sizeof rules / sizeof rules[0],
    .take_argument = take_directory,
};

static void help(void) {
    fputs("usage: eddy bench merge [options] DIR [DIR ...]\n\n"
          "Makes one page of the reports that \"--report DIR\" of the same bench has left on "
          "several machines: the\nsame charts beside each other, with one axis, the figures, and "
          "what the machines are. A machine has\nthe name of its directory. What not all have "
          "measured is left out, and told.\n\nOf one report it makes the page anew: a run that was "
          "killed has left its samples, but no page.\n\noptions:\n",
          stdout);
    command_line_help(&line, stdout);
}

/* --- The reports --- */

/* The last part of a path, without slashes at its end. */
static void name_of(const char *path, char *name, size_t size) {
    size_t end = strlen(path), begin;
    while (end > 1 && path[end - 1] == '/') end--;
    for (begin = end; begin > 0 && path[begin - 1] != '/';) begin--;
    snprintf(name, size, "%.*s", (int)(end - begin), path + begin);
}

/* Two that are in directories of the same name are told apart by their numbers. */
static void name_all(const struct options *options, char names[][64]) {
    for (size_t i = 0; i < options->count; i++) {
        name_of(options->directories[i], names[i], sizeof names[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(names[i], names[k]) == 0) {
                snprintf(names[i] + (strlen(names[i]) < 58 ? strlen(names[i]) : 58), 6, " (%zu)",
                         i + 1);
                break;
            }
    }
}

static bool has_group(const struct report_source *source, const struct bench_case *it) {
    for (size_t i = 0; i < source->count; i++)
        if (panels_is_same_group(source->results[i].of, it)) return true;
    return false;
}

/* Whether the reports can stand beside each other; tells why not, and what is left out. */
static bool can_compare(const struct options *options, const struct report_source *sources) {
    size_t common = 0;
    for (size_t i = 0; i < options->count; i++) {
        if (strcmp(sources[i].raw.head.command, sources[0].raw.head.command) != 0) {
            fprintf(stderr,
                    "eddy: \"%s\" is of \"%s\" and \"%s\" of \"%s\"; reports of one bench can be "
                    "merged\n",
                    options->directories[0], sources[0].raw.head.command, options->directories[i],
                    sources[i].raw.head.command);
            return false;
        }
        for (size_t k = 0; k < sources[i].count; k++) {
            const struct bench_case *it = sources[i].results[k].of;
            bool is_next = k > 0 && panels_is_same_group(it, sources[i].results[k - 1].of);
            for (size_t other = 0; other < options->count && !is_next; other++) {
                if (has_group(&sources[other], it)) continue;
                fprintf(stderr, "eddy: left out: %s, %s, which \"%s\" does not have\n",
                        it->workload, it->setting, options->directories[other]);
                is_next = true;
            }
            common += !is_next;
        }
    }
    if (common == 0) fputs("eddy: the reports have no workload and setting in common\n", stderr);
    return common > 0;
}

static int write_page(const struct options *options, const struct report_source *sources) {
    char text[64];
    FILE *out = options->output != NULL ? fopen(options->output, "we") : stdout;
    int err = out == NULL ? -errno : report_page_write(out, sources, options->count);
    if (err == 0 && options->output != NULL && fflush(out) != 0) err = -errno;
    if (err == 0 && options->output != NULL && ferror(out)) err = -EIO;
    if (out != NULL && options->output != NULL && fclose(out) != 0 && err == 0) err = -errno;
    if (err == 0) return 0;
    fprintf(stderr, "eddy: --output: \"%s\" cannot be written: %s\n",
            options->output != NULL ? options->output : "-", eddy_strerror(err, text, sizeof text));
    return out == NULL ? 2 : 1;
}

static int merge(const struct options *options) {
    struct report_source sources[PANELS_RUNS_MAX];
    char names[PANELS_RUNS_MAX][64], error[1280] = "";
    size_t count = 0;
    int status = 0;
    name_all(options, names);
    while (count < options->count && status == 0) {
        const char *label = options->count > 1 ? names[count] : NULL;
        const char *directory = options->directories[count];
        if (report_source_read(&sources[count++], directory, label, error, sizeof error) < 0)
            status = 2;
    }
    if (status != 0)
        fprintf(stderr, "eddy: %s\n", error);
    else
        status = can_compare(options, sources) ? write_page(options, sources) : 2;
    for (size_t i = 0; i < count; i++) report_source_free(&sources[i]);
    return status;
}

int bench_merge_main(int argc, char **argv) {
    struct options options = {.output = NULL};
    char error[256];
    if (command_line_parse(&line, &options, argc, argv, error, sizeof error) < 0) {
        fprintf(stderr, "eddy: %s\n", error);
        return 2;
    }
    if (options.help) {
        help();
        return 0;
    }
    if (options.count == 0) {
        fputs("eddy: a report is missing; \"eddy bench merge --help\" tells more\n", stderr);
        return 2;
    }
    return merge(&options);
}
