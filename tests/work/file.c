/* file.c: each file operation, and what it says when it cannot. */
#include "files.h"

#include <limits.h>
#include <sys/time.h>

static char bytes_at(int64_t offset) {
    return (char)(offset * 7 + offset / 251);
}

/* --- Opening and closing --- */

START_TEST(a_file_is_created_written_read_and_closed) {
    struct place place = place_open(_i);
    int64_t fd = WAIT(&place, eddy_file_open, place.dir, "a", O_RDWR | O_CREAT | O_EXCL, 0600, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert(fcntl((int)fd, F_GETFD) & FD_CLOEXEC);
    ck_assert_int_eq(WAIT(&place, eddy_file_write, (int)fd, "hello", 5, 0), 5);
    char text[16] = {0};
    ck_assert_int_eq(WAIT(&place, eddy_file_read, (int)fd, text, sizeof text, 0), 5);
    ck_assert_str_eq(text, "hello");
    ck_assert_int_eq(WAIT(&place, eddy_file_read, (int)fd, text, 3, 1), 3);
    ck_assert_mem_eq(text, "ell", 3);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, (int)fd, text, sizeof text, 5), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, (int)fd, text, sizeof text, 5000), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_close, (int)fd), 0);
    ck_assert_int_eq(fcntl((int)fd, F_GETFD), -1);
    ck_assert_int_eq(WAIT(&place, eddy_file_close, (int)fd), -EBADF);
    ck_assert_int_eq(WAIT(&place, eddy_file_open, place.dir, "a", O_CREAT | O_EXCL, 0600, 0),
                     -EEXIST);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

START_TEST(open_says_what_is_wrong) {
    struct place place = place_open(_i);
    close(create(&place, "file", "x", 1));
    static const int ways[] = {O_RDONLY, O_RDONLY | O_NONBLOCK, O_RDONLY | O_DIRECTORY};
    for (int i = 0; i < 3; i++) {
        int way = ways[i];
        ck_assert_int_eq(WAIT(&place, eddy_file_open, place.dir, "none", way, 0, 0), -ENOENT);
        ck_assert_int_eq(WAIT(&place, eddy_file_open, place.dir, "", way, 0, 0), -ENOENT);
        ck_assert_int_eq(WAIT(&place, eddy_file_open, place.dir, "file/x", way, 0, 0), -ENOTDIR);
        ck_assert_int_eq(WAIT(&place, eddy_file_open, 12345, "file", way, 0, 0), -EBADF);
        int64_t fd = WAIT(&place, eddy_file_open, EDDY_CWD, ".", way, 0, 0);
        ck_assert_int_ge(fd, 0);
        close((int)fd);
    }
    ck_assert_int_eq(WAIT(&place, eddy_file_open, place.dir, "file", O_DIRECTORY, 0, 0), -ENOTDIR);
    ck_assert_int_eq(WAIT(&place, eddy_file_open, place.dir, ".", O_RDWR, 0, 0), -EISDIR);
    erase(&place, "file");
    place_close(&place);
}
END_TEST

/* A FIFO without a writer: only a thread of the pool may block on it. */
START_TEST(opening_a_fifo_holds_up_a_thread_and_not_the_loop) {
    struct place place = place_open(_i);
    ck_assert_int_eq(mkfifoat(place.dir, "fifo", 0600), 0);
    struct request reader = {.done = false};
    ck_assert_int_eq(
        eddy_file_open(place.loop, &reader.file, place.dir, "fifo", O_RDONLY, 0, 0, request_done),
        0);
    eddy_stat stat;
    ck_assert_int_eq(WAIT(&place, eddy_file_stat, place.dir, "fifo", &stat), 0);
    ck_assert(S_ISFIFO(stat.mode));
    ck_assert(!reader.done);
    int64_t end = WAIT(&place, eddy_file_open, place.dir, "fifo", O_WRONLY, 0, 0);
    ck_assert_int_ge(end, 0);
    test_turn_until(place.loop, &reader.done);
    ck_assert_int_ge(reader.file.result, 0);
    ck_assert_int_eq(write((int)end, "abc", 3), 3);
    char text[8];
    /* A read at the position is over with what there is; at an offset there is none. */
    ck_assert_int_eq(WAIT(&place, eddy_file_read, (int)reader.file.result, text, 8, -1), 3);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, (int)reader.file.result, text, 8, 0), -ESPIPE);
    close((int)end);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, (int)reader.file.result, text, 8, -1), 0);
    close((int)reader.file.result);
    erase(&place, "fifo");
    place_close(&place);
}
END_TEST

