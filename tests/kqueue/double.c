/* double.c: kqueue() and kevent() as the BSDs have them, on Linux, for READ and WRITE of pipes,
 * sockets and other queues, and for the exit of processes. Written after FreeBSD's kqueue(2). It is
 * strict: what a BSD would refuse fails, and what only a mistake would ask for ends the program
 * with a line that says so.
 *
 * A queue is an epoll, so that its descriptor can be watched, of two more: one for the knotes of
 * each filter, which thereby have their own registration and their own way (EV_CLEAR is EPOLLET).
 * Invariant: a knote is in its filter's epoll exactly when it is attached and not disabled. Closing
 * a descriptor removes its knotes, whatever duplicates it has: a knote remembers which file it was
 * made for, and is gone as soon as the number means another.
 * Threading: a queue belongs to one thread; the list of queues has a lock.
 *
 * A pipe whose reader closes drops its writer's knote, as on FreeBSD. Two more ways of the kernels
 * are for tests that ask for a system, since everybody else's compare with epoll, which lacks them:
 * an edge of a pipe that is told again after a partial read, and a one-shot that was ready once and
 * is told in any case. On NetBSD the writer's knote stays; a full pipe's is not told of the close;
 * a pipe without reader takes none, with EBADF; and the writing end takes none to read.
 *
 * What it cannot do: tell two sockets' errors apart (fflags is ECONNRESET for all), count what a
 * listener has waiting (data is 1), or notice that a number was closed and means the same file
 * again. */
#include "sys/event.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FILTERS = 2, READ = 0, WRITE = 1, PROC = 2 };

struct knote {
    bool attached, disabled;
    unsigned short flags; /* EV_CLEAR, EV_ONESHOT, EV_DISPATCH: for life */
    bool is_far;          /* NOTE_LOWAT with more bytes than there can be */
    void *udata;
    dev_t device;
    ino_t inode;
    int access;     /* the two ends of a pipe are one inode */
    bool was_ready; /* when it was attached, for a one-shot */
    int unread;     /* bytes when it was told last, for an edge of a pipe */
};

/* A process that a queue is to tell of. */
struct process {
    struct process *next;
    pid_t pid;
    int pidfd;
    void *udata;
};

struct queue {
    struct queue *next;
    int kq;
    int exits; /* an epoll of pidfds, made when it is needed, or -1 */
    struct process *processes;
    int epoll[FILTERS];
    struct knote *knotes; /* by ident, then filter */
    uintptr_t idents;
    int first_filter; /* takes turns, so that a short event list starves neither */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct queue *queues; /* lock */
enum kqueue_double_system kqueue_double_system = KQUEUE_DOUBLE_PLAIN;

static _Noreturn void refuse(const char *why) {
    fprintf(stderr, "kqueue double: %s\n", why);
    abort();
}

/* --- Queues --- */

/* Whether the number still is the queue's: only its epoll holds the filters' ones. */
static bool is_open(const struct queue *queue) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = READ};
    return epoll_ctl(queue->kq, EPOLL_CTL_MOD, queue->epoll[READ], &event) == 0;
}

static void forget(struct process **at) {
    struct process *process = *at;
    *at = process->next;
    close(process->pidfd);
    free(process);
}

static void destroy(struct queue *queue) {
    if (is_open(queue)) close(queue->kq);
    close(queue->epoll[READ]);
    close(queue->epoll[WRITE]);
    while (queue->processes != NULL) forget(&queue->processes);
    if (queue->exits >= 0) close(queue->exits);
    free(queue->knotes);
    free(queue);
}

/* A fork does not inherit queues. */
static void before_fork(void) {
    pthread_mutex_lock(&lock);
}

static void after_fork_in_parent(void) {
    pthread_mutex_unlock(&lock);
}

static void after_fork_in_child(void) {
    while (queues != NULL) {
        struct queue *queue = queues;
        queues = queue->next;
        destroy(queue);
    }
    pthread_mutex_unlock(&lock);
}

