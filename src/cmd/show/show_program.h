/* show_program.h: another program, whose output is collected: as `eddy bench`, which measures in
 * processes of its own. Threading: the serving thread's. */
#ifndef EDDY_CMD_SHOW_PROGRAM_H
#define EDDY_CMD_SHOW_PROGRAM_H

#include <eddy.h>

enum { PROGRAM_OUTPUT_MAX = 128 * 1024 };

struct show_program;
/* `text` is NULL if it could not be run to its end: `error`, a negative errno; else what it has
 * written, ended by a NUL, there during the call. From the loop. */
typedef void show_program_fn(struct show_program *program, const char *text, int error);
/* A line of its output, without its end, as soon as it is there. It may kill the program. */
typedef void show_program_line_fn(struct show_program *program, const char *line);

/* Fields are private. */
struct show_program {
    eddy_child child;
    eddy_stream output;
    show_program_fn *fn;
    show_program_line_fn *line;
    bool has_child, has_output, is_bad;
    size_t used;
    char *text;
};

void show_program_init(struct show_program *program, eddy_loop *loop);
bool show_program_runs(const struct show_program *program);
/* `arguments` is ended by NULL. Where `line` is not NULL it gets the whole lines, and `fn` what is
 * left. Errors: -EALREADY, -ENOMEM, or as eddy_child_spawn. */
int show_program_start(struct show_program *program, const char *const *arguments,
                       show_program_line_fn *line, show_program_fn *fn);
/* Kills it; its callback comes. */
void show_program_kill(struct show_program *program);

#endif
