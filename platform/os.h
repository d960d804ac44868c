/* os.h: everything else that the library asks of the system; backend.h has the waiting.
 *
 * This is a link seam: the tests link other implementations of the same functions, with faults or a
 * simulated system behind them, and the library does not notice. All functions return 0, a count or
 * a descriptor, or a negative errno; all descriptors they make are non-blocking and close-on-exec,
 * from one atomic call where the system has one. They may be called by any thread.
 * EINTR is tried again inside, except where a comment says otherwise. */
#ifndef EDDY_PLATFORM_OS_H
#define EDDY_PLATFORM_OS_H

#include <eddy/child.h>
#include <eddy/file.h>
#include <eddy/local.h>
#include <eddy/terminal.h>

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <termios.h>
#include <time.h>

/* Else files past 2 GiB would be written at the wrong place. */
_Static_assert(sizeof(off_t) == 8, "compile the library with -D_FILE_OFFSET_BITS=64");
#ifdef __GLIBC__ /* has both sizes from 2.34 on; else times after 2038 would be cut */
#if __GLIBC_PREREQ(2, 34)
_Static_assert(sizeof(time_t) == 8, "compile the library with -D_TIME_BITS=64");
#endif
#endif

/* --- Rings of requests: ring.c, of Linux's io_uring --- */

/* Two queues in memory that the kernel shares: what it is asked for, and what came of it. ring.h
 * has what platform/ does with it. The kernel makes that memory, no allocator of a loop. */
struct eddy_os_ring {
    int fd;             /* readable while there are completions; -1: not open */
    unsigned flags;     /* IORING_SETUP_… that it was made with */
    unsigned entries;   /* submissions that it holds at once */
    unsigned capacity;  /* completions */
    unsigned tail;      /* submissions handed out so far */
    void *requests;     /* struct io_uring_sqe[entries] */
    void *completions;  /* struct io_uring_cqe[capacity] */
    void *memory;       /* what the counters below are in */
    size_t memory_size; /* bytes */
    _Atomic(unsigned) *request_head, *request_tail, *request_flags;
    _Atomic(unsigned) *completion_head, *completion_tail;
};

/* --- Clock and memory --- */

int64_t eddy_os_clock_ns(void); /* monotonic */
void *eddy_os_resize(void *context, void *memory, size_t old_bytes, size_t new_bytes);

/* To standard error, as much as it takes; also in signal handlers. */
void eddy_os_print(const char *text, size_t size);

/* --- Descriptors --- */

int eddy_os_pipe(int ends[2]); /* [0] reads, [1] writes */
int eddy_os_eventfd(void);     /* adds up the 8-byte numbers written; -ENOSYS where there is none */
ssize_t eddy_os_read(int fd, void *data, size_t size);
ssize_t eddy_os_write(int fd, const void *data, size_t size); /* safe in signal handlers */
int eddy_os_close(int fd);                                    /* never again on EINTR */
int eddy_os_replace(int fd, int by); /* `fd` is then what `by` was; `by` is closed */
bool eddy_os_is_open(int fd);
int eddy_os_prepare_descriptor(int fd); /* makes a foreign one non-blocking, close-on-exec */
int eddy_os_access_mode(int fd);        /* O_RDONLY, O_WRONLY or O_RDWR */
bool eddy_os_is_pty_master(int fd);     /* of a system whose master reads -EIO without a slave */

/* What the library has for itself is none of the first three numbers, also in a program that was
 * started without them: what it prints would go into the loop's pipe. `fd` again, or another number
 * in its place; of a negative one that. -EMFILE: `fd` is closed. */
int eddy_os_lift(int fd);
int eddy_os_duplicate(int fd); /* close-on-exec, and none of the first three numbers */
/* The file of `fd` opened once more with the same access, non-blocking, so that the description is
 * nobody else's. Errors: what cannot be opened again (a socket, a pty's master, what this process
 * may not open, a system without the means), or is another file then, or would not tell its end. */
int eddy_os_reopen(int fd);

/* To what is no socket, without a SIGPIPE: write.c. At most EDDY_OS_TRANSFER_MAX bytes in 1,024
 * pieces. `*refused` is false before the first write, and then says that the descriptor takes no
 * flag for it, which costs two more system calls each time. */
