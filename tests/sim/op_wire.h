/* op_wire.h: pipes and connections for op_watch.c to watch. */
#ifndef EDDY_TESTS_SIM_OP_WIRE_H
#define EDDY_TESTS_SIM_OP_WIRE_H

#include "operations.h"

/* An end of a pipe or connection. */
struct wire {
    int fd;
    int duplicate;      /* another number of it, or -1 */
    struct wire *other; /* NULL: closed */
    bool reads, writes;
    bool was_muted;          /* so an old record of it may be as good as a new one */
    bool is_mute;            /* nobody is at the other end, though something keeps it open */
    size_t waiting;          /* bytes sent to it and not read */
    uint64_t drained[DESKS]; /* the turn in which some were read last */
};

static inline bool wire_is_readable(const struct wire *wire) {
    return wire->reads && (wire->waiting > 0 || (wire->other == NULL && !wire->is_mute));
}

struct wire *wire_some(void);
/* Closes both ends and opens others at once: with the same numbers, unless others are free. */
struct wire *wire_renew(struct wire *wire);
void wire_drain(struct wire *wire, size_t most);
void wire_fill(struct wire *wire, size_t size);
void op_wire(void); /* one operation */
void op_wires_begin(void);

/* --- op_watch.c --- */
void watchers_owe(const struct wire *wire); /* something has arrived: edges have to tell */
void watchers_stop(const struct wire *wire);
void watchers_leak(const struct wire *wire); /* it was closed under them */

#endif
