/* http_server.c: a server's life, its listeners, and how many connections it lets in.
 * Invariant: listeners are paused exactly while all places are taken and nobody could make room.
 * Threading: the loop's. */
#include "http_server.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    /* Clients that connect while all places are taken wait here; the kernel may cap it. */
    HTTP_BACKLOG = 4096,
    HTTP_LIMIT_MIN = 16,
};

static int64_t http_time_s(void) {
    return (int64_t)time(NULL);
}

static void http_close_fd(int fd) {
    (void)close(fd);
}

/* --- Opening and closing --- */

static void set_default(uint32_t *value, uint32_t otherwise) {
    if (*value == 0) *value = otherwise;
}

static void set_default_ns(int64_t *value_ns) {
    if (*value_ns == 0) *value_ns = 60 * EDDY_NS_PER_S;
}

static void fill_in(eddy_http_config *config) {
    set_default(&config->line_bytes, 8 * 1024);
    set_default(&config->field_bytes, 8 * 1024);
    set_default(&config->fields_bytes, 32 * 1024);
    set_default(&config->fields, 100);
    set_default(&config->connections, 10000);
    set_default(&config->buffer_bytes, 4 * 1024 * 1024);
    if (config->body_bytes == 0) config->body_bytes = 1024 * 1024;
    if (config->discard_bytes == 0) config->discard_bytes = 64 * 1024;
    set_default_ns(&config->idle_ns);
    set_default_ns(&config->head_ns);
    set_default_ns(&config->body_ns);
    set_default_ns(&config->answer_ns);
    if (config->server == NULL) config->server = "eddy";
    if (config->time_s == NULL) config->time_s = http_time_s;
    if (config->close == NULL) config->close = http_close_fd;
}

static bool is_valid(const eddy_http_config *config) {
    if (config->line_bytes < HTTP_LIMIT_MIN || config->field_bytes < HTTP_LIMIT_MIN) return false;
    if (config->fields_bytes < HTTP_LIMIT_MIN || config->fields > HTTP_FIELDS_MAX) return false;
    if ((uint64_t)config->line_bytes + config->fields_bytes + HTTP_LEADING_BYTES >
        HTTP_HEAD_BYTES_MAX)
        return false;
    if (config->idle_ns < 0 || config->head_ns < 0) return false;
    if (config->body_ns < 0 || config->answer_ns < 0) return false;
    return config->buffer_bytes >= HTTP_PIECE_BYTES && strlen(config->server) < 64 &&
           eddy__http_is_value(config->server, strlen(config->server));
}

int eddy_http_open(eddy_http **http, eddy_loop *loop, const eddy_http_config *config) {
    eddy_http_config settings = {0};
    if (config != NULL) settings = *config;
    fill_in(&settings);
    if (!is_valid(&settings)) return -EINVAL;
    eddy_allocator allocator =
        settings.allocator != NULL ? *settings.allocator : *eddy_loop_allocator(loop);
    eddy_http *opened = allocator.resize(allocator.context, NULL, 0, sizeof *opened);
    if (opened == NULL) return -ENOMEM;
    memset(opened, 0, offsetof(eddy_http, read_buffer));
    opened->loop = loop;
    opened->config = settings;
    opened->allocator = allocator;
    opened->limits = (struct http_head_limits){settings.line_bytes, settings.field_bytes,
                                               settings.fields_bytes, settings.fields};
    eddy__http_blocks_init(&opened->small, HTTP_BLOCK_BYTES, HTTP_BLOCKS_KEPT, 0);
    eddy__http_blocks_init(&opened->big, HTTP_PIECE_BYTES, settings.buffer_bytes / HTTP_PIECE_BYTES,
                           settings.buffer_bytes / HTTP_PIECE_BYTES);
    eddy__http_blocks_init(&opened->connections, sizeof(struct http_connection), HTTP_BLOCKS_KEPT,
                           0);
    opened->waiting_end = &opened->waiting;
    opened->counts.memory_bytes = sizeof *opened;
    opened->date_s = -1;
    eddy_defer_init(&opened->stopped, loop);
    eddy_timer_init(&opened->patience, loop);
    eddy_unref(&opened->patience.handle);
    *http = opened;
    return 0;
}

int eddy_http_close(eddy_http *http) {
    if (http->listening > 0 || http->kept > 0) return -EBUSY;
    eddy_defer_stop(&http->stopped);
    eddy_timer_stop(&http->patience);
    eddy__http_free_routes(http);
    eddy__http_blocks_trim(http, &http->small, 0);
    eddy__http_blocks_trim(http, &http->big, 0);
    eddy__http_blocks_trim(http, &http->connections, 0);
    eddy_allocator allocator = http->allocator;
    (void)allocator.resize(allocator.context, http, sizeof *http, 0);
    return 0;
}

