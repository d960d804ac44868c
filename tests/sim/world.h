/* world.h: what the files of the simulation share. world.c: chance, trace, clock, events. fiber.c:
 * threads. The kernel is descriptor.c and its kinds, files.c, signal.c; os.h's functions are in
 * each of them, the backend in backend.c. */
#ifndef EDDY_TESTS_SIM_WORLD_H
#define EDDY_TESTS_SIM_WORLD_H

#include "os_calls.h"
#include "sim.h"

#include "../../platform/backend.h"
#include "../../platform/os.h"

#include <ucontext.h>

/* The wall clock when the other one stood at 0: what the times of files are counted from. */
#define SIM_WALL_START_S INT64_C(1800000000)

/* A thread. */
struct sim_fiber {
    struct sim_fiber *next;
    const char *name;
    sim_fn *run;
    void *argument;
    const void *blocked_on; /* NULL: it can go on */
    int64_t until_ns;       /* with blocked_on; -1: without end */
    bool woken;             /* not by the time */
    bool ended;
    bool joined;    /* nobody will ask for it any more */
    bool is_worker; /* may wait for a file */
    bool blocks_signals;
    bool in_handler;
    bool is_yielding; /* goes on after all those that are not */
    unsigned faults_off;
    unsigned locks;  /* that it holds */
    unsigned yields; /* since anything has changed */
    ucontext_t context;
    void *stack; /* NULL: the thread that began the world */
    void *fake_stack, *tsan;
};

/* --- world.c --- */

/* Every call of the seam begins here. The time that it takes passes, events that have come up run,
 * signals are delivered, another thread may go on before. Returns 0, or an error to fail with. */
int sim_enter(enum os_call call);
/* The same for a call that cannot fail. */
void sim_step(void);
/* Another thread may go on first, as in sim_step: for calls that let others go on before they
 * return. */
void sim_cut_in(void);
/* Whether a chance of the weather comes up for this thread; none does while its faults are off. */
bool sim_happens(unsigned of_10000);
/* `size`, or less when the weather cuts calls short. */
size_t sim_shorten(size_t size);
/* Grows with everything that changes the state of the system, and with sim_progress(). */
uint64_t sim_progress_count(void);

bool sim_run_events(void);              /* those that are due; whether there were any */
bool sim_next_event_ns(int64_t *at_ns); /* false: none */
void sim_advance(int64_t to_ns);

/* --- fiber.c --- */

void sim_fibers_begin(void);
void sim_fibers_end(void);
struct sim_fiber *sim_self(void);
struct sim_fiber *sim_fiber_start(const char *name, sim_fn *run, void *argument);
void sim_fiber_join(struct sim_fiber *fiber);
void sim_maybe_switch(void);
/* Lets all others go on that can; when none can, a little time passes. */
void sim_yield(void);

void sim_fibers_fork(void); /* in the child: none but this one is there */

/* --- process.c --- */

void sim_process_end(void); /* a child does not come back from it */

/* --- The kernel: what must be made ready and looked at in the end --- */

void sim_memory_begin(void);
void sim_memory_end(void);
void sim_threads_begin(void); /* locks and conditions */
void sim_threads_end(void);
void sim_signals_begin(void);
void sim_signals_end(void);
void sim_signals_fork(void);    /* what is pending is the parent's */
void sim_signals_deliver(void); /* by sim_step: runs the handlers that this thread may run */
bool sim_signals_wait(void);    /* whether there are any */
void sim_terminals_begin(void);
void sim_children_begin(void);
void sim_children_end(void); /* what runs on holds nothing any more */
void sim_files_begin(void);
void sim_files_end(void);
void sim_descriptors_begin(void);
void sim_descriptors_end(void);
void sim_descriptors_fork(void); /* from here on the loop's pipes of before are inherited */
void sim_backends_begin(void);
void sim_backends_fork(void); /* the same of their sets */
void sim_backends_end(void);

/* --- descriptor.c: numbers and what they stand for --- */

enum { SIM_BOTH = EDDY_READ | EDDY_WRITE };

/* Beside the events: the other side sends no more. EDDY_HANGUP to who has asked for it. */
enum { SIM_ENDED = 1 << 8 };

/* Calls of an open descriptor; each may be NULL if its kind has nothing to say. */
struct sim_kind {
    const char *name;
    ssize_t (*read)(void *object, void *data, size_t size);
    ssize_t (*write)(void *object, const void *data, size_t size);
    unsigned (*ready)(void *object); /* EDDY_READ, WRITE, ERROR, HANGUP, SIM_ENDED that hold now */
    void (*close)(void *object);     /* after its last descriptor */
    bool can_be_watched;
    bool reads_whole; /* a read gives a whole record or nothing */
};

/* What dup'd descriptors share. */
struct sim_description {
    const struct sim_kind *kind;
    void *object;
    unsigned descriptors;
    unsigned watched;    /* by as many registrations of backends that know it by itself */
    uint64_t serial;     /* never used twice: tells a number that was reused */
    bool is_programs;    /* a child may use it: it is no loop's own pipe */
    uint64_t changes[2]; /* of READ and WRITE: grow when something new arrives, for edges */
};

/* The lowest free number, -EMFILE. */
int sim_descriptor_add(const struct sim_kind *kind, void *object);
int sim_descriptor_duplicate(int fd);               /* -EBADF, -EMFILE */
struct sim_description *sim_descriptor_get(int fd); /* NULL: not open */
/* Of an object of this kind, or NULL. */
void *sim_object_get(int fd, const struct sim_kind *kind);
int sim_descriptor_close(int fd); /* 0 or -EBADF */
/* Another number of it, -EMFILE. And one that is on its way counts as a number. */
int sim_description_open(struct sim_description *description);
void sim_description_hold(struct sim_description *description);
void sim_description_release(struct sim_description *description);
bool sim_descriptors_are_all_used(void);
/* Something new has come of READ, WRITE or both: edges are told again, and waits look again. NULL:
 * nobody sees it. */
void sim_description_changed(struct sim_description *description, unsigned filters);

/* --- backend.c --- */

/* The readiness of something may have changed: waits look again. */
void sim_readiness_changed(void);
/* The last descriptor of one that is `watched` was closed. */
void sim_backends_forget(struct sim_description *description);

#endif
