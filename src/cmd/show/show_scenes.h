/* show_scenes.h: the scenes that run on the observed loop. Threading: the observed thread's, but
 * for the functions that name functions. */
#ifndef EDDY_CMD_SHOW_SCENES_H
#define EDDY_CMD_SHOW_SCENES_H

#include "show_scene_children.h"
#include "show_scene_files.h"

struct show_scenes {
    eddy_loop *loop;
    struct show_board *board;
    eddy_timer sleep, compute, pieces, pool; /* each again and again while its scene is on */
    eddy_defer piece;
    unsigned pieces_left;
    eddy_work job;
    bool has_job;
    _Atomic(int64_t) job_since_ns; /* 0: it has not begun */
    bool has_told[SHOW_SCENES];
    eddy_label labels[6];
    struct show_files files;
    struct show_children children;
};

/* `postgres` may be NULL. Cannot fail. */
void show_scenes_init(struct show_scenes *scenes, eddy_loop *loop, struct show_board *board,
                      const char *postgres);
/* Switches one of those before SHOW_IDLE_CLIENTS. Errors: -ENOMEM, or as eddy_work_submit. */
int show_scenes_set(struct show_scenes *scenes, enum show_scene scene, bool on);
/* Stops all; the loop has to run until nothing is left, and then comes show_scenes_end. */
void show_scenes_stop(struct show_scenes *scenes);
void show_scenes_end(struct show_scenes *scenes);

/* show_job_fn, with the scenes as its context. */
bool show_scenes_job(const void *work, int64_t *since_ns, int *lane, void *context);

/* The name of a callback of a scene, or NULL. Any thread. */
const char *show_scenes_function(uint64_t address);
/* The same; of others the address. */
void show_function(uint64_t address, char *text, size_t size);

#endif
