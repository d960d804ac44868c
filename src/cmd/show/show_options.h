/* show_options.h: the command line of `eddy show`. */
#ifndef EDDY_CMD_SHOW_OPTIONS_H
#define EDDY_CMD_SHOW_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The port, if none is asked for; then another one will do as well. */
enum { SHOW_PORT_USUAL = 65536 };

struct show_options {
    const char *self; /* the program's name */
    const char *file; /* to play; NULL: none */
    const char *record, *guide, *postgres, *backend;
    unsigned port, seconds;
    bool wants_help, opens;
};

/* Returns 0, or -EINVAL with one line in `error`. Values point into `argv`. */
int show_options_parse(struct show_options *options, int argc, char **argv, char *error,
                       size_t error_size);
void show_options_help(FILE *out);

#endif
