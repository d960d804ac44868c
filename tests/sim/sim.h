/* sim.h: a small system inside a process, for the real library to run in.
 *
 * The library is linked with this instead of platform/: the clock, the sockets, pipes, files,
 * signals and threads are all made up here, and a seed decides what happens when: which thread goes
 * on, what becomes ready first, how long bytes travel, which call fails. Nothing else decides
 * anything, so that a seed replays a run to the last byte of its trace.
 *
 * Threads are contexts of their own of which one runs at a time; they change places only inside the
 * calls of the seam. A thread that only computes is never interrupted: that is what the sanitizers
 * and tests/model are for. Whatever breaks a promise calls sim_fail(), which tells the seed and
 * aborts.
 *
 * There is one world at a time, from sim_begin() to sim_end(). All the functions may be called by
 * any of its threads. Those that say "from outside" stand for other machines and other processes,
 * and may also be called by events. */
#ifndef EDDY_TESTS_SIM_H
#define EDDY_TESTS_SIM_H

#include <eddy.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <termios.h>

/* --- The world --- */

/* How bad it is. Chances are in ten thousandths, of each occasion. */
struct sim_weather {
    unsigned switches;  /* at a call, another thread goes on */
    unsigned faults;    /* a call fails with an error that it may give */
    unsigned no_memory; /* an allocation fails */
    unsigned shorts;    /* a read or write moves fewer bytes than it could */
    unsigned
        interrupts;    /* a wait ends early with nothing, as by a signal; a condition for nothing */
    unsigned held;     /* a wait does not tell of a descriptor that is ready; the next ones do */
    unsigned spurious; /* a wait tells of what is not there */
    unsigned stale;    /* a wait tells of a descriptor that was removed, with its old token */
    bool edges_if_empty; /* a write to a pipe that has unread bytes is no edge: Linux 5.5 to 5.13 */
    int64_t tick_ns;     /* the longest that a call takes */
    int64_t latency_ns;  /* the longest that bytes travel */
    int64_t disk_ns;     /* the longest that a call of a file takes */
    size_t window_bytes; /* of a socket's or pipe's buffer */
};

/* Nothing of all that: each call does what it can at once, in order. */
extern const struct sim_weather sim_calm;

/* Begins a world. Weather NULL: a seed makes its own, from calm to foul. */
void sim_begin(uint64_t seed, const struct sim_weather *weather);
/* Ends it, and checks that all was given back: descriptors, memory, threads, locks, handlers. */
void sim_end(void);
const struct sim_weather *sim_weather(void);

/* --- Chance, the same for a seed --- */

uint64_t sim_random(void);
unsigned sim_below(unsigned limit);
bool sim_chance(unsigned of_10000);

/* Faults for the thread that calls, off and on; they nest. In between the system is calm for it. */
void sim_faults_off(void);
void sim_faults_on(void);

/* --- The trace, and the end of a run that went wrong --- */

/* A line of the trace. No addresses, which differ from run to run; no sizes of structs and no
 * numbers of errors, which differ from system to system. */
void sim_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* For a line of the trace: a count or a descriptor, or the name of an error (a negative errno). */
#define sim_result(result) sim_result_text((char[SIM_RESULT_BYTES]){0}, (result))
enum { SIM_RESULT_BYTES = 24 };
const char *sim_result_text(char *text, int64_t result);
void sim_show_trace(bool shown); /* on stdout, from now on */
uint64_t sim_trace_sum(void);    /* over all lines so far */
uint64_t sim_steps(void);        /* calls of the seam so far */

#define sim_check(condition, ...) ((condition) ? (void)0 : sim_fail(__VA_ARGS__))
_Noreturn void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Something of use was done: a callback of the program ran. Waits that go on coming back without
 * any progress are a spin, and end the run. */
void sim_progress(void);

/* --- Time, events, threads --- */

typedef void sim_fn(void *context);

int64_t sim_now_ns(void);

/* The process forks. False in the parent, after the child has come to a good end; nothing of that
 * is to be seen here. True in the child: it has a copy of the world, but no thread beside this one,
 * which must be the one that began the world, and no signals that are pending. What a loop may not
 * touch in a child is looked for. The child ends in sim_end(). */
bool sim_fork(void);
bool sim_is_child(void);

/* Calls `fn` once after `delay_ns`, on no thread: it must not wait for anything. */
void sim_after(int64_t delay_ns, sim_fn *fn, void *context);

