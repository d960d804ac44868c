/* op_wire.c: pipes and connections that are read and written directly, duplicated, and closed in
 * time or too early. The model knows how many bytes wait at each end. */
#include "op_wire.h"

#include <string.h>

enum { WIRES = 10, ORPHANS = 3 };

static struct {
    struct wire *wires[WIRES];
    int orphans[ORPHANS]; /* duplicates of what is closed; -1: none */
} table;

/* --- Bytes --- */

void wire_drain(struct wire *wire, size_t most) {
    char bytes[512];
    while (most > 0 && wire->reads) {
        ssize_t size = sim_read(wire->fd, bytes, most < sizeof bytes ? most : sizeof bytes);
        if (size <= 0) {
            sim_check(size != 0 || wire->waiting == 0 || wire->other == NULL,
                      "%zu bytes are lost on the wire", wire->waiting);
            if (size < 0 && size != -EAGAIN) wire->waiting = 0; /* what a reset has taken along */
            return;
        }
        sim_check((size_t)size <= wire->waiting, "bytes come out of nowhere");
        wire->waiting -= (size_t)size;
        for (unsigned i = 0; i < DESKS; i++) wire->drained[i] = office.desks[i].party.turn;
        most -= (size_t)size;
    }
}

void wire_fill(struct wire *wire, size_t size) {
    static const char bytes[3000];
    if (!wire->writes || wire->other == NULL) return;
    /* Only a pipe's other end cannot write. */
    bool is_edge =
        !sim_weather()->edges_if_empty || wire->other->writes || wire->other->waiting == 0;
    wire->other->waiting += size; /* whoever reads at once, in the middle of the call */
    ssize_t sent = sim_write(wire->fd, bytes, size);
    wire->other->waiting -= size - (sent > 0 ? (size_t)sent : 0);
    if (sent > 0 && is_edge) watchers_owe(wire->other);
}

/* --- Coming and going --- */

struct wire *wire_some(void) {
    return table.wires[pick(WIRES)];
}

static struct wire *wire_new(unsigned place, int fd, bool reads, bool writes) {
    struct wire *wire = ledger_new("wire", sizeof *wire);
    *wire = (struct wire){.fd = fd, .duplicate = -1, .reads = reads, .writes = writes};
    table.wires[place] = wire;
    return wire;
}

static void open_wires(unsigned place) {
    if (table.wires[place] != NULL || table.wires[place + 1] != NULL) return;
    int ends[2];
    unsigned kind = pick(3);
    if (kind == 0)
        sim_pipe(ends);
    else if (kind == 1)
        sim_local_pair(ends);
    else
        sim_tcp_pair(ends);
    struct wire *a = wire_new(place, ends[0], true, kind != 0);
    struct wire *b = wire_new(place + 1, ends[1], kind != 0, true);
    a->other = b;
    b->other = a;
}

static void keep_orphan(int fd) {
    int *place = &table.orphans[pick(ORPHANS)];
    if (*place >= 0) sim_close(*place);
    *place = fd;
}

static void duplicate(struct wire *wire) {
    if (wire->duplicate >= 0) {
        sim_close(wire->duplicate);
        wire->duplicate = -1;
    } else {
        wire->duplicate = sim_duplicate(wire->fd);
    }
}

/* Watchers are stopped before, or behind it, as a careless program does it. A duplicate may keep
 * alive what the numbers stood for. */
static void close_wire(unsigned place, bool too_early) {
    struct wire *wire = table.wires[place];
    if (wire == NULL) return;
    if (too_early && wire->duplicate < 0 && pick(2) == 0) duplicate(wire);
    if (!too_early) watchers_stop(wire);
    if (wire->other != NULL) {
        wire->other->other = NULL;
        wire->other->is_mute = wire->duplicate >= 0;
        if (wire->duplicate < 0) watchers_owe(wire->other);
    }
    sim_close(wire->fd);
    if (too_early) watchers_leak(wire);
    if (wire->duplicate >= 0) keep_orphan(wire->duplicate);
    ledger_free(wire);
    table.wires[place] = NULL;
}

struct wire *wire_renew(struct wire *wire) {
    unsigned place = 0;
    while (table.wires[place] != wire) place++;
    close_wire(place, false);
    close_wire(place ^ 1, false);
    open_wires(place & ~1u);
    return table.wires[place];
}

void op_wire(void) {
    unsigned place = pick(WIRES);
    struct wire *wire = table.wires[place];
    unsigned what = pick(8);
    if (what == 0 && wire != NULL)
        close_wire(place, office.depth == 0 && pick(3) == 0);
    else if (wire == NULL)
        open_wires(place & ~1u);
    else if (what == 1)
        duplicate(wire);
    else if (what < 4)
        wire_drain(wire, 1 + pick(500));
    else
        wire_fill(wire, 1 + pick(3000));
}

void op_wires_begin(void) {
    memset(&table, 0, sizeof table);
    for (unsigned i = 0; i < ORPHANS; i++) table.orphans[i] = -1;
}

void op_wires_end(void) {
    for (unsigned i = 0; i < WIRES; i++) close_wire(i, false);
    for (unsigned i = 0; i < ORPHANS; i++)
        if (table.orphans[i] >= 0) sim_close(table.orphans[i]);
}
