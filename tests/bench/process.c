/* process.c: the workloads with other processes: children that end at once, pieces through a pipe
 * to one, messages over local sockets, and descriptors that are passed over one. */
#include "peers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SPAWN_ROUND_MIN = 16,
    PIPE_ROUND = 256,
    PIPE_DEPTH = 4, /* pieces on their way, so that the peer always has one to write */
    PASS_ROUND = 64,
};

static const struct peer *peer;

/* What goes on in one round: `limit` operations, the next one begun when one has ended. */
static struct { unsigned begun, ended, limit; } round_of;

static int run_round(int (*begin)(unsigned i), unsigned depth, unsigned limit) {
    round_of.begun = round_of.ended = 0;
    round_of.limit = limit;
    for (unsigned i = 0; i < depth; i++) {
        round_of.begun++;
        int err = begin(i);
        if (err < 0) return err;
    }
    int err = peer->run(0);
    return err < 0 ? err : peers_error();
}

static void end_one(int (*begin)(unsigned i), unsigned i) {
    if (++round_of.ended == round_of.limit) {
        peer->stop(0);
    } else if (round_of.begun < round_of.limit) {
        round_of.begun++;
        int err = begin(i);
        if (err < 0) peers_fail(err);
    }
}

/* --- Children --- */

static int begin_child(unsigned i) {
    static char name[] = "true";
    char *const arguments[] = {name, NULL};
    return peer->spawn(i, arguments);
}

void peers_exited(unsigned i, int status) {
    if (status != 0) peers_fail(-ECHILD);
    end_one(begin_child, i);
}

static void spawn_children(const struct bench_case *it, struct bench_sample *sample,
                           unsigned depth) {
    unsigned limit = depth > SPAWN_ROUND_MIN / 2 ? 2 * depth : SPAWN_ROUND_MIN;
    peer = peers_of(it);
    int err = peer->open(false);
    if (err == 0) err = peer->spawn_open(depth);
    while (err == 0 && peers_go_on(it, sample)) {
        peers_begin();
        err = run_round(begin_child, depth, limit);
        peers_end(sample, limit);
    }
    if (err < 0) bench_cannot(sample, "a child", err);
}

void peers_spawn_run(const struct bench_case *it, struct bench_sample *sample) {
    spawn_children(it, sample, it->numbers[0]);
}

/* Pages of the usual size, as a heap that has grown piece by piece has them. */
void peers_spawn_large_run(const struct bench_case *it, struct bench_sample *sample) {
    size_t bytes = (size_t)it->numbers[0] << 20;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        bench_cannot(sample, "memory", -errno);
        return;
    }
    (void)madvise(memory, bytes, MADV_NOHUGEPAGE);
    memset(memory, 1, bytes);
    spawn_children(it, sample, 1);
}

/* --- A pipe to a child --- */

static char *piece;
static size_t piece_bytes;

/* Reads until all who write are gone, which is when this process ends. */
static int open_reader(int *fd) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
    pid_t child = fork();
    if (child < 0) return -errno;
    if (child == 0) {
        close(ends[1]);
        while (read(ends[0], piece, piece_bytes) > 0) {
        }
        _exit(0);
    }
    close(ends[0]);
    *fd = ends[1];
    return fcntl(*fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int begin_piece(unsigned i) {
    return peer->pipe_write(i, piece, piece_bytes);
}

void peers_written(unsigned i) {
    end_one(begin_piece, i);
}

void peers_pipe_run(const struct bench_case *it, struct bench_sample *sample) {
    int fd = -1;
    peer = peers_of(it);
    piece_bytes = (size_t)it->numbers[0] << 10;
    piece = calloc(1, piece_bytes);
    int err = piece == NULL ? -ENOMEM : open_reader(&fd);
    if (err == 0) err = peer->open(false);
    if (err == 0) err = peer->pipe_open(fd, PIPE_DEPTH);
    while (err == 0 && peers_go_on(it, sample)) {
        peers_begin();
        err = run_round(begin_piece, PIPE_DEPTH, PIPE_ROUND);
        peers_end(sample, PIPE_ROUND);
    }
    if (err < 0) bench_cannot(sample, "a pipe", err);
}

/* --- Passing descriptors --- */

static int begin_pass(unsigned i) {
    (void)i;
    return peer->pass_send();
}

void peers_passed(void) {
    end_one(begin_pass, 0);
}

void peers_pass_run(const struct bench_case *it, struct bench_sample *sample) {
    int ends[2], pipe_ends[2];
    peer = peers_of(it);
    int err = peer->open(false);
    if (err == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0) err = -errno;
    if (err == 0 && pipe(pipe_ends) < 0) err = -errno;
    if (err == 0) err = peer->pass_open(ends[0], ends[1], pipe_ends[0]);
    while (err == 0 && peers_go_on(it, sample)) {
        peers_begin();
        err = run_round(begin_pass, 1, PASS_ROUND);
        peers_end(sample, PASS_ROUND);
    }
    if (err < 0) bench_cannot(sample, "passing", err);
}
