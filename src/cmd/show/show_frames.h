/* show_frames.h: names of places in a backtrace. What dladdr knows is told at once; for functions
 * and lines of this program addr2line is asked, where there is one, in a process of its own.
 * Threading: the serving thread's. */
#ifndef EDDY_CMD_SHOW_FRAMES_H
#define EDDY_CMD_SHOW_FRAMES_H

#include "show_program.h"

enum { FRAMES_KNOWN = 128, FRAMES_ASKED = 32, FRAMES_TEXT_BYTES = 192 };

struct show_frames {
    struct show_program program;
    char path[64]; /* of this program's file; "": nobody can be asked */
    struct show_frame {
        uintptr_t offset;             /* in the program's file */
        char text[FRAMES_TEXT_BYTES]; /* "on_sleep src/cmd/show/show_scenes.c:33", a line for each
                                       * function that is inlined there; "": nobody knows */
    } known[FRAMES_KNOWN];
    unsigned known_count;
    uintptr_t asked[FRAMES_ASKED]; /* of those to be asked for next */
    unsigned asked_count;
    unsigned answers; /* how often something new was known */
};

/* `self` is how the program was called. */
void show_frames_init(struct show_frames *frames, eddy_loop *loop, const char *self);
/* What is known of a place by now. `address` is one in the call. Returns whether more may be known
 * later: the next show_frames_ask asks for it. */
bool show_frames_name(struct show_frames *frames, uintptr_t address, char *text, size_t size);
/* Asks, unless somebody is being asked. */
void show_frames_ask(struct show_frames *frames);
/* Ends what is under way; the loop hears of it. */
void show_frames_stop(struct show_frames *frames);

#endif
