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
 *     -b BACKEND     epoll, kqueue, poll, select, io_uring; the best that there is
 *     -n COUNT       connections at once, of two descriptors each; others wait. 1000
 *     -i SECONDS     without a byte from either side, after which a connection is cut. 600
 *     -t SECONDS     in which an upstream has to connect. 3
 *     -r SECONDS     for which one that did not is left alone. 5
 *     -m BYTES       of one read, which is what a direction holds at most. 65536 */
#include "proxy.h"

struct proxy {
    eddy_loop *loop;
    eddy_listener listener;
    struct signals signals;
    struct settings settings;
    struct relay *relays;
    unsigned count;
    bool is_stopping;
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
    upstream_tell(&it->proxy->settings.upstreams, it->upstream, status,
                  eddy_loop_now_ns(it->proxy->loop));
    if (status < 0)
        connect_next(it);
    else
        relay_start(&it->relay);
}

static void connect_next(struct connection *it) {
    struct proxy *proxy = it->proxy;
    int64_t now_ns = eddy_loop_now_ns(proxy->loop);
    for (;;) {
        struct upstream *one = it->upstream =
            upstream_pick(&proxy->settings.upstreams, &it->tried, now_ns);
        if (one == NULL) break;
        int err = eddy_tcp_connect(&it->relay.upstream.stream, (struct sockaddr *)&one->address,
                                   one->length, proxy->settings.connect_ns, on_connect);
        if (err == 0) return;
        if (is_shortage(err)) break;
        upstream_tell(&proxy->settings.upstreams, one, err, now_ns);
    }
    relay_close(&it->relay, true);
}

static void on_relay_closed(struct relay *relay) {
    struct connection *it = eddy_container_of(relay, struct connection, relay);
    struct proxy *proxy = it->proxy;
    free(it);
    if (proxy->count-- == proxy->settings.limit && !proxy->is_stopping)
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
    relay_init(&it->relay, proxy->loop, &proxy->relays, proxy->settings.idle_ns, on_relay_closed);
    if (++proxy->count == proxy->settings.limit) eddy_listener_pause(listener);
    if (eddy_stream_attach(&it->relay.client.stream, fd) < 0) {
        close(fd);
        relay_close(&it->relay, true);
        return;
    }
    side_watch(&it->relay.client);
    connect_next(it);
}

/* --- The program --- */

static void on_signal(struct signals *signals, bool is_first) {
    struct proxy *proxy = eddy_container_of(signals, struct proxy, signals);
    proxy->is_stopping = true;
    eddy_listener_close(&proxy->listener, NULL); /* harmless if it is closed */
    if (!is_first) relay_close_all(&proxy->relays);
}

static int start(struct proxy *proxy) {
    const struct settings *settings = &proxy->settings;
    eddy_listener_init(&proxy->listener, proxy->loop);
    int err = signals_start(&proxy->signals, proxy->loop, on_signal);
    return err < 0 ? err
                   : eddy_tcp_listen(&proxy->listener, (const struct sockaddr *)&settings->address,
                                     (socklen_t)settings->length, 0, 0, on_accept);
}

int main(int argc, char **argv) {
    static struct proxy proxy;
    if (!settings_parse(&proxy.settings, argc, argv)) return 2;
    settings_fit(&proxy.settings, 16);
    int err = eddy_loop_open(&proxy.loop, &proxy.settings.loop);
    if (err < 0) return fail("proxy", "loop", err);
    err = start(&proxy);
    if (err < 0) return fail("proxy", "start", err);
    tell_address("proxy", &proxy.listener);
    err = eddy_loop_run(proxy.loop, EDDY_RUN_DEFAULT);
    signals_stop(&proxy.signals);
    if (eddy_loop_close(proxy.loop) < 0) err = -EBUSY;
    return err < 0 ? fail("proxy", "end", err) : EXIT_SUCCESS;
}
