/* show_window.h: percentiles of the last second: what a histogram has seen since it was as it was a
 * second ago. Threading: the caller's. */
#ifndef EDDY_CMD_SHOW_WINDOW_H
#define EDDY_CMD_SHOW_WINDOW_H

#include <eddy/histogram.h>

enum { WINDOW_PARTS = 8, WINDOW_PART_MS = 125 };

/* All zeros: nothing was seen. */
struct show_window {
    eddy_histogram all;
    eddy_histogram before[WINDOW_PARTS]; /* `all`, when each part began */
    int64_t place;                       /* in time, in parts */
};

struct show_figures {
    uint64_t count;
    int64_t p50_ns, p99_ns, max_ns;
};

void show_window_add(struct show_window *window, int64_t now_ns, int64_t value_ns);
void show_window_read(struct show_window *window, int64_t now_ns, struct show_figures *figures);

#endif
