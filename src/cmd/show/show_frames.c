/* show_frames.c: see show_frames.h. */
#include "show_frames.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The system's name of the file that runs, if it has one: the way to it may be another one's by
 * now. */
void show_frames_init(struct show_frames *frames, eddy_loop *loop, const char *self) {
    memset(frames, 0, sizeof *frames);
    show_program_init(&frames->program, loop);
    snprintf(frames->path, sizeof frames->path, "/proc/%ld/exe", (long)getpid());
    if (access(frames->path, R_OK) == 0) return;
    if (snprintf(frames->path, sizeof frames->path, "%s", self) >= (int)sizeof frames->path)
        frames->path[0] = '\0';
}

static const struct show_frame *find(const struct show_frames *frames, uintptr_t offset) {
    for (unsigned i = 0; i < frames->known_count; i++)
        if (frames->known[i].offset == offset) return &frames->known[i];
    return NULL;
}

static bool note(struct show_frames *frames, uintptr_t offset) {
    for (unsigned i = 0; i < frames->asked_count; i++)
        if (frames->asked[i] == offset) return true;
    if (frames->asked_count < FRAMES_ASKED) frames->asked[frames->asked_count++] = offset;
    return frames->path[0] != '\0';
}

/* "libc.so.6 clock_nanosleep+0x65", "eddy+0x2f9c0" */
static void name_by_symbol(const Dl_info *info, uintptr_t address, char *text, size_t size) {
    const char *slash = strrchr(info->dli_fname, '/');
    const char *file = slash != NULL ? slash + 1 : info->dli_fname;
    if (info->dli_sname != NULL)
        snprintf(text, size, "%s+0x%" PRIxPTR " %s", info->dli_sname,
                 address - (uintptr_t)info->dli_saddr, file);
    else
        snprintf(text, size, "%s+0x%" PRIxPTR, file, address - (uintptr_t)info->dli_fbase);
}

bool show_frames_name(struct show_frames *frames, uintptr_t address, char *text, size_t size) {
    Dl_info info, own;
    if (dladdr((void *)address, &info) == 0 || info.dli_fname == NULL) {
        snprintf(text, size, "0x%" PRIxPTR, address);
        return false;
    }
    name_by_symbol(&info, address, text, size);
    void *here = (void *)(uintptr_t)show_frames_init;
    if (dladdr(here, &own) == 0 || own.dli_fbase != info.dli_fbase) return false;
    uintptr_t offset = address - (uintptr_t)info.dli_fbase;
    const struct show_frame *frame = find(frames, offset);
    if (frame == NULL) return note(frames, offset);
    if (frame->text[0] != '\0') snprintf(text, size, "%s", frame->text);
    return false;
}

/* --- addr2line --- */

/* Cuts the next line off; NULL: there is none. */
static char *take_line(char **text) {
    char *line = *text, *end = strchr(line, '\n');
    if (end == NULL) return NULL;
    *end = '\0';
    *text = end + 1;
    return line;
}

/* Of "…/../src/core/timer.c:12 (discriminator 2)" what it is called in the project; "??:0", or a
 * line that is not known, is no place. */
static const char *place_of(char *line) {
    static const char *const parts[] = {"/src/", "/platform/"};
    line[strcspn(line, " ")] = '\0';
    const char *number = strrchr(line, ':'), *place = line;
    if (number == NULL || number[1] < '1' || number[1] > '9') return "";
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        for (const char *at = place; (at = strstr(at, parts[i])) != NULL;) place = ++at;
    return place;
}

static void add_function(struct show_frame *frame, const char *name, const char *place) {
    size_t used = strlen(frame->text);
    if (strcmp(name, "??") == 0) return;
    snprintf(frame->text + used, sizeof frame->text - used, "%s%s%s%s", used > 0 ? "\n" : "", name,
             place[0] != '\0' ? " " : "", place);
}

/* An address, and then a function and a place for it and each that it is inlined into. */
static void read_answer(struct show_frames *frames, char *text) {
    struct show_frame *frame = NULL;
    for (char *line; (line = take_line(&text)) != NULL;) {
        if (strncmp(line, "0x", 2) == 0) {
            if (frames->known_count == FRAMES_KNOWN) frames->known_count = 0;
            frame = &frames->known[frames->known_count++];
            *frame = (struct show_frame){.offset = (uintptr_t)strtoull(line, NULL, 16)};
            continue;
        }
        char *place = take_line(&text);
        if (frame == NULL || place == NULL) return;
        add_function(frame, line, place_of(place));
    }
}

static void on_answer(struct show_program *program, const char *text, int error) {
    struct show_frames *frames = eddy_container_of(program, struct show_frames, program);
    char *copy = error == 0 ? strdup(text) : NULL;
    if (copy != NULL) read_answer(frames, copy);
    free(copy);
    if (error == 0) frames->answers++;
}

void show_frames_ask(struct show_frames *frames) {
    char addresses[FRAMES_ASKED][2 + 2 * sizeof(uintptr_t) + 1];
    const char *arguments[5 + FRAMES_ASKED + 1] = {"addr2line", "-afi", "-e", frames->path, "--"};
    if (frames->asked_count == 0 || frames->path[0] == '\0') return;
    if (show_program_runs(&frames->program)) return;
    for (unsigned i = 0; i < frames->asked_count; i++) {
        snprintf(addresses[i], sizeof addresses[i], "0x%" PRIxPTR, frames->asked[i]);
        arguments[5 + i] = addresses[i];
    }
    int err = show_program_start(&frames->program, arguments, NULL, on_answer);
    if (err == -ENOENT) frames->path[0] = '\0';
    frames->asked_count = 0;
}

void show_frames_stop(struct show_frames *frames) {
    frames->path[0] = '\0';
    show_program_kill(&frames->program);
}
