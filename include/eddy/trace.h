/* trace.h: what a loop did, and why: a ring of records in the caller's memory.
 *
 *     static _Alignas(EDDY_TRACE_ALIGN) char memory[1 << 20];
 *     eddy_trace *trace;
 *     ...
 *     eddy_trace_open(&trace, memory, sizeof memory);
 *     eddy_trace_start(trace, loop);
 *     ... the loop runs; any thread reads meanwhile ...
 *     eddy_trace_stop(trace);
 *
 * Off, a loop pays one branch at each place that could record. On, a record is some 20 instructions
 * and a look at the clock. The newest records replace the oldest ones: whoever reads too late finds
 * out how many it missed.
 * @since 0.1 */
#ifndef EDDY_TRACE_H
#define EDDY_TRACE_H

#include <eddy/loop.h>
#include <eddy/walk.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a record tells. `object` is the address of the handle or request, of the kind `what`, where
 * nothing else is said; `argument` is 0 where none is named. */
typedef enum eddy_trace_kind {
    EDDY_TRACE_TURN,        /* a turn begins. argument: its number */
    EDDY_TRACE_PHASE,       /* `phase` begins; one that has nothing to do is left out */
    EDDY_TRACE_WAIT,        /* the backend waits. argument: at most so many ns; -1: without end */
    EDDY_TRACE_WAITED,      /* and has waited. argument: how many records, or a negative errno */
    EDDY_TRACE_EVENT,       /* one of these. object: the descriptor; argument: EDDY_READ … */
    EDDY_TRACE_STALE,       /* one whose descriptor has changed its owner. object: the descriptor */
    EDDY_TRACE_CALL,        /* a callback begins. argument: its function's address */
    EDDY_TRACE_RETURN,      /* it has ended. argument: how many ns it took */
    EDDY_TRACE_ADD,         /* to the backend. object: the descriptor; argument: its interest */
    EDDY_TRACE_MODIFY,      /* the same */
    EDDY_TRACE_REMOVE,      /* the same */
    EDDY_TRACE_READ,        /* a system call of a stream. argument: bytes, or a negative errno */
    EDDY_TRACE_WRITE,       /* the same */
    EDDY_TRACE_ACCEPT,      /* of a listener. argument: the descriptor, or a negative errno */
    EDDY_TRACE_QUEUE,       /* a write was asked for. object: its eddy_write; argument: bytes */
    EDDY_TRACE_TIMER_START, /* argument: when it is due, on the loop's clock */
    EDDY_TRACE_TIMER_STOP,
    EDDY_TRACE_DEFER,  /* a call of phase 7 was asked for */
    EDDY_TRACE_CLOSE,  /* and one of phase 8 */
    EDDY_TRACE_POST,   /* by eddy_loop_post, in any thread */
    EDDY_TRACE_WAKE,   /* by eddy_wake_send, in any thread */
    EDDY_TRACE_SIGNAL, /* argument: its number */
    EDDY_TRACE_WAKEUP, /* the sleeping loop was woken: a write into its pipe, in any thread */
    EDDY_TRACE_SUBMIT, /* a job, a file request. argument: its lane */
    EDDY_TRACE_BEGIN,  /* a thread of the pool begins it (0: the kernel, by a ring). argument: the
                          lane */
    EDDY_TRACE_DONE,   /* and has done it. argument: how many ns it took */
    EDDY_TRACE_CANCEL, /* argument: what the cancel returned */
    EDDY_TRACE_MARK,   /* by eddy_trace_mark. argument: what was given */
    EDDY_TRACE_KINDS
} eddy_trace_kind;

/* "turn", "phase", "timer-start" …; "unknown" for what is no kind. Any thread. */
EDDY_API const char *eddy_trace_kind_name(eddy_trace_kind kind);

typedef struct eddy_trace_record {
    uint64_t number; /* of no other record of this trace; never 0 */
    uint64_t cause;  /* the record that led here, 0: none, or it is not known any more. Of a call:
                      * what asked for it (a start, a post, a submission, an event …). Of all
                      * else: the call in which it happened */
    int64_t time_ns; /* on the loop's clock */
    uint64_t object;
    int64_t argument;
    uint8_t kind;   /* eddy_trace_kind */
    uint8_t what;   /* eddy_kind of the object; EDDY_KINDS: a descriptor, or nothing */
    uint8_t phase;  /* 0: before the wait or outside of a turn; 1 to 8: see loop.h */
    uint8_t thread; /* 0: the loop's; 1 …: the pool's, by number; 255: another */
    uint32_t reserved;
} eddy_trace_record;

