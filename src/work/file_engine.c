/* file_engine.c: file requests that the kernel does by itself, told by a descriptor of the loop.
 * Invariant: never more than ENGINE_TAKEN_MAX are in `taken`, so that the ring has room for what
 * becomes of each; while there is anything that it could take, before_wait is due.
 * Threading: loop thread only. Read file_engine.h first. */
#include "file_engine.h"

#include "../core/room.h"
#include "../core/verify.h"

#include <errno.h>

enum {
    ENGINE_ENTRIES = 128,   /* put before a submit: 8 KiB */
    ENGINE_TAKEN_MAX = 256, /* more wait here, in order, and do so for no device's sake */
    ENGINE_RESULTS = 64,    /* looked at together: 1 KiB of stack */
};

ROOM_FITS(sizeof(struct file_engine), EDDY_URING_BYTES);

/* --- The end of a request --- */

static void engine_remove(struct file_engine *engine, eddy_work *work) {
    link_remove(&work->link);
    engine->taken_count--;
}

static void engine_publish(struct file_engine *engine, eddy_work *work) {
    eddy__inbox_push_local(engine->part->part.loop, &work->post);
}

/* What the kernel would not do, a thread does, from where it is. If there is none to be had, what
 * was done before is the outcome, or else a word that no file says. */
static void engine_hand_on(struct file_engine *engine, eddy_work *work) {
    eddy_file *file = eddy_container_of(work, eddy_file, work);
    work->handed_over = 0;
    work->lane = EDDY_LANE_FILE;
    work->state = WORK_SUBMITTED;
    if (eddy__work_enqueue(engine->part, work) == 0) return;
    if (file->result == 0) file->result = -ENOBUFS;
    work->state = WORK_DONE;
    engine_publish(engine, work);
}

/* Errors that may be the ring's and not the file's: the call that the ring stands for tells. It is
 * cancelled unasked when the thread ends that submitted it, and EFAULT is then what a read says
 * that the kernel had to begin anew: Linux has no memory of a thread that is gone. Test:
 * what_a_thread_submitted_outlives_it. An error of an earlier write is told by one sync only, and
 * ENOMEM may be that. */
static bool engine_is_unsure(const eddy_file *file, int64_t result) {
    if (result == -ENOMEM) return eddy__file_is_transfer(file);
    return result == -EAGAIN || result == -EINTR || result == -ECANCELED || result == -EFAULT ||
           result == -EINVAL || result == -EOPNOTSUPP || result == -ENOSYS || result == -EBUSY;
}

static void engine_note(eddy_work *work, eddy_trace_kind kind, int64_t argument) {
    observe_note(work->loop, kind, EDDY_KIND_FILE, work_object(work), argument);
}

static void engine_note_done(eddy_work *work) {
    if (loop_has_trace(work->loop) && work->since_ns != 0)
        engine_note(work, EDDY_TRACE_DONE, eddy_os_clock_ns() - work->since_ns);
}

/* What the kernel's answer means for a request that was not cancelled. */
static void engine_settle(struct file_engine *engine, eddy_work *work, int64_t result) {
    eddy_file *file = eddy_container_of(work, eddy_file, work);
    if (engine_is_unsure(file, result)) {
        engine_hand_on(engine, work);
    } else if (eddy__file_add(file, result)) {
        work->state = WORK_DONE;
        work->loop->metrics.ring_jobs++;
        engine_publish(engine, work);
    } else {
        eddy__engine_add(engine, work);
    }
}

static void engine_end(struct file_engine *engine, eddy_work *work, int64_t result) {
    EDDY_ASSERT(work->lane == LANE_OF_RING);
    EDDY_ASSERT(work->state == WORK_RUNNING || work->state == WORK_ASKED ||
                work->state == WORK_CANCELLED);
    engine_remove(engine, work);
    engine_note_done(work);
    if (work->state == WORK_CANCELLED)
        engine_publish(engine, work);
    else
        engine_settle(engine, work, result);
}

static void engine_look(struct file_engine *engine) {
    struct eddy_os_file_result results[ENGINE_RESULTS];
    int count;
    do {
        count = eddy_os_file_ring_next(&engine->ring, results, ENGINE_RESULTS);
        for (int i = 0; i < count; i++) engine_end(engine, results[i].token, results[i].result);
    } while (count == ENGINE_RESULTS);
}

/* --- Its beginning --- */

static void engine_note_begin(eddy_work *work) {
    work->since_ns = 0; /* nobody knows, if a trace is started meanwhile */
    if (!loop_has_trace(work->loop)) return;
    work->since_ns = eddy_os_clock_ns();
    engine_note(work, EDDY_TRACE_BEGIN, EDDY_LANE_FILE);
}

