/* child.h: children: programs that are started, told when they end, and sent signals. Loop thread
 * only. Chapter 17 goes through it.
 *
 * The life of a child's handle: init; spawn, or watch; the exit callback, once; then it may be used
 * again. It is yours when the exit callback begins or when eddy_child_stop returns, whichever comes
 * first. A handle that is watched keeps the loop alive until then (eddy_unref changes that).
 *
 * Nothing here waits for a child that it does not know: other code of the program may have children
 * of its own, and wait for them. If it waits for ours, or the program ignores SIGCHLD (inherited
 * from a parent that does), so that the kernel keeps no status, the exit is told all the same, with
 * `error` -ECHILD. So it is in a forked process: after eddy_loop_after_fork each child of the
 * parent is told as lost.
 *
 * Descriptors: one for the loop from its first child on, one for each child, and during the call
 * both ends of what the child is given and two more.
 *
 * Where there are no descriptors of processes (before Linux 5.3, or in a sandbox) the loop handles
 * SIGCHLD while it has children, so that a handler of the program's is not called meanwhile, and
 * each exit costs a look at all of them. If the program puts its own handler over that one, exits
 * are told within a second.
 * @since 0.1 */
#ifndef EDDY_CHILD_H
#define EDDY_CHILD_H

#include <eddy/stream.h>

#include <sys/resource.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eddy_child eddy_child;

/* What a child has used, and the children that it has waited for: getrusage(2), in the same layout
 * whatever the size of the program's time_t. 0: none, or the system does not count it. */
typedef struct eddy_usage {
    int64_t user_ns, system_ns;
    int64_t resident_max_bytes; /* the most memory that it had at once */
    int64_t minor_faults, major_faults;
    int64_t blocks_in, blocks_out;
    int64_t voluntary_switches, involuntary_switches;
} eddy_usage;

/* How a child ended. */
typedef struct eddy_exit {
    int error;            /* 0; -ECHILD: nobody can say how: the rest is 0 */
    int status;           /* what it gave exit(), 0 to 255; 0 if a signal ended it */
    int signal;           /* the signal that ended it, or 0 */
    bool has_dumped_core; /* beside a signal */
    eddy_usage usage;
} eddy_exit;

/* `exit` is there during the call. Its streams are independent of it: bytes that it has written may
 * come later, and the end of its output only when all who have inherited it are gone. */
typedef void eddy_exit_fn(eddy_child *child, const eddy_exit *exit);

/* All fields are private, but for `handle`, to be given to eddy_unref and its like. */
struct eddy_child {
    eddy_handle handle;
    eddy_exit_fn *fn;
    struct child_record *record; /* of the loop: outlives the handle until the child has ended */
    pid_t pid;
};

/* --- What a new child gets --- */

/* Where a descriptor of the child comes from. */
typedef enum eddy_child_source {
    EDDY_CHILD_NULL,   /* /dev/null, for reading and writing */
    EDDY_CHILD_FD,     /* `fd`, one of ours, which stays ours; also one that is close-on-exec */
    EDDY_CHILD_READS,  /* a pipe that the child reads and `stream` writes */
    EDDY_CHILD_WRITES, /* a pipe that the child writes and `stream` reads */
    EDDY_CHILD_SAME,   /* as the child's descriptor `fd`, of another entry or one of 0 to 2 that is
                        * inherited: {2, EDDY_CHILD_SAME, 1} is 2>&1 */
    EDDY_CHILD_SOCKET, /* a pair of local sockets: both read and write. A program that opens
                        * /dev/stdout cannot open a socket; pipes are what programs expect */
} eddy_child_source;

typedef struct eddy_child_fd {
    int number; /* in the child */
    eddy_child_source source;
    int fd;
    eddy_stream *stream; /* of this loop, unconnected; connected when spawn returns 0, and else as
                          * it was. Only our end does not block */
} eddy_child_fd;

/* setrlimit(2)'s, in the same layout whatever the size of the program's rlim_t; RLIM_INFINITY of a
 * small one is not EDDY_CHILD_UNLIMITED. */
#define EDDY_CHILD_UNLIMITED UINT64_MAX

typedef struct eddy_child_limit {
    int resource; /* RLIMIT_… */
    uint64_t soft, hard;
} eddy_child_limit;

enum {
    EDDY_CHILD_SESSION = 1 << 0,      /* leads a session, and a process group, of its own */
    EDDY_CHILD_GROUP = 1 << 1,        /* joins `process_group`; 0: leads one of its own */
    EDDY_CHILD_TERMINAL = 1 << 2,     /* descriptor 0 becomes its controlling terminal; implies
                                       * EDDY_CHILD_SESSION */
    EDDY_CHILD_SET_USER = 1 << 3,     /* becomes `user`, real, effective and saved */
    EDDY_CHILD_SET_GROUP = 1 << 4,    /* and `group`, likewise, */
    EDDY_CHILD_SET_GROUPS = 1 << 5,   /* with the supplementary ones of `groups` */
    EDDY_CHILD_SET_UMASK = 1 << 6,    /* starts with `umask` */
    EDDY_CHILD_SET_NICE = 1 << 7,     /* and `nice`, absolute, -20 to 19 */
    EDDY_CHILD_KEEP_SIGNALS = 1 << 8, /* has the mask of this thread and ignores what this process
                                       * ignores; without it nothing is blocked or ignored */
    EDDY_CHILD_KEEP_FDS = 1 << 9,     /* inherits, beside those named, every descriptor that is not
                                       * close-on-exec; without it only 0, 1 and 2 */
    EDDY_CHILD_END_GROUP = 1 << 10,   /* what is left of the process group that it leads is killed
                                       * when it has ended, before its number is free */
};

