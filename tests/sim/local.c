/* local.c: local sockets: their names, in the tree of files and abstract ones, connecting, pairs.
 * As on Linux: a connect is done at once, or -EAGAIN where the backlog is full. There are no
 * records, as on macOS. */
#include "file_tree.h"
#include "socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { HEAD = offsetof(struct sockaddr_un, sun_path), UMASK = 022, SOMEBODY = 1000 };

static struct {
    struct sim_socket *bound;
    unsigned picked; /* names of those that came without one */
} local;

void local_begin(void) {
    local.bound = NULL;
    local.picked = 0;
}

/* --- Names --- */

static const char *name_of(const struct sim_address *address) {
    return ((const struct sockaddr_un *)(const void *)&address->storage)->sun_path;
}

static int check_address(const struct sockaddr *address, socklen_t length) {
    if (length < HEAD || length > sizeof(struct sockaddr_un)) return -EINVAL;
    return address->sa_family == AF_UNIX ? 0 : -EINVAL;
}

/* Ended, and with the length that the kernel tells. */
static struct sim_address copy_address(const struct sockaddr *address, socklen_t length) {
    struct sim_address copy = {.length = length};
    memcpy(&copy.storage, address, length);
    if (length > HEAD && name_of(&copy)[0] != '\0')
        copy.length = (socklen_t)(HEAD + strlen(name_of(&copy)) + 1);
    return copy;
}

static bool is_abstract(const struct sim_address *address) {
    return address->length > HEAD && name_of(address)[0] == '\0';
}

static struct sim_socket *find_abstract(const struct sim_address *address) {
    struct sim_socket *it = local.bound;
    while (it != NULL && (it->local.length != address->length || it->name != NULL ||
                          memcmp(name_of(&it->local), name_of(address), address->length - HEAD)))
        it = it->next;
    return it;
}

static struct sim_socket *find_name(const struct node *name) {
    struct sim_socket *it = local.bound;
    while (it != NULL && it->name != name) it = it->next;
    return it;
}

static void bind_to(struct sim_socket *socket, const struct sim_address *address,
                    struct node *name) {
    if (name != NULL) file_tree_hold(name);
    socket->local = *address;
    socket->name = name;
    socket->is_bound = true;
    socket->next = local.bound;
    local.bound = socket;
}

int local_bind(struct sim_socket *socket, const struct sockaddr *address, socklen_t length) {
    int err = check_address(address, length);
    if (err < 0) return err;
    if (socket->is_bound && length == HEAD) return 0; /* it has one already */
    if (socket->is_bound || socket->state != SOCKET_NEW) return -EINVAL;
    struct sim_address name = copy_address(address, length);
    sim_check(length == HEAD || is_abstract(&name), "a path is bound without eddy_os_bind_name");
    if (length == HEAD) {
        char *path = ((struct sockaddr_un *)(void *)&name.storage)->sun_path;
        name.length = (socklen_t)(HEAD + 1 + (size_t)snprintf(path + 1, 6, "%05x", local.picked++));
    }
    if (find_abstract(&name) != NULL) return -EADDRINUSE;
    bind_to(socket, &name, NULL);
    return 0;
}

static int resolve(const char *path, unsigned how, struct place *place) {
    return file_tree_resolve(file_tree_root(), path, how, place);
}

static void tell_name(const struct node *node, struct eddy_os_name *name) {
    *name = (struct eddy_os_name){.device = 1, .inode = node->inode, .mode = node->mode & 0777U};
}

int eddy_os_bind_name(int fd, const struct sockaddr *address, socklen_t length, const char *path,
                      int mode, struct eddy_os_name *name) {
    struct sim_socket *socket;
    struct place place;
    int err = socket_enter(OS_CALL_bind_name, fd, &socket);
    if (err == 0) err = check_address(address, length);
    if (err == 0 && (socket->is_bound || socket->state != SOCKET_NEW)) err = -EINVAL;
    if (err == 0) err = resolve(path, 0, &place);
    if (err == 0 && place.node != NULL) err = -EADDRINUSE;
    if (err == 0 && place.directory->links == 0) err = -ENOENT;
    if (err < 0) return err;
    unsigned permissions = mode >= 0 ? (unsigned)mode : 0777U & ~(unsigned)UMASK;
    struct node *node = file_tree_make(&place, NODE_SOCKET, permissions);
    struct sim_address copy = copy_address(address, length);
    bind_to(socket, &copy, node);
    tell_name(node, name);
    sim_note("bound to %s", path);
    return 0;
}