eddy_loop *eddy_http_loop(const eddy_http *http) {
    return http->loop;
}

/* --- Connections --- */

void eddy__http_list_add(struct http_connection *it, enum http_list list) {
    struct http_list_ends *ends = &it->http->lists[list];
    it->list = (uint8_t)list;
    it->since_ns = eddy_loop_now_ns(it->http->loop);
    it->prev = NULL;
    it->next = ends->first;
    if (it->next != NULL)
        it->next->prev = it;
    else
        ends->last = it;
    ends->first = it;
}

void eddy__http_list_remove(struct http_connection *it) {
    struct http_list_ends *ends = &it->http->lists[it->list];
    if (it->prev != NULL)
        it->prev->next = it->next;
    else
        ends->first = it->next;
    if (it->next != NULL)
        it->next->prev = it->prev;
    else
        ends->last = it->prev;
}

static void on_patience(eddy_timer *timer) {
    eddy__http_update_places(eddy_container_of(timer, eddy_http, patience));
}

/* Who has been idle longest; else who has been silent for too long, or has sent a part of a head
 * and no more. NULL: nobody, and `*due_ns` is when somebody may. */
static struct http_connection *who_makes_room(const eddy_http *http, int64_t *due_ns) {
    static const enum http_list lists[] = {HTTP_NEW, HTTP_COLLECTING};
    int64_t now_ns = eddy_loop_now_ns(http->loop);
    *due_ns = INT64_MAX;
    if (http->lists[HTTP_IDLE].last != NULL) return http->lists[HTTP_IDLE].last;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct http_connection *it = http->lists[lists[i]].last;
        if (it == NULL) continue;
        if (now_ns - it->since_ns >= HTTP_PATIENCE_NS) return it;
        if (it->since_ns + HTTP_PATIENCE_NS < *due_ns) *due_ns = it->since_ns + HTTP_PATIENCE_NS;
    }
    return NULL;
}

void eddy__http_update_places(eddy_http *http) {
    int64_t due_ns = INT64_MAX;
    if (http->is_draining) return;
    bool is_full =
        http->counts.open >= http->config.connections && who_makes_room(http, &due_ns) == NULL;
    if (due_ns < INT64_MAX)
        (void)eddy_timer_start_at(&http->patience, on_patience, due_ns, 0);
    else
        eddy_timer_stop(&http->patience);
    if (is_full == http->is_full) return;
    http->is_full = is_full;
    for (eddy_http_listener *it = http->listeners; it != NULL; it = it->next) {
        if (is_full)
            eddy_listener_pause(&it->listener);
        else if (eddy_listener_resume(&it->listener) < 0)
            http->is_full = true; /* for want of memory: at the next change */
    }
}

int eddy_http_accept(eddy_http *http, int fd, const struct sockaddr *peer) {
    if (http->is_draining) return -ECANCELED;
    if (http->counts.open >= http->config.connections) {
        int64_t due_ns;
        struct http_connection *leaves = who_makes_room(http, &due_ns);
        if (leaves == NULL) return -EAGAIN;
        http->counts.evicted++;
        eddy__http_disconnect(leaves, false);
    }
    int err = eddy__http_connect(http, fd, peer);
    eddy__http_update_places(http);
    return err;
}

void eddy__http_set_list(struct http_connection *it, enum http_list list) {
    if (it->list == list) return;
    eddy__http_list_remove(it);
    eddy__http_list_add(it, list);
    if (it->http->is_full || it->http->counts.open >= it->http->config.connections)
        eddy__http_update_places(it->http);
}

/* --- Listeners --- */

static void on_listener_closed(eddy_listener *listener);

static void drop_listener(eddy_http_listener *listener) {
    eddy_http_listener **at = &listener->http->listeners;
    while (*at != listener) at = &(*at)->next;
    *at = listener->next;
    (void)eddy_listener_close(&listener->listener, on_listener_closed);
}

static void on_accept(eddy_listener *it, int fd, const struct sockaddr *peer) {
    eddy_http_listener *listener = eddy_container_of(it, eddy_http_listener, listener);
    if (fd < 0) {
        drop_listener(listener);
        if (listener->failed != NULL) listener->failed(listener, fd);
    } else if (eddy_http_accept(listener->http, fd, peer) < 0) {
        listener->http->config.close(fd);
    }
}

static bool has_listener(const eddy_http *http, const eddy_http_listener *listener) {
    const eddy_http_listener *it = http->listeners;
    while (it != NULL && it != listener) it = it->next;
    return it != NULL;
}

