/* op_watch.c: watchers of pipes and of both ends of connections: several on one descriptor, on one
 * loop or more; edges and one-shots; descriptors closed in time or too early, whose numbers are
 * in use again at once. The model knows what waits at each end, and so what has to be told. */
#include "op_wire.h"

#include <string.h>

enum { WATCHES = 14, BOTH = EDDY_READ | EDDY_WRITE, EVENTS = BOTH | EDDY_HANGUP };

struct watch {
    eddy_io io;
    struct desk *desk;
    struct wire *wire; /* NULL: not started */
    unsigned events;   /* interest */
    uint64_t turn;     /* that started it */
    bool is_disarmed;  /* its one-shot has fired */
    bool is_owed;      /* an edge: something has arrived that was not told */
    bool is_careless;  /* its descriptor was closed too early: what it hears is its owner's fault */
    unsigned told;     /* since the look began */
};

static struct { struct watch *watches[WATCHES]; } table;

/* --- The model --- */

void watchers_owe(const struct wire *wire) {
    for (unsigned i = 0; i < WATCHES; i++)
        if (table.watches[i] != NULL && table.watches[i]->wire == wire)
            table.watches[i]->is_owed = true;
}

/* --- Being told --- */

/* The backend has lost the descriptor, or would not take it: the watcher is muted. */
static void check_lost(struct watch *watch, unsigned events, int error) {
    sim_check(events == EDDY_ERROR, "a lost descriptor is told as %x", events);
    sim_check(watch->is_careless || op_is_weather(error), "a descriptor is lost with %d", error);
    watch->events &= ~(unsigned)EVENTS;
    watch->wire->was_muted = true;
}

static void check_told(struct watch *watch, unsigned events) {
    unsigned possible = (watch->events & BOTH) | EDDY_ERROR | EDDY_HANGUP;
    sim_check(watch->events & EVENTS, "a muted watcher is told %x", events);
    sim_check(events != 0 && (events & ~possible) == 0, "%x is told who asks for %x", events,
              watch->events);
    sim_check(!(watch->events & EDDY_ONESHOT) || !watch->is_disarmed, "a one-shot fires twice");
    if (watch->events & EDDY_ONESHOT) watch->is_disarmed = true;
    if (events & (EDDY_ERROR | EDDY_HANGUP)) watch->events &= ~(unsigned)EDDY_HANGUP; /* once */
}

/* What was ready for the wait may have been read since, but not have been for another owner. */
static void check_ready(const struct watch *watch, unsigned events) {
    const struct wire *wire = watch->wire;
    if (sim_weather()->spurious > 0 || watch->is_careless) return;
    if (!(events & EDDY_READ) || (events & (EDDY_HANGUP | EDDY_ERROR))) return;
    if (wire->is_mute || wire->was_muted) return;
    const struct desk *desk = watch->desk;
    sim_check(wire_is_readable(wire) || wire->drained[desk->number] == desk->party.turn,
              "descriptor %d is told to be readable, and is not", wire->fd);
}

static void watch_change(struct watch *watch, unsigned events);
static void watch_stop(struct watch *watch);
static void watch_free(struct watch **place);

/* Another one of the same desk on the same descriptor, or NULL. */
static struct watch **neighbour(const struct watch *watch) {
    struct watch **chosen = NULL;
    unsigned count = 0;
    for (unsigned i = 0; i < WATCHES; i++) {
        struct watch *other = table.watches[i];
        if (other == NULL || other == watch || other->desk != watch->desk) continue;
        if (other->wire == watch->wire && pick(++count) == 0) chosen = &table.watches[i];
    }
    return chosen;
}

/* The one that would be told next may be gone before it is. */
static void upset_neighbour(struct watch *watch) {
    struct watch **other = watch->wire != NULL ? neighbour(watch) : NULL;
    if (other == NULL) return;
    if (pick(2) == 0)
        watch_stop(*other);
    else
        watch_free(other);
}

static void on_io(eddy_io *io, unsigned events) {
    struct watch *watch = eddy_container_of(io, struct watch, io);
    ledger_look(watch);
    struct desk *desk = watch->desk;
    op_enter(desk, PHASE_READY);
    sim_check(watch->wire != NULL, "a watcher is told that was stopped");
    sim_check(watch->turn != desk->party.turn, "a watcher is told in the turn that started it");
    sim_note("watcher %llu is told %x", (unsigned long long)ledger_number(watch), events);
    watch->told++;
    watch->is_owed = false;
    if (eddy_io_error(io) != 0)
        check_lost(watch, events, eddy_io_error(io));
    else
        check_told(watch, events);
    check_ready(watch, events);
    struct wire *wire = watch->wire;
    if ((events & EDDY_READ) && !watch->is_careless)
        wire_drain(wire, office.is_quiet ? SIZE_MAX : pick(4) * 200);
    if ((events & EDDY_WRITE) && !watch->is_careless && !office.is_quiet)
        wire_fill(wire, pick(300));
    /* An edge that was left half read has to be asked for again. */
    if ((watch->events & EDDY_EDGE) && wire->waiting > 0 && !watch->is_careless && pick(2) == 0)
        watch_change(watch, watch->events);
    if (!office.is_quiet && pick(4) == 0) upset_neighbour(watch);
    op_leave(desk);
}