static int find_socket(const char *path, struct place *place) {
    int err = resolve(path, 0, place);
    if (err < 0) return err;
    if (place->node == NULL) return -ENOENT;
    return place->node->kind == NODE_SOCKET ? 0 : -EEXIST;
}

int eddy_os_name_find(const char *path, struct eddy_os_name *name) {
    struct place place;
    int err = sim_enter(OS_CALL_name_find);
    if (err == 0) err = find_socket(path, &place);
    if (err == 0) tell_name(place.node, name);
    return err;
}

int eddy_os_name_remove(const char *path, const struct eddy_os_name *name) {
    struct place place;
    int err = sim_enter(OS_CALL_name_remove);
    if (err == 0) err = find_socket(path, &place);
    if (err == 0 && place.node->inode != name->inode) err = -EEXIST;
    if (err < 0) return err;
    file_tree_remove(&place);
    sim_note("%s is removed", path);
    return 0;
}

void local_forget(struct sim_socket *socket) {
    struct sim_socket **at = &local.bound;
    while (*at != NULL && *at != socket) at = &(*at)->next;
    if (*at != NULL) *at = socket->next;
    if (socket->name != NULL) file_tree_release(socket->name);
    socket->name = NULL;
}

/* --- Connecting --- */

static int find_listener(const struct sim_address *to, struct sim_socket **listener) {
    if (is_abstract(to)) {
        *listener = find_abstract(to);
    } else {
        struct place place;
        int err = resolve(name_of(to), FOLLOW_LAST, &place);
        if (err < 0) return err;
        if (place.node == NULL) return -ENOENT;
        *listener = place.node->kind == NODE_SOCKET ? find_name(place.node) : NULL;
    }
    bool listens = *listener != NULL && (*listener)->state == SOCKET_LISTENING;
    return listens ? 0 : -ECONNREFUSED;
}

int local_connect(struct sim_socket *socket, const struct sockaddr *address, socklen_t length,
                  struct sim_end **end) {
    struct sim_socket *listener;
    int err = check_address(address, length);
    if (err == 0 && length == HEAD) err = -EINVAL;
    if (err < 0) return err;
    struct sim_address to = copy_address(address, length);
    err = find_listener(&to, &listener);
    if (err < 0) return err;
    if (listener->queued > listener->backlog) return -EAGAIN;
    if (socket->state == SOCKET_CONNECTED) return -EISCONN;
    if (socket->state == SOCKET_LISTENING) return -EINVAL;
    struct sim_end *client = sim_wire_open(true), *server = client->other;
    client->local = server->peer = socket->local;
    client->peer = server->local = listener->local;
    server->next = NULL;
    *listener->queue_last = server;
    listener->queue_last = &server->next;
    listener->queued++;
    sim_description_changed(listener->description, EDDY_READ);
    *end = client;
    return 0;
}

/* --- What they are --- */

int eddy_os_socket_type(int fd) {
    struct sim_socket *socket;
    int err = socket_enter(OS_CALL_socket_type, fd, &socket);
    return err < 0 ? err : SOCK_STREAM;
}

int eddy_os_peer_credentials(int fd, eddy_credentials *peer) {
    struct sim_socket *socket;
    int err = socket_enter(OS_CALL_peer_credentials, fd, &socket);
    if (err < 0) return err;
    if (socket->family != AF_UNIX || socket->state != SOCKET_CONNECTED) return -ENOTCONN;
    *peer = (eddy_credentials){.pid = eddy_os_process_id(), .uid = SOMEBODY, .gid = SOMEBODY};
    return 0;
}

static int open_pair(int ends[2]) {
    struct sim_end *end = sim_wire_open(true), *other = end->other;
    ends[0] = socket_add(AF_UNIX, end);
    ends[1] = socket_add(AF_UNIX, other);
    if (ends[0] >= 0 && ends[1] >= 0) {
        sim_note("pair: %d %d", ends[0], ends[1]);
        return 0;
    }
    int err = ends[0] < 0 ? ends[0] : ends[1];
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0) sim_descriptor_close(ends[i]);
    return err;
}

int eddy_os_socket_pair(int type, int ends[2]) {
    int err = sim_enter(OS_CALL_socket_pair);
    if (err < 0) return err;
    return type == SOCK_STREAM ? open_pair(ends) : -EPROTONOSUPPORT;
}

int eddy_os_child_socket_pair(int ends[2]) {
    int err = sim_enter(OS_CALL_child_socket_pair);
    return err < 0 ? err : open_pair(ends);
}

/* Nothing here is a record. */
ssize_t eddy_os_receive_record(int fd, void *data, size_t size) {
    sim_fail("%d has no records: %p, %zu", fd, data, size);
}
