/* nesting.c: handlers that run the loop again, and wait in it for something else: turns inside
 * turns, of one loop. The library refuses that in its callbacks, so callbacks only note what is
 * ready; handlers are called from the program's own list, outside of the library, and may go on
 * with that list at any depth. (nest.c is something else: one loop inside another one's wait.)
 * Read beside it: docs/02-turn.md. */
#include <eddy.h>
#include <stdio.h>
#include <unistd.h>

/* --- The loop --- */

typedef struct ready ready;
typedef void ready_fn(ready *it);

/* In the list while something is ready and not handled yet; `next` is NULL else. */
struct ready {
    ready *next, *prev;
    ready_fn *fn;
};

static eddy_loop *loop;
static ready list = {&list, &list, NULL};

/* At most once in the list, so that nothing is told twice. */
static void ready_note(ready *it) {
    if (it->next != NULL) return;
    it->next = &list;
    it->prev = list.prev;
    list.prev->next = it;
    list.prev = it;
}

static void ready_forget(ready *it) {
    if (it->next == NULL) return;
    it->next->prev = it->prev;
    it->prev->next = it->next;
    it->next = it->prev = NULL;
}

/* Calls one handler; false if none will ever be. The library makes a turn only when the list is
 * empty. What it notes then is for all levels: whichever comes first handles it. */
static bool step(void) {
    while (list.next == &list) {
        int left = eddy_loop_run(loop, EDDY_RUN_ONCE);
        if (left <= 0 && list.next == &list) return false;
    }
    ready *first = list.next;
    ready_forget(first);
    first->fn(first); /* `first` may be gone now */
    return true;
}

static void run_until(const bool *done) {
    while (!*done && step()) continue;
}

/* --- Its watchers: the library's, each with a place in the list --- */

struct reader {
    ready ready;
    eddy_io io;
    const char *name;
    int ends[2];
    bool is_done;
};

static void on_readable(eddy_io *io, unsigned events) {
    (void)events;
    ready_note(&eddy_container_of(io, struct reader, io)->ready);
}

static int reader_start(struct reader *it, const char *name, ready_fn *fn) {
    it->ready.fn = fn;
    it->name = name;
    eddy_io_init(&it->io, loop);
    if (pipe(it->ends) < 0 || write(it->ends[1], "x", 1) != 1) return -1;
    return eddy_io_start(&it->io, on_readable, it->ends[0], EDDY_READ);
}

/* Whoever stops a watcher takes it out of the list as well. Then it is silent on every level. */
static void reader_stop(struct reader *it) {
    eddy_io_stop(&it->io);
    ready_forget(&it->ready);
}

struct delay {
    ready ready;
    eddy_timer timer;
    bool is_done;
};

static void on_timer(eddy_timer *timer) {
    ready_note(&eddy_container_of(timer, struct delay, timer)->ready);
}

/* --- The program --- */

static struct reader outer, middle, twins[2];
static bool twin_is_done;
static struct delay delay;
static int depth, faults;

/* It reads before it waits: as long as a byte is there, each turn of an inner level tells of it. */
static void begin(struct reader *it) {
    char byte;
    if (read(it->ends[0], &byte, 1) != 1) faults++;
    printf("%*s%s begins\n", 4 * depth++, "", it->name);
}

static void end(struct reader *it) {
    it->is_done = true;
    printf("%*s%s ends\n", 4 * --depth, "", it->name);
}

static void on_delay(ready *it) {
    eddy_container_of(it, struct delay, ready)->is_done = true;
    printf("%*sthe delay is over\n", 4 * depth, "");
}

/* Both twins are in the list when the first one is handled, which leaves nothing for the other. */
static void on_twin(ready *it) {
    struct reader *reader = eddy_container_of(it, struct reader, ready);
    begin(reader);
    reader_stop(reader == &twins[0] ? &twins[1] : &twins[0]);
    if (eddy_timer_start(&delay.timer, on_timer, 5 * EDDY_NS_PER_MS, 0) < 0) faults++;
    run_until(&delay.is_done);
    end(reader);
    twin_is_done = true;
}

static void on_middle(ready *it) {
    struct reader *reader = eddy_container_of(it, struct reader, ready);
    begin(reader);
    if (reader_start(&twins[0], "a twin", on_twin) < 0) faults++;
    if (reader_start(&twins[1], "a twin", on_twin) < 0) faults++;
    run_until(&twin_is_done);
    end(reader);
}

static void on_outer(ready *it) {
    struct reader *reader = eddy_container_of(it, struct reader, ready);
    begin(reader);
    if (reader_start(&middle, "middle", on_middle) < 0) faults++;
    run_until(&middle.is_done);
    end(reader);
}

int main(void) {
    if (eddy_loop_open(&loop, NULL) < 0) return 1;
    delay.ready.fn = on_delay;
    eddy_timer_init(&delay.timer, loop);
    if (reader_start(&outer, "outer", on_outer) < 0) return 1;
    run_until(&outer.is_done);
    struct reader *readers[] = {&outer, &middle, &twins[0], &twins[1]};
    int ended = 0;
    for (int i = 0; i < 4; i++) {
        reader_stop(readers[i]);
        ended += readers[i]->is_done;
    }
    return ended == 3 && faults == 0 && eddy_loop_close(loop) == 0 ? 0 : 1;
}
