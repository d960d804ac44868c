/* pipe_net.h: streams of both ends of a pipe, or of a pty, for the tests of such streams. */
#ifndef EDDY_TESTS_PIPE_NET_H
#define EDDY_TESTS_PIPE_NET_H

#include "net.h"

#include <stdlib.h>
#include <termios.h>

static eddy_loop *loop;
static struct end reader, writer;
static char data[1 << 20];

/* --- Where they come from --- */

static inline void attach(struct end *end, int fd) {
    end_init(end, loop);
    ck_assert_int_eq(eddy_stream_attach(&end->stream, fd), 0);
}

/* Both ends of a pipe, which comes to the streams blocking, as from others. */
static inline void begin_pipe(void) {
    int ends[2];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (char)(i * 31 + (i >> 10));
    loop = test_loop_open();
    ck_assert_int_eq(pipe(ends), 0);
    attach(&reader, ends[0]);
    attach(&writer, ends[1]);
}

static inline void finish(void) {
    if (!writer.closed) end_close(&writer);
    if (!reader.closed) end_close(&reader);
    test_loop_close(loop);
}

/* A pty whose slave, which comes back, hands on bytes as they are. */
static inline int pty_open(int *slave) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    ck_assert_int_ge(master, 0);
    ck_assert_int_eq(grantpt(master), 0);
    ck_assert_int_eq(unlockpt(master), 0);
    *slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    ck_assert_int_ge(*slave, 0);
    struct termios mode;
    ck_assert_int_eq(tcgetattr(*slave, &mode), 0);
    mode.c_lflag &= (tcflag_t) ~(tcflag_t)(ICANON | ECHO | ISIG);
    mode.c_oflag &= (tcflag_t) ~(tcflag_t)OPOST;
    mode.c_iflag &= (tcflag_t) ~(tcflag_t)(ICRNL | IXON);
    ck_assert_int_eq(tcsetattr(*slave, TCSANOW, &mode), 0);
    return master;
}

static inline void read_all(struct end *end) {
    ck_assert_int_eq(eddy_stream_read_start(&end->stream, end_on_read), 0);
}

static inline void turns(int count) {
    for (int i = 0; i < count; i++) ck_assert_int_ge(test_run(loop, EDDY_RUN_NOWAIT), 0);
}

static inline void turn_until_written(const struct end *end, unsigned count) {
    int64_t until_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (end->written < count && test_now_ns() < until_ns)
        ck_assert_int_ge(test_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_eq(end->written, count);
}

static inline void turn_until_received(const struct end *end, size_t bytes) {
    int64_t until_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
    while (end->received < bytes && test_now_ns() < until_ns)
        ck_assert_int_ge(test_run(loop, EDDY_RUN_NOWAIT), 0);
    ck_assert_uint_eq(end->received, bytes);
}

#endif
