/* show_window.c: see show_window.h. A part is emptied when its place comes round again. */
#include "show_window.h"

#include <eddy.h>
#include <string.h>

/* Below WINDOW_STEPS each number has its own bucket; above, the leading bit tells the doubling and
 * the next four the step in it. */
static unsigned bucket_of(int64_t value) {
    unsigned doublings = 0;
    if (value < WINDOW_STEPS) return value < 0 ? 0 : (unsigned)value;
    while (value >> doublings >= 2 * WINDOW_STEPS) doublings++;
    unsigned bucket =
        (doublings + 1) * WINDOW_STEPS + (unsigned)(value >> doublings) - WINDOW_STEPS;
    return bucket < WINDOW_BUCKETS ? bucket : WINDOW_BUCKETS - 1;
}

/* The middle of a bucket. */
static int64_t value_of(unsigned bucket) {
    if (bucket < WINDOW_STEPS) return bucket;
    unsigned doublings = bucket / WINDOW_STEPS - 1;
    int64_t first = (int64_t)(WINDOW_STEPS + bucket % WINDOW_STEPS) << doublings;
    return first + (((int64_t)1 << doublings) - 1) / 2;
}

void show_window_add(struct show_window *window, int64_t now_ns, int64_t value_ns) {
    int64_t place = now_ns / (WINDOW_PART_MS * EDDY_NS_PER_MS);
    struct show_window_part *part = &window->parts[place % WINDOW_PARTS];
    if (part->place != place) {
        memset(part, 0, sizeof *part);
        part->place = place;
    }
    part->count++;
    part->buckets[bucket_of(value_ns)]++;
    if (value_ns > part->max_ns) part->max_ns = value_ns;
}

static bool is_recent(const struct show_window_part *part, int64_t now_ns) {
    return part->place > now_ns / (WINDOW_PART_MS * EDDY_NS_PER_MS) - WINDOW_PARTS;
}

void show_window_read(const struct show_window *window, int64_t now_ns,
                      struct show_figures *figures) {
    *figures = (struct show_figures){0};
    for (unsigned i = 0; i < WINDOW_PARTS; i++) {
        const struct show_window_part *part = &window->parts[i];
        if (!is_recent(part, now_ns)) continue;
        figures->count += part->count;
        if (part->max_ns > figures->max_ns) figures->max_ns = part->max_ns;
    }
    uint64_t seen = 0, half = figures->count / 2, most = figures->count * 99 / 100;
    for (unsigned bucket = 0; seen < figures->count && bucket < WINDOW_BUCKETS; bucket++) {
        uint64_t before = seen;
        for (unsigned i = 0; i < WINDOW_PARTS; i++)
            if (is_recent(&window->parts[i], now_ns)) seen += window->parts[i].buckets[bucket];
        if (before <= half && half < seen) figures->p50_ns = value_of(bucket);
        if (before <= most && most < seen) figures->p99_ns = value_of(bucket);
    }
    if (figures->p50_ns > figures->max_ns) figures->p50_ns = figures->max_ns;
    if (figures->p99_ns > figures->max_ns) figures->p99_ns = figures->max_ns;
}
