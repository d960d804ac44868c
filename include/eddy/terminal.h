/* terminal.h: terminals: modes and their restoring, the size of the window, pairs (ptys).
 * Chapter 18 goes through it. All functions take a descriptor of the terminal, whoever opened it;
 * a stream over it is made by eddy_stream_attach. Any thread, but for eddy_resize, which is the
 * loop thread's. None of them waits, also not for output that nobody takes.
 *
 * A mode is the terminal's, not the descriptor's: every process that has it open sees the change,
 * and it stays when the program ends. So the first change of a terminal remembers what it was, for
 * the whole process, and restoring puts that back, however many descriptors, threads and changes
 * there were in between. What is remembered, with a duplicate of the descriptor (close-on-exec),
 * and the handlers that are asked for below are the process's, as signals are: docs/03-handles.md
 * has all that is global in the library.
 * A forked child has no part in it: neither its end nor its signals restore anything.
 *
 * With kqueue on macOS a loop cannot watch /dev/tty, which is -EINVAL there; the terminal by its
 * name (eddy_terminal_name), or descriptor 0, it can.
 * @since 0.1 */
#ifndef EDDY_TERMINAL_H
#define EDDY_TERMINAL_H

#include <eddy/signal.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whether it is a terminal: either end of a pair is one. */
EDDY_API bool eddy_is_terminal(int fd);

/* Its name, as "/dev/pts/3", ended, into `size` bytes; of a manager that of its terminal. Errors:
 * -ENOTTY, -EBADF, -ERANGE (it is longer), -ENODEV (it has none in this mount namespace). */
EDDY_API int eddy_terminal_name(int fd, char *name, size_t size);

/* --- Modes --- */

typedef enum eddy_terminal_mode {
    EDDY_TERMINAL_ORIGINAL,  /* as it was before the first change */
    EDDY_TERMINAL_CBREAK,    /* each key at once and not echoed; Ctrl-C and its like are signals */
    EDDY_TERMINAL_RAW_INPUT, /* the same, and every key is a byte for the program, Ctrl-C too; what
                              * is written is still processed: "\n" begins a line */
    EDDY_TERMINAL_RAW,       /* every byte as it is, in both directions */
} eddy_terminal_mode;

/* When the terminal is restored by itself. */
enum {
    EDDY_RESTORE_AT_EXIT = 1 << 0,    /* by exit() or a return from main, but not by _exit() */
    EDDY_RESTORE_ON_SIGNALS = 1 << 1, /* before SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGABRT, SIGBUS,
                                       * SIGFPE, SIGSEGV, SIGPIPE or SIGTERM end the program */
    EDDY_RESTORE_ON_STOP = 1 << 2,    /* before SIGTSTP stops it; the mode comes back when it goes
                                       * on in the foreground, and until then it is stopped again */
    EDDY_RESTORE_ALWAYS = 7,
};

/* Changes the mode at once (TCSANOW), also from the background. `options` add to those that the
 * terminal has already, until it is restored. On a manager nothing is remembered, and they must be
 * 0: what it leads to is nobody's outside of the pair.
 *
 * For signals a handler is installed where the disposition is the default now; one that is handled
 * or ignored is left to who does that, which may call eddy_terminal_restore_all. The handler
 * restores, puts the default back and raises the signal again, so that the program ends or stops by
 * it, as its parent sees. An eddy_signal watcher or a handler that comes later goes before it; it
 * is in force again when the last such watcher stops. A handler goes when the last terminal that
 * asked for it is restored.
 *
 * Errors, after which all is as it was: -ENOTTY, -EBADF, -EIO (it was hung up), -EMFILE, -ENOMEM,
 * -EINVAL (the mode; options). */
EDDY_API int eddy_terminal_set_mode(int fd, eddy_terminal_mode mode, unsigned options);

