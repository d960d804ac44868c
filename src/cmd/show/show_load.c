/* show_load.c: see show_load.h. */
#include "show_load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 50, BEHIND_MAX_S = 60 };

static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char answer_end[] = "Hello\n";
_Static_assert(sizeof answer_end - 1 == LOAD_TAIL, "what is kept of an answer is its end");

static void pump(struct show_load *load);

/* --- A client --- */

static void on_closed(eddy_stream *stream) {
    struct show_asker *asker = eddy_container_of(stream, struct show_asker, stream);
    asker->state = ASKER_OFF; /* the tick opens it again, if it is wanted */
}

static void close_asker(struct show_asker *asker) {
    if (asker->state == ASKER_OFF || asker->state == ASKER_CLOSING) return;
    asker->state = ASKER_CLOSING;
    (void)eddy_stream_close(&asker->stream, on_closed);
}

static void fail(struct show_asker *asker) {
    asker->load->errors++;
    close_asker(asker);
}

static void be_idle(struct show_asker *asker) {
    asker->state = ASKER_IDLE;
    if (asker->is_listed) return; /* from before it was closed and opened again */
    asker->is_listed = true;
    asker->next = asker->load->idle;
    asker->load->idle = asker;
}

static void on_read(eddy_stream *stream, void *data, ssize_t size) {
    struct show_asker *asker = eddy_container_of(stream, struct show_asker, stream);
    struct show_load *load = asker->load;
    if (size <= 0 || asker->state != ASKER_WAITING) {
        fail(asker);
        return;
    }
    size_t kept = (size_t)size < LOAD_TAIL ? (size_t)size : LOAD_TAIL;
    memmove(asker->tail, asker->tail + kept, LOAD_TAIL - kept);
    memcpy(asker->tail + LOAD_TAIL - kept, (char *)data + size - kept, kept);
    if (memcmp(asker->tail, answer_end, LOAD_TAIL) != 0) return;
    int64_t now_ns = show_now_ns();
    show_window_add(&load->latency, now_ns, now_ns - asker->since_ns);
    be_idle(asker);
    pump(load);
}

static void on_connected(eddy_stream *stream, int status) {
    struct show_asker *asker = eddy_container_of(stream, struct show_asker, stream);
    if (status == 0) status = eddy_stream_read_start(stream, on_read);
    if (status < 0) {
        fail(asker);
        return;
    }
    be_idle(asker);
    pump(asker->load);
}

static void open_asker(struct show_asker *asker) {
    struct show_load *load = asker->load;
    eddy_stream_init(&asker->stream, load->loop);
    int err =
        eddy_tcp_connect(&asker->stream, load->address, load->address_length, 0, on_connected);
    if (err < 0)
        load->errors++;
    else
        asker->state = ASKER_CONNECTING;
}

static void ask(struct show_asker *asker, int64_t since_ns) {
    struct iovec piece = {(char *)(uintptr_t)request, sizeof request - 1};
    asker->since_ns = since_ns;
    asker->state = ASKER_WAITING;
    memset(asker->tail, 0, LOAD_TAIL);
    if (eddy_stream_try_write(&asker->stream, &piece, 1) != (ssize_t)piece.iov_len) fail(asker);
}

/* --- When they ask --- */

/* The next one that may ask; one that has been closed or is wanted no more is none. */
static struct show_asker *take_idle(struct show_load *load) {
    while (load->idle != NULL) {
        struct show_asker *asker = load->idle;
        load->idle = asker->next;
        asker->is_listed = false;
        if (asker->state == ASKER_IDLE) return asker;
    }
    return NULL;
}

static void on_pace(eddy_timer *timer) {
    pump(eddy_container_of(timer, struct show_load, pace));
}

/* Has those ask that may. With a rate, a request whose time has passed is sent as soon as a client
 * is there for it: in an open loop its time counts nevertheless, in a closed one it is left out. */
static void pump(struct show_load *load) {
    int64_t now_ns = show_now_ns();
    int64_t every_ns = load->settings.rate > 0 ? EDDY_NS_PER_S / load->settings.rate : 0;
    if (now_ns - load->next_ns > BEHIND_MAX_S * EDDY_NS_PER_S) {
        load->errors++; /* and all the others that nobody will send */
        load->next_ns = now_ns - BEHIND_MAX_S * EDDY_NS_PER_S;
    }
    if (!load->settings.is_open && load->next_ns < now_ns - every_ns)
        load->next_ns = now_ns - every_ns;
    while (load->idle != NULL && (every_ns == 0 || load->next_ns <= now_ns)) {
        struct show_asker *asker = take_idle(load);
        if (asker == NULL) return;
        ask(asker, every_ns > 0 && load->settings.is_open ? load->next_ns : now_ns);
        load->next_ns += every_ns;
    }
    if (every_ns > 0 && load->idle != NULL)
        (void)eddy_timer_start_at(&load->pace, on_pace, load->next_ns, 0);
}

/* --- What is wanted --- */

static void adjust(struct show_load *load) {
    for (unsigned i = 0; i < LOAD_CLIENTS_MAX; i++) {
        struct show_asker *asker = &load->askers[i];
        if (i >= load->settings.clients)
            close_asker(asker);
        else if (asker->state == ASKER_OFF)
            open_asker(asker);
    }
}

