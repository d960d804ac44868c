/* world_real.c: the real system. See world.h. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int opened;

static int check(int result, const char *what) {
    if (result >= 0) return result;
    perror(what);
    abort();
}

bool world_refuses(const char *backend) {
    eddy_loop *loop;
    int err = eddy_loop_open(&loop, &(eddy_loop_config){.backend = backend});
    if (err == 0) (void)eddy_loop_close(loop);
    return err == -ENOSYS || err == -EPERM || err == -EACCES;
}

void world_begin(uint64_t seed) {
    (void)seed;
    signal(SIGPIPE, SIG_IGN);
    opened = 0;
}

void world_end(void) {
    if (opened == 0) return;
    fprintf(stderr, "%d descriptors were left open\n", opened);
    abort();
}

static void prepare(const int ends[2]) {
    for (int i = 0; i < 2; i++) check(fcntl(ends[i], F_SETFL, O_NONBLOCK), "fcntl");
    opened += 2;
}

void world_pipe(int ends[2]) {
    check(pipe(ends), "pipe");
    prepare(ends);
}

void world_pair(int ends[2]) {
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
    prepare(ends);
}

int world_file(void) {
    FILE *file = tmpfile();
    if (file == NULL) check(-1, "tmpfile");
    for (int i = 0; i < WORLD_FILE_BYTES; i++) fputc('a' + i % 26, file);
    fflush(file);
    int fd = check(dup(fileno(file)), "dup");
    fclose(file);
    check((int)lseek(fd, 0, SEEK_SET), "lseek");
    opened++;
    return fd;
}

ssize_t world_read(int fd, void *data, size_t size) {
    ssize_t count = read(fd, data, size);
    return count < 0 ? -errno : count;
}

ssize_t world_write(int fd, const void *data, size_t size) {
    ssize_t count = write(fd, data, size);
    return count < 0 ? -errno : count;
}

void world_finish(int fd) {
    shutdown(fd, SHUT_WR);
}

void world_close(int fd) {
    close(fd);
    opened--;
}
