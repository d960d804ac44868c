/* uring.h: as much of io_uring, by bare system calls, as the peers on it need: one ring, one
 * thread. */
#ifndef EDDY_TESTS_BENCH_URING_H
#define EDDY_TESTS_BENCH_URING_H

#include "peers.h"

#include <linux/io_uring.h>

/* Whether the kernel gives a ring. Errors: those of io_uring_setup, as -ENOSYS (an old kernel),
 * -EPERM (a sandbox, or kernel.io_uring_disabled), -EINVAL (older than Linux 6.1). */
int peers_uring_probe(void);
/* Opens the ring. */
int peers_uring_open(bool has_threads);
/* An entry, all 0, which goes to the kernel with the next turn. */
struct io_uring_sqe *peers_uring_entry(void);
/* Registers or changes something of the ring. */
int peers_uring_register(unsigned what, void *argument, unsigned count);

/* What takes a completion. */
extern void (*peers_uring_completed)(const struct io_uring_cqe *it);

/* As in struct peer. */
int peers_uring_run(unsigned side);
void peers_uring_stop(unsigned side);
int peers_uring_turn(void);
void peers_uring_read_counts(int64_t *waits, int64_t *events);

#endif
