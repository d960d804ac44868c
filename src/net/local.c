/* local.c: local sockets: connecting, pairs, who is there, listening under a name and removing it.
 * Invariant: `owner` of a listener is this process only while the name that it has noted was seen
 * to be there. Threading: loop thread only. */
#include "net.h"

#include <eddy/local.h>

#include <string.h>
#include <sys/un.h>

enum {
    LOCAL_MODE_BIT = 1 << 25, /* of the options: there is a mode */
    LOCAL_MODE_SHIFT = 16,
};

/* A path of an address, ended. */
struct local_path {
    char text[sizeof((struct sockaddr_un *)NULL)->sun_path + 1];
};

/* False: it has none, as it is abstract or unnamed. */
static bool local_path_of(const struct sockaddr *address, socklen_t length,
                          struct local_path *path) {
    const struct sockaddr_un *local = (const struct sockaddr_un *)(const void *)address;
    const size_t head = offsetof(struct sockaddr_un, sun_path);
    size_t size = length > head ? length - head : 0;
    if (size > sizeof local->sun_path) size = sizeof local->sun_path;
    size = strnlen(local->sun_path, size);
    memcpy(path->text, local->sun_path, size);
    path->text[size] = '\0';
    return size > 0;
}

static int local_type(unsigned options) {
    return options & EDDY_SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM;
}

/* --- Streams --- */

int eddy_local_connect(eddy_stream *stream, const struct sockaddr *address, socklen_t length,
                       unsigned options, int64_t timeout_ns, eddy_connect_fn *fn) {
    if (options & ~(unsigned)EDDY_SEQPACKET) return -EINVAL;
    if (length > sizeof(struct sockaddr_un)) return -EINVAL;
    return eddy__connect_start(stream, true, local_type(options), address, length, timeout_ns, fn);
}

static bool local_is_closing(const eddy_stream *stream) {
    EDDY_ASSERT(handle_is_initialised(&stream->io.handle));
    return (stream->state & STREAM_CLOSING) != 0;
}

int eddy_local_pair(eddy_stream *one, eddy_stream *other, unsigned options) {
    int ends[2];
    if (one == other || (options & ~(unsigned)EDDY_SEQPACKET)) return -EINVAL;
    if (local_is_closing(one) || local_is_closing(other)) return -EINVAL;
    if (one->state != 0 || other->state != 0) return -EISCONN;
    int err = eddy_os_socket_pair(local_type(options), ends);
    if (err < 0) return err;
    err = eddy_stream_attach(one, ends[0]);
    if (err == 0) {
        err = eddy_stream_attach(other, ends[1]);
        if (err < 0) (void)eddy_stream_detach(one);
    }
    if (err == 0) return 0;
    eddy_os_close(ends[0]);
    eddy_os_close(ends[1]);
    return err;
}

int eddy_local_address(const eddy_stream *stream, struct sockaddr *address, socklen_t *length) {
    return eddy__address_of_stream(stream, false, true, address, length);
}

int eddy_local_peer_address(const eddy_stream *stream, struct sockaddr *address,
                            socklen_t *length) {
    return eddy__address_of_stream(stream, true, true, address, length);
}

int eddy_local_peer_credentials(int fd, eddy_credentials *peer) {
    return eddy_os_peer_credentials(fd, peer);
}

/* --- Names --- */

/* Whether a socket's name has nobody behind it. All but a refusal says that there may be somebody:
 * a socket of the other kind, no right to ask; a full backlog as well, but that the BSDs refuse
 * too. */
static bool local_is_stale(const struct sockaddr *address, socklen_t length, int type) {
    int fd = eddy_os_socket(AF_UNIX, type, 0);
    if (fd < 0) return false;
    int err = eddy_os_connect(fd, address, length);
    eddy_os_close(fd);
    return err == -ECONNREFUSED;
}

