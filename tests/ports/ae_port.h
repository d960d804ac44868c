/* ae_port.h: what the files of the layer share. See ae_on_eddy.c. */
#ifndef EDDY_TESTS_AE_PORT_H
#define EDDY_TESTS_AE_PORT_H

#include "ae.h"

#include <eddy.h>
#include <pthread.h>

/* In one of the lists while `next` is not NULL. */
struct node {
    struct node *next, *prev;
    unsigned long long number; /* of the note: they rise along a list */
};

struct port {
    aeEventLoop ae; /* first: what the program sees */
    eddy_loop *loop;
    pthread_mutex_t lock;
    bool is_wanted;      /* `lock`: somebody waits for it */
    eddy_wake wake;      /* keeps the loop alive when nothing else does, so that it waits */
    struct file **files; /* by descriptor; NULL: it never had an event */
    struct node ready;   /* files */
    struct node due;     /* time events, as in the next two */
    struct node waiting;
    struct node dead; /* to be finalized */
    unsigned long long notes;
    long long next_id;
};

static inline struct port *port_of(aeEventLoop *ae) {
    return (struct port *)(void *)ae;
}

static inline void enter(struct port *port) {
    if (pthread_mutex_trylock(&port->lock) == 0) return;
    eddy_wake_send(&port->wake);
    pthread_mutex_lock(&port->lock);
}

static inline void leave(struct port *port) {
    pthread_mutex_unlock(&port->lock);
}

/* Its 0 or -errno as ae has it. */
static inline int result_of(int err) {
    if (err >= 0) return AE_OK;
    errno = -err;
    return AE_ERR;
}

/* --- Lists --- */

static inline void list_init(struct node *list) {
    list->next = list->prev = list;
}

static inline bool list_is_empty(const struct node *list) {
    return list->next == list;
}

static inline void node_take_out(struct node *node) {
    if (node->next == NULL) return;
    node->next->prev = node->prev;
    node->prev->next = node->next;
    node->next = node->prev = NULL;
}

/* Moves it there from wherever it is. */
static inline void node_put(struct port *port, struct node *list, struct node *node) {
    node_take_out(node);
    node->number = ++port->notes;
    node->next = list;
    node->prev = list->prev;
    list->prev->next = node;
    list->prev = node;
}

/* The next one to be handled by a level that began when `last` was the newest, or NULL. */
static inline struct node *list_take(struct node *list, unsigned long long last) {
    struct node *node = list->next;
    if (node == list || node->number > last) return NULL;
    node_take_out(node);
    return node;
}

/* --- ae_file.c --- */

/* Calls the handlers of what was ready when it began, and returns of how many descriptors. */
int port_handle_files(struct port *port);
/* Of descriptors from `fd` on; none of them has an event. */
void port_free_files(struct port *port, int fd);

/* --- ae_time.c --- */

/* The same of the time events that were due. */
int port_handle_times(struct port *port);
/* All of them, with their finalizers, which may add none. */
void port_free_times(struct port *port);

#endif
