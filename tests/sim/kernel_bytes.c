/* kernel_bytes.c: files behave in the simulation as they do in life, by their descriptors. */
#include "kernel_files.h"

/* --- Bytes --- */

static ssize_t put_at(int fd, const char *text, int64_t offset) {
    char copy[64];
    size_t size = strlen(text);
    memcpy(copy, text, size);
    struct iovec vectors[2] = {{copy, size / 2}, {copy + size / 2, size - size / 2}};
    return eddy_os_file_write(fd, vectors, 2, offset);
}

static void expect_at(int fd, const char *text, size_t size, int64_t offset) {
    char data[64] = {0};
    struct iovec vectors[2] = {{data, 3}, {data + 3, sizeof data - 3}};
    ssize_t got = eddy_os_file_read(fd, vectors, 2, offset, 0);
    ck_assert_int_eq((int)got, (int)size);
    ck_assert_mem_eq(data, text, size);
}

static int open_at(const char *path, int flags) {
    int fd = eddy_os_file_open(EDDY_CWD, path, flags, 0666, 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static int64_t size_of(int fd) {
    eddy_stat stat;
    ck_assert_int_eq(eddy_os_file_fstat(fd, &stat, 0), 0);
    return stat.size;
}

/* Positions, holes, appending, cutting; and a file that has no name any more. */
START_TEST(bytes_go_where_they_do_on_a_real_system) {
    begin();
    int fd = open_at("file", O_RDWR | O_CREAT);
    ck_assert_int_eq((int)put_at(fd, "hello", -1), 5);
    ck_assert_int_eq((int)put_at(fd, " world", -1), 6);
    expect_at(fd, "", 0, -1);
    expect_at(fd, "hello world", 11, 0);
    ck_assert_int_eq((int)put_at(fd, "J", 0), 1);
    ck_assert_int_eq((int)put_at(fd, "end", 15), 3);
    expect_at(fd, "ello world\0\0\0\0end", 17, 1);
    expect_at(fd, "", 0, 18);
    expect_at(fd, "", 0, 1000);
    expect_at(fd, "\0\0\0\0end", 7, -1);
    ck_assert_int_eq(eddy_os_file_truncate(fd, 4), 0);
    ck_assert_int_eq(eddy_os_file_truncate(fd, 6), 0);
    ck_assert_int_eq(eddy_os_file_truncate(fd, -1), -EINVAL);
    expect_at(fd, "Jell\0\0", 6, 0);

    int other = open_at("file", O_WRONLY | O_APPEND);
    ck_assert_int_eq((int)put_at(other, "more", 1), 4);
    expect_at(fd, "Jell\0\0more", 10, 0);
    expect_at(fd, "", 0, -1); /* its position is behind all that */
    struct iovec none = {0};
    ck_assert_int_eq((int)eddy_os_file_read(other, &none, 1, 0, 0), -EBADF);
    ck_assert_int_eq((int)eddy_os_file_write(other, &none, 1, -1), 0);
    eddy_os_close(other);

    ck_assert_int_eq(eddy_os_file_unlink(EDDY_CWD, "file", false), 0);
    expect_at(fd, "Jell\0\0more", 10, 0);
    eddy_stat stat;
    ck_assert_int_eq(eddy_os_file_fstat(fd, &stat, 0), 0);
    ck_assert_int_eq((int)stat.links, 0);
    int next = open_at("file", O_RDWR | O_CREAT);
    ck_assert_int_eq((int)size_of(next), 0);
    ck_assert_int_eq((int)put_at(next, "new", 0), 3);
    eddy_os_close(open_at("file", O_WRONLY | O_TRUNC));
    ck_assert_int_eq((int)size_of(next), 0);
    ck_assert_int_eq((int)size_of(fd), 10);
    eddy_os_close(next);
    ck_assert_int_eq(eddy_os_file_sync(fd, true), 0);
    eddy_os_close(fd);
    end();
}
END_TEST

/* The errors of calls by descriptors. */
START_TEST(a_descriptor_of_the_wrong_kind_is_told_as_on_a_real_system) {
    char data[8];
    struct iovec vector = {data, sizeof data};
    memset(data, 'x', sizeof data);
    begin();
    ck_assert_int_eq(eddy_os_file_mkdir(EDDY_CWD, "d", 0777), 0);
    int directory_fd = open_at("d", O_RDONLY);
    int file_fd = open_at("file", O_RDONLY | O_CREAT);
    int ends[2];
    ck_assert_int_eq(eddy_os_pipe(ends), 0);
    ck_assert_int_eq((int)eddy_os_file_read(directory_fd, &vector, 1, 0, 0), -EISDIR);
    ck_assert_int_eq((int)eddy_os_file_write(directory_fd, &vector, 1, 0), -EBADF);
    ck_assert_int_eq((int)eddy_os_file_write(file_fd, &vector, 1, 0), -EBADF);
    ck_assert_int_eq(eddy_os_file_truncate(file_fd, 0), -EINVAL);
    ck_assert_int_eq(eddy_os_file_truncate(directory_fd, 0), -EINVAL);
    ck_assert_int_eq(eddy_os_file_truncate(ends[1], 0), -EINVAL);
    ck_assert_int_eq(eddy_os_file_sync(ends[0], false), -EINVAL);
    ck_assert_int_eq((int)eddy_os_file_read(ends[0], &vector, 1, 0, 0), -ESPIPE);
    ck_assert_int_eq((int)eddy_os_file_read(ends[0], &vector, 1, -1, 0), -EAGAIN);
    ck_assert_int_eq((int)eddy_os_file_write(ends[1], &vector, 1, -1), 8);
    ck_assert_int_eq((int)eddy_os_file_read(ends[0], &vector, 1, -1, 0), 8);
    ck_assert_int_eq((int)eddy_os_file_scan(file_fd, data, sizeof data), -ENOTDIR);
    ck_assert_int_eq((int)eddy_os_file_scan(999, data, sizeof data), -EBADF);
    ck_assert_int_eq((int)eddy_os_file_read(999, &vector, 1, 0, 0), -EBADF);
    ck_assert_int_eq((int)eddy_os_file_send(999, file_fd, 0, 1, 0), -EBADF);
    ck_assert_int_eq((int)eddy_os_file_send(ends[1], 999, 0, 1, 0), -EBADF);
    ck_assert_int_eq(eddy_os_file_open(file_fd, "x", O_RDONLY, 0, 0), -ENOTDIR);
    ck_assert_int_eq(eddy_os_file_open(999, "x", O_RDONLY, 0, 0), -EBADF);
    int fd = eddy_os_file_open(directory_fd, "../file", O_RDONLY, 0, 0);
    ck_assert_int_ge(fd, 0);
    eddy_stat one, two;
    ck_assert_int_eq(eddy_os_file_fstat(fd, &one, 0), 0);
    ck_assert_int_eq(eddy_os_file_stat(directory_fd, "../file", false, &two), 0);
    ck_assert(one.inode == two.inode && one.device == two.device);
    ck_assert_int_eq((int)(one.mode & 0177777), S_IFREG | 0644);
    ck_assert_int_eq(eddy_os_file_fstat(directory_fd, &two, 0), 0);
    ck_assert(S_ISDIR(two.mode) && two.inode != one.inode);
    eddy_os_close(fd);
    eddy_os_close(ends[0]);
    eddy_os_close(ends[1]);

    ck_assert_int_eq(eddy_os_file_unlink(EDDY_CWD, "d", true), 0);
    ck_assert_int_eq((int)eddy_os_file_scan(directory_fd, data, sizeof data), -ENOENT);
    ck_assert_int_eq(eddy_os_file_open(directory_fd, "x", O_CREAT | O_WRONLY, 0, 0), -ENOENT);
    ck_assert_int_eq(eddy_os_file_mkdir(directory_fd, "x", 0), -ENOENT);
    ck_assert_int_eq(eddy_os_file_rename(EDDY_CWD, "file", directory_fd, "x"), -ENOENT);
    eddy_os_close(directory_fd);
    eddy_os_close(file_fd);
    end();
}
END_TEST

/* --- Scans --- */

/* Each name once, in pieces, with its kind; then nothing, again and again. */
START_TEST(a_scan_gives_each_name_once) {
    enum { FILES = 40 };
    unsigned seen[FILES + 1] = {0};
    char name[24], buffer[128];
    begin();
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file %d", i);
        eddy_os_close(open_at(name, O_WRONLY | O_CREAT));
    }
    ck_assert_int_eq(eddy_os_file_mkdir(EDDY_CWD, "file 40", 0777), 0);
    int fd = open_at(".", O_RDONLY | O_DIRECTORY);
    ssize_t size;
    while ((size = eddy_os_file_scan(fd, buffer, sizeof buffer)) > 0) {
        struct eddy_os_entry entry;
        for (ssize_t at = 0; at < size; at += entry.bytes) {
            memcpy(&entry, buffer + at, sizeof entry);
            int number = atoi(buffer + at + offsetof(struct eddy_os_entry, name) + 5);
            ck_assert(number >= 0 && number <= FILES);
            seen[number]++;
            ck_assert_int_eq(entry.bytes % 8, 0);
            int kind = number == FILES ? EDDY_ENTRY_DIRECTORY : EDDY_ENTRY_FILE;
            ck_assert(entry.kind == kind || entry.kind == EDDY_ENTRY_UNKNOWN);
        }
    }
    ck_assert_int_eq((int)size, 0);
    ck_assert_int_eq((int)eddy_os_file_scan(fd, buffer, sizeof buffer), 0);
    for (int i = 0; i <= FILES; i++) ck_assert_uint_eq(seen[i], 1);
    eddy_os_close(fd);
    end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("kernel_bytes");
    ck_add(suite, "bytes", bytes_go_where_they_do_on_a_real_system,
           a_descriptor_of_the_wrong_kind_is_told_as_on_a_real_system, a_scan_gives_each_name_once);
    return suite;
}
