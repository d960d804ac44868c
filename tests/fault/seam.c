/* seam.c: see seam.h. The platform's sources are compiled a second time with their eddy_os_ names
 * changed to real_os_; those names are defined here.
 * Threading: any thread. What a forked child counts is counted for its parent as well. */
#include "seam.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "../../platform/os.h"
#include "os_calls.h"

enum { PASSES = 8, CUTS = 500 };

static struct fault plan; /* written while no thread of the library runs */
static struct shared {
    atomic_uint calls[OS_CALL_COUNT];
    atomic_bool is_hit, is_suspended, is_well;
    atomic_uint passed, waits;
} * shared;
static size_t piece_bytes = SIZE_MAX;
static atomic_llong clock_ahead_ns;
static atomic_long blocks, threads, mutexes, conditions, handlers;

/* --- Which call --- */

void seam_arm(const struct fault *fault) {
    plan = *fault;
    for (unsigned call = 0; call < OS_CALL_COUNT; call++) shared->calls[call] = 0;
    shared->is_hit = false;
    shared->is_suspended = shared->is_well = false;
    shared->passed = shared->waits = 0;
}

void seam_heal(void) {
    shared->is_well = true;
}

void seam_suspend(bool on) {
    shared->is_suspended = on;
}

bool seam_hit(void) {
    return shared->is_hit;
}

bool seam_is_lasting(void) {
    return shared->is_hit && !shared->is_well && plan.is_lasting;
}

unsigned seam_calls(enum os_call call) {
    return shared->calls[call];
}

unsigned seam_waits(void) {
    return shared->waits;
}

void seam_count_wait(void) {
    shared->waits++;
}

struct fault_counts seam_counts(void) {
    return (struct fault_counts){blocks, threads, mutexes, conditions, handlers};
}

unsigned seam_errors(enum os_call call) {
    unsigned count = 0;
    while (os_call_infos[call].errors[count] != 0) count++;
    return count;
}

void seam_set_piece(size_t bytes) {
    piece_bytes = bytes;
}

/* Whether this call is the chosen one, or one after it that shares its fate. */
static bool is_meant(enum os_call call) {
    if (shared->is_suspended || shared->is_well) return false;
    unsigned number = atomic_fetch_add(&shared->calls[call], 1) + 1;
    if (call == plan.call && number == plan.at) {
        shared->is_hit = true;
        return true;
    }
    if (!shared->is_hit || plan.mode == FAULT_ONCE || plan.mode == FAULT_CUT) return false;
    return call == plan.call || plan.mode == FAULT_ALL;
}

static bool is_cut(void) {
    return plan.mode == FAULT_CUT || plan.mode == FAULT_CUT_AGAIN;
}

int seam_fail(enum os_call call) {
    if (is_cut() || !is_meant(call)) return 0;
    bool passes = call == OS_CALL_read || call == OS_CALL_write;
    if (passes && atomic_fetch_add(&shared->passed, 1) >= PASSES) return 0;
    return -os_call_infos[call].errors[plan.error % seam_errors(call)];
}

/* How much of `size` this call does. */
static size_t cut(enum os_call call, size_t size) {
    if (size > piece_bytes) size = piece_bytes;
    if (!is_cut() || !is_meant(call) || size <= 1) return size;
    return atomic_fetch_add(&shared->passed, 1) < CUTS ? 1 : size;
}

const struct iovec *seam_cut_vectors(enum os_call call, const struct iovec *vectors, int *count,
                                     struct iovec *one) {
    size_t total = 0;
    for (int i = 0; i < *count; i++) total += vectors[i].iov_len;
    size_t part = cut(call, total);
    if (part == total) return vectors;
    while (vectors->iov_len == 0) vectors++;
    *one = (struct iovec){vectors->iov_base, vectors->iov_len < part ? vectors->iov_len : part};
    *count = 1;
    return one;
}

/* --- Calls that only fail --- */

/* REAL declares what the platform's own function is called here; PASS_ON defines the one that the
 * library calls, which fails without doing anything or does what the real one does. */
#define REAL(name) __typeof__(eddy_os_##name) real_os_##name
#define PASS_ON(name, parameters, arguments)             \
    REAL(name);                                          \
    int eddy_os_##name parameters {                      \
        int err = seam_fail(OS_CALL_##name);             \
        return err < 0 ? err : real_os_##name arguments; \
    }

