/* show_program.c: see show_program.h. */
#include "show_program.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

void show_program_init(struct show_program *program, eddy_loop *loop) {
    memset(program, 0, sizeof *program);
    eddy_child_init(&program->child, loop);
}

bool show_program_runs(const struct show_program *program) {
    return program->has_child || program->has_output;
}

/* Both its exit and the end of its output have come. */
static void finish(struct show_program *program) {
    if (show_program_runs(program)) return;
    char *text = program->text;
    program->text = NULL;
    program->fn(program, program->is_bad ? NULL : text, program->is_bad ? -EIO : 0);
    free(text);
}

static void on_closed(eddy_stream *stream) {
    struct show_program *program = eddy_container_of(stream, struct show_program, output);
    program->has_output = false;
    finish(program);
}

static void tell_lines(struct show_program *program) {
    char *begin = program->text, *end;
    while ((end = strchr(begin, '\n')) != NULL) {
        *end = '\0';
        program->line(program, begin);
        begin = end + 1;
    }
    program->used -= (size_t)(begin - program->text);
    memmove(program->text, begin, program->used + 1);
}

static void on_output(eddy_stream *stream, void *data, ssize_t size) {
    struct show_program *program = eddy_container_of(stream, struct show_program, output);
    if (size > 0 && program->used + (size_t)size < PROGRAM_OUTPUT_MAX) {
        memcpy(program->text + program->used, data, (size_t)size);
        program->used += (size_t)size;
        program->text[program->used] = '\0';
        if (program->line != NULL) tell_lines(program);
        return;
    }
    if (size != 0) program->is_bad = true;
    (void)eddy_stream_close(stream, on_closed);
}

static void on_ended(eddy_child *child, const eddy_exit *exit) {
    struct show_program *program = eddy_container_of(child, struct show_program, child);
    program->has_child = false;
    if (exit->error != 0 || exit->status != 0 || exit->signal != 0) program->is_bad = true;
    finish(program);
}

int show_program_start(struct show_program *program, const char *const *arguments,
                       show_program_line_fn *line, show_program_fn *fn) {
    const eddy_child_fd fds[] = {
        {.number = 0, .source = EDDY_CHILD_NULL},
        {.number = 1, .source = EDDY_CHILD_WRITES, .stream = &program->output},
        {.number = 2, .source = EDDY_CHILD_NULL},
    };
    eddy_child_options options = {
        .arguments = (char *const *)(uintptr_t)arguments,
        .fds = fds,
        .fd_count = 3,
        .flags = EDDY_CHILD_GROUP, /* of its own: Ctrl-C is for us, and we end it */
    };
    if (show_program_runs(program)) return -EALREADY;
    program->text = malloc(PROGRAM_OUTPUT_MAX);
    if (program->text == NULL) return -ENOMEM;
    program->text[0] = '\0';
    program->used = 0;
    program->is_bad = false;
    program->line = line;
    program->fn = fn;
    eddy_stream_init(&program->output, eddy_handle_loop(&program->child.handle));
    int err = eddy_child_spawn(&program->child, &options, on_ended);
    if (err < 0) {
        free(program->text);
        program->text = NULL;
        return err;
    }
    program->has_child = program->has_output = true;
    if (eddy_stream_read_start(&program->output, on_output) < 0) {
        program->is_bad = true;
        (void)eddy_stream_close(&program->output, on_closed);
    }
    return 0;
}

void show_program_kill(struct show_program *program) {
    if (program->has_child) (void)eddy_child_kill_group(&program->child, SIGKILL);
    if (program->has_output) (void)eddy_stream_close(&program->output, on_closed);
}