/* --- Starting, changing, stopping --- */

/* What a start or change must say no to; 0: nothing. */
static int refusal(const struct watch *self, const struct desk *desk, const struct wire *wire,
                   unsigned events) {
    unsigned able = eddy_loop_backend(desk->party.loop)->capabilities;
    if (events & ~(unsigned)(EVENTS | EDDY_EDGE | EDDY_ONESHOT)) return -EINVAL;
    if ((events & EDDY_EDGE) && !(able & EDDY_CAN_EDGE)) return -ENOTSUP;
    if ((events & EDDY_ONESHOT) && !(able & EDDY_CAN_ONESHOT)) return -ENOTSUP;
    for (unsigned i = 0; i < WATCHES; i++) {
        const struct watch *other = table.watches[i];
        if (other == NULL || other == self || other->desk != desk || other->wire == NULL) continue;
        if (other->wire->fd != wire->fd) continue;
        if ((other->events ^ events) & EDDY_EDGE) return -EINVAL;
        if ((other->events | events) & EDDY_ONESHOT) return -EINVAL;
    }
    return 0;
}

static unsigned some_events(void) {
    const unsigned events[] = {EDDY_READ, EDDY_READ, EDDY_READ, EDDY_WRITE, BOTH, 0};
    unsigned chosen = events[pick(6)];
    if (pick(4) == 0) chosen |= EDDY_EDGE;
    if (pick(5) == 0) chosen |= EDDY_ONESHOT;
    if (pick(5) == 0) chosen |= EDDY_HANGUP;
    return pick(30) == 0 ? chosen | EDDY_ERROR : chosen;
}

static void watch_start(struct watch *watch, struct wire *wire, unsigned events) {
    struct desk *desk = watch->desk;
    int expected = watch->wire != NULL ? -EALREADY : refusal(watch, desk, wire, events);
    int err = CALL(&desk->party, eddy_io_start(&watch->io, on_io, wire->fd, events));
    sim_note("watcher %llu: %d for %x: %s", (unsigned long long)ledger_number(watch), wire->fd,
             events, sim_result(err));
    sim_check(err == expected || (expected == 0 && op_is_weather(err)),
              "to watch descriptor %d for %x gives %d, not %d", wire->fd, events, err, expected);
    if (err < 0) return;
    watch->wire = wire;
    watch->events = events;
    if (!(events & BOTH) || (events & EDDY_ONESHOT)) wire->was_muted = true;
    watch->turn = desk->in != 0 ? desk->party.turn - (desk->in == PHASE_PREPARE) : 0;
    watch->is_disarmed = watch->is_careless = false;
    watch->is_owed = true;
    sim_check(eddy_io_fd(&watch->io) == wire->fd, "a watcher watches something else");
}

static void watch_change(struct watch *watch, unsigned events) {
    struct desk *desk = watch->desk;
    int expected = watch->wire == NULL ? -EINVAL : refusal(watch, desk, watch->wire, events);
    int err = CALL(&desk->party, eddy_io_change(&watch->io, events));
    sim_note("watcher %llu: now for %x: %s", (unsigned long long)ledger_number(watch), events,
             sim_result(err));
    sim_check(err == expected || watch->is_careless, "to ask for %x gives %d, not %d", events, err,
              expected);
    if (err < 0) return;
    watch->events = events;
    if (!(events & BOTH) || (events & EDDY_ONESHOT)) watch->wire->was_muted = true;
    watch->is_disarmed = false;
    watch->is_owed = true;
    sim_check(eddy_io_error(&watch->io) == 0, "an error outlives a change");
}

static void watch_stop(struct watch *watch) {
    CALL_VOID(&watch->desk->party, eddy_io_stop(&watch->io));
    watch->wire = NULL;
    sim_check(eddy_io_fd(&watch->io) == -1, "a stopped watcher has a descriptor");
}

static void watch_free(struct watch **place) {
    if (*place == NULL) return;
    watch_stop(*place);
    ledger_free(*place);
    *place = NULL;
}

/* --- When its descriptor is closed --- */

void watchers_stop(const struct wire *wire) {
    for (unsigned i = 0; i < WATCHES; i++)
        if (table.watches[i] != NULL && table.watches[i]->wire == wire)
            watch_stop(table.watches[i]);
}

/* The descriptor is gone, and its watchers find out, or do not. Nothing else goes on meanwhile:
 * the number could be in use again, and then they would hear what is not for them. */
void watchers_leak(const struct wire *wire) {
    bool was_quiet = office.is_quiet;
    office.is_quiet = true;
    for (unsigned i = 0; i < WATCHES; i++)
        if (table.watches[i] != NULL && table.watches[i]->wire == wire)
            table.watches[i]->is_careless = true;
    for (unsigned i = 0; i < DESKS; i++)
        if (office.desks[i].party.loop != NULL && pick(2) == 0)
            (void)party_turn(&office.desks[i].party, false);
    watchers_stop(wire);
    office.is_quiet = was_quiet;
}