/* Puts back what the terminal was before its first change, at once, also from the background, where
 * the process is not stopped for it. Nothing happens if it was not changed. The descriptor may have
 * been closed since: it then means the terminal whose mode was last set by that number. Errors,
 * after which it is forgotten all the same: -EIO (it was hung up). */
EDDY_API int eddy_terminal_restore(int fd);

/* The same for all terminals that this process has changed. Async-signal-safe: for handlers, and
 * before _exit(). Leaves errno alone. Returns the first error; the others are restored. */
EDDY_API int eddy_terminal_restore_all(void);

/* --- The size of the window --- */

typedef struct eddy_terminal_size {
    unsigned columns, rows; /* of characters; 0: nobody has said, as with serial lines */
    unsigned width, height; /* in pixels; mostly 0 */
} eddy_terminal_size;

/* Errors: -ENOTTY, -EBADF, -EIO. */
EDDY_API int eddy_terminal_get_size(int fd, eddy_terminal_size *size);

/* For who holds a pair; either end will do. If it is another one than before, the processes in the
 * foreground of the terminal get SIGWINCH. Errors: as above, -EINVAL (more than 65,535). */
EDDY_API int eddy_terminal_set_size(int fd, const eddy_terminal_size *size);

/* Gives `to` the modes and the size of `from`: of what was remembered, the original ones. For a
 * pair whose terminal is to be as ours. Errors: as both. */
EDDY_API int eddy_terminal_imitate(int to, int from);

/* A watcher of the size. All fields are private, but for `signal.handle`, to be given to eddy_unref
 * and its like. It is a watcher of SIGWINCH, which nothing else of the library handles. */
typedef struct eddy_resize eddy_resize;
typedef void eddy_resize_fn(eddy_resize *resize, const eddy_terminal_size *size);

struct eddy_resize {
    eddy_signal signal;
    eddy_resize_fn *fn;
    eddy_terminal_size size;
    int fd;
};

/* Makes `resize` a stopped one of `loop`. Cannot fail. */
EDDY_API void eddy_resize_init(eddy_resize *resize, eddy_loop *loop);

/* Calls `fn` in phase 6 when the size is another than at the start or the call before. Of changes
 * that come together the last is told. SIGWINCH comes for the controlling terminal only, and to the
 * foreground: what was changed meanwhile is told with the next signal. The descriptor stays yours
 * and must be open until the stop. Errors: as eddy_terminal_get_size, -EALREADY. */
EDDY_API int eddy_resize_start(eddy_resize *resize, eddy_resize_fn *fn, int fd);

/* Stops it; nothing happens if it is stopped. `resize` is yours again. */
EDDY_API void eddy_resize_stop(eddy_resize *resize);

/* --- Pairs --- */

/* Makes a terminal that this program holds, as a terminal emulator does: what is written to the
 * manager is typed at the terminal, and what is written to the terminal is read from the manager.
 * Both are close-on-exec and become nobody's controlling terminal. The manager does not block, for
 * a stream; the terminal does, as the programs expect that are to run on it (for one, see
 * EDDY_CHILD_TERMINAL; eddy_stream_attach changes that, for all who share it). `size` may be NULL:
 * 0 by 0. The modes are the system's, or `mode` from the start.
 *
 * When nobody has the terminal open any more, reading the manager gives what was written and then
 * ends: read(2) by -EIO on Linux, by 0 elsewhere, a stream by its end. Keep no descriptor of the
 * terminal then, else the end never comes. When the manager is closed the terminal is hung up.
 *
 * Errors, after which nothing is open: -EMFILE, -ENFILE, -ENOSPC (no more ptys), -ENOENT (no
 * /dev/ptmx), -EACCES, -ENOMEM, -EAGAIN, -EINVAL (as above). */
EDDY_API int eddy_terminal_pair(int *manager, int *terminal, const eddy_terminal_size *size,
                                eddy_terminal_mode mode);

#ifdef __cplusplus
}
#endif
#endif
