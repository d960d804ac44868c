/* seam.c: platform/os.h on a kernel that refuses. Whatever a function asks of the system, each call
 * of it fails here once: the function says so in its own words or tries again, and keeps nothing.
 */
#include "operations.h"

#include <sys/mman.h>
#include <sys/un.h>

/* Runs the operation with its `nth` call failing, if it makes so many. */
static int64_t run_with_fault(const struct operation *operation, unsigned nth, int error) {
    struct world world;
    world_open(&world);
    int before = count_descriptors();
    calls = (struct calls){.skip = nth, .times = 1, .error = error};
    int64_t result = operation->run(&world);
    ck_assert_msg(count_descriptors() == before, "%s, call %u: a descriptor stays open",
                  operation->name, nth);
    world_close(&world);
    return result;
}

/* The first error of any call is the function's result. A close that fails has closed, an option
 * that cannot be asked for is set, what a connection cannot have has aborted it, and a descriptor
 * that cannot be made close-on-exec is lost. */
START_TEST(each_call_that_fails_is_told) {
    for (size_t i = 0; i < OPERATIONS; i++) {
        const struct operation *it = &operations[i];
        for (unsigned nth = 0;; nth++) {
            int64_t result = run_with_fault(it, nth, EIO);
            bool is_told = calls.failed > 0 && (calls.last != CALL_close || it->run == do_close);
            bool is_asked = it->run == do_socket_error || it->run == do_is_listening ||
                            it->run == do_socket_type || it->run == do_peer_credentials;
            if (calls.last == CALL_getsockopt && !is_asked) is_told = false;
            if (calls.last == CALL_fcntl && it->run == do_receive_descriptors) is_told = false;
            /* Linux' own ways to a pair's terminal and to its number have others beside them. */
            bool is_optional = it->run == do_terminal_pair || it->run == do_terminal_device;
            if (calls.last == CALL_ioctl && is_optional) is_told = false;
            int64_t expected = is_told ? -EIO : it->result;
            bool is_accept = calls.last == CALL_accept || calls.last == CALL_accept4;
            if (is_told && it->run == do_accept && !is_accept) expected = -ECONNABORTED;
            ck_assert_msg(result == expected, "%s, call %u: %lld", it->name, nth,
                          (long long)result);
            if (calls.failed == 0) break;
        }
    }
}
END_TEST

/* A signal in the middle of a call goes unnoticed. Those on sockets, which never wait, leave it to
 * who hears that the socket is still ready. */
START_TEST(an_interrupted_call_is_made_again) {
    for (size_t i = 0; i < OPERATIONS; i++) {
        const struct operation *it = &operations[i];
        for (unsigned nth = 0; it->interruption != NEVER; nth++) {
            int64_t result = run_with_fault(it, nth, EINTR);
            bool is_put_off = it->interruption == NOT_NOW && calls.failed > 0;
            ck_assert_msg(result == (is_put_off ? -EAGAIN : it->result), "%s, call %u: %lld",
                          it->name, nth, (long long)result);
            if (calls.failed == 0) break;
        }
    }
}
END_TEST

/* --- Descriptors that come over a local socket --- */

/* The kernel sets close-on-exec itself. Where it cannot, a descriptor that cannot be told either is
 * closed, and told as lost. */
START_TEST(what_cannot_be_made_close_on_exec_is_closed) {
    bool is_plain = getenv("EDDY_TEST_PLAIN") != NULL;
    for (unsigned times = 1; times <= 2; times++) {
        struct world world;
        struct eddy_os_passed passed;
        world_open(&world);
        int before = count_descriptors();
        calls_refuse(CALL_fcntl, times, EINVAL);
        ck_assert_int_eq(receive_descriptors(&world, &passed), 2);
        ck_assert_uint_eq(calls.failed, is_plain ? times : 0);
        ck_assert_uint_eq(passed.count, is_plain ? 2 - times : 2);
        ck_assert(passed.is_cut == is_plain);
        ck_assert_int_eq(count_descriptors(), before);
        world_close(&world);
    }
}
END_TEST

