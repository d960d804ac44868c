/* file_engine.h: the kernel as the one who does file requests: eddy_loop_config.files.
 *
 * A request of the engine goes SUBMITTED -> RUNNING -> DONE as a job of the pool does, all of it in
 * the loop's thread: `waiting` for before_wait, which has the kernel take it, and then in `taken`
 * until the kernel tells of it. One whose cancel the kernel answered with "had not begun" is
 * CANCELLED in `taken`: its memory is the kernel's until it is told of. What the kernel does not
 * take, or gives up for a reason of its own, goes on in the pool from where it is. */
#ifndef EDDY_WORK_FILE_ENGINE_H
#define EDDY_WORK_FILE_ENGINE_H

#include "file.h"

struct file_engine {
    struct work_part *part;
    struct eddy_os_ring ring;
    eddy_io io; /* of ring.fd; the loop's own */
    eddy_link waiting, taken;
    unsigned waiting_count, taken_count;
    int process; /* that opened the ring */
};

/* Whether there is one, which the first to ask opens, and it takes this request. If there is none,
 * it->engine_error says why, or 0: nobody wants one. */
bool eddy__engine_takes(struct work_part *it, const eddy_work *work);
/* Puts a prepared request that it takes into `waiting`. */
void eddy__engine_add(struct file_engine *engine, eddy_work *work);
/* Before a wait: has the kernel take what waits, and looks what it has done. */
void eddy__engine_turn(struct file_engine *engine);
int eddy__engine_cancel(struct file_engine *engine, eddy_work *work); /* as eddy_work_cancel */
void eddy__engine_close(struct file_engine *engine);
/* Lets go of the parent's ring, and of what the parent's kernel has: false if it is not the
 * parent's. It may be gone then, and engine_error says why. */
bool eddy__engine_after_fork(struct file_engine *engine);
const char *eddy__engine_verify(const struct file_engine *engine);

#endif
