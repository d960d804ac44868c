/* show_stalls.h: callbacks of the observed loop that take too long, told by a watchdog while they
 * last, and where the thread is meanwhile.
 * Threading: the watchdog's thread keeps what it tells under the lock; the other functions say
 * whose they are. */
#ifndef EDDY_CMD_SHOW_STALLS_H
#define EDDY_CMD_SHOW_STALLS_H

#include <eddy/watchdog.h>

#include "show_frames.h"

enum {
    STALLS_BUDGET_MS = 20, /* a callback that takes less is nothing to tell */
    STALLS_TOLD_MS = 100,  /* and one that takes less, nothing to tell of by itself */
    STALLS_KEPT = 8,
    STALLS_FRAMES = 24,
};

struct show_stall {
    uint64_t number; /* 0: there is none */
    bool is_over, is_new;
    int64_t start_ns, duration_ns; /* as it was told last */
    eddy_kind kind;
    int phase;
    uintptr_t function;
    char label[EDDY_STALL_LABEL];
    int frame_count, frames_error;   /* of the last look while it lasted */
    uintptr_t frames[STALLS_FRAMES]; /* addresses in the calls */
};

struct show_stalls {
    eddy_watchdog watchdog;
    eddy_guard guard; /* the observed thread's */
    pthread_mutex_t lock;
    struct show_stall kept[STALLS_KEPT]; /* lock; by their numbers */
    uint64_t count;                      /* lock */
    /* The serving thread's: show_frames' answers, as told, and whose names are to come. */
    unsigned answers;
    uint64_t nameless[STALLS_KEPT];
};

/* Errors: as eddy_watchdog_start. Before any other thread has it. */
int show_stalls_init(struct show_stalls *stalls);
/* No loop is guarded any more. */
void show_stalls_end(struct show_stalls *stalls);

/* For a loop that is new, and before it is closed. Observed thread. */
int show_stalls_guard(struct show_stalls *stalls, eddy_loop *loop);
void show_stalls_leave(struct show_stalls *stalls);

/* What holds up the loop now; its number is 0 if nothing does. Any thread. */
void show_stalls_read(struct show_stalls *stalls, struct show_stall *stall);

typedef void show_tell_fn(void *context, const char *type, const char *data, size_t size);
/* Tells what is new, as events "stall", and again when its places have names. Serving thread. */
void show_stalls_tell(struct show_stalls *stalls, struct show_frames *frames, show_tell_fn *tell,
                      void *context);

#endif
