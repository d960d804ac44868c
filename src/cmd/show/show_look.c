/* show_look.c: see show_look.h. Threading: the observed thread's. */
#include "show_look.h"
#include "show_board.h"

#include <stdio.h>
#include <string.h>

void show_clients_init(struct show_clients *clients, eddy_loop *loop) {
    memset(clients, 0, sizeof *clients);
    for (unsigned i = 0; i < LOOK_CLIENTS; i++) eddy_label_init(&clients->all[i].label, loop);
}

void show_clients_end(struct show_clients *clients) {
    for (unsigned i = 0; i < LOOK_CLIENTS; i++) eddy_label_clear(&clients->all[i].label);
}

/* Labels may not be set during a walk, so what is to get one is noted. */
struct walk {
    struct show_look *look;
    struct show_clients *clients;
    show_job_fn *job;
    void *context;
    struct {
        void *stream;
        int fd;
    } nameless[LOOK_CLIENTS];
    unsigned nameless_count;
};

static void copy_label(char *to, const eddy_walk_item *item) {
    if (item->label != NULL)
        snprintf(to, LOOK_LABEL_BYTES, "%s", item->label);
    else
        snprintf(to, LOOK_LABEL_BYTES, "%s", eddy_kind_name(item->kind));
}

/* Keeps the next ones, in order. */
static void see_timer(struct show_look *look, const eddy_walk_item *item) {
    int64_t due_ns = eddy_timer_due_ns(item->pointer);
    unsigned kept = look->timer_count < LOOK_TIMERS ? look->timer_count : LOOK_TIMERS;
    look->timer_count++;
    if (kept == LOOK_TIMERS && look->timers[kept - 1].due_ns <= due_ns) return;
    unsigned place = kept < LOOK_TIMERS ? kept : kept - 1;
    for (; place > 0 && look->timers[place - 1].due_ns > due_ns; place--)
        look->timers[place] = look->timers[place - 1];
    look->timers[place].due_ns = due_ns;
    copy_label(look->timers[place].label, item);
}

static struct show_client *find_client(struct show_clients *clients, const void *stream) {
    for (unsigned i = 0; i < LOOK_CLIENTS; i++)
        if (clients->all[i].stream == stream) return &clients->all[i];
    return NULL;
}

static void see_fd(struct walk *walk, const eddy_walk_item *item) {
    struct show_look *look = walk->look;
    if (item->fd < 0) return;
    if (look->fd_count < LOOK_FDS) {
        look->fds[look->fd_count].fd = item->fd;
        copy_label(look->fds[look->fd_count].label, item);
    }
    look->fd_count++;
    if (item->kind != EDDY_KIND_STREAM) return;
    struct show_client *client = find_client(walk->clients, item->pointer);
    if (client != NULL && client->fd == item->fd) {
        client->is_seen = true;
    } else if (client == NULL && item->label == NULL && walk->nameless_count < LOOK_CLIENTS) {
        walk->nameless[walk->nameless_count].stream = item->pointer;
        walk->nameless[walk->nameless_count++].fd = item->fd;
    }
}

static void see_job(struct walk *walk, const eddy_walk_item *item) {
    struct show_look *look = walk->look;
    unsigned place = look->job_count++;
    if (place >= LOOK_JOBS) return;
    copy_label(look->jobs[place].label, item);
    look->jobs[place].since_ns = 0;
    look->jobs[place].lane = item->kind == EDDY_KIND_FILE ? EDDY_LANE_FILE : -1;
    if (item->kind == EDDY_KIND_WORK)
        (void)walk->job(item->pointer, &look->jobs[place].since_ns, &look->jobs[place].lane,
                        walk->context);
}

static void see(const eddy_walk_item *item, void *context) {
    struct walk *walk = context;
    struct show_look *look = walk->look;
    look->closing += !item->active;
    switch (item->kind) {
    case EDDY_KIND_TIMER:
        see_timer(look, item);
        break;
    case EDDY_KIND_IO:
    case EDDY_KIND_STREAM:
    case EDDY_KIND_LISTENER:
        see_fd(walk, item);
        break;
    case EDDY_KIND_POST:
        look->inbox++;
        break;
    case EDDY_KIND_DEFER:
        look->deferred++;
        break;
    case EDDY_KIND_WORK:
    case EDDY_KIND_FILE:
        see_job(walk, item);
        break;
    case EDDY_KIND_HOOK:
    case EDDY_KIND_WAKE:
    case EDDY_KIND_SIGNAL:
    case EDDY_KIND_CONNECT:
    case EDDY_KIND_WRITE:
    case EDDY_KIND_CHILD:
    case EDDY_KINDS:
        break;
    }
}

static void name_clients(struct walk *walk) {
    struct show_clients *clients = walk->clients;
    for (unsigned i = 0; i < LOOK_CLIENTS; i++) {
        struct show_client *client = &clients->all[i];
        if (client->stream == NULL || client->is_seen) continue;
        eddy_label_clear(&client->label);
        client->stream = NULL;
    }
    for (unsigned i = 0; i < walk->nameless_count; i++) {
        struct show_client *client = find_client(clients, NULL);
        if (client == NULL) return;
        client->stream = walk->nameless[i].stream;
        client->fd = walk->nameless[i].fd;
        snprintf(client->text, sizeof client->text, "client %u", ++clients->next);
        if (eddy_label_set(&client->label, client->stream, client->text) < 0) client->stream = NULL;
    }
}

void show_look_take(struct show_look *look, eddy_loop *loop, struct show_clients *clients,
                    show_job_fn *job, void *context) {
    struct walk walk = {.look = look, .clients = clients, .job = job, .context = context};
    look->timer_count = look->fd_count = look->job_count = 0;
    look->inbox = look->deferred = look->closing = 0;
    for (unsigned i = 0; i < LOOK_CLIENTS; i++) clients->all[i].is_seen = false;
    eddy_loop_walk(loop, see, &walk);
    name_clients(&walk);
    eddy_loop_read_metrics(loop, &look->metrics, sizeof look->metrics);
    look->backend = eddy_loop_backend(loop)->name;
    look->time_ns = show_now_ns();
}
