/* load.h: clients over loopback, in processes of their own, so that neither their time nor their
 * system calls count as the server's. They run on the best backend, whatever the server runs on,
 * and note latencies in memory that is shared.
 *
 * One process of clients and a server that answers at the end of its turn take turns: each waits
 * while the other one works. With two of them there are messages to be served while the first reads
 * its answers.
 *
 * Either a number of connections is made first, and then some of them keep a message each in
 * flight, or send at a rate; or each connection is a short one, with a byte each way, and the next
 * one follows. */
#ifndef EDDY_CMD_BENCH_LOAD_H
#define EDDY_CMD_BENCH_LOAD_H

#include "rates.h"

enum { BENCH_MESSAGE_BYTES = 64 };

struct bench_load;

/* Forks the clients, which then wait. Open it before whatever the memory of is measured: pages are
 * private once they are written after the fork. Errors: -ENOMEM, -EAGAIN, -EMFILE. */
int bench_load_open(struct bench_load **load, struct bench_sample *sample);
/* The same with clients in so many processes, 4 at most, which share what they are told to do. */
int bench_load_open_many(struct bench_load **load, struct bench_sample *sample, unsigned processes);

/* Makes `count` connections. The server's ends, non-blocking, go to `fds`. */
int bench_load_connect(struct bench_load *load, int *fds, unsigned count);

/* Has the first `active` connections send messages of BENCH_MESSAGE_BYTES, each the next one when
 * the last one has come back. */
int bench_load_echo(struct bench_load *load, unsigned active);
/* The same with messages of so many bytes. */
int bench_load_echo_bytes(struct bench_load *load, unsigned active, unsigned bytes);

/* Has them send such messages at a rate, of all of them a second, each over a connection that has
 * none in flight: while there is none, what is due waits. Latencies count from when a message was
 * due; what has no answer in the end counts as well. */
int bench_load_rate(struct bench_load *load, unsigned active, enum bench_arrivals arrivals,
                    unsigned rate);

/* One process: all but the last connection send messages of BENCH_MESSAGE_BYTES, each the next one
 * when the last connection has got it. */
int bench_load_fan_in(struct bench_load *load, unsigned count);
/* The first connection sends messages, each the next one when it has come back to it; all of them
 * want a copy, but for `slow` ones that read 4 KiB each 10 ms, and whose latencies do not count. */
int bench_load_fan_out(struct bench_load *load, unsigned count, unsigned bytes, unsigned slow);

/* Makes short connections to a port of 127.0.0.1, `active` at a time. */
int bench_load_visit(struct bench_load *load, unsigned port, unsigned active);

/* Latencies count from now on, or no longer; once each. */
void bench_load_count(struct bench_load *load, bool on);

/* Ends the clients; their connections break. The latencies are in the sample then. `load` may be
 * NULL. */
void bench_load_close(struct bench_load *load);

#endif
