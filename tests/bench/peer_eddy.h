/* peer_eddy.h: what the files of eddy share. */
#ifndef EDDY_TESTS_BENCH_PEER_EDDY_H
#define EDDY_TESTS_BENCH_PEER_EDDY_H

#include "peers.h"

eddy_loop *peers_eddy_loop(void); /* the first one */

/* As in struct peer. */
int peers_eddy_serve(const int *fds, unsigned count, unsigned active);
int peers_eddy_serve_try(const int *fds, unsigned count, unsigned active);
int peers_eddy_receive_visits(int listener, unsigned active);
int peers_eddy_spawn_open(unsigned depth);
int peers_eddy_spawn(unsigned i, char *const *arguments);
int peers_eddy_pipe_open(int fd, unsigned depth);
int peers_eddy_pipe_write(unsigned i, void *data, size_t size);
int peers_eddy_pass_open(int from_fd, int to_fd, int fd);
int peers_eddy_pass_send(void);

#endif
