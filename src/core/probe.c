/* probe.c: a USDT note for each kind of record; nothing without EDDY_USDT.
 * A note's semaphore is found by its name; here all names are of one. */
#include "probe.h"

#ifdef EDDY_USDT
#define _SDT_HAS_SEMAPHORES 1

/* Its macros leave out arguments that ISO C wants. */
#pragma GCC diagnostic ignored "-Wpedantic"
#include <sys/sdt.h>

#define KINDS(DO)                \
    DO(TURN, turn)               \
    DO(PHASE, phase)             \
    DO(WAIT, wait)               \
    DO(WAITED, waited)           \
    DO(EVENT, event)             \
    DO(STALE, stale)             \
    DO(CALL, call)               \
    DO(RETURN, return )          \
    DO(ADD, add)                 \
    DO(MODIFY, modify)           \
    DO(REMOVE, remove)           \
    DO(READ, read)               \
    DO(WRITE, write)             \
    DO(ACCEPT, accept)           \
    DO(QUEUE, queue)             \
    DO(TIMER_START, timer_start) \
    DO(TIMER_STOP, timer_stop)   \
    DO(DEFER, defer)             \
    DO(CLOSE, close)             \
    DO(POST, post)               \
    DO(WAKE, wake)               \
    DO(SIGNAL, signal)           \
    DO(WAKEUP, wakeup)           \
    DO(SUBMIT, submit)           \
    DO(BEGIN, begin)             \
    DO(DONE, done)               \
    DO(CANCEL, cancel)           \
    DO(MARK, mark)

#define HIDDEN __attribute__((visibility("hidden")))

HIDDEN volatile unsigned short eddy__probes_wanted __attribute__((section(".probes")));

#define SEMAPHORE(kind, name)                                     \
    extern HIDDEN volatile unsigned short eddy_##name##_semaphore \
        __attribute__((alias("eddy__probes_wanted")));
KINDS(SEMAPHORE)

#define NOTE(kind, name)                                                \
    case EDDY_TRACE_##kind:                                             \
        STAP_PROBE5(eddy, name, number, object, argument, what, phase); \
        break;

void eddy__probe(unsigned kind, uint64_t number, uint64_t object, int64_t argument, unsigned what,
                 unsigned phase) {
    switch (kind) {
        KINDS(NOTE)
    default:
        break;
    }
}
#endif