static bool engine_put(struct file_engine *engine, eddy_work *work) {
    struct iovec piece;
    struct eddy_os_file_job job;
    eddy__file_fill_job(eddy_container_of(work, eddy_file, work), &job, &piece);
    job.token = work;
    if (!eddy_os_file_ring_put(&engine->ring, &job)) return false;
    link_remove(&work->link);
    engine->waiting_count--;
    link_add_last(&engine->taken, &work->link);
    engine->taken_count++;
    work->state = WORK_RUNNING;
    work->handed_over = engine->part->age;
    engine_note_begin(work);
    return true;
}

/* The last ones that were put may be more than the kernel has memory for. */
static void engine_submit(struct file_engine *engine) {
    unsigned left = eddy_os_file_ring_submit(&engine->ring);
    eddy_link *link = &engine->taken;
    for (unsigned i = 0; i < left; i++) link = link->prev;
    for (unsigned i = 0; i < left; i++) {
        eddy_work *work = eddy_container_of(link, eddy_work, link);
        link = link->next;
        engine_remove(engine, work);
        engine_note_done(work);
        engine_hand_on(engine, work);
    }
}

static void engine_submit_waiting(struct file_engine *engine) {
    while (engine->waiting_count > 0 && engine->taken_count < ENGINE_TAKEN_MAX) {
        eddy_work *work = eddy_container_of(engine->waiting.next, eddy_work, link);
        if (!engine_put(engine, work)) engine_submit(engine);
    }
    engine_submit(engine);
}

/* Where a request was cut short, the rest of it waits as well: each time more of it is done. */
void eddy__engine_turn(struct file_engine *engine) {
    engine_look(engine);
    while (engine->waiting_count > 0 && engine->taken_count < ENGINE_TAKEN_MAX) {
        engine_submit_waiting(engine);
        engine_look(engine);
    }
    if (engine->taken_count > 0) part_is_due(engine->part->part.loop);
}

/* The kernel tells by the descriptor when the loop sleeps; before it does, it looks for itself. */
static void engine_on_ready(eddy_io *io, unsigned events) {
    struct file_engine *engine = eddy_container_of(io, struct file_engine, io);
    int error = events & EDDY_ERROR ? eddy_io_error(io) : 0;
    io->handle.loop->metrics.callbacks--; /* nobody's but the loop's */
    if (error != 0 && error != -EBADF) /* the backend had no memory for it: as the wake-up does */
        (void)eddy_io_change(io, EDDY_READ);
    engine_look(engine);
}

void eddy__engine_add(struct file_engine *engine, eddy_work *work) {
    work->handed_over = 0;
    work->lane = LANE_OF_RING;
    work->state = WORK_SUBMITTED;
    link_add_last(&engine->waiting, &work->link);
    engine->waiting_count++;
    part_is_due(engine->part->part.loop);
}

/* --- Opening and closing --- */

static int engine_open_ring(struct file_engine *engine) {
    eddy_loop *loop = engine->part->part.loop;
    int err = eddy_os_file_ring_open(&engine->ring, ENGINE_ENTRIES, ENGINE_TAKEN_MAX);
    if (err < 0) return err;
    err = eddy_io_start(&engine->io, engine_on_ready, engine->ring.fd, EDDY_READ);
    if (err < 0) {
        eddy_os_file_ring_close(&engine->ring);
        return err;
    }
    loop->own_handles++;
    engine->process = eddy_os_process_id();
    return 0;
}

static void engine_close_ring(struct file_engine *engine) {
    eddy_io_stop(&engine->io);
    engine->part->part.loop->own_handles--;
    eddy_os_file_ring_close(&engine->ring);
}

static void engine_free(struct file_engine *engine) {
    struct work_part *it = engine->part;
    it->engine = NULL;
    eddy__resize(it->part.loop, engine, sizeof *engine, 0);
}

static int engine_open(struct work_part *it) {
    eddy_loop *loop = it->part.loop;
    struct file_engine *engine = eddy__resize(loop, NULL, 0, sizeof *engine);
    if (engine == NULL) return -ENOMEM;
    *engine = (struct file_engine){.part = it};
    it->engine = engine;
    link_init(&engine->waiting);
    link_init(&engine->taken);
    eddy_io_init(&engine->io, loop);
    handle_set_inner(&engine->io.handle);
    eddy_unref(&engine->io.handle);
    int err = engine_open_ring(engine);
    if (err < 0) engine_free(engine);
    return err;
}

static bool engine_is_there(struct work_part *it) {
    if (it->engine != NULL) return true;
    if (it->part.loop->config.files != EDDY_FILES_URING || it->engine_error < 0) return false;
    it->engine_error = engine_open(it);
    return it->engine != NULL;
}

