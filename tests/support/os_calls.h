/* os_calls.h: every call of the seam (platform/os.h) and of a backend that may fail, with the
 * errors that it may give. What injects faults takes them from here, each call by its number. A
 * read or a write that is cut short is no error and is not in the list. Without state. */
#ifndef EDDY_TESTS_OS_CALLS_H
#define EDDY_TESTS_OS_CALLS_H

#include <errno.h>

#ifndef EBADR /* no ring either */
#define EBADR EIO
#endif

enum { OS_CALL_ERRORS_MAX = 8 };

/* CALL(name, errors…): eddy_os_<name>; a backend's functions are called backend_<name>. No memory
 * is NULL for `resize`, and false for a condition that ends before its time. `read` and `write` are
 * asked of the loop's pipe, `read` of a stream's as well: a stale event has nothing to read, and
 * Linux may have no page for a byte; that a full pipe gives EAGAIN is no fault. A submit of a ring
 * tells no error, but how many requests were not taken; and `file_ring_next` what is said of one.
 * `ring_make` and `ring_enter` are a backend's: with EBADR the kernel says that completions are
 * lost.
 */
#define OS_CALLS(CALL)                                                                 \
    CALL(resize, ENOMEM)                                                               \
    CALL(pipe, EMFILE, ENFILE)                                                         \
    CALL(eventfd, EMFILE, ENOSYS)                                                      \
    CALL(read, EAGAIN)                                                                 \
    CALL(write, ENOMEM)                                                                \
    CALL(close, EIO)                                                                   \
    CALL(replace, EMFILE, EBADF)                                                       \
    CALL(prepare_descriptor, EBADF)                                                    \
    CALL(access_mode, EBADF)                                                           \
    CALL(reopen, EMFILE, ENFILE, EACCES, ENOENT, ENXIO, ENOMEM)                        \
    CALL(receive_shared, EAGAIN, ECONNRESET, ETIMEDOUT, ENOMEM)                        \
    CALL(send_shared, EAGAIN, EPIPE, ECONNRESET, ENOBUFS)                              \
    CALL(write_vectors, EAGAIN, EPIPE, EIO, ENOMEM)                                    \
    CALL(open_reserve, EMFILE, ENFILE)                                                 \
    CALL(socket, EMFILE, ENFILE, ENOBUFS, ENOMEM, EAFNOSUPPORT, EACCES)                \
    CALL(prepare_socket, EBADF, ENOTSOCK)                                              \
    CALL(bind, EADDRINUSE, EADDRNOTAVAIL, EACCES, EINVAL)                              \
    CALL(listen, EADDRINUSE, EOPNOTSUPP)                                               \
    CALL(is_listening, EBADF, ENOTSOCK, ENOBUFS)                                       \
    CALL(accept, EAGAIN, ECONNABORTED, EPROTO, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM) \
    CALL(connect, ECONNREFUSED, ENETUNREACH, EADDRNOTAVAIL, ETIMEDOUT, EAGAIN, EACCES) \
    CALL(shutdown_write, ENOTCONN)                                                     \
    CALL(set_option, EINVAL, ENOPROTOOPT, ENOBUFS)                                     \
    CALL(set_reset_on_close, EINVAL)                                                   \
    CALL(set_keepalive, EINVAL)                                                        \
    CALL(reuse_port, ENOTSUP)                                                          \
    CALL(socket_error, EBADF, ENOBUFS)                                                 \
    CALL(local_address, EBADF, ENOBUFS)                                                \
    CALL(peer_address, ENOTCONN, ENOBUFS)                                              \
    CALL(socket_type, EBADF, ENOBUFS)                                                  \
    CALL(socket_pair, EMFILE, ENFILE, ENOMEM)                                          \
    CALL(peer_credentials, ENOTCONN, ENOBUFS)                                          \
    CALL(bind_name, EADDRINUSE, ENOENT, EACCES, EROFS, EINVAL)                         \
    CALL(name_find, ENOENT, EACCES, EEXIST)                                            \
    CALL(name_remove, EEXIST, EACCES, EROFS)                                           \
    CALL(duplicate, EMFILE, EBADF)                                                     \
    CALL(send_descriptors, EAGAIN, EPIPE, ENOBUFS, ENOMEM, ETOOMANYREFS, EOPNOTSUPP)   \
    CALL(receive_descriptors, EAGAIN, ECONNRESET, ENOMEM)                              \
    CALL(pidfd, ENOSYS, EMFILE, ENOMEM)                                                \
    CALL(child_null, EMFILE, ENFILE, EACCES)                                           \
    CALL(child_pipe, EMFILE, ENFILE)                                                   \
    CALL(child_socket_pair, EMFILE, ENFILE, ENOMEM)                                    \
    CALL(spawn, EAGAIN, EMFILE, ENOMEM, ENOENT)                                        \
    CALL(exits_open, ENOSYS, EMFILE, ENOMEM)                                           \
    CALL(exits_add, ENOSYS, ENOMEM, ENOSPC, ESRCH)                                     \
    CALL(receive_record, EAGAIN, EMSGSIZE, ECONNRESET, ENOMEM)                         \
    CALL(receive, EAGAIN, ECONNRESET, ETIMEDOUT, ENOMEM)                               \
    CALL(unread, ENOBUFS)                                                              \
    CALL(send, EAGAIN, EPIPE, ECONNRESET, ENOBUFS, ENOMEM, ETIMEDOUT)                  \
    CALL(terminal_device, ENOTTY, EIO)                                                 \
    CALL(terminal_keep, EMFILE)                                                        \
    CALL(terminal_get, ENOTTY, EIO)                                                    \
    CALL(terminal_set, EIO)                                                            \
    CALL(terminal_get_size, ENOTTY, EIO)                                               \
    CALL(terminal_set_size, EIO)                                                       \
    CALL(terminal_name, ENOTTY, ENODEV, ERANGE)                                        \
    CALL(terminal_pair, EMFILE, ENFILE, ENOSPC, ENOENT, EACCES)                        \
    CALL(at_exit, ENOMEM)                                                              \
    CALL(signal_take, EINVAL)                                                          \
    CALL(signal_install, EINVAL)                                                       \
    CALL(signal_restore, EINVAL)                                                       \
    CALL(thread_start, EAGAIN)                                                         \
    CALL(thread_signal, EAGAIN, ESRCH)                                                 \
    CALL(backtrace, ENOTSUP)                                                           \
    CALL(mutex_open, ENOMEM, EAGAIN)                                                   \
    CALL(condition_open, ENOMEM, EAGAIN)                                               \
    CALL(file_open, EAGAIN, EMFILE, ENFILE, ENOENT, EACCES, ELOOP, ENOMEM, EIO)        \
    CALL(file_open_walk, EMFILE, ENOENT, EACCES, ELOOP, EXDEV)                         \
    CALL(file_read, EAGAIN, EIO, EISDIR, ENOMEM)                                       \
    CALL(file_write, ENOSPC, EIO, EDQUOT, EFBIG)                                       \
    CALL(file_send, EAGAIN, EPIPE, ECONNRESET, EIO, ENOMEM)                            \
    CALL(file_fstat, EAGAIN, EIO, EOVERFLOW)                                           \
    CALL(file_stat, ENOENT, EACCES, ELOOP, EIO)                                        \
    CALL(file_sync, EIO, ENOSPC)                                                       \
    CALL(file_truncate, EIO, EFBIG)                                                    \
    CALL(file_unlink, ENOENT, EACCES, EBUSY, EIO)                                      \
    CALL(file_rename, ENOENT, EACCES, EXDEV, EIO)                                      \
    CALL(file_mkdir, EEXIST, ENOSPC, EACCES)                                           \
    CALL(file_scan, EIO, ENOENT)                                                       \
    CALL(file_ring_open, ENOSYS, EPERM, ENOMEM, EMFILE)                                \
    CALL(file_ring_submit, EAGAIN)                                                     \
    CALL(file_ring_next, EAGAIN, EINTR, ECANCELED, EFAULT, ENOMEM, EINVAL, EOPNOTSUPP) \
    CALL(file_ring_cancel, EBUSY)                                                      \
    CALL(ring_make, ENOSYS, EPERM, ENOMEM, EMFILE)                                     \
    CALL(ring_enter, EAGAIN, EBUSY, EBADR)                                             \
    CALL(backend_open, EMFILE, ENFILE, ENOMEM)                                         \
    CALL(backend_reopen, EMFILE, ENOMEM)                                               \
    CALL(backend_add, ENOMEM, ENOSPC, EPERM)                                           \
    CALL(backend_modify, ENOMEM)                                                       \
    CALL(backend_wait, EBADF, ENOMEM)

#define OS_CALL_NUMBER_(name, ...) OS_CALL_##name,
enum os_call { OS_CALLS(OS_CALL_NUMBER_) OS_CALL_COUNT };
#undef OS_CALL_NUMBER_

struct os_call_info {
    const char *name;
    int errors[OS_CALL_ERRORS_MAX + 1]; /* positive, with 0 at the end */
};

#define OS_CALL_INFO_(name, ...) {#name, {__VA_ARGS__}},
static const struct os_call_info os_call_infos[OS_CALL_COUNT] = {OS_CALLS(OS_CALL_INFO_)};
#undef OS_CALL_INFO_

#endif
