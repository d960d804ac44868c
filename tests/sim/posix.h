/* posix.h: the system's calls by their own names, on the simulation, for tests that were written
 * for the real kernel: they are compiled with this file before all others. Only accept, poll, and
 * connect of a blocking socket wait.
 * Names are replaced wherever they stand, so also those of fields; that keeps them consistent. */
#ifndef EDDY_TESTS_SIM_POSIX_H
#define EDDY_TESTS_SIM_POSIX_H

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

ssize_t posix_read(int fd, void *data, size_t size);
ssize_t posix_write(int fd, const void *data, size_t size);
int posix_close(int fd);
int posix_pipe(int ends[2]);
int posix_dup(int fd);
int posix_dup2(int fd, int as);
int posix_open(const char *path, int flags, ...);
int posix_fcntl(int fd, int command, ...);
FILE *posix_tmpfile(void);
int posix_fileno(FILE *stream);
int posix_fclose(FILE *stream);

int posix_socket(int family, int type, int protocol);
int posix_socketpair(int family, int type, int protocol, int ends[2]);
int posix_bind(int fd, const struct sockaddr *address, socklen_t length);
int posix_listen(int fd, int backlog);
int posix_accept(int fd, struct sockaddr *address, socklen_t *length);
int posix_connect(int fd, const struct sockaddr *address, socklen_t length);
int posix_shutdown(int fd, int how);
int posix_getsockname(int fd, struct sockaddr *address, socklen_t *length);
int posix_getpeername(int fd, struct sockaddr *address, socklen_t *length);
int posix_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int posix_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
int posix_poll(struct pollfd *polled, nfds_t count, int timeout_ms);

int posix_pthread_create(pthread_t *thread, const void *attributes, void *(*run)(void *),
                         void *argument);
int posix_pthread_join(pthread_t thread, void **result);
int posix_nanosleep(const struct timespec *time, struct timespec *left);
int posix_sigaction(int number, const struct sigaction *action, struct sigaction *before);
int posix_setitimer(int which, const struct itimerval *time, struct itimerval *before);

#define read           posix_read
#define write          posix_write
#define close          posix_close
#define pipe           posix_pipe
#define dup            posix_dup
#define dup2           posix_dup2
#define open           posix_open
#define fcntl          posix_fcntl
#define tmpfile        posix_tmpfile
#define fileno         posix_fileno
#define fclose         posix_fclose
#define socket         posix_socket
#define socketpair     posix_socketpair
#define bind           posix_bind
#define listen         posix_listen
#define accept         posix_accept
#define connect        posix_connect
#define shutdown       posix_shutdown
#define getsockname    posix_getsockname
#define getpeername    posix_getpeername
#define setsockopt     posix_setsockopt
#define getsockopt     posix_getsockopt
#define poll(...)      posix_poll(__VA_ARGS__)
#define pthread_create posix_pthread_create
#define pthread_join   posix_pthread_join
#define nanosleep      posix_nanosleep
#define sigaction(...) posix_sigaction(__VA_ARGS__)
#define setitimer      posix_setitimer

#endif