static void follow_forks(void) {
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static int open_set(const struct queue *queue, int filter) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) return -1;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)filter};
    if (epoll_ctl(queue->kq, EPOLL_CTL_ADD, fd, &event) == 0) return fd;
    close(fd);
    return -1;
}

static int open_filter(struct queue *queue, int filter) {
    int fd = open_set(queue, filter);
    if (fd >= 0) queue->epoll[filter] = fd;
    return fd < 0 ? -1 : 0;
}

int kqueue(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, follow_forks);
    struct queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL) return -1;
    queue->epoll[READ] = queue->epoll[WRITE] = queue->exits = -1;
    queue->kq = epoll_create1(0);
    if (queue->kq < 0 || open_filter(queue, READ) != 0 || open_filter(queue, WRITE) != 0) {
        int error = errno;
        for (int i = 0; i < FILTERS; i++)
            if (queue->epoll[i] >= 0) close(queue->epoll[i]);
        if (queue->kq >= 0) close(queue->kq);
        free(queue);
        errno = error;
        return -1;
    }
    pthread_mutex_lock(&lock);
    queue->next = queues;
    queues = queue;
    pthread_mutex_unlock(&lock);
    return queue->kq;
}

static struct queue *find(int kq, bool take_out) {
    pthread_mutex_lock(&lock);
    struct queue **at = &queues;
    while (*at != NULL && ((*at)->kq != kq || !is_open(*at))) at = &(*at)->next;
    struct queue *queue = *at;
    if (queue != NULL && take_out) *at = queue->next;
    pthread_mutex_unlock(&lock);
    return queue;
}

int kqueue_double_close(int kq) {
    struct queue *queue = find(kq, true);
    if (queue == NULL) refuse("a queue is closed that is not open");
    destroy(queue);
    return 0;
}

/* --- Knotes --- */

static struct knote *knote_of(const struct queue *queue, uintptr_t ident, int filter) {
    if (ident >= queue->idents) refuse("a knote beyond the table");
    return &queue->knotes[ident * FILTERS + (uintptr_t)filter];
}

static void describe(struct knote *knote, int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) status.st_ino = 0;
    knote->device = status.st_dev;
    knote->inode = status.st_ino;
    knote->access = fcntl(fd, F_GETFL) & O_ACCMODE;
}

/* Whether the knote's descriptor was not closed since. */
static bool is_same_file(const struct knote *knote, int fd) {
    struct knote now;
    if (fcntl(fd, F_GETFD) < 0) return false;
    describe(&now, fd);
    return now.device == knote->device && now.inode == knote->inode && now.access == knote->access;
}

