/* streams.c: connections over TCP, all at once, turned until they are over. How bytes are cut into
 * pieces on the way is the system's affair; which, how many and in which order is not, nor what
 * each callback is told. */
#include "script.h"

#include <stdio.h>
#include <string.h>

enum { CONNECTIONS = 4, WRITES = 5, BYTES_MAX = 20000, TURNS_MAX = 100000 };

enum manner { ECHO, HALF_CLOSE, RESET, SILENT, MANNERS };

struct line {
    struct thing near, far; /* the client's, and the server's end */
    eddy_stream client, server;
    eddy_write writes[WRITES], back[64], shutdown, server_shutdown;
    enum manner manner;
    unsigned sent, told, back_count;
    size_t asked, echoed;
    uint64_t near_sum, far_sum;
    bool client_closed, server_closed, has_server;
    char *echo; /* of what arrived, to be sent back */
};

static struct {
    struct script *script;
    eddy_listener listener;
    struct line lines[CONNECTIONS];
    bool listener_closed;
    unsigned accepted;
} net;

static char bytes[BYTES_MAX];
static char echoes[CONNECTIONS][WRITES * BYTES_MAX];

static uint64_t sum(uint64_t before, const void *data, size_t size) {
    const unsigned char *at = data;
    for (size_t i = 0; i < size; i++) before = (before ^ at[i]) * UINT64_C(0x100000001b3);
    return before;
}

static void on_client_closed(eddy_stream *stream) {
    struct line *it = eddy_container_of(stream, struct line, client);
    thing_note(&it->near, " closed");
    it->client_closed = true;
}

static void on_server_closed(eddy_stream *stream) {
    struct line *it = eddy_container_of(stream, struct line, server);
    thing_note(&it->far, " closed");
    it->server_closed = true;
}

static void on_written(eddy_write *write, int status) {
    struct line *it = eddy_container_of(write->stream, struct line, client);
    thing_note(&it->near, " w%d:%d", (int)(write - it->writes), status);
    it->told++;
}

static void on_shut(eddy_write *write, int status) {
    struct line *it = eddy_container_of(write, struct line, shutdown);
    thing_note(&it->near, " shut:%d", status);
}

static void on_server_shut(eddy_write *write, int status) {
    struct line *it = eddy_container_of(write, struct line, server_shutdown);
    thing_note(&it->far, " shut:%d", status);
}

static void on_echoed(eddy_write *write, int status) {
    (void)write;
    (void)status;
}

static void on_client_read(eddy_stream *stream, void *data, ssize_t size) {
    struct line *it = eddy_container_of(stream, struct line, client);
    if (size > 0) {
        it->echoed += (size_t)size;
        it->near_sum = sum(it->near_sum, data, (size_t)size);
        return;
    }
    thing_note(&it->near, " %zu bytes, sum %llx, end %zd", it->echoed,
               (unsigned long long)it->near_sum, size);
    (void)eddy_stream_close(stream, on_client_closed);
}

/* The end of what came; what was to be echoed goes first. */
static void end_server(struct line *it, ssize_t verdict) {
    thing_note(&it->far, " sum %llx, end %zd", (unsigned long long)it->far_sum, verdict);
    if (verdict == 0)
        (void)eddy_stream_shutdown(&it->server, &it->server_shutdown, on_server_shut);
    else
        (void)eddy_stream_close(&it->server, on_server_closed);
}

static void on_server_read(eddy_stream *stream, void *data, ssize_t size) {
    struct line *it = eddy_container_of(stream, struct line, server);
    if (size <= 0) {
        end_server(it, size);
        return;
    }
    it->far_sum = sum(it->far_sum, data, (size_t)size);
    if (it->manner == SILENT || it->back_count == sizeof it->back / sizeof it->back[0]) return;
    memcpy(it->echo, data, (size_t)size);
    (void)eddy_stream_write(stream, &it->back[it->back_count++], it->echo, (size_t)size, on_echoed);
    it->echo += size;
}