/* --- Bytes --- */

/* More vectors than one call takes, some of them empty, cut at odd places; the caller's vectors
 * are not touched. */
START_TEST(any_number_of_vectors_is_written_and_read_whole) {
    struct place place = place_open(_i);
    enum { VECTORS = 3 * 1024 + 5, BYTES = VECTORS * 13 };
    static char data[BYTES], back[BYTES];
    static struct iovec out[VECTORS], in[VECTORS], out_copy[VECTORS], in_copy[VECTORS];
    size_t at = 0;
    for (int i = 0; i < BYTES; i++) data[i] = bytes_at(i);
    memset(back, 0, sizeof back);
    for (int i = 0; i < VECTORS; i++) {
        size_t length = (size_t)(i % 14);
        out[i] = (struct iovec){data + at, length};
        in[i] = (struct iovec){back + at, length};
        at += length;
    }
    memcpy(out_copy, out, sizeof out);
    memcpy(in_copy, in, sizeof in);
    int fd = create(&place, "a", "", 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_writev, fd, out, VECTORS, 3), (int64_t)at);
    ck_assert_int_eq(WAIT(&place, eddy_file_readv, fd, in, VECTORS, 3), (int64_t)at);
    ck_assert(memcmp(data, back, at) == 0);
    ck_assert(memcmp(out, out_copy, sizeof out) == 0);
    ck_assert(memcmp(in, in_copy, sizeof in) == 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_readv, fd, in, VECTORS, 4), (int64_t)at - 1);
    /* At the position, too. */
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_writev, fd, out, VECTORS, -1), (int64_t)at);
    ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), (off_t)at);
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

START_TEST(nothing_to_transfer_is_no_error) {
    struct place place = place_open(_i);
    int fd = create(&place, "a", "abc", 3);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, NULL, 0, 0), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_write, fd, NULL, 0, 0), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_readv, fd, NULL, 0, 1), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_writev, fd, NULL, 0, -1), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, -1, NULL, 0, 0), -EBADF);
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

/* A sparse file far past 4 GiB, where 32 bits of offset would wrap. */
START_TEST(offsets_past_4_gib_are_whole) {
    struct place place = place_open(_i);
    int fd = create(&place, "big", "start", 5);
    const int64_t far = (INT64_C(5) << 30) + 12345;
    char text[8] = {0};
    ck_assert_int_eq(WAIT(&place, eddy_file_write, fd, "far away", 8, far), 8);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, text, 8, far), 8);
    ck_assert_mem_eq(text, "far away", 8);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, text, 8, far & 0xffffffff), 8);
    ck_assert_mem_eq(text, "\0\0\0\0\0\0\0\0", 8);
    eddy_stat stat;
    ck_assert_int_eq(WAIT(&place, eddy_file_fstat, fd, &stat), 0);
    ck_assert_int_eq(stat.size, far + 8);
    ck_assert_int_eq(WAIT(&place, eddy_file_ftruncate, fd, far * 2), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_stat, place.dir, "big", &stat), 0);
    ck_assert_int_eq(stat.size, far * 2);
    close(fd);
    erase(&place, "big");
    place_close(&place);
}
END_TEST