static bool is_pipe(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

static int control(const struct queue *queue, int operation, uintptr_t ident, int filter) {
    const struct knote *knote = knote_of(queue, ident, filter);
    struct epoll_event event = {.data.u64 = ident};
    event.events = filter == READ ? EPOLLIN | EPOLLRDHUP : EPOLLOUT;
    /* Of a pipe the BSDs tell bytes all the same. */
    if (knote->is_far && !is_pipe((int)ident)) event.events = EPOLLRDHUP;
    if (knote->flags & EV_CLEAR) event.events |= EPOLLET;
    return epoll_ctl(queue->epoll[filter], operation, (int)ident, &event) == 0 ? 0 : errno;
}

static void detach(struct queue *queue, uintptr_t ident, int filter) {
    struct knote *knote = knote_of(queue, ident, filter);
    if (!knote->disabled) control(queue, EPOLL_CTL_DEL, ident, filter);
    *knote = (struct knote){0};
}

/* A duplicate keeps a closed descriptor's registration alive in epoll, where nothing can take
 * it out: the filter's epoll starts anew. */
static void end_leaked(struct queue *queue, int filter) {
    close(queue->epoll[filter]);
    if (open_filter(queue, filter) != 0) refuse("no descriptor to end a leaked registration");
    for (uintptr_t ident = 0; ident < queue->idents; ident++) {
        struct knote *knote = knote_of(queue, ident, filter);
        if (!knote->attached) continue;
        if (!is_same_file(knote, (int)ident)) *knote = (struct knote){0};
        if (knote->attached && !knote->disabled) control(queue, EPOLL_CTL_ADD, ident, filter);
    }
}

static void make_room(struct queue *queue, uintptr_t ident) {
    if (ident < queue->idents) return;
    uintptr_t idents = ident + 64;
    struct knote *knotes = realloc(queue->knotes, idents * FILTERS * sizeof *knotes);
    if (knotes == NULL) refuse("no memory");
    memset(knotes + queue->idents * FILTERS, 0,
           (idents - queue->idents) * FILTERS * sizeof *knotes);
    queue->knotes = knotes;
    queue->idents = idents;
}

static int poll_now(int fd, int events) {
    struct pollfd polled = {.fd = fd, .events = (short)events};
    return poll(&polled, 1, 0) == 1 ? polled.revents : 0;
}

/* A pipe that nobody reads takes no WRITE knote. */
static bool is_broken_pipe(int fd) {
    return is_pipe(fd) && (poll_now(fd, POLLOUT) & POLLERR);
}

/* Less than PIPE_BUF left. */
static bool is_full_pipe(int fd) {
    int unread = 0;
    return is_pipe(fd) && ioctl(fd, FIONREAD, &unread) == 0 &&
           fcntl(fd, F_GETPIPE_SZ) - unread < 4096;
}

static bool is_device(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISCHR(status.st_mode);
}

static int attach(struct queue *queue, const struct kevent *change, int filter) {
    int fd = (int)change->ident;
    bool is_netbsd = kqueue_double_system == KQUEUE_DOUBLE_NETBSD;
    if (filter == WRITE && is_broken_pipe(fd)) return is_netbsd ? EBADF : EPIPE;
    if (is_netbsd && filter == READ && is_pipe(fd) && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY)
        return EBADF;
    struct knote *knote = knote_of(queue, change->ident, filter);
    *knote = (struct knote){.attached = true};
    knote->flags = change->flags & (EV_CLEAR | EV_ONESHOT | EV_DISPATCH);
    knote->disabled = (change->flags & EV_DISABLE) != 0;
    knote->is_far = change->fflags == NOTE_LOWAT;
    describe(knote, fd);
    int error = knote->disabled ? 0 : control(queue, EPOLL_CTL_ADD, change->ident, filter);
    if (error == EEXIST) { /* the same file again under the same number, after a close */
        control(queue, EPOLL_CTL_DEL, change->ident, filter);
        error = control(queue, EPOLL_CTL_ADD, change->ident, filter);
    }
    if (error == EPERM && is_device(fd)) error = ENODEV; /* of /dev/null, which has no filters */
    if (error == EPERM) refuse("a knote on a file, which backends must refuse by themselves");
    knote->was_ready = poll_now(fd, filter == READ ? POLLIN : POLLOUT) != 0;
    if (error != 0) *knote = (struct knote){0};
    return error;
}

/* As FreeBSD's kqueue_register: an existing knote keeps its flags, and is looked at again. */
static int update(struct queue *queue, const struct kevent *change, int filter) {
    struct knote *knote = knote_of(queue, change->ident, filter);
    if (change->flags & EV_DELETE) {
        detach(queue, change->ident, filter);
        return 0;
    }
    bool disabled = knote->disabled;
    if (change->flags & EV_DISABLE) disabled = true;
    if (change->flags & EV_ENABLE) disabled = false;
    if (!knote->disabled) control(queue, EPOLL_CTL_DEL, change->ident, filter);
    knote->disabled = disabled;
    if (!disabled) control(queue, EPOLL_CTL_ADD, change->ident, filter);
    return 0;
}

/* --- Processes --- */

/* As macOS and OpenBSD: one that has ended, and was not waited for, is refused. */
static int watch_process(struct queue *queue, const struct kevent *change) {
    pid_t pid = (pid_t)change->ident;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) return errno == EINVAL ? ESRCH : errno;
    if (poll_now(pidfd, POLLIN) != 0) {
        close(pidfd);
        return ESRCH;
    }
    if (queue->exits < 0) queue->exits = open_set(queue, PROC);
    struct process *process = calloc(1, sizeof *process);
    if (process == NULL || queue->exits < 0) refuse("no memory");
    *process = (struct process){queue->processes, pid, pidfd, change->udata};
    queue->processes = process;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)pid};
    if (epoll_ctl(queue->exits, EPOLL_CTL_ADD, pidfd, &event) != 0) refuse("no room in an epoll");
    return 0;
}

