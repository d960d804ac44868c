/* show_scenes.c: see show_scenes.h. */
#include "show_scenes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SLEEP_EVERY_MS = 2000, COMPUTE_EVERY_MS = 1000, COMPUTE_MS = 200, PIECE_MS = 1 };

static void compute(int64_t time_ns) {
    volatile unsigned step = 0;
    for (int64_t until_ns = show_now_ns() + time_ns; show_now_ns() < until_ns;)
        while (++step % 1000 != 0) continue;
}

static void tell_once(struct show_scenes *scenes, enum show_scene scene, const char *text) {
    if (!scenes->has_told[scene]) show_say(scenes->board, "%s", text);
    scenes->has_told[scene] = true;
}

/* --- What holds up the loop --- */

static void on_sleep(eddy_timer *timer) {
    struct show_scenes *scenes = eddy_container_of(timer, struct show_scenes, sleep);
    struct timespec left = {.tv_sec = 1};
    while (nanosleep(&left, &left) < 0 && errno == EINTR) continue; /* the watchdog's signal */
    tell_once(scenes, SHOW_SLEEP, "A callback has slept for a second: nobody was served.");
}

static void on_compute(eddy_timer *timer) {
    struct show_scenes *scenes = eddy_container_of(timer, struct show_scenes, compute);
    compute(COMPUTE_MS * EDDY_NS_PER_MS);
    tell_once(scenes, SHOW_COMPUTE, "A callback has computed for 200 ms.");
}

/* --- The same in pieces --- */

static void on_piece(eddy_defer *defer) {
    struct show_scenes *scenes = eddy_container_of(defer, struct show_scenes, piece);
    compute(PIECE_MS * EDDY_NS_PER_MS);
    if (--scenes->pieces_left > 0)
        (void)eddy_defer_start(defer, on_piece);
    else
        tell_once(scenes, SHOW_COMPUTE_PIECES, "200 pieces of 1 ms are done, a turn each.");
}

static void on_pieces(eddy_timer *timer) {
    struct show_scenes *scenes = eddy_container_of(timer, struct show_scenes, pieces);
    if (scenes->pieces_left > 0) return;
    scenes->pieces_left = COMPUTE_MS / PIECE_MS;
    (void)eddy_defer_start(&scenes->piece, on_piece);
}

/* --- The same on the pool --- */

static void run_job(eddy_work *work) {
    struct show_scenes *scenes = eddy_container_of(work, struct show_scenes, job);
    atomic_store(&scenes->job_since_ns, show_now_ns());
    compute(COMPUTE_MS * EDDY_NS_PER_MS);
}

static void on_job_done(eddy_work *work, int status) {
    struct show_scenes *scenes = eddy_container_of(work, struct show_scenes, job);
    scenes->has_job = false;
    atomic_store(&scenes->job_since_ns, 0);
    if (status == 0)
        tell_once(scenes, SHOW_COMPUTE_POOL, "A thread of the pool has computed for 200 ms.");
}

static void on_pool(eddy_timer *timer) {
    struct show_scenes *scenes = eddy_container_of(timer, struct show_scenes, pool);
    char text[64];
    if (scenes->has_job) return;
    int err = eddy_work_submit(scenes->loop, &scenes->job, EDDY_LANE_CPU, run_job, on_job_done);
    scenes->has_job = err == 0;
    if (err < 0)
        show_say(scenes->board, "No job for the pool: %s.", eddy_strerror(err, text, sizeof text));
}

bool show_scenes_job(const void *work, int64_t *since_ns, int *lane, void *context) {
    struct show_scenes *scenes = context;
    if (work != &scenes->job) return false;
    *since_ns = atomic_load(&scenes->job_since_ns);
    *lane = EDDY_LANE_CPU;
    return true;
}

/* --- Switching --- */

