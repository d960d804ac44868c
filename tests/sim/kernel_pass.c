/* kernel_pass.c: descriptors go over local sockets in the simulation as they do in life. */
#include "kernel_files.h"

/* --- A pipe whose reading end goes over a pair --- */

static int ends[2], line[2];
static struct eddy_os_passed passed;

static void open_all(void) {
    begin();
    ck_assert_int_eq(eddy_os_socket_pair(SOCK_STREAM, line), 0);
    ck_assert_int_eq(eddy_os_pipe(ends), 0);
}

static void close_all(void) {
    for (int i = 0; i < 2; i++) {
        eddy_os_close(ends[i]);
        eddy_os_close(line[i]);
    }
    end();
}

static void put(const char *text, unsigned count) {
    int fds[3] = {ends[0], ends[0], ends[0]};
    size_t size = strlen(text);
    struct iovec vector = {(void *)(uintptr_t)text, size};
    ssize_t sent = count == 0 ? eddy_os_send(line[0], &vector, 1)
                              : eddy_os_send_descriptors(line[0], text, size, fds, count);
    ck_assert_int_eq((int)sent, (int)size);
}

/* What a call gives that has room for so much; each descriptor is the pipe. */
static void expect(size_t room, const char *text, unsigned count) {
    char data[64] = {0}, byte;
    ssize_t size = eddy_os_receive_descriptors(line[1], data, room, false, &passed);
    ck_assert_int_eq((int)size, (int)strlen(text));
    ck_assert_str_eq(data, text);
    ck_assert_uint_eq(passed.count, count);
    ck_assert(!passed.is_cut);
    for (unsigned i = 0; i < passed.count; i++) {
        ck_assert_int_eq((int)eddy_os_write(ends[1], "x", 1), 1);
        ck_assert_int_eq((int)eddy_os_read(passed.fds[i], &byte, 1), 1);
        eddy_os_close(passed.fds[i]);
    }
}

/* --- What must hold in both --- */

/* With bytes from before it, but never with the next one's; in the piece of its first byte. */
START_TEST(descriptors_come_with_their_first_byte) {
    open_all();
    put("ab", 0);
    put("c", 1);
    put("de", 2);
    expect(60, "abc", 1);
    expect(60, "de", 2);
    put("abc", 1);
    put("d", 1);
    expect(1, "a", 1);
    expect(60, "bcd", 1);
    put("ab", 0);
    put("cd", 3);
    expect(2, "ab", 0);
    expect(1, "c", 3);
    expect(1, "d", 0);
    ck_assert_int_eq((int)eddy_os_receive_descriptors(line[1], (char[1]){0}, 1, false, &passed),
                     -EAGAIN);
    ck_assert_uint_eq(passed.count, 0);
    close_all();
}
END_TEST

/* Who receives only bytes, or closes, or never reads, has none open: the pipe has no reader left.
 */
static bool pipe_has_reader(void) {
    return eddy_os_write(ends[1], "x", 1) == 1;
}

START_TEST(descriptors_that_nobody_takes_are_closed) {
    char data[8];
    for (int how = 0; how < 3; how++) {
        open_all();
        put("ab", 1);
        eddy_os_close(ends[0]);
        ends[0] = eddy_os_open_reserve();
        ck_assert(pipe_has_reader());
        if (how == 0) ck_assert_int_eq((int)eddy_os_receive(line[1], data, 1), 1);
        if (how > 0) {
            eddy_os_close(line[how - 1]);
            line[how - 1] = eddy_os_open_reserve();
        }
        /* Of a sender that is gone they are still there to be had. */
        ck_assert(pipe_has_reader() == (how == 1));
        close_all();
    }
}
END_TEST

/* A duplicate is another number of the same. */
START_TEST(a_duplicate_outlives_its_origin) {
    open_all();
    int fd = eddy_os_duplicate(ends[0]);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(eddy_os_duplicate(1000), -EBADF);
    eddy_os_close(ends[0]);
    ends[0] = fd;
    ck_assert(pipe_has_reader());
    close_all();
}
END_TEST

static void ignore_sigpipe(void) {
#ifndef SIMULATED
    signal(SIGPIPE, SIG_IGN);
#endif
}

Suite *make_suite(void) {
    Suite *suite = suite_create("kernel_pass");
    ignore_sigpipe();
    ck_add(suite, "pass", descriptors_come_with_their_first_byte,
           descriptors_that_nobody_takes_are_closed, a_duplicate_outlives_its_origin);
    return suite;
}
