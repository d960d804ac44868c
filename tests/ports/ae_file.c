/* ae_file.c: events of descriptors. See ae_on_eddy.c. */
#include "ae_port.h"

#include <stdlib.h>

/* Kept while its descriptor is below the set's size, with an event or without: an outer level may
 * be about to look at it. */
struct file {
    struct port *port;
    struct node node;
    eddy_io io;
    int mask;  /* asked for, AE_BARRIER too */
    int ready; /* noted, and no handler called for it yet */
    aeFileProc *on_readable, *on_writable;
    void *data;
};

static struct file *file_at(struct port *port, int fd) {
    return fd >= 0 && fd < port->ae.setsize ? port->files[fd] : NULL;
}

static void on_io(eddy_io *io, unsigned events) {
    struct file *file = eddy_container_of(io, struct file, io);
    /* An error comes alone when the backend has lost the descriptor: a read or a write tells. */
    if (events & (EDDY_READ | EDDY_ERROR)) file->ready |= file->mask & AE_READABLE;
    if (events & (EDDY_WRITE | EDDY_ERROR)) file->ready |= file->mask & AE_WRITABLE;
    if (file->node.next == NULL) node_put(file->port, &file->port->ready, &file->node);
}

static int file_watch(struct file *file, int fd, int mask) {
    unsigned events =
        (mask & AE_READABLE ? EDDY_READ : 0u) | (mask & AE_WRITABLE ? EDDY_WRITE : 0u);
    if (eddy_io_fd(&file->io) >= 0) return eddy_io_change(&file->io, events);
    return eddy_io_start(&file->io, on_io, fd, events);
}

static struct file *file_make(struct port *port, int fd) {
    if (port->files[fd] != NULL) return port->files[fd];
    struct file *file = calloc(1, sizeof *file);
    if (file == NULL) return NULL;
    file->port = port;
    eddy_io_init(&file->io, port->loop);
    return port->files[fd] = file;
}

static int file_add(struct port *port, int fd, int mask, aeFileProc *proc, void *data) {
    struct file *file = file_make(port, fd);
    if (file == NULL) return -ENOMEM;
    int err = file_watch(file, fd, file->mask | mask);
    if (err < 0) return err;
    file->mask |= mask;
    if (mask & AE_READABLE) file->on_readable = proc;
    if (mask & AE_WRITABLE) file->on_writable = proc;
    file->data = data;
    if (fd > port->ae.maxfd) port->ae.maxfd = fd;
    return 0;
}

int aeCreateFileEvent(aeEventLoop *ae, int fd, int mask, aeFileProc *proc, void *data) {
    struct port *port = port_of(ae);
    if (fd < 0 || fd >= ae->setsize) return result_of(-ERANGE);
    enter(port);
    int err = file_add(port, fd, mask, proc, data);
    leave(port);
    return result_of(err);
}

static void file_remove(struct port *port, struct file *file, int fd, int mask) {
    if (mask & AE_WRITABLE) mask |= AE_BARRIER;
    file->mask &= ~mask;
    file->ready &= ~mask;
    if (file->ready == 0) node_take_out(&file->node);
    if (file->mask & (AE_READABLE | AE_WRITABLE)) {
        (void)file_watch(file, fd, file->mask); /* to less: nothing that could be refused */
        return;
    }
    eddy_io_stop(&file->io);
    file->mask = AE_NONE;
    while (port->ae.maxfd >= 0 && aeGetFileEvents(&port->ae, port->ae.maxfd) == AE_NONE)
        port->ae.maxfd--;
}

void aeDeleteFileEvent(aeEventLoop *ae, int fd, int mask) {
    struct port *port = port_of(ae);
    enter(port);
    struct file *file = file_at(port, fd);
    if (file != NULL && file->mask != AE_NONE) file_remove(port, file, fd, mask);
    leave(port);
}

int aeGetFileEvents(aeEventLoop *ae, int fd) {
    struct file *file = file_at(port_of(ae), fd);
    return file != NULL ? file->mask : AE_NONE;
}

void *aeGetFileClientData(aeEventLoop *ae, int fd) {
    struct file *file = file_at(port_of(ae), fd);
    return file != NULL && file->mask != AE_NONE ? file->data : NULL;
}

/* Calls what is noted, unless the first handler, or a level inside of it, has deleted or handled
 * the second event. One function for both is called once. */
static void file_handle(struct port *port, struct file *file) {
    const int fd = eddy_io_fd(&file->io), ready = file->ready;
    const bool is_inverted = (file->mask & AE_BARRIER) != 0;
    aeFileProc *called = NULL;
    for (int i = 0; i < 2; i++) {
        bool is_read = (i == 0) != is_inverted;
        int event = is_read ? AE_READABLE : AE_WRITABLE;
        file = file_at(port, fd); /* the set may have become smaller */
        if (file == NULL || !(file->ready & event)) continue;
        file->ready &= ~event;
        aeFileProc *proc = is_read ? file->on_readable : file->on_writable;
        if (proc == called) continue;
        called = proc;
        proc(&port->ae, fd, file->data, ready);
    }
}

int port_handle_files(struct port *port) {
    int count = 0;
    unsigned long long last = port->notes;
    for (struct node *node; (node = list_take(&port->ready, last)) != NULL; count++)
        file_handle(port, eddy_container_of(node, struct file, node));
    return count;
}

void port_free_files(struct port *port, int fd) {
    for (; fd < port->ae.setsize; fd++) {
        free(port->files[fd]);
        port->files[fd] = NULL;
    }
}
