/* io.h: the table of descriptors: what their watchers want, and what the backend has. */
#ifndef EDDY_CORE_IO_H
#define EDDY_CORE_IO_H

#include <eddy/io.h>

/* Flags of io_slot. */
enum {
    IO_SLOT_CHANGED = 1 << 0,  /* in io.changes */
    IO_SLOT_REARM = 1 << 1,    /* to be modified even if nothing differs */
    IO_SLOT_DISARMED = 1 << 2, /* its one-shot has been told */
    IO_SLOT_SPECIAL = 1 << 3,  /* several watchers, or one that is not plain: io_is_plain */
    IO_SLOT_LEAKED = 1 << 4,   /* was closed before it was taken out of the backend */
};

enum {
    IO_BOTH = EDDY_READ | EDDY_WRITE,
    IO_INTEREST = IO_BOTH | EDDY_HANGUP, /* with none of these a watcher is muted */
};

/* What the watchers of a descriptor come to. */
struct io_slot {
    eddy_io *first;
    uint32_t generation; /* changes when the last watcher leaves: old tokens never match */
    uint8_t interest;    /* of the watchers together */
    uint8_t registered;  /* what the backend has; 0: not registered */
    uint8_t flags;       /* IO_SLOT_… */
    uint8_t merged;      /* the events of its records, only while ready.c merges those */
};
_Static_assert(sizeof(void *) != 8 || sizeof(struct io_slot) == 16, "four slots a cache line");

enum { IO_SLOT_BYTES = sizeof(struct io_slot) + sizeof(int) }; /* of the table's block, a slot */

struct io_table {
    struct io_slot *slots; /* by descriptor */
    int *changes;          /* behind the slots in the same block, as many */
    unsigned slots_count;
    unsigned changes_count;
    unsigned lost_count; /* of `changes`, the first ones: the backend refused them */
    bool rebuild_due;  /* the backend tells of a leaked registration, or could not be opened anew */
    int rebuild_error; /* of a rebuild that has failed, and is due again */
    eddy_io *next;     /* the next watcher to be told of the slot at hand; stop moves it on */
};

void eddy__io_flush(eddy_loop *loop);  /* phase 1 */
int eddy__io_rebuild(eddy_loop *loop); /* registers everything again, after fork */
void eddy__io_close(eddy_loop *loop);
int eddy__io_reserve(eddy_loop *loop, unsigned descriptors); /* room for those below the number */
void eddy__io_note_change(eddy_loop *loop, int fd);
/* Out of the backend until the next flush: the descriptor is about to be another file's. */
void eddy__io_withdraw(eddy_io *io);
/* A watcher asks for no hang-up any more, as it is about to be told of one. */
void eddy__io_end_hangup(eddy_io *io);
/* Whether phase 5 has nothing to think about with so much interest of one watcher, and what the
 * backend may still tell of an earlier one. */
static inline bool io_is_plain(unsigned interest, unsigned registered) {
    return (interest & IO_BOTH) &&
           !((interest & (EDDY_ONESHOT | EDDY_HANGUP)) | (registered & EDDY_HANGUP));
}
/* Mutes the watchers of a descriptor that the backend has lost, but for those that were started in
 * the turn `spared` (0: nobody): what a record tells may be of an earlier file of that number. */
void eddy__io_mute_lost(eddy_loop *loop, int fd, int error, uint64_t spared);

#endif
