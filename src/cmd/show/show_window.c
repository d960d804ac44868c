/* show_window.c: see show_window.h. */
#include "show_window.h"

#include <eddy.h>

/* Notes how it is at the beginning of each part that has begun since. */
static void move(struct show_window *window, int64_t now_ns) {
    int64_t place = now_ns / (WINDOW_PART_MS * EDDY_NS_PER_MS);
    if (place - window->place > WINDOW_PARTS) window->place = place - WINDOW_PARTS;
    while (window->place < place)
        window->before[(uint64_t)++window->place % WINDOW_PARTS] = window->all;
}

void show_window_add(struct show_window *window, int64_t now_ns, int64_t value_ns) {
    move(window, now_ns);
    eddy_histogram_record(&window->all, value_ns);
}

void show_window_read(struct show_window *window, int64_t now_ns, struct show_figures *figures) {
    move(window, now_ns);
    eddy_histogram recent = window->all;
    eddy_histogram_subtract(&recent, &window->before[(uint64_t)(window->place + 1) % WINDOW_PARTS]);
    *figures = (struct show_figures){
        .count = recent.count,
        .p50_ns = eddy_histogram_at_ns(&recent, 0.5),
        .p99_ns = eddy_histogram_at_ns(&recent, 0.99),
        .max_ns = eddy_histogram_at_ns(&recent, 1),
    };
}