static struct process **find_process(struct queue *queue, uintptr_t pid) {
    struct process **at = &queue->processes;
    while (*at != NULL && (uintptr_t)(*at)->pid != pid) at = &(*at)->next;
    return at;
}

static void forget_process(struct queue *queue, struct process **at) {
    (void)epoll_ctl(queue->exits, EPOLL_CTL_DEL, (*at)->pidfd, &(struct epoll_event){0});
    forget(at);
}

static int change_process(struct queue *queue, const struct kevent *change) {
    struct process **at = find_process(queue, change->ident);
    if (change->flags == EV_DELETE) {
        if (*at == NULL) return ENOENT;
        forget_process(queue, at);
        return 0;
    }
    if (change->flags != (EV_ADD | EV_ONESHOT) || change->fflags != NOTE_EXIT || change->data != 0)
        refuse("a change of a process that is not simulated");
    if (*at != NULL) refuse("a process that the queue has already, whose udata would be lost");
    return watch_process(queue, change);
}

static int collect_processes(struct queue *queue, struct kevent *events, int room) {
    struct epoll_event ready[64];
    if (room == 0 || queue->exits < 0) return 0;
    int told = epoll_wait(queue->exits, ready, room < 64 ? room : 64, 0);
    for (int i = 0; i < told; i++) {
        struct process **at = find_process(queue, (uintptr_t)ready[i].data.u64);
        if (*at == NULL) refuse("a process that was taken out");
        events[i] = (struct kevent){.ident = (uintptr_t)(*at)->pid,
                                    .filter = EVFILT_PROC,
                                    .flags = EV_EOF | EV_ONESHOT,
                                    .fflags = NOTE_EXIT,
                                    .udata = (*at)->udata};
        forget_process(queue, at);
    }
    return told < 0 ? 0 : told;
}

static int make_change(struct queue *queue, const struct kevent *change) {
    const unsigned known = EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | EV_ONESHOT | EV_CLEAR |
                           EV_RECEIPT | EV_DISPATCH;
    if (change->flags & ~known) refuse("a change with flags that are not for changes");
    if ((change->flags & EV_ADD) && (change->flags & EV_DELETE))
        refuse("both EV_ADD and EV_DELETE");
    if (change->filter == EVFILT_PROC) return change_process(queue, change);
    bool is_far = change->filter == EVFILT_READ && (change->flags & EV_ADD) &&
                  change->fflags == NOTE_LOWAT && change->data == INT_MAX;
    if (!is_far && (change->fflags != 0 || change->data != 0))
        refuse("fflags or data, which are not simulated");
    if (change->filter != EVFILT_READ && change->filter != EVFILT_WRITE) return EINVAL;
    int filter = change->filter == EVFILT_READ ? READ : WRITE;
    if (change->ident > INT32_MAX || fcntl((int)change->ident, F_GETFD) < 0) return EBADF;
    make_room(queue, change->ident);
    struct knote *knote = knote_of(queue, change->ident, filter);
    if (knote->attached && !is_same_file(knote, (int)change->ident)) *knote = (struct knote){0};
    if (knote->attached) return update(queue, change, filter);
    return change->flags & EV_ADD ? attach(queue, change, filter) : ENOENT;
}

