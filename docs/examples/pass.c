/* pass.c: one process accepts, several serve: `pass [PORT [WORKERS]]`, then `nc 127.0.0.1 PORT`
 * several times; SIGINT or SIGTERM ends it.
 *
 * The parent listens and passes each connection over a socket pair to one of its workers, in turn;
 * from then on it has nothing to do with it. A worker that is behind, since its socket is full, or
 * that is gone is passed over: nobody waits for it but those whom it already has. What a worker
 * that dies was given dies with it; what was not sent yet goes to another one.
 * Read beside it: docs/07-streams.md. */
#include <eddy.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "number.h"

enum { WORKERS_MAX = 64 };

/* --- A worker: a process of its own --- */

struct guest {
    eddy_stream stream;
    eddy_write answer, end;
    char text[64];
};

static int own_number;

static void on_guest_closed(eddy_stream *stream) {
    free(eddy_container_of(stream, struct guest, stream));
}

static void on_guest_answered(eddy_write *write, int status) {
    (void)status; /* whether it has heard the answer is its own affair */
    eddy_stream_close(write->stream, on_guest_closed);
}

static void on_written(eddy_write *write, int status) {
    (void)write, (void)status; /* what is behind it hears of it too */
}

static void serve(eddy_loop *loop, int fd) {
    struct guest *it = malloc(sizeof *it);
    if (it == NULL) {
        close(fd);
        return;
    }
    eddy_stream_init(&it->stream, loop);
    int err = eddy_stream_attach(&it->stream, fd);
    if (err < 0) {
        close(fd);
        free(it);
        return;
    }
    int size =
        snprintf(it->text, sizeof it->text, "worker %d, process %ld\n", own_number, (long)getpid());
    err = eddy_stream_write(&it->stream, &it->answer, it->text, (size_t)size, on_written);
    if (err == 0) err = eddy_stream_shutdown(&it->stream, &it->end, on_guest_answered);
    if (err < 0) eddy_stream_close(&it->stream, on_guest_closed);
}

/* Each byte is a connection. The end says that the parent is gone or has no more of them: the loop
 * then ends with the last guest. */
static void on_given(eddy_stream *stream, void *data, ssize_t size) {
    int fd;
    (void)data;
    while ((fd = eddy_pass_take(stream)) >= 0) serve(eddy_handle_loop(&stream->io.handle), fd);
    if (fd == -EMFILE) fprintf(stderr, "pass: worker %d has lost connections\n", own_number);
    if (size <= 0) eddy_stream_close(stream, NULL);
}

static int work(int channel) {
    eddy_loop *loop;
    eddy_stream stream;
    signal(SIGINT, SIG_IGN); /* a terminal's comes to all; the parent says when it is over */
    int err = eddy_loop_open(&loop, NULL);
    if (err < 0) return 1;
    eddy_stream_init(&stream, loop);
    err = eddy_stream_attach(&stream, channel);
    if (err == 0) err = eddy_pass_receive(&stream, true);
    if (err == 0) err = eddy_stream_read_start(&stream, on_given);
    if (err == 0) err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    if (err >= 0) err = eddy_loop_close(loop);
    return err < 0;
}

/* --- The parent --- */

struct worker {
    eddy_stream stream;
    int channel;
    pid_t process;
    bool is_there;
};

/* A connection that is to be passed. */
struct task {
    eddy_pass pass;
    int fd;
};

static struct worker workers[WORKERS_MAX];
static int workers_count, next;
static eddy_listener listener;
static eddy_signal interrupt, terminate;

static void worker_close(struct worker *it) {
    if (!it->is_there) return;
    it->is_there = false;
    eddy_stream_close(&it->stream, NULL);
}

static void deal(struct task *task);

/* Writes that were cancelled when a worker was found gone come here as well. */
static void on_passed(eddy_write *write, int status) {
    struct task *task = eddy_container_of(write, struct task, pass.write);
    struct worker *worker = eddy_container_of(write->stream, struct worker, stream);
    bool is_refused = status == -ETOOMANYREFS; /* and nobody else could pass it either */
    if (status < 0 && !is_refused) {
        worker_close(worker);
        deal(task);
        return;
    }
    close(task->fd);
    free(task);
}

static struct worker *pick(void) {
    for (int i = 0; i < workers_count; i++) {
        struct worker *it = &workers[next];
        next = (next + 1) % workers_count;
        if (it->is_there && !eddy_stream_is_blocked(&it->stream)) return it;
    }
    return NULL;
}

