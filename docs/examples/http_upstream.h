/* http_upstream.h: what http_proxy.c sends to its upstreams, and over what: connections that are
 * kept from one request to the next, writes of which only the rest is copied, and the request's
 * head, put together anew from what http.h has found in it. */
#ifndef EXAMPLE_HTTP_UPSTREAM_H
#define EXAMPLE_HTTP_UPSTREAM_H

#include "http_answer.h"
#include "proxy.h"

#include <eddy/http.h>

/* --- Connections --- */

enum { LINKS_KEPT_MAX = 32 };
#define LINK_KEPT_NS (30 * EDDY_NS_PER_S)

struct links {
    eddy_loop *loop;
    const struct upstreams *upstreams;
    struct {
        struct link *first;
        unsigned count;
    } kept[UPSTREAMS_MAX];
    bool is_closing;
};

/* A connection to an upstream: with a request, or kept for one. */
struct link {
    eddy_stream stream;
    struct links *links;
    struct upstream *upstream;
    void (*sent)(struct link *link, int status); /* nothing is left to send; or why not */
    void *context;                               /* NULL: kept, or closing */
    struct link *next;
    unsigned unsent; /* messages */
    bool is_reused;
};

/* Returns 0, after which `fn` follows, or why not. */
static int link_connect(struct links *links, struct upstream *upstream, int64_t timeout_ns,
                        eddy_connect_fn *fn, struct link **link) {
    struct link *it = malloc(sizeof *it);
    if (it == NULL) return -ENOMEM;
    *it = (struct link){.links = links, .upstream = upstream};
    eddy_stream_init(&it->stream, links->loop);
    int err = eddy_tcp_connect(&it->stream, (struct sockaddr *)&upstream->address, upstream->length,
                               timeout_ns, fn);
    if (err < 0)
        free(it);
    else
        *link = it;
    return err;
}

static void on_link_closed(eddy_stream *stream) {
    free(eddy_container_of(stream, struct link, stream));
}

static void link_close(struct link *it) {
    it->context = NULL;
    eddy_stream_close(&it->stream, on_link_closed);
}

static void link_take_out(struct link *it) {
    size_t place = (size_t)(it->upstream - it->links->upstreams->all);
    struct link **at = &it->links->kept[place].first;
    while (*at != it) at = &(*at)->next;
    *at = it->next;
    it->links->kept[place].count--;
}

/* It has ended, has been idle for too long, or says what nobody has asked for. */
static void on_kept_read(eddy_stream *stream, void *data, ssize_t size) {
    struct link *it = eddy_container_of(stream, struct link, stream);
    (void)data, (void)size;
    link_take_out(it);
    link_close(it);
}