/* --- Events --- */

/* Its owner has shut down writing, which is an end to the filter for it. */
static bool is_shut(int fd) {
    int type = 0;
    socklen_t length = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_STREAM)
        return false; /* the question would be an empty record */
    return send(fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EPIPE;
}

static void tell(struct queue *queue, struct kevent *event, uintptr_t ident, int filter,
                 uint32_t mask) {
    struct knote *knote = knote_of(queue, ident, filter);
    unsigned flags = knote->flags;
    unsigned fflags = 0;
    struct stat status;
    bool is_socket = fstat((int)ident, &status) == 0 && S_ISSOCK(status.st_mode);
    bool is_eof = (mask & (EPOLLHUP | EPOLLERR)) || (filter == READ && (mask & EPOLLRDHUP));
    if (!is_eof && filter == WRITE && is_socket) is_eof = is_shut((int)ident);
    if (is_eof) flags |= EV_EOF;
    if (is_socket && (mask & EPOLLERR)) fflags = ECONNRESET;
    int readable;
    if (filter == WRITE)
        readable = 1;
    else if (ioctl((int)ident, FIONREAD, &readable) != 0 || (readable == 0 && !is_eof))
        readable = 1;
    /* The reader's close clears the list that its writer's knote is on. */
    bool is_dropped = kqueue_double_system != KQUEUE_DOUBLE_NETBSD && filter == WRITE && is_eof &&
                      is_pipe((int)ident);
    if (is_dropped) flags |= EV_ONESHOT;
    knote->unread = filter == READ ? readable : 0;
    *event = (struct kevent){.ident = ident,
                             .filter = filter == READ ? EVFILT_READ : EVFILT_WRITE,
                             .flags = (unsigned short)flags,
                             .fflags = fflags,
                             .data = readable,
                             .udata = knote->udata};
    if (flags & EV_ONESHOT) {
        detach(queue, ident, filter);
    } else if (knote->flags & EV_DISPATCH) {
        control(queue, EPOLL_CTL_DEL, ident, filter);
        knote->disabled = true;
    }
}

/* NetBSD wakes the knotes of a pipe before it says that the reader is gone, so a full one is not.
 */
static bool is_kept_quiet(int filter, uintptr_t ident, uint32_t mask) {
    return kqueue_double_system == KQUEUE_DOUBLE_NETBSD && filter == WRITE && (mask & EPOLLERR) &&
           is_full_pipe((int)ident);
}

/* What epoll does not tell and the BSDs do. */
static bool is_told_again(const struct knote *knote, uintptr_t ident, int filter) {
    if (!knote->attached || knote->disabled || !is_same_file(knote, (int)ident)) return false;
    if (knote->flags & EV_ONESHOT) return knote->was_ready;
    int unread = 0;
    return filter == READ && (knote->flags & EV_CLEAR) && is_pipe((int)ident) &&
           ioctl((int)ident, FIONREAD, &unread) == 0 && unread > 0 && unread < knote->unread;
}

static int collect_again(struct queue *queue, struct kevent *events, int room) {
    int count = 0;
    for (uintptr_t ident = 0; ident < queue->idents; ident++)
        for (int filter = READ; filter < FILTERS; filter++)
            if (count < room && is_told_again(knote_of(queue, ident, filter), ident, filter))
                tell(queue, &events[count++], ident, filter, 0);
    return count;
}

