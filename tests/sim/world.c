/* world.c: chance, the trace, the clock and the events of a world.
 * Invariant: nothing but the seed decides; no address, no real time and no uninitialized byte gets
 * into what is noted or chosen. Threading: one context runs at a time. */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_BYTES = 160,
    LINES_KEPT = 60,       /* told when a run goes wrong */
    STILL_STEPS = 1 << 20, /* so many in one moment are a spin, whatever they do */
};

struct event {
    int64_t at_ns;
    uint64_t order;
    sim_fn *fn;
    void *context;
};

static struct {
    uint64_t seed, random, steps, progress, trace_sum;
    struct sim_weather weather;
    int64_t now_ns;
    int64_t still_ns; /* the moment at which the clock stands */
    uint64_t still_steps;
    bool is_open, is_shown, in_event;
    struct event *events; /* a binary heap */
    size_t events_count, events_room;
    uint64_t event_order;
    char lines[LINES_KEPT][LINE_BYTES];
    uint64_t lines_count;
} world;

const struct sim_weather sim_calm = {.window_bytes = 64 * 1024};

/* --- Chance --- */

uint64_t sim_random(void) {
    uint64_t mixed = world.random += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

unsigned sim_below(unsigned limit) {
    return (unsigned)((sim_random() >> 32) * limit >> 32);
}

bool sim_chance(unsigned of_10000) {
    return of_10000 > 0 && sim_below(10000) < of_10000;
}

static unsigned one_of(unsigned a, unsigned b, unsigned c, unsigned d) {
    const unsigned all[] = {a, b, c, d};
    return all[sim_below(4)];
}

/* Each part on its own: a fault is found sooner where little else goes wrong. */
static struct sim_weather make_weather(void) {
    bool is_fair = sim_below(3) == 0; /* no errors: everything must come to a good end */
    struct sim_weather weather = {
        .switches = one_of(0, 100, 1000, 4000),
        .faults = is_fair ? 0 : one_of(0, 5, 50, 300),
        .no_memory = is_fair ? 0 : one_of(0, 0, 50, 500),
        .shorts = one_of(0, 100, 2000, 8000),
        .interrupts = one_of(0, 10, 200, 2000),
        .held = one_of(0, 100, 1000, 5000),
        .spurious = one_of(0, 0, 100, 1000),
        .stale = one_of(0, 0, 500, 3000),
        .edges_if_empty = one_of(0, 0, 0, 1) != 0,
        .tick_ns = one_of(0, 50, 1000, 100000),
        .latency_ns = one_of(0, 10000, 1000000, 50000000),
        .disk_ns = one_of(0, 10000, 1000000, 20000000),
        .window_bytes = one_of(7, 300, 4096, 64 * 1024),
    };
    /* A loop asks its kernel about edges once, and must get an answer that is true. */
    if (weather.edges_if_empty) weather.spurious = 0;
    return weather;
}

/* --- The life of a world --- */

void sim_begin(uint64_t seed, const struct sim_weather *weather) {
    sim_check(!world.is_open, "sim_begin: the last world has not ended");
    struct event *events = world.events;
    size_t room = world.events_room;
    bool is_shown = world.is_shown;
    memset(&world, 0, sizeof world);
    world.events = events;
    world.events_room = room;
    world.is_shown = is_shown;
    world.is_open = true;
    world.seed = world.random = seed;
    world.trace_sum = UINT64_C(0xcbf29ce484222325);
    world.weather = weather != NULL ? *weather : make_weather();
    world.now_ns = 1 + (int64_t)sim_below(1000000000);
    sim_fibers_begin();
    sim_memory_begin();
    sim_threads_begin();
    sim_signals_begin();
    sim_files_begin();
    sim_descriptors_begin();
    sim_terminals_begin();
    sim_backends_begin();
    sim_children_begin();
}

void sim_end(void) {
    sim_fibers_end();
    sim_backends_end();
    sim_children_end();
    sim_descriptors_end();
    sim_files_end();
    sim_signals_end();
    sim_threads_end();
    sim_memory_end();
    sim_process_end();
    world.events_count = 0; /* what would come from outside finds nobody any more */
    world.is_open = false;
}

const struct sim_weather *sim_weather(void) {
    return &world.weather;
}

/* --- The trace --- */

static void keep(const char *line) {
    for (const char *at = line; *at != 0; at++)
        world.trace_sum = (world.trace_sum ^ (unsigned char)*at) * UINT64_C(0x100000001b3);
    if (world.is_shown) puts(line);
}

void sim_note(const char *format, ...) {
    char *line = world.lines[world.lines_count++ % LINES_KEPT];
    const struct sim_fiber *self = sim_self();
    int used = snprintf(line, LINE_BYTES, "%lld %s: ", (long long)world.now_ns,
                        world.in_event ? "outside" : self->name);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + used, LINE_BYTES - (size_t)used, format, arguments);
    va_end(arguments);
    keep(line);
}

