/* show_serving.h: the page's server: a loop of its own, in the main thread, which goes on whatever
 * the observed one does. Threading: the main thread's. */
#ifndef EDDY_CMD_SHOW_SERVING_H
#define EDDY_CMD_SHOW_SERVING_H

#include <eddy.h>
#include <eddy/http.h>

#include "show_actions.h"
#include "show_guide.h"
#include "show_options.h"
#include "show_playback.h"
#include "show_recording.h"
#include "show_state.h"
#include "show_visitors.h"
#include "show_way.h"

enum { DO_BYTES = 1024, COPIES_MAX = 4 };

struct show {
    struct show_options options;
    eddy_loop *loop;
    eddy_http *http;
    eddy_http_listener listener;
    eddy_signal interrupt, terminate;
    eddy_timer end, state_timer, records_timer;
    eddy_child browser;
    char address[64];

    struct show_board board;
    struct show_observed observed;
    struct show_load load;
    struct show_state state;
    struct show_frames frames;
    struct show_records records;
    struct show_way way;
    struct show_measure measure;
    struct show_controls controls;
    struct show_visitors visitors;
    struct show_recording recording;
    struct show_guide guide;
    struct show_playback playback; /* if there is a file; then all of the above is not there */
    size_t line;                   /* the next one to be told */
    int64_t played_since_ns;

    char hello[STATE_BYTES];
    size_t hello_bytes;
    unsigned copies; /* of the recording, under way */
    int status;      /* of the program */
};

/* Listens and handles requests; the timers run. Errors: as eddy_http_listen. */
int show_serving_start(struct show *show);
/* As show_measure_init wants it, with the show as its context. */
void show_serving_tell(void *context, const char *type, const char *data, size_t size);
/* Ends all of it in the loop. */
void show_serving_stop(struct show *show);

#endif
