/* show_scene_files.c: see show_scene_files.h. */
#include "show_scene_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 20, PIECES = 64, EVERY_MS = 2000 };

/* --- Making it, on the pool --- */

static int open_nameless(void) {
    const char *directory = getenv("TMPDIR");
    char path[512];
    if (directory == NULL || strlen(directory) > sizeof path - 32) directory = "/tmp";
    strcpy(path, directory);
    strcat(path, "/eddy-show-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0) return -errno;
    unlink(path);
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? (close(fd), -errno) : fd;
}

static int fill(struct show_files *files, int fd) {
    for (int i = 0; i < PIECES && !atomic_load(&files->is_ending); i++)
        for (ssize_t done = 0; done < PIECE;) {
            ssize_t wrote = write(fd, files->memory + done, (size_t)(PIECE - done));
            if (wrote < 0 && errno != EINTR) return -errno;
            if (wrote > 0) done += wrote;
        }
    return fsync(fd) < 0 ? -errno : 0; /* only what is on the disk can be dropped from memory */
}

static void make(eddy_work *work) {
    struct show_files *files = eddy_container_of(work, struct show_files, make);
    int fd = open_nameless();
    files->make_error = fd < 0 ? fd : fill(files, fd);
    if (atomic_load(&files->is_ending)) files->make_error = -ECANCELED;
    if (files->make_error == 0)
        files->fd = fd;
    else if (fd >= 0)
        close(fd);
}

static void on_made(eddy_work *work, int status) {
    struct show_files *files = eddy_container_of(work, struct show_files, make);
    char text[64];
    (void)status;
    files->is_making = false;
    eddy_label_clear(&files->labels[0]);
    if (files->make_error == 0 || files->make_error == -ECANCELED) return;
    show_say(files->board, "The file of 64 MB could not be made: %s.",
             eddy_strerror(files->make_error, text, sizeof text));
    (void)show_files_set(files, SHOW_READ_CALLBACK, false);
    (void)show_files_set(files, SHOW_READ_POOL, false);
}

static int prepare(struct show_files *files) {
    if (files->fd >= 0 || files->is_making) return 0;
    if (files->memory == NULL) files->memory = calloc(2, PIECE);
    if (files->memory == NULL) return -ENOMEM;
    int err = eddy_work_submit(files->loop, &files->make, EDDY_LANE_FILE, make, on_made);
    files->is_making = err == 0;
    if (err == 0) (void)eddy_label_set(&files->labels[0], &files->make, "make 64 MB");
    return err;
}

/* So that the disk has to be asked, where the system allows that. */
static void drop_cache(int fd) {
#ifdef POSIX_FADV_DONTNEED
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
#else
    (void)fd;
#endif
}

static void tell(struct show_files *files, bool is_pool, int64_t since_ns, int error) {
    char text[64];
    if (error < 0) {
        show_say(files->board, "Reading the file has failed: %s.",
                 eddy_strerror(error, text, sizeof text));
        return;
    }
    if (files->has_told[is_pool]) return;
    files->has_told[is_pool] = true;
    show_say(files->board, "64 MB %s: %d ms, in which the loop %s.",
             is_pool ? "through the pool" : "in a callback",
             (int)((show_now_ns() - since_ns) / EDDY_NS_PER_MS),
             is_pool ? "went on" : "did nothing else");
}

/* --- The two scenes --- */

void show_read_callback(eddy_timer *timer) {
    struct show_files *files = eddy_container_of(timer, struct show_files, callback);
    if (files->is_making) return;
    int64_t since_ns = show_now_ns();
    int err = 0;
    drop_cache(files->fd);
    for (int i = 0; i < PIECES && err == 0; i++)
        if (pread(files->fd, files->memory, PIECE, (off_t)i * PIECE) < 0) err = -errno;
    tell(files, false, since_ns, err);
}

static void on_piece(eddy_file *file) {
    struct show_files *files = eddy_container_of(file, struct show_files, file);
    int error = file->result < 0 ? (int)file->result : 0;
    files->offset += PIECE;
    if (error == 0 && files->offset < (int64_t)PIECES * PIECE &&
        show_board_is_on(files->board, SHOW_READ_POOL)) {
        error = eddy_file_read(files->loop, file, files->fd, files->memory + PIECE, PIECE,
                               files->offset, on_piece);
        if (error == 0) return;
    }
    files->is_reading = false;
    eddy_label_clear(&files->labels[1]);
    if (error != -ECANCELED) tell(files, true, files->since_ns, error);
}

static void begin_pool(struct show_files *files) {
    files->offset = 0;
    files->since_ns = show_now_ns();
    drop_cache(files->fd);
    int err = eddy_file_read(files->loop, &files->file, files->fd, files->memory + PIECE, PIECE, 0,
                             on_piece);
    files->is_reading = err == 0;
    if (err == 0) (void)eddy_label_set(&files->labels[1], &files->file, "read 1 MB");
    if (err < 0) tell(files, true, 0, err);
}

static void on_pool(eddy_timer *timer) {
    struct show_files *files = eddy_container_of(timer, struct show_files, pool);
    if (!files->is_making && !files->is_reading) begin_pool(files);
}

/* --- Switching --- */

void show_files_init(struct show_files *files, eddy_loop *loop, struct show_board *board) {
    memset(files, 0, sizeof *files);
    files->loop = loop;
    files->board = board;
    files->fd = -1;
    eddy_timer_init(&files->callback, loop);
    eddy_timer_init(&files->pool, loop);
    for (size_t i = 0; i < sizeof files->labels / sizeof files->labels[0]; i++)
        eddy_label_init(&files->labels[i], loop);
    (void)eddy_label_set(&files->labels[2], &files->callback, "read 64 MB");
    (void)eddy_label_set(&files->labels[3], &files->pool, "read, by the pool");
}

int show_files_set(struct show_files *files, enum show_scene scene, bool on) {
    bool is_pool = scene == SHOW_READ_POOL;
    eddy_timer *timer = is_pool ? &files->pool : &files->callback;
    int err = 0;
    if (on) {
        files->has_told[is_pool] = false;
        err = prepare(files);
        if (err == 0)
            err = eddy_timer_start(timer, is_pool ? on_pool : show_read_callback,
                                   100 * EDDY_NS_PER_MS, EVERY_MS * EDDY_NS_PER_MS);
    } else {
        eddy_timer_stop(timer);
    }
    show_board_set(files->board, scene, on && err == 0);
    return err;
}

void show_files_stop(struct show_files *files) {
    (void)show_files_set(files, SHOW_READ_CALLBACK, false);
    (void)show_files_set(files, SHOW_READ_POOL, false);
    if (files->is_reading) (void)eddy_file_cancel(&files->file);
    atomic_store(&files->is_ending, true);
}

void show_files_end(struct show_files *files) {
    for (size_t i = 0; i < sizeof files->labels / sizeof files->labels[0]; i++)
        eddy_label_clear(&files->labels[i]);
    if (files->fd >= 0) close(files->fd);
    free(files->memory);
}