PASS_ON(pipe, (int ends[2]), (ends))
PASS_ON(eventfd, (void), ())
PASS_ON(open_reserve, (void), ())
PASS_ON(socket, (int family, int type, int protocol), (family, type, protocol))
PASS_ON(bind, (int fd, const struct sockaddr *address, socklen_t length), (fd, address, length))
PASS_ON(listen, (int fd, int backlog), (fd, backlog))
PASS_ON(connect, (int fd, const struct sockaddr *address, socklen_t length), (fd, address, length))
PASS_ON(shutdown_write, (int fd), (fd))
PASS_ON(set_option, (int fd, int level, int name, int value), (fd, level, name, value))
PASS_ON(set_reset_on_close, (int fd), (fd))
PASS_ON(set_keepalive, (int fd, unsigned idle_s, unsigned interval_s, unsigned count),
        (fd, idle_s, interval_s, count))
PASS_ON(unread, (int fd), (fd))
PASS_ON(socket_pair, (int type, int ends[2]), (type, ends))
PASS_ON(peer_credentials, (int fd, eddy_credentials *peer), (fd, peer))
PASS_ON(duplicate, (int fd), (fd))
PASS_ON(bind_name,
        (int fd, const struct sockaddr *address, socklen_t length, const char *path, int mode,
         struct eddy_os_name *name),
        (fd, address, length, path, mode, name))
PASS_ON(name_find, (const char *path, struct eddy_os_name *name), (path, name))
PASS_ON(name_remove, (const char *path, const struct eddy_os_name *name), (path, name))
PASS_ON(reuse_port, (int fd), (fd))
PASS_ON(peer_address, (int fd, struct sockaddr *address, socklen_t *length), (fd, address, length))
PASS_ON(pidfd, (pid_t pid), (pid))
PASS_ON(child_null, (void), ())
PASS_ON(child_pipe, (int ends[2]), (ends))
PASS_ON(child_socket_pair, (int ends[2]), (ends))
PASS_ON(spawn,
        (const eddy_child_options *options, const struct eddy_os_child_fd *map, unsigned children,
         pid_t *pid, int *pidfd),
        (options, map, children, pid, pidfd))
PASS_ON(exits_open, (void), ())
PASS_ON(exits_add, (int exits, pid_t pid, int pidfd, void *token), (exits, pid, pidfd, token))
PASS_ON(file_open, (int dir, const char *path, int flags, unsigned mode, unsigned how),
        (dir, path, flags, mode, how))
PASS_ON(file_fstat, (int fd, eddy_stat *stat, unsigned how), (fd, stat, how))
PASS_ON(file_stat, (int dir, const char *path, bool follow, eddy_stat *stat),
        (dir, path, follow, stat))
PASS_ON(file_truncate, (int fd, int64_t size), (fd, size))
PASS_ON(file_unlink, (int dir, const char *path, bool is_directory), (dir, path, is_directory))
PASS_ON(file_rename, (int from_dir, const char *from, int to_dir, const char *to),
        (from_dir, from, to_dir, to))
PASS_ON(file_mkdir, (int dir, const char *path, unsigned mode), (dir, path, mode))
PASS_ON(terminal_device, (int fd, uint64_t *device), (fd, device))
PASS_ON(terminal_keep, (int fd), (fd))
PASS_ON(terminal_get, (int fd, struct termios *modes), (fd, modes))
PASS_ON(terminal_set, (int fd, const struct termios *modes), (fd, modes))
PASS_ON(terminal_get_size, (int fd, eddy_terminal_size *size), (fd, size))
PASS_ON(terminal_set_size, (int fd, const eddy_terminal_size *size), (fd, size))
PASS_ON(terminal_name, (int fd, char *name, size_t size), (fd, name, size))
PASS_ON(terminal_pair, (int *manager, int *terminal), (manager, terminal))
PASS_ON(at_exit, (void (*fn)(void)), (fn))
PASS_ON(signal_take, (int number, void (*handler)(int)), (number, handler))
PASS_ON(thread_signal, (eddy_os_thread thread, int number), (thread, number))
PASS_ON(backtrace, (void **frames, int room), (frames, room))

/* --- Calls that fail, or are cut short --- */

/* An eventfd takes and gives a whole number or nothing. */
static size_t cut_bytes(enum os_call call, size_t size) {
    size_t part = cut(call, size);
    return part < sizeof(uint64_t) && size >= sizeof(uint64_t) ? sizeof(uint64_t) : part;
}

REAL(read);
ssize_t eddy_os_read(int fd, void *data, size_t size) {
    int err = seam_fail(OS_CALL_read);
    return err < 0 ? err : real_os_read(fd, data, cut_bytes(OS_CALL_read, size));
}

