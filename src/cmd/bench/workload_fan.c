/* workload_fan.c: a server between its clients. Fan-in: what many send goes to one. Fan-out: what
 * one sends goes to all, from one copy of it in memory; whose queue is full, as he reads little,
 * misses messages, so that neither the others wait for him nor the server's memory grows. */
#include "service.h"
#include "workloads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    RECEIVERS = 100,
    SLOW_MESSAGE_BYTES = 4096,
    SEND_BUFFER_BYTES = 65536, /* else the kernel's buffers hold all that a sample sends */
    MARK_LOW = 16384,
    MARK_HIGH = 65536,
};

struct message;

struct copy {
    eddy_write write;
    struct message *of;
};

struct message {
    struct message *next; /* that is free */
    unsigned pending;     /* copies */
    char *data;
    struct copy copies[]; /* for each who gets it */
};

static struct hub {
    struct bench_service service;
    eddy_stream *streams;
    unsigned count, copies; /* connections; of a message */
    size_t message_bytes, filled;
    struct message *free;
    struct message *filling; /* of which `filled` bytes have come; NULL: none */
} hub;

/* --- Messages --- */

static struct message *make_message(void) {
    size_t head = sizeof(struct message) + hub.copies * sizeof(struct copy);
    struct message *message = malloc(head + hub.message_bytes);
    if (message == NULL) return NULL;
    message->data = (char *)message + head;
    for (unsigned i = 0; i < hub.copies; i++) message->copies[i].of = message;
    return message;
}

/* Which is held once, until it is let go of. */
static struct message *take_message(void) {
    struct message *message = hub.free;
    if (message != NULL)
        hub.free = message->next;
    else
        message = make_message();
    if (message != NULL) message->pending = 1;
    return message;
}

static void let_go(struct message *message) {
    if (--message->pending > 0) return;
    message->next = hub.free;
    hub.free = message;
}

static void on_sent(eddy_write *write, int status) {
    struct copy *copy = eddy_container_of(write, struct copy, write);
    hub.service.operations++;
    if (status < 0) bench_service_fail(&hub.service, status);
    let_go(copy->of);
}

static void send_copy(struct message *message, unsigned i, eddy_stream *to) {
    message->pending++;
    int err =
        eddy_stream_write(to, &message->copies[i].write, message->data, hub.message_bytes, on_sent);
    if (err == 0) return;
    let_go(message);
    bench_service_fail(&hub.service, err);
}

/* --- Fan-in --- */

/* A sender has one message under way, which is as small as a piece can be. */
static void on_sender(eddy_stream *stream, void *data, ssize_t size) {
    (void)stream;
    struct message *message = size == (ssize_t)hub.message_bytes ? take_message() : NULL;
    if (message == NULL) {
        bench_service_fail(&hub.service, size < 0 ? (int)size : size > 0 ? -ENOMEM : -EPIPE);
        return;
    }
    memcpy(message->data, data, hub.message_bytes);
    send_copy(message, 0, &hub.streams[hub.count - 1]);
    let_go(message);
}

/* --- Fan-out --- */

/* The publisher, who is the first, is the last to get his: he sends the next message then. */
static void send_to_all(struct message *message) {
    for (unsigned i = hub.count; i-- > 0;)
        if (i == 0 || !eddy_stream_is_full(&hub.streams[i])) send_copy(message, i, &hub.streams[i]);
    hub.service.due += hub.count;
    let_go(message);
}

static void on_publisher(eddy_stream *stream, void *data, ssize_t size) {
    (void)stream;
    for (ssize_t done = 0; done < size;) {
        if (hub.filling == NULL) hub.filling = take_message();
        if (hub.filling == NULL) {
            bench_service_fail(&hub.service, -ENOMEM);
            return;
        }
        size_t part = hub.message_bytes - hub.filled;
        if (part > (size_t)(size - done)) part = (size_t)(size - done);
        memcpy(hub.filling->data + hub.filled, (char *)data + done, part);
        done += (ssize_t)part;
        hub.filled += part;
        if (hub.filled < hub.message_bytes) continue;
        send_to_all(hub.filling);
        hub.filling = NULL;
        hub.filled = 0;
    }
    if (size <= 0) bench_service_fail(&hub.service, size < 0 ? (int)size : -EPIPE);
}