/* Begin with {0}: what is 0 is as the comments say. All of it is used during the call only. */
typedef struct eddy_child_options {
    const char *file;       /* with a slash a path, else looked for in the directories of the
                             * PATH in `environment`, or of "/bin:/usr/bin" if it has none; an
                             * empty one of these is `directory`, where relative paths start.
                             * What is not there, or may not be run, is looked for in the next.
                             * NULL: arguments[0] */
    char *const *arguments; /* ended by NULL; the first, which must be there, is the program's name
                             * for itself */
    char *const *environment; /* ended by NULL, passed on as it is; NULL: this process's */
    const char *directory;    /* NULL: this process's */
    const eddy_child_fd *fds; /* 0, 1 and 2 are inherited if they are not among them */
    unsigned fd_count;
    unsigned flags;
    pid_t process_group;
    uid_t user;
    gid_t group;
    const gid_t *groups;
    unsigned group_count;
    mode_t umask;
    int nice;
    const eddy_child_limit *limits;
    unsigned limit_count;
} eddy_child_options;

/* --- Starting, watching --- */

/* Makes `child` a handle of `loop` that has no child. Cannot fail. */
EDDY_API void eddy_child_init(eddy_child *child, eddy_loop *loop);

/* Starts a program, and calls `fn` (not NULL) when it has ended, in phase 6. Returns when the
 * program runs, or has failed to: the thread waits for the kernel to load it, a millisecond or so,
 * and however big this process is, none of its memory is copied where the system has vfork, unless
 * the child becomes another user: its memory is then its own, and if another thread forks at that
 * moment a process that does not exec, the wait is for that one's end as well. So it is on macOS.
 * A program or directory of a network's file system may keep the thread waiting. A limit that is
 * too low for the program (RLIMIT_AS, RLIMIT_STACK) ends it by a signal, and is no error here.
 * There is no shell in between, also not for a file that has no format (-ENOEXEC).
 *
 * The child has every signal's disposition at its default and an empty mask
 * (EDDY_CHILD_KEEP_SIGNALS says otherwise). No handler of this process runs in it. What needs a
 * right is done in an order in which rights are there: limits and nice, groups, group, user, then
 * the directory. Descriptors come before the limits.
 *
 * Errors, after which `fn` never runs, there is no child, nothing is left open, and each stream is
 * as it was: what stands in the way of exec(2) in the child: -ENOENT (also a missing interpreter of
 * a script), -EACCES, -ENOEXEC, -ENOTDIR, -E2BIG, -ELOOP, -ENAMETOOLONG; of what is asked for:
 * -EPERM (also the process group, if it is not of the session), -EACCES (nice), -EINVAL (a limit),
 * -ENOENT (the directory), -EBADF (`fd`, or a number at or above the limit), -ENOTTY; of this
 * process: -EAGAIN (too many processes), -EMFILE, -ENFILE, -ENOMEM; of the call: -EALREADY (it has
 * a child), -EINVAL (no arguments; unknown flags; a number twice or negative; a stream that is
 * twice there, or of another loop; the same as a number that is not there; the end of a group that
 * it does not lead; nice), -EISCONN (a stream that is connected), or as
 * eddy_io_start. */
EDDY_API int eddy_child_spawn(eddy_child *child, const eddy_child_options *options,
                              eddy_exit_fn *fn);

/* Options of eddy_child_watch. */
enum {
    EDDY_CHILD_LEAVE = 1 << 0, /* the status stays for who else waits: a zombie until then */
};

/* Watches the process `pid`, which somebody else has started: a child of this process, or, where
 * the system can (Linux 5.3, the BSDs, macOS), any other one, of which nothing is known but that it
 * has ended (-ECHILD). Its status is taken when it is told, and not when it was let go before. A
 * number may be reused once a process has been waited for: it is the caller's to know that `pid` is
 * the one it means. A child that eddy_child_stop has let go may be watched again.
 * Errors: -ESRCH (there is none), -ECHILD (not a child, and the system can watch no other), -EBUSY
 * (another handle of this loop has it), -EALREADY, -EINVAL, -EMFILE, -ENFILE, -ENOMEM, or as
 * eddy_io_start. O(children of the loop). */
EDDY_API int eddy_child_watch(eddy_child *child, pid_t pid, unsigned options, eddy_exit_fn *fn);

/* Its number; 0 if it has no child. It is not reused before the exit callback, unless somebody else
 * waits for it, or SIGCHLD is ignored. */
EDDY_API pid_t eddy_child_pid(const eddy_child *child);

/* Sends it a signal, never another process: its descriptor is used where there is one. 0 only asks.
 * Until the loop has heard of its end a signal to a child that has ended goes nowhere, without an
 * error. Errors: -ESRCH (it has no child, or that has ended; or it is none of ours, and without a
 * descriptor its number is unsure), -EPERM, -EINVAL. */
EDDY_API int eddy_child_kill(eddy_child *child, int signal);

/* The same to all of the process group that it leads (EDDY_CHILD_GROUP with 0, EDDY_CHILD_SESSION).
 * Also when the leader has ended before the others, until its exit callback, in which its number is
 * free already: what it has left behind EDDY_CHILD_END_GROUP kills.
 * Errors also: -EINVAL (it was not started as the leader of one). */
EDDY_API int eddy_child_kill_group(eddy_child *child, int signal);

/* Lets go of it: it goes on, `fn` is not called, and `child` is yours. Nothing happens if it has no
 * child. When a child that was started here ends it is waited for all the same, so that no zombie
 * stays, as long as the loop is open; that does not keep the loop alive. What still runs when the
 * loop is closed is from then on the program's to wait for. */
EDDY_API void eddy_child_stop(eddy_child *child);

#ifdef __cplusplus
}
#endif
#endif