static int collect_filter(struct queue *queue, int filter, struct kevent *events, int room) {
    enum { READY_MAX = 4096 };
    struct epoll_event ready[READY_MAX];
    if (room > READY_MAX) room = READY_MAX;
    if (room == 0) return 0;
    int count = 0, leaked = 0;
    int told = epoll_wait(queue->epoll[filter], ready, room, 0);
    for (int i = 0; i < told; i++) {
        uintptr_t ident = (uintptr_t)ready[i].data.u64;
        struct knote *knote = knote_of(queue, ident, filter);
        if (is_kept_quiet(filter, ident, ready[i].events))
            control(queue, EPOLL_CTL_DEL, ident, filter);
        else if (knote->attached && !knote->disabled && is_same_file(knote, (int)ident))
            tell(queue, &events[count++], ident, filter, ready[i].events);
        else
            leaked++;
    }
    if (leaked == 0) return count;
    end_leaked(queue, filter);
    return count > 0 ? count : collect_filter(queue, filter, events, room);
}

static int collect(struct queue *queue, struct kevent *events, int room) {
    int count = collect_filter(queue, queue->first_filter, events, room);
    queue->first_filter = !queue->first_filter;
    count += collect_filter(queue, queue->first_filter, events + count, room - count);
    count += collect_processes(queue, events + count, room - count);
    if (kqueue_double_system == KQUEUE_DOUBLE_PLAIN) return count;
    return count + collect_again(queue, events + count, room - count);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int wait_for_events(struct queue *queue, struct kevent *events, int room,
                           const struct timespec *timeout) {
    int64_t end_ns = timeout == NULL
                         ? INT64_MAX
                         : now_ns() + (int64_t)timeout->tv_sec * 1000000000 + timeout->tv_nsec;
    for (;;) {
        int count = collect(queue, events, room);
        int64_t left_ns = end_ns == INT64_MAX ? INT64_MAX : end_ns - now_ns();
        if (count > 0 || left_ns <= 0) return count;
        struct timespec left = {.tv_sec = (time_t)(left_ns / 1000000000),
                                .tv_nsec = (long)(left_ns % 1000000000)};
        struct pollfd polled = {.fd = queue->kq, .events = POLLIN};
        if (ppoll(&polled, 1, left_ns == INT64_MAX ? NULL : &left, NULL) < 0) return -1;
    }
}

/* FreeBSD writes the errors over the event list while it reads the change list, which may be the
 * same array: it has read a change before it writes its error. */
static int make_changes(struct queue *queue, const struct kevent *changes, int changes_count,
                        struct kevent *events, int events_count) {
    int errors = 0;
    for (int i = 0; i < changes_count; i++) {
        struct kevent change = changes[i];
        int error = make_change(queue, &change);
        bool is_process = change.filter == EVFILT_PROC;
        if (error == 0 && !is_process &&
            knote_of(queue, change.ident, change.filter == EVFILT_WRITE)->attached)
            knote_of(queue, change.ident, change.filter == EVFILT_WRITE)->udata = change.udata;
        if (error == 0 && !(change.flags & EV_RECEIPT)) continue;
        if (errors == events_count) {
            if (error == 0) break; /* a receipt without room: the rest is not processed */
            errno = error;
            return -1;
        }
        change.flags = EV_ERROR; /* what was asked is lost */
        change.data = error;
        events[errors++] = change;
    }
    return errors;
}

int kevent(int kq, const struct kevent *changes, int changes_count, struct kevent *events,
           int events_count, const struct timespec *timeout) {
    struct queue *queue = find(kq, false);
    if (queue == NULL) {
        errno = EBADF;
        return -1;
    }
    if (changes_count < 0 || events_count < 0) refuse("a negative count");
    if ((changes == NULL && changes_count > 0) || (events == NULL && events_count > 0))
        refuse("a count without an array");
    /* OpenBSD and macOS refuse more than 100,000,000 seconds. */
    if (timeout != NULL && (timeout->tv_sec < 0 || timeout->tv_sec > 100000000 ||
                            timeout->tv_nsec < 0 || timeout->tv_nsec >= 1000000000)) {
        errno = EINVAL;
        return -1;
    }
    int errors = make_changes(queue, changes, changes_count, events, events_count);
    if (errors != 0 || events_count == 0) return errors;
    return wait_for_events(queue, events, events_count, timeout);
}