static void add_listener(eddy_http *http, eddy_http_listener *listener,
                         void (*failed)(eddy_http_listener *listener, int status)) {
    listener->http = http;
    listener->failed = failed;
    listener->next = http->listeners;
    http->listeners = listener;
    http->listening++;
    if (http->is_full) eddy_listener_pause(&listener->listener);
}

int eddy_http_listen(eddy_http *http, eddy_http_listener *listener, const struct sockaddr *address,
                     socklen_t length, unsigned options,
                     void (*failed)(eddy_http_listener *listener, int status)) {
    if (http->is_draining) return -ECANCELED;
    if (has_listener(http, listener)) return -EALREADY;
    eddy_listener_init(&listener->listener, http->loop);
    bool is_local = address->sa_family == AF_UNIX;
    if (options & EDDY_SEQPACKET) return -EINVAL;
    int err = (is_local ? eddy_local_listen : eddy_tcp_listen)(&listener->listener, address, length,
                                                               HTTP_BACKLOG, options, on_accept);
    if (err == 0) add_listener(http, listener, failed);
    return err;
}

int eddy_http_attach(eddy_http *http, eddy_http_listener *listener, int fd,
                     void (*failed)(eddy_http_listener *listener, int status)) {
    if (http->is_draining) return -ECANCELED;
    if (has_listener(http, listener)) return -EALREADY;
    eddy_listener_init(&listener->listener, http->loop);
    int err = eddy_listener_attach(&listener->listener, fd, on_accept);
    if (err == 0) add_listener(http, listener, failed);
    return err;
}

/* --- Stopping --- */

static void on_stopped(eddy_defer *defer) {
    eddy_http *http = eddy_container_of(defer, eddy_http, stopped);
    void (*fn)(eddy_http * it, void *context) = http->stop_fn;
    if (fn == NULL || http->kept > 0 || http->listening > 0) return;
    http->stop_fn = NULL;
    fn(http, http->stop_context);
}

/* In phase 7, as whoever has left last has still callers that look at the server. */
static void expect_end(eddy_http *http) {
    if (!http->is_draining || http->kept > 0 || http->listening > 0) return;
    (void)eddy_defer_start(&http->stopped, on_stopped); /* -EALREADY is as good */
}

void eddy__http_left(eddy_http *http, struct http_connection *it) {
    eddy__http_give(http, &http->connections, it);
    http->kept--;
    uint32_t useful = http->kept > HTTP_BLOCKS_KEPT_MIN ? http->kept : HTTP_BLOCKS_KEPT_MIN;
    eddy__http_blocks_trim(http, &http->small, useful);
    eddy__http_blocks_trim(http, &http->connections, useful);
    expect_end(http);
}

static void on_listener_closed(eddy_listener *it) {
    eddy_http *http = eddy_container_of(it, eddy_http_listener, listener)->http;
    http->listening--;
    expect_end(http);
}

static void end_listening(eddy_http *http, void (*fn)(eddy_http *it, void *context),
                          void *context) {
    http->is_draining = true;
    eddy_timer_stop(&http->patience);
    http->stop_fn = fn;
    http->stop_context = context;
    while (http->listeners != NULL) drop_listener(http->listeners);
}

int eddy_http_stop(eddy_http *http, void (*fn)(eddy_http *http, void *context), void *context) {
    if (http->is_stopping) return -EALREADY;
    http->is_stopping = true;
    end_listening(http, fn, context);
    for (int list = 0; list < HTTP_LISTS; list++) {
        struct http_connection *next;
        for (struct http_connection *it = http->lists[list].first; it != NULL; it = next) {
            next = it->next;
            eddy__http_finish(it);
        }
    }
    expect_end(http);
    return 0;
}

int eddy_http_drain(eddy_http *http, void (*fn)(eddy_http *http, void *context), void *context) {
    if (http->is_draining) return -EALREADY;
    end_listening(http, fn, context);
    expect_end(http);
    return 0;
}

void eddy_http_cut(eddy_http *http) {
    for (int list = 0; list < HTTP_LISTS; list++)
        while (http->lists[list].first != NULL)
            eddy__http_disconnect(http->lists[list].first, list == HTTP_BUSY);
}

/* --- What is the same for all answers of a second --- */

const char *eddy__http_date(eddy_http *http) {
    int64_t now_s = http->config.time_s();
    if (now_s != http->date_s) {
        http->date_s = now_s;
        eddy_http_date_format(http->date, now_s);
    }
    return http->date;
}

void eddy_http_read_counts(const eddy_http *http, eddy_http_counts *counts, size_t size) {
    size_t known = size < sizeof *counts ? size : sizeof *counts;
    memcpy(counts, &http->counts, known);
    memset((char *)counts + known, 0, size - known);
}