static void on_tick(eddy_timer *timer) {
    struct show_load *load = eddy_container_of(timer, struct show_load, tick);
    struct show_load_figures figures = {.settings = load->settings};
    adjust(load);
    for (unsigned i = 0; i < load->settings.clients; i++)
        figures.connected +=
            load->askers[i].state == ASKER_IDLE || load->askers[i].state == ASKER_WAITING;
    figures.errors = load->errors;
    show_window_read(&load->latency, show_now_ns(), &figures.latency);
    pthread_mutex_lock(&load->lock);
    load->figures = figures;
    pthread_mutex_unlock(&load->lock);
}

static void switch_scenes(struct show_load *load, unsigned scenes, bool on, unsigned count) {
    char text[64];
    for (unsigned scene = SHOW_IDLE_CLIENTS; scene < SHOW_SCENES; scene++) {
        if ((scenes & 1U << scene) == 0) continue;
        int err = show_others_set(&load->others, (enum show_scene)scene, on, count);
        if (err < 0)
            show_say(load->board, "\"%s\" cannot be had: %s.", show_scene_texts[scene].title,
                     eddy_strerror(err, text, sizeof text));
    }
}

static void leave(struct show_load *load) {
    load->settings.clients = 0;
    adjust(load);
    eddy_timer_stop(&load->pace);
    eddy_timer_stop(&load->tick);
    show_others_stop(&load->others);
    eddy_wake_stop(&load->wake);
}

static void on_wake(eddy_wake *wake) {
    struct show_load *load = eddy_container_of(wake, struct show_load, wake);
    pthread_mutex_lock(&load->lock);
    struct show_load_settings wanted = load->wanted;
    unsigned on = load->scenes_wanted, off = load->scenes_off, count = load->idle_count;
    load->scenes_wanted = load->scenes_off = 0;
    bool is_ending = load->is_ending;
    pthread_mutex_unlock(&load->lock);
    const struct show_load_settings *old = &load->settings;
    bool is_new = wanted.clients != old->clients || wanted.rate != old->rate ||
                  wanted.is_open != old->is_open;
    load->settings = wanted;
    switch_scenes(load, off, false, 0);
    switch_scenes(load, on, true, count);
    if (is_ending) {
        leave(load);
    } else if (is_new) {
        load->next_ns = show_now_ns();
        adjust(load);
        pump(load);
    }
}

void show_load_set(struct show_load *load, const struct show_load_settings *settings) {
    pthread_mutex_lock(&load->lock);
    load->wanted = *settings;
    pthread_mutex_unlock(&load->lock);
    eddy_wake_send(&load->wake);
}

void show_load_scene(struct show_load *load, enum show_scene scene, bool on, unsigned count) {
    unsigned bit = 1U << scene;
    pthread_mutex_lock(&load->lock);
    load->scenes_wanted = on ? load->scenes_wanted | bit : load->scenes_wanted & ~bit;
    load->scenes_off = on ? load->scenes_off & ~bit : load->scenes_off | bit;
    if (on && scene == SHOW_IDLE_CLIENTS) load->idle_count = count;
    pthread_mutex_unlock(&load->lock);
    eddy_wake_send(&load->wake);
}

void show_load_read(struct show_load *load, struct show_load_figures *figures) {
    pthread_mutex_lock(&load->lock);
    *figures = load->figures;
    pthread_mutex_unlock(&load->lock);
}

/* --- The thread --- */

static void *run(void *context) {
    struct show_load *load = context;
    while (eddy_loop_run(load->loop, EDDY_RUN_DEFAULT) > 0) continue;
    return NULL;
}

static int prepare(struct show_load *load) {
    load->askers = calloc(LOAD_CLIENTS_MAX, sizeof *load->askers);
    if (load->askers == NULL) return -ENOMEM;
    for (unsigned i = 0; i < LOAD_CLIENTS_MAX; i++) load->askers[i].load = load;
    int err = eddy_loop_open(&load->loop, NULL);
    if (err < 0) return err;
    eddy_timer_init(&load->pace, load->loop);
    eddy_timer_init(&load->tick, load->loop);
    eddy_wake_init(&load->wake, load->loop);
    show_others_init(&load->others, load->loop, load->board, load->address, load->address_length);
    err = eddy_wake_start(&load->wake, on_wake);
    if (err == 0)
        err = eddy_timer_start(&load->tick, on_tick, TICK_MS * EDDY_NS_PER_MS,
                               TICK_MS * EDDY_NS_PER_MS);
    if (err == 0) err = -pthread_create(&load->thread, NULL, run, load);
    return err;
}

static void free_memory(struct show_load *load) {
    if (load->loop != NULL) {
        eddy_timer_stop(&load->tick);
        eddy_wake_stop(&load->wake);
        show_others_end(&load->others);
        (void)eddy_loop_close(load->loop);
    }
    free(load->askers);
    pthread_mutex_destroy(&load->lock);
}

int show_load_start(struct show_load *load, struct show_board *board,
                    const struct sockaddr *address, socklen_t length) {
    memset(load, 0, sizeof *load);
    load->board = board;
    load->address = address;
    load->address_length = length;
    pthread_mutex_init(&load->lock, NULL);
    int err = prepare(load);
    if (err < 0) free_memory(load);
    return err;
}

void show_load_end(struct show_load *load) {
    pthread_mutex_lock(&load->lock);
    load->is_ending = true;
    pthread_mutex_unlock(&load->lock);
    eddy_wake_send(&load->wake);
    pthread_join(load->thread, NULL);
    free_memory(load);
}
