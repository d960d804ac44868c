/* files.c: faults under every file request, with the attempt to go without a thread and without. */
#include "fault.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BYTES = 300, SCAN_BYTES = 1024 };

static eddy_loop *loop;
static int dir;
static bool given_up; /* the loop does not turn any more: no further requests */

/* A request, one after the other. It must be ours again before it is used again. */
static struct {
    eddy_file file;
    struct promise promise;
} request;

static void on_done(eddy_file *file) {
    (void)file;
    promise_keep(&request.promise);
}

/* Waits for a request that was given with `err`. Returns its result, or why there is none. */
static int64_t finish(int err) {
    if (promise_give(&request.promise, err) < 0) {
        fault_assert(!fault_is_unhurt());
        return err;
    }
    if (fault_turn_until(loop, &request.promise.kept) < 0) {
        given_up = true;
        return FAULT_GIVEN_UP;
    }
    bool is_close = fault_is_of(OS_CALL_close); /* of which the library itself tells nobody */
    fault_assert(request.file.result >= 0 || is_close || !fault_is_unhurt());
    return request.file.result;
}

/* `finish` of a request that is not given if the loop has stopped. */
#define DO(name, ...)          \
    (given_up ? FAULT_GIVEN_UP \
              : finish(eddy_file_##name(loop, &request.file, __VA_ARGS__, on_done)))

static int64_t open_at(const char *path, int flags) {
    return DO(open, dir, path, flags, 0600, EDDY_BENEATH);
}

/* It is gone whatever the result, unless nobody has tried. */
static void close_file(int64_t fd) {
    if (fd < 0) return;
    int64_t result = DO(close, (int)fd);
    if (given_up || !request.promise.given) close((int)fd);
    fault_assert(result != -ECANCELED);
}

static char content[BYTES];

/* A thread may still be busy with a request that was given up: so what requests are given stays. */
static char data[BYTES], buffer[SCAN_BYTES];
static eddy_stat stat_of;
static struct iovec parts[2];

static void write_and_read(int fd) {
    int64_t written = DO(write, fd, content, BYTES, 0);
    fault_assert(written <= BYTES && (written == BYTES || !fault_is_unhurt()));
    struct stat real; /* what is told is what was done */
    bool is_told = !given_up && fstat(fd, &real) == 0;
    if (is_told) fault_assert(real.st_size == (written > 0 ? written : 0));
    (void)DO(fdatasync, fd);
    (void)DO(fsync, fd);
    if (DO(fstat, fd, &stat_of) == 0 && written > 0) fault_assert(stat_of.size == written);
    int64_t got = DO(read, fd, data, BYTES, 0);
    fault_assert(got < 0 || got == written || !fault_is_unhurt());
    if (got > 0) fault_assert(memcmp(data, content, (size_t)got) == 0);
    parts[0] = (struct iovec){data, 10};
    parts[1] = (struct iovec){data + 10, BYTES - 10};
    got = DO(readv, fd, parts, 2, -1);
    if (got > 0) fault_assert(memcmp(data, content, (size_t)got) == 0);
    if (DO(ftruncate, fd, 10) == 0 && DO(fstat, fd, &stat_of) == 0)
        fault_assert(stat_of.size == 10);
}

static int count_names(int64_t used) {
    eddy_entry entry;
    size_t position = 0;
    int count = 0;
    while (used > 0 && eddy_scan_next(buffer, (size_t)used, &position, &entry)) count++;
    return count;
}

static void look_at_names(void) {
    (void)DO(stat, dir, "sub/file", &stat_of);
    (void)DO(rename, dir, "sub/file", dir, "sub/other");
    (void)DO(lstat, dir, "sub/other", &stat_of);
    int64_t fd = open_at("sub", O_RDONLY | O_DIRECTORY);
    int64_t used = fd < 0 ? fd : DO(scan, (int)fd, buffer, sizeof buffer);
    if (fault_is_unhurt()) fault_assert(count_names(used) == 1);
    close_file(fd);
    (void)DO(unlink, dir, "sub/other");
    (void)DO(rmdir, dir, "sub");
}

static void use_files(bool attempt, eddy_files_kind files) {
    if (fault_loop_open(&loop, (eddy_loop_config){.files = files}) < 0) return;
    eddy_file_set_attempt(loop, attempt);
    given_up = false;
    (void)DO(mkdir, dir, "sub", 0700);
    int64_t fd = open_at("sub/file", O_RDWR | O_CREAT);
    if (fd >= 0) write_and_read((int)fd);
    close_file(fd);
    fd = open_at("sub/file", O_RDONLY | O_NONBLOCK);
    close_file(fd);
    look_at_names();
    /* What was still under way when it was given up may yet open a file. */
    bool was_open = request.file.operation == 0 && promise_is_open(&request.promise);
    if (promise_is_open(&request.promise)) (void)eddy_file_cancel(&request.file);
    fault_loop_close(loop);
    fault_assert(!promise_is_open(&request.promise));
    if (was_open && request.file.result >= 0) close((int)request.file.result);
    (void)unlinkat(dir, "sub/file", 0);
    (void)unlinkat(dir, "sub/other", 0);
    (void)unlinkat(dir, "sub", AT_REMOVEDIR);
}

static void use_threads(void) {
    use_files(false, EDDY_FILES_POOL);
}

static void use_attempts(void) {
    use_files(true, EDDY_FILES_POOL);
}

static void use_ring(void) {
    use_files(false, EDDY_FILES_URING);
}

static void run_in_a_directory(const char *name, void (*scenario)(void)) {
    char path[] = "/tmp/eddy-fault-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(path));
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(dir, 0);
    for (int i = 0; i < BYTES; i++) content[i] = (char)('a' + i % 26);
    fault_loop(name, scenario);
    close(dir);
    ck_assert_int_eq(rmdir(path), 0); /* each run has left it empty */
}

START_TEST(file_requests_by_threads_end_once) {
    run_in_a_directory("files, threads", use_threads);
}
END_TEST

START_TEST(file_requests_by_attempts_end_once) {
    run_in_a_directory("files, attempts", use_attempts);
}
END_TEST

START_TEST(file_requests_by_a_ring_end_once) {
    run_in_a_directory("files, ring", use_ring);
}
END_TEST

START_TEST(file_requests_in_small_pieces_end_once) {
    seam_set_piece(100);
    run_in_a_directory("files in pieces", use_attempts);
    seam_set_piece(SIZE_MAX);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fault files");
    ck_add(suite, "files", file_requests_by_threads_end_once, file_requests_by_attempts_end_once,
           file_requests_in_small_pieces_end_once, file_requests_by_a_ring_end_once);
    return suite;
}