REAL(write);
ssize_t eddy_os_write(int fd, const void *data, size_t size) {
    int err = seam_fail(OS_CALL_write);
    return err < 0 ? err : real_os_write(fd, data, cut_bytes(OS_CALL_write, size));
}

REAL(receive);
ssize_t eddy_os_receive(int fd, void *data, size_t size) {
    int err = seam_fail(OS_CALL_receive);
    return err < 0 ? err : real_os_receive(fd, data, cut(OS_CALL_receive, size));
}

/* Records are not cut short: to be too long is an error of theirs, which takes one along. */
REAL(receive_record);
ssize_t eddy_os_receive_record(int fd, void *data, size_t size) {
    int err = seam_fail(OS_CALL_receive_record);
    if (err == 0) return real_os_receive_record(fd, data, size);
    if (err == -EMSGSIZE && real_os_receive_record(fd, data, size) < 0) return -EAGAIN;
    return err;
}

REAL(socket_type);
REAL(send);
ssize_t eddy_os_send(int fd, const struct iovec *vectors, int count) {
    struct iovec one;
    int err = seam_fail(OS_CALL_send);
    if (err < 0) return err;
    if (real_os_socket_type(fd) != SOCK_SEQPACKET)
        vectors = seam_cut_vectors(OS_CALL_send, vectors, &count, &one);
    return real_os_send(fd, vectors, count);
}

/* A record is not cut. */
REAL(send_descriptors);
ssize_t eddy_os_send_descriptors(int fd, const void *data, size_t size, const int *fds,
                                 unsigned count) {
    int err = seam_fail(OS_CALL_send_descriptors);
    if (err < 0) return err;
    if (real_os_socket_type(fd) != SOCK_SEQPACKET) size = cut(OS_CALL_send_descriptors, size);
    return real_os_send_descriptors(fd, data, size, fds, count);
}

REAL(receive_descriptors);
ssize_t eddy_os_receive_descriptors(int fd, void *data, size_t size, bool is_record,
                                    struct eddy_os_passed *passed) {
    passed->count = 0;
    int err = seam_fail(OS_CALL_receive_descriptors);
    if (err < 0) return err;
    if (!is_record) size = cut(OS_CALL_receive_descriptors, size);
    return real_os_receive_descriptors(fd, data, size, is_record, passed);
}

REAL(file_read);
ssize_t eddy_os_file_read(int fd, const struct iovec *vectors, int count, int64_t offset,
                          unsigned how) {
    struct iovec one;
    int err = seam_fail(OS_CALL_file_read);
    if (err < 0) return err;
    vectors = seam_cut_vectors(OS_CALL_file_read, vectors, &count, &one);
    return real_os_file_read(fd, vectors, count, offset, how);
}

REAL(file_write);
ssize_t eddy_os_file_write(int fd, const struct iovec *vectors, int count, int64_t offset) {
    struct iovec one;
    int err = seam_fail(OS_CALL_file_write);
    if (err < 0) return err;
    vectors = seam_cut_vectors(OS_CALL_file_write, vectors, &count, &one);
    return real_os_file_write(fd, vectors, count, offset);
}

REAL(file_send);
ssize_t eddy_os_file_send(int socket, int fd, int64_t offset, size_t size, unsigned how) {
    int err = seam_fail(OS_CALL_file_send);
    if (err < 0) return err;
    return real_os_file_send(socket, fd, offset, cut(OS_CALL_file_send, size), how);
}

/* There is nothing to be kept for longer than a run. */
int eddy_os_file_sync(int fd, bool data_only) {
    (void)fd, (void)data_only;
    return seam_fail(OS_CALL_file_sync);
}

/* A scan that gets less room gives fewer names. */
REAL(file_scan);
ssize_t eddy_os_file_scan(int fd, void *buffer, size_t size) {
    int err = seam_fail(OS_CALL_file_scan);
    return err < 0 ? err : real_os_file_scan(fd, buffer, size);
}

/* --- Calls that have an effect although they fail, or have had one --- */

/* Somebody has closed the descriptor behind the library's back. */
REAL(close);
static int lose(int fd, int err) {
    if (err == -EBADF) real_os_close(fd);
    return err;
}