/* The BSDs, short of descriptors, give an error in place of the data, which is still there; of a
 * record it is gone. */
START_TEST(descriptors_that_are_lost_do_not_take_the_bytes_along) {
    static const int errors[] = {EMSGSIZE, EMFILE};
    for (size_t i = 0; i < 2; i++) {
        struct world world;
        struct eddy_os_passed passed;
        char byte;
        world_open(&world);
        calls_refuse(CALL_recvmsg, 1, errors[i]);
        ck_assert_int_eq(eddy_os_receive_descriptors(world.pair[0], &byte, 1, false, &passed), 1);
        ck_assert(passed.is_cut && passed.count == 0);
        calls_refuse(CALL_recvmsg, 1, errors[i]);
        ck_assert_int_eq(eddy_os_receive_descriptors(world.pair[0], &byte, 1, true, &passed),
                         -EMSGSIZE);
        calls_refuse(CALL_recvmsg, 1, EINTR);
        ck_assert_int_eq(eddy_os_receive_descriptors(world.pair[0], &byte, 1, false, &passed),
                         -EAGAIN);
        world_close(&world);
    }
}
END_TEST

/* Accepting again is what an interrupted accept needs; what else it calls is not interrupted. */
START_TEST(an_interrupted_accept_is_made_again) {
    struct operation accept = {"accept", do_accept, 1, RETRIED};
    ck_assert_int_eq(run_with_fault(&accept, 0, EINTR), 1);
    ck_assert_uint_eq(calls.failed, 1);
}
END_TEST

/* What the kernel has no memory for comes back; a signal meanwhile goes unnoticed. A ring is not
 * had everywhere. */
START_TEST(a_ring_gives_back_what_the_kernel_does_not_take) {
    static const int errors[] = {EAGAIN, EBUSY, ENOMEM, EINTR};
    struct world world;
    struct eddy_os_ring ring;
    struct eddy_os_file_result results[4];
    char data[5];
    struct iovec vector = {data, sizeof data};
    struct eddy_os_file_job job = {.vectors = &vector, .count = 1, .token = data};
    world_open(&world);
    bool is_had = eddy_os_file_ring_open(&ring, 4, 4) == 0;
    job.fd = world.file;
    for (size_t i = 0; is_had && i < 4; i++) {
        ck_assert(eddy_os_file_ring_put(&ring, &job));
        ck_assert(eddy_os_file_ring_put(&ring, &job));
        calls_refuse(CALL_syscall, 1, errors[i]);
        ck_assert_uint_eq(eddy_os_file_ring_submit(&ring), errors[i] == EINTR ? 0 : 2);
        ck_assert_uint_eq(calls.failed, 1);
        int count = eddy_os_file_ring_next(&ring, results, 4);
        ck_assert_int_eq(count, errors[i] == EINTR ? 2 : 0);
        for (int j = 0; j < count; j++) ck_assert_int_eq(results[j].result, 5);
    }
    if (is_had) eddy_os_file_ring_close(&ring);
    world_close(&world);
}
END_TEST

/* dup3 is also busy when another thread's open is about to get the number. */
START_TEST(a_number_in_use_is_waited_for) {
    static const int errors[] = {EINTR, EBUSY};
    struct operation replace = {"replace", do_replace, 0, RETRIED};
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(run_with_fault(&replace, 0, errors[i]), 0);
        ck_assert_uint_eq(calls.failed, 1);
    }
}
END_TEST

/* It goes on by itself, and to call again would be an error. */
START_TEST(an_interrupted_connect_is_under_way) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    calls_refuse(CALL_connect, 1, EINTR);
    ck_assert_int_eq(eddy_os_connect(-1, (struct sockaddr *)&address, sizeof address),
                     -EINPROGRESS);
    calls_refuse(CALL_connect, 1, ENETUNREACH);
    ck_assert_int_eq(eddy_os_connect(-1, (struct sockaddr *)&address, sizeof address),
                     -ENETUNREACH);
}
END_TEST