/* A thread beside the one that began the world; it must have returned before sim_end(). `name` must
 * stay. */
void sim_thread(const char *name, sim_fn *run, void *context);
/* The calling thread sleeps. */
void sim_sleep(int64_t time_ns);
/* Lets all other threads go on until each of them waits. The clock stands still but for ticks. */
void sim_settle(void);

/* The calling thread waits until somebody wakes those that wait on `on`, any address; or until
 * `until_ns` (-1: without end). False: the time was over. */
bool sim_block(const void *on, int64_t until_ns);
void sim_wake(const void *on);

/* --- Loops --- */

/* From now on each wait of the loop checks eddy_loop_verify(), that the backend has registered what
 * the loop wants, and that the loop makes progress. Ends when the loop is closed. */
void sim_watch_loop(eddy_loop *loop);

/* --- Descriptors of the program's own; these calls never fail and are not in the seam --- */

void sim_pipe(int ends[2]);       /* [0] reads, [1] writes */
void sim_local_pair(int ends[2]); /* connected; bytes do not travel, they are there */
void sim_tcp_pair(int ends[2]);
int sim_duplicate(int fd);
ssize_t sim_read(int fd, void *data, size_t size); /* also -EAGAIN, 0 at the end, -ECONNRESET */
ssize_t sim_write(int fd, const void *data, size_t size); /* also -EAGAIN, -EPIPE */
void sim_shut_down(int fd);
void sim_close(int fd);
void sim_reset(int fd);         /* closes a socket so that its peer gets a reset */
unsigned sim_descriptors(void); /* open ones */
uint64_t sim_serial(int fd);    /* of what the number means: never used twice; 0: it is not open */
/* From now on no call of the seam opens a number of `limit` or more: -EMFILE. */
void sim_limit_descriptors(unsigned limit);

/* --- From outside: the other ends of connections --- */

typedef struct sim_peer sim_peer;

/* Knocks at a listener that the program has bound to `address`, or will have when the knock
 * arrives; else the peer is refused. */
sim_peer *sim_peer_connect(const struct sockaddr *address, socklen_t length);
/* The other end of a new connected socket that the program has as `*fd`. */
sim_peer *sim_peer_pair(int *fd);
/* Calls `fn` after anything has changed: connected, refused, bytes there or taken, end, reset. */
void sim_peer_on_change(sim_peer *peer, sim_fn *fn, void *context);

bool sim_peer_is_connected(const sim_peer *peer);
ssize_t sim_peer_send(sim_peer *peer, const void *data, size_t size); /* as sim_write */
ssize_t sim_peer_receive(sim_peer *peer, void *data, size_t size);    /* as sim_read */
void sim_peer_finish(sim_peer *peer);                                 /* sends no more */
void sim_peer_reset(sim_peer *peer);                                  /* frees the peer */
void sim_peer_close(sim_peer *peer); /* the same; a reset if bytes were left unread */

/* --- Files: one tree, whose root is also the working directory --- */

void sim_put_directory(const char *path); /* "a/b": all but the last must be there */
void sim_put_file(const char *path, const void *data, size_t size); /* made or replaced */
void sim_put_link(const char *path, const char *target);
void sim_remove(const char *path);
/* The file's bytes, or NULL. They are there until the file changes. */
const void *sim_file_bytes(const char *path, size_t *size);
int sim_open(const char *path); /* a descriptor of the program's own */

/* --- Signals --- */

/* Sends one to the process: a handler runs at the next call of a thread that does not block it. */
void sim_raise(int number);
/* Calls `fn` while the process is stopped by a SIGTSTP that a handler has passed on. It goes on
 * when `fn` returns, without a SIGCONT. NULL: nothing may stop it. */
void sim_on_stop(sim_fn *fn, void *context);

/* --- Terminals --- */

void sim_terminal_modes(int fd, struct termios *modes);
void sim_terminal_change(int fd, const struct termios *modes); /* as another process does */
/* The process has it as its controlling terminal: SIGWINCH is sent when its size changes. */
void sim_terminal_control(int fd);

/* --- Children that the program has started --- */

/* How it has ended; NULL: it runs, or there is none. */
const struct eddy_exit *sim_child_exit(pid_t pid);
bool sim_child_is_reaped(pid_t pid); /* somebody has waited for it */

/* --- Memory --- */

size_t sim_blocks(void); /* in use */

#endif
