/* show_stalls.c: see show_stalls.h. The watchdog's signal ends system calls of the observed thread
 * early, as any signal may. */
#include "show_stalls.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "show_scenes.h"

enum { EVENT_BYTES = 7 * 1024, FRAMES_BYTES = 6 * 1024 };

/* --- The watchdog's thread --- */

static struct show_stall *last(struct show_stalls *stalls) {
    return &stalls->kept[stalls->count % STALLS_KEPT];
}

static void keep_frames(struct show_stall *kept, const eddy_stall *stall) {
    kept->frames_error = stall->frames_error;
    kept->frame_count = stall->frame_count < STALLS_FRAMES ? stall->frame_count : STALLS_FRAMES;
    for (int i = 0; i < kept->frame_count; i++) kept->frames[i] = (uintptr_t)stall->frames[i] - 1;
}

/* One is over before the next is told. */
static void on_stalled(const eddy_stall *stall, void *context) {
    struct show_stalls *stalls = context;
    pthread_mutex_lock(&stalls->lock);
    struct show_stall *kept = last(stalls);
    if (kept->number == 0 || kept->is_over) {
        stalls->count++;
        kept = last(stalls);
        *kept = (struct show_stall){.number = stalls->count};
        kept->kind = stall->kind;
        kept->phase = stall->phase;
        kept->function = stall->function;
        snprintf(kept->label, sizeof kept->label, "%s", stall->label);
    }
    kept->start_ns = stall->start_ns;
    kept->duration_ns = stall->duration_ns;
    kept->is_over = stall->is_over;
    kept->is_new = true;
    if (!stall->is_over) keep_frames(kept, stall);
    pthread_mutex_unlock(&stalls->lock);
}

/* --- Start and end --- */

int show_stalls_init(struct show_stalls *stalls) {
    eddy_watchdog_config config = {
        .budget_ns = STALLS_BUDGET_MS * EDDY_NS_PER_MS,
        .stalled = on_stalled,
        .context = stalls,
        .signal = SIGURG,
    };
    memset(stalls, 0, sizeof *stalls);
    pthread_mutex_init(&stalls->lock, NULL);
    int err = eddy_watchdog_start(&stalls->watchdog, &config);
    if (err < 0) pthread_mutex_destroy(&stalls->lock);
    return err;
}

void show_stalls_end(struct show_stalls *stalls) {
    (void)eddy_watchdog_stop(&stalls->watchdog); /* it guards none any more */
    pthread_mutex_destroy(&stalls->lock);
}

int show_stalls_guard(struct show_stalls *stalls, eddy_loop *loop) {
    return eddy_guard_start(&stalls->guard, &stalls->watchdog, loop);
}

/* Nothing is called just now: what has not been told to be over is. */
void show_stalls_leave(struct show_stalls *stalls) {
    eddy_guard_stop(&stalls->guard);
    pthread_mutex_lock(&stalls->lock);
    struct show_stall *kept = last(stalls);
    if (kept->number != 0 && !kept->is_over) kept->is_over = kept->is_new = true;
    pthread_mutex_unlock(&stalls->lock);
}

/* --- For who looks --- */

void show_stalls_read(struct show_stalls *stalls, struct show_stall *stall) {
    pthread_mutex_lock(&stalls->lock);
    *stall = *last(stalls);
    pthread_mutex_unlock(&stalls->lock);
    if (stall->is_over) stall->number = 0;
}

/* Those of the inlined functions are lines of their own. True: more names may come. */
static bool add_frames(const struct show_stall *stall, struct show_frames *frames,
                       struct json *json) {
    char text[FRAMES_TEXT_BYTES];
    const char *comma = "";
    bool is_nameless = false;
    json_add(json, ",\"frames\":[");
    for (int i = 0; i < stall->frame_count && json->used < FRAMES_BYTES; i++) {
        if (show_frames_name(frames, stall->frames[i], text, sizeof text)) is_nameless = true;
        for (char *line = text, *end; line != NULL; line = end) {
            end = strchr(line, '\n');
            if (end != NULL) *end++ = '\0';
            json_add(json, "%s", comma);
            json_add_text(json, line);
            comma = ",";
        }
    }
    json_add(json, "]");
    return is_nameless;
}

static bool tell_one(const struct show_stall *stall, struct show_frames *frames, show_tell_fn *tell,
                     void *context) {
    char text[EVENT_BYTES], function[64], why[64] = "";
    struct json json;
    show_function(stall->function, function, sizeof function);
    if (stall->frames_error < 0) eddy_strerror(stall->frames_error, why, sizeof why);
    json_begin(&json, text, sizeof text);
    json_add(&json, "{\"number\":%" PRIu64 ",\"label\":", stall->number);
    json_add_text(&json, stall->label);
    json_add(&json, ",\"kind\":\"%s\",\"phase\":%d,\"function\":", eddy_kind_name(stall->kind),
             stall->phase);
    json_add_text(&json, function);
    json_add(&json,
             ",\"ms\":%" PRId64 ",\"over\":%s,\"no_frames\":", stall->duration_ns / EDDY_NS_PER_MS,
             stall->is_over ? "true" : "false");
    json_add_text(&json, why);
    bool is_nameless = add_frames(stall, frames, &json);
    json_add(&json, "}");
    if (!json.is_cut) tell(context, "stall", text, json.used);
    return is_nameless;
}

/* True: there is something new of it. */
static bool take(struct show_stalls *stalls, uint64_t place, struct show_stall *stall) {
    pthread_mutex_lock(&stalls->lock);
    *stall = stalls->kept[place];
    stalls->kept[place].is_new = false;
    pthread_mutex_unlock(&stalls->lock);
    return stall->is_new;
}

/* At most two at a time are new on a loop that stalls for 100 ms: their order is no matter. */
void show_stalls_tell(struct show_stalls *stalls, struct show_frames *frames, show_tell_fn *tell,
                      void *context) {
    bool has_names = stalls->answers != frames->answers;
    stalls->answers = frames->answers;
    for (uint64_t i = 0; i < STALLS_KEPT; i++) {
        struct show_stall stall;
        if (!take(stalls, i, &stall) && !(has_names && stalls->nameless[i] == stall.number))
            continue;
        bool is_nameless = stall.duration_ns >= STALLS_TOLD_MS * EDDY_NS_PER_MS &&
                           tell_one(&stall, frames, tell, context);
        stalls->nameless[i] = is_nameless ? stall.number : 0;
    }
    show_frames_ask(frames);
}
