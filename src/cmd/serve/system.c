/* system.c: see system.h. */
#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* POSIX (2024) has it in unistd.h, as most systems do; macOS in sys/random.h. */
int getentropy(void *buffer, size_t length);

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

size_t system_page_bytes(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

void system_close(int fd) {
    close(fd);
}

int64_t system_time_s(void) {
    return (int64_t)time(NULL);
}

int64_t system_time_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Looked at by another descriptor, since a log may be one that can only be written to. */
static bool ends_within(const char *path, off_t size) {
    char last = '\n';
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return false;
    (void)!pread(fd, &last, 1, size - 1);
    close(fd);
    return last != '\n';
}

int system_open_log(const char *path, bool follows_links, bool *ends_within_a_line) {
    struct stat stat;
    /* Non-blocking only while it is opened: nobody may ever read a pipe. */
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK;
    int fd = open(path, flags | (follows_links ? 0 : O_NOFOLLOW), 0644);
    if (fd < 0) return -errno;
    if (fstat(fd, &stat) < 0 || fcntl(fd, F_SETFL, O_APPEND) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    bool has_end = S_ISREG(stat.st_mode) && stat.st_size > 0;
    *ends_within_a_line = has_end && ends_within(path, stat.st_size);
    return fd;
}

/* An old kernel or a sandbox may refuse the call and have the device. A file of its name is none.
 */
bool system_random(uint64_t *number) {
    struct stat stat;
    if (getentropy(number, sizeof *number) == 0) return true;
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return false;
    bool is_had = fstat(fd, &stat) == 0 && S_ISCHR(stat.st_mode) &&
                  read(fd, number, sizeof *number) == (ssize_t)sizeof *number;
    close(fd);
    return is_had;
}

void system_say(const char *format, ...) {
    va_list arguments;
    struct pollfd room = {STDERR_FILENO, POLLOUT, 0};
    if (poll(&room, 1, 0) == 0) return;
    va_start(arguments, format);
    flockfile(stderr); /* the loops of several threads share it: a line stays whole */
    fputs("eddy: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    funlockfile(stderr);
    va_end(arguments);
}
