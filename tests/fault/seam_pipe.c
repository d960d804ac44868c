/* seam_pipe.c: the calls of streams that are no sockets, of which one fails. */
#include "seam.h"

#include "../../platform/os.h"

__typeof__(eddy_os_access_mode) real_os_access_mode;
int eddy_os_access_mode(int fd) {
    int err = seam_fail(OS_CALL_access_mode);
    return err < 0 ? err : real_os_access_mode(fd);
}

__typeof__(eddy_os_write_vectors) real_os_write_vectors;
ssize_t eddy_os_write_vectors(int fd, const struct iovec *vectors, int count, bool *refused) {
    struct iovec one;
    int err = seam_fail(OS_CALL_write_vectors);
    if (err < 0) return err;
    vectors = seam_cut_vectors(OS_CALL_write_vectors, vectors, &count, &one);
    return real_os_write_vectors(fd, vectors, count, refused);
}

__typeof__(eddy_os_reopen) real_os_reopen;
int eddy_os_reopen(int fd) {
    int err = seam_fail(OS_CALL_reopen);
    return err < 0 ? err : real_os_reopen(fd);
}

__typeof__(eddy_os_receive_shared) real_os_receive_shared;
ssize_t eddy_os_receive_shared(int fd, void *data, size_t size) {
    int err = seam_fail(OS_CALL_receive_shared);
    return err < 0 ? err : real_os_receive_shared(fd, data, size);
}

__typeof__(eddy_os_send_shared) real_os_send_shared;
ssize_t eddy_os_send_shared(int fd, const struct iovec *vectors, int count) {
    struct iovec one;
    int err = seam_fail(OS_CALL_send_shared);
    if (err < 0) return err;
    vectors = seam_cut_vectors(OS_CALL_send_shared, vectors, &count, &one);
    return real_os_send_shared(fd, vectors, count);
}
