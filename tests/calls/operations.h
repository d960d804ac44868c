/* operations.h: every function of platform/os.h that can fail, done once in a small world of its
 * own. Each gives what the function returned, a new descriptor as 1. For seam.c. */
#ifndef EDDY_TESTS_CALLS_OPERATIONS_H
#define EDDY_TESTS_CALLS_OPERATIONS_H

#include "calls.h"
#include "os.h"
#include "suite.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

/* What the functions work on; made anew for each run, by calls that do not fail. */
struct world {
    int pipe[2];   /* with a byte in it */
    int pair[2];   /* with bytes for [0] */
    int listener;  /* with a connection waiting */
    int client;    /* whose it is */
    int other;     /* to be replaced */
    int dir, file; /* "a" in it, of 5 bytes */
    char path[64];
};

static void world_open(struct world *it) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    test_pipe(it->pipe);
    test_socket_pair(it->pair);
    ck_assert_int_eq(write(it->pipe[1], "x", 1), 1);
    ck_assert_int_eq(write(it->pair[1], "xyz", 3), 3);
    it->listener = socket(AF_INET, SOCK_STREAM, 0);
    it->client = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(it->listener, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(it->listener, 1), 0);
    ck_assert_int_eq(getsockname(it->listener, (struct sockaddr *)&address, &length), 0);
    ck_assert_int_eq(connect(it->client, (struct sockaddr *)&address, length), 0);
    it->other = dup(it->pipe[0]);
    strcpy(it->path, "/tmp/eddy-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(it->path));
    it->dir = open(it->path, O_RDONLY | O_DIRECTORY);
    it->file = openat(it->dir, "a", O_RDWR | O_CREAT, 0600);
    ck_assert_int_eq(write(it->file, "hello", 5), 5);
    ck_assert_int_eq(lseek(it->file, 0, SEEK_SET), 0);
    ck_assert_int_eq(mkdirat(it->dir, "d", 0700), 0);
    ck_assert_int_eq(symlinkat("a", it->dir, "link"), 0);
}

static void world_close(struct world *it) {
    const int fds[] = {it->pipe[0],  it->pipe[1], it->pair[0], it->pair[1],
                       it->listener, it->client,  it->other,   it->file};
    static const char *const names[] = {"a", "b", "link"};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) close(fds[i]);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) unlinkat(it->dir, names[i], 0);
    unlinkat(it->dir, "d", AT_REMOVEDIR);
    unlinkat(it->dir, "new", AT_REMOVEDIR);
    close(it->dir);
    ck_assert_int_eq(rmdir(it->path), 0);
}

static int count_descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* --- The functions; each gives what it returned, a new descriptor as 1 --- */

static int64_t closed(int fd) {
    if (fd >= 0) ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
    return fd < 0 ? fd : close(fd) + 1;
}

