/* show_recording.h: what was told, kept: the last of it in memory, and all of it in a file if that
 * is wanted. A line is {"at_ms":N,"event":"state","data":{…}}; the first one is the hello.
 * Threading: the serving thread's. */
#ifndef EDDY_CMD_SHOW_RECORDING_H
#define EDDY_CMD_SHOW_RECORDING_H

#include <eddy.h>

#include "show_board.h"

enum {
    RECORDING_KEPT = 4 << 20,   /* bytes in memory */
    RECORDING_BUFFER = 1 << 20, /* on its way to the file; there are two */
    RECORDING_LINE = 9 * 1024,
};

struct show_recording {
    eddy_loop *loop;
    struct show_board *board;
    int64_t started_ns;
    char hello[RECORDING_LINE];
    size_t hello_bytes;
    char *kept; /* a ring of whole lines */
    size_t first, used;
    int fd; /* -1: no file */
    char *buffers[2];
    size_t filled; /* of buffers[0]; the other one is being written */
    eddy_file file;
    bool is_writing, has_lost;
};

/* `file` may be NULL. Errors: -ENOMEM, or as open(2). */
int show_recording_init(struct show_recording *recording, eddy_loop *loop, struct show_board *board,
                        const char *file, const char *hello, size_t hello_bytes);
void show_recording_add(struct show_recording *recording, const char *event, const char *data,
                        size_t size);
/* A copy of the hello and what is kept, to be freed; NULL: no memory. */
char *show_recording_copy(const struct show_recording *recording, size_t *size);
/* When the loop has nothing left: writes the rest, and frees. Errors: as write(2). */
int show_recording_end(struct show_recording *recording);

#endif