#define PASS_ON_OR_LOSE(name, parameters, arguments)     \
    REAL(name);                                          \
    int eddy_os_##name parameters {                      \
        int err = lose(fd, seam_fail(OS_CALL_##name));   \
        return err < 0 ? err : real_os_##name arguments; \
    }

PASS_ON_OR_LOSE(prepare_descriptor, (int fd), (fd))
PASS_ON_OR_LOSE(prepare_socket, (int fd), (fd))
PASS_ON_OR_LOSE(is_listening, (int fd), (fd))
int eddy_os_socket_type(int fd) {
    int err = lose(fd, seam_fail(OS_CALL_socket_type));
    return err < 0 ? err : real_os_socket_type(fd);
}
PASS_ON_OR_LOSE(socket_error, (int fd, int *error), (fd, error))
PASS_ON_OR_LOSE(local_address, (int fd, struct sockaddr *address, socklen_t *length),
                (fd, address, length))

int eddy_os_close(int fd) {
    int err = seam_fail(OS_CALL_close);
    int result = real_os_close(fd);
    return err < 0 && result == 0 ? err : result;
}

int eddy_os_replace(int fd, int by) {
    REAL(replace);
    int err = seam_fail(OS_CALL_replace);
    if (err == 0) return real_os_replace(fd, by);
    real_os_close(by);
    return err;
}

int eddy_os_accept(int fd, struct sockaddr *address, socklen_t *length) {
    REAL(accept);
    int err = seam_fail(OS_CALL_accept);
    if (err == 0) return real_os_accept(fd, address, length);
    if (err != -ECONNABORTED && err != -EPROTO) return err; /* the connection keeps waiting */
    int connection = real_os_accept(fd, address, length);
    if (connection < 0) return connection; /* none was there that could have been aborted */
    real_os_close(connection);
    return err;
}

/* --- What is counted --- */

void *eddy_os_resize(void *context, void *memory, size_t old_bytes, size_t new_bytes) {
    REAL(resize);
    if (new_bytes > 0 && seam_fail(OS_CALL_resize) < 0) return NULL;
    if (memory == NULL && new_bytes > 0) blocks++;
    if (memory != NULL && new_bytes == 0) blocks--;
    return real_os_resize(context, memory, old_bytes, new_bytes);
}

static int count(atomic_long *counter, int result) {
    if (result == 0) ++*counter;
    return result;
}

int eddy_os_thread_start(eddy_os_thread *thread, void *(*run)(void *), void *argument,
                         size_t stack_bytes) {
    REAL(thread_start);
    int err = seam_fail(OS_CALL_thread_start);
    if (err < 0) return err;
    return count(&threads, real_os_thread_start(thread, run, argument, stack_bytes));
}

void eddy_os_thread_join(eddy_os_thread thread) {
    REAL(thread_join);
    real_os_thread_join(thread);
    threads--;
}

int eddy_os_mutex_open(eddy_os_mutex *mutex, bool lends_priority) {
    REAL(mutex_open);
    int err = seam_fail(OS_CALL_mutex_open);
    return err < 0 ? err : count(&mutexes, real_os_mutex_open(mutex, lends_priority));
}

void eddy_os_mutex_close(eddy_os_mutex *mutex) {
    REAL(mutex_close);
    real_os_mutex_close(mutex);
    mutexes--;
}

int eddy_os_condition_open(eddy_os_condition *condition) {
    REAL(condition_open);
    int err = seam_fail(OS_CALL_condition_open);
    return err < 0 ? err : count(&conditions, real_os_condition_open(condition));
}

void eddy_os_condition_close(eddy_os_condition *condition) {
    REAL(condition_close);
    real_os_condition_close(condition);
    conditions--;
}

int eddy_os_signal_install(int number, void (*handler)(int), struct sigaction *before) {
    REAL(signal_install);
    int err = seam_fail(OS_CALL_signal_install);
    return err < 0 ? err : count(&handlers, real_os_signal_install(number, handler, before));
}

/* It fails only for what could not have been installed. */
int eddy_os_signal_restore(int number, const struct sigaction *before) {
    REAL(signal_restore);
    handlers--;
    return real_os_signal_restore(number, before);
}

/* --- Time --- */

int64_t eddy_os_clock_ns(void) {
    REAL(clock_ns);
    return real_os_clock_ns() + clock_ahead_ns;
}

bool eddy_os_condition_wait(eddy_os_condition *condition, eddy_os_mutex *mutex, int64_t until_ns) {
    REAL(condition_wait);
    return real_os_condition_wait(condition, mutex, until_ns < 0 ? -1 : until_ns - clock_ahead_ns);
}

void seam_skip_time(int64_t time_ns) {
    clock_ahead_ns += time_ns;
}

/* --- The start --- */

bool seam_open(const char *backend) {
    void *memory =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    shared = memory;
    seam_arm(&(struct fault){0});
    return seam_open_backend(backend);
}
