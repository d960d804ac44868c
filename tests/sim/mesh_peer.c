/* mesh_peer.c: ends of lines that are outside: other machines, which know nothing of the library.
 * They act when something has changed, and sometimes a while later, never waiting. */
#include "mesh.h"

#include <string.h>

enum { ROOM = 600 };

struct outsider {
    sim_peer *peer; /* NULL: it has left, and an event may still be under way */
    struct line *line;
    bool is_caller, has_sent_end, is_late; /* an event is under way */
    unsigned slowness;  /* of 4: how often it puts off what it could do at once */
    uint8_t held[ROOM]; /* by an echo, to be sent */
    size_t held_at, held_end;
};

static void act(struct outsider *outsider);

static void leave(struct outsider *outsider, bool reset) {
    if (reset)
        sim_peer_reset(outsider->peer);
    else
        sim_peer_close(outsider->peer);
    outsider->peer = NULL;
    mesh.peers_open--;
    line_leave(outsider->line);
    outsider->line = NULL;
    if (!outsider->is_late) ledger_free(outsider);
    mesh_maybe_finish();
}

static void on_late(void *context) {
    struct outsider *outsider = context;
    outsider->is_late = false;
    if (outsider->peer != NULL)
        act(outsider);
    else
        ledger_free(outsider);
}

static void on_change(void *context) {
    struct outsider *outsider = context;
    if (outsider->is_late || outsider->peer == NULL) return;
    if (sim_below(4) >= outsider->slowness) {
        act(outsider);
        return;
    }
    outsider->is_late = true;
    sim_after(sim_below(20000000), on_late, outsider);
}

/* Sends what it has, and the end behind it. False: it has left. */
static bool say(struct outsider *outsider) {
    struct line *line = outsider->line;
    uint8_t data[ROOM];
    while (line->sent < line->length) {
        size_t size = 1 + sim_below(ROOM);
        if (size > line->length - line->sent) size = (size_t)(line->length - line->sent);
        line_fill(line, line->sent, data, size);
        line->sent += size; /* whoever gets it at once, in the middle of the call */
        ssize_t sent = sim_peer_send(outsider->peer, data, size);
        line->sent -= size - (sent > 0 ? (size_t)sent : 0);
        if (sent == -EAGAIN) return true;
        if (sent < 0) {
            line_fails(line, "an outsider's write", (int)sent);
            leave(outsider, false);
            return false;
        }
    }
    if (!outsider->has_sent_end) sim_peer_finish(outsider->peer);
    outsider->has_sent_end = true;
    return true;
}

static bool say_again(struct outsider *outsider) {
    while (outsider->held_at < outsider->held_end) {
        ssize_t sent = sim_peer_send(outsider->peer, outsider->held + outsider->held_at,
                                     outsider->held_end - outsider->held_at);
        if (sent == -EAGAIN) return true;
        if (sent < 0) {
            line_fails(outsider->line, "an outside echo's write", (int)sent);
            leave(outsider, false);
            return false;
        }
        outsider->held_at += (size_t)sent;
    }
    outsider->held_at = outsider->held_end = 0;
    return true;
}

/* False: it has left, or there is nothing to read now. */
static bool listen_to(struct outsider *outsider) {
    struct line *line = outsider->line;
    uint8_t data[ROOM];
    if (outsider->held_end > 0) return false;
    ssize_t size = sim_peer_receive(outsider->peer, data, 1 + sim_below(ROOM));
    if (size == -EAGAIN) return false;
    if (size < 0) {
        line_fails(line, "an outsider's read", (int)size);
        leave(outsider, false);
        return false;
    }
    if (size > 0 && outsider->is_caller) {
        line_check(line, &line->heard, data, (size_t)size);
    } else if (size > 0) {
        line_check(line, &line->seen, data, (size_t)size);
        memcpy(outsider->held, data, (size_t)size);
        outsider->held_end = (size_t)size;
        return say_again(outsider);
    } else if (outsider->is_caller) {
        line_ended_at_caller(line);
        leave(outsider, false);
        return false;
    } else {
        line_ended_at_echo(line);
        sim_peer_finish(outsider->peer);
        leave(outsider, false);
        return false;
    }
    return true;
}

static void act(struct outsider *outsider) {
    ledger_look(outsider);
    if (!sim_peer_is_connected(outsider->peer)) {
        /* Being refused shows as an error of the first read. */
        uint8_t byte;
        ssize_t size = sim_peer_receive(outsider->peer, &byte, 1);
        if (size == -EAGAIN) return;
        line_fails(outsider->line, "an outsider's knock", (int)size);
        leave(outsider, false);
        return;
    }
    if (mesh_whim() && sim_below(2) == 0) {
        line_excuse(outsider->line);
        leave(outsider, true);
        return;
    }
    if (outsider->is_caller ? !say(outsider) : !say_again(outsider)) return;
    while (outsider->peer != NULL && listen_to(outsider)) continue;
}

static struct outsider *outsider_new(struct line *line, bool is_caller) {
    struct outsider *outsider = ledger_new("outsider", sizeof *outsider);
    outsider->line = line;
    outsider->is_caller = is_caller;
    outsider->slowness = sim_below(3);
    mesh.peers_open++;
    return outsider;
}

static void begin(struct outsider *outsider) {
    sim_peer_on_change(outsider->peer, on_change, outsider);
    outsider->is_late = true;
    sim_after(0, on_late, outsider);
}

void peer_call(struct line *line) {
    struct outsider *outsider = outsider_new(line, true);
    const struct house *target = line->target;
    outsider->peer =
        sim_peer_connect((const struct sockaddr *)&target->address, target->address_length);
    begin(outsider);
}

int peer_echo(struct line *line) {
    struct outsider *outsider = outsider_new(line, false);
    int fd;
    line->ends++;
    outsider->peer = sim_peer_pair(&fd);
    begin(outsider);
    return fd;
}

/* --- Passers-by, who knock and go away --- */

struct passer {
    sim_peer *peer;
};

static void on_heard(void *context) {
    struct passer *passer = context;
    uint8_t byte;
    if (!sim_peer_is_connected(passer->peer) && sim_peer_receive(passer->peer, &byte, 1) == -EAGAIN)
        return;
    sim_peer_close(passer->peer);
    ledger_free(passer);
    mesh.peers_open--;
    mesh_maybe_finish();
}

void peer_pass_by(const struct house *target) {
    struct passer *passer = ledger_new("passer-by", sizeof *passer);
    passer->peer =
        sim_peer_connect((const struct sockaddr *)&target->address, target->address_length);
    mesh.peers_open++;
    sim_peer_on_change(passer->peer, on_heard, passer);
}
