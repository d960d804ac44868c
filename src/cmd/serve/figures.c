/* figures.c: see figures.h.
 * Orders: a word is written (release) after its copy's number has become odd. So whoever reads it
 * (acquire) sees that number, or a later one, when it reads it for the second time. */
#include "figures.h"

#include <string.h>

/* --- From one thread to another --- */

void figures_show(struct figures_window *window, const struct figures *figures) {
    unsigned next = 1 - atomic_load_explicit(&window->current, memory_order_relaxed);
    struct figures_copy *copy = &window->copies[next];
    uint32_t number = atomic_load_explicit(&copy->number, memory_order_relaxed);
    atomic_store_explicit(&copy->number, number + 1, memory_order_relaxed);
    for (unsigned i = 0; i < FIGURES_WORDS; i++) {
        uint32_t word;
        memcpy(&word, (const char *)figures + i * sizeof word, sizeof word);
        atomic_store_explicit(&copy->words[i], word, memory_order_release);
    }
    atomic_store_explicit(&copy->number, number + 2, memory_order_release);
    atomic_store_explicit(&window->current, next, memory_order_release);
}

static bool try_to_look(struct figures_window *window, struct figures *figures) {
    unsigned current = atomic_load_explicit(&window->current, memory_order_acquire);
    struct figures_copy *copy = &window->copies[current];
    uint32_t number = atomic_load_explicit(&copy->number, memory_order_acquire);
    for (unsigned i = 0; i < FIGURES_WORDS; i++) {
        uint32_t word = atomic_load_explicit(&copy->words[i], memory_order_acquire);
        memcpy((char *)figures + i * sizeof word, &word, sizeof word);
    }
    return number % 2 == 0 && atomic_load_explicit(&copy->number, memory_order_relaxed) == number;
}

void figures_look(struct figures_window *window, struct figures *figures) {
    while (!try_to_look(window, figures)) continue;
}

/* --- Several loops --- */

static void merge_metrics(eddy_metrics *to, const eddy_metrics *from) {
    to->turns += from->turns;
    to->waits += from->waits;
    to->waits_empty += from->waits_empty;
    to->events += from->events;
    to->events_stale += from->events_stale;
    to->callbacks += from->callbacks;
    to->timers += from->timers;
    to->completions += from->completions;
    to->deferred += from->deferred;
    to->closed += from->closed;
    to->backend_adds += from->backend_adds;
    to->backend_modifies += from->backend_modifies;
    to->backend_removes += from->backend_removes;
    to->wake_reads += from->wake_reads;
    to->reads += from->reads;
    to->writes += from->writes;
    to->accepts += from->accepts;
    to->accepts_shed += from->accepts_shed;
    to->file_attempts += from->file_attempts;
    to->file_hits += from->file_hits;
    to->jobs += from->jobs;
    to->ring_jobs += from->ring_jobs;
    to->allocations += from->allocations;
    to->active += from->active;
    to->timers_active += from->timers_active;
}

static void merge_http(eddy_http_counts *to, const eddy_http_counts *from) {
    to->connections += from->connections;
    to->requests += from->requests;
    to->evicted += from->evicted;
    to->refused += from->refused;
    to->gone += from->gone;
    to->timed_out += from->timed_out;
    to->open += from->open;
    to->answering += from->answering;
    to->memory_bytes += from->memory_bytes;
}

static void merge_loop(eddy_loop_stats *to, const eddy_loop_stats *from) {
    to->turns += from->turns;
    eddy_histogram_merge(&to->lag, &from->lag);
    eddy_histogram_merge(&to->calls, &from->calls);
    eddy_histogram_merge(&to->late, &from->late);
    for (int i = 0; i < EDDY_STATS_PHASES; i++)
        eddy_histogram_merge(&to->phases[i], &from->phases[i]);
    to->inbox.now += from->inbox.now;
    to->deferred.now += from->deferred.now;
    to->closing.now += from->closing.now;
}

void figures_merge(struct figures *figures, const struct figures *other) {
    if (other->oldest_ns < figures->oldest_ns) figures->oldest_ns = other->oldest_ns;
    merge_loop(&figures->loop, &other->loop);
    merge_metrics(&figures->metrics, &other->metrics);
    merge_http(&figures->http, &other->http);
    if (other->slowest.taken_ns > figures->slowest.taken_ns) figures->slowest = other->slowest;
}
