/* sandbox.c: an old kernel, or a sandbox that knows nothing of the newer calls: each of those that
 * came after Linux 3.2, and the mechanisms themselves, refused with each error that is met in the
 * wild, before the loop is opened and after it, one by one and all together. */
#include "essentials.h"
#include "namespace.h"

#ifdef __linux__
#include "refuse.h"

static const long newer[] = {
    SYS_epoll_pwait2,   SYS_preadv2,        SYS_pwritev2,          SYS_openat2,     SYS_statx,
    SYS_cachestat,      SYS_pidfd_open,     SYS_pidfd_send_signal, SYS_close_range, SYS_accept4,
    SYS_pipe2,
#ifdef SYS_ppoll
    SYS_ppoll,
#endif
#ifdef SYS_io_uring_setup
    SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
#endif
};
enum { NEWER = sizeof newer / sizeof newer[0] };

static const int refusals[] = {ENOSYS, EPERM, EACCES, EOPNOTSUPP};
enum { REFUSALS = sizeof refusals / sizeof refusals[0] };

static eddy_loop *loop;

static void use(void) {
    essentials_use(loop, "exit 3");
}

static void open_loop(const char *backend, eddy_files_kind files) {
    eddy_loop_config config = {.backend = backend, .files = files};
    child_assert(eddy_loop_open(&loop, &config) == 0);
    if (files == EDDY_FILES_URING) /* what is cached would be read at once, without it */
        child_assert(eddy_file_set_attempt(loop, false) == 0);
}

static bool is_of_rings(long call) {
#ifdef SYS_io_uring_setup
    return call == SYS_io_uring_setup || call == SYS_io_uring_enter ||
           call == SYS_io_uring_register;
#else
    return false && call;
#endif
}

/* In a child, as a filter cannot be taken off. False: passed over. Files go by a ring where its
 * calls are refused: singly, and with all others, behind which they are. */
static bool try(const long *calls, int count, int error, bool is_late) {
    eddy_files_kind files = is_of_rings(calls[count - 1]) ? EDDY_FILES_URING : EDDY_FILES_POOL;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (is_late) {
            open_loop(test_backend, files);
            use(); /* what it has found out by now is no longer true */
        }
        if (!refuse_calls(calls, count, error)) namespace_refuse();
        if (!is_late) open_loop(test_backend, files);
        use();
        use();
        child_assert(eddy_loop_close(loop) == 0);
        _exit(0);
    }
    return namespace_child_is_content(child, "a filter for system calls");
}

/* For 64 bits of time a 32-bit C library has statx alone, and gets over ENOSYS only. A loop on
 * io_uring has nothing else. */
static int refusable(long *calls, int error) {
    bool is_ring = strcmp(test_backend, "io_uring") == 0;
    int count = 0;
    for (int i = 0; i < NEWER; i++) {
        if (sizeof(long) == 4 && newer[i] == SYS_statx && error != ENOSYS) continue;
        if (is_ring && is_of_rings(newer[i])) continue;
        calls[count++] = newer[i];
    }
    return count;
}

START_TEST(newer_calls_that_are_refused_are_got_over) {
    long calls[NEWER];
    if (strcmp(test_backend, "kqueue") == 0) return; /* Linux has none, and its double uses them */
    for (int j = 0; j < REFUSALS; j++) {
        int count = refusable(calls, refusals[j]);
        for (int late = 0; late < 2; late++) {
            for (int i = 0; i < count; i++)
                if (!try(&calls[i], 1, refusals[j], late)) return;
            if (!try(calls, count, refusals[j], late)) return;
        }
    }
}
END_TEST

/* Whatever came after Linux 3.2, of which kcmp was the first, whether the list above has it or not.
 * The C library's own calls are among them, and it gets over ENOSYS alone. */
START_TEST(a_kernel_without_anything_newer_is_enough) {
    if (strcmp(test_backend, "kqueue") == 0) return; /* Linux has none, and its double uses them */
    if (strcmp(test_backend, "io_uring") == 0) return; /* it is newer */
    for (int late = 0; late < 2; late++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            if (late) {
                open_loop(test_backend, EDDY_FILES_POOL);
                use();
            }
            if (!refuse_calls_from(SYS_kcmp, ENOSYS)) namespace_refuse();
            child_assert(syscall(SYS_kcmp, 1, 1, 0, 0, 0) == -1 && errno == ENOSYS);
            if (!late) open_loop(test_backend, EDDY_FILES_POOL);
            use();
            use();
            child_assert(eddy_loop_close(loop) == 0);
            _exit(0);
        }
        if (!namespace_child_is_content(child, "a filter for system calls")) return;
    }
}
END_TEST

