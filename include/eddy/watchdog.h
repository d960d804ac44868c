/* watchdog.h: callbacks that take too long: told of while they last, and when they are over.
 *
 *     static void stalled(const eddy_stall *stall, void *context) {
 *         fprintf(stderr, "%s %s: %lld ms\n", eddy_kind_name(stall->kind), stall->label,
 *                 (long long)(stall->duration_ns / EDDY_NS_PER_MS));
 *     }
 *     ...
 *     eddy_watchdog_config config = {.budget_ns = 50 * EDDY_NS_PER_MS, .stalled = stalled};
 *     eddy_watchdog_start(&watchdog, &config);
 *     eddy_guard_start(&guard, &watchdog, loop);
 *
 * A watchdog is one thread, which looks at any number of loops. It takes no look at a loop that has
 * called nothing for two budgets; the loop's next callback makes it look again. A guarded loop pays
 * two looks at the clock and some tens of stores a callback, and a system call where the watchdog
 * sleeps. docs/examples/stall.c has it in full.
 * @since 0.1 */
#ifndef EDDY_WATCHDOG_H
#define EDDY_WATCHDOG_H

#include <eddy/loop.h>
#include <eddy/walk.h>

#include <pthread.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    EDDY_STALL_LABEL = 48, /* bytes, with the NUL */
    EDDY_STALL_FRAMES = 64,
};

/* A callback that has run for longer than the budget. It is lent to the function that is told. */
typedef struct eddy_stall {
    const eddy_loop *loop;
    const void *object;  /* it may be gone when it is over: an address, not to be looked at */
    uintptr_t function;  /* the address of the callback's function */
    eddy_kind kind;      /* of `object` */
    int phase;           /* of the turn, 1 to 8; 0: before the wait, or outside of a turn */
    const char *label;   /* of `object` when it was called (label.h), cut at 47 bytes; "": none */
    int64_t start_ns;    /* on the loop's clock */
    int64_t duration_ns; /* until now, or until it was over */
    bool is_over;
    int frame_count;     /* 0 without a backtrace, and when it is over */
    void *const *frames; /* return addresses, the innermost first, without those of the signal's
                          * handler. One less is an address in the call: for dladdr, addr2line */
    int frames_error; /* why there are none: -ENOTSUP (the system has no backtraces), -EAGAIN (the
                       * thread has not taken the signal in 100 ms, or the callback was over by
                       * then); 0: none were asked for */
} eddy_stall;

typedef void eddy_stall_fn(const eddy_stall *stall, void *context);

/* Zeros mean the defaults. */
typedef struct eddy_watchdog_config {
    int64_t budget_ns; /* what a callback may take, at least 1 us; default 100 ms; at most a day */

    /* Called in the watchdog's thread while a callback lasts, after 1, 2, 4, 8 budgets and so on,
     * and once more when one that was told of is over. One at a time. NULL: there is no thread.
     * While it runs nothing else is told, and who stops a guard may have to wait. It may call what
     * is for any thread, as eddy_loop_post, and neither stop a guard nor wait for a loop. */
    eddy_stall_fn *stalled;

    /* Called in the loop's thread, after each callback that took the budget or more, with
     * `is_over`. It may call what a callback may, and stop the guard. */
    eddy_stall_fn *over_budget;

    void *context; /* of both */

    /* A signal that makes the loop's thread take its own backtrace for `stalled`; 0: none. It ends
     * a sleep, and some system calls, early with EINTR, which is why it has to be asked for. A
     * signal that is ignored by default does no harm when it comes late: SIGURG. It is the
     * watchdog's until stop, which puts back what was there. A thread that blocks it gives no
     * backtrace. Of a thread that has an alternate stack (sigaltstack) that is used, of which an
     * unwinder needs some 3 KiB beside what the system saves there: give it SIGSTKSZ bytes or more,
     * as MINSIGSTKSZ is not enough. In the first one a C library may load the unwinder: that is
     * done at the start. */
    int signal;
} eddy_watchdog_config;