/* Who it is, the first byte tells; but the order of accepting is the order of connecting. */
static void on_accept(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    (void)listener;
    (void)peer;
    if (fd < 0) script_fail("accept", fd);
    struct line *it = &net.lines[net.accepted++];
    eddy_stream_init(&it->server, net.script->loop);
    it->has_server = true;
    int err = eddy_stream_attach(&it->server, fd);
    if (err == 0) err = eddy_stream_read_start(&it->server, on_server_read);
    if (err < 0) script_fail("attach", err);
}

static void on_connect(eddy_stream *stream, int status) {
    struct line *it = eddy_container_of(stream, struct line, client);
    thing_note(&it->near, " connected:%d", status);
    (void)eddy_stream_read_start(stream, on_client_read);
    unsigned count = 1 + random_of(&it->near.random, WRITES);
    for (unsigned i = 0; i < count; i++) {
        size_t size = random_of(&it->near.random, i == 0 ? 200 : BYTES_MAX);
        int err = eddy_stream_write(stream, &it->writes[i], bytes, size, on_written);
        if (err < 0) script_fail("write", err);
        it->asked += size;
    }
    if (it->manner == RESET) return; /* by the turns below, once all is sent */
    int err = eddy_stream_shutdown(stream, &it->shutdown, on_shut);
    if (err < 0) script_fail("shutdown", err);
    it->sent = count;
}

/* --- The script --- */

static void open_line(struct script *script, unsigned i, const struct sockaddr_storage *address,
                      socklen_t length) {
    struct line *it = &net.lines[i];
    memset(it, 0, sizeof *it);
    thing_begin(&it->near, "client", script->random + i);
    thing_begin(&it->far, "server", i);
    it->manner = random_of(&script->random, 3) == 0 ? SILENT : ECHO;
    it->echo = echoes[i];
    eddy_stream_init(&it->client, script->loop);
    int err =
        eddy_tcp_connect(&it->client, (const struct sockaddr *)address, length, 0, on_connect);
    if (err < 0) script_fail("connect", err);
}

/* Who has shut down both ways is closed. */
static void settle(struct line *it) {
    if (!it->has_server || it->server_closed || !it->client_closed) return;
    (void)eddy_stream_close(&it->server, on_server_closed);
}

static void on_listener_closed(eddy_listener *listener) {
    (void)listener;
    net.listener_closed = true;
}

static void turn(struct script *script) {
    int result = eddy_loop_run(script->loop, EDDY_RUN_ONCE);
    if (result < 0) script_fail("a turn", result);
}

static bool is_over(void) {
    bool over = true;
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        settle(&net.lines[i]);
        over = over && net.lines[i].client_closed && net.lines[i].server_closed;
    }
    return over;
}

void streams_run(struct script *script) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int err = eddy_address_parse(&address, "127.0.0.1", 0);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 7);
    memset(&net, 0, sizeof net);
    net.script = script;
    eddy_listener_init(&net.listener, script->loop);
    if (err > 0)
        err = eddy_tcp_listen(&net.listener, (struct sockaddr *)&address, (socklen_t)err, 16, 0,
                              on_accept);
    if (err == 0) err = eddy_listener_address(&net.listener, (struct sockaddr *)&address, &length);
    if (err < 0) script_fail("listen", err);
    for (unsigned i = 0; i < CONNECTIONS; i++) open_line(script, i, &address, length);
    for (unsigned i = 0; !is_over(); i++) {
        if (i == TURNS_MAX) script_fail("connections never end", -1);
        turn(script);
    }
    (void)eddy_listener_close(&net.listener, on_listener_closed);
    while (!net.listener_closed) turn(script);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        printf("client %u:%s\n", i, net.lines[i].near.trace);
        printf("server %u:%s\n", i, net.lines[i].far.trace);
    }
}
