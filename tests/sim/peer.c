/* peer.c: the other ends of connections, which are nobody's descriptors. What changes is told by an
 * event of its own, so that no callback runs inside a call of the program. Invariant: a peer that
 * was freed by the program stays until the event that was to tell it has come. */
#include "socket.h"

#include <errno.h>
#include <stdlib.h>

struct sim_peer {
    struct sim_peer *next, *prev;
    struct sim_end *end; /* NULL: not connected */
    struct sim_attempt *attempt;
    int error; /* of connecting; positive, given out once */
    bool is_refused, is_free;
    bool is_told; /* an event will tell it */
    sim_fn *fn;
    void *context;
};

static struct sim_peer *peers;

static struct sim_peer *add_peer(void) {
    struct sim_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) sim_fail("no memory for the simulation itself");
    peer->next = peers;
    if (peer->next != NULL) peer->next->prev = peer;
    peers = peer;
    return peer;
}

static void free_peer(struct sim_peer *peer) {
    if (peer->next != NULL) peer->next->prev = peer->prev;
    if (peer->prev != NULL)
        peer->prev->next = peer->next;
    else
        peers = peer->next;
    free(peer);
}

void peers_end(void) {
    while (peers != NULL) free_peer(peers);
}

static void tell(void *context) {
    struct sim_peer *peer = context;
    peer->is_told = false;
    if (peer->is_free)
        free_peer(peer);
    else if (peer->fn != NULL)
        peer->fn(peer->context); /* the peer may be gone now */
}

static void changed(void *owner, unsigned anew) {
    struct sim_peer *peer = owner;
    (void)anew;
    if (peer->is_told || peer->fn == NULL) return;
    peer->is_told = true;
    sim_after(0, tell, peer);
}

static void take_end(struct sim_peer *peer, struct sim_end *end) {
    peer->end = end;
    end->changed = changed;
    end->owner = peer;
}

static void connected(void *owner, struct sim_end *end, int error) {
    struct sim_peer *peer = owner;
    peer->attempt = NULL;
    peer->error = error;
    peer->is_refused = end == NULL;
    if (end != NULL) take_end(peer, end);
    changed(peer, SIM_BOTH);
}

sim_peer *sim_peer_connect(const struct sockaddr *address, socklen_t length) {
    struct sim_peer *peer = add_peer();
    struct sim_address local = {.length = 0};
    (void)length;
    network_connect(address, &local, 0, false, connected, peer, &peer->attempt);
    return peer;
}

sim_peer *sim_peer_pair(int *fd) {
    struct sim_peer *peer = add_peer();
    struct sim_end *end = sim_wire_open(false);
    network_name_pair(end);
    take_end(peer, end);
    sim_faults_off();
    *fd = socket_add(AF_INET, end->other);
    sim_faults_on();
    sim_check(*fd >= 0, "sim_peer_pair: all numbers are taken");
    sim_note("peer of %d", *fd);
    return peer;
}

void sim_peer_on_change(sim_peer *peer, sim_fn *fn, void *context) {
    peer->fn = fn;
    peer->context = context;
}

bool sim_peer_is_connected(const sim_peer *peer) {
    return peer->end != NULL && !peer->end->is_broken;
}

static ssize_t no_end(struct sim_peer *peer, int after) {
    if (!peer->is_refused) return -EAGAIN;
    int error = peer->error;
    peer->error = 0;
    return error != 0 ? -error : after;
}

ssize_t sim_peer_send(sim_peer *peer, const void *data, size_t size) {
    return peer->end != NULL ? sim_end_send(peer->end, data, size) : no_end(peer, -EPIPE);
}

ssize_t sim_peer_receive(sim_peer *peer, void *data, size_t size) {
    return peer->end != NULL ? sim_end_receive(peer->end, data, size) : no_end(peer, 0);
}

void sim_peer_finish(sim_peer *peer) {
    if (peer->end != NULL) sim_end_finish(peer->end);
}

static void close_peer(struct sim_peer *peer, bool resets) {
    if (peer->attempt != NULL) network_give_up(peer->attempt);
    if (peer->end != NULL) sim_end_close(peer->end, resets);
    peer->fn = NULL;
    peer->is_free = true;
    if (!peer->is_told) free_peer(peer);
}

void sim_peer_reset(sim_peer *peer) {
    close_peer(peer, true);
}

void sim_peer_close(sim_peer *peer) {
    close_peer(peer, false);
}
