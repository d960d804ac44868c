/* shared_net.h: streams of what others share, for their tests. */
#ifndef EDDY_TESTS_SHARED_NET_H
#define EDDY_TESTS_SHARED_NET_H

#include "pipe_net.h"

#include <stdio.h>

static inline void share(struct end *end, int fd) {
    end_init(end, loop);
    ck_assert_int_eq(eddy_stdio_attach(&end->stream, fd), 0);
    ck_assert_int_ge(eddy_stream_fd(&end->stream), 0);
    ck_assert_int_ne(eddy_stream_fd(&end->stream), fd);
}

static inline bool is_blocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    ck_assert_int_ge(flags, 0);
    return !(flags & O_NONBLOCK);
}

static inline void begin(void) {
    for (size_t i = 0; i < sizeof data; i++) data[i] = (char)(i * 31 + (i >> 10));
    loop = test_loop_open();
}

/* A file of `size` bytes of `data`, without a name, at its beginning. */
static inline int file_of(size_t size) {
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    int fd = dup(fileno(file));
    fclose(file);
    ck_assert_int_eq((int)write(fd, data, size), (int)size);
    ck_assert_int_eq((int)lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

#endif