/* All fields are private. It need not be initialised before start, nor be moved until stop. */
typedef struct eddy_watchdog {
    eddy_watchdog_config config;
    pthread_mutex_t lock;
    pthread_cond_t wake, quiet;
    pthread_t thread;
    struct eddy_guard *guards;
    struct eddy_guard *telling;
    int process;
    bool ending;
    bool has_thread, has_frames;
    int frames_error;
    EDDY_ATOMIC(unsigned) looks;
} eddy_watchdog;

/* Starts it, guarding nobody yet. `config` is copied. Errors: -EINVAL (a setting out of its range,
 * or neither function), -EBUSY (another watchdog of this process has a signal), -EAGAIN or -ENOMEM
 * (no thread, no lock), what sigaction says of `signal`. Any thread. */
EDDY_API int eddy_watchdog_start(eddy_watchdog *watchdog, const eddy_watchdog_config *config);

/* Ends its thread, after a `stalled` that is under way; then it is yours again. Nothing happens if
 * it was stopped. Errors: -EBUSY (it guards a loop), -EDEADLK (called in `stalled`). In a forked
 * child there is no thread, and nobody is guarded: stop forgets what was the parent's, always 0.
 * Any thread. */
EDDY_API int eddy_watchdog_stop(eddy_watchdog *watchdog);

/* Private: a callback under way. */
struct eddy_guard_call {
    EDDY_ATOMIC(uintptr_t) object, function;
    EDDY_ATOMIC(unsigned) kind;
    EDDY_ATOMIC(uintptr_t) label[EDDY_STALL_LABEL / sizeof(uintptr_t)];
};

/* All fields are private; zero, or started. Until stop it must not be moved. */
typedef struct eddy_guard {
    void *observer[10];
    eddy_watchdog *watchdog;
    eddy_loop *loop;
    int64_t budget_ns;
    /* The loop's thread: */
    int64_t start_ns, pause_ns, resumed_ns;
    int phase;
    bool is_parents;
    /* Told by the loop's thread, read by the watchdog's: */
    EDDY_ATOMIC(unsigned) version, calls, paused, called_phase;
    EDDY_ATOMIC(bool) is_calling;
    EDDY_ATOMIC(uint32_t) start_low, start_high;
    EDDY_ATOMIC(uintptr_t) thread;
    struct eddy_guard_call call;
    /* Of the watchdog: */
    EDDY_ATOMIC(bool) asleep, signalling;
    struct eddy_guard *next;
    unsigned seen, told_call, over_call;
    bool is_told;
    int64_t due_ns;
    int64_t times;   /* how many budgets were told */
    int64_t over_ns; /* how long `over_call` took */
    eddy_stall told;
    char told_label[EDDY_STALL_LABEL];
} eddy_guard;

/* From the loop's next callback on `watchdog` guards it. A loop may have several guards, a watchdog
 * many loops. A loop that is guarded does not close (-EBUSY). Errors: -EALREADY, -EINVAL (the
 * watchdog is not started). Loop thread only. */
EDDY_API int eddy_guard_start(eddy_guard *guard, eddy_watchdog *watchdog, eddy_loop *loop);

/* Nothing of the loop is told any more, also not the end of what lasts; waits for a `stalled` of
 * this loop that is under way. Nothing happens if it is not started. In a forked child
 * (eddy_loop_after_fork) too a guard is to be stopped, and may then be started anew. Loop thread
 * only. */
EDDY_API void eddy_guard_stop(eddy_guard *guard);

/* What is being called now is told by `text`, cut at 47 bytes, instead of its object's label, until
 * it returns: a handler of HTTP says so which request it is about. Costs a copy. Nothing happens if
 * nothing is being called. Loop thread only. */
EDDY_API void eddy_guard_label(eddy_guard *guard, const char *text);

/* From pause to resume the loop is held up on purpose: the time does not count. Nothing else of the
 * loop runs meanwhile. They nest. A guard that is started anew is not paused, and then a resume
 * does nothing. Loop thread only, also in an eddy_trace_fn (trace.h). */
EDDY_API void eddy_guard_pause(eddy_guard *guard);
EDDY_API void eddy_guard_resume(eddy_guard *guard);

#ifdef __cplusplus
}
#endif
#endif