/* --- Both --- */

static int attach(const int *fds, unsigned senders, eddy_read_fn *fn) {
    hub.streams = calloc(hub.count, sizeof *hub.streams);
    int err = hub.streams == NULL ? -ENOMEM : 0;
    for (unsigned i = 0; i < hub.count && err == 0; i++) {
        eddy_stream_init(&hub.streams[i], hub.service.loop);
        err = eddy_stream_attach(&hub.streams[i], fds[i]);
        if (err == 0) err = eddy_stream_set_marks(&hub.streams[i], MARK_LOW, MARK_HIGH, NULL);
        if (err == 0 && i < senders) err = eddy_stream_read_start(&hub.streams[i], fn);
    }
    return err;
}

static int open_hub(const struct bench_case *it, struct bench_load *load, unsigned senders,
                    eddy_read_fn *fn) {
    int *fds = malloc(hub.count * sizeof *fds);
    int err = fds == NULL ? -ENOMEM : bench_load_connect(load, fds, hub.count);
    if (err == 0) err = bench_open_loop(&hub.service.loop, it);
    int bytes = SEND_BUFFER_BYTES;
    for (unsigned i = 0; i < hub.count && err == 0 && it->numbers[1] > 0; i++)
        if (setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) < 0) err = -errno;
    if (err == 0) err = attach(fds, senders, fn);
    free(fds);
    return err;
}

/* Memory is what the queues of those who are slow have come to. */
static int measure_fan_out(const struct bench_case *it, struct bench_sample *sample,
                           struct bench_load *load) {
    int64_t before_bytes = bench_memory_bytes(), kernel_bytes = bench_socket_memory_bytes();
    int err = bench_load_fan_out(load, hub.count, (unsigned)hub.message_bytes, it->numbers[1]);
    if (err == 0) err = bench_service_measure(&hub.service, load, it, sample);
    if (before_bytes >= 0) sample->memory_bytes = bench_memory_bytes() - before_bytes;
    if (kernel_bytes >= 0) sample->kernel_bytes = bench_socket_memory_bytes() - kernel_bytes;
    return err;
}

void bench_fan_in_run(const struct bench_case *it, struct bench_sample *sample) {
    struct bench_load *load = NULL;
    hub.count = it->numbers[0] + 1;
    hub.copies = 1;
    hub.message_bytes = BENCH_MESSAGE_BYTES;
    if (!bench_allow_descriptors(hub.count, sample)) return;
    int err = bench_load_open(&load, sample);
    if (err == 0) err = open_hub(it, load, hub.count - 1, on_sender);
    if (err == 0) err = bench_load_fan_in(load, hub.count);
    if (err == 0) err = bench_service_measure(&hub.service, load, it, sample);
    bench_load_close(load);
    if (err < 0) bench_cannot(sample, "fan-in", err);
}

static void run_fan_out(const struct bench_case *it, struct bench_sample *sample, unsigned count,
                        size_t message_bytes) {
    struct bench_load *load = NULL;
    hub.count = hub.copies = count;
    hub.message_bytes = message_bytes;
    if (!bench_allow_descriptors(hub.count, sample)) return;
    int err = bench_load_open_many(&load, sample, BENCH_CROWDS);
    if (err == 0) err = open_hub(it, load, 1, on_publisher);
    if (err == 0) err = measure_fan_out(it, sample, load);
    bench_load_close(load);
    if (err < 0) bench_cannot(sample, "fan-out", err);
}

void bench_fan_out_run(const struct bench_case *it, struct bench_sample *sample) {
    run_fan_out(it, sample, it->numbers[0], BENCH_MESSAGE_BYTES);
}

void bench_slow_readers_run(const struct bench_case *it, struct bench_sample *sample) {
    if (it->numbers[1] > RECEIVERS - BENCH_CROWDS) {
        bench_cannot(sample, "of 100 readers at most 98 can be slow", -EINVAL);
        return;
    }
    run_fan_out(it, sample, RECEIVERS, SLOW_MESSAGE_BYTES);
}