static void refuse(eddy_file *file) {
    (void)file;
    ck_abort_msg("a refused request was called back");
}

START_TEST(arguments_that_mean_nothing_are_refused) {
    struct place place = place_open(_i);
    eddy_loop *loop = place.loop;
    eddy_file file;
    char data[1024];
    struct iovec two[2] = {{data, SIZE_MAX / 2}, {data, SIZE_MAX / 2}};
    const int64_t late = INT64_MAX - (int64_t)(SIZE_MAX / 2); /* 0 where sizes have 64 bits */
    ck_assert_int_eq(eddy_file_open(loop, &file, place.dir, NULL, 0, 0, 0, refuse), -EINVAL);
    ck_assert_int_eq(eddy_file_open(loop, &file, place.dir, "a", 0, 0, 4, refuse), -EINVAL);
    ck_assert_int_eq(
        eddy_file_open(loop, &file, place.dir, "a", O_CREAT, 0600, EDDY_FILES_ONLY, refuse),
        -EINVAL);
    ck_assert_int_eq(eddy_file_read(loop, &file, 0, NULL, 1, 0, refuse), -EINVAL);
    ck_assert_int_eq(eddy_file_read(loop, &file, 0, data, 1, -2, refuse), -EINVAL);
    ck_assert_int_eq(eddy_file_read(loop, &file, 0, data, 2, INT64_MAX - 1, refuse), -EINVAL);
    ck_assert_int_eq(eddy_file_write(loop, &file, 0, NULL, 1, 0, refuse), -EINVAL);
    ck_assert_int_eq(eddy_file_readv(loop, &file, 0, two, -1, 0, refuse), -EINVAL);
    ck_assert_int_eq(eddy_file_readv(loop, &file, 0, NULL, 1, 0, refuse), -EINVAL);
    ck_assert_int_eq(eddy_file_writev(loop, &file, 0, two, 2, late, refuse), -EINVAL);
    ck_assert_int_eq(eddy_file_fstat(loop, &file, 0, NULL, refuse), -EINVAL);
    ck_assert_int_eq(eddy_file_stat(loop, &file, place.dir, NULL, NULL, refuse), -EINVAL);
    ck_assert_int_eq(eddy_file_ftruncate(loop, &file, 0, -1, refuse), -EINVAL);
    ck_assert_int_eq(eddy_file_rename(loop, &file, 0, "a", 0, NULL, refuse), -EINVAL);
    ck_assert_int_eq(eddy_file_unlink(loop, &file, 0, NULL, refuse), -EINVAL);
    ck_assert_int_eq(eddy_file_mkdir(loop, &file, 0, NULL, 0, refuse), -EINVAL);
    ck_assert_int_eq(eddy_file_scan(loop, &file, place.dir, data, 1023, refuse), -EINVAL);
    ck_assert_int_eq(eddy_file_scan(loop, &file, place.dir, NULL, 1024, refuse), -EINVAL);
    ck_assert(!eddy_loop_is_alive(loop));
    place_close(&place);
}
END_TEST