static const char *engine_reason(int error) {
    switch (error) {
    case 0:
        return NULL;
    case -ENOSYS:
        return "the kernel has no io_uring, or that of before Linux 5.12, or the library was built "
               "without";
    case -EPERM:
        return "the kernel or a sandbox refuses io_uring: see kernel.io_uring_disabled and seccomp";
    case -ENOMEM:
        return "there is no memory for a ring, which Linux may count as locked (ulimit -l), or no "
               "room for its descriptor in the loop";
    case -EMFILE:
    case -ENFILE:
        return "there is no descriptor left for a ring";
    default:
        return "the backend cannot watch a ring";
    }
}

eddy_files_kind eddy_loop_files(eddy_loop *loop, const char **reason) {
    struct work_part *it = eddy__work_part(loop);
    bool is_there = it != NULL && engine_is_there(it);
    int err = it != NULL ? it->engine_error : -ENOMEM;
    if (reason != NULL) *reason = is_there ? NULL : engine_reason(err);
    return is_there ? EDDY_FILES_URING : EDDY_FILES_POOL;
}

bool eddy__engine_takes(struct work_part *it, const eddy_work *work) {
    if (it->engine == NULL && it->part.loop->config.files != EDDY_FILES_URING) return false;
    if (work->fn != eddy__file_run) return false;
    const eddy_file *file = eddy_container_of(work, eddy_file, work);
    return eddy__file_suits_ring(file) && engine_is_there(it);
}

void eddy__engine_close(struct file_engine *engine) {
    EDDY_ASSERT(link_is_empty(&engine->waiting) && link_is_empty(&engine->taken));
    engine_close_ring(engine);
    engine_free(engine);
}

/* --- In a forked child --- */

/* What the parent's kernel has is the parent's, and is in no list here; but who was told that his
 * request is cancelled hears of it in both. */
static void engine_drop_taken(struct file_engine *engine) {
    while (!link_is_empty(&engine->taken)) {
        eddy_work *work = eddy_container_of(engine->taken.next, eddy_work, link);
        engine_remove(engine, work);
        if (work->state == WORK_CANCELLED) engine_publish(engine, work);
    }
}

bool eddy__engine_after_fork(struct file_engine *engine) {
    if (engine->process == eddy_os_process_id()) return false;
    engine_close_ring(engine);
    engine_drop_taken(engine);
    struct work_part *it = engine->part;
    it->engine_error = engine_open_ring(engine);
    if (it->engine_error == 0) return true;
    eddy_link *waiting = &engine->waiting;
    while (!link_is_empty(waiting)) {
        eddy_work *work = eddy_container_of(waiting->next, eddy_work, link);
        link_remove(&work->link);
        engine_hand_on(engine, work);
    }
    engine_free(engine);
    return true;
}

/* --- Cancel, walks, invariants --- */

int eddy__engine_cancel(struct file_engine *engine, eddy_work *work) {
    const eddy_file *file = eddy_container_of(work, eddy_file, work);
    if (work->state == WORK_SUBMITTED && file->result > 0) return -EBUSY; /* a part of it is done */
    if (work->state == WORK_SUBMITTED) {
        link_remove(&work->link);
        engine->waiting_count--;
        work->state = WORK_CANCELLED;
        engine_publish(engine, work);
        return 0;
    }
    if (work->state == WORK_ASKED) return -EBUSY;
    if (work->state != WORK_RUNNING) return -EALREADY;
    if (file->result > 0) return -EBUSY;
    int err = eddy_os_file_ring_cancel(&engine->ring, work);
    if (err == 0) work->state = WORK_CANCELLED;
    if (err == -EBUSY) work->state = WORK_ASKED;
    return err;
}

static const char *engine_verify_list(const struct file_engine *engine, const eddy_link *list,
                                      unsigned counted) {
    unsigned count = 0;
    for (const eddy_link *link = list->next; link != list; link = link->next) {
        const eddy_work *work = eddy_container_of(link, eddy_work, link);
        bool is_taken = list == &engine->taken;
        HOLDS(work->loop == engine->part->part.loop && work->lane == LANE_OF_RING);
        HOLDS(is_taken == (work->state != WORK_SUBMITTED));
        HOLDS(work->handed_over == (is_taken ? engine->part->age : 0));
        count++;
    }
    HOLDS(count == counted);
    return NULL;
}

const char *eddy__engine_verify(const struct file_engine *engine) {
    if (engine->process != eddy_os_process_id()) return NULL;
    const char *broken = engine_verify_list(engine, &engine->waiting, engine->waiting_count);
    if (broken == NULL) broken = engine_verify_list(engine, &engine->taken, engine->taken_count);
    if (broken != NULL) return broken;
    HOLDS(engine->taken_count <= ENGINE_TAKEN_MAX);
    bool is_due = (engine->part->part.loop->due & DUE_PARTS) != 0;
    HOLDS(is_due || engine->waiting_count == 0);
    return NULL;
}