/* --- One operation --- */

static void start_wrongly(struct watch *watch) {
    if (watch->wire != NULL) return;
    struct party *party = &watch->desk->party;
    int err = CALL(party, eddy_io_start(&watch->io, on_io, -1, EDDY_READ));
    sim_check(err == -EBADF, "to watch descriptor -1 gives %d", err);
    err = CALL(party, eddy_io_start(&watch->io, on_io, 100000, EDDY_READ));
    sim_check(err == -EBADF || err == -ERANGE, "to watch what is not open gives %d", err);
    int fd = sim_open("watched");
    err = CALL(party, eddy_io_start(&watch->io, on_io, fd, pick(2) * EDDY_READ));
    sim_check(err == -EPERM || op_is_weather(err), "to watch a file gives %d", err);
    sim_close(fd);
}

static struct watch *some_watch(struct desk *desk) {
    struct watch **place = &table.watches[pick(WATCHES)];
    if (*place == NULL) {
        *place = ledger_new("watcher", sizeof **place);
        (*place)->desk = desk;
        eddy_io_init(&(*place)->io, desk->party.loop);
    }
    return *place;
}

void op_watch(struct desk *desk) {
    struct watch *watch = some_watch(desk);
    struct wire *wire = wire_some();
    switch (pick(12)) {
    case 0:
        watch_stop(watch);
        break;
    case 1: {
        unsigned place = 0;
        while (table.watches[place] != watch) place++;
        watch_free(&table.watches[place]);
        break;
    }
    case 2:
    case 3:
        watch_change(watch, some_events());
        break;
    case 4:
        if (watch->wire == NULL) {
            if (pick(4) == 0) start_wrongly(watch);
            break;
        }
        wire = wire_renew(watch->wire);
        watch_start(watch, wire, pick(2) == 0 ? EDDY_READ : some_events());
        break;
    case 5: {
        struct watch *other = some_watch(desk); /* whose descriptor it shares from now on */
        if (other->wire == NULL || other->desk != watch->desk) break;
        watch_start(watch, other->wire, (some_events() & EVENTS) | (other->events & EDDY_EDGE));
        break;
    }
    case 6:
    case 7:
        if (wire != NULL) watch_start(watch, wire, some_events());
        break;
    default:
        op_wire();
        break;
    }
}

/* --- Looking, and the end --- */

void op_watch_begin_look(void) {
    for (unsigned i = 0; i < WATCHES; i++)
        if (table.watches[i] != NULL) table.watches[i]->told = 0;
}

static void look_at(const struct watch *watch) {
    const struct wire *wire = watch->wire;
    bool is_edge = (watch->events & EDDY_EDGE) != 0;
    bool is_armed = !(watch->events & EDDY_ONESHOT) || !watch->is_disarmed;
    if (!(watch->events & EDDY_READ) || !is_armed || watch->told > 0) return;
    if (is_edge && !watch->is_owed) return;
    sim_check(!wire_is_readable(wire), "descriptor %d is readable, and its watcher was not told",
              wire->fd);
}

static void look_at_writer(const struct watch *watch) {
    const struct wire *wire = watch->wire;
    bool is_level = (watch->events & (EDDY_EDGE | EDDY_ONESHOT)) == 0;
    if (!(watch->events & EDDY_WRITE) || !is_level || !wire->writes || watch->told > 0) return;
    bool is_writable = wire->other != NULL ? wire->other->waiting == 0 : !wire->is_mute;
    sim_check(!is_writable, "descriptor %d is writable, and its watcher was not told", wire->fd);
}

static void look_at_hangup(const struct watch *watch) {
    const struct wire *wire = watch->wire;
    bool is_armed = !(watch->events & EDDY_ONESHOT) || !watch->is_disarmed;
    if (!(watch->events & EDDY_HANGUP) || !is_armed || watch->told > 0) return;
    if ((watch->events & EDDY_EDGE) && !watch->is_owed) return;
    sim_check(wire->other != NULL || wire->is_mute,
              "descriptor %d is at its end, and its watcher was not told", wire->fd);
}

/* After some turns in which nobody did anything but read. */
void op_watch_look(void) {
    for (unsigned i = 0; i < WATCHES; i++) {
        const struct watch *watch = table.watches[i];
        if (watch == NULL || watch->wire == NULL) continue;
        look_at(watch);
        look_at_writer(watch);
        look_at_hangup(watch);
    }
}

void op_watch_end(struct desk *desk) {
    for (unsigned i = 0; i < WATCHES; i++)
        if (table.watches[i] != NULL && table.watches[i]->desk == desk)
            watch_free(&table.watches[i]);
}

void op_watch_begin(void) {
    memset(&table, 0, sizeof table);
    op_wires_begin();
    sim_put_file("watched", "", 0);
}
