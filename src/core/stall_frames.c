/* stall_frames.c: a loop's thread takes its own backtrace, when a watchdog sends it a signal.
 *
 * These are globals, as a handler gets nothing but a number; one watchdog at a time has them. A
 * request is ASKED by the watchdog, and TAKEN by the handler, of that thread, by way of TAKING; who
 * asks and gets no answer takes the request back, and the signal that comes later finds nothing.
 *
 * Invariant: in TAKING the guard stays where it is, as the watchdog waits.
 * Threading: the watchdog's; the handler anywhere. */
#include "loop.h"
#include "watchdog.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

enum { FRAMES_FREE, FRAMES_ASKED, FRAMES_TAKING, FRAMES_TAKEN };

/* The handler's own frames and the system's below it. */
enum { FRAMES_OURS = 16 };

static const int64_t frames_patience_ns = 100 * EDDY_NS_PER_MS;

static struct {
    atomic_bool is_open;
    atomic_int state;
    int signal;
    struct sigaction before;
    bool is_late; /* a signal was sent, and may still come */
    eddy_os_thread thread;
    const eddy_guard *guard;
    unsigned call;
    int first, count; /* of `frames`: those that are told; or `count` is an error */
    void *frames[EDDY_STALL_FRAMES + FRAMES_OURS];
} frames;

/* The handler goes back to a piece of code of the system's, which ends the signal: the next frame
 * is where the thread was interrupted. That is no return address, but the others are: one more
 * makes it as one of them, of which one less is in the call. */
static void frames_find(int count, void *handler_return) {
    int at = 0;
    while (at < count && frames.frames[at] != handler_return) at++;
    frames.first = at + 1 < count ? at + 1 : 0;
    frames.count = count - frames.first;
    if (frames.first > 0) {
        uintptr_t interrupted = (uintptr_t)frames.frames[frames.first] + 1;
        memcpy(&frames.frames[frames.first], &interrupted, sizeof interrupted);
    }
    if (frames.count > EDDY_STALL_FRAMES) frames.count = EDDY_STALL_FRAMES;
}

/* The call may have ended since the signal was sent: what runs now is to be disturbed no more than
 * it was, and nothing is told of it. */
static void frames_take(void *handler_return) {
    bool is_running =
        atomic_load_explicit(&frames.guard->is_calling, memory_order_relaxed) &&
        atomic_load_explicit(&frames.guard->calls, memory_order_relaxed) == frames.call;
    int count = -EAGAIN;
    if (is_running)
        count = eddy_os_backtrace(frames.frames, sizeof frames.frames / sizeof frames.frames[0]);
    frames_find(count, handler_return);
}

/* Somebody else's signal, in another thread, leaves the request to the one that is meant. */
static void frames_handle(int number) {
    int saved = errno, asked = FRAMES_ASKED;
    (void)number;
    if (!atomic_compare_exchange_strong(&frames.state, &asked, FRAMES_TAKING)) return;
    if (pthread_equal(frames.thread, eddy_os_thread_self())) {
        frames_take(RETURN_ADDRESS());
        atomic_store(&frames.state, FRAMES_TAKEN);
    } else {
        atomic_store(&frames.state, FRAMES_ASKED);
    }
    errno = saved;
}

/* The first backtrace of a process may load a library and allocate, which no handler may. */
int eddy__frames_open(int signal) {
    void *first[1];
    if (atomic_exchange(&frames.is_open, true)) return -EBUSY;
    int err = eddy_os_backtrace(first, 1);
    if (err >= 0) err = 0;
    bool is_there = frames.is_late && frames.signal == signal &&
                    eddy_os_signal_is_handled_by(signal, frames_handle);
    if (err == 0 && !is_there) err = eddy_os_signal_install(signal, frames_handle, &frames.before);
    if (err == 0) {
        frames.signal = signal;
        frames.is_late = false;
    } else {
        atomic_store(&frames.is_open, false);
    }
    return err;
}

/* A signal that a thread blocks may come as soon as it does no longer: the handler stays for it. */
void eddy__frames_close(void) {
    if (!frames.is_late && eddy_os_signal_is_handled_by(frames.signal, frames_handle))
        (void)eddy_os_signal_restore(frames.signal, &frames.before);
    atomic_store(&frames.is_open, false);
}

/* Sequentially consistent: see guard_leave. */
int eddy__frames_ask(eddy_guard *guard, unsigned call) {
    int err = -EAGAIN;
    atomic_store(&guard->signalling, true);
    if (atomic_load(&guard->is_calling) && atomic_load(&guard->calls) == call) {
        uintptr_t thread = atomic_load(&guard->thread);
        memcpy(&frames.thread, &thread, sizeof frames.thread);
        frames.guard = guard;
        frames.call = call;
        atomic_store(&frames.state, FRAMES_ASKED);
        err = eddy_os_thread_signal(frames.thread, frames.signal);
        if (err < 0) atomic_store(&frames.state, FRAMES_FREE);
    }
    atomic_store(&guard->signalling, false);
    return err < 0 ? err : 1;
}

int eddy__frames_wait(void *const **found) {
    int64_t until_ns = eddy_os_clock_ns() + frames_patience_ns;
    int state;
    unsigned rounds = 0;
    while ((state = atomic_load(&frames.state)) != FRAMES_TAKEN) {
        int asked = FRAMES_ASKED;
        if (state == FRAMES_ASKED && eddy_os_clock_ns() >= until_ns &&
            atomic_compare_exchange_strong(&frames.state, &asked, FRAMES_FREE)) {
            frames.is_late = true;
            return -EAGAIN;
        }
        eddy_os_back_off(&rounds);
    }
    atomic_store(&frames.state, FRAMES_FREE);
    *found = frames.frames + frames.first;
    return frames.count;
}