ssize_t eddy_os_write_vectors(int fd, const struct iovec *vectors, int count, bool *refused);

/* --- Sockets --- */

int eddy_os_socket(int family, int type, int protocol); /* does not raise SIGPIPE */
int eddy_os_prepare_socket(int fd);                     /* the same for a foreign one */
int eddy_os_bind(int fd, const struct sockaddr *address, socklen_t length);
int eddy_os_listen(int fd, int backlog);
int eddy_os_is_listening(int fd); /* 1 or 0 */
/* -ECONNABORTED: also a connection that could not be given its options. */
int eddy_os_accept(int fd, struct sockaddr *address, socklen_t *length);
int eddy_os_open_reserve(void); /* a descriptor that is good for nothing but closing */
int eddy_os_connect(int fd, const struct sockaddr *address, socklen_t length); /* -EINPROGRESS */
int eddy_os_shutdown_write(int fd);
int eddy_os_set_option(int fd, int level, int name, int value);
int eddy_os_set_reset_on_close(int fd); /* SO_LINGER 0 */
int eddy_os_set_keepalive(int fd, unsigned idle_s, unsigned interval_s,
                          unsigned count); /* 0: off */
int eddy_os_reuse_port(int fd); /* -ENOTSUP where several sockets cannot share the load */
int eddy_os_socket_error(int fd, int *error); /* takes SO_ERROR, negative, out of the socket */
int eddy_os_socket_type(int fd);              /* SOCK_STREAM and its like */
int eddy_os_local_address(int fd, struct sockaddr *address, socklen_t *length);
int eddy_os_peer_address(int fd, struct sockaddr *address, socklen_t *length);
/* These two are -EAGAIN on EINTR, which a call that does not wait has no cause for. Some systems
 * refuse more than INT_MAX bytes: to receive, EDDY_OS_TRANSFER_MAX is the most; of what is to be
 * sent, one call takes no more. -EINVAL: a negative count, or more bytes than fit ssize_t. */
enum { EDDY_OS_TRANSFER_MAX = 1 << 30 };
ssize_t eddy_os_receive(int fd, void *data, size_t size);
ssize_t eddy_os_receive_record(int fd, void *data, size_t size); /* -EMSGSIZE: its end is lost */
int eddy_os_unread(int fd); /* bytes that could be received now */
ssize_t eddy_os_send(int fd, const struct iovec *vectors, int count); /* no SIGPIPE; count any */

/* The same of a socket that others share, which may block: the call does not. */
ssize_t eddy_os_receive_shared(int fd, void *data, size_t size);
/* Whether that may wait all the same, as on macOS, which heeds the flag for receiving only. */
#ifdef __APPLE__
enum { EDDY_OS_SENDS_WAIT = 1 };
#else
enum { EDDY_OS_SENDS_WAIT = 0 };
#endif
ssize_t eddy_os_send_shared(int fd, const struct iovec *vectors, int count); /* 1,024 at most */

unsigned eddy_os_interface_index(const char *name); /* of an IPv6 scope; 0: there is none */

/* --- Local sockets: local_socket.c --- */

/* The file of a bound socket: which it is, and its permissions. */
struct eddy_os_name {
    uint64_t device, inode;
    unsigned mode;
};

int eddy_os_socket_pair(int type, int ends[2]);
/* -ENOTSUP: the system does not tell; -ENOTCONN: also of a socket that is not local. */
int eddy_os_peer_credentials(int fd, eddy_credentials *peer);
/* Binds to an address whose name is `path`. Nobody can connect before it listens, so it gets its
 * permissions in time: `mode`, or with -1 what the umask leaves. An error leaves no name. */
int eddy_os_bind_name(int fd, const struct sockaddr *address, socklen_t length, const char *path,
                      int mode, struct eddy_os_name *name);
int eddy_os_name_find(const char *path, struct eddy_os_name *name); /* -EEXIST: it is no socket's */
/* -EEXIST: it is another's by now. */
int eddy_os_name_remove(const char *path, const struct eddy_os_name *name);

/* --- Passing descriptors over local sockets: pass_descriptors.c --- */

enum {
    EDDY_OS_PASSED_MAX = 253, /* of one message on Linux */
    /* Of what is received: the BSDs and macOS pass what a cluster of 2 KiB holds. */
    EDDY_OS_PASSED_ROOM = 512,
};