static int local_bind_path(int fd, const struct sockaddr *address, socklen_t length,
                           const char *path, unsigned options, struct eddy_os_name *name) {
    bool has_mode = (options & LOCAL_MODE_BIT) != 0;
    int mode = has_mode ? (int)(options >> LOCAL_MODE_SHIFT & 0777U) : -1;
    int err = eddy_os_bind_name(fd, address, length, path, mode, name);
    if (err != -EADDRINUSE || !(options & EDDY_REPLACE_STALE)) return err;
    struct eddy_os_name stale;
    if (eddy_os_name_find(path, &stale) < 0) return err;
    if (!local_is_stale(address, length, local_type(options))) return err;
    if (eddy_os_name_remove(path, &stale) < 0) return err;
    return eddy_os_bind_name(fd, address, length, path, mode, name);
}

/* The name goes before the socket: who connects in between finds none, instead of a dead one. And
 * as long as the socket is open its inode is no other file's. */
static void local_remove_name(eddy_listener *listener) {
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    struct local_path path;
    int fd = eddy_io_fd(&listener->io);
    bool own = listener->owner == eddy_os_process_id();
    listener->owner = 0;
    if (!own || eddy_os_local_address(fd, (struct sockaddr *)&address, &length) < 0) return;
    if (!local_path_of((struct sockaddr *)&address, length, &path)) return;
    struct eddy_os_name name = {.device = listener->device, .inode = listener->inode};
    (void)eddy_os_name_remove(path.text, &name);
}

static void local_note_name(eddy_listener *listener, const struct eddy_os_name *name) {
    listener->device = name->device;
    listener->inode = name->inode;
    listener->owner = eddy_os_process_id();
    listener->remove_name = local_remove_name;
}

/* --- Listening --- */

/* `path`: NULL if there is none. */
static int local_start(eddy_listener *listener, int fd, int backlog, eddy_accept_fn *fn,
                       const char *path, const struct eddy_os_name *name) {
    int err = eddy_os_listen(fd, backlog > 0 ? backlog : LISTENER_BACKLOG);
    if (err == 0) err = eddy__listener_watch(listener, fd, true, fn);
    if (err < 0 && path != NULL) (void)eddy_os_name_remove(path, name);
    return err;
}

int eddy_local_listen(eddy_listener *listener, const struct sockaddr *address, socklen_t length,
                      int backlog, unsigned options, eddy_accept_fn *fn) {
    const unsigned mode = 0777U << LOCAL_MODE_SHIFT | LOCAL_MODE_BIT;
    const unsigned known = EDDY_SEQPACKET | EDDY_REPLACE_STALE | EDDY_KEEP_NAME | mode;
    struct eddy_os_name name;
    struct local_path path;
    int err = eddy__listener_check(listener, fn);
    if (err < 0) return err;
    if (backlog < 0 || (options & ~known) || length > sizeof(struct sockaddr_un)) return -EINVAL;
    if (address->sa_family != AF_UNIX) return -EAFNOSUPPORT;
    bool has_path = local_path_of(address, length, &path);
    int fd = eddy_os_socket(AF_UNIX, local_type(options), 0);
    if (fd < 0) return fd;
    err = has_path ? local_bind_path(fd, address, length, path.text, options, &name)
                   : eddy_os_bind(fd, address, length);
    if (err == 0) err = local_start(listener, fd, backlog, fn, has_path ? path.text : NULL, &name);
    if (err < 0)
        eddy_os_close(fd);
    else if (has_path && !(options & EDDY_KEEP_NAME))
        local_note_name(listener, &name);
    return err;
}

int eddy_local_own_name(eddy_listener *listener, bool own) {
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    struct eddy_os_name name;
    struct local_path path;
    if (!own) {
        listener->owner = 0;
        return 0;
    }
    int err = eddy_listener_address(listener, (struct sockaddr *)&address, &length);
    if (err < 0) return err;
    if (address.ss_family != AF_UNIX) return -EAFNOSUPPORT;
    if (!local_path_of((struct sockaddr *)&address, length, &path)) return -EINVAL;
    err = eddy_os_name_find(path.text, &name);
    if (err < 0) return err;
    local_note_name(listener, &name);
    return 0;
}