void sim_show_trace(bool shown) {
    world.is_shown = shown;
}

uint64_t sim_trace_sum(void) {
    return world.trace_sum;
}

uint64_t sim_steps(void) {
    return world.steps;
}

void sim_fail(const char *format, ...) {
    fflush(stdout);
    uint64_t first = world.lines_count > LINES_KEPT ? world.lines_count - LINES_KEPT : 0;
    for (uint64_t i = first; i < world.lines_count && !world.is_shown; i++)
        fprintf(stderr, "  %s\n", world.lines[i % LINES_KEPT]);
    fprintf(stderr, "seed %llu, step %llu, %lld ns: ", (unsigned long long)world.seed,
            (unsigned long long)world.steps, (long long)world.now_ns);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

void sim_progress(void) {
    world.progress++;
}

uint64_t sim_progress_count(void) {
    return world.progress;
}

/* --- Calls of the seam --- */

bool sim_happens(unsigned of_10000) {
    return sim_self()->faults_off == 0 && sim_chance(of_10000);
}

void sim_step(void) {
    world.steps++;
    if (world.weather.tick_ns > 0)
        world.now_ns += (int64_t)sim_below((unsigned)world.weather.tick_ns + 1);
    if (world.now_ns != world.still_ns) {
        world.still_ns = world.now_ns;
        world.still_steps = world.steps;
    }
    sim_check(world.steps - world.still_steps < STILL_STEPS, "spins: time does not pass any more");
    if (world.in_event) return; /* as by a thread of somebody else's */
    sim_run_events();
    sim_signals_deliver();
    sim_cut_in();
}

void sim_cut_in(void) {
    if (!world.in_event && sim_chance(world.weather.switches)) sim_maybe_switch();
}

static unsigned count_errors(enum os_call call) {
    unsigned count = 0;
    while (os_call_infos[call].errors[count] != 0) count++;
    return count;
}

int sim_enter(enum os_call call) {
    sim_step();
    if (!sim_happens(world.weather.faults)) return 0;
    int error = os_call_infos[call].errors[sim_below(count_errors(call))];
    sim_progress(); /* whoever tries again has a reason */
    sim_note("%s fails with %s", os_call_infos[call].name, sim_result(-error));
    return -error;
}

size_t sim_shorten(size_t size) {
    if (size < 2 || !sim_happens(world.weather.shorts)) return size;
    return 1 + sim_below((unsigned)(size < 4096 ? size : 4096) - 1);
}

/* --- The clock and the events --- */

int64_t sim_now_ns(void) {
    return world.now_ns;
}

void sim_advance(int64_t to_ns) {
    if (to_ns > world.now_ns) world.now_ns = to_ns;
}

static bool is_before(const struct event *a, const struct event *b) {
    return a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->order < b->order);
}

static void swap_events(size_t i, size_t j) {
    struct event kept = world.events[i];
    world.events[i] = world.events[j];
    world.events[j] = kept;
}

void sim_after(int64_t delay_ns, sim_fn *fn, void *context) {
    if (world.events_count == world.events_room) {
        world.events_room = world.events_room == 0 ? 64 : 2 * world.events_room;
        world.events = realloc(world.events, world.events_room * sizeof *world.events);
        if (world.events == NULL) sim_fail("no memory for the simulation itself");
    }
    size_t at = world.events_count++;
    world.events[at] = (struct event){world.now_ns + delay_ns, world.event_order++, fn, context};
    for (; at > 0 && is_before(&world.events[at], &world.events[(at - 1) / 2]); at = (at - 1) / 2)
        swap_events(at, (at - 1) / 2);
}

static struct event take_event(void) {
    struct event first = world.events[0];
    world.events[0] = world.events[--world.events_count];
    for (size_t at = 0;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < world.events_count; child++)
            if (is_before(&world.events[child], &world.events[least])) least = child;
        if (least == at) return first;
        swap_events(at, least);
        at = least;
    }
}

bool sim_next_event_ns(int64_t *at_ns) {
    if (world.events_count == 0) return false;
    *at_ns = world.events[0].at_ns;
    return true;
}

bool sim_run_events(void) {
    bool ran = false;
    if (world.in_event) return false;
    while (world.events_count > 0 && world.events[0].at_ns <= world.now_ns) {
        struct event event = take_event();
        world.in_event = ran = true;
        world.progress++;
        event.fn(event.context);
        world.in_event = false;
    }
    return ran;
}