struct eddy_os_passed {
    int fds[EDDY_OS_PASSED_ROOM];
    unsigned count;
    bool is_cut; /* more came, and are lost */
};

/* The descriptors go with the first byte; 0 bytes are not to be sent. -EAGAIN on EINTR. */
ssize_t eddy_os_send_descriptors(int fd, const void *data, size_t size, const int *fds,
                                 unsigned count);
/* As eddy_os_receive or, with `is_record`, eddy_os_receive_record, with the descriptors that come
 * along; after an error there are none. */
ssize_t eddy_os_receive_descriptors(int fd, void *data, size_t size, bool is_record,
                                    struct eddy_os_passed *passed);

/* --- Children: spawn.c, spawn_child.c, spawn_fds.c --- */

/* The child's descriptor `number` is our `fd`; numbers are different, none is negative. */
struct eddy_os_child_fd {
    int number, fd;
};

/* Starts it. Everything of `options` but `fds`, which the map stands for (0, 1, 2 not in the map:
 * inherited). *pid is the child's; *pidfd a descriptor of it, or -1 where the system has none or
 * refuses. Returns 0, or why exec, or a step before it, failed; then no child is left, not even a
 * zombie. */
int eddy_os_spawn(const eddy_child_options *options, const struct eddy_os_child_fd *map,
                  unsigned count, pid_t *pid, int *pidfd);

/* --- Signals --- */

/* Their numbers are less. FreeBSD's NSIG knows nothing of those with a queue. */
#if defined(_SIG_MAXSIG)
enum { EDDY_OS_SIGNALS = _SIG_MAXSIG + 1 };
#elif defined(NSIG)
enum { EDDY_OS_SIGNALS = NSIG };
#else
enum { EDDY_OS_SIGNALS = 129 };
#endif
int eddy_os_signal_install(int number, void (*handler)(int), struct sigaction *before);
int eddy_os_signal_restore(int number, const struct sigaction *before);
bool eddy_os_signal_is_handled_by(int number, void (*handler)(int)); /* now */
void eddy_os_signal_block_all(sigset_t *before);
void eddy_os_signal_unblock(const sigset_t *before);

/* --- Terminals: termios.c. All but the name, the pair and the exit also in signal handlers --- */

/* Which terminal: one number for all descriptors of it, /dev/tty and a pair's manager included
 * where the system says so. */
int eddy_os_terminal_device(int fd, uint64_t *device);
bool eddy_os_terminal_is_manager(int fd);
int eddy_os_terminal_keep(int fd); /* a duplicate; none of the first three numbers */
int eddy_os_terminal_get(int fd, struct termios *modes);
/* At once. From the background the process is stopped, unless SIGTTOU is blocked or ignored. */
int eddy_os_terminal_set(int fd, const struct termios *modes);
/* Stopped until the process is in the foreground of its controlling terminal; -EAGAIN: it is not,
 * and SIGTTOU would not stop it. */
int eddy_os_terminal_await(int fd);
int eddy_os_terminal_get_size(int fd, eddy_terminal_size *size);
int eddy_os_terminal_set_size(int fd, const eddy_terminal_size *size);
int eddy_os_terminal_name(int fd, char *name, size_t size);
int eddy_os_terminal_pair(int *manager, int *terminal); /* the terminal's end blocks */
int eddy_os_at_exit(void (*fn)(void));
/* Installs the handler, which blocks no other signal, where the disposition is the default. */
int eddy_os_signal_take(int number, void (*handler)(int));
void eddy_os_signal_give_back(int number, void (*handler)(int)); /* if it is still there */
/* From `handler`: the default, and to this thread, at once. Returns when a stopped process goes on.
 * Then the handler is there again. */
void eddy_os_signal_pass_on(int number, void (*handler)(int));

/* --- Threads --- */

typedef pthread_t eddy_os_thread;
typedef pthread_mutex_t eddy_os_mutex;
#define EDDY_OS_MUTEX_INITIALIZER PTHREAD_MUTEX_INITIALIZER
typedef pthread_cond_t eddy_os_condition; /* waits on the clock of eddy_os_clock_ns */

