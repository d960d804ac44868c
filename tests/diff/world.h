/* world.h: what the script of the differential run does to the library from outside. There are two
 * of them: world_real.c on this system, world_sim.c in the simulation. Nothing here waits. */
#ifndef EDDY_TESTS_DIFF_WORLD_H
#define EDDY_TESTS_DIFF_WORLD_H

#include <eddy.h>

#include <sys/types.h>

bool world_refuses(const char *backend); /* by its kernel, or a sandbox */
void world_begin(uint64_t seed);
void world_end(void); /* everything that was opened has been closed, or it says so and aborts */

void world_pipe(int ends[2]); /* [0] reads, [1] writes; non-blocking, as are all of these */
void world_pair(int ends[2]);
int world_file(void);                                /* a regular file of WORLD_FILE_BYTES */
ssize_t world_read(int fd, void *data, size_t size); /* a negative errno on errors */
ssize_t world_write(int fd, const void *data, size_t size);
void world_finish(int fd); /* shuts a socket's sending side down */
void world_close(int fd);

enum { WORLD_FILE_BYTES = 1000 };

#endif
