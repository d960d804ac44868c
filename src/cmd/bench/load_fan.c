/* load_fan.c: clients whose messages go to others of them (load_clients.h). Fan-in: all but the
 * last one send, and the last one gets it all. Fan-out: the first one of all sends, and everybody
 * gets a copy, some of whom read little. A message begins with who has sent it, or when. State of
 * the process: how far the collector has read, and the timer of those who read little. */
#include "load_clients.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PIECE_BYTES = 65536,
    SLOW_BYTES = 4096,         /* taken at a time */
    SLOW_BUFFER_BYTES = 16384, /* of the socket's */
};
static const int64_t slow_ns = 10 * EDDY_NS_PER_MS; /* from one time to the next */

static struct {
    eddy_timer timer;
    unsigned slow;               /* the last ones of the process */
    char rest[sizeof(uint32_t)]; /* the collector's: the head of a message */
} fan;

static ssize_t take(int fd, char *data, size_t size, int flags) {
    ssize_t got = recv(fd, data, size, flags);
    if (got == 0 || (got < 0 && errno != EAGAIN)) _exit(0); /* the server is over */
    return got;
}

/* What falls into the first `head_size` bytes of the messages goes to `head`; each end of one is
 * told to `fn`. */
static void read_messages(struct load_client *client, void *head, size_t head_size,
                          void (*fn)(struct load_client *client)) {
    static char data[PIECE_BYTES];
    size_t size = (size_t)take(client->fd, data, sizeof data, 0);
    for (size_t done = 0; done < size;) {
        size_t part = load_crowd.bytes - client->received;
        if (part > size - done) part = size - done;
        if (client->received < head_size) {
            size_t room = head_size - client->received;
            memcpy((char *)head + client->received, data + done, part < room ? part : room);
        }
        done += part;
        client->received += (unsigned)part;
        if (client->received < load_crowd.bytes) continue;
        client->received = 0;
        fn(client);
    }
}

/* --- Fan-in --- */

static void send_own(uint32_t index) {
    struct load_client *client = &load_crowd.clients[index];
    memcpy(load_crowd.message, &index, sizeof index);
    client->since_ns = bench_now_ns();
    load_send(client);
}

static void on_collected(struct load_client *collector) {
    uint32_t index;
    int64_t now_ns = bench_now_ns();
    (void)collector;
    memcpy(&index, fan.rest, sizeof index);
    if (index >= load_crowd.count) _exit(1);
    load_keep(now_ns, load_crowd.clients[index].since_ns, now_ns);
    send_own(index);
}

static void on_collector(eddy_io *io, unsigned events) {
    (void)events;
    read_messages(eddy_container_of(io, struct load_client, io), fan.rest, sizeof fan.rest,
                  on_collected);
}

int load_begin_fan_in(const struct load_order *order) {
    int err = load_make_message(order->bytes);
    if (err == 0) err = load_watch(&load_crowd.clients[load_crowd.count - 1], on_collector);
    for (uint32_t i = 0; i + 1 < load_crowd.count && err == 0; i++) send_own(i);
    return err;
}

/* --- Fan-out --- */

static void publish(struct load_client *client) {
    int64_t now_ns = bench_now_ns();
    memcpy(load_crowd.message, &now_ns, sizeof now_ns);
    load_send(client);
}

static void on_copy(struct load_client *client) {
    int64_t now_ns = bench_now_ns();
    load_keep(now_ns, client->since_ns, now_ns);
}

static void on_receiver(eddy_io *io, unsigned events) {
    struct load_client *client = eddy_container_of(io, struct load_client, io);
    (void)events;
    read_messages(client, &client->since_ns, sizeof client->since_ns, on_copy);
}

static void on_own_copy(struct load_client *client) {
    on_copy(client);
    publish(client);
}

static void on_publisher(eddy_io *io, unsigned events) {
    struct load_client *client = eddy_container_of(io, struct load_client, io);
    (void)events;
    read_messages(client, &client->since_ns, sizeof client->since_ns, on_own_copy);
}

static void on_slow(eddy_timer *timer) {
    static char data[SLOW_BYTES];
    (void)timer;
    for (unsigned i = load_crowd.count - fan.slow; i < load_crowd.count; i++)
        (void)take(load_crowd.clients[i].fd, data, sizeof data, MSG_DONTWAIT);
}

static int begin_slow(unsigned slow) {
    int bytes = SLOW_BUFFER_BYTES;
    fan.slow = slow;
    for (unsigned i = load_crowd.count - slow; i < load_crowd.count; i++)
        setsockopt(load_crowd.clients[i].fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    eddy_timer_init(&fan.timer, load_crowd.loop);
    return slow == 0 ? 0 : eddy_timer_start(&fan.timer, on_slow, slow_ns, slow_ns);
}

int load_begin_fan_out(const struct load_order *order) {
    int err = load_make_message(order->bytes);
    if (err == 0) err = begin_slow(order->slow);
    for (unsigned i = 0; i < load_crowd.count - order->slow && err == 0; i++)
        err = load_watch(&load_crowd.clients[i],
                         order->is_first && i == 0 ? on_publisher : on_receiver);
    if (err == 0 && order->is_first) publish(&load_crowd.clients[0]);
    return err;
}