/* What a signal handler calls must leave errno alone. */
START_TEST(a_write_leaves_errno_alone) {
    static const int errors[] = {EAGAIN, EPIPE};
    for (size_t i = 0; i < 2; i++) {
        errno = ENOTTY;
        calls_refuse(CALL_write, 1, errors[i]);
        errno = ENOTTY;
        ck_assert_int_eq(eddy_os_write(-1, "", 1), -errors[i]);
        ck_assert_int_eq(errno, ENOTTY);
    }
}
END_TEST

/* --- Kernels without a call, and sandboxes that have never heard of it --- */

static const int unknown[] = {ENOSYS, EPERM};
enum { UNKNOWN = 2 };

/* A kernel, or a driver, that has no flag against SIGPIPE is asked once. */
START_TEST(without_the_flag_against_sigpipe_there_is_the_mask) {
    static const int errors[] = {ENOSYS, EPERM, EOPNOTSUPP, EINVAL};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct world world;
        struct iovec vector = {.iov_base = world.path, .iov_len = 4};
        bool refused = false;
        world_open(&world);
        calls_refuse(CALL_syscall, UINT_MAX, errors[i]);
        ck_assert_int_eq((int)eddy_os_write_vectors(world.pipe[1], &vector, 1, &refused), 4);
        ck_assert_uint_eq(calls.made[CALL_syscall], 1);
        ck_assert(refused);
        ck_assert_int_eq((int)eddy_os_write_vectors(world.pipe[1], &vector, 1, &refused), 4);
        ck_assert_uint_eq(calls.made[CALL_syscall], 1);
        world_close(&world);
    }
}
END_TEST

/* Without openat2 the walk keeps below the directory, and nothing is opened without waiting. */
START_TEST(without_openat2_there_is_the_walk) {
    for (size_t i = 0; i < UNKNOWN; i++) {
        struct world world;
        world_open(&world);
        calls_refuse(CALL_openat2, UINT_MAX, unknown[i]);
        ck_assert_int_eq(do_open_beneath(&world), 1);
        ck_assert_int_eq(eddy_os_file_open(world.dir, "d/../../x", O_RDONLY, 0, EDDY_BENEATH),
                         -EXDEV);
        ck_assert_int_eq(eddy_os_file_open(world.dir, "link", O_RDONLY, 0, EDDY_BENEATH), -ELOOP);
        ck_assert_int_eq(
            eddy_os_file_open(world.dir, "a", O_RDONLY | O_NONBLOCK, 0, EDDY_OS_NOWAIT), -EAGAIN);
        world_close(&world);
    }
}
END_TEST

/* What the file itself refuses is its own errno, also behind a link, which the walk would not
 * follow. */
START_TEST(an_error_of_the_file_is_not_taken_for_a_missing_call) {
    struct world world;
    world_open(&world);
    calls_refuse(CALL_openat2, 1, EPERM); /* and not when the path is looked at */
    ck_assert_int_eq(eddy_os_file_open(world.dir, "link", O_RDONLY, 0, EDDY_BENEATH),
                     getenv("EDDY_TEST_PLAIN") != NULL ? -ELOOP : -EPERM);
    ck_assert_int_eq(eddy_os_file_open(world.dir, "link", O_RDONLY, 0, EDDY_BENEATH) >= 0,
                     getenv("EDDY_TEST_PLAIN") == NULL);
    world_close(&world);
}
END_TEST

/* Renames somewhere make openat2 say EAGAIN at a "..", for as long as they go on: it is asked again
 * for a while, and then the walk does without it. */
START_TEST(a_storm_of_renames_does_not_keep_a_file_from_being_opened) {
    static const unsigned times[] = {1, 10, UINT_MAX};
    for (size_t i = 0; i < 3; i++) {
        struct world world;
        world_open(&world);
        calls_refuse(CALL_openat2, times[i], EAGAIN);
        ck_assert_int_eq(do_open_beneath(&world), 1);
        ck_assert_uint_le(calls.made[CALL_openat2], 100);
        world_close(&world);
    }
}
END_TEST

/* EMLINK is FreeBSD's word for a link that must not be followed, EOPNOTSUPP the BSDs' for a socket.
 * Of what is neither they are what they say. */
