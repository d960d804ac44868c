/* files_ring.c: what file requests that a ring does have beside those of the pool: whom it takes
 * and whom not, cancelling, more than fit, forks, and the ends of threads. Runs with "+uring" only.
 * Everything that both promise is in file.c, which runs with "+uring" as well. */
#include "files.h"

#include <eddy/arena.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include "refuse.h"
#endif

enum { MANY = 1000, PAGE = 4096 };

static struct place begin(void) {
    return place_open(false);
}

static unsigned threads_started(struct place *place) {
    eddy_pool_metrics metrics;
    eddy_pool_read_metrics(eddy_loop_pool(place->loop), &metrics, sizeof metrics);
    return (unsigned)metrics.threads_started;
}

START_TEST(nobody_gets_a_ring_unasked) {
    eddy_loop *loop;
    const char *reason = "";
    ck_assert_int_eq(eddy_loop_open(&loop, &(eddy_loop_config){.backend = test_backend}), 0);
    ck_assert_int_eq(eddy_loop_files(loop, &reason), EDDY_FILES_POOL);
    ck_assert_ptr_null(reason);
    ck_assert_int_eq(eddy_loop_close(loop), 0);
    eddy_loop_config config = {.files = (eddy_files_kind)2};
    ck_assert_int_eq(eddy_loop_open(&loop, &config), -EINVAL);
}
END_TEST

START_TEST(no_thread_is_started_for_what_the_ring_does) {
    struct place place = begin();
    char data[PAGE];
    memset(data, 'x', sizeof data);
    int fd = create(&place, "a", data, sizeof data);
    ck_assert_int_eq(eddy_loop_files(place.loop, NULL), EDDY_FILES_URING);
    ck_assert_int_eq(pwrite(fd, "abc", 3, 10), 3);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, data, 5, 9), 5);
    ck_assert_mem_eq(data, "xabcx", 5);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, data, PAGE, 4000), 96);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, data, PAGE, 5000), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_fsync, fd), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_fdatasync, fd), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_fsync, -1), -EBADF);
    ck_assert_uint_eq(loop_metrics(place.loop).ring_jobs, 6);
    ck_assert_uint_eq(threads_started(&place), 0);
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

#ifdef O_DIRECT
/* Where the file system has it: blocks, in one piece and in several, and what is no block. */
START_TEST(what_goes_past_the_cache_goes_by_the_ring) {
    struct place place = begin();
    enum { BLOCKS = 100, BYTES = BLOCKS * PAGE };
    char *data = aligned_alloc(PAGE, 2 * BYTES), *back = data + BYTES;
    struct iovec halves[] = {{back, BYTES / 2}, {back + BYTES / 2, BYTES / 2}};
    int fd = openat(place.dir, "a", O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0644);
    for (int i = 0; i < BYTES; i++) data[i] = (char)(i / PAGE + i % 7);
    if (fd >= 0) {
        ck_assert_int_eq(WAIT(&place, eddy_file_write, fd, data, BYTES, PAGE), BYTES);
        ck_assert_int_eq(WAIT(&place, eddy_file_readv, fd, halves, 2, PAGE), BYTES);
        ck_assert_mem_eq(data, back, BYTES);
        ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, back, BYTES, 2 * PAGE), BYTES - PAGE);
        ck_assert_uint_eq(loop_metrics(place.loop).ring_jobs, 3);
        int64_t result = WAIT(&place, eddy_file_write, fd, data, 100, 0);
        ck_assert(result == 100 || result == -EINVAL); /* as the file system has it */
        close(fd);
        erase(&place, "a");
    }
    free(data);
    place_close(&place);
}
END_TEST
#endif

/* What it would do otherwise than the call: a pipe at an offset, what is at the position, nothing
 * at all, what is copied by whoever asks, and what raises a signal there. */
