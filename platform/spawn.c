/* spawn.c: making the process of a child, and learning whether it has come to run its program.
 *
 * The child borrows this process's memory until exec, as with vfork: a fork would copy the page
 * tables, which takes tens of milliseconds for each gigabyte (tests/bench/process.c). What runs
 * there is in spawn_child.c, on a stack of its own. What fails comes back through a close-on-exec
 * pipe, not through the memory, as emulators may make a fork of it.
 *
 * Who becomes another user is forked all the same. With shared memory it could be debugged by that
 * user, and this process with it; Linux prevents that by making the memory undumpable, for good, of
 * both. Test: a_child_of_another_user_leaves_us_dumpable. */
#include "spawn_plan.h"

#include "missing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__ /* pidfd_open by number: older C libraries do not have it */
#include <sys/syscall.h>
#endif

#include "eddy_config.h"

/* The wrapper of older ones writes to the calling thread's own data, of which a child that shares
 * our memory has the same. */
#if defined(__GLIBC__) && __GLIBC__ == 2 && __GLIBC_MINOR__ < 24
#undef HAVE_CLONE
#endif

#ifdef HAVE_CLONE
#include <sched.h>
#endif

extern char **environ; /* not every system's headers have it */

enum {
    STACK_BYTES = 64 * 1024, /* a few kilobytes, and what sanitizers add to each frame */
};

/* --- What the child needs, in one mapping --- */

struct block {
    char *start; /* a page that nobody may touch, the stack, struct spawn, map, candidate */
    size_t bytes;
};

static const char *path_of(char *const *environment) {
    for (; environment != NULL && *environment != NULL; environment++)
        if (strncmp(*environment, "PATH=", 5) == 0) return *environment + 5;
    return "/bin:/usr/bin";
}

/* In order of number, by insertion: they mostly are. */
static void map_sort(struct eddy_os_child_fd *to, const struct eddy_os_child_fd *map,
                     unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        unsigned at = i;
        for (; at > 0 && to[at - 1].number > map[i].number; at--) to[at] = to[at - 1];
        to[at] = map[i];
    }
}

/* A descriptor that is not open must not turn into one that is opened from here on. */
static int map_check(const struct eddy_os_child_fd *map, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        if (!eddy_os_is_open(map[i].fd)) return -EBADF;
    return 0;
}

/* Where a stack is given back in the middle of functions, as each child's is by exec, gcc's
 * AddressSanitizer takes the next one at the same place for what was there. Only ELF links with a
 * name that need not be there. */
#ifdef __ELF__
extern void __asan_unpoison_memory_region(void const volatile *address, size_t size)
    __attribute__((weak));
#endif

static struct spawn *block_open(struct block *block, const eddy_child_options *options,
                                const struct eddy_os_child_fd *map, unsigned count) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const char *file = options->file != NULL ? options->file : options->arguments[0];
    char *const *environment = options->environment != NULL ? options->environment : environ;
    bool is_path = file[0] == '\0' || strchr(file, '/') != NULL;
    const char *path = is_path ? NULL : path_of(environment);
    size_t at_map = page + STACK_BYTES + sizeof(struct spawn);
    size_t at_candidate = at_map + count * sizeof *map;
    block->bytes = at_candidate + (path != NULL ? strlen(path) + strlen(file) + 2 : 0);
    block->start = mmap(NULL, block->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (block->start == MAP_FAILED) return NULL;
#ifdef __ELF__
    if (__asan_unpoison_memory_region != NULL)
        __asan_unpoison_memory_region(block->start, block->bytes);
#endif
    if (mprotect(block->start, page, PROT_NONE) < 0) {
        munmap(block->start, block->bytes);
        return NULL;
    }
    struct spawn *spawn = (void *)(block->start + page + STACK_BYTES);
    spawn->options = options;
    spawn->file = file;
    spawn->environment = environment;
    spawn->path = path;
    spawn->candidate = block->start + at_candidate;
    spawn->map = (void *)(block->start + at_map);
    spawn->count = count;
    map_sort(spawn->map, map, count);
    return spawn;
}

/* --- The process --- */

#if defined HAVE_CLONE || defined HAVE_VFORK
static bool spawn_changes_user(const struct spawn *spawn) {
    return spawn->options->flags & (EDDY_CHILD_SET_USER | EDDY_CHILD_SET_GROUP);
}
#endif

static int process_descriptor(pid_t pid) {
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    return -1;
#endif
}

#ifdef HAVE_CLONE
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

