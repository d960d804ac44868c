/* pass_net.h: two ends of a local socket for tests that pass descriptors. What is passed is mostly
 * the reading end of a pipe, whose writing end tells whether anybody still has it. */
#ifndef EDDY_TESTS_PASS_NET_H
#define EDDY_TESTS_PASS_NET_H

#include "local_net.h"
#include "system.h"

enum { CARGO_MAX = 600 };

/* A reader, and what it was given. */
struct taker {
    struct end end;
    int fds[CARGO_MAX];
    unsigned count, room; /* takes no more than that in all */
    unsigned cut;         /* how often some were lost */
    unsigned pieces;      /* that came with descriptors */
    size_t before[16];    /* bytes before the piece, */
    size_t sizes[16];     /* and in it */
    bool any, enough;     /* bytes have come, or `wanted` of them */
    size_t wanted;
};

static inline struct taker *taker_of(eddy_stream *stream) {
    return eddy_container_of(end_of(stream), struct taker, end);
}

static inline bool is_close_on_exec(int fd) {
    return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

static inline void taker_on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct taker *taker = taker_of(stream);
    unsigned count = taker->count;
    int fd = -EAGAIN;
    while (taker->count < taker->room && (fd = eddy_pass_take(stream)) >= 0) {
        ck_assert(is_close_on_exec(fd));
        taker->fds[taker->count++] = fd;
    }
    if (fd == -EMFILE) taker->cut++;
    ck_assert(fd >= 0 || fd == -EAGAIN || fd == -EMFILE);
    if (taker->count > count && taker->pieces < 16) {
        taker->before[taker->pieces] = taker->end.received;
        taker->sizes[taker->pieces++] = (size_t)size;
    }
    end_on_read(stream, data, size);
    taker->any = true;
    taker->enough = taker->end.received >= taker->wanted;
}

static inline void taker_read(struct taker *taker) {
    ck_assert_int_eq(eddy_pass_receive(&taker->end.stream, true), 0);
    ck_assert_int_eq(eddy_stream_read_start(&taker->end.stream, taker_on_read), 0);
}

/* A pair; false: there are no such sockets here. */
static inline bool taker_open(struct taker *taker, struct end *sender, eddy_loop *loop,
                              unsigned options) {
    memset(taker, 0, sizeof *taker);
    taker->room = CARGO_MAX;
    end_init(&taker->end, loop);
    end_init(sender, loop);
    int err = eddy_local_pair(&sender->stream, &taker->end.stream, options);
    ck_assert(err == 0 || err == -EPROTONOSUPPORT);
    return err == 0;
}

static inline void taker_close(struct taker *taker) {
    for (unsigned i = 0; i < taker->count; i++) ck_assert_int_eq(close(taker->fds[i]), 0);
    end_close(&taker->end);
}

/* Whether nobody has the reading end of the pipe any more. */
static inline bool pipe_is_dead(int writing_end) {
    struct pollfd polled = {.fd = writing_end, .events = POLLOUT};
    ck_assert_int_ge(poll(&polled, 1, 0), 0);
    return (polled.revents & POLLERR) != 0;
}

static inline void turn_until_written(eddy_loop *loop, const struct end *end, unsigned count) {
    int64_t give_up_ns = test_now_ns() + 20 * EDDY_NS_PER_S;
    while (end->written < count) {
        ck_assert_int_ge(test_run(loop, EDDY_RUN_NOWAIT), 0);
        ck_assert_msg(test_now_ns() < give_up_ns, "a write is not told");
    }
}

#endif