START_TEST(a_bad_descriptor_is_the_outcome) {
    struct place place = place_open(_i);
    char data[1024] = {0};
    eddy_stat stat;
    ck_assert_int_eq(WAIT(&place, eddy_file_read, -1, data, 1, 0), -EBADF);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, 9999, data, 1, -1), -EBADF);
    ck_assert_int_eq(WAIT(&place, eddy_file_write, -1, data, 1, 0), -EBADF);
    ck_assert_int_eq(WAIT(&place, eddy_file_fstat, -1, &stat), -EBADF);
    ck_assert_int_eq(WAIT(&place, eddy_file_close, -1), -EBADF);
    ck_assert_int_eq(WAIT(&place, eddy_file_fsync, -1), -EBADF);
    ck_assert_int_eq(WAIT(&place, eddy_file_scan, -1, data, sizeof data), -EBADF);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, place.dir, data, 1, 0), -EISDIR);
    /* What means the working directory where a directory is asked for is no open file; and the
     * system's word for it is none of ours. */
    static const int words[] = {EDDY_CWD, AT_FDCWD};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(WAIT(&place, eddy_file_read, words[i], data, 1, 0), -EBADF);
        ck_assert_int_eq(WAIT(&place, eddy_file_write, words[i], data, 1, 0), -EBADF);
        ck_assert_int_eq(WAIT(&place, eddy_file_fstat, words[i], &stat), -EBADF);
        ck_assert_int_eq(WAIT(&place, eddy_file_fsync, words[i]), -EBADF);
        ck_assert_int_eq(WAIT(&place, eddy_file_ftruncate, words[i], 0), -EBADF);
        ck_assert_int_eq(WAIT(&place, eddy_file_scan, words[i], data, sizeof data), -EBADF);
        ck_assert_int_eq(WAIT(&place, eddy_file_close, words[i]), -EBADF);
    }
    for (int dir = -3; dir < 0; dir++) {
        ck_assert_int_eq(WAIT(&place, eddy_file_stat, dir, ".", &stat), -EBADF);
        ck_assert_int_eq(WAIT(&place, eddy_file_open, dir, ".", O_DIRECTORY, 0, 0), -EBADF);
        ck_assert_int_eq(WAIT(&place, eddy_file_open, dir, ".", 0, 0, EDDY_BENEATH), -EBADF);
    }
    place_close(&place);
}
END_TEST

/* --- Stat --- */

START_TEST(stat_tells_what_the_system_knows) {
    struct place place = place_open(_i);
    int fd = create(&place, "file", "0123456789", 10);
    ck_assert_int_eq(symlinkat("file", place.dir, "link"), 0);
    struct timespec times[2] = {{1000000000, 123456789}, {1234567890, 987654321}};
    ck_assert_int_eq(futimens(fd, times), 0);
    struct stat want;
    ck_assert_int_eq(fstat(fd, &want), 0);
    eddy_stat got[3];
    memset(got, 0xff, sizeof got);
    ck_assert_int_eq(WAIT(&place, eddy_file_fstat, fd, &got[0]), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_stat, place.dir, "link", &got[1]), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_lstat, place.dir, "file", &got[2]), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(got[i].device, (uint64_t)want.st_dev);
        ck_assert_uint_eq(got[i].inode, (uint64_t)want.st_ino);
        ck_assert_uint_eq(got[i].links, 1);
        ck_assert_uint_eq(got[i].mode, want.st_mode);
        ck_assert_uint_eq(got[i].user, want.st_uid);
        ck_assert_uint_eq(got[i].group, want.st_gid);
        ck_assert_int_eq(got[i].size, 10);
        ck_assert_int_eq(got[i].blocks, (int64_t)want.st_blocks);
        ck_assert_uint_eq(got[i].block_bytes, (uint32_t)want.st_blksize);
        ck_assert_int_eq(got[i].access_s, 1000000000);
        ck_assert_int_eq(got[i].access_ns, 123456789);
        ck_assert_int_eq(got[i].modify_s, 1234567890);
        ck_assert_int_eq(got[i].modify_ns, 987654321);
        ck_assert_int_eq(got[i].change_s, (int64_t)want.st_ctime);
    }
    ck_assert_int_eq(WAIT(&place, eddy_file_lstat, place.dir, "link", &got[0]), 0);
    ck_assert(S_ISLNK(got[0].mode));
    ck_assert_int_eq(WAIT(&place, eddy_file_stat, place.dir, "none", &got[0]), -ENOENT);
    ck_assert_int_eq(stat("/dev/null", &want), 0);
    int null = open("/dev/null", O_RDONLY);
    ck_assert_int_eq(WAIT(&place, eddy_file_fstat, null, &got[0]), 0);
    ck_assert_uint_eq(got[0].special_device, (uint64_t)want.st_rdev);
    close(null);
    close(fd);
    erase(&place, "file");
    erase(&place, "link");
    place_close(&place);
}
END_TEST