static int64_t do_pipe(struct world *it) {
    int ends[2];
    (void)it;
    int err = eddy_os_pipe(ends);
    return err < 0 ? err : closed(ends[0]) + closed(ends[1]) - 2;
}
static int64_t do_eventfd(struct world *it) {
    (void)it;
    int fd = eddy_os_eventfd();
    return fd == -ENOSYS && getenv("EDDY_TEST_PLAIN") != NULL ? 1 : closed(fd);
}
static int64_t do_read(struct world *it) {
    char byte;
    return eddy_os_read(it->pipe[0], &byte, 1);
}
static int64_t do_write(struct world *it) {
    return eddy_os_write(it->pipe[1], "y", 1);
}
static int64_t do_close(struct world *it) {
    return eddy_os_close(dup(it->pipe[0]));
}
static int64_t do_replace(struct world *it) {
    return eddy_os_replace(it->other, dup(it->pipe[1]));
}
static int64_t do_access_mode(struct world *it) {
    return eddy_os_access_mode(it->pipe[1]);
}
/* With the flag against SIGPIPE, and as where there is none. */
static int64_t write_vectors(struct world *it, bool refused) {
    struct iovec vectors[2] = {{.iov_base = it->path, .iov_len = 2},
                               {.iov_base = it->path, .iov_len = 1}};
    return eddy_os_write_vectors(it->pipe[1], vectors, 2, &refused);
}
static int64_t do_write_flagged(struct world *it) {
    return write_vectors(it, false);
}
static int64_t do_write_guarded(struct world *it) {
    return write_vectors(it, true);
}
static int64_t do_receive_shared(struct world *it) {
    char bytes[8];
    return eddy_os_receive_shared(it->pair[0], bytes, sizeof bytes);
}
static int64_t do_send_shared(struct world *it) {
    struct iovec vector = {.iov_base = it->path, .iov_len = 4};
    return eddy_os_send_shared(it->pair[0], &vector, 1);
}
static int64_t do_prepare(struct world *it) {
    int fd = dup(it->client);
    int err = eddy_os_prepare_descriptor(fd);
    if (err == 0) ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    close(fd);
    return err;
}
static int64_t do_prepare_socket(struct world *it) {
    return eddy_os_prepare_socket(it->client);
}
static int64_t do_reserve(struct world *it) {
    (void)it;
    return closed(eddy_os_open_reserve());
}
static int64_t do_socket(struct world *it) {
    (void)it;
    return closed(eddy_os_socket(AF_INET, SOCK_STREAM, 0));
}
static int64_t do_bind(struct world *it) {
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int err = eddy_os_bind(fd, (struct sockaddr *)&any, sizeof any);
    if (err == 0) err = eddy_os_listen(fd, 1);
    close(fd);
    (void)it;
    return err;
}
static int64_t do_is_listening(struct world *it) {
    return eddy_os_is_listening(it->listener);
}
static int64_t do_accept(struct world *it) {
    return closed(eddy_os_accept(it->listener, NULL, NULL));
}
static int64_t do_shutdown(struct world *it) {
    return eddy_os_shutdown_write(it->client);
}
static int64_t do_reset(struct world *it) {
    return eddy_os_set_reset_on_close(it->client);
}
static int64_t do_keepalive(struct world *it) {
    return eddy_os_set_keepalive(it->client, 100, 10, 5);
}
static int64_t do_reuse_port(struct world *it) {
    return eddy_os_reuse_port(it->listener);
}
static int64_t do_socket_error(struct world *it) {
    int error = 1;
    int err = eddy_os_socket_error(it->client, &error);
    return err < 0 ? err : error;
}
static int64_t do_local_address(struct world *it) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    return eddy_os_local_address(it->client, (struct sockaddr *)&address, &length);
}
static int64_t do_peer_address(struct world *it) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    return eddy_os_peer_address(it->client, (struct sockaddr *)&address, &length);
}
static int64_t do_socket_type(struct world *it) {
    int type = eddy_os_socket_type(it->client);
    return type < 0 ? type : type == SOCK_STREAM;
}
static int64_t do_socket_pair(struct world *it) {
    int ends[2];
    (void)it;
    int err = eddy_os_socket_pair(SOCK_STREAM, ends);
    return err < 0 ? err : closed(ends[0]) + closed(ends[1]) - 2;
}
static int64_t closed_both(int err, const int ends[2]) {
    return err < 0 ? err : closed(ends[0]) + closed(ends[1]) - 2;
}
static int64_t do_child_null(struct world *it) {
    (void)it;
    return closed(eddy_os_child_null());
}
static int64_t do_child_pipe(struct world *it) {
    int ends[2];
    (void)it;
    return closed_both(eddy_os_child_pipe(ends), ends);
}
static int64_t do_child_socket_pair(struct world *it) {
    int ends[2];
    (void)it;
    return closed_both(eddy_os_child_socket_pair(ends), ends);
}
static int64_t do_child_wait(struct world *it) {
    eddy_exit exit = {0};
    siginfo_t info;
    (void)it;
    pid_t pid = fork();
    if (pid == 0) _exit(3);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    int err = eddy_os_child_wait(pid, -1, false, &exit);
    if (err < 0) ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    return err < 0 ? err : exit.status;
}
static int64_t do_exits(struct world *it) {
    void *token = NULL;
    siginfo_t info;
    (void)it;
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    int pidfd = eddy_os_pidfd(pid), exits = eddy_os_exits_open();
    int err = exits < 0 ? exits : pidfd < 0 ? pidfd : eddy_os_exits_add(exits, pid, pidfd, &token);
    if (err == 0) err = eddy_os_exits_next(exits, &token, 1);
    if (exits >= 0) eddy_os_exits_close(exits, false);
    if (pidfd >= 0) close(pidfd);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    return err == -ENOSYS && getenv("EDDY_TEST_PLAIN") != NULL ? 1 : err;
}
static int64_t do_peer_credentials(struct world *it) {
    eddy_credentials peer;
    int err = eddy_os_peer_credentials(it->pair[0], &peer);
    if (err == -ENOTSUP && getenv("EDDY_TEST_PLAIN") != NULL) return 1;
    return err < 0 ? err : peer.uid == geteuid();
}
/* With other permissions than the umask leaves, which takes all the calls that there are. */
static int64_t do_bind_name(struct world *it) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct eddy_os_name name = {0};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    mode_t before = umask(077);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", it->path);
    int err = eddy_os_bind_name(fd, (struct sockaddr *)&address, sizeof address, address.sun_path,
                                0666, &name);
    umask(before);
    close(fd);
    if (err == 0) ck_assert_int_eq(unlink(address.sun_path), 0);
    return err < 0 ? err : (int)name.mode;
}
static int64_t remove_name(struct world *it, bool only_find) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct eddy_os_name name = {0};
    struct stat stat;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", it->path);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(lstat(address.sun_path, &stat), 0);
    name.device = stat.st_dev;
    name.inode = stat.st_ino;
    int err = only_find ? eddy_os_name_find(address.sun_path, &name)
                        : eddy_os_name_remove(address.sun_path, &name);
    close(fd);
    unlink(address.sun_path);
    return err;
}
static int64_t do_name_find(struct world *it) {
    return remove_name(it, true);
}
static int64_t do_name_remove(struct world *it) {
    return remove_name(it, false);
}
static int64_t do_receive_record(struct world *it) {
    char bytes[8];
    return eddy_os_receive_record(it->pair[0], bytes, sizeof bytes);
}
static int64_t do_duplicate(struct world *it) {
    return closed(eddy_os_duplicate(it->file));
}
static int64_t do_send_descriptors(struct world *it) {
    int fds[2] = {it->file, it->dir};
    return eddy_os_send_descriptors(it->pair[1], "x", 1, fds, 2);
}
/* Two come, unless the bytes come without; what comes is close-on-exec. */
static int64_t receive_descriptors(struct world *it, struct eddy_os_passed *passed) {
    char bytes[8];
    int fds[2] = {it->file, it->dir};
    struct calls kept = calls;
    calls = (struct calls){0};
    ck_assert_int_eq(eddy_os_receive(it->pair[0], bytes, sizeof bytes), 3);
    ck_assert_int_eq(eddy_os_send_descriptors(it->pair[1], "xy", 2, fds, 2), 2);
    calls = kept;
    ssize_t size = eddy_os_receive_descriptors(it->pair[0], bytes, sizeof bytes, false, passed);
    for (unsigned i = 0; i < passed->count; i++) ck_assert_int_eq(closed(passed->fds[i]), 1);
    return size;
}
static int64_t do_receive_descriptors(struct world *it) {
    struct eddy_os_passed passed;
    int64_t size = receive_descriptors(it, &passed);
    ck_assert_uint_eq(passed.count + passed.is_cut, size < 0 ? 0 : 2);
    return size;
}
static int64_t do_receive(struct world *it) {
    char bytes[8];
    return eddy_os_receive(it->pair[0], bytes, sizeof bytes);
}
static int64_t do_unread(struct world *it) {
    return eddy_os_unread(it->pair[0]);
}
static int64_t do_send(struct world *it) {
    struct iovec vector = {.iov_base = it->path, .iov_len = 5};
    return eddy_os_send(it->pair[1], &vector, 1);
}
static int64_t do_send_two(struct world *it) {
    struct iovec vectors[2] = {{.iov_base = it->path, .iov_len = 5},
                               {.iov_base = it->path, .iov_len = 6}};
    return eddy_os_send(it->pair[1], vectors, 2);
}

