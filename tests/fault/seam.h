/* seam.h: the real system, in which one call fails. seam.c stands between the library and
 * platform/os.h, and between the loop and its backend. It counts the calls of each kind that may
 * fail (os_calls.h), and makes the one that it is told to give an error, with the effect that the
 * error has in a kernel: what failed to start has not started, a close that fails has closed, a
 * connection that was aborted is gone.
 *
 * A pipe that holds bytes gives them in the end, and in the end there is memory for one: reads and
 * writes of pipes fail eight times where others would for ever. Reads and writes that are cut short
 * again and again are so 500 times.
 *
 * The clock goes as the real one, but does not wait for nothing: after some milliseconds in which
 * nothing happened it jumps to the end of the wait, and while a fault lasts each wait takes 50 ms.
 * So what spins by nature, since a socket is ready and yet gives EAGAIN for ever, ends when the
 * program's own deadline does end it. */
#ifndef EDDY_TESTS_SEAM_H
#define EDDY_TESTS_SEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os_calls.h"

enum fault_mode {
    FAULT_ONCE,
    FAULT_AGAIN,     /* all calls of that kind, from the chosen one on */
    FAULT_ALL,       /* all calls of every kind, from the chosen one on */
    FAULT_CUT,       /* no error: of that read or write only one byte is done */
    FAULT_CUT_AGAIN, /* of all of that kind, from the chosen one on */
    FAULT_MODES
};

struct fault {
    enum os_call call;
    unsigned at;    /* the how manyeth of its kind; 0: none */
    unsigned error; /* which of its errors */
    enum fault_mode mode;
    bool is_lasting; /* it keeps the program from its end: waits for nothing are to be short */
};

/* What is in use; all but the clock is back where it was when a scenario is over. */
struct fault_counts {
    long blocks, threads, mutexes, conditions, handlers;
};

/* Once, at the start: the backend that loops get, by its name. False: there is none. */
bool seam_open(const char *backend);
bool seam_is_refused(void); /* that backend, by the kernel or a sandbox */

/* From here on calls are counted. No thread of the library may run. */
void seam_arm(const struct fault *fault);
/* The system is well again; what was counted stays. */
void seam_heal(void);
/* Not counted, and well, until told otherwise. */
void seam_suspend(bool on);

/* The most that one read or write of a socket or a file does, whatever else: SIZE_MAX at first. */
void seam_set_piece(size_t bytes);

bool seam_hit(void);                    /* whether the chosen call has been made */
bool seam_is_lasting(void);             /* the same, and the fault lasts */
unsigned seam_calls(enum os_call call); /* since seam_arm */
unsigned seam_waits(void);              /* that ended because nothing happened */
unsigned seam_errors(enum os_call call);
struct fault_counts seam_counts(void);

/* --- Between seam.c and the other parts of the seam --- */

struct iovec;
/* How much of `vectors` this call does: all of them, or the beginning of the first in `one`. */
const struct iovec *seam_cut_vectors(enum os_call call, const struct iovec *vectors, int *count,
                                     struct iovec *one);
int seam_fail(enum os_call call); /* counts it; 0, or the error that it is to give */
void seam_count_wait(void);
void seam_skip_time(int64_t time_ns);
bool seam_open_backend(const char *name);

#endif
