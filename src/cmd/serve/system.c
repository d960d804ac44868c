/* system.c: see system.h. */
#include "system.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void *system_resize(void *memory, size_t bytes) {
    return realloc(memory, bytes);
}

void system_free(void *memory) {
    free(memory);
}

void system_close(int fd) {
    close(fd);
}

int64_t system_time_s(void) {
    return (int64_t)time(NULL);
}

/* Only guards the boundaries of multipart answers, so that without /dev/urandom the clock will do.
 */
uint64_t system_seed(void) {
    uint64_t seed = 0;
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, &seed, sizeof seed) != (ssize_t)sizeof seed) seed = 0;
        close(fd);
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return seed ^ ((uint64_t)now.tv_nsec << 32) ^ (uint64_t)now.tv_sec;
}

void system_say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    flockfile(stderr); /* the loops of several threads share it: a line stays whole */
    fputs("eddy: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    funlockfile(stderr);
    va_end(arguments);
}
