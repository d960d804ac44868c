/* show_scene_files.h: the scenes that read a big file: in the callback, and through the pool.
 * Threading: the observed thread's. */
#ifndef EDDY_CMD_SHOW_SCENE_FILES_H
#define EDDY_CMD_SHOW_SCENE_FILES_H

#include <eddy.h>

#include "show_board.h"

struct show_files {
    eddy_loop *loop;
    struct show_board *board;
    int fd;         /* 64 MB without a name; -1: not made yet */
    char *memory;   /* for a piece each of the two scenes */
    eddy_work make; /* makes the file */
    bool is_making;
    int make_error;            /* written by the job */
    _Atomic(bool) is_ending;   /* the job is to give up */
    eddy_timer callback, pool; /* the two scenes, again and again */
    eddy_file file;            /* of the second */
    bool is_reading;
    int64_t offset, since_ns;
    bool has_told[2];
    eddy_label labels[4];
};

/* Cannot fail; the file is made when it is needed. */
void show_files_init(struct show_files *files, eddy_loop *loop, struct show_board *board);
/* `scene` is SHOW_READ_CALLBACK or SHOW_READ_POOL. Errors: -ENOMEM, or as eddy_work_submit. */
int show_files_set(struct show_files *files, enum show_scene scene, bool on);
/* Stops both; what is under way ends by itself, in the loop. */
void show_files_stop(struct show_files *files);
/* The timer of the first scene. */
void show_read_callback(eddy_timer *timer);
/* When the loop has nothing left. */
void show_files_end(struct show_files *files);

#endif