/* `stack_bytes` is what `run` may use; 0: what the system gives the first thread. */
int eddy_os_thread_start(eddy_os_thread *thread, void *(*run)(void *), void *argument,
                         size_t stack_bytes); /* with all signals blocked */
void eddy_os_thread_join(eddy_os_thread thread);
/* Lets others go on, while this thread waits for a step that another one is just about to make: a
 * few times it yields, then it sleeps, each time longer, up to a millisecond. Yields alone would
 * keep a thread of lower priority from making the step. `*rounds` is 0 before the first one. Also
 * in signal handlers; leaves errno alone. */
void eddy_os_back_off(unsigned *rounds);
int eddy_os_process_id(void);                                 /* also in signal handlers */
eddy_os_thread eddy_os_thread_self(void);                     /* also in signal handlers */
int eddy_os_thread_signal(eddy_os_thread thread, int number); /* which has not ended */
/* Of the calling thread: return addresses, the innermost first; their number. -ENOTSUP: the system
 * has none. Also in signal handlers, after a first call that was not in one. */
int eddy_os_backtrace(void **frames, int room);
/* `lends_priority`: whoever holds it runs with the highest priority of those that wait for it;
 * -ENOTSUP where the system has no such locks. */
int eddy_os_mutex_open(eddy_os_mutex *mutex, bool lends_priority);
void eddy_os_mutex_close(eddy_os_mutex *mutex);
void eddy_os_lock(eddy_os_mutex *mutex);
void eddy_os_unlock(eddy_os_mutex *mutex);
int eddy_os_condition_open(eddy_os_condition *condition);
void eddy_os_condition_close(eddy_os_condition *condition);
/* Until signalled, or until `until_ns` (-1: without end). False after the time. May wake for
 * nothing. */
bool eddy_os_condition_wait(eddy_os_condition *condition, eddy_os_mutex *mutex, int64_t until_ns);
void eddy_os_condition_signal(eddy_os_condition *condition);
void eddy_os_condition_broadcast(eddy_os_condition *condition);

/* --- Children: children.c, exits.c --- */

/* A `pidfd` is a descriptor of a process (Linux), or -1. */
int eddy_os_pidfd(pid_t pid);      /* -ENOSYS: there are none; -ESRCH */
int eddy_os_child_find(pid_t pid); /* 1: our child; 0: somebody's; -ESRCH */
/* 1: it has ended, as `exit` says; 0: it runs; -ECHILD: it is no child that can be waited for.
 * `leave`: its status stays for others; then not every system tells its usage. */
int eddy_os_child_wait(pid_t pid, int pidfd, bool leave, eddy_exit *exit);
/* -ESRCH: also of what has no descriptor, and may not be waited for, so that its number is unsure.
 */
int eddy_os_child_kill(pid_t pid, int pidfd, int signal);
int eddy_os_child_kill_group(pid_t leader, int signal); /* -ESRCH: also when that was waited for */

/* What children inherit: all of it blocks. */
int eddy_os_child_null(void);        /* /dev/null */
int eddy_os_child_pipe(int ends[2]); /* [0] reads, [1] writes */
int eddy_os_child_socket_pair(int ends[2]);

/* A descriptor that reads as ready while there is one of its processes that has ended and was not
 * told of. -ENOSYS: SIGCHLD has to do. */
enum { EDDY_OS_EXITS_MAX = 64 }; /* that one call tells */
int eddy_os_exits_open(void);
void eddy_os_exits_close(int exits, bool is_parents); /* parent's: this is a forked process */
/* -ESRCH: it has ended, and will not be told of; -ENOSYS: it cannot be watched. A number may be
 * there once only. */
int eddy_os_exits_add(int exits, pid_t pid, int pidfd, void *token);
void eddy_os_exits_remove(int exits, pid_t pid, int pidfd); /* of one that was not told of */
int eddy_os_exits_next(int exits, void **tokens, int room); /* their number; each is told once */

/* --- Files: file_calls.c, file_open.c, file_send.c, scan.c --- */

enum {
    /* Beside EDDY_BENEATH: only if it cannot block; else -EAGAIN, as where this is unknown. */
    EDDY_OS_NOWAIT = 1 << 16,
};

/* A name of a scan, ended. Records follow each other from the start of the buffer, each `bytes`
 * long, a multiple of 8. The buffer need not be aligned: read them with memcpy. */
