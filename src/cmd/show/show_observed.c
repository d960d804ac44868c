/* show_observed.c: see show_observed.h. */
#include "show_observed.h"

#include "show_answers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TICK_MS = 10, BACKLOG = 1024, THREADS = 4 };

static void on_tick(eddy_timer *timer) {
    struct show_observed *observed = eddy_container_of(timer, struct show_observed, ticker);
    int64_t now_ns = show_now_ns();
    observed->late_last_ns = now_ns - observed->tick_due_ns;
    show_window_add(&observed->late, now_ns, observed->late_last_ns);
    observed->tick_due_ns = eddy_timer_due_ns(timer); /* of the next */
}

/* --- Looks and actions --- */

static void on_ask(eddy_post *post) {
    struct show_observed *observed = eddy_container_of(post, struct show_observed, ask);
    struct show_look *look = &observed->taken;
    eddy_loop *loop = eddy_http_loop(observed->http);
    show_look_take(look, loop, &observed->clients, show_scenes_job, &observed->scenes);
    eddy_pool_read_metrics(observed->pool, &look->pool, sizeof look->pool);
    eddy_http_read_counts(observed->http, &look->http, sizeof look->http);
    show_window_read(&observed->watch.lag, look->time_ns, &look->lag);
    show_window_read(&observed->late, look->time_ns, &look->late);
    look->late_last_ns = observed->late_last_ns;
    look->pool_threads = observed->threads;
    pthread_mutex_lock(&observed->lock);
    look->opened = observed->opened;
    observed->look = *look;
    observed->is_asked = false;
    pthread_mutex_unlock(&observed->lock);
}

static void apply(struct show_observed *observed, const struct show_action *action) {
    char text[64];
    int err = 0;
    switch (action->kind) {
    case ACTION_SCENE:
        err = show_scenes_set(&observed->scenes, action->scene, action->on);
        break;
    case ACTION_BACKEND:
        observed->backend = action->backend;
        observed->is_reopening = true;
        break;
    case ACTION_POOL:
        observed->threads = action->threads;
        observed->is_reopening = true;
        break;
    }
    if (err < 0)
        show_say(observed->board, "\"%s\" cannot be had: %s.",
                 show_scene_texts[action->scene].title, eddy_strerror(err, text, sizeof text));
}

static void on_kick(eddy_post *post) {
    struct show_observed *observed = eddy_container_of(post, struct show_observed, kick);
    struct show_action actions[OBSERVED_ACTIONS];
    pthread_mutex_lock(&observed->lock);
    /* Of a loop that is being closed they are the next one's. */
    unsigned count = observed->loop != NULL ? observed->action_count : 0;
    memcpy(actions, observed->actions, count * sizeof actions[0]);
    if (count > 0) observed->action_count = 0;
    observed->is_kicked = false;
    bool is_ending = observed->is_ending;
    pthread_mutex_unlock(&observed->lock);
    for (unsigned i = 0; i < count; i++) apply(observed, &actions[i]);
    if (is_ending || observed->is_reopening) eddy_loop_stop(eddy_http_loop(observed->http));
}

/* With the lock. */
static void kick(struct show_observed *observed) {
    if (observed->loop == NULL || observed->is_kicked) return;
    observed->is_kicked = true;
    eddy_loop_post(observed->loop, &observed->kick, on_kick);
}

int show_observed_do(struct show_observed *observed, const struct show_action *action) {
    int err = 0;
    pthread_mutex_lock(&observed->lock);
    if (observed->action_count == OBSERVED_ACTIONS)
        err = -EAGAIN;
    else
        observed->actions[observed->action_count++] = *action;
    kick(observed);
    pthread_mutex_unlock(&observed->lock);
    return err;
}

int64_t show_observed_look(struct show_observed *observed, struct show_look *look) {
    int64_t now_ns = show_now_ns();
    pthread_mutex_lock(&observed->lock);
    int64_t waiting_ns = observed->is_asked ? now_ns - observed->asked_ns : 0;
    if (!observed->is_asked && observed->loop != NULL) {
        observed->is_asked = true;
        observed->asked_ns = now_ns;
        eddy_loop_post(observed->loop, &observed->ask, on_ask);
    }
    *look = observed->look;
    pthread_mutex_unlock(&observed->lock);
    return waiting_ns;
}

int show_observed_error(struct show_observed *observed) {
    pthread_mutex_lock(&observed->lock);
    int err = observed->error;
    pthread_mutex_unlock(&observed->lock);
    return err;
}

/* --- Opening and closing the loop --- */

