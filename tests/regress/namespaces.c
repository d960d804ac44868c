/* namespaces.c: what needs a system of its own: a file system that fills up, one with nothing in
 * it, a machine that has been up for a hundred years. Each test runs in a child, which alone is in
 * the namespace. */
#include "namespace.h"
#include "suite.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "net.h"

static eddy_loop *open_loop(void) {
    eddy_loop *loop;
    child_assert(eddy_loop_open(&loop, &(eddy_loop_config){.backend = test_backend}) == 0);
    return loop;
}

static void close_loop(eddy_loop *loop) {
    child_assert(eddy_loop_verify(loop, NULL) == 0);
    child_assert(eddy_loop_close(loop) == 0);
}

/* --- A file system that fills up --- */

static int64_t result;
static char data[256 * 1024];

static void on_done(eddy_file *file) {
    result = file->result;
}

static int64_t finish(eddy_loop *loop, int submitted) {
    child_assert(submitted == 0);
    child_assert(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
    return result;
}

/* The space ends in the middle of a write: what was written is the outcome, and it is in the file.
 * The error comes with the next write, and goes when there is space again. */
static void fill_up(const char *path, bool attempt) {
    eddy_loop *loop = open_loop();
    eddy_file file;
    struct iovec vectors[300];
    eddy_file_set_attempt(loop, attempt);
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = openat(dir, "a", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    child_assert(fd >= 0);
    for (int i = 0; i < 300; i++) vectors[i] = (struct iovec){data + i, 777};
    for (size_t i = 0; i < sizeof data; i++) data[i] = (char)(i * 7 + i / 256);
    int64_t count = finish(loop, eddy_file_writev(loop, &file, fd, vectors, 300, 0, on_done));
    child_assert(count > 0 && count <= 64 * 1024 && count < 300 * 777);
    child_assert(finish(loop, eddy_file_write(loop, &file, fd, data, 4096, count, on_done)) ==
                 -ENOSPC);
    static char back[300 * 777];
    child_assert(finish(loop, eddy_file_read(loop, &file, fd, back, sizeof back, 0, on_done)) ==
                 count);
    for (int64_t i = 0; i < count; i++) child_assert(back[i] == data[i / 777 + i % 777]);
    int other = openat(dir, "b", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (other >= 0) {
        child_assert(finish(loop, eddy_file_write(loop, &file, other, data, 1, -1, on_done)) ==
                     -ENOSPC);
        close(other);
    }
    child_assert(finish(loop, eddy_file_ftruncate(loop, &file, fd, 0, on_done)) == 0);
    child_assert(finish(loop, eddy_file_write(loop, &file, fd, data, 4096, 0, on_done)) == 4096);
    close(fd);
    close(dir);
    close_loop(loop);
}

START_TEST(a_write_that_fills_a_file_system_is_a_partial_count_and_then_an_error) {
    char path[] = "/tmp/eddy-test-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(path));
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (!namespace_mount(path, "size=64k")) namespace_refuse();
        fill_up(path, _i != 0);
        _exit(0);
    }
    (void)namespace_child_is_content(child, "a file system of our own");
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

/* --- A file system with nothing in it --- */

static void on_no_connection(eddy_listener *listener, int fd, const struct sockaddr *peer) {
    (void)listener, (void)fd, (void)peer;
    child_assert(false);
}

/* From here on there is no descriptor left; the lowest free one is the limit. */
static void allow_no_more_descriptors(int any_fd) {
    struct rlimit limit;
    int free_fd = dup(any_fd);
    child_assert(free_fd >= 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0);
    close(free_fd);
    limit.rlim_cur = (rlim_t)free_fd;
    child_assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* The listener has opened its reserve where there is no /dev: with it the client is shed. */
static void shed_without_files(void) {
    eddy_loop *loop = open_loop();
    eddy_listener listener;
    eddy_metrics metrics;
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, AF_INET);
    char byte;
    eddy_listener_init(&listener, loop);
    child_assert(open("/dev/null", O_RDONLY) == -1 && errno == ENOENT);
    child_assert(eddy_tcp_listen(&listener, (struct sockaddr *)&address, length, 1, 0,
                                 on_no_connection) == 0);
    length = sizeof address;
    child_assert(eddy_listener_address(&listener, (struct sockaddr *)&address, &length) == 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    child_assert(connect(client, (struct sockaddr *)&address, length) == 0);
    allow_no_more_descriptors(client);
    child_assert(eddy_loop_run(loop, EDDY_RUN_ONCE) == 1);
    eddy_loop_read_metrics(loop, &metrics, sizeof metrics);
    child_assert(metrics.accepts_shed == 1 && listener.reserve >= 0);
    child_assert(read(client, &byte, 1) == 0);
    close(client);
    child_assert(eddy_listener_close(&listener, NULL) == 0);
    child_assert(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
    close_loop(loop);
}

START_TEST(a_listener_in_an_empty_root_directory_sheds_as_well) {
    if (getenv("EDDY_TEST_SLOW") != NULL) return; /* valgrind has a limit of its own for accept */
    char path[] = "/tmp/eddy-test-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(path));
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (!namespace_change_root(path)) namespace_refuse();
        alarm(20);
        shed_without_files();
        _exit(0);
    }
    (void)namespace_child_is_content(child, "a root directory of our own");
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

/* --- A clock that shows a large number --- */

/* Seconds that do not fit 32 bits; the kernel allows up to 146 years. */
enum { YEARS = 140 };
static const long long up_s = YEARS * 365LL * 86400;

static int64_t fired_ns, late_ns;

static void on_timer(eddy_timer *timer) {
    fired_ns = test_now_ns();
    late_ns = fired_ns - eddy_loop_now_ns(timer->handle.loop);
}

static void never(eddy_timer *timer) {
    (void)timer;
    child_assert(false);
}

/* Never early, one wait each, and what lies beyond the end of the clock is never. */
static void check_timers(eddy_loop *loop) {
    static const int64_t far_ns[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2, INT64_C(1) << 62};
    static const int64_t near_ns[] = {0, 1, 300000, 2500000, 20000000};
    eddy_timer timer, far[4];
    eddy_metrics before, after;
    eddy_timer_init(&timer, loop);
    for (int i = 0; i < 4; i++) {
        eddy_timer_init(&far[i], loop);
        child_assert(eddy_timer_start(&far[i], never, far_ns[i], INT64_MAX) == 0);
        child_assert(eddy_timer_due_ns(&far[i]) > eddy_loop_now_ns(loop));
    }
    for (int i = 0; i < 5; i++) {
        fired_ns = 0;
        eddy_loop_read_metrics(loop, &before, sizeof before);
        eddy_loop_update_now(loop);
        child_assert(eddy_timer_start(&timer, on_timer, near_ns[i], 0) == 0);
        int64_t due_ns = eddy_timer_due_ns(&timer);
        while (fired_ns == 0) child_assert(eddy_loop_run(loop, EDDY_RUN_ONCE) == 1);
        child_assert(fired_ns >= due_ns && late_ns >= 0);
        eddy_loop_read_metrics(loop, &after, sizeof after);
        child_assert(after.waits - before.waits == 1);
    }
    for (int i = 0; i < 4; i++) eddy_timer_stop(&far[i]);
}

static int told;

static void on_read(eddy_stream *stream, void *bytes, ssize_t size) {
    (void)bytes;
    child_assert(size == -ETIMEDOUT);
    told++;
    child_assert(eddy_stream_close(stream, NULL) == 0);
}

static void check_deadline(eddy_loop *loop) {
    eddy_stream stream;
    int ends[2];
    child_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    eddy_stream_init(&stream, loop);
    child_assert(eddy_stream_attach(&stream, ends[0]) == 0);
    child_assert(eddy_stream_read_start(&stream, on_read) == 0);
    child_assert(eddy_stream_set_read_deadline(&stream, 5 * EDDY_NS_PER_MS) == 0);
    child_assert(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
    child_assert(told == 1);
    close(ends[1]);
}

static void work(eddy_work *it) {
    (void)it;
}

static void hold(eddy_work *it) {
    (void)it;
    sleep_ns(20 * EDDY_NS_PER_MS);
}

static void on_work(eddy_work *it, int status) {
    (void)it;
    child_assert(status == 0);
    told++;
}

/* Threads wait on the same clock: they leave after idling and no sooner than they should, and a
 * drain ends. */
static void check_pool(void) {
    eddy_pool *pool;
    eddy_pool_metrics metrics;
    eddy_work it;
    eddy_pool_config config = {.threads = 1, .idle_ns = 20 * EDDY_NS_PER_MS};
    child_assert(eddy_pool_open(&pool, &config) == 0);
    eddy_loop *loop;
    child_assert(
        eddy_loop_open(&loop, &(eddy_loop_config){.backend = test_backend, .pool = pool}) == 0);
    told = 0;
    child_assert(eddy_work_submit(loop, &it, EDDY_LANE_CPU, hold, on_work) == 0);
    child_assert(eddy_loop_run(loop, EDDY_RUN_NOWAIT) == 1);
    child_assert(eddy_pool_drain(pool, 0, NULL, NULL) >= 0);
    child_assert(eddy_pool_drain(pool, 10 * EDDY_NS_PER_S, NULL, NULL) == 0);
    child_assert(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
    do eddy_pool_read_metrics(pool, &metrics, sizeof metrics);
    while (metrics.threads > 0);
    child_assert(eddy_work_submit(loop, &it, EDDY_LANE_CPU, work, on_work) == 0);
    child_assert(eddy_loop_run(loop, EDDY_RUN_DEFAULT) == 0);
    child_assert(told == 2);
    close_loop(loop);
    child_assert(eddy_pool_close(pool) == 0);
}

static void live_long(void) {
    eddy_loop *loop = open_loop();
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    child_assert((long long)now.tv_sec >= up_s);
    child_assert(eddy_loop_now_ns(loop) >= up_s * EDDY_NS_PER_S);
    check_timers(loop);
    check_deadline(loop);
    close_loop(loop);
    check_pool();
}

/* The offset is for the children of the process that sets it. */
static int grandchild(void) {
    pid_t child = fork();
    if (child == 0) {
        alarm(50);
        live_long();
        _exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) return 255;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 253;
}

START_TEST(a_machine_that_has_been_up_for_a_hundred_years_keeps_its_deadlines) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (!namespace_set_clock(up_s)) namespace_refuse();
        _exit(grandchild());
    }
    (void)namespace_child_is_content(child, "a clock of our own");
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("namespaces");
    TCase *full = tcase_create("full");
    tcase_add_loop_test(full, a_write_that_fills_a_file_system_is_a_partial_count_and_then_an_error,
                        0, 2);
    tcase_set_timeout(full, 60);
    suite_add_tcase(suite, full);
    ck_add(suite, "empty", a_listener_in_an_empty_root_directory_sheds_as_well);
    ck_add(suite, "clock", a_machine_that_has_been_up_for_a_hundred_years_keeps_its_deadlines);
    return suite;
}
