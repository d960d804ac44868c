/* peer_uring_streams.c: io_uring by hand as it is meant to be used, by completions: a receive of
 * each connection that stays (multishot) and takes a buffer from a ring of them when something has
 * come, and a send of that buffer; connections from an accept that stays. A buffer is given back
 * when it has been sent. An idle connection has none; it has a request in the kernel. */
#include "uring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { BUFFERS_MAX = 32768 };

/* What a completion is of: the kind, the connection and the buffer in user_data. */
enum kind { RECEIVE, SEND, ACCEPT, CLOSE };

static uint64_t name_of(enum kind kind, unsigned connection, unsigned buffer) {
    return (uint64_t)kind << 56 | (uint64_t)buffer << 32 | connection;
}

static enum kind kind_of(const struct io_uring_cqe *it) {
    return (enum kind)(it->user_data >> 56);
}

static unsigned connection_of(const struct io_uring_cqe *it) {
    return (unsigned)it->user_data;
}

/* --- Buffers --- */

static struct {
    struct io_uring_buf_ring *ring;
    char *memory;
    size_t size;
    unsigned count; /* a power of two; those under way are not in the ring */
    uint16_t tail;
} buffers;

/* The kernel takes from the head and looks at the tail alone. */
static void give_back(unsigned buffer) {
    struct io_uring_buf *place = &buffers.ring->bufs[buffers.tail++ & (buffers.count - 1)];
    place->addr = (uintptr_t)(buffers.memory + buffer * buffers.size);
    place->len = (unsigned)buffers.size;
    place->bid = (uint16_t)buffer;
    __atomic_store_n(&buffers.ring->tail, buffers.tail, __ATOMIC_RELEASE);
}

static void *pages(size_t size) {
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

/* For as many messages as may be under way, twice: few, since the next one that is taken has been
 * out of use the longest, and is not in the processor's cache if there are many. */
static int open_buffers(unsigned active) {
    for (buffers.count = 16; buffers.count < 2 * active && buffers.count < BUFFERS_MAX;)
        buffers.count *= 2;
    buffers.size = peers_reply_bytes;
    buffers.ring = pages(buffers.count * sizeof(struct io_uring_buf));
    buffers.memory = pages(buffers.count * buffers.size);
    if (buffers.ring == NULL || buffers.memory == NULL) return -ENOMEM;
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)buffers.ring,
                                   .ring_entries = buffers.count};
    int err = peers_uring_register(IORING_REGISTER_PBUF_RING, &reg, 1);
    for (unsigned i = 0; i < buffers.count && err == 0; i++) give_back(i);
    return err;
}

/* --- Messages --- */

static const int *fds;

static void start_receive(int fd, unsigned connection, bool is_staying) {
    struct io_uring_sqe *entry = peers_uring_entry();
    entry->opcode = IORING_OP_RECV;
    entry->fd = fd;
    entry->flags = IOSQE_BUFFER_SELECT;
    entry->ioprio = is_staying ? IORING_RECV_MULTISHOT : 0;
    entry->user_data = name_of(RECEIVE, connection, 0);
}

static void start_send(int fd, unsigned connection, unsigned buffer, int size) {
    struct io_uring_sqe *entry = peers_uring_entry();
    entry->opcode = IORING_OP_SEND;
    entry->fd = fd;
    entry->addr = (uintptr_t)(buffers.memory + buffer * buffers.size);
    entry->len = (unsigned)size;
    entry->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
    entry->user_data = name_of(SEND, connection, buffer);
}

/* A receive ends by itself when the ring of buffers is empty; it starts again behind the sends
 * that bring some back. */
static void on_message(const struct io_uring_cqe *it) {
    unsigned connection = connection_of(it);
    if (kind_of(it) == SEND) {
        give_back((unsigned)(it->user_data >> 32) & (BUFFERS_MAX - 1));
        if (it->res <= 0)
            peers_fail(it->res);
        else
            peers_echoed((size_t)it->res);
        return;
    }
    if (it->res > 0)
        start_send(fds[connection], connection, it->flags >> IORING_CQE_BUFFER_SHIFT, it->res);
    else if (it->res != -ENOBUFS)
        peers_fail(it->res);
    if ((it->flags & IORING_CQE_F_MORE) == 0) start_receive(fds[connection], connection, true);
}

static int serve(const int *all, unsigned count, unsigned active) {
    fds = all;
    peers_uring_completed = on_message;
    int err = open_buffers(active);
    for (unsigned i = 0; i < count && err == 0; i++) start_receive(fds[i], i, true);
    return err;
}

/* --- Short connections, named by their descriptors --- */

static void start_close(int fd) {
    struct io_uring_sqe *entry = peers_uring_entry();
    entry->opcode = IORING_OP_CLOSE;
    entry->fd = fd;
    entry->user_data = name_of(CLOSE, 0, 0);
}

static void start_accept(int listener) {
    struct io_uring_sqe *entry = peers_uring_entry();
    entry->opcode = IORING_OP_ACCEPT;
    entry->fd = listener;
    entry->ioprio = IORING_ACCEPT_MULTISHOT;
    entry->accept_flags = SOCK_CLOEXEC;
    entry->user_data = name_of(ACCEPT, (unsigned)listener, 0);
}

static void on_byte(const struct io_uring_cqe *it) {
    int fd = (int)connection_of(it);
    unsigned buffer = it->flags >> IORING_CQE_BUFFER_SHIFT;
    if (it->res <= 0 && (it->flags & IORING_CQE_F_BUFFER) != 0) give_back(buffer);
    if (it->res > 0) {
        start_send(fd, (unsigned)fd, buffer, it->res);
    } else if (it->res == -ENOBUFS) {
        start_receive(fd, (unsigned)fd, false);
    } else {
        start_close(fd);
        peers_visited();
    }
}

static void on_visit(const struct io_uring_cqe *it) {
    int fd = (int)connection_of(it);
    switch (kind_of(it)) {
    case ACCEPT:
        if (it->res < 0)
            peers_fail(it->res);
        else
            start_receive(it->res, (unsigned)it->res, false);
        if ((it->flags & IORING_CQE_F_MORE) == 0) start_accept(fd);
        break;
    case RECEIVE:
        on_byte(it);
        break;
    case SEND: /* if it failed, so does the next receive */
        give_back((unsigned)(it->user_data >> 32) & (BUFFERS_MAX - 1));
        start_receive(fd, (unsigned)fd, false);
        break;
    case CLOSE:
        break;
    }
}

static int receive_visits(int listener, unsigned active) {
    peers_uring_completed = on_visit;
    int err = open_buffers(active);
    if (err == 0) start_accept(listener);
    return err;
}

const struct peer peer_uring_streams = {
    .name = "uring-streams",
    .probe = peers_uring_probe,
    .open = peers_uring_open,
    .run = peers_uring_run,
    .stop = peers_uring_stop,
    .turn = peers_uring_turn,
    .read_counts = peers_uring_read_counts,
    .serve = serve,
    .receive_visits = receive_visits,
};
