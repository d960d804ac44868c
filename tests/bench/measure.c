/* measure.c: when a sample is over, and which parts of it count. In time, each part is measured and
 * added up. To count instructions, callgrind is told where a part begins and ends, and the number
 * of operations is given. */
#include "peers.h"

#include <errno.h>
#include <string.h>

#ifdef PEERS_CALLGRIND
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_TOGGLE_COLLECT
#endif

void (*peers_ready)(unsigned i);
void (*peers_ticked)(void);
void (*peers_woken)(unsigned side);
void (*peers_done)(unsigned i, int64_t result);
unsigned long peers_fired;
size_t peers_reply_bytes = PEERS_MESSAGE_BYTES;
struct peers_block *peers_blocks;

static struct {
    uint64_t wanted; /* operations; 0: time is measured */
    int64_t end_ns;
    unsigned rounds;
    int error;
    bool is_cpu_told;
    const struct peer *peer;
    struct bench_meter meter;
    int64_t waits, events; /* when the part began */
} state;

void peers_count(uint64_t operations) {
    state.wanted = operations;
}

bool peers_is_counting(void) {
    return state.wanted > 0;
}

void peers_fail(int error) {
    state.error = error < 0 ? error : -EIO;
    state.peer->stop(0);
}

int peers_error(void) {
    return state.error;
}

const struct peer *peers_of(const struct bench_case *it) {
    state.is_cpu_told = (it->numbers[1] & (PEERS_SERVER_CPU | PEERS_ELAPSED)) == 0;
    return state.peer = it->extra;
}

bool peers_go_on(const struct bench_case *it, const struct bench_sample *sample) {
    if (state.error < 0) return false;
    if (state.wanted > 0) return sample->operations < state.wanted;
    if (state.end_ns == 0) state.end_ns = bench_now_ns() + it->time_ns;
    return sample->operations == 0 || bench_now_ns() < state.end_ns;
}

void peers_begin(void) {
    if (state.rounds == 0) return;
    if (state.wanted > 0) {
        CALLGRIND_TOGGLE_COLLECT;
        return;
    }
    if (state.peer->read_counts != NULL) state.peer->read_counts(&state.waits, &state.events);
    bench_start(&state.meter);
}

static void add_counts(struct bench_sample *sample) {
    int64_t waits, events;
    if (state.peer->read_counts == NULL) return;
    state.peer->read_counts(&waits, &events);
    sample->waits += waits - state.waits;
    sample->events += events - state.events;
}

void peers_end(struct bench_sample *sample, uint64_t operations) {
    struct bench_sample part;
    if (state.rounds++ == 0) return;
    sample->operations += operations;
    if (state.wanted > 0) {
        CALLGRIND_TOGGLE_COLLECT;
        return;
    }
    bench_stop(&state.meter, &part);
    add_counts(sample);
    sample->time_ns += state.is_cpu_told ? part.cpu_ns : part.time_ns;
    sample->cpu_ns = (sample->cpu_ns < 0 ? 0 : sample->cpu_ns) + part.cpu_ns;
    sample->switches = (sample->switches < 0 ? 0 : sample->switches) + part.switches;
}