START_TEST(what_cannot_be_opened_has_one_error) {
    static const struct {
        const char *path;
        int flags, error, result;
    } rows[] = {
        {"link", O_NOFOLLOW, EMLINK, -ELOOP}, {"link", O_NOFOLLOW | O_DIRECTORY, EMLINK, -ENOTDIR},
        {"a", O_NOFOLLOW, EMLINK, -EMLINK},   {"link", 0, EOPNOTSUPP, -EOPNOTSUPP},
        {"socket", 0, EOPNOTSUPP, -ENXIO},    {"nothing", 0, EOPNOTSUPP, -EOPNOTSUPP},
    };
    struct world world;
    world_open(&world);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", world.path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        calls_refuse(CALL_openat, 1, rows[i].error);
        ck_assert_int_eq(eddy_os_file_open(world.dir, rows[i].path, rows[i].flags, 0, 0),
                         rows[i].result);
    }
    calls_refuse(CALL_openat, 1, EMLINK);
    ck_assert_int_eq(eddy_os_file_open_walk(world.dir, "link", O_NOFOLLOW, 0), -ELOOP);
    calls_refuse(CALL_openat, 1, EMLINK);
    ck_assert_int_eq(eddy_os_file_open_walk(world.dir, "link/x", 0, 0), -ELOOP);
    unlinkat(world.dir, "socket", 0);
    close(fd);
    world_close(&world);
}
END_TEST

START_TEST(a_scan_of_a_file_has_one_error) {
    char buffer[EDDY_SCAN_BYTES_MIN];
    struct world world;
    world_open(&world);
    static const int errors[] = {EINVAL, ENOTDIR};
    for (size_t i = 0; i < 2; i++) {
        calls_refuse(CALL_syscall, 1, errors[i]);
        ck_assert_int_eq(eddy_os_file_scan(world.file, buffer, sizeof buffer), -ENOTDIR);
    }
    calls_refuse(CALL_syscall, 1, EINVAL);
    ck_assert_int_eq(eddy_os_file_scan(world.dir, buffer, sizeof buffer), -EINVAL);
    world_close(&world);
}
END_TEST

/* Old kernels know openat2 but not all that it may be asked for. */
START_TEST(without_a_cached_look_nothing_is_opened_at_once) {
    static const int errors[] = {ENOSYS, EPERM, EINVAL, EAGAIN};
    struct world world;
    world_open(&world);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        calls_refuse(CALL_openat2, 1, errors[i]);
        ck_assert_int_eq(
            eddy_os_file_open(world.dir, "a", O_RDONLY | O_NONBLOCK, 0, EDDY_OS_NOWAIT), -EAGAIN);
    }
    world_close(&world);
}
END_TEST

/* A scan takes a buffer of any size; a kernel counts it in 32 bits. */
START_TEST(a_scan_takes_a_buffer_of_any_size) {
    size_t size = SIZE_MAX / 2 < (size_t)3 << 30 ? 0 : (size_t)3 << 30;
    struct world world;
    void *buffer = mmap(NULL, size + 8, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (size == 0 || buffer == MAP_FAILED) return; /* no room for it here */
    world_open(&world);
    calls_refuse(CALL_ANY, 0, 0);
    ck_assert_int_gt(eddy_os_file_scan(world.dir, buffer, size), 0);
    ck_assert_int_eq(eddy_os_file_scan(world.dir, buffer, size), 0);
    munmap(buffer, size + 8);
    world_close(&world);
}
END_TEST

static ssize_t read_cached(struct world *world) {
    char bytes[8];
    struct iovec vector = {.iov_base = bytes, .iov_len = sizeof bytes};
    return eddy_os_file_read(world->file, &vector, 1, 0, EDDY_OS_NOWAIT);
}

/* What does not know how not to wait says "not now", and the request goes to a thread; what would
 * be wrong in the thread as well is told at once. */
START_TEST(what_cannot_be_had_at_once_is_not_now) {
    static const int errors[] = {EOPNOTSUPP, ENOSYS, EINVAL, EPERM, EINTR, EAGAIN};
    bool is_plain = getenv("EDDY_TEST_PLAIN") != NULL;
    struct world world;
    eddy_stat stat;
    world_open(&world);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        calls_refuse(CALL_preadv2, 1, errors[i]);
        ck_assert_int_eq(read_cached(&world), -EAGAIN);
        calls_refuse(CALL_statx, 1, errors[i]);
        ck_assert_int_eq(eddy_os_file_fstat(world.file, &stat, EDDY_OS_NOWAIT), -EAGAIN);
    }
    calls_refuse(CALL_preadv2, 1, EIO);
    ck_assert_int_eq(read_cached(&world), is_plain ? -EAGAIN : -EIO);
    calls_refuse(CALL_statx, 1, EBADF);
    ck_assert_int_eq(eddy_os_file_fstat(world.file, &stat, EDDY_OS_NOWAIT),
                     is_plain ? -EAGAIN : -EBADF);
    world_close(&world);
}
END_TEST

