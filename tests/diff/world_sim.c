/* world_sim.c: the simulated system, in calm weather. See world.h. */
#include "world.h"

#include "../sim/sim.h"

#include <string.h>

bool world_refuses(const char *backend) {
    (void)backend;
    return false;
}

void world_begin(uint64_t seed) {
    char bytes[WORLD_FILE_BYTES];
    sim_begin(seed, &sim_calm);
    for (int i = 0; i < WORLD_FILE_BYTES; i++) bytes[i] = (char)('a' + i % 26);
    sim_put_file("file", bytes, sizeof bytes);
}

void world_end(void) {
    sim_end();
}

void world_pipe(int ends[2]) {
    sim_pipe(ends);
}

void world_pair(int ends[2]) {
    sim_local_pair(ends);
}

int world_file(void) {
    return sim_open("file");
}

ssize_t world_read(int fd, void *data, size_t size) {
    return sim_read(fd, data, size);
}

ssize_t world_write(int fd, const void *data, size_t size) {
    return sim_write(fd, data, size);
}

void world_finish(int fd) {
    sim_shut_down(fd);
}

void world_close(int fd) {
    sim_close(fd);
}
