/* echo.h: how connections are served, by each peer, for all workloads that have some. */
#ifndef EDDY_TESTS_BENCH_ECHO_H
#define EDDY_TESTS_BENCH_ECHO_H

#include "peers.h"

#include <netinet/in.h>

/* Watches all of them; the i-th is the i-th watcher. */
int peers_watch_all(const struct peer *peer, const int *fds, unsigned count);
/* Serves connections: by the peer's own streams, or by watchers. `fds` is used from then on. */
int peers_serve(const struct peer *peer, const int *fds, unsigned count, unsigned active);
int peers_serve_local(const struct peer *peer, const int *fds, unsigned count, unsigned active);
/* Until so many bytes at least have been sent back, or visits ended. Returns how many, or a
 * negative errno. */
int64_t peers_run_echo(const struct peer *peer, uint64_t bytes);
int64_t peers_run_visits(const struct peer *peer, unsigned visits);
/* The same for connections to a listener, each of which brings a byte and ends. */
int peers_receive_visits(const struct peer *peer, int listener, unsigned active);

/* A listener on some port of 127.0.0.1, without blocking; a negative errno if it fails. */
int peers_listen(int backlog, struct sockaddr_in *address);
/* Pairs of local sockets, without blocking. */
int peers_open_pairs(unsigned count, int *firsts, int *seconds);

#endif
