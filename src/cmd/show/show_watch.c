/* show_watch.c: see show_watch.h. */
#include "show_watch.h"

#include <eddy.h>
#include <string.h>

#include "show_board.h"

#define READ(place)         atomic_load_explicit(&(place), memory_order_relaxed)
#define WRITE(place, value) atomic_store_explicit(&(place), (value), memory_order_relaxed)

void show_watch_init(struct show_watch *watch, eddy_guard *guard) {
    memset(watch, 0, sizeof *watch);
    watch->guard = guard;
    pthread_mutex_init(&watch->lock, NULL);
    pthread_cond_init(&watch->changed, NULL);
}

void show_watch_end(struct show_watch *watch) {
    pthread_cond_destroy(&watch->changed);
    pthread_mutex_destroy(&watch->lock);
}

void show_watch_reset(struct show_watch *watch) {
    WRITE(watch->phase, 0);
    WRITE(watch->phase_since_ns, show_now_ns());
    watch->served_since_ns = 0;
    for (int fd = 0; fd < WATCH_FDS; fd++) {
        WRITE(watch->interest[fd], 0);
        WRITE(watch->ready[fd], 0);
    }
}

/* --- Records --- */

static void enter_phase(struct show_watch *watch, unsigned phase, int64_t now_ns) {
    unsigned before = READ(watch->phase);
    int64_t sum_ns = READ(watch->phase_ns[before]) + now_ns - READ(watch->phase_since_ns);
    WRITE(watch->phase_ns[before], sum_ns);
    WRITE(watch->phase, phase < WATCH_PHASES ? phase : 0);
    WRITE(watch->phase_since_ns, now_ns);
}

/* What came out of the last wait has been served. */
static void end_serving(struct show_watch *watch, int64_t now_ns) {
    if (watch->served_since_ns != 0)
        show_window_add(&watch->lag, now_ns, now_ns - watch->served_since_ns);
    watch->served_since_ns = 0;
}

static void note(struct show_watch *watch, const eddy_trace_record *record) {
    bool has_fd = record->object < WATCH_FDS;
    unsigned char events = (unsigned char)(record->argument & (EDDY_READ | EDDY_WRITE));
    switch (record->kind) {
    case EDDY_TRACE_TURN:
        end_serving(watch, record->time_ns);
        enter_phase(watch, 0, record->time_ns);
        break;
    case EDDY_TRACE_PHASE:
        if (record->phase == 1 || record->phase == 2) end_serving(watch, record->time_ns);
        enter_phase(watch, record->phase, record->time_ns);
        break;
    case EDDY_TRACE_WAITED:
        watch->served_since_ns = record->time_ns;
        break;
    case EDDY_TRACE_EVENT:
        if (has_fd)
            WRITE(watch->ready[record->object], READ(watch->ready[record->object]) | events);
        break;
    case EDDY_TRACE_ADD:
    case EDDY_TRACE_MODIFY:
        if (has_fd) WRITE(watch->interest[record->object], events);
        break;
    case EDDY_TRACE_REMOVE:
        if (has_fd) WRITE(watch->interest[record->object], 0);
        break;
    default:
        break;
    }
}

/* --- Holding --- */

static bool ends_step(enum show_hold hold, unsigned kind) {
    switch (hold) {
    case HOLD_SOON:
        return kind == EDDY_TRACE_TURN || kind == EDDY_TRACE_PHASE || kind == EDDY_TRACE_CALL;
    case HOLD_CALL:
        return kind == EDDY_TRACE_CALL;
    case HOLD_PHASE:
        return kind == EDDY_TRACE_PHASE;
    case HOLD_TURN:
        return kind == EDDY_TRACE_TURN;
    case HOLD_NONE:
    case HOLD_HELD:
        break;
    }
    return false;
}

/* The time that the loop is held is nobody's. */
static void skip_time(struct show_watch *watch, int64_t held_ns) {
    WRITE(watch->phase_since_ns, READ(watch->phase_since_ns) + held_ns);
    if (watch->served_since_ns != 0) watch->served_since_ns += held_ns;
}

static void be_held(struct show_watch *watch, const eddy_trace_record *record) {
    int64_t since_ns = show_now_ns();
    eddy_guard_pause(watch->guard);
    pthread_mutex_lock(&watch->lock);
    if (ends_step((enum show_hold)atomic_load(&watch->hold), record->kind)) {
        watch->record = *record;
        atomic_store(&watch->hold, HOLD_HELD);
        while (atomic_load(&watch->hold) == HOLD_HELD)
            pthread_cond_wait(&watch->changed, &watch->lock);
    }
    pthread_mutex_unlock(&watch->lock);
    eddy_guard_resume(watch->guard);
    skip_time(watch, show_now_ns() - since_ns);
}

void show_watch_record(const eddy_trace_record *record, void *context) {
    struct show_watch *watch = context;
    note(watch, record);
    if (READ(watch->hold) != HOLD_NONE &&
        ends_step((enum show_hold)READ(watch->hold), record->kind))
        be_held(watch, record);
}

int show_watch_hold(struct show_watch *watch, enum show_hold how) {
    int err = 0;
    pthread_mutex_lock(&watch->lock);
    bool is_held = atomic_load(&watch->hold) == HOLD_HELD;
    if (how > HOLD_SOON && !is_held)
        err = -EINVAL;
    else if (!(how == HOLD_SOON && (is_held || watch->is_ending)))
        atomic_store(&watch->hold, how);
    pthread_cond_broadcast(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
    return err;
}

void show_watch_release(struct show_watch *watch) {
    pthread_mutex_lock(&watch->lock);
    watch->is_ending = true;
    atomic_store(&watch->hold, HOLD_NONE);
    pthread_cond_broadcast(&watch->changed);
    pthread_mutex_unlock(&watch->lock);
}

bool show_watch_is_held(struct show_watch *watch, eddy_trace_record *record) {
    pthread_mutex_lock(&watch->lock);
    bool is_held = atomic_load(&watch->hold) == HOLD_HELD;
    if (is_held) *record = watch->record;
    pthread_mutex_unlock(&watch->lock);
    return is_held;
}
