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

/* Where the reading stands. */
struct reading {
    const struct command_line *line;
    void *options;
    int argc, index; /* of the argument that is being read, and the last one used for it */
    char **argv;
    char *error;
    size_t error_size;
};

static int unknown(struct reading *reading, size_t length) {
    snprintf(reading->error, reading->error_size,
             "unknown option \"%.*s\"; \"%s --help\" lists them", (int)length,
             reading->argv[reading->index], reading->line->command);
    return -EINVAL;
}

/* Sets the option that the first `length` bytes of the argument name. Without a `value` there, it
 * may be the next argument. */
static int take_option(struct reading *reading, const struct option_rule *rule, size_t length,
                       const char *value) {
    const char *option = reading->argv[reading->index];
    int shown = (int)length;
    if (rule->value == NULL && value != NULL) {
        snprintf(reading->error, reading->error_size, "%.*s takes no value, but was given \"%s\"",
                 shown, option, value);
        return -EINVAL;
    }
    if (rule->value != NULL && value == NULL) {
        if (reading->index + 1 == reading->argc) {
            snprintf(reading->error, reading->error_size, "%.*s wants %s behind it", shown, option,
                     rule->wants);
            return -EINVAL;
        }
        value = reading->argv[++reading->index];
    }
    if (!rule->set(reading->options, value)) {
        snprintf(reading->error, reading->error_size, "%.*s: \"%s\" is not %s", shown, option,
                 value, rule->wants);
        return -EINVAL;
    }
    return 0;
}

/* The value of "--name" may stand behind "=". */
static int read_long(struct reading *reading) {
    const char *name = reading->argv[reading->index] + 2;
    size_t length = strcspn(name, "=");
    const struct option_rule *rule = find_rule(reading->line, name, length);
    if (rule == NULL) return unknown(reading, length + 2);
    return take_option(reading, rule, length + 2, name[length] == '=' ? name + length + 1 : NULL);
}

/* The value of "-x" may stand directly behind it. */
static int read_letter(struct reading *reading) {
    const char *argument = reading->argv[reading->index], *name = NULL;
    const char *const *letters = reading->line->letters;
    for (; letters != NULL && letters[0] != NULL && name == NULL; letters += 2)
        if (letters[0][1] == argument[1]) name = letters[1];
    if (strcmp(argument, "-h") == 0) name = "help";
    const struct option_rule *rule =
        name != NULL ? find_rule(reading->line, name, strlen(name)) : NULL;
    if (rule == NULL) return unknown(reading, strlen(argument));
    return take_option(reading, rule, 2, argument[2] != '\0' ? argument + 2 : NULL);
}

int command_line_parse(const struct command_line *line, void *options, int argc, char **argv,
                       char *error, size_t error_size) {
    struct reading reading = {
        .line = line,
        .options = options,
        .argc = argc,
        .argv = argv,
        .error = error,
        .error_size = error_size,
    };
    bool options_end = false;
    for (; reading.index < argc; reading.index++) {
        const char *argument = argv[reading.index];
        int err = 0;
        if (options_end || argument[0] != '-' || argument[1] == '\0')
            err = line->take_argument(options, argument, error, error_size);
        else if (strcmp(argument, "--") == 0)
            options_end = true;
        else if (argument[1] == '-')
            err = read_long(&reading);
        else
            err = read_letter(&reading);
        if (err < 0) return err;
    }
    return 0;
}

static const char *letter_of(const struct command_line *line, const char *name) {
    const char *const *letters = line->letters;
    for (; letters != NULL && letters[0] != NULL; letters += 2)
        if (strcmp(letters[1], name) == 0) return letters[0];
    return strcmp(name, "help") == 0 ? "-h" : NULL;
}

void command_line_help(const struct command_line *line, FILE *out) {
    for (size_t i = 0; i < line->rule_count; i++) {
        const struct option_rule *rule = &line->rules[i];
        const char *letter = letter_of(line, rule->name);
        char name[64];
        int length = snprintf(name, sizeof name, "%s%s--%s %s", letter != NULL ? letter : "",
                              letter != NULL ? ", " : "", rule->name,
                              rule->value != NULL ? rule->value : "");
        fprintf(out, "  %-22s%s%s\n", name, length > 22 ? COMMAND_LINE_INDENT : " ", rule->help);
    }
}