static void deal(struct task *task) {
    struct worker *worker = pick();
    int err = worker == NULL
                  ? -ENOTCONN
                  : eddy_pass_write(&worker->stream, &task->pass, "", 1, &task->fd, 1, on_passed);
    if (err == 0) return;
    close(task->fd); /* nobody has time for it, or memory */
    free(task);
}

static void on_accept(eddy_listener *it, int fd, const struct sockaddr *peer) {
    (void)it, (void)peer;
    struct task *task = fd >= 0 ? malloc(sizeof *task) : NULL;
    if (task != NULL) {
        task->fd = fd;
        deal(task);
    } else if (fd >= 0) {
        close(fd);
    }
}

/* It never says anything: this is its end. */
static void on_worker_end(eddy_stream *stream, void *data, ssize_t size) {
    (void)data;
    if (size <= 0) worker_close(eddy_container_of(stream, struct worker, stream));
}

/* Before there is a loop: a child inherits nothing of one. It closes the parent's ends of all
 * channels, or the workers would keep each other alive. */
static int worker_start(struct worker *it, int number) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0) return -errno;
    it->process = fork();
    if (it->process == 0) {
        for (int i = 0; i < number; i++) close(workers[i].channel);
        close(ends[0]);
        own_number = number + 1;
        _exit(work(ends[1]));
    }
    int err = it->process < 0 ? -errno : 0;
    close(ends[1]);
    if (err < 0) close(ends[0]);
    it->channel = ends[0];
    return err;
}

static int worker_join(struct worker *it, eddy_loop *loop) {
    eddy_stream_init(&it->stream, loop);
    int err = eddy_stream_attach(&it->stream, it->channel);
    if (err < 0) return err;
    it->is_there = true;
    return eddy_stream_read_start(&it->stream, on_worker_end);
}

static void on_signal(eddy_signal *watcher, int number) {
    (void)watcher, (void)number;
    eddy_listener_close(&listener, NULL);
    for (int i = 0; i < workers_count; i++) worker_close(&workers[i]);
    eddy_signal_stop(&interrupt);
    eddy_signal_stop(&terminate);
}

static int listen_at(eddy_loop *loop, unsigned port) {
    struct sockaddr_storage address;
    struct sockaddr *at = (struct sockaddr *)&address;
    char text[64];
    int length = eddy_address_parse(&address, "127.0.0.1", port);
    eddy_listener_init(&listener, loop);
    int err = eddy_tcp_listen(&listener, at, (socklen_t)length, 0, 0, on_accept);
    socklen_t room = sizeof address;
    if (err == 0) err = eddy_listener_address(&listener, at, &room);
    if (err < 0) return err;
    eddy_address_format(at, text, sizeof text);
    printf("%s, %d workers\n", text, workers_count);
    fflush(stdout);
    return 0;
}

static int run(unsigned port) {
    eddy_loop *loop;
    int err = eddy_loop_open(&loop, NULL);
    if (err < 0) return err;
    eddy_signal_init(&interrupt, loop);
    eddy_signal_init(&terminate, loop);
    for (int i = 0; err == 0 && i < workers_count; i++) err = worker_join(&workers[i], loop);
    if (err == 0) err = eddy_signal_start(&interrupt, on_signal, SIGINT);
    if (err == 0) err = eddy_signal_start(&terminate, on_signal, SIGTERM);
    if (err == 0) err = listen_at(loop, port);
    if (err == 0) err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    return err == 0 ? eddy_loop_close(loop) : err; /* after an error the process ends anyway */
}

int main(int argc, char **argv) {
    long port = 0, count = 4;
    if (argc > 3 || (argc > 1 && !number_parse(argv[1], 0, 65535, &port)) ||
        (argc > 2 && !number_parse(argv[2], 1, WORKERS_MAX, &count)))
        return fprintf(stderr, "usage: pass [PORT [WORKERS]]\n"), 2;
    int err = 0;
    while (err == 0 && workers_count < count) {
        err = worker_start(&workers[workers_count], workers_count);
        if (err == 0) workers_count++;
    }
    if (err == 0) err = run((unsigned)port);
    char text[64];
    if (err < 0) fprintf(stderr, "pass: %s\n", eddy_strerror(err, text, sizeof text));
    if (err < 0) return 1; /* with it the channels, and so the workers */
    for (int i = 0; i < workers_count; i++) waitpid(workers[i].process, NULL, 0);
    return 0;
}