void show_scenes_init(struct show_scenes *scenes, eddy_loop *loop, struct show_board *board,
                      const char *postgres) {
    memset(scenes, 0, sizeof *scenes);
    scenes->loop = loop;
    scenes->board = board;
    eddy_timer_init(&scenes->sleep, loop);
    eddy_timer_init(&scenes->compute, loop);
    eddy_timer_init(&scenes->pieces, loop);
    eddy_timer_init(&scenes->pool, loop);
    eddy_defer_init(&scenes->piece, loop);
    const void *const named[] = {&scenes->sleep, &scenes->compute, &scenes->pieces,
                                 &scenes->pool,  &scenes->piece,   &scenes->job};
    static const char *const names[] = {"sleep(1)",       "compute 200 ms", "begin pieces",
                                        "submit the job", "piece of 1 ms",  "compute on the pool"};
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        eddy_label_init(&scenes->labels[i], loop);
        (void)eddy_label_set(&scenes->labels[i], named[i], names[i]);
    }
    show_files_init(&scenes->files, loop, board);
    show_children_init(&scenes->children, loop, board, postgres);
}

static int set_timer(struct show_scenes *scenes, enum show_scene scene, eddy_timer *timer,
                     eddy_timer_fn *fn, int every_ms, bool on) {
    int err = 0;
    scenes->has_told[scene] = false;
    if (on)
        err = eddy_timer_start(timer, fn, 0, every_ms * EDDY_NS_PER_MS);
    else
        eddy_timer_stop(timer);
    show_board_set(scenes->board, scene, on && err == 0);
    return err;
}

int show_scenes_set(struct show_scenes *scenes, enum show_scene scene, bool on) {
    switch (scene) {
    case SHOW_SLEEP:
        return set_timer(scenes, scene, &scenes->sleep, on_sleep, SLEEP_EVERY_MS, on);
    case SHOW_COMPUTE:
        return set_timer(scenes, scene, &scenes->compute, on_compute, COMPUTE_EVERY_MS, on);
    case SHOW_COMPUTE_PIECES:
        return set_timer(scenes, scene, &scenes->pieces, on_pieces, COMPUTE_EVERY_MS, on);
    case SHOW_COMPUTE_POOL:
        return set_timer(scenes, scene, &scenes->pool, on_pool, COMPUTE_EVERY_MS, on);
    case SHOW_READ_CALLBACK:
    case SHOW_READ_POOL:
        return show_files_set(&scenes->files, scene, on);
    case SHOW_QUERY:
    case SHOW_CHILD:
        return show_children_set(&scenes->children, scene, on);
    case SHOW_IDLE_CLIENTS:
    case SHOW_SLOW_READER:
    case SHOW_FLOOD:
    case SHOW_DESCRIPTORS:
    case SHOW_SCENES:
        break;
    }
    return -EINVAL;
}

void show_scenes_stop(struct show_scenes *scenes) {
    for (unsigned scene = 0; scene < SHOW_IDLE_CLIENTS; scene++)
        (void)show_scenes_set(scenes, (enum show_scene)scene, false);
    eddy_defer_stop(&scenes->piece);
    show_files_stop(&scenes->files);
    show_children_stop(&scenes->children);
}

void show_scenes_end(struct show_scenes *scenes) {
    for (size_t i = 0; i < sizeof scenes->labels / sizeof scenes->labels[0]; i++)
        eddy_label_clear(&scenes->labels[i]);
    show_files_end(&scenes->files);
    show_children_end(&scenes->children);
}

const char *show_scenes_function(uint64_t address) {
    const struct {
        uint64_t address;
        const char *name;
    } known[] = {
        {(uint64_t)(uintptr_t)on_sleep, "on_sleep"},
        {(uint64_t)(uintptr_t)on_compute, "on_compute"},
        {(uint64_t)(uintptr_t)on_piece, "on_piece"},
        {(uint64_t)(uintptr_t)on_job_done, "on_job_done"},
        {(uint64_t)(uintptr_t)show_read_callback, "show_read_callback"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].address == address) return known[i].name;
    return NULL;
}

void show_function(uint64_t address, char *text, size_t size) {
    const char *name = show_scenes_function(address);
    if (name != NULL)
        snprintf(text, size, "%s", name);
    else
        snprintf(text, size, "0x%" PRIx64, address);
}
