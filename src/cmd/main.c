/* main.c: the `eddy` program: finds the command that the first argument names and runs it.
 * A command is a line in `commands`; the help and the messages follow from the table. */
#include "backends_command.h"
#include "bench_command.h"
#include "serve_command.h"
#include "show_command.h"

#include <eddy.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct command {
    const char *name;
    /* Given what follows the name in the vector of main, so that argv[-2] is the program's own.
     * Returns the exit status. */
    int (*run)(int argc, char **argv);
    const char *help;
};

static const struct command commands[] = {
    {"serve", serve_main, "serve a directory over HTTP"},
    {"bench", bench_main, "measure what the backends, and models of servers, cost"},
    {"show", show_main, "show an event loop turning, on a page"},
    {"backends", backends_main, "list the backends of this binary and what each can do"},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void help(FILE *out) {
    fputs("usage: eddy COMMAND [arguments]\n"
          "       eddy --help | --version\n\n"
          "commands:\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    fputs("\n\"eddy COMMAND --help\" tells more about one.\n", out);
}

static int run(int argc, char **argv) {
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        help(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        printf("eddy %s\n", eddy_version());
        return 0;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0) return commands[i].run(argc - 2, argv + 2);
    fprintf(stderr, "eddy: unknown command \"%s\"; \"eddy --help\" lists them\n", name);
    return 2;
}

/* Whoever started the program may have closed the first three descriptors. A file or pipe that got
 * one of their numbers would be written to with the messages. They are opened the wrong way round,
 * so that using them fails as it would have. */
static bool open_standard(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) continue;
        int access = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
        int opened = open("/dev/null", access);
        if (opened < 0) opened = open("/", O_RDONLY); /* there is no /dev in some sandboxes */
        if (opened != fd) return false;
    }
    return true;
}

int main(int argc, char **argv) {
    if (!open_standard()) return 1; /* there is nowhere to say so */
    if (argc < 2) {
        fputs("eddy: a command is missing; \"eddy --help\" lists them\n", stderr);
        return 2;
    }
    int status = run(argc, argv);
    /* What was printed is said to have failed when a full disk did not take it. */
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == 0) {
        fputs("eddy: cannot write to standard output\n", stderr);
        status = 1;
    }
    return status;
}
