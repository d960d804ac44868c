/* posix.c: see posix.h. Each program has one world for all its tests, which is never ended: tests
 * leave open what a process's end closes. Threading: as all of the simulation. */
#include "suite.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "posix.h"
#undef read
#undef write
#undef close

enum { STEP_NS = 1000, WAIT_NS = 1000000000 };

const char *test_backend;

static int result_of(ssize_t result) {
    if (result >= 0) return (int)result;
    errno = (int)-result;
    return -1;
}

/* --- Descriptors --- */

ssize_t posix_read(int fd, void *data, size_t size) {
    sim_step();
    return result_of(sim_descriptor_get(fd) != NULL ? sim_read(fd, data, size) : -EBADF);
}

ssize_t posix_write(int fd, const void *data, size_t size) {
    sim_step();
    return result_of(sim_descriptor_get(fd) != NULL ? sim_write(fd, data, size) : -EBADF);
}

int posix_close(int fd) {
    sim_step();
    return result_of(sim_descriptor_close(fd));
}

int posix_pipe(int ends[2]) {
    return result_of(eddy_os_pipe(ends));
}

int posix_dup(int fd) {
    return result_of(sim_descriptors_are_all_used() ? -EMFILE : sim_duplicate(fd));
}

int posix_dup2(int fd, int as) {
    int copy = posix_dup(fd);
    return copy == as || eddy_os_replace(as, copy) == 0 ? as : -1;
}

int posix_open(const char *path, int flags, ...) {
    (void)flags;
    return strcmp(path, "/dev/null") == 0 ? result_of(eddy_os_child_null()) : sim_open(path);
}

/* For F_DUPFD the numbers below are taken until it is done. */
int posix_fcntl(int fd, int command, ...) {
    if (command != F_DUPFD_CLOEXEC) return result_of(sim_descriptor_get(fd) != NULL ? 0 : -EBADF);
    va_list arguments;
    va_start(arguments, command);
    int least = va_arg(arguments, int);
    va_end(arguments);
    int first = sim_duplicate(fd), last = first;
    while (last < least) last = sim_duplicate(fd);
    for (int between = first; between < last; between++)
        if (sim_descriptor_get(between) == sim_descriptor_get(fd) && between > fd)
            sim_close(between);
    return last;
}

static int temporary = -1;

FILE *posix_tmpfile(void) {
    sim_put_file("temporary", "", 0);
    temporary = sim_open("temporary");
    return stderr;
}

int posix_fileno(FILE *stream) {
    (void)stream;
    return temporary;
}

int posix_fclose(FILE *stream) {
    (void)stream;
    return posix_close(temporary);
}

/* --- Sockets --- */

static bool blocks[FD_SETSIZE]; /* as far as connect goes */

int posix_socket(int family, int type, int protocol) {
    int fd = eddy_os_socket(family, type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), protocol);
    if (fd >= 0) blocks[fd] = !(type & SOCK_NONBLOCK);
    return result_of(fd);
}

int posix_socketpair(int family, int type, int protocol, int ends[2]) {
    (void)family;
    (void)type;
    (void)protocol;
    sim_local_pair(ends);
    return 0;
}

int posix_bind(int fd, const struct sockaddr *address, socklen_t length) {
    return result_of(eddy_os_bind(fd, address, length));
}

int posix_listen(int fd, int backlog) {
    return result_of(eddy_os_listen(fd, backlog));
}

int posix_accept(int fd, struct sockaddr *address, socklen_t *length) {
    int64_t end_ns = sim_now_ns() + WAIT_NS;
    for (;;) {
        int result = eddy_os_accept(fd, address, length);
        if (result != -EAGAIN || sim_now_ns() > end_ns) return result_of(result);
        sim_sleep(STEP_NS);
    }
}

int posix_connect(int fd, const struct sockaddr *address, socklen_t length) {
    int result = eddy_os_connect(fd, address, length);
    if (result != -EINPROGRESS || !blocks[fd]) return result_of(result);
    const struct sim_description *it = sim_descriptor_get(fd);
    while (it->kind->ready(it->object) == 0) sim_sleep(STEP_NS);
    int error = 0;
    result = eddy_os_socket_error(fd, &error);
    return result_of(result < 0 ? result : error);
}

int posix_shutdown(int fd, int how) {
    sim_check(how == SHUT_WR, "shutdown in another way");
    return result_of(eddy_os_shutdown_write(fd));
}

