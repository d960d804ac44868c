/* show_state.h: the messages "hello" and "state", made of what the other threads tell.
 * Threading: the serving thread's. */
#ifndef EDDY_CMD_SHOW_STATE_H
#define EDDY_CMD_SHOW_STATE_H

#include "json.h"
#include "show_load.h"
#include "show_observed.h"

enum { STATE_BYTES = 7 * 1024 }; /* an event has 8 KiB at most */

struct show_state {
    struct show_observed *observed;
    struct show_load *load;
    struct show_board *board;
    int64_t started_ns;
    /* As of the state before. */
    struct show_look look;
    int64_t asked_ns;
    int64_t phase_ns[WATCH_PHASES];
    double rates[6];
};

void show_state_init(struct show_state *state, struct show_observed *observed,
                     struct show_load *load, struct show_board *board);
/* Asks for the next look as well. */
void show_state_write(struct show_state *state, struct json *json);

void show_hello_write(struct json *json, struct show_observed *observed, bool has_guide);

/* The label of what the observed loop knows by that address, or "". */
void show_label(struct show_observed *observed, uint64_t object, char *text, size_t size);

#endif