/* One that has something to say by now has ended, or would answer what was not asked. */
static struct link *links_take(struct links *links, const struct upstream *upstream) {
    struct link *it;
    char byte;
    while ((it = links->kept[upstream - links->upstreams->all].first) != NULL) {
        link_take_out(it);
        eddy_stream_read_stop(&it->stream);
        ssize_t size = recv(eddy_stream_fd(&it->stream), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (size < 0 && errno == EAGAIN) return it;
        link_close(it);
    }
    return NULL;
}

static void links_keep(struct link *it) {
    struct links *links = it->links;
    size_t place = (size_t)(it->upstream - links->upstreams->all);
    it->context = NULL;
    it->is_reused = true;
    eddy_stream_read_stop(&it->stream);
    if (links->is_closing || links->kept[place].count == LINKS_KEPT_MAX ||
        eddy_stream_read_start(&it->stream, on_kept_read) < 0 ||
        eddy_stream_set_read_deadline(&it->stream, LINK_KEPT_NS) < 0) {
        link_close(it);
        return;
    }
    it->next = links->kept[place].first;
    links->kept[place].first = it;
    links->kept[place].count++;
}

static void links_close(struct links *links) {
    links->is_closing = true;
    for (unsigned i = 0; i < UPSTREAMS_MAX; i++)
        while (links->kept[i].first != NULL) on_kept_read(&links->kept[i].first->stream, NULL, 0);
}

/* --- Sending --- */

struct message { /* what was not taken at once */
    eddy_write write;
    char bytes[];
};

static void on_sent(eddy_write *write, int status) {
    struct link *it = eddy_container_of(write->stream, struct link, stream);
    free(eddy_container_of(write, struct message, write));
    it->unsent--;
    if (it->context != NULL && (status < 0 || it->unsent == 0)) it->sent(it, status);
}

/* What the kernel does not take is copied. */
static int link_send(struct link *it, const struct iovec *pieces, int count) {
    size_t size = 0, length = 0;
    for (int i = 0; i < count; i++) size += pieces[i].iov_len;
    ssize_t sent = eddy_stream_try_write(&it->stream, pieces, count);
    if (sent < 0 && sent != -EAGAIN) return (int)sent;
    size_t skip = sent < 0 ? 0 : (size_t)sent;
    if (skip == size) return 0;
    struct message *message = malloc(sizeof *message + size - skip);
    if (message == NULL) return -ENOMEM;
    for (int i = 0; i < count; i++) {
        size_t over = skip < pieces[i].iov_len ? skip : pieces[i].iov_len;
        memcpy(message->bytes + length, (char *)pieces[i].iov_base + over,
               pieces[i].iov_len - over);
        length += pieces[i].iov_len - over;
        skip -= over;
    }
    int err = eddy_stream_write(&it->stream, &message->write, message->bytes, length, on_sent);
    if (err < 0)
        free(message);
    else
        it->unsent++;
    return err;
}

/* --- The request's head --- */

static const char requests_own[] = "Host, Expect, X-Forwarded-For";

struct text {
    size_t length;
    char bytes[64 << 10]; /* more than http.h lets in, and what is added */
};

static void put(struct text *it, const char *bytes, size_t length) {
    if (length > sizeof it->bytes - it->length) length = sizeof it->bytes - it->length;
    memcpy(it->bytes + it->length, bytes, length);
    it->length += length;
}

static void put_line(struct text *it, const char *name, const char *value, size_t length) {
    put(it, name, strlen(name));
    put(it, ": ", 2);
    put(it, value, length);
    put(it, "\r\n", 2);
}

static void put_fields(struct text *it, eddy_http_request *request) {
    const char *connection = eddy_http_field(request, "Connection"), *name, *value;
    size_t position = 0, length;
    while (eddy_http_field_next(request, &position, &name, &length, &value)) {
        if (is_hop_by_hop(name, length) || is_listed(requests_own, name, length)) continue;
        if (is_listed(connection, name, length)) continue;
        put(it, name, length);
        put_line(it, "", value, strlen(value));
    }
}

/* The address without the port. */
static void put_peer(struct text *it, eddy_http_request *request) {
    const char *before = eddy_http_field(request, "X-Forwarded-For");
    char peer[64] = "unknown";
    if (eddy_address_format(eddy_http_peer(request), peer, sizeof peer) > 0)
        *strrchr(peer, ':') = '\0';
    put(it, "X-Forwarded-For: ", 17);
    if (before != NULL) put(it, before, strlen(before));
    if (before != NULL) put(it, ", ", 2);
    size_t brackets = peer[0] == '[';
    put(it, peer + brackets, strlen(peer) - 2 * brackets);
    put(it, "\r\n", 2);
}

static void put_framing(struct text *it, eddy_http_request *request, bool is_upgrade) {
    int64_t length = eddy_http_body_length(request);
    char number[32];
    int size = snprintf(number, sizeof number, "%lld", (long long)length);
    if (length < 0) put(it, "Transfer-Encoding: chunked\r\n", 28);
    if (length > 0 || (length == 0 && eddy_http_field(request, "Content-Length") != NULL))
        put_line(it, "Content-Length", number, (size_t)size);
    if (!is_upgrade) return;
    const char *upgrade = eddy_http_field(request, "Upgrade");
    put_line(it, "Upgrade", upgrade, strlen(upgrade));
    put_line(it, "Connection", "Upgrade", 7);
}

/* The head goes with one length, that of the body that http.h has found. */
static int link_send_head(struct link *it, eddy_http_request *request, bool is_upgrade) {
    static struct text text; /* one at a time: nothing is left in it */
    const char *method = eddy_http_method(request), *name = it->upstream->name;
    size_t length, host_length;
    const char *target = eddy_http_target(request, &length);
    text.length = 0;
    put(&text, method, strlen(method));
    /* Of an absolute target it may be the query alone, or nothing. */
    put(&text, " /", length == 0 || *target == '?' ? 2 : 1);
    put(&text, target, length);
    put(&text, " HTTP/1.1\r\n", 11);
    const char *host = eddy_http_authority(request, &host_length);
    put_line(&text, "Host", host != NULL ? host : name, host != NULL ? host_length : strlen(name));
    put_fields(&text, request);
    put_peer(&text, request);
    put_line(&text, "Via", eddy_http_minor(request) > 0 ? "1.1 eddy" : "1.0 eddy", 8);
    put_framing(&text, request, is_upgrade);
    put(&text, "\r\n", 2);
    if (text.length == sizeof text.bytes) return -EMSGSIZE;
    return link_send(it, &(struct iovec){text.bytes, text.length}, 1);
}

/* --- Another protocol --- */

struct tunnel {
    eddy_loop *loop;
    struct relay **relays;
    int64_t idle_ns;
    int fd; /* of the upstream */
    size_t size;
    char bytes[]; /* that it has sent already */
};

static bool relays_are(const struct relay *all, unsigned count) {
    for (; all != NULL && count > 0; all = all->next) count--;
    return count == 0;
}

static void on_relay_closed(struct relay *relay) {
    free(relay);
}

static int tunnel_open(const struct tunnel *it, struct relay *relay, const void *data,
                       size_t size) {
    int err = size > 0 ? pass_bytes(&relay->client, data, size) : 0;
    if (err == 0 && it->size > 0) err = pass_bytes(&relay->upstream, it->bytes, it->size);
    if (err == 0) relay_start(relay);
    return err;
}

static void on_upgraded(int fd, const void *data, size_t size, void *context) {
    struct tunnel *it = context;
    struct relay *relay = fd < 0 ? NULL : malloc(sizeof *relay);
    bool has_client = false, has_upstream = false;
    if (relay != NULL) {
        relay_init(relay, it->loop, it->relays, it->idle_ns, on_relay_closed);
        has_client = eddy_stream_attach(&relay->client.stream, fd) == 0;
        has_upstream = eddy_stream_attach(&relay->upstream.stream, it->fd) == 0;
        if (!has_client || !has_upstream || tunnel_open(it, relay, data, size) < 0)
            relay_close(relay, true);
    }
    if (fd >= 0 && !has_client) close(fd);
    if (!has_upstream) close(it->fd);
    free(it);
}

/* Ends the request with a 101; from then on the two connections are a relay. `bytes` are what the
 * upstream has sent behind its own. The link has to be closed in any case. */
static int link_switch(struct link *it, eddy_http_request *request, const void *bytes, size_t size,
                       struct relay **relays, int64_t idle_ns) {
    struct tunnel *tunnel = malloc(sizeof *tunnel + size);
    if (tunnel == NULL) return -ENOMEM;
    *tunnel = (struct tunnel){.loop = it->links->loop, .relays = relays, .idle_ns = idle_ns};
    tunnel->fd = eddy_stream_detach(&it->stream);
    tunnel->size = size;
    memcpy(tunnel->bytes, bytes, size);
    int err = tunnel->fd < 0 ? tunnel->fd : 0; /* the upstream has not read the request */
    if (err == 0) err = eddy_http_upgrade(request, on_upgraded, tunnel);
    if (err == 0) return 0;
    if (tunnel->fd >= 0) close(tunnel->fd);
    free(tunnel);
    return err;
}

#endif