static void on_signal(int number) {
    (void)number;
}
static int64_t do_signal(struct world *it) {
    struct sigaction before;
    (void)it;
    int err = eddy_os_signal_install(SIGUSR1, on_signal, &before);
    return err < 0 ? err : eddy_os_signal_restore(SIGUSR1, &before);
}
static void *run(void *argument) {
    return argument;
}
static int64_t do_thread(struct world *it) {
    eddy_os_thread thread;
    int err = eddy_os_thread_start(&thread, run, it, 0);
    if (err == 0) eddy_os_thread_join(thread);
    return err;
}
static int64_t do_thread_signal(struct world *it) {
    (void)it;
    signal(SIGUSR1, on_signal);
    int err = eddy_os_thread_signal(eddy_os_thread_self(), SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
    return err;
}
static int64_t do_backtrace(struct world *it) {
    void *frames[4];
    (void)it;
    int count = eddy_os_backtrace(frames, 4);
    return count > 0 || count == -ENOTSUP ? 0 : count;
}
static int64_t do_mutex(struct world *it) {
    eddy_os_mutex mutex;
    (void)it;
    int err = eddy_os_mutex_open(&mutex, false);
    if (err == 0) eddy_os_mutex_close(&mutex);
    return err;
}
static int64_t do_condition(struct world *it) {
    eddy_os_condition condition;
    (void)it;
    int err = eddy_os_condition_open(&condition);
    if (err == 0) eddy_os_condition_close(&condition);
    return err;
}

/* --- Terminals --- */

static int64_t do_signal_take(struct world *it) {
    (void)it;
    int err = eddy_os_signal_take(SIGUSR1, on_signal);
    signal(SIGUSR1, SIG_DFL);
    return err;
}
static int64_t do_terminal_pair(struct world *it) {
    int ends[2];
    (void)it;
    int err = eddy_os_terminal_pair(&ends[0], &ends[1]);
    return err < 0 ? err : closed(ends[0]) + closed(ends[1]) - 2;
}
/* A terminal of its own, by calls that are not looked at; its manager is `*held`. */
static int open_terminal(int *held) {
    *held = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(*held, 0);
    ck_assert_int_eq(unlockpt(*held), 0);
    int fd = open(ptsname(*held), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}
static int64_t close_terminal(int held, int fd, int64_t result) {
    close(held);
    close(fd);
    return result;
}
static int64_t do_terminal_modes(struct world *it) {
    struct termios modes;
    int held, fd = open_terminal(&held);
    (void)it;
    int err = eddy_os_terminal_get(fd, &modes);
    if (err == 0) err = eddy_os_terminal_set(fd, &modes);
    return close_terminal(held, fd, err);
}
static int64_t do_terminal_device(struct world *it) {
    uint64_t device = 0;
    int held, fd = open_terminal(&held);
    (void)it;
    int err = eddy_os_terminal_device(fd, &device);
    return close_terminal(held, fd, err < 0 ? err : device != 0);
}
static int64_t do_terminal_keep(struct world *it) {
    int held, fd = open_terminal(&held);
    (void)it;
    return close_terminal(held, fd, closed(eddy_os_terminal_keep(fd)));
}
static int64_t do_terminal_size(struct world *it) {
    eddy_terminal_size size = {.columns = 80};
    int held, fd = open_terminal(&held);
    (void)it;
    int err = eddy_os_terminal_set_size(fd, &size);
    if (err == 0) err = eddy_os_terminal_get_size(fd, &size);
    return close_terminal(held, fd, err < 0 ? err : (int)size.columns);
}
static int64_t do_terminal_name(struct world *it) {
    char name[64];
    int held, fd = open_terminal(&held);
    (void)it;
    int err = eddy_os_terminal_name(fd, name, sizeof name);
    return close_terminal(held, fd, err < 0 ? err : strcmp(name, ptsname(held)) == 0);
}

/* --- Files --- */

static int64_t do_open(struct world *it) {
    return closed(eddy_os_file_open(it->dir, "a", O_RDONLY, 0, 0));
}
static int64_t do_open_walk(struct world *it) {
    return closed(eddy_os_file_open_walk(it->dir, "d/../a", O_RDONLY, 0));
}
static int64_t do_open_beneath(struct world *it) {
    return closed(eddy_os_file_open(it->dir, "d/../a", O_RDONLY, 0, EDDY_BENEATH));
}
/* In one piece and in two, each of which is a system call of its own. */
static int64_t read_file(struct world *it, int count, int64_t offset) {
    char bytes[8];
    struct iovec vectors[2] = {{.iov_base = bytes, .iov_len = count == 2 ? 0 : 5},
                               {.iov_base = bytes, .iov_len = 5}};
    return eddy_os_file_read(it->file, vectors, count, offset, 0);
}
static int64_t write_file(struct world *it, int count, int64_t offset) {
    struct iovec vectors[2] = {{.iov_base = it->path, .iov_len = count == 2 ? 0 : 4},
                               {.iov_base = it->path, .iov_len = 4}};
    return eddy_os_file_write(it->file, vectors, count, offset);
}
static int64_t do_file_read(struct world *it) {
    return read_file(it, 1, 0);
}
static int64_t do_file_read_on(struct world *it) {
    return read_file(it, 1, -1);
}
static int64_t do_file_readv(struct world *it) {
    return read_file(it, 2, 0);
}
static int64_t do_file_readv_on(struct world *it) {
    return read_file(it, 2, -1);
}
static int64_t do_file_write(struct world *it) {
    return write_file(it, 1, 3);
}
static int64_t do_file_write_on(struct world *it) {
    return write_file(it, 1, -1);
}
static int64_t do_file_writev(struct world *it) {
    return write_file(it, 2, 3);
}
static int64_t do_file_writev_on(struct world *it) {
    return write_file(it, 2, -1);
}
static int64_t do_file_send(struct world *it) {
    fcntl(it->pair[0], F_SETFL, O_NONBLOCK);
    return eddy_os_file_send(it->pair[0], it->file, 1, 4, 0);
}
/* A kernel, a sandbox or a build without it is told before any call is made to fail. */
static int64_t do_file_ring(struct world *it) {
    struct eddy_os_ring ring;
    (void)it;
    int err = eddy_os_file_ring_open(&ring, 4, 4);
    if (err == 0) eddy_os_file_ring_close(&ring);
    return calls.failed == 0 && (err == -ENOSYS || err == -EPERM) ? 0 : err;
}
static int64_t do_sync(struct world *it) {
    return eddy_os_file_sync(it->file, false);
}
static int64_t do_sync_data(struct world *it) {
    return eddy_os_file_sync(it->file, true);
}
static int64_t do_truncate(struct world *it) {
    return eddy_os_file_truncate(it->file, 2);
}
static int64_t do_fstat(struct world *it) {
    eddy_stat stat = {0};
    int err = eddy_os_file_fstat(it->file, &stat, 0);
    return err < 0 ? err : stat.size;
}
static int64_t do_stat(struct world *it) {
    eddy_stat stat = {0};
    int err = eddy_os_file_stat(it->dir, "link", true, &stat);
    return err < 0 ? err : stat.size;
}
static int64_t do_unlink(struct world *it) {
    return eddy_os_file_unlink(it->dir, "a", false);
}
static int64_t do_rename(struct world *it) {
    return eddy_os_file_rename(it->dir, "a", it->dir, "b");
}
static int64_t do_mkdir(struct world *it) {
    return eddy_os_file_mkdir(it->dir, "new", 0700);
}
static int64_t do_scan(struct world *it) {
    char buffer[1024];
    ssize_t bytes = eddy_os_file_scan(it->dir, buffer, sizeof buffer);
    return bytes > 0 ? 1 : bytes;
}

/* What a signal in the middle of a call does to an operation. */
enum interruption {
    NEVER,   /* it makes no call that a signal can interrupt */
    RETRIED, /* it tries again */
    NOT_NOW, /* it says -EAGAIN */
};

struct operation {
    const char *name;
    int64_t (*run)(struct world *world);
    int64_t result; /* when nothing fails */
    enum interruption interruption;
};

static const struct operation operations[] = {
    {"pipe", do_pipe, 0, NEVER},
    {"eventfd", do_eventfd, 1, NEVER},
    {"read", do_read, 1, RETRIED},
    {"write", do_write, 1, RETRIED},
    {"close", do_close, 0, RETRIED},
    {"replace", do_replace, 0, NEVER},
    {"prepare", do_prepare, 0, NEVER},
    {"access mode", do_access_mode, O_WRONLY, NEVER},
    {"write by a flag", do_write_flagged, 3, RETRIED},
    {"write guarded", do_write_guarded, 3, RETRIED},
    {"receive shared", do_receive_shared, 3, NOT_NOW},
    {"send shared", do_send_shared, 4, NOT_NOW},
    {"prepare socket", do_prepare_socket, 0, NEVER},
    {"reserve", do_reserve, 1, NEVER},
    {"socket", do_socket, 1, NEVER},
    {"bind", do_bind, 0, NEVER},
    {"is listening", do_is_listening, 1, NEVER},
    {"accept", do_accept, 1, NEVER},
    {"shutdown", do_shutdown, 0, NEVER},
    {"reset", do_reset, 0, NEVER},
    {"keepalive", do_keepalive, 0, NEVER},
    {"reuse port", do_reuse_port, 0, NEVER},
    {"socket error", do_socket_error, 0, NEVER},
    {"local address", do_local_address, 0, NEVER},
    {"peer address", do_peer_address, 0, NEVER},
    {"socket type", do_socket_type, 1, NEVER},
    {"socket pair", do_socket_pair, 0, NEVER},
    {"child null", do_child_null, 1, RETRIED},
    {"child pipe", do_child_pipe, 0, NEVER},
    {"child socket pair", do_child_socket_pair, 0, NEVER},
    {"child wait", do_child_wait, 3, RETRIED},
    {"exits", do_exits, 1, NEVER},
    {"peer credentials", do_peer_credentials, 1, NEVER},
    {"bind name", do_bind_name, 0666, NEVER},
    {"name find", do_name_find, 0, RETRIED},
    {"name remove", do_name_remove, 0, RETRIED},
    {"receive", do_receive, 3, NOT_NOW},
    {"receive record", do_receive_record, 3, NOT_NOW},
    {"duplicate", do_duplicate, 1, NEVER},
    {"send descriptors", do_send_descriptors, 1, NOT_NOW},
    {"receive descriptors", do_receive_descriptors, 2, NEVER}, /* below */
    {"unread", do_unread, 3, NEVER},
    {"send", do_send, 5, NOT_NOW},
    {"send two", do_send_two, 11, NOT_NOW},
    {"signal", do_signal, 0, NEVER},
    {"thread", do_thread, 0, NEVER},
    {"thread signal", do_thread_signal, 0, NEVER},
    {"backtrace", do_backtrace, 0, NEVER},
    {"mutex", do_mutex, 0, NEVER},
    {"condition", do_condition, 0, NEVER},
    {"signal take", do_signal_take, 0, NEVER},
    {"terminal pair", do_terminal_pair, 0, NEVER},
    {"terminal modes", do_terminal_modes, 0, RETRIED},
    {"terminal device", do_terminal_device, 1, NEVER},
    {"terminal keep", do_terminal_keep, 1, NEVER},
    {"terminal size", do_terminal_size, 80, NEVER},
    {"terminal name", do_terminal_name, 1, NEVER},
    {"open", do_open, 1, RETRIED},
    {"open walk", do_open_walk, 1, RETRIED},
    {"open beneath", do_open_beneath, 1, RETRIED},
    {"file ring", do_file_ring, 0, NEVER},
    {"file read", do_file_read, 5, RETRIED},
    {"file read on", do_file_read_on, 5, RETRIED},
    {"file readv", do_file_readv, 5, RETRIED},
    {"file readv on", do_file_readv_on, 5, RETRIED},
    {"file write", do_file_write, 4, RETRIED},
    {"file write on", do_file_write_on, 4, RETRIED},
    {"file writev", do_file_writev, 4, RETRIED},
    {"file writev on", do_file_writev_on, 4, RETRIED},
    {"file send", do_file_send, 4, NEVER},
    {"sync", do_sync, 0, RETRIED},
    {"sync data", do_sync_data, 0, RETRIED},
    {"truncate", do_truncate, 0, RETRIED},
    {"fstat", do_fstat, 5, RETRIED},
    {"stat", do_stat, 5, RETRIED},
    {"unlink", do_unlink, 0, RETRIED},
    {"rename", do_rename, 0, RETRIED},
    {"mkdir", do_mkdir, 0, RETRIED},
    {"scan", do_scan, 1, RETRIED},
};
enum { OPERATIONS = sizeof operations / sizeof operations[0] };

#endif
