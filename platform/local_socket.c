/* local_socket.c: what local sockets (AF_UNIX) have beside the others: pairs, names in the file
 * system, and who is at the other end. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "eddy_config.h"

int eddy_os_socket_pair(int type, int ends[2]) {
#if defined(SOCK_NONBLOCK) && defined(SOCK_CLOEXEC)
    type |= SOCK_NONBLOCK | SOCK_CLOEXEC;
#endif
    if (socketpair(AF_UNIX, type, 0, ends) < 0) return -errno;
    int err = eddy_os_prepare_socket(ends[0]);
    if (err == 0) err = eddy_os_prepare_socket(ends[1]);
    if (err < 0) {
        eddy_os_close(ends[0]);
        eddy_os_close(ends[1]);
    }
    return err;
}

int eddy_os_socket_type(int fd) {
    int type = 0;
    socklen_t length = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0 ? -errno : type;
}

/* --- Who is there --- */

#if defined(HAVE_STRUCT_UCRED) /* Linux */
int eddy_os_peer_credentials(int fd, eddy_credentials *peer) {
    struct ucred known = {0};
    socklen_t length = sizeof known;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &known, &length) < 0) return -errno;
    if (known.uid == (uid_t)-1)
        return -ENOTCONN; /* of no connection, or of one that is not local */
    *peer = (eddy_credentials){.pid = known.pid, .uid = known.uid, .gid = known.gid};
    return 0;
}
#elif defined( \
    HAVE_GETPEEREID) /* macOS and the BSDs; the process is told in as many ways as systems */
int eddy_os_peer_credentials(int fd, eddy_credentials *peer) {
    *peer = (eddy_credentials){0};
    if (getpeereid(fd, &peer->uid, &peer->gid) < 0) /* what is not local has no such option */
        return errno == EINVAL || errno == ENOPROTOOPT ? -ENOTCONN : -errno;
#if defined(SOL_LOCAL) && defined(LOCAL_PEERPID)
    socklen_t length = sizeof peer->pid;
    if (getsockopt(fd, SOL_LOCAL, LOCAL_PEERPID, &peer->pid, &length) < 0) peer->pid = 0;
#endif
    return 0;
}
#else
int eddy_os_peer_credentials(int fd, eddy_credentials *peer) {
    (void)fd;
    (void)peer;
    return -ENOTSUP;
}
#endif

/* --- Names --- */

/* Of the name itself, if it is a link. */
static int name_stat(const char *path, struct stat *stat) {
    int result;
    do {
        result = fstatat(AT_FDCWD, path, stat, AT_SYMLINK_NOFOLLOW);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

int eddy_os_name_find(const char *path, struct eddy_os_name *name) {
    struct stat stat;
    int err = name_stat(path, &stat);
    if (err < 0) return err;
    if (!S_ISSOCK(stat.st_mode)) return -EEXIST;
    name->device = (uint64_t)stat.st_dev;
    name->inode = (uint64_t)stat.st_ino;
    name->mode = (unsigned)stat.st_mode & 0777U;
    return 0;
}

static int name_unlink(const char *path) {
    int result;
    do {
        result = unlinkat(AT_FDCWD, path, 0);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

/* No system can remove a name only if it is that of an inode: between the look and the removal
 * somebody may put another in its place. */
int eddy_os_name_remove(const char *path, const struct eddy_os_name *name) {
    struct eddy_os_name found;
    int err = eddy_os_name_find(path, &found);
    if (err < 0) return err;
    if (found.device != name->device || found.inode != name->inode) return -EEXIST;
    return name_unlink(path);
}

/* Linux makes the name with what the socket's own mode and the umask both allow; the BSDs refuse to
 * be asked. What that has not brought about the name is told: a link is not followed. */
static int name_set_mode(const char *path, unsigned mode) {
    int result;
    do {
        result = fchmodat(AT_FDCWD, path, (mode_t)mode, AT_SYMLINK_NOFOLLOW);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

static int socket_set_mode(int fd, unsigned mode) {
    int result;
    do {
        result = fchmod(fd, (mode_t)mode);
    } while (result < 0 && errno == EINTR);
    return result < 0 && errno != EINVAL && errno != EOPNOTSUPP ? -errno : 0;
}

int eddy_os_bind_name(int fd, const struct sockaddr *address, socklen_t length, const char *path,
                      int mode, struct eddy_os_name *name) {
    int err = mode >= 0 ? socket_set_mode(fd, (unsigned)mode) : 0;
    if (err == 0) err = eddy_os_bind(fd, address, length);
    if (err < 0) return err;
    err = eddy_os_name_find(path, name);
    if (err == 0 && mode >= 0 && name->mode != (unsigned)mode) {
        err = name_set_mode(path, (unsigned)mode);
        name->mode = (unsigned)mode;
    }
    if (err < 0 && err != -EEXIST) (void)name_unlink(path); /* else it is somebody's file by now */
    return err;
}