/* --- Names --- */

START_TEST(names_are_made_moved_and_removed) {
    struct place place = place_open(_i);
    ck_assert_int_eq(WAIT(&place, eddy_file_mkdir, place.dir, "one", 0755), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_mkdir, place.dir, "one", 0755), -EEXIST);
    ck_assert_int_eq(WAIT(&place, eddy_file_mkdir, place.dir, "two", 0700), 0);
    int64_t one = WAIT(&place, eddy_file_open, place.dir, "one", O_RDONLY | O_DIRECTORY, 0, 0);
    int64_t two = WAIT(&place, eddy_file_open, place.dir, "two", O_RDONLY | O_DIRECTORY, 0, 0);
    ck_assert_int_ge(one, 0);
    ck_assert_int_ge(two, 0);
    close(create(&place, "one/a", "a", 1));
    ck_assert_int_eq(WAIT(&place, eddy_file_rmdir, place.dir, "one"), -ENOTEMPTY);
    int64_t refused = WAIT(&place, eddy_file_unlink, place.dir, "one");
    ck_assert(refused == -EISDIR || refused == -EPERM); /* POSIX's word, on the BSDs */
    ck_assert_int_eq(WAIT(&place, eddy_file_rename, (int)one, "a", (int)two, "b"), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_rename, (int)one, "a", (int)two, "b"), -ENOENT);
    ck_assert_int_eq(faccessat((int)two, "b", F_OK, 0), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_rmdir, (int)two, "b"), -ENOTDIR);
    ck_assert_int_eq(WAIT(&place, eddy_file_unlink, (int)two, "b"), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_unlink, (int)two, "b"), -ENOENT);
    ck_assert_int_eq(WAIT(&place, eddy_file_rmdir, place.dir, "one"), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_rmdir, place.dir, "two"), 0);
    close((int)one);
    close((int)two);
    place_close(&place);
}
END_TEST

START_TEST(a_file_is_cut_grown_and_synced) {
    struct place place = place_open(_i);
    int fd = create(&place, "a", "0123456789", 10);
    ck_assert_int_eq(WAIT(&place, eddy_file_ftruncate, fd, 4), 0);
    char text[8] = {0};
    ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, text, 8, 0), 4);
    ck_assert_int_eq(WAIT(&place, eddy_file_ftruncate, fd, 6), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, text, 8, 0), 6);
    ck_assert_mem_eq(text, "0123\0\0", 6);
    ck_assert_int_eq(WAIT(&place, eddy_file_fsync, fd), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_fdatasync, fd), 0);
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

/* --- The attempt --- */

/* What is in the cache is read, opened and looked at without a thread, and counted; switched off,
 * every request goes to the pool. The results above are the same. */
START_TEST(an_attempt_is_counted_and_skips_the_pool) {
    struct place place = place_open(_i);
    int fd = create(&place, "a", "hello", 5);
    char text[4096];
    eddy_stat stat;
    eddy_metrics before = loop_metrics(place.loop);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, text, sizeof text, 0), 5);
        ck_assert_int_eq(WAIT(&place, eddy_file_fstat, fd, &stat), 0);
        int64_t other =
            WAIT(&place, eddy_file_open, place.dir, "a", O_RDONLY | O_NONBLOCK, 0, EDDY_BENEATH);
        ck_assert_int_ge(other, 0);
        close((int)other);
    }
    eddy_metrics after = loop_metrics(place.loop);
    uint64_t attempts = after.file_attempts - before.file_attempts;
    uint64_t hits = after.file_hits - before.file_hits;
    ck_assert_uint_eq(attempts, _i ? 30 : 0);
    ck_assert_uint_le(hits, attempts);
    uint64_t done = after.jobs + after.ring_jobs - before.jobs - before.ring_jobs;
    ck_assert_uint_eq(done, 30 - hits);
