/* wire.c: see wire.h. The rules are those of Linux's TCP and, for local ones, of its
 * unix sockets. Each arrival is an event; those of one direction come in order, but for a reset,
 * which may overtake. */
#include "wire.h"

#include <errno.h>
#include <stdlib.h>

struct sim_wire {
    struct sim_wire *next, *prev;
    struct sim_end ends[2];
    unsigned events; /* under way */
    bool is_local;
};

static struct sim_wire *wires;

struct sim_end *sim_wire_open(bool is_local) {
    struct sim_wire *it = calloc(1, sizeof *it);
    if (it == NULL) sim_fail("no memory for the simulation itself");
    it->is_local = is_local;
    for (int i = 0; i < 2; i++) {
        it->ends[i].wire = it;
        it->ends[i].other = &it->ends[1 - i];
        it->ends[i].in.window = sim_weather()->window_bytes;
        it->ends[i].is_open = true;
    }
    it->next = wires;
    if (it->next != NULL) it->next->prev = it;
    wires = it;
    return &it->ends[0];
}

static void free_wire(struct sim_wire *it) {
    if (it->next != NULL) it->next->prev = it->prev;
    if (it->prev != NULL)
        it->prev->next = it->next;
    else
        wires = it->next;
    cargo_drop(&it->ends[0]);
    cargo_drop(&it->ends[1]);
    channel_close(&it->ends[0].in);
    channel_close(&it->ends[1].in);
    free(it);
}

/* What nobody waits for any more: events that would have come are dropped with the world. */
void sim_wires_end(void) {
    while (wires != NULL) free_wire(wires);
}

static void free_if_over(struct sim_wire *it) {
    if (!it->ends[0].is_open && !it->ends[1].is_open && it->events == 0) free_wire(it);
}

static void tell(struct sim_end *end, unsigned anew) {
    if (end->changed != NULL) end->changed(end->owner, anew);
}

/* --- Travelling --- */

int64_t sim_latency_ns(void) {
    int64_t longest_ns = sim_weather()->latency_ns;
    return longest_ns > 0 ? sim_below((unsigned)longest_ns + 1) : 0;
}

/* Calls `arrive` with `end` behind all that is on its way there. */
static void travel(struct sim_end *end, sim_fn *arrive) {
    int64_t now_ns = sim_now_ns();
    int64_t at_ns = now_ns + (end->wire->is_local ? 0 : sim_latency_ns());
    if (at_ns < end->last_ns) at_ns = end->last_ns;
    end->last_ns = at_ns;
    end->wire->events++;
    if (end->coming++ == 0 && at_ns == now_ns)
        arrive(end);
    else
        sim_after(at_ns - now_ns, arrive, end);
}

static void reset_arrives(void *context) {
    struct sim_end *end = context;
    end->wire->events--;
    /* Both have said goodbye: nothing is left to be reset. */
    bool is_over = end->end_arrived && end->other->end_arrived;
    if (end->is_open && !end->is_broken && !is_over) {
        end->error = end->end_arrived && !end->end_sent ? EPIPE : ECONNRESET;
        end->is_broken = true;
        channel_drop(&end->in);
        channel_drop(&end->other->in);
        tell(end, SIM_BOTH);
    }
    free_if_over(end->wire);
}

static void reset(struct sim_end *end) {
    end->wire->events++;
    int64_t delay_ns = end->wire->is_local ? 0 : sim_latency_ns();
    if (delay_ns == 0)
        reset_arrives(end);
    else
        sim_after(delay_ns, reset_arrives, end);
}

static void bytes_arrive(void *context) {
    struct sim_end *end = context;
    size_t size = channel_arrive(&end->in); /* 0: a reset has overtaken it */
    end->coming--;
    if (size > 0 && end->is_open && !end->is_broken) {
        tell(end, EDDY_READ);
    } else if (size > 0) { /* nobody is there to read it */
        end->in.arrived -= size;
        reset(end->other);
    }
    end->wire->events--;
    free_if_over(end->wire);
}

static void end_arrives(void *context) {
    struct sim_end *end = context;
    end->wire->events--;
    end->coming--;
    end->end_arrived = true;
    if (!end->is_broken) tell(end, end->end_sent ? SIM_BOTH : EDDY_READ);
    free_if_over(end->wire);
}

