/* proxy.c: a TCP proxy. Each connection goes to the next of the upstreams, and to the one after it
 * if that one refuses or does not connect in time:
 *
 *     proxy 127.0.0.1:8080 127.0.0.1:9001 127.0.0.1:9002
 *     proxy -n 100 -i 60 [::]:5432 10.0.0.7:5432
 *
 * Port 0 has the kernel pick one. What goes on between the two sockets is in proxy.h: a sender
 * waits while the receiver is full, an end of one side is passed on while the other one still
 * sends, a reset is passed on as a reset. SIGTERM or SIGINT ends accepting, and the program once
 * all connections have ended; a second one cuts them. Options:
 *
 *     -b BACKEND     epoll, kqueue, poll, select; the best that there is
 *     -n COUNT       connections at once, of two descriptors each; others wait. 1000
 *     -i SECONDS     without a byte from either side, after which a connection is cut. 600
 *     -t SECONDS     in which an upstream has to connect. 3
 *     -r SECONDS     for which one that did not is left alone. 5
 *     -m BYTES       of one read, which is what a direction holds at most. 65536 */
#include "proxy.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

struct proxy {
    eddy_loop *loop;
    eddy_listener listener;
    eddy_signal signals[2];
    struct upstreams upstreams;
    struct relay *relays;
    unsigned count, limit;
    bool is_stopping;
    int64_t connect_ns, idle_ns;
};

struct connection {
    struct relay relay;
    struct proxy *proxy;
    struct upstream *upstream;
    uint64_t tried;
};

/* --- Connecting --- */

static void connect_next(struct connection *it);

static void on_connect(eddy_stream *stream, int status) {
    struct connection *it = eddy_container_of(stream, struct connection, relay.upstream.stream);
    if (it->relay.is_closing) return;
    upstream_tell(&it->proxy->upstreams, it->upstream, status, eddy_loop_now_ns(it->proxy->loop));
    if (status < 0)
        connect_next(it);
    else
        relay_start(&it->relay);
}

static void connect_next(struct connection *it) {
    struct proxy *proxy = it->proxy;
    int64_t now_ns = eddy_loop_now_ns(proxy->loop);
    for (;;) {
        struct upstream *one = it->upstream = upstream_pick(&proxy->upstreams, &it->tried, now_ns);
        if (one == NULL) break;
        int err = eddy_tcp_connect(&it->relay.upstream.stream, (struct sockaddr *)&one->address,
                                   one->length, proxy->connect_ns, on_connect);
        if (err == 0) return;
        if (is_shortage(err)) break;
        upstream_tell(&proxy->upstreams, one, err, now_ns);
    }
    relay_close(&it->relay, true);
}

static void on_relay_closed(struct relay *relay) {
    struct connection *it = eddy_container_of(relay, struct connection, relay);
    struct proxy *proxy = it->proxy;
    free(it);
    if (proxy->count-- == proxy->limit && !proxy->is_stopping)
        eddy_listener_resume(&proxy->listener);
}

static void on_accept(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    struct proxy *proxy = eddy_container_of(listener, struct proxy, listener);
    (void)peer;
    if (fd < 0) {
        fail("proxy", "accept", fd);
        proxy->is_stopping = true; /* when those who are connected have left */
        eddy_listener_close(listener, NULL);
        return;
    }
    struct connection *it = malloc(sizeof *it);
    if (it == NULL) {
        close(fd);
        return;
    }
    *it = (struct connection){.proxy = proxy};
    relay_init(&it->relay, proxy->loop, &proxy->relays, proxy->idle_ns, on_relay_closed);
    if (++proxy->count == proxy->limit) eddy_listener_pause(listener);
    if (eddy_stream_attach(&it->relay.client.stream, fd) < 0) {
        close(fd);
        relay_close(&it->relay, true);
        return;
    }
    side_watch(&it->relay.client);
    connect_next(it);
}

/* --- The program --- */

static void on_signal(eddy_signal *watcher, int number) {
    struct proxy *proxy =
        eddy_container_of(watcher, struct proxy, signals[number == SIGINT ? 1 : 0]);
    if (proxy->is_stopping) relay_close_all(&proxy->relays);
    proxy->is_stopping = true;
    eddy_listener_close(&proxy->listener, NULL); /* harmless the second time */
}

