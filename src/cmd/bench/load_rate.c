/* load_rate.c: clients that send at a rate (load_clients.h): each message goes over the connection
 * that has been free for longest. If none is free it waits until one is, and that time counts.
 * State of the process: which message is due next, and who is free. */
#include "load_clients.h"

static struct {
    eddy_timer timer;
    enum bench_arrivals arrivals;
    double rate;
    double next_ns; /* when the next message is due; with fractions, so that none add up */
    uint64_t random;
    struct load_client *free, **free_end; /* the first one first */
    unsigned active;
} load;

static int64_t *due_count(void) {
    return &load_crowd.shared->crowds[load_crowd.index].due;
}

static struct load_client *take_free(void) {
    struct load_client *client = load.free;
    load.free = client->next;
    if (load.free == NULL) load.free_end = &load.free;
    return client;
}

static void add_free(struct load_client *client) {
    client->next = NULL;
    client->since_ns = -1;
    *load.free_end = client;
    load.free_end = &client->next;
}

static double take_due(void) {
    double due_ns = load.next_ns;
    load.next_ns += bench_arrivals_gap_ns(load.arrivals, load.rate, &load.random);
    *due_count() += load_counts((int64_t)due_ns);
    return due_ns;
}

static void on_due(eddy_timer *timer) {
    int64_t now_ns = bench_now_ns();
    while (load.next_ns <= (double)now_ns && load.free != NULL) {
        struct load_client *client = take_free();
        client->since_ns = (int64_t)take_due();
        load_send(client);
    }
    if (load.next_ns <= (double)now_ns) return; /* a reply goes on */
    eddy_loop_update_now(load_crowd.loop);
    int err = eddy_timer_start(timer, on_due, (int64_t)load.next_ns - now_ns, 0);
    if (err < 0) bench_cannot(load_crowd.sample, "a client's timer", err);
}

static void on_reply(eddy_io *io, unsigned events) {
    struct load_client *client = eddy_container_of(io, struct load_client, io);
    (void)events;
    if (!load_receive(client)) return;
    load_keep(client->since_ns, client->since_ns, bench_now_ns());
    bool is_held = load.free == NULL;
    add_free(client);
    if (is_held) on_due(&load.timer);
}

int load_begin_rate(const struct load_order *order) {
    int err = load_make_message(order->bytes);
    load.arrivals = order->arrivals;
    load.rate = order->rate;
    load.random = load_crowd.index + 1;
    load.free_end = &load.free;
    load.active = order->count < load_crowd.count ? order->count : load_crowd.count;
    for (unsigned i = 0; i < load.active && err == 0; i++) {
        err = load_watch(&load_crowd.clients[i], on_reply);
        add_free(&load_crowd.clients[i]);
    }
    bench_be_punctual();
    eddy_timer_init(&load.timer, load_crowd.loop);
    load.next_ns = (double)bench_now_ns();
    if (!order->is_first) load.next_ns += 0.5e9 / load.rate; /* not in step with the others */
    if (err == 0) on_due(&load.timer);
    return err;
}

void load_end_rate(void) {
    int64_t now_ns = bench_now_ns(), end_ns = atomic_load(&load_crowd.shared->to_ns);
    if (end_ns > now_ns) end_ns = now_ns;
    for (unsigned i = 0; i < load.active; i++) {
        int64_t since_ns = load_crowd.clients[i].since_ns;
        if (since_ns >= 0 && since_ns <= end_ns) load_keep(since_ns, since_ns, end_ns);
    }
    while (load.next_ns <= (double)end_ns) {
        int64_t due_ns = (int64_t)take_due();
        load_keep(due_ns, due_ns, end_ns);
    }
}
