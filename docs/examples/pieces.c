/* pieces.c: half a second of computing, done in four ways beside a timer that ticks every 10 ms:
 * how long does it take, and how late do others get their turn? `pieces [MIB]` hashes so many MiB.
 * Read beside it: docs/16-questions.md. */
#include <eddy.h>
#include <stdio.h>

#include "number.h"

enum { PIECE_BYTES = 256 * 1024 }; /* half a millisecond */
#define TICK_NS (10 * EDDY_NS_PER_MS)

static eddy_loop *loop;
static unsigned char buffer[1 << 20];

/* --- The work --- */

struct hash {
    eddy_defer defer;
    eddy_hook hook;
    eddy_work work;
    uint64_t value;
    size_t offset, size; /* the buffer is hashed again and again */
    int64_t begin_ns, took_ns;
};

static struct hash hash;

/* FNV-1a. True if there is more to do. */
static bool hash_piece(size_t bytes) {
    size_t end = hash.size - hash.offset > bytes ? hash.offset + bytes : hash.size;
    uint64_t value = hash.value;
    for (size_t i = hash.offset; i < end; i++)
        value = (value ^ buffer[i % sizeof buffer]) * UINT64_C(0x100000001b3);
    hash.value = value;
    hash.offset = end;
    return end < hash.size;
}

/* --- The timer beside it, which ends with it --- */

static eddy_timer tick;
static int64_t due_ns, late_ns; /* of the next tick; the worst */

static void note_tick(void) {
    eddy_loop_update_now(loop);
    int64_t ns = eddy_loop_now_ns(loop) - due_ns;
    if (ns > late_ns) late_ns = ns;
}

static void on_tick(eddy_timer *timer) {
    note_tick();
    due_ns = eddy_timer_due_ns(timer);
}

static void hash_end(void) {
    note_tick(); /* the one that waits for this callback to return */
    hash.took_ns = eddy_loop_now_ns(loop) - hash.begin_ns;
    eddy_timer_stop(&tick);
}

/* --- Four ways --- */

static void on_whole(eddy_defer *defer) {
    (void)defer;
    (void)hash_piece(hash.size);
    hash_end();
}

/* Queued in phase 7, it is called in the next turn's: all others have theirs in between. */
static void on_piece(eddy_defer *defer) {
    if (!hash_piece(PIECE_BYTES))
        hash_end();
    else
        eddy_defer_start(defer, on_piece);
}

/* Called again only if nobody else has anything to do. */
static void on_idle(eddy_hook *hook) {
    if (hash_piece(PIECE_BYTES)) {
        eddy_hook_start(hook, EDDY_HOOK_IDLE, on_idle);
    } else {
        eddy_hook_stop(hook);
        hash_end();
    }
}

static void run_job(eddy_work *work) {
    (void)work;
    (void)hash_piece(hash.size);
}

static void on_job_done(eddy_work *work, int status) {
    (void)work, (void)status;
    hash_end();
}

static int start_whole(void) {
    return eddy_defer_start(&hash.defer, on_whole);
}

static int start_pieces(void) {
    return eddy_defer_start(&hash.defer, on_piece);
}

static int start_idle(void) {
    return eddy_hook_start(&hash.hook, EDDY_HOOK_IDLE, on_idle);
}

static int start_job(void) {
    return eddy_work_submit(loop, &hash.work, EDDY_LANE_CPU, run_job, on_job_done);
}

/* --- The measurement --- */

static int measure(const char *name, int (*start)(void), size_t size) {
    eddy_metrics before, after;
    late_ns = 0;
    hash.value = UINT64_C(0xcbf29ce484222325);
    hash.offset = 0;
    hash.size = size;
    int err = eddy_timer_start(&tick, on_tick, TICK_NS, TICK_NS);
    if (err == 0) err = start();
    if (err < 0) return err;
    due_ns = eddy_timer_due_ns(&tick);
    hash.begin_ns = eddy_loop_now_ns(loop);
    eddy_loop_read_metrics(loop, &before, sizeof before);
    err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    eddy_loop_read_metrics(loop, &after, sizeof after);
    printf("%-16s %016llx  %7.1f ms  %6llu turns  %7.1f ms late\n", name,
           (unsigned long long)hash.value, (double)hash.took_ns / 1e6,
           (unsigned long long)(after.turns - before.turns), (double)late_ns / 1e6);
    return err;
}

int main(int argc, char **argv) {
    long number = 256;
    if (argc > 2 || (argc == 2 && !number_parse(argv[1], 1, 4000, &number)))
        return fprintf(stderr, "usage: pieces [MIB]\n"), 2;
    const size_t mib = (size_t)number;
    for (size_t i = 0; i < sizeof buffer; i++) buffer[i] = (unsigned char)(i * 37);
    if (eddy_loop_open(&loop, NULL) < 0) return 1;
    eddy_timer_init(&tick, loop);
    eddy_defer_init(&hash.defer, loop);
    eddy_hook_init(&hash.hook, loop);

    printf("hash of %4zu MiB  the same each time    taking  in how many     worst tick\n", mib);
    int err = measure("in one go", start_whole, mib << 20);
    if (err == 0) err = measure("in pieces", start_pieces, mib << 20);
    if (err == 0) err = measure("when idle", start_idle, mib << 20);
    if (err == 0) err = measure("on the pool", start_job, mib << 20);
    puts("\n"
         "in one go    what takes less than others may wait: a millisecond, say\n"
         "in pieces    what needs the loop's own data, which nobody may change meanwhile\n"
         "when idle    the same, if it may wait for as long as others have something to do\n"
         "on the pool  all else: another processor does it, and the code stays as it is");
    return err < 0 || eddy_loop_close(loop) < 0;
}