/* Signals alone do not keep the loop running. */
static int watch_signals(struct proxy *proxy) {
    const int numbers[] = {SIGTERM, SIGINT};
    int err = 0;
    for (int i = 0; i < 2; i++) {
        eddy_signal_init(&proxy->signals[i], proxy->loop);
        eddy_unref(&proxy->signals[i].handle);
        if (err == 0) err = eddy_signal_start(&proxy->signals[i], on_signal, numbers[i]);
    }
    return err;
}

/* Both ends of each connection need a descriptor. */
static void fit_limit(struct proxy *proxy) {
    const rlim_t own = 16;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) return;
    rlim_t most = limit.rlim_cur > own + 2 ? (limit.rlim_cur - own) / 2 : 1;
    if (most < proxy->limit) proxy->limit = (unsigned)most;
}

static int listen_on(struct proxy *proxy, struct sockaddr_storage *storage, int length) {
    struct sockaddr *address = (struct sockaddr *)storage;
    char text[64];
    eddy_listener_init(&proxy->listener, proxy->loop);
    int err = eddy_tcp_listen(&proxy->listener, address, (socklen_t)length, 0, 0, on_accept);
    socklen_t room = sizeof *storage;
    if (err == 0) err = eddy_listener_address(&proxy->listener, address, &room);
    if (err < 0) return err;
    eddy_address_format(address, text, sizeof text);
    printf("proxy: listening on %s\n", text);
    fflush(stdout);
    return 0;
}

static int run(struct proxy *proxy, const eddy_loop_config *config,
               struct sockaddr_storage *address, int length) {
    int err = eddy_loop_open(&proxy->loop, config);
    if (err < 0) return fail("proxy", "loop", err);
    err = watch_signals(proxy);
    if (err == 0) err = listen_on(proxy, address, length);
    if (err < 0) fail("proxy", "start", err);
    if (err == 0) err = eddy_loop_run(proxy->loop, EDDY_RUN_DEFAULT);
    for (int i = 0; i < 2; i++) eddy_signal_stop(&proxy->signals[i]);
    int closed = eddy_loop_close(proxy->loop);
    return err < 0 || closed < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static bool parse_option(struct proxy *proxy, eddy_loop_config *config, int option) {
    long number = strtol(optarg, NULL, 10);
    int64_t time_ns = parse_seconds(optarg);
    if (option == 'b') config->backend = optarg;
    if (option == 'n') proxy->limit = (unsigned)number;
    if (option == 'm') config->read_buffer_bytes = (size_t)number;
    if (option == 'i') proxy->idle_ns = time_ns;
    if (option == 't') proxy->connect_ns = time_ns;
    if (option == 'r') proxy->upstreams.rest_ns = time_ns;
    if (option == 'n' || option == 'm') return number > 0 && number < 1 << 30;
    return option == 'b' || (option != '?' && time_ns > 0);
}

int main(int argc, char **argv) {
    static struct proxy proxy = {.limit = 1000, .connect_ns = 3 * EDDY_NS_PER_S};
    eddy_loop_config config = {.read_buffer_bytes = 64 << 10};
    struct sockaddr_storage address;
    bool is_good = true;
    int option, length = -1;
    proxy.idle_ns = 600 * EDDY_NS_PER_S;
    proxy.upstreams.rest_ns = 5 * EDDY_NS_PER_S;
    while (is_good && (option = getopt(argc, argv, "b:n:m:i:t:r:")) != -1)
        is_good = option != '?' && parse_option(&proxy, &config, option);
    if (is_good && optind < argc) length = parse_address(&address, argv[optind++]);
    if (length < 0 || !upstreams_parse(&proxy.upstreams, argv + optind, argc - optind)) {
        fprintf(stderr, "usage: proxy [-b backend] [-n connections] [-m bytes] [-i idle seconds]\n"
                        "             [-t connect seconds] [-r rest seconds] ADDRESS:PORT "
                        "UPSTREAM:PORT ...\n");
        return 2;
    }
    fit_limit(&proxy);
    return run(&proxy, &config, &address, length);
}
