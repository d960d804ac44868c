/* command_line.h: the command line of a command, read by a table. A new option is one line in the
 * table and one setter; the help and the messages follow from it. Nothing is printed but by
 * command_line_help(), and nothing changed outside the options and `error`. */
#ifndef EDDY_CMD_COMMAND_LINE_H
#define EDDY_CMD_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct option_rule {
    const char *name;  /* without its dashes */
    const char *value; /* what the help calls it; NULL: a switch, set with the value NULL */
    const char *wants; /* what would be right, for the messages */
    bool (*set)(void *options, const char *value);
    const char *help; /* further lines begin with COMMAND_LINE_INDENT */
};

#define COMMAND_LINE_INDENT "\n                         "

struct command_line {
    const char *command; /* "eddy serve" */
    const struct option_rule *rules;
    size_t rule_count;
    /* Options of one letter beside "-h", each followed by the name that it stands for, as "-p" is
     * in {"p", "port", NULL}; NULL: there are none. */
    const char *const *letters;
    /* Takes what is no option; returns 0, or -EINVAL with a message. */
    int (*take_argument)(void *options, const char *argument, char *error, size_t error_size);
};

/* Reads the arguments that follow the command; "-h" is "--help". The value of a letter may follow
 * it directly ("-p80") or as the next argument. Returns 0, or -EINVAL with one line in `error` that
 * says what is wrong and what would be right. Values point into `argv`. */
int command_line_parse(const struct command_line *line, void *options, int argc, char **argv,
                       char *error, size_t error_size);

/* Writes a line or more for each option. */
void command_line_help(const struct command_line *line, FILE *out);

/* Digits and nothing else, within the limits. */
bool command_line_number(const char *text, unsigned min, unsigned max, unsigned *number);

#endif