/* Where the kernel has no way from the file to the socket, or cannot tell what is in memory, the
 * bytes are read and sent: at once if they can be read at once. */
START_TEST(without_a_way_through_the_kernel_a_file_is_copied) {
    static const int errors[] = {ENOSYS, EPERM, EACCES, EINVAL};
    bool is_plain = getenv("EDDY_TEST_PLAIN") != NULL;
    struct world world;
    char bytes[16];
    world_open(&world);
    fcntl(world.pair[0], F_SETFL, O_NONBLOCK);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        calls_refuse(CALL_sendfile, 1, errors[i]);
        ck_assert_int_eq(eddy_os_file_send(world.pair[0], world.file, 1, 100, 0), 4);
        ck_assert_uint_eq(calls.failed, 1);
        ck_assert_int_eq(read(world.pair[1], bytes, sizeof bytes), 4);
        ck_assert_mem_eq(bytes, "ello", 4);
        static const enum call missing[] = {CALL_sendfile, CALL_cachestat, CALL_preadv2};
        for (size_t j = 0; j < sizeof missing / sizeof missing[0]; j++) {
            bool can_read = !is_plain && missing[j] != CALL_preadv2;
            calls_refuse(missing[j], 1, errors[i]);
            ck_assert_int_eq(eddy_os_file_send(world.pair[0], world.file, 1, 3, EDDY_OS_NOWAIT),
                             can_read ? 3 : -EAGAIN);
            ck_assert_int_eq(recv(world.pair[1], bytes, sizeof bytes, MSG_DONTWAIT),
                             can_read ? 3 : -1);
            if (can_read) ck_assert_mem_eq(bytes, "ell", 3);
        }
    }
    ck_assert_int_eq(recv(world.pair[1], bytes, sizeof bytes, MSG_DONTWAIT), -1);
    calls_refuse(CALL_sendfile, 1, EINTR);
    ck_assert_int_eq(eddy_os_file_send(world.pair[0], world.file, 1, 2, 0), 2);
    ck_assert_uint_eq(calls.failed, 1);
    world_close(&world);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("seam");
    ck_add(suite, "errors", each_call_that_fails_is_told, an_interrupted_call_is_made_again,
           an_interrupted_accept_is_made_again, what_cannot_be_made_close_on_exec_is_closed,
           descriptors_that_are_lost_do_not_take_the_bytes_along, a_number_in_use_is_waited_for,
           a_ring_gives_back_what_the_kernel_does_not_take, an_interrupted_connect_is_under_way,
           a_write_leaves_errno_alone, a_scan_takes_a_buffer_of_any_size,
           what_cannot_be_opened_has_one_error, a_scan_of_a_file_has_one_error);
    ck_add(suite, "old kernels", without_the_flag_against_sigpipe_there_is_the_mask,
           without_openat2_there_is_the_walk, an_error_of_the_file_is_not_taken_for_a_missing_call,
           a_storm_of_renames_does_not_keep_a_file_from_being_opened,
           without_a_cached_look_nothing_is_opened_at_once, what_cannot_be_had_at_once_is_not_now,
           without_a_way_through_the_kernel_a_file_is_copied);
    return suite;
}