/* --- Sending --- */

/* Linux calls a socket writable when a third of its room is free. */
static bool is_writable(const struct sim_end *end) {
    const struct sim_channel *out = &end->other->in;
    return channel_room(out) > 0 && channel_room(out) >= out->window / 3;
}

static void send_bytes(struct sim_end *end, const unsigned char *data, size_t size) {
    struct sim_end *to = end->other;
    while (size > 0) {
        size_t part = to->wire->is_local ? size : sim_shorten(size);
        if (channel_send(&to->in, data, part)) travel(to, bytes_arrive);
        data += part;
        size -= part;
    }
}

ssize_t sim_end_send(struct sim_end *end, const void *data, size_t size) {
    bool is_local = end->wire->is_local;
    int error = end->error;
    if (error != 0 && !is_local) {
        end->error = 0;
        return -error;
    }
    if (end->end_sent || end->is_broken) return -EPIPE;
    size_t room = channel_room(&end->other->in);
    if (size > room) size = room;
    if (size == 0) return -EAGAIN;
    sim_progress();
    send_bytes(end, data, size);
    return (ssize_t)size;
}

void sim_end_finish(struct sim_end *end) {
    if (end->end_sent || end->is_broken) return;
    sim_progress();
    end->end_sent = true;
    tell(end, SIM_BOTH);
    travel(end->other, end_arrives);
}

/* --- Receiving --- */

static ssize_t take(struct sim_end *end, void *data, size_t size) {
    bool was_writable = is_writable(end->other);
    size_t taken = channel_take(&end->in, data, size);
    cargo_advance(end, taken);
    sim_progress();
    bool has_room_now = !was_writable && is_writable(end->other);
    if (end->other->is_open) tell(end->other, has_room_now ? EDDY_WRITE : 0);
    return (ssize_t)taken;
}

/* The error comes after the data; but on TCP the end, once it is there, hides it. */
ssize_t sim_end_receive(struct sim_end *end, void *data, size_t size) {
    if (size == 0) return 0;
    if (end->in.arrived > 0) return take(end, data, size);
    if (end->end_arrived && !end->wire->is_local) return 0;
    int error = end->error;
    end->error = 0;
    if (error != 0) return -error;
    return end->end_arrived || end->is_broken ? 0 : -EAGAIN;
}

unsigned sim_end_ready(const struct sim_end *end) {
    unsigned ready = 0;
    if (end->in.arrived > 0) ready |= EDDY_READ;
    if (end->end_arrived || end->is_broken) ready |= EDDY_READ | SIM_ENDED;
    if (end->end_sent || end->is_broken || is_writable(end)) ready |= EDDY_WRITE;
    if (end->error != 0) ready |= EDDY_ERROR;
    if (end->is_broken || (end->end_sent && end->end_arrived)) ready |= EDDY_HANGUP;
    return ready;
}

/* --- Going --- */

static void close_local(struct sim_end *end, bool resets) {
    struct sim_end *other = end->other;
    if (!other->is_open) return;
    other->is_broken = true;
    if (resets) other->error = ECONNRESET;
    tell(other, SIM_BOTH);
}

void sim_end_close(struct sim_end *end, bool resets) {
    struct sim_wire *it = end->wire;
    bool is_over = end->is_broken || (end->end_arrived && end->other->end_arrived);
    if (end->in.arrived > 0) resets = true;
    end->changed = NULL;
    end->owner = NULL;
    sim_progress();
    it->events++; /* so that it stays until here */
    if (it->is_local) {
        close_local(end, resets);
    } else if (!is_over && resets) {
        reset(end->other);
    } else if (!is_over) {
        sim_end_finish(end);
    }
    end->is_open = false;
    end->in.arrived = 0;
    cargo_drop(end);
    it->events--;
    free_if_over(it);
}

void sim_end_abort(struct sim_end *end, int error) {
    if (end->is_broken) return;
    end->is_broken = true;
    end->error = error;
    end->in.arrived = 0;
    cargo_drop(end);
    tell(end, SIM_BOTH);
    if (end->wire->is_local)
        close_local(end, true);
    else
        reset(end->other);
}
