/* figures.h: what the loops of a program have seen, and how one loop shows its own to the others.
 *
 * A loop writes a copy of its figures once a second, and any thread reads it: neither waits for the
 * other, and a loop that is held up still shows what it wrote last, and when. There are two copies:
 * the next one goes where nobody looks any more, but for a reader that was not run for a second. It
 * finds that out by the number of the copy, and looks again.
 * Threading: figures_show belongs to the loop's thread; figures_look is for any. */
#ifndef EDDY_CMD_SERVE_FIGURES_H
#define EDDY_CMD_SERVE_FIGURES_H

#include <eddy.h>
#include <eddy/http.h>
#include <stdatomic.h>

/* Of one loop, or of several together. */
struct figures {
    int64_t oldest_ns; /* when the oldest of them was written, on the clock of loops */
    eddy_loop_stats loop;
    eddy_metrics metrics;
    eddy_http_counts http;
    eddy_slow_call slowest; /* since `period_ns` of the board; taken_ns 0: none */
};

enum { FIGURES_WORDS = sizeof(struct figures) / sizeof(uint32_t) };
_Static_assert(sizeof(struct figures) % sizeof(uint32_t) == 0, "figures are words");

struct figures_copy {
    EDDY_ATOMIC(uint32_t) number; /* odd while it is written */
    EDDY_ATOMIC(uint32_t) words[FIGURES_WORDS];
};

/* All zeros at first: then figures of zeros are shown. */
struct figures_window {
    EDDY_ATOMIC(unsigned) current;
    struct figures_copy copies[2];
};

void figures_show(struct figures_window *window, const struct figures *figures);
void figures_look(struct figures_window *window, struct figures *figures);

/* Adds what another loop has seen. */
void figures_merge(struct figures *figures, const struct figures *other);

#endif