/* Kernels before 5.2 ignore CLONE_PIDFD; emulators and sandboxes may refuse any of the flags. */
static int process_clone(struct spawn *spawn, pid_t *pid, int *pidfd) {
    static const int ways[] = {
        CLONE_VM | CLONE_VFORK | CLONE_PIDFD,
        CLONE_VM | CLONE_VFORK,
        CLONE_PIDFD,
        0,
    };
    enum { FORK = 2, WAYS = sizeof ways / sizeof ways[0] };
    for (int way = spawn_changes_user(spawn) ? FORK : 0; way < WAYS; way++) {
        *pidfd = -1;
        *pid = clone(eddy_os_spawn_run, spawn, ways[way] | SIGCHLD, spawn, pidfd);
        if (*pid >= 0 && *pidfd < 0) *pidfd = process_descriptor(*pid);
        if (*pid >= 0) return 0;
        if (!call_is_missing(errno) && errno != EINVAL) break;
    }
    return -errno;
}

/* ThreadSanitizer, which may be in a program that this library was not compiled for, takes each
 * clone for a fork, and does not survive one that shares memory. Its vfork is a fork. */
extern void __tsan_init(void) __attribute__((weak));
#endif

static int process_start(struct spawn *spawn, pid_t *pid, int *pidfd) {
#ifdef HAVE_CLONE
    if (__tsan_init == NULL) return process_clone(spawn, pid, pidfd);
#endif
#ifdef HAVE_VFORK
    *pid = spawn_changes_user(spawn) ? fork() : vfork();
#else
    *pid = fork();
#endif
    if (*pid == 0) _exit(eddy_os_spawn_run(spawn));
    *pidfd = *pid > 0 ? process_descriptor(*pid) : -1;
    return *pid < 0 ? -errno : 0;
}

/* No handler of ours may run in the child, so all signals are blocked from before it is there. */
static int process_start_undisturbed(struct spawn *spawn, pid_t *pid, int *pidfd) {
    eddy_os_signal_block_all(&spawn->mask);
    int err = process_start(spawn, pid, pidfd);
    eddy_os_signal_unblock(&spawn->mask);
    return err;
}

/* It has told that it fails, or nobody knows; somebody else may have waited for it by now. */
static void process_end(pid_t pid, int pidfd) {
    eddy_exit exit;
    unsigned rounds = 0;
    (void)eddy_os_child_kill(pid, pidfd, SIGKILL);
    while (eddy_os_child_wait(pid, pidfd, false, &exit) == 0) eddy_os_back_off(&rounds);
}

/* --- What became of it --- */

static int status_wait(int fd) {
    struct pollfd it = {.fd = fd, .events = POLLIN};
    return poll(&it, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

/* The end of the pipe is exec's: nobody else has its other end, but for a process that another
 * thread has just forked, of which there is no telling how long it keeps it. So where exec has been
 * called by now for sure, the end is not waited for. */
static int status_read(const struct spawn *spawn, int fd) {
    for (;;) {
        int error = 0;
        ssize_t count = eddy_os_read(fd, &error, sizeof error);
        if (count >= 0) return -error;
        if (count != -EAGAIN) return (int)count;
        if (atomic_load_explicit(&spawn->is_shared, memory_order_relaxed)) return 0;
        int err = status_wait(fd);
        if (err < 0) return err;
    }
}

static int spawn_start(struct spawn *spawn, pid_t *pid, int *pidfd) {
    int ends[2];
    int err = eddy_os_pipe(ends);
    if (err < 0) return err;
    spawn->status = ends[1];
    err = process_start_undisturbed(spawn, pid, pidfd);
    eddy_os_close(ends[1]);
    if (err == 0) {
        err = status_read(spawn, ends[0]);
        if (err < 0) process_end(*pid, *pidfd);
        if (err < 0 && *pidfd >= 0) eddy_os_close(*pidfd);
    }
    eddy_os_close(ends[0]);
    return err;
}

/* Without cancellation: whether it is pending is in the thread's memory, where the child would see
 * it, too, and unwind the thread's stack. */
int eddy_os_spawn(const eddy_child_options *options, const struct eddy_os_child_fd *map,
                  unsigned count, pid_t *pid, int *pidfd) {
    struct block block;
    int error_before = errno, cancel_before;
    int err = map_check(map, count);
    if (err < 0) return err;
    struct spawn *spawn = block_open(&block, options, map, count);
    if (spawn == NULL) return -errno;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_before);
    err = spawn_start(spawn, pid, pidfd);
    pthread_setcancelstate(cancel_before, NULL);
    munmap(block.start, block.bytes);
    errno = error_before;
    return err;
}
