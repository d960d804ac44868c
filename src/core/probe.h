/* probe.h: USDT notes: the records of a trace for SystemTap, bpftrace and perf, where the build has
 * found <sys/sdt.h>. There is one of each kind's name ("timer_start"), of the provider eddy, with
 * the arguments number, object, argument, what and phase. Of records of the loop's thread whoever
 * begins to listen is told from the next turn on. Any thread, and signal handlers. */
#ifndef EDDY_CORE_PROBE_H
#define EDDY_CORE_PROBE_H

#include <eddy/trace.h>

#ifdef EDDY_USDT
/* All notes have it as their semaphore: how many listen, which the kernel counts. */
extern volatile unsigned short eddy__probes_wanted;

static inline bool probe_is_wanted(void) {
    return eddy__probes_wanted != 0;
}

void eddy__probe(unsigned kind, uint64_t number, uint64_t object, int64_t argument, unsigned what,
                 unsigned phase);

static inline void probe(unsigned kind, uint64_t number, uint64_t object, int64_t argument,
                         unsigned what, unsigned phase) {
    if (probe_is_wanted()) eddy__probe(kind, number, object, argument, what, phase);
}
#else
static inline bool probe_is_wanted(void) {
    return false;
}

static inline void probe(unsigned kind, uint64_t number, uint64_t object, int64_t argument,
                         unsigned what, unsigned phase) {
    (void)kind, (void)number, (void)object, (void)argument, (void)what, (void)phase;
}
#endif

#endif