START_TEST(the_pool_does_what_the_ring_would_not_do_alike) {
    struct place place = begin();
    enum { BIG = 1 << 20 };
    char *data = calloc(1, BIG);
    static _Alignas(PAGE) char page[PAGE];
    int fd = create(&place, "a", "hello", 5), ends[2];
    test_pipe(ends);
    ck_assert_int_eq(WAIT(&place, eddy_file_write, ends[1], "x", 1, 0), -ESPIPE);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, ends[0], data, 1, 0), -ESPIPE);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, data, 9, -1), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_write, fd, data, 0, 0), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_write, fd, data, BIG, 0), BIG);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, data, BIG, 0), BIG);
    ck_assert_uint_eq(loop_metrics(place.loop).ring_jobs, 0);
    const struct rlimit limit = {BIG, RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(WAIT(&place, eddy_file_write, fd, "abc", 3, BIG), -EFBIG);
    (void)fcntl(fd, F_SETFL, O_DIRECT);
    ck_assert_int_eq(WAIT(&place, eddy_file_write, fd, page, PAGE, BIG), -EFBIG);
    ck_assert_uint_eq(loop_metrics(place.loop).ring_jobs, 0);
    close(ends[0]);
    close(ends[1]);
    close(fd);
    free(data);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

/* More vectors than a call takes, some of them empty, and not all of the file's bytes there. */
START_TEST(vectors_are_filled_to_the_last) {
    struct place place = begin();
    enum { VECTORS = 2500 };
    static char data[VECTORS], from[VECTORS];
    static struct iovec vectors[VECTORS];
    for (int i = 0; i < VECTORS; i++) {
        from[i] = (char)('a' + i % 23);
        vectors[i] = (struct iovec){data + i, i % 3 == 0 ? 0 : 1};
    }
    int fd = create(&place, "a", from, VECTORS);
    int64_t total = VECTORS - (VECTORS + 2) / 3;
    ck_assert_int_eq(WAIT(&place, eddy_file_readv, fd, vectors, VECTORS, 0), total);
    int64_t next = 0;
    for (int i = 0; i < VECTORS; i++)
        if (i % 3 != 0) ck_assert_int_eq(data[i], from[next++]);
    ck_assert_int_eq(WAIT(&place, eddy_file_readv, fd, vectors, VECTORS, VECTORS - 7), 7);
    ck_assert_uint_eq(loop_metrics(place.loop).ring_jobs, 2);
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

static unsigned ended;
static bool all_ended;

static void count_end(eddy_file *file) {
    ck_assert_int_eq(file->result, 4);
    all_ended = ++ended == MANY;
}

START_TEST(more_than_the_ring_holds_wait_and_end_once) {
    struct place place = begin();
    static eddy_file files[MANY];
    static uint32_t numbers[MANY], got[MANY];
    for (unsigned i = 0; i < MANY; i++) numbers[i] = i;
    int fd = create(&place, "a", numbers, sizeof numbers);
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_int_eq(
            eddy_file_read(place.loop, &files[i], fd, &got[i], 4, 4 * (int64_t)i, count_end), 0);
    test_turn_until(place.loop, &all_ended);
    ck_assert_mem_eq(got, numbers, sizeof got);
    ck_assert_uint_eq(loop_metrics(place.loop).ring_jobs, MANY);
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

static void count_walked(const eddy_walk_item *item, void *context) {
    unsigned *count = context;
    if (item->kind == EDDY_KIND_FILE) ++*count;
}

START_TEST(a_request_that_waits_is_told_and_taken_back) {
    struct place place = begin();
    struct request first = {.done = false}, second = {.done = false};
    unsigned count = 0;
    int fd = create(&place, "a", "hello", 5);
    ck_assert_int_eq(eddy_file_fsync(place.loop, &first.file, fd, request_done), 0);
    ck_assert_int_eq(eddy_file_fsync(place.loop, &second.file, fd, request_done), 0);
    eddy_loop_walk(place.loop, count_walked, &count);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(eddy_loop_close(place.loop), -EBUSY);
    ck_assert_int_eq(eddy_file_cancel(&first.file), 0);
    ck_assert_int_eq(eddy_file_cancel(&first.file), -EALREADY);
    ck_assert(!first.done);
    ck_assert_int_eq(finish(&place, &second, 0), 0);
    ck_assert_int_eq(first.count, 1);
    ck_assert_int_eq(first.file.result, -ECANCELED);
    ck_assert_int_eq(eddy_file_cancel(&second.file), -EALREADY);
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

/* The kernel has it, and may have done it: each answer has the outcome that it promises. */
START_TEST(a_cancel_of_what_the_kernel_has_tells_the_truth) {
    struct place place = begin();
    int fd = create(&place, "a", "hello", 5);
    for (int i = 0; i < 50; i++) {
        struct request it = {.done = false};
        unsigned count = 0;
        ck_assert_int_eq(write(fd, "more", 4), 4);
        ck_assert_int_eq(eddy_file_fsync(place.loop, &it.file, fd, request_done), 0);
        ck_assert_int_eq(test_run(place.loop, EDDY_RUN_NOWAIT), 1);
        eddy_loop_walk(place.loop, count_walked, &count);
        ck_assert_uint_eq(count, it.done ? 0 : 1);
        int answer = eddy_file_cancel(&it.file);
        ck_assert(answer == 0 || answer == -EBUSY || answer == -EALREADY);
        ck_assert(!it.done || answer == -EALREADY);
        if (answer == -EBUSY) ck_assert_int_ne(eddy_file_cancel(&it.file), 0);
        test_turn_until(place.loop, &it.done);
        ck_assert_int_eq(it.count, 1);
        if (answer == 0) ck_assert_int_eq(it.file.result, -ECANCELED);
        if (answer == -EALREADY) ck_assert_int_eq(it.file.result, 0);
    }
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

static void await_child(pid_t child) {
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (unsigned)status);
}

/* Of the two the parent's kernel has the one; the other was not handed over, and each does it. */
static void be_the_child(struct place *place, struct request *taken, struct request *waiting) {
    struct request own = {.done = false};
    bool was_done = taken->done;
    int fd = openat(place->dir, "a", O_RDWR);
    if (eddy_loop_after_fork(place->loop) != 0) _exit(1);
    if (!was_done && eddy_file_cancel(&taken->file) != 0) _exit(2);
    if (eddy_file_fsync(place->loop, &own.file, fd, request_done) != 0) _exit(3);
    while (!taken->done || !waiting->done || !own.done)
        if (eddy_loop_run(place->loop, EDDY_RUN_ONCE) < 0) _exit(4);
    if (!was_done && taken->file.result != -ECANCELED) _exit(5);
    if (waiting->file.result != 5 || own.file.result != 0) _exit(6);
    if (eddy_loop_files(place->loop, NULL) != EDDY_FILES_URING) _exit(7);
    if (eddy_loop_verify(place->loop, NULL) != 0) _exit(8);
    _exit(taken->count == 1 && waiting->count == 1 && own.count == 1 ? 0 : 9);
}

START_TEST(a_forked_child_has_a_ring_of_its_own) {
    struct place place = begin();
    struct request taken = {.done = false}, waiting = {.done = false};
    char data[5];
    int fd = create(&place, "a", "hello", 5);
    ck_assert_int_eq(eddy_file_fsync(place.loop, &taken.file, fd, request_done), 0);
    ck_assert_int_eq(test_run(place.loop, EDDY_RUN_NOWAIT), 1);
    ck_assert_int_eq(eddy_file_read(place.loop, &waiting.file, fd, data, 5, 0, request_done), 0);
    pid_t child = fork();
    if (child == 0) be_the_child(&place, &taken, &waiting);
    await_child(child);
    test_turn_until(place.loop, &taken.done);
    test_turn_until(place.loop, &waiting.done);
    ck_assert_int_eq(taken.file.result, 0);
    ck_assert_int_eq(waiting.file.result, 5);
    ck_assert_mem_eq(data, "hello", 5);
    ck_assert_int_eq(taken.count + waiting.count, 2);
    close(fd);
    erase(&place, "a");
    place_close(&place);
}
END_TEST

enum { APART = 256 << 10 }; /* beyond what is read ahead */

static struct place moved;
static struct request in_thread[20];
static char read_there[20];
static int moved_fd;

static void *submit_and_end(void *unused) {
    (void)unused;
    for (int i = 0; i < 20; i++) {
        eddy_file *file = &in_thread[i].file;
        int err = i % 2 == 0 ? eddy_file_fsync(moved.loop, file, moved_fd, request_done)
                             : eddy_file_read(moved.loop, file, moved_fd, &read_there[i], 1,
                                              (int64_t)i * APART, request_done);
        if (err != 0) return &moved;
    }
    return test_run(moved.loop, EDDY_RUN_NOWAIT) < 0 ? &moved : NULL;
}

/* The kernel cancels what a thread has submitted when it ends, and says EFAULT of what it had begun
 * to read into a cache (where there is a disk). Nobody has asked for that. */
START_TEST(what_a_thread_submitted_outlives_it) {
    pthread_t thread;
    void *result;
    moved = begin();
    moved_fd = create(&moved, "a", "hello", 5);
    for (int i = 0; i < 20; i++) ck_assert_int_eq(pwrite(moved_fd, "b", 1, (off_t)i * APART), 1);
    ck_assert_int_eq(fsync(moved_fd), 0);
    ck_assert_int_eq(posix_fadvise(moved_fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, submit_and_end, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_ptr_null(result);
    for (int i = 0; i < 20; i++) {
        test_turn_until(moved.loop, &in_thread[i].done);
        ck_assert_int_eq(in_thread[i].file.result, i % 2);
        ck_assert_int_eq(in_thread[i].count, 1);
        ck_assert(i % 2 == 0 || read_there[i] == 'b');
    }
    close(moved_fd);
    erase(&moved, "a");
    place_close(&moved);
}
END_TEST

/* Memory of the loop, and room for the ring's descriptor, are all that a fixed loop has. */
START_TEST(an_arena_has_room_for_the_ring) {
    eddy_loop_config config = {
        .backend = test_backend, .is_fixed = true, .files = EDDY_FILES_URING};
    size_t bytes = eddy_loop_bytes(&config) + EDDY_POOL_BYTES(4) + EDDY_URING_BYTES;
    void *memory = malloc(bytes);
    eddy_arena arena;
    eddy_arena_init(&arena, memory, bytes);
    eddy_allocator allocator = eddy_arena_allocator(&arena);
    config.allocator = &allocator;
    for (int i = 0; i < 2; i++) {
        eddy_loop *loop;
        const char *reason;
        config.descriptors = i == 0 ? 0 : 8;
        ck_assert_int_eq(eddy_loop_open(&loop, &config), 0);
        int last = dup2(0, 20), other = -1;
        if (i == 1) /* the ring's number is beyond those that it may watch */
            for (other = dup(0); other < 8; other = dup(0)) continue;
        eddy_files_kind kind = eddy_loop_files(loop, &reason);
        ck_assert_int_eq(kind, i == 0 ? EDDY_FILES_URING : EDDY_FILES_POOL);
        ck_assert(i == 0 ? reason == NULL : strstr(reason, "no room") != NULL);
        ck_assert_int_eq(eddy_loop_close(loop), 0);
        close(last);
    }
    free(memory);
}
END_TEST

#ifdef __linux__
static void loop_without(int error, const char *word) {
    const long setup = 425; /* io_uring_setup, everywhere */
    const char *reason = NULL;
    char data[4];
    if (!refuse_calls(&setup, 1, error)) return;
    struct place place = begin();
    ck_assert_int_eq(eddy_loop_files(place.loop, &reason), EDDY_FILES_POOL);
    ck_assert_ptr_nonnull(strstr(reason, word));
    int fd = create(&place, "a", "hello", 5);
    ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, data, 4, 1), 4);
    ck_assert_mem_eq(data, "ello", 4);
    ck_assert_uint_eq(loop_metrics(place.loop).jobs, 1);
    close(fd);
    erase(&place, "a");
    place_close(&place);
}

/* Linux counted a ring's memory as locked until 5.11, and does so again since 6.14, for all that a
 * user has together; whoever may lock any is not asked. */
START_TEST(without_memory_to_be_locked_the_pool_does_it) {
    const struct rlimit none = {0, 0};
    const char *reason = NULL;
    struct place place = begin();
    int fd = create(&place, "a", "hello", 5);
    erase(&place, "a");
    ck_assert_int_eq(rmdir(place.path), 0); /* nobody else's to remove */
    bool is_poor = (geteuid() != 0 || setuid(65534) == 0) && setrlimit(RLIMIT_MEMLOCK, &none) == 0;
    if (eddy_loop_files(place.loop, &reason) != EDDY_FILES_URING && is_poor)
        ck_assert_ptr_nonnull(strstr(reason, "ulimit -l"));
    char data[4];
    ck_assert_int_eq(WAIT(&place, eddy_file_read, fd, data, 4, 1), 4);
    ck_assert_mem_eq(data, "ello", 4);
    close(fd);
    close(place.dir);
    test_loop_close(place.loop);
}
END_TEST

START_TEST(where_it_is_refused_the_pool_does_it_and_says_why) {
    static const struct {
        int error;
        const char *word;
    } cases[] = {{EPERM, "refuses"}, {ENOSYS, "Linux 5.12"}, {ENOMEM, "memory"}};
    loop_without(cases[_i].error, cases[_i].word);
}
END_TEST
#endif

Suite *make_suite(void) {
    Suite *suite = suite_create("files by a ring");
    ck_add(suite, "who", nobody_gets_a_ring_unasked, no_thread_is_started_for_what_the_ring_does,
           the_pool_does_what_the_ring_would_not_do_alike, an_arena_has_room_for_the_ring);
#ifdef O_DIRECT
    ck_add(suite, "direct", what_goes_past_the_cache_goes_by_the_ring);
#endif
    ck_add(suite, "work", vectors_are_filled_to_the_last,
           more_than_the_ring_holds_wait_and_end_once);
    ck_add(suite, "cancel", a_request_that_waits_is_told_and_taken_back,
           a_cancel_of_what_the_kernel_has_tells_the_truth);
    ck_add(suite, "ends", a_forked_child_has_a_ring_of_its_own,
           what_a_thread_submitted_outlives_it);
#ifdef __linux__
    TCase *refused = tcase_create("refused");
    tcase_add_loop_test(refused, where_it_is_refused_the_pool_does_it_and_says_why, 0, 3);
    tcase_add_test(refused, without_memory_to_be_locked_the_pool_does_it);
    suite_add_tcase(suite, refused);
#endif
    return suite;
}
