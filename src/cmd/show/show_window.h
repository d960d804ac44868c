/* show_window.h: percentiles of the last second. Threading: the caller's. */
#ifndef EDDY_CMD_SHOW_WINDOW_H
#define EDDY_CMD_SHOW_WINDOW_H

#include <stdint.h>

enum {
    WINDOW_STEPS = 16, /* buckets a doubling: an error of a sixteenth at most */
    WINDOW_BUCKETS = 40 * WINDOW_STEPS,
    WINDOW_PARTS = 8,
    WINDOW_PART_MS = 125,
};

struct show_window {
    struct show_window_part {
        int64_t place; /* in time, in parts */
        uint32_t count;
        int64_t max_ns;
        uint32_t buckets[WINDOW_BUCKETS];
    } parts[WINDOW_PARTS];
};

struct show_figures {
    uint64_t count;
    int64_t p50_ns, p99_ns, max_ns;
};

void show_window_add(struct show_window *window, int64_t now_ns, int64_t value_ns);
void show_window_read(const struct show_window *window, int64_t now_ns,
                      struct show_figures *figures);

#endif