struct eddy_os_entry {
    uint64_t inode;
    uint16_t bytes;
    uint8_t kind;
    char name[];
};

int eddy_os_file_open(int dir, const char *path, int flags, unsigned mode, unsigned how);
/* What EDDY_BENEATH does where the kernel cannot: goes from name to name and follows no link
 * (-ELOOP); -EXDEV if a ".." would leave `dir`. */
int eddy_os_file_open_walk(int dir, const char *path, int flags, unsigned mode);
ssize_t eddy_os_file_read(int fd, const struct iovec *vectors, int count, int64_t offset,
                          unsigned how); /* one call; offset -1: the position; count 1 to IOV_MAX */
ssize_t eddy_os_file_write(int fd, const struct iovec *vectors, int count, int64_t offset);
/* Into a socket that does not block. 0: the end of the file; -EAGAIN: the socket takes none. With
 * EDDY_OS_NOWAIT -EAGAIN is either. No SIGPIPE. */
ssize_t eddy_os_file_send(int socket, int fd, int64_t offset, size_t size, unsigned how);
int eddy_os_file_fstat(int fd, eddy_stat *stat, unsigned how);
int eddy_os_file_stat(int dir, const char *path, bool follow, eddy_stat *stat);
int eddy_os_file_sync(int fd, bool data_only);
int eddy_os_file_truncate(int fd, int64_t size);
int eddy_os_file_unlink(int dir, const char *path, bool is_directory);
int eddy_os_file_rename(int from_dir, const char *from, int to_dir, const char *to);
int eddy_os_file_mkdir(int dir, const char *path, unsigned mode);
ssize_t eddy_os_file_scan(int fd, void *buffer, size_t size); /* bytes of records; 0: the end */

/* --- Files through a ring: file_ring.c --- */

/* A request that the kernel does by itself: what it points at must stay until it has been
 * submitted, and the bytes that are read or written until it is told. */
struct eddy_os_file_job {
    enum eddy_os_file_operation {
        EDDY_OS_FILE_READ,
        EDDY_OS_FILE_WRITE,
        EDDY_OS_FILE_SYNC,
        EDDY_OS_FILE_DATASYNC,
    } operation;
    int fd;
    int count; /* 1 to EDDY_OS_FILE_VECTORS_MAX */
    const struct iovec *vectors;
    int64_t offset; /* not negative */
    void *token;    /* not NULL */
};

struct eddy_os_file_result {
    void *token;
    int64_t result; /* as that of the call which it stands for, once, even if that was cut short */
};

/* `entries` is how many can be put before a submit, `under_way` how many may be there at once; the
 * latter is not looked at. ring->fd is readable while there are results. -ENOSYS: there is no ring,
 * or not one that is good enough; -EPERM: it is refused. */
enum { EDDY_OS_FILE_VECTORS_MAX = 1024 };
int eddy_os_file_ring_open(struct eddy_os_ring *ring, unsigned entries, unsigned under_way);
/* In a forked child this lets go of the parent's ring. Else nothing may be under way. */
void eddy_os_file_ring_close(struct eddy_os_ring *ring);
/* Whether the kernel does that transfer by itself as the call would, with nobody waiting while it
 * copies: of files and block devices; reads that are large, and writes, past the cache only; no
 * writes if there is a limit to the size of files, since its signal would come to who submits. */
bool eddy_os_file_ring_takes(int fd, bool writes, int64_t size);
bool eddy_os_file_ring_put(struct eddy_os_ring *ring,
                           const struct eddy_os_file_job *job); /* room */
/* How many of those that were put since the last time are not to be had by the kernel now: the last
 * ones, and they are forgotten. */
unsigned eddy_os_file_ring_submit(struct eddy_os_ring *ring);
/* Their number; each is told once. Without a system call. */
int eddy_os_file_ring_next(struct eddy_os_ring *ring, struct eddy_os_file_result *results,
                           int room);
/* Of one that is under way, once. 0: it had not begun, and its result will come, whatever it says;
 * -EALREADY: its result is there; -EBUSY: the kernel has begun with it. */
int eddy_os_file_ring_cancel(struct eddy_os_ring *ring, void *token);

#endif