#ifdef __linux__ /* the others cannot promise anything; nor can every file system here */
    if (_i && getenv("EDDY_TEST_PLAIN") == NULL) ck_assert_uint_ge(hits, 20);
#endif
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

/* A request that nothing has been done of is taken back, whether it waits for its attempt or for a
 * thread, and the callback says so. */
START_TEST(cancel_is_honest_about_files) {
    struct place place = place_open(_i);
    int fd = create(&place, "a", "hello", 5);
    char text[8];
    struct request read = {.done = false}, sync = {.done = false};
    ck_assert_int_eq(eddy_file_read(place.loop, &read.file, fd, text, 8, 0, request_done), 0);
    ck_assert_int_eq(eddy_file_fsync(place.loop, &sync.file, fd, request_done), 0);
    ck_assert_int_eq(eddy_file_cancel(&read.file), 0);
    ck_assert_int_eq(eddy_file_cancel(&read.file), -EALREADY);
    ck_assert_int_eq(eddy_file_cancel(&sync.file), 0);
    ck_assert_int_eq(read.count, 0);
    run_out(place.loop);
    ck_assert_int_eq(read.count, 1);
    ck_assert_int_eq(sync.count, 1);
    ck_assert_int_eq(read.file.result, -ECANCELED);
    ck_assert_uint_eq(loop_metrics(place.loop).file_attempts, 0);
    ck_assert_int_eq(sync.file.result, -ECANCELED);

    /* Too late is too late, however it was done. */
    read = sync = (struct request){.done = false};
    ck_assert_int_eq(eddy_file_read(place.loop, &read.file, fd, text, 8, 0, request_done), 0);
    ck_assert_int_eq(eddy_file_fsync(place.loop, &sync.file, fd, request_done), 0);
    run_out(place.loop);
    ck_assert_int_eq(eddy_file_cancel(&read.file), -EALREADY);
    ck_assert_int_eq(eddy_file_cancel(&sync.file), -EALREADY);
    run_out(place.loop);
    ck_assert_int_eq(read.count, 1);
    ck_assert_int_eq(sync.count, 1);
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

/* Pages are dropped from the cache between reads: what the attempt got of a file with holes in the
 * cache is completed by the pool. */
START_TEST(a_hole_in_the_cache_is_filled_by_the_pool) {
    struct place place = place_open(_i);
    enum { BYTES = 200 * 1024 };
    static char data[BYTES], back[BYTES];
    for (int i = 0; i < BYTES; i++) data[i] = bytes_at(i);
    int fd = create(&place, "a", data, BYTES);
    ck_assert_int_eq(fsync(fd), 0);
    for (int round = 0; round < 20; round++) {
        off_t from = (off_t)(round % 10) * 16384;
        posix_fadvise(fd, from, round % 2 ? 16384 : 0, POSIX_FADV_DONTNEED);
        memset(back, 0, sizeof back);
        ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, back, BYTES, 0), BYTES);
        ck_assert(memcmp(data, back, BYTES) == 0);
    }
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("file");
    files_add(suite, "open", a_file_is_created_written_read_and_closed, open_says_what_is_wrong,
              opening_a_fifo_holds_up_a_thread_and_not_the_loop);
    files_add(suite, "bytes", any_number_of_vectors_is_written_and_read_whole,
              nothing_to_transfer_is_no_error, offsets_past_4_gib_are_whole,
              arguments_that_mean_nothing_are_refused, a_bad_descriptor_is_the_outcome);
    files_add(suite, "names", stat_tells_what_the_system_knows, names_are_made_moved_and_removed,
              a_file_is_cut_grown_and_synced);
    files_add(suite, "attempt", an_attempt_is_counted_and_skips_the_pool,
              cancel_is_honest_about_files, a_hole_in_the_cache_is_filled_by_the_pool);
    return suite;
}
