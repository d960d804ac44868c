/* ae_time.c: events of time, each with a timer of the library. See ae_on_eddy.c. */
#include "ae_port.h"

#include <limits.h>
#include <stdlib.h>

struct timed {
    struct port *port;
    struct node node;
    eddy_timer timer;
    long long id;
    aeTimeProc *proc;
    aeEventFinalizerProc *finalizer;
    void *data;
    bool is_running, is_deleted;
};

static void on_timer(eddy_timer *timer) {
    struct timed *it = eddy_container_of(timer, struct timed, timer);
    node_put(it->port, &it->port->due, &it->node);
}

/* Once; with a repetition that never comes it keeps its place in the heap when it has fired, so
 * that starting it again cannot fail. */
static int timed_start(struct timed *it, long long milliseconds) {
    const long long most = INT64_MAX / EDDY_NS_PER_MS;
    if (milliseconds < 0) milliseconds = 0;
    if (milliseconds > most) milliseconds = most;
    int64_t delay_ns = milliseconds * EDDY_NS_PER_MS;
    int err = eddy_timer_start(&it->timer, on_timer, delay_ns, INT64_MAX);
    if (err == 0) node_put(it->port, &it->port->waiting, &it->node);
    return err;
}

long long aeCreateTimeEvent(aeEventLoop *ae, long long milliseconds, aeTimeProc *proc, void *data,
                            aeEventFinalizerProc *finalizer) {
    struct port *port = port_of(ae);
    struct timed *it = calloc(1, sizeof *it);
    if (it == NULL) return result_of(-ENOMEM);
    it->port = port;
    it->proc = proc;
    it->data = data;
    it->finalizer = finalizer;
    enter(port);
    eddy_timer_init(&it->timer, port->loop);
    int err = timed_start(it, milliseconds);
    if (err == 0) it->id = port->next_id++;
    leave(port);
    if (err == 0) return it->id;
    free(it);
    return result_of(err);
}

static struct timed *timed_find(const struct node *list, long long id) {
    for (struct node *node = list->next; node != list; node = node->next) {
        struct timed *it = eddy_container_of(node, struct timed, node);
        if (it->id == id && !it->is_deleted) return it;
    }
    return NULL;
}

static void timed_delete(struct timed *it) {
    eddy_timer_stop(&it->timer);
    it->is_deleted = true;
    if (!it->is_running) node_put(it->port, &it->port->dead, &it->node);
}

int aeDeleteTimeEvent(aeEventLoop *ae, long long id) {
    struct port *port = port_of(ae);
    enter(port);
    struct timed *it = timed_find(&port->waiting, id);
    if (it == NULL) it = timed_find(&port->due, id);
    if (it != NULL) timed_delete(it);
    leave(port);
    return it != NULL ? AE_OK : AE_ERR;
}

static void timed_handle(struct timed *it) {
    struct port *port = it->port;
    node_put(port, &port->waiting, &it->node); /* where a deletion looks for it */
    it->is_running = true;
    int again = it->proc(&port->ae, it->id, it->data);
    it->is_running = false;
    if (it->is_deleted || again == AE_NOMORE)
        timed_delete(it);
    else
        (void)timed_start(it, again);
}

static void timed_free(struct timed *it) {
    if (it->finalizer != NULL) it->finalizer(&it->port->ae, it->data);
    free(it);
}

int port_handle_times(struct port *port) {
    int count = 0;
    unsigned long long last = port->notes;
    struct node *node;
    while ((node = list_take(&port->dead, last)) != NULL)
        timed_free(eddy_container_of(node, struct timed, node));
    for (; (node = list_take(&port->due, last)) != NULL; count++)
        timed_handle(eddy_container_of(node, struct timed, node));
    return count;
}

void port_free_times(struct port *port) {
    struct node *const lists[] = {&port->waiting, &port->due, &port->dead};
    for (int i = 0; i < 3; i++) {
        for (struct node *node; (node = list_take(lists[i], ULLONG_MAX)) != NULL;) {
            struct timed *it = eddy_container_of(node, struct timed, node);
            eddy_timer_stop(&it->timer);
            timed_free(it);
        }
    }
}
