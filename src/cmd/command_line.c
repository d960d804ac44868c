/* command_line.c: see command_line.h. */
#include "command_line.h"

#include <errno.h>
#include <string.h>

/* strtoul would take " +7" and wrap "-1". */
bool command_line_number(const char *text, unsigned min, unsigned max, unsigned *number) {
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

static const struct option_rule *find_rule(const struct command_line *line, const char *name,
                                           size_t length) {
    for (size_t i = 0; i < line->rule_count; i++) {
        const struct option_rule *rule = &line->rules[i];
        if (strlen(rule->name) == length && memcmp(rule->name, name, length) == 0) return rule;
    }
    return NULL;
}

static int unknown(const struct command_line *line, const char *option, size_t length, char *error,
                   size_t error_size) {
    snprintf(error, error_size, "unknown option \"%.*s\"; \"%s --help\" lists them", (int)length,
             option, line->command);
    return -EINVAL;
}

/* Reads the option at argv[*index], and its value, which may stand behind "=" or be the next
 * argument; moves *index to the last argument that was used. */
static int read_option(const struct command_line *line, void *options, int argc, char **argv,
                       int *index, char *error, size_t error_size) {
    const char *name = argv[*index] + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    const struct option_rule *rule = find_rule(line, name, length);
    if (rule == NULL) return unknown(line, argv[*index], length + 2, error, error_size);
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

static int read_short(const struct command_line *line, void *options, const char *argument,
                      char *error, size_t error_size) {
    const struct option_rule *help = find_rule(line, "help", strlen("help"));
    if (strcmp(argument, "-h") != 0 || help == NULL || !help->set(options, NULL))
        return unknown(line, argument, strlen(argument), error, error_size);
    return 0;
}

int command_line_parse(const struct command_line *line, void *options, int argc, char **argv,
                       char *error, size_t error_size) {
    bool options_end = false;
    for (int i = 0; i < argc; i++) {
        const char *argument = argv[i];
        int err = 0;
        if (options_end || argument[0] != '-' || argument[1] == '\0')
            err = line->take_argument(options, argument, error, error_size);
        else if (strcmp(argument, "--") == 0)
            options_end = true;
        else if (argument[1] == '-')
            err = read_option(line, options, argc, argv, &i, error, error_size);
        else
            err = read_short(line, options, argument, error, error_size);
        if (err < 0) return err;
    }
    return 0;
}

void command_line_help(const struct command_line *line, FILE *out) {
    for (size_t i = 0; i < line->rule_count; i++) {
        const struct option_rule *rule = &line->rules[i];
        char name[32];
        snprintf(name, sizeof name, "--%s %s", rule->name, rule->value != NULL ? rule->value : "");
        fprintf(out, "  %-22s %s\n", name, rule->help);
    }
}