static int start_server(struct show_observed *observed, eddy_loop *loop) {
    eddy_http_config config = {.idle_ns = 3600 * EDDY_NS_PER_S, .connections = 20000};
    int err = eddy_http_open(&observed->http, loop, &config);
    if (err < 0) return err;
    err = show_answers_handle(observed->http, observed->large);
    int fd = dup(observed->socket);
    if (err == 0 && fd < 0) err = -errno;
    if (err == 0) err = eddy_http_attach(observed->http, &observed->listener, fd, NULL);
    if (err < 0 && fd >= 0) close(fd);
    if (err < 0) (void)eddy_http_close(observed->http);
    return err;
}

static void start_trace(struct show_observed *observed, eddy_loop *loop) {
    pthread_mutex_lock(&observed->trace_lock);
    show_watch_reset(&observed->watch);
    int err = eddy_trace_open(&observed->trace, observed->trace_memory, OBSERVED_TRACE_BYTES);
    if (err == 0) eddy_trace_watch(observed->trace, show_watch_record, &observed->watch);
    if (err == 0) err = eddy_trace_start(observed->trace, loop);
    if (err < 0) observed->trace = NULL;
    observed->trace_opened++;
    pthread_mutex_unlock(&observed->trace_lock);
}

static void set_labels(struct show_observed *observed, eddy_loop *loop) {
    const void *const named[] = {&observed->ticker, &observed->listener.listener, &observed->kick,
                                 &observed->ask};
    static const char *const names[] = {"ticker 10 ms", "listener", "action", "look"};
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        eddy_label_init(&observed->labels[i], loop);
        (void)eddy_label_set(&observed->labels[i], named[i], names[i]);
    }
    show_clients_init(&observed->clients, loop);
    show_scenes_init(&observed->scenes, loop, observed->board, observed->postgres);
}

static int open_loop(struct show_observed *observed, eddy_loop **opened) {
    eddy_pool_config pool = {.threads = observed->threads};
    eddy_loop *loop = NULL;
    int err = eddy_pool_open(&observed->pool, &pool);
    if (err < 0) return err;
    eddy_loop_config config = {.backend = observed->backend, .pool = observed->pool};
    err = eddy_loop_open(&loop, &config);
    if (err < 0) goto close_pool;
    err = show_stalls_guard(&observed->stalls, loop);
    if (err < 0) goto close_loop;
    eddy_timer_init(&observed->ticker, loop);
    err = eddy_timer_start(&observed->ticker, on_tick, TICK_MS * EDDY_NS_PER_MS,
                           TICK_MS * EDDY_NS_PER_MS);
    if (err < 0) goto stop_guard;
    start_trace(observed, loop); /* before the listener, so that its interest is known */
    err = start_server(observed, loop);
    if (err < 0) goto stop_trace;
    observed->tick_due_ns = eddy_timer_due_ns(&observed->ticker);
    set_labels(observed, loop);
    *opened = loop;
    return 0;
stop_trace:
    if (observed->trace != NULL) eddy_trace_stop(observed->trace);
    eddy_timer_stop(&observed->ticker);
stop_guard:
    show_stalls_leave(&observed->stalls);
close_loop:
    (void)eddy_loop_close(loop);
close_pool:
    (void)eddy_pool_close(observed->pool);
    return err;
}

/* Nobody posts to it any more; what has been posted is still run. */
static int close_loop(struct show_observed *observed, eddy_loop *loop) {
    show_scenes_stop(&observed->scenes);
    eddy_timer_stop(&observed->ticker);
    eddy_http_cut(observed->http);
    (void)eddy_http_stop(observed->http, NULL, NULL);
    int alive = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    while (alive > 0) alive = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    if (alive < 0) return alive;
    pthread_mutex_lock(&observed->trace_lock);
    if (observed->trace != NULL) eddy_trace_stop(observed->trace);
    observed->trace = NULL;
    pthread_mutex_unlock(&observed->trace_lock);
    show_clients_end(&observed->clients);
    show_scenes_end(&observed->scenes);
    for (size_t i = 0; i < sizeof observed->labels / sizeof observed->labels[0]; i++)
        eddy_label_clear(&observed->labels[i]);
    show_stalls_leave(&observed->stalls);
    int err = eddy_http_close(observed->http);
    if (err == 0) err = eddy_loop_close(loop);
    if (err == 0) err = eddy_pool_close(observed->pool);
    return err;
}

/* --- The thread --- */

static void set_loop(struct show_observed *observed, eddy_loop *loop, int err) {
    pthread_mutex_lock(&observed->lock);
    observed->loop = loop;
    observed->error = err;
    if (loop != NULL) {
        observed->opened++;
        observed->look.backend = eddy_loop_backend(loop)->name;
    }
    if (loop != NULL && (observed->action_count > 0 || observed->is_ending)) kick(observed);
    pthread_cond_broadcast(&observed->changed);
    pthread_mutex_unlock(&observed->lock);
}