int posix_getsockname(int fd, struct sockaddr *address, socklen_t *length) {
    return result_of(eddy_os_local_address(fd, address, length));
}

int posix_getpeername(int fd, struct sockaddr *address, socklen_t *length) {
    return result_of(eddy_os_peer_address(fd, address, length));
}

int posix_setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
    (void)length;
    if (level == SOL_SOCKET && name == SO_LINGER) return result_of(eddy_os_set_reset_on_close(fd));
    int number;
    memcpy(&number, value, sizeof number);
    return result_of(eddy_os_set_option(fd, level, name, number));
}

int posix_getsockopt(int fd, int level, int name, void *value, socklen_t *length) {
    (void)length;
    sim_check(level == SOL_SOCKET && name == SO_ERROR, "getsockopt of another option");
    int error = 0;
    int result = eddy_os_socket_error(fd, &error);
    error = -error;
    memcpy(value, &error, sizeof error);
    return result_of(result);
}

static short look(const struct pollfd *polled) {
    const struct sim_description *it = sim_descriptor_get(polled->fd);
    if (it == NULL) return POLLNVAL;
    unsigned ready = it->kind->ready(it->object);
    int told = 0;
    if (ready & EDDY_READ) told |= POLLIN;
    if (ready & EDDY_WRITE) told |= POLLOUT;
    if (ready & EDDY_ERROR) told |= POLLERR;
    if (ready & EDDY_HANGUP) told |= POLLHUP;
    return (short)(told & (polled->events | POLLERR | POLLHUP));
}

int posix_poll(struct pollfd *polled, nfds_t count, int timeout_ms) {
    int64_t end_ns = sim_now_ns() + timeout_ms * EDDY_NS_PER_MS;
    for (;;) {
        int ready = 0;
        for (nfds_t i = 0; i < count; i++) {
            polled[i].revents = look(&polled[i]);
            ready += polled[i].revents != 0;
        }
        if (ready > 0 || (timeout_ms >= 0 && sim_now_ns() >= end_ns)) return ready;
        sim_sleep(STEP_NS);
    }
}

/* --- Threads and signals --- */

static struct {
    void *(*run)(void *);
    void *argument;
    bool has_ended;
} other;

static void run_other(void *context) {
    (void)context;
    other.run(other.argument);
    other.has_ended = true;
}

int posix_pthread_create(pthread_t *thread, const void *attributes, void *(*run)(void *),
                         void *argument) {
    (void)attributes;
    *thread = 0;
    other.run = run;
    other.argument = argument;
    other.has_ended = false;
    sim_thread("other", run_other, NULL);
    return 0;
}

int posix_pthread_join(pthread_t thread, void **result) {
    (void)thread;
    (void)result;
    while (!other.has_ended) sim_sleep(STEP_NS);
    return 0;
}

int posix_nanosleep(const struct timespec *time, struct timespec *left) {
    (void)left;
    sim_sleep(time->tv_sec * EDDY_NS_PER_S + time->tv_nsec);
    return 0;
}

int posix_sigaction(int number, const struct sigaction *action, struct sigaction *before) {
    struct sigaction ignored;
    return result_of(before != NULL
                         ? eddy_os_signal_install(number, action->sa_handler, before)
                         : eddy_os_signal_restore(number, action != NULL ? action : &ignored));
}

static void raise_alarm(void *context) {
    (void)context;
    sim_raise(SIGALRM);
}

int posix_setitimer(int which, const struct itimerval *time, struct itimerval *before) {
    (void)which;
    (void)before;
    sim_after(time->it_value.tv_sec * EDDY_NS_PER_S + time->it_value.tv_usec * 1000, raise_alarm,
              NULL);
    return 0;
}

/* --- The suite --- */

int64_t test_now_ns(void) {
    return sim_now_ns();
}

void test_pipe(int ends[2]) {
    sim_pipe(ends);
}

void test_socket_pair(int ends[2]) {
    sim_local_pair(ends);
}

/* Without a backend's name, the program is about the kernel: bytes travel then. */
int main(int argc, char **argv) {
    struct sim_weather weather = sim_calm;
    if (argc > 1)
        test_backend = argv[1];
    else
        weather.latency_ns = 20000;
    sim_begin(1, &weather);
    SRunner *runner = srunner_create(make_suite());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
