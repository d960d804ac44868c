/* system.c: see system.h. */
#include "system.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

void *system_resize(void *memory, size_t bytes) {
    return realloc(memory, bytes);
}

void system_free(void *memory) {
    free(memory);
}

void *system_take_pages(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

void system_give_pages(void *memory, size_t bytes) {
    if (memory != NULL) munmap(memory, bytes);
}

void system_close(int fd) {
    close(fd);
}

int64_t system_time_s(void) {
    return (int64_t)time(NULL);
}

/* Only guards the boundaries of multipart answers, so that without a source the clock will do. */
uint64_t system_random(void) {
    uint64_t number;
    if (getentropy(&number, sizeof number) == 0) return number;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec;
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
