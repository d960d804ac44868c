/* serve_manner.h: a client, and how it behaves. */
#ifndef EDDY_TESTS_SIM_SERVE_MANNER_H
#define EDDY_TESTS_SIM_SERVE_MANNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve_ask.h"
#include "sim.h"

enum { ASKS_MAX = 6 };

struct manner {
    const char *name;
    bool is_bad;      /* it may be cut off at any time */
    bool is_slow;     /* it may be told so */
    bool is_silent;   /* it connects, and that is all */
    bool waits;       /* for an answer before it asks again */
    bool finishes;    /* sends the end once it has asked */
    bool leaves;      /* closes when it has all answers; else the server does */
    bool chatters;    /* goes on sending behind the server's end */
    size_t stall_at;  /* sends so many bytes and no more */
    size_t drip_from; /* sends all from this byte on one at a time … */
    int64_t drip_ns;  /* … with so much time between them */
    size_t piece_bytes;
    int64_t piece_delay_ns;
    size_t read_bytes; /* at once; 0: it never reads */
    int64_t read_delay_ns;
    int64_t resets_ns; /* when it does; -1: never */
};

struct client {
    unsigned number;
    unsigned events; /* to come */
    sim_peer *peer;  /* NULL: it has ended */
    struct manner manner;
    struct ask asks[ASKS_MAX];
    unsigned ask_count, answered;
    struct ask_text out, in;
    size_t sent, read_start;
    struct answer answer;
    bool is_send_paused, is_read_paused, is_send_dead, is_finished;
    bool is_told_last; /* that the last answer was the last */
    bool is_ended;     /* the server's end was seen, and ours goes on */
    bool has_deadline, is_draining;
};

/* Draws how the client behaves and what it sends. */
void manner_draw(struct client *client, int64_t timeout_ns);

#endif
