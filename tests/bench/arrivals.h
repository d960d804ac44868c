/* arrivals.h: clients that send at a given rate, whether the server keeps up or not, in a process
 * of their own. The latency of a message counts from the time when it should have been sent, so
 * that what waits behind a slow answer is not left out; the latencies go straight into the
 * sample. */
#ifndef EDDY_TESTS_BENCH_ARRIVALS_H
#define EDDY_TESTS_BENCH_ARRIVALS_H

#include "peers.h"

/* Of messages on one connection; what does not fit on any waits for its turn, and the time that it
 * waits counts. */
enum { PEERS_ARRIVALS_PENDING = 32 };

struct peers_arrivals;

/* Forks the clients, which then wait. `rate`: messages of PEERS_MESSAGE_BYTES a second, over
 * `connections`, each message on a random one; evenly, or with gaps of an exponential distribution
 * (as of many clients that know nothing of each other). Errors: -ENOMEM, -EAGAIN, -EMFILE. */
int peers_arrivals_open(struct peers_arrivals **arrivals, struct bench_sample *sample,
                        unsigned connections, unsigned rate, bool is_poisson);
/* Makes the connections. The server's ends, non-blocking, go to `fds`. */
int peers_arrivals_connect(struct peers_arrivals *arrivals, int *fds);
int peers_arrivals_start(struct peers_arrivals *arrivals);
/* Ends the clients. `arrivals` may be NULL. */
void peers_arrivals_close(struct peers_arrivals *arrivals);

#endif
