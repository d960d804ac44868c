/* essentials.h: what a program does with a loop, in a child that may have lost something of its
 * system: a time-out, a posted call, a connection, files, a pipe, a file sent, a child and its end.
 */
#ifndef EDDY_TESTS_ESSENTIALS_H
#define EDDY_TESTS_ESSENTIALS_H

#include "net.h"
#include "os.h"
#include "suite.h"
#include "system.h"

#include <stdlib.h>
#include <string.h>

struct essentials {
    eddy_loop *loop;
    int left;
    eddy_timer timer;
    eddy_post post;
    eddy_listener listener;
    eddy_stream pipe;
    eddy_child child;
    eddy_file reading, looking, opening, sending;
    eddy_write writing;
    eddy_stat stat;
    int file, client, pair[2], ends[2];
    char data[16];
};

static struct essentials essentials;

static inline void essentials_done(void) {
    if (--essentials.left == 0) eddy_loop_stop(essentials.loop);
}

static inline void essentials_on_timer(eddy_timer *timer) {
    (void)timer;
    essentials_done();
}

static inline void essentials_on_posted(eddy_post *post) {
    (void)post;
    essentials_done();
}

static inline void essentials_on_accepted(eddy_listener *listener, int fd,
                                          const struct sockaddr *peer) {
    (void)peer;
    child_assert(fd >= 0);
    child_assert((fcntl(fd, F_GETFL) & O_NONBLOCK) && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
    close(fd);
    child_assert(eddy_listener_close(listener, NULL) == 0);
    essentials_done();
}

static inline void essentials_on_read(eddy_file *file) {
    child_assert(file->result == 4 && memcmp(essentials.data, "text", 4) == 0);
    essentials_done();
}

static inline void essentials_on_stat(eddy_file *file) {
    child_assert(file->result == 0 && essentials.stat.size == 4);
    essentials_done();
}

static inline void essentials_on_opened(eddy_file *file) {
    child_assert(file->result >= 0);
    close((int)file->result);
    essentials_done();
}

static inline void essentials_on_sent(eddy_file *file) {
    char data[4];
    child_assert(file->result == 4);
    child_assert(read(essentials.pair[1], data, 4) == 4 && memcmp(data, "text", 4) == 0);
    essentials_done();
}

static inline void essentials_on_written(eddy_write *write, int error) {
    char data[5];
    (void)write;
    child_assert(error == 0);
    child_assert(read(essentials.ends[0], data, 5) == 5 && memcmp(data, "piped", 5) == 0);
    child_assert(eddy_stream_close(&essentials.pipe, NULL) == 0);
    essentials_done();
}

static inline void essentials_on_exit(eddy_child *child, const eddy_exit *exit) {
    (void)child;
    child_assert(exit->error == 0 && exit->status == 3 && exit->signal == 0);
    essentials_done();
}

static inline void essentials_start_files(void) {
    struct essentials *it = &essentials;
    char path[] = "/tmp/eddy-essentials-XXXXXX";
    it->file = mkstemp(path);
    child_assert(it->file >= 0 && write(it->file, "text", 4) == 4);
    unlink(path);
    child_assert(
        eddy_file_read(it->loop, &it->reading, it->file, it->data, 4, 0, essentials_on_read) == 0);
    child_assert(eddy_file_fstat(it->loop, &it->looking, it->file, &it->stat, essentials_on_stat) ==
                 0);
    child_assert(eddy_file_open(it->loop, &it->opening, EDDY_CWD, ".", O_RDONLY | O_DIRECTORY, 0,
                                EDDY_BENEATH, essentials_on_opened) == 0);
    test_socket_pair(it->pair);
    child_assert(eddy_file_send(it->loop, &it->sending, it->pair[0], it->file, 0, 4,
                                essentials_on_sent) == 0);
}

static inline void essentials_start_net(void) {
    struct essentials *it = &essentials;
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, AF_INET);
    it->client = socket(AF_INET, SOCK_STREAM, 0);
    eddy_listener_init(&it->listener, it->loop);
    child_assert(eddy_tcp_listen(&it->listener, (struct sockaddr *)&address, length, 1, 0,
                                 essentials_on_accepted) == 0);
    length = sizeof address;
    child_assert(eddy_listener_address(&it->listener, (struct sockaddr *)&address, &length) == 0);
    child_assert(connect(it->client, (struct sockaddr *)&address, length) == 0);
    child_assert(eddy_os_pipe(it->ends) == 0); /* pipe2 may be refused */
    eddy_stream_init(&it->pipe, it->loop);
    child_assert(eddy_stream_attach(&it->pipe, it->ends[1]) == 0);
    child_assert(eddy_stream_write(&it->pipe, &it->writing, "piped", 5, essentials_on_written) ==
                 0);
}

/* Does all of it once. A child that has no file system of programs gives `command` NULL. */
static inline void essentials_use(eddy_loop *loop, const char *command) {
    struct essentials *it = &essentials;
    char *arguments[] = {(char[]){"sh"}, (char[]){"-c"}, (char *)(uintptr_t)command, NULL};
    eddy_child_options options = {.file = "/bin/sh", .arguments = arguments};
    it->loop = loop;
    it->left = command != NULL ? 9 : 8;
    eddy_timer_init(&it->timer, loop);
    child_assert(eddy_timer_start(&it->timer, essentials_on_timer, 2 * EDDY_NS_PER_MS, 0) == 0);
    eddy_loop_post(loop, &it->post, essentials_on_posted);
    essentials_start_net();
    essentials_start_files();
    eddy_child_init(&it->child, loop);
    if (command != NULL)
        child_assert(eddy_child_spawn(&it->child, &options, essentials_on_exit) == 0);
    child_assert(eddy_loop_run(loop, EDDY_RUN_DEFAULT) >= 0);
    child_assert(it->left == 0);
    const int fds[] = {it->client, it->file, it->pair[0], it->pair[1], it->ends[0]};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) close(fds[i]);
    child_assert(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
}

#endif
