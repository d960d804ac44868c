/* peer_libuv.h: what the files of libuv share. */
#ifndef EDDY_TESTS_BENCH_PEER_LIBUV_H
#define EDDY_TESTS_BENCH_PEER_LIBUV_H

#include "peers.h"

#include <uv.h>

uv_loop_t *peers_libuv_loop(void); /* the first one */

/* As in struct peer. */
int peers_libuv_serve(const int *fds, unsigned count, unsigned active);
int peers_libuv_serve_try(const int *fds, unsigned count, unsigned active);
int peers_libuv_serve_local(const int *fds, unsigned count, unsigned active);
int peers_libuv_serve_local_try(const int *fds, unsigned count, unsigned active);
int peers_libuv_receive_visits(int listener, unsigned active);
int peers_libuv_spawn_open(unsigned depth);
int peers_libuv_spawn(unsigned i, char *const *arguments);
int peers_libuv_pipe_open(int fd, unsigned depth);
int peers_libuv_pipe_write(unsigned i, void *data, size_t size);
int peers_libuv_pass_open(int from_fd, int to_fd, int fd);
int peers_libuv_pass_send(void);

#endif