static bool is_ending(struct show_observed *observed) {
    pthread_mutex_lock(&observed->lock);
    bool is_ending = observed->is_ending;
    pthread_mutex_unlock(&observed->lock);
    return is_ending;
}

static void resume_scenes(struct show_observed *observed, unsigned scenes) {
    for (unsigned scene = 0; scene < SHOW_IDLE_CLIENTS; scene++)
        if ((scenes & 1U << scene) != 0)
            (void)show_scenes_set(&observed->scenes, (enum show_scene)scene, true);
}

/* One that cannot be had leaves the loop as it was. */
static int reopen(struct show_observed *observed, eddy_loop **loop, const char *before) {
    char text[64];
    int err = open_loop(observed, loop);
    if (err == 0 || observed->backend == before) return err;
    show_say(observed->board, "%s cannot be had: %s.", observed->backend,
             eddy_strerror(err, text, sizeof text));
    observed->backend = before;
    return open_loop(observed, loop);
}

static void *run(void *context) {
    struct show_observed *observed = context;
    const char *backend = observed->backend;
    eddy_loop *loop = NULL;
    unsigned scenes = 0;
    int err = open_loop(observed, &loop);
    while (err == 0) {
        set_loop(observed, loop, 0);
        resume_scenes(observed, scenes);
        while (err >= 0 && !observed->is_reopening && !is_ending(observed))
            err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
        scenes = atomic_load(&observed->board->scenes);
        set_loop(observed, NULL, 0);
        int closed = close_loop(observed, loop);
        err = err < 0 ? err : closed;
        if (err < 0 || is_ending(observed)) break;
        observed->is_reopening = false;
        err = reopen(observed, &loop, backend);
        backend = observed->backend;
    }
    set_loop(observed, NULL, err);
    return NULL;
}

/* --- Start and end --- */

static int listen_socket(struct show_observed *observed) {
    int length = eddy_address_parse(&observed->address, "127.0.0.1", 0);
    struct sockaddr *address = (struct sockaddr *)&observed->address;
    if (length < 0) return length;
    observed->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (observed->socket < 0) return -errno;
    observed->address_length = sizeof observed->address;
    if (fcntl(observed->socket, F_SETFD, FD_CLOEXEC) < 0 ||
        bind(observed->socket, address, (socklen_t)length) < 0 ||
        listen(observed->socket, BACKLOG) < 0 ||
        getsockname(observed->socket, address, &observed->address_length) < 0) {
        int err = -errno;
        close(observed->socket);
        return err;
    }
    return 0;
}

static void free_memory(struct show_observed *observed) {
    show_stalls_end(&observed->stalls);
    show_watch_end(&observed->watch);
    pthread_mutex_destroy(&observed->trace_lock);
    pthread_cond_destroy(&observed->changed);
    pthread_mutex_destroy(&observed->lock);
    free(observed->trace_memory);
    free(observed->large);
    close(observed->socket);
}

int show_observed_start(struct show_observed *observed, struct show_board *board,
                        const char *backend, const char *postgres) {
    memset(observed, 0, sizeof *observed);
    observed->board = board;
    observed->backend = backend;
    observed->postgres = postgres;
    observed->threads = THREADS;
    int err = listen_socket(observed);
    if (err < 0) return err;
    err = show_stalls_init(&observed->stalls);
    if (err < 0) {
        close(observed->socket);
        return err;
    }
    show_watch_init(&observed->watch, &observed->stalls.guard);
    pthread_mutex_init(&observed->trace_lock, NULL);
    pthread_cond_init(&observed->changed, NULL);
    pthread_mutex_init(&observed->lock, NULL);
    observed->large = calloc(1, ANSWERS_LARGE_BYTES);
    observed->trace_memory = aligned_alloc(EDDY_TRACE_ALIGN, OBSERVED_TRACE_BYTES);
    bool has_memory = observed->large != NULL && observed->trace_memory != NULL;
    err = has_memory ? -pthread_create(&observed->thread, NULL, run, observed) : -ENOMEM;
    if (err < 0) {
        free_memory(observed);
        return err;
    }
    pthread_mutex_lock(&observed->lock);
    while (observed->opened == 0 && observed->error == 0)
        pthread_cond_wait(&observed->changed, &observed->lock);
    err = observed->error;
    pthread_mutex_unlock(&observed->lock);
    if (err < 0) {
        pthread_join(observed->thread, NULL);
        free_memory(observed);
    }
    return err;
}

void show_observed_end(struct show_observed *observed) {
    show_watch_release(&observed->watch);
    pthread_mutex_lock(&observed->lock);
    observed->is_ending = true;
    kick(observed);
    pthread_mutex_unlock(&observed->lock);
    pthread_join(observed->thread, NULL);
    free_memory(observed);
}
