/* file_open.c: opening a path, without waiting or without leaving a directory if so asked.
 * Linux's openat2 has both. Where it is missing nothing is opened without waiting, and a walk from
 * name to name keeps below the directory. */
#include "os.h"

#include "file_directory.h"
#include "missing.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__ /* openat2 by number: its header is not everywhere */
#include <sys/syscall.h>
#endif

#include "eddy_config.h"

enum {
    WALK_DEPTH_MAX = 64, /* each step down holds a descriptor, for the way back by ".." */
    BENEATH_TRIES = 64,  /* a rename anywhere makes openat2 give up on a ".." that it passed */
};

/* To pass through a directory takes leave to search it, not to read it. */
#if defined(O_PATH)
enum { WALK_SEARCH = O_PATH };
#elif defined(O_SEARCH)
enum { WALK_SEARCH = O_SEARCH };
#else
enum { WALK_SEARCH = O_RDONLY };
#endif

#ifndef EFTYPE /* as on Linux: no error is 0 */
#define EFTYPE 0
#endif

/* Linux's word for what the systems name differently: a link that was not to be followed is EMLINK
 * on FreeBSD and EFTYPE on NetBSD, a socket EOPNOTSUPP on all BSDs. Test:
 * what_cannot_be_opened_has_one_error. */
static int file_open_error(int dir, const char *path, int flags, int error) {
    if (error != EMLINK && error != EFTYPE && error != EOPNOTSUPP) return error;
    struct stat info;
    if (fstatat(dir, path, &info, flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0) != 0) return error;
    if (error == EOPNOTSUPP) return S_ISSOCK(info.st_mode) ? ENXIO : error;
    if (!S_ISLNK(info.st_mode)) return error;
    return flags & O_DIRECTORY ? ENOTDIR : ELOOP;
}