/* Without a name the next backend of the table is taken; one that was named is not replaced; and a
 * shortage is no reason to take another one. */
static const long epoll_calls[] = {SYS_epoll_create1,
#ifdef SYS_epoll_create
                                   SYS_epoll_create
#endif
};

START_TEST(a_loop_without_epoll_takes_the_next_backend) {
    if (strcmp(test_backend, "epoll") != 0) return;
    for (int j = 0; j < REFUSALS + 2; j++) {
        const int errors[] = {ENOSYS, EPERM, EACCES, EOPNOTSUPP, EMFILE, ENOMEM};
        bool is_missing = j < REFUSALS;
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            int count = sizeof epoll_calls / sizeof epoll_calls[0];
            if (!refuse_calls(epoll_calls, count, errors[j])) namespace_refuse();
            eddy_loop_config named = {.backend = "epoll"};
            child_assert(eddy_loop_open(&loop, &named) == -errors[j]);
            int err = eddy_loop_open(&loop, NULL);
            child_assert(err == (is_missing ? 0 : -errors[j]));
            if (is_missing) {
                child_assert(strcmp(eddy_loop_backend(loop)->name, "epoll") != 0);
                use();
                child_assert(eddy_loop_close(loop) == 0);
            }
            _exit(0);
        }
        if (!namespace_child_is_content(child, "a filter for system calls")) return;
    }
}
END_TEST

/* Who names it is told; nobody else takes it, or minds that it is not there. */
#ifdef SYS_io_uring_setup
static const long uring_calls[] = {SYS_io_uring_setup};
#else
static const long uring_calls[] = {-1};
#endif

START_TEST(io_uring_that_is_refused_is_not_replaced) {
    static const int errors[] = {ENOSYS, EPERM, EACCES, EMFILE, ENOMEM};
    static const int told[] = {ENOSYS, EPERM, EPERM, EMFILE, ENOMEM};
    if (strcmp(test_backend, "io_uring") != 0) return;
    for (int j = 0; j < 5; j++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            if (!refuse_calls(uring_calls, 1, errors[j])) namespace_refuse();
            eddy_loop_config named = {.backend = "io_uring"};
            child_assert(eddy_loop_open(&loop, &named) == -told[j]);
            child_assert(eddy_loop_open(&loop, NULL) == 0);
            use();
            child_assert(eddy_loop_close(loop) == 0);
            _exit(0);
        }
        if (!namespace_child_is_content(child, "a filter for system calls")) return;
    }
}
END_TEST

/* Some sandboxes kill whoever calls io_uring at all: a loop that was not asked to does not, not
 * even to find out. */
START_TEST(io_uring_is_not_called_unasked) {
    static const long calls[] = {425, 426, 427}; /* setup, enter, register, everywhere */
    if (strcmp(test_backend, "io_uring") == 0) return;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (!refuse_with(calls, 3, SECCOMP_RET_KILL_PROCESS)) namespace_refuse();
        open_loop(strcmp(test_backend, "epoll") == 0 ? NULL : test_backend, EDDY_FILES_POOL);
        use();
        child_assert(eddy_loop_files(loop, NULL) == EDDY_FILES_POOL);
        child_assert(eddy_loop_close(loop) == 0);
        _exit(0);
    }
    (void)namespace_child_is_content(child, "a filter for system calls");
}
END_TEST

/* The eventfd is a choice: where there is none, the loop says so, and the pipe is there. */
START_TEST(a_loop_without_eventfd_has_its_pipe) {
    static const long calls[] = {SYS_eventfd2};
    if (getenv("EDDY_TEST_PLAIN") != NULL) return; /* it does without */
    for (int j = 0; j < REFUSALS; j++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            if (!refuse_calls(calls, 1, refusals[j])) namespace_refuse();
            eddy_loop_config config = {.backend = test_backend, .wakeup = EDDY_WAKEUP_EVENTFD};
            child_assert(eddy_loop_open(&loop, &config) == -refusals[j]);
            config.wakeup = EDDY_WAKEUP_PIPE;
            child_assert(eddy_loop_open(&loop, &config) == 0);
            use();
            child_assert(eddy_loop_close(loop) == 0);
            _exit(0);
        }
        if (!namespace_child_is_content(child, "a filter for system calls")) return;
    }
}
END_TEST
#endif

Suite *make_suite(void) {
    Suite *suite = suite_create("sandbox");
#ifdef __linux__
    ck_add(suite, "refused", newer_calls_that_are_refused_are_got_over,
           a_kernel_without_anything_newer_is_enough, a_loop_without_epoll_takes_the_next_backend,
           io_uring_that_is_refused_is_not_replaced, io_uring_is_not_called_unasked,
           a_loop_without_eventfd_has_its_pipe);
#endif
    return suite;
}
