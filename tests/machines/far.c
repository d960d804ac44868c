/* far.c: a program whose off_t may be of 32 bits writes beyond 4 GiB, in a sparse file in the
 * current directory, and reads what it wrote; a size that is set and told is the same number. */
#include <eddy.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const int64_t far = INT64_C(5) << 30;
static eddy_loop *loop;
static eddy_file file;
static eddy_stat stat_there;
static char data[5];
static int fd = -1, steps;

#define CHECK(it) \
    if (!(it)) return fprintf(stderr, "far.c:%d: %s\n", __LINE__, #it), 1

static void on_done(eddy_file *done) {
    (void)done;
    steps++;
}

static int64_t result(int err) {
    if (err == 0) err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    return err < 0 ? err : file.result;
}

int main(void) {
    unsigned lowest = 0;
    CHECK(eddy_loop_open(&loop, NULL) == 0);
    int flags = O_RDWR | O_CREAT | O_TRUNC;
    fd = (int)result(eddy_file_open(loop, &file, EDDY_CWD, "far.data", flags, 0600, 0, on_done));
    CHECK(fd >= 0);
    CHECK(unlink("far.data") == 0);
    CHECK(result(eddy_file_write(loop, &file, fd, "there", 5, far, on_done)) == 5);
    CHECK(result(eddy_file_read(loop, &file, fd, data, 5, far, on_done)) == 5);
    CHECK(memcmp(data, "there", 5) == 0);
    CHECK(result(eddy_file_read(loop, &file, fd, &lowest, 4, far & INT32_MAX, on_done)) == 4);
    CHECK(lowest == 0);
    CHECK(result(eddy_file_fstat(loop, &file, fd, &stat_there, on_done)) == 0);
    CHECK(stat_there.size == far + 5);
    CHECK(result(eddy_file_ftruncate(loop, &file, fd, far - 1, on_done)) == 0);
    CHECK(result(eddy_file_fstat(loop, &file, fd, &stat_there, on_done)) == 0);
    CHECK(stat_there.size == far - 1);
    CHECK(close(fd) == 0 && steps == 7);
    CHECK(eddy_loop_close(loop) == 0);
    return 0;
}