static int file_open_at(int dir, const char *path, int flags, unsigned mode) {
    int fd;
    do {
        fd = openat(dir, path, flags, (mode_t)mode);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -file_open_error(dir, path, flags, errno) : fd;
}

/* --- The walk --- */

struct walk {
    int depth;
    int fds[WALK_DEPTH_MAX + 1]; /* [0] is the caller's */
};

static bool walk_is_link(int dir, const char *name) {
    struct stat info;
    return fstatat(dir, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(info.st_mode);
}

/* For a link that it must not follow, open gives ELOOP, ENOTDIR, EMLINK or EFTYPE, depending on the
 * system and the flags. */
static int walk_tell_link(int dir, const char *name, int err) {
    return err != -EEXIST && walk_is_link(dir, name) ? -ELOOP : err;
}

static int walk_up(struct walk *walk) {
    if (walk->depth == 0) return -EXDEV;
    close(walk->fds[walk->depth--]);
    return 0;
}

static int walk_to(struct walk *walk, const char *name) {
    if (strcmp(name, ".") == 0) return 0;
    if (strcmp(name, "..") == 0) return walk_up(walk);
    if (walk->depth == WALK_DEPTH_MAX) return -ENAMETOOLONG;
    int dir = walk->fds[walk->depth];
    int fd = file_open_at(dir, name, WALK_SEARCH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0) return walk_tell_link(dir, name, fd);
    walk->fds[++walk->depth] = fd;
    return 0;
}

static int walk_open_last(struct walk *walk, const char *name, int flags, unsigned mode) {
    if (strcmp(name, "..") == 0) {
        int err = walk_up(walk);
        if (err < 0) return err;
        name = ".";
    }
    int dir = walk->fds[walk->depth];
    if (strcmp(name, ".") == 0) return file_open_at(dir, name, flags, mode);
    int fd = file_open_at(dir, name, flags | O_NOFOLLOW, mode);
    if (fd < 0) return (flags & O_NOFOLLOW) ? fd : walk_tell_link(dir, name, fd);
#ifdef O_PATH
    /* With O_PATH the link itself is opened, which the caller has not asked for. */
    struct stat info;
    if ((flags & O_PATH) && !(flags & O_NOFOLLOW) && fstat(fd, &info) == 0 &&
        S_ISLNK(info.st_mode)) {
        close(fd);
        return -ELOOP;
    }
#endif
    return fd;
}

/* Copies the name that `*path` begins with and moves `*path` to the next one. */
static int walk_next_name(const char **path, char name[NAME_MAX + 1], bool *slash) {
    size_t length = strcspn(*path, "/");
    if (length > NAME_MAX) return -ENAMETOOLONG;
    memcpy(name, *path, length);
    name[length] = '\0';
    *path += length;
    *slash = **path == '/';
    *path += strspn(*path, "/");
    return 0;
}

static int walk_path(struct walk *walk, const char *path, int flags, unsigned mode) {
    char name[NAME_MAX + 1];
    for (;;) {
        bool slash;
        int err = walk_next_name(&path, name, &slash);
        if (err == 0 && *path == '\0') {
            if (slash && (flags & O_CREAT)) return -EISDIR;
            return walk_open_last(walk, name, slash ? flags | O_DIRECTORY : flags, mode);
        }
        if (err == 0) err = walk_to(walk, name);
        if (err < 0) return err;
    }
}

/* `dir` in the system's words. */
static int file_walk(int dir, const char *path, int flags, unsigned mode) {
    if (path[0] == '/') return -EXDEV;
    if (path[0] == '\0') return -ENOENT;
    struct walk walk = {.fds = {dir}};
    int result = walk_path(&walk, path, flags | O_CLOEXEC, mode);
    while (walk.depth > 0) (void)walk_up(&walk);
    return result;
}

int eddy_os_file_open_walk(int dir, const char *path, int flags, unsigned mode) {
    return file_walk(file_directory(dir), path, flags, mode);
}

/* --- openat2 --- */

#ifdef SYS_openat2
/* <linux/openat2.h> */
enum {
    HOW_NO_MAGIC_LINKS = 0x02,
    HOW_BENEATH = 0x08,
    HOW_CACHED = 0x20, /* RESOLVE_CACHED, since Linux 5.12: before, EINVAL */
};

struct file_open_how {
    uint64_t flags, mode, resolve;
};

/* Other than openat it refuses flags and modes that mean nothing, so those are left out here. */
static int file_open_as(int dir, const char *path, int flags, unsigned mode, uint64_t resolve) {
    bool makes = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
    if (flags & O_PATH)
        flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    else
        flags |= O_LARGEFILE;
    struct file_open_how how = {
        .flags = (uint64_t)(unsigned)flags,
        .mode = makes ? mode & 07777 : 0,
        .resolve = resolve,
    };
    long fd;
    do {
        fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : (int)fd;
}

/* HOW_CACHED is about the names only. What may block is the opening itself: of a FIFO until
 * there is another end, of a leased file, and where something is created or cut. A directory has
 * none of that. */
static bool file_open_may_block(int flags) {
    if ((flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE) return true;
    return !(flags & (O_NONBLOCK | O_DIRECTORY | O_PATH));
}

static int file_open_cached(int dir, const char *path, int flags, uint64_t resolve) {
    if (file_open_may_block(flags)) return -EAGAIN;
    int fd = file_open_as(dir, path, flags, 0, resolve | HOW_CACHED);
    /* Not known to the kernel or its sandbox, or maybe so: the other ways tell what there is to
     * tell.
     */
    return fd < 0 && (call_is_missing(-fd) || fd == -EINVAL) ? -EAGAIN : fd;
}

/* Whether openat2 itself is refused: then to look at the directory, too, which is open already. */
static bool file_beneath_is_unknown(int dir) {
    int fd = file_open_as(dir, ".", O_PATH | O_CLOEXEC, 0, HOW_BENEATH | HOW_NO_MAGIC_LINKS);
    if (fd >= 0) close(fd);
    return fd < 0 && call_is_missing(-fd);
}

/* EAGAIN, EPERM and EACCES are said by openat2 of the way to the file, and by the file itself: a
 * lease, an O_NOATIME of somebody else's, a mode; or by a sandbox. The walk tells them apart,
 * unless it gives up at a link. */
static int file_open_beneath(int dir, const char *path, int flags, unsigned mode) {
    int fd = -EAGAIN;
    for (int tries = 0; fd == -EAGAIN && tries < BENEATH_TRIES; tries++)
        fd = file_open_as(dir, path, flags, mode, HOW_BENEATH | HOW_NO_MAGIC_LINKS);
    if (fd >= 0 || (fd != -EAGAIN && !call_is_missing(-fd))) return fd;
    int walked = file_walk(dir, path, flags, mode);
    if (walked != -ELOOP && walked != -ENAMETOOLONG) return walked;
    return fd == -ENOSYS || file_beneath_is_unknown(dir) ? walked : fd;
}
#endif

static int file_open(int dir, const char *path, int flags, unsigned mode, unsigned how) {
#ifdef SYS_openat2
    uint64_t resolve = how & EDDY_BENEATH ? HOW_BENEATH | HOW_NO_MAGIC_LINKS : 0;
    if (how & EDDY_OS_NOWAIT) return file_open_cached(dir, path, flags, resolve);
    if (how & EDDY_BENEATH) return file_open_beneath(dir, path, flags, mode);
#else
    if (how & EDDY_OS_NOWAIT) return -EAGAIN;
    if (how & EDDY_BENEATH) return file_walk(dir, path, flags, mode);
#endif
    return file_open_at(dir, path, flags, mode);
}

/* --- Regular files and directories only --- */

/* No flag of any system keeps open() from a FIFO, whose writer it lets go on. O_PATH opens nothing,
 * and follows what EDDY_BENEATH does; where it is missing a name is asked for, whose way there may
 * lead through links outside: nothing but its kind is learnt, and the opening itself refuses it. */
static int file_look(int dir, const char *path, int flags, unsigned how, uint32_t *kind) {
#ifdef O_PATH
    eddy_stat stat = {0};
    int look = O_PATH | O_CLOEXEC | (flags & (O_DIRECTORY | O_NOFOLLOW));
    int fd = file_open(dir, path, look, 0, how);
    if (fd < 0) return fd;
    int err = eddy_os_file_fstat(fd, &stat, how & EDDY_OS_NOWAIT);
    close(fd);
    *kind = stat.mode & S_IFMT;
    return err;
#else
    struct stat info;
    bool is_followed = !(flags & O_NOFOLLOW) && !(how & EDDY_BENEATH);
    if (how & EDDY_OS_NOWAIT) return -EAGAIN;
    if (fstatat(dir, path, &info, is_followed ? 0 : AT_SYMLINK_NOFOLLOW) < 0) return -errno;
    *kind = info.st_mode & S_IFMT;
    return 0;
#endif
}

int eddy_os_file_open(int dir, const char *path, int flags, unsigned mode, unsigned how) {
    uint32_t kind = S_IFREG;
    flags |= O_CLOEXEC;
    dir = file_directory(dir);
    if (how & EDDY_FILES_ONLY) {
        int err = file_look(dir, path, flags, how, &kind);
        if (err < 0) return err;
    }
    /* What to say of a link that is not to be followed the opening knows. */
    if (kind != S_IFREG && kind != S_IFDIR && kind != S_IFLNK) return -ENXIO;
    return file_open(dir, path, flags, mode, how);
}