typedef struct eddy_trace eddy_trace;

enum {
    EDDY_TRACE_ALIGN = 64, /* of the memory of a trace */
    EDDY_TRACE_BYTES_MIN = 8192,
};

/* Makes an empty trace of `memory`, which is the trace's from here on, until nobody uses it any
 * more: there is nothing to close. Memory of a trace that is stopped, and that nobody reads, may be
 * opened anew. It must not be shared between processes that record, as what a fork shares is: a
 * forked child (eddy_loop_after_fork) goes on in its own copy. A quarter is for the records of
 * other threads than the loop's, and an eighth for labels (label.h). Errors: -EINVAL (not aligned,
 * or fewer than EDDY_TRACE_BYTES_MIN). Any thread. */
EDDY_API int eddy_trace_open(eddy_trace **trace, void *memory, size_t bytes);

/* From here on what `loop` does is recorded; until the next phase begins, as of none. Labels that
 * are set already are copied. Errors: -EBUSY (the loop has a trace, or the trace a loop). Loop
 * thread only.
 *
 * A forked child has the trace as it was, and after eddy_loop_after_fork its loop goes on in its
 * own copy: what came before the fork is in both, with the same numbers; what a thread of the
 * parent was just writing is lost in the child, and counted. Until then the child may read, and
 * must not stop the trace. Of memory that both have (MAP_SHARED) only one may make a trace: stop it
 * before the fork, and start it again in that one. */
EDDY_API int eddy_trace_start(eddy_trace *trace, eddy_loop *loop);

/* Nothing is recorded any more; waits for a thread that is just writing a record. What is there can
 * still be read, and the trace be started again, also on another loop: then records go on behind
 * those that are there, which a reader that begins anew reads again. Of a callback that runs no
 * return is recorded. Nothing happens if it is not started. To be called before the loop is closed,
 * which does the same. Loop thread only. */
EDDY_API void eddy_trace_stop(eddy_trace *trace);

/* Whether it is started. Loop thread only. */
EDDY_API bool eddy_trace_is_on(const eddy_trace *trace);

/* The loop's trace, or NULL. Loop thread only. */
EDDY_API eddy_trace *eddy_loop_trace(const eddy_loop *loop);

/* Called in the loop's thread, after each record of that thread has been written. It may block: the
 * loop is held up for as long. It may call nothing of the loop but what is for any thread. */
typedef void eddy_trace_fn(const eddy_trace_record *record, void *context);

/* `fn` NULL: nothing is called, as at first. Loop thread only; before start, any. */
EDDY_API void eddy_trace_watch(eddy_trace *trace, eddy_trace_fn *fn, void *context);

/* Records EDDY_TRACE_MARK with `argument`, and with `object`, any address or NULL, which is not
 * looked at; does nothing if `loop` has no trace. Loop thread only. */
EDDY_API void eddy_trace_mark(eddy_loop *loop, const void *object, int64_t argument);

/* --- Reading --- */

enum { EDDY_TRACE_LINKS = 1024 };

/* All fields are private, but `lost`. 16 KiB. One thread at a time uses it; any number of readers
 * may read a trace. */
typedef struct eddy_trace_reader {
    const eddy_trace *trace;
    uint64_t own, others;
    uint64_t lost; /* records that were replaced before they were read, or dropped */
    struct {
        uint64_t object, number;
    } links[EDDY_TRACE_LINKS]; /* what asked for the call of an object that comes next */
} eddy_trace_reader;

/* Begins with the oldest record that is there. Any thread. */
EDDY_API void eddy_trace_reader_init(eddy_trace_reader *reader, const eddy_trace *trace);

/* Copies up to `count` further records, in the order of their time but for those of other threads,
 * which may come later than their time. Returns how many; 0: there are no more by now. None of them
 * is torn, and the loop is not held up. Any thread. */
EDDY_API int eddy_trace_read(eddy_trace_reader *reader, eddy_trace_record *records, int count);

/* The label of an object, as it was set last while the trace was on, or was set when it was
 * started, cut at 47 bytes: its length (0: none, or it has been cleared since, or there was no room
 * for it), with `text` ended by a NUL; more than `size` holds is cut. Any thread. */
EDDY_API size_t eddy_trace_label(const eddy_trace *trace, uint64_t object, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
