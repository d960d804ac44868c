/* wire.h: two ends and the bytes between them: of TCP, which travel, or local ones, which are
 * there at once.
 * An end is a socket's or an outside peer's, or waits in a listener's queue. Invariant: a
 * connection lives until both ends are closed and nothing is under way. */
#ifndef EDDY_TESTS_SIM_WIRE_H
#define EDDY_TESTS_SIM_WIRE_H

#include "channel.h"
#include "world.h"

struct sim_address {
    struct sockaddr_storage storage;
    socklen_t length; /* 0: none */
};

struct sim_end {
    struct sim_wire *wire;
    struct sim_end *other;
    struct sim_end *next;           /* in a listener's queue */
    struct sim_channel in;          /* what comes to this end */
    struct sim_cargo *cargo;        /* descriptors that come with some of it, in order */
    unsigned coming;                /* arrivals of it, in order */
    int64_t last_ns;                /* the last of them */
    int error;                      /* positive, given out once */
    bool is_open;                   /* somebody has it */
    bool end_sent;                  /* this end sends no more */
    bool end_arrived;               /* nothing more comes */
    bool is_broken;                 /* by a reset, or a local peer that is gone */
    struct sim_address local, peer; /* names, as seen from here */
    /* Tells the owner; `anew`: READ, WRITE: what has come or become possible. */
    void (*changed)(void *owner, unsigned anew);
    void *owner;
};

struct sim_end *sim_wire_open(bool is_local); /* one end; the other one is `other` */
/* How long something takes to the other side. */
int64_t sim_latency_ns(void);

/* Up to `size` bytes, -EAGAIN, the pending error, -EPIPE. */
ssize_t sim_end_send(struct sim_end *end, const void *data, size_t size);
/* Up to `size` bytes, 0 at the end, -EAGAIN, the pending error. */
ssize_t sim_end_receive(struct sim_end *end, void *data, size_t size);
unsigned sim_end_ready(const struct sim_end *end);
/* Sends no more. */
void sim_end_finish(struct sim_end *end);
/* The owner goes; the peer is reset if asked for, or if bytes were left unread. */
void sim_end_close(struct sim_end *end, bool reset);
/* The connection breaks: this end has heard of it, the other one will. */
void sim_end_abort(struct sim_end *end, int error);

void sim_wires_end(void);

/* --- cargo.c --- */

void cargo_advance(struct sim_end *end, size_t taken); /* with bytes: what came with them is lost */
void cargo_drop(struct sim_end *end);

#endif
