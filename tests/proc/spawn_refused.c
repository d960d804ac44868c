/* spawn_refused.c: an old kernel or a sandbox, without the calls and flags that a spawn would have:
 * it is a fork then, or has no descriptor of the child, or takes longer, but it is the same. */
#include "namespace.h"
#include "sanitized.h"
#include "spawned.h"

#if defined(__linux__) && !defined(WITH_TSAN)
#include "refuse.h"

#include <sched.h>
#include <signal.h>
#include <sys/time.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

/* From here on clone() with any of the flags gives `error`. */
static bool refuse_clone(unsigned flags, int error) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args) +
                     (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? sizeof(uint64_t) - 4 : 0)),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flags, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ((unsigned)error & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static const int errors[] = {ENOSYS, EPERM, EACCES, EINVAL};
enum { ERRORS = sizeof errors / sizeof errors[0] };

/* As spawn_look, in a process of the test: gives its answer to "fds size=5". */
static void use(bool has_pidfd) {
    char *failing[] = {(char[]){"/nothing/there"}, NULL};
    struct eddy_os_child_fd map[2] = {{.number = 5, .fd = 0}};
    int ends[2], before = descriptors_open(256);
    eddy_child_options options = {.arguments = failing};
    errno = ENOTTY;
    child_assert(eddy_os_spawn(&options, map, 1, &spawned.pid, &spawned.pidfd) == -ENOENT);
    child_assert(errno == ENOTTY);
    child_assert(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
    child_assert(pipe(ends) == 0); /* not close-on-exec: the child is not to have them */
    map[1] = (struct eddy_os_child_fd){.number = 1, .fd = ends[1]};
    options.file = LOOK_PATH;
    options.arguments = look_arguments(1, "fds exit=7");
    child_assert(eddy_os_spawn(&options, map, 2, &spawned.pid, &spawned.pidfd) == 0);
    close(ends[1]);
    size_t used = 0;
    ssize_t got;
    while ((got = read(ends[0], spawned.answer + used, sizeof spawned.answer - 1 - used)) > 0)
        used += (size_t)got;
    spawned.answer[used] = '\0';
    close(ends[0]);
    child_assert(strcmp(spawned.answer, "0 1 2 3 5 \n") == 0);
    child_assert(waitpid(spawned.pid, &spawned.status, 0) == spawned.pid);
    child_assert(WIFEXITED(spawned.status) && WEXITSTATUS(spawned.status) == 7);
    child_assert((spawned.pidfd >= 0) == has_pidfd);
    if (spawned.pidfd >= 0) close(spawned.pidfd);
    child_assert(descriptors_open(256) == before);
}

static bool has_pidfd_open(void) {
    if (getenv("EDDY_TEST_PLAIN") != NULL) return false; /* made by vfork */
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

/* In a process of its own, as a filter cannot be taken off: 0 flags, no calls: none. False: passed
 * over. */
static bool try(unsigned flags, const long *calls, int count, int error, bool has_pidfd) {
    has_pidfd = has_pidfd && has_pidfd_open();
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (flags != 0 && !refuse_clone(flags, error)) namespace_refuse();
        if (count > 0 && !refuse_calls(calls, count, error)) namespace_refuse();
        use(has_pidfd);
        _exit(0);
    }
    return namespace_child_is_content(child, "a filter for system calls");
}

START_TEST(a_refused_way_to_make_the_process_is_got_over) {
    static const unsigned flags[] = {CLONE_PIDFD, CLONE_VFORK, CLONE_VM, CLONE_VFORK | CLONE_PIDFD};
    static const long calls[] = {SYS_pidfd_open};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < ERRORS; j++) {
            if (!try(flags[i], NULL, 0, errors[j], true)) return;
            if (!try(flags[i], calls, 1, errors[j], !(flags[i] & CLONE_PIDFD))) return;
        }
}
END_TEST

/* The list of /proc is the next way, and all numbers up to the limit are the last. */
START_TEST(a_refused_way_to_close_the_others_is_got_over) {
    static const long calls[] = {SYS_close_range, SYS_getdents64};
    for (int j = 0; j < ERRORS; j++)
        for (int count = 1; count <= 2; count++)
            if (!try(0, calls, count, errors[j], true)) return;
}
END_TEST

/* And another error is what it is. */
START_TEST(a_shortage_is_told) {
    static const int shortages[] = {EAGAIN, ENOMEM};
    if (getenv("EDDY_TEST_PLAIN") != NULL) return; /* made by vfork */
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            char *arguments[] = {(char[]){"true"}, NULL};
            eddy_child_options options = {.arguments = arguments};
            int before = descriptors_open(256);
            if (!refuse_clone(CLONE_VFORK, shortages[i])) namespace_refuse();
            child_assert(eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd) ==
                         -shortages[i]);
            child_assert(descriptors_open(256) == before);
            _exit(0);
        }
        if (!namespace_child_is_content(child, "a filter for system calls")) return;
    }
}
END_TEST

/* --- A fork is waited for --- */

static void on_alarm(int number) {
    (void)number;
}

/* The child takes long until exec, meanwhile the parent is interrupted, as often as not. */
START_TEST(the_error_of_a_slow_exec_arrives) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        static char path[100000] = "PATH=";
        memset(path + 5, ':', sizeof path - 6);
        char *arguments[] = {(char[]){"nothing-there"}, NULL};
        char *environment[] = {path, NULL};
        eddy_child_options options = {.arguments = arguments, .environment = environment};
        struct itimerval often = {{0, 1000}, {0, 1000}}, never = {0};
        struct sigaction action = {.sa_handler = on_alarm}; /* without SA_RESTART */
        child_assert(sigaction(SIGALRM, &action, NULL) == 0);
        if (!refuse_clone(CLONE_VFORK, EPERM)) namespace_refuse();
        child_assert(setitimer(ITIMER_REAL, &often, NULL) == 0);
        for (int i = 0; i < 5; i++)
            child_assert(eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd) == -ENOENT);
        setitimer(ITIMER_REAL, &never, NULL);
        child_assert(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
        _exit(0);
    }
    (void)namespace_child_is_content(child, "a filter for system calls");
}
END_TEST
#endif

Suite *make_suite(void) {
    Suite *suite = suite_create("refused");
#if defined(__linux__) && !defined(WITH_TSAN) /* which has vfork only */
    /* valgrind 3.19 dies of some filters, and has no pidfd_open of its own. */
    if (getenv("EDDY_TEST_SLOW") != NULL) return suite;
    ck_add(suite, "refused", a_refused_way_to_make_the_process_is_got_over,
           a_refused_way_to_close_the_others_is_got_over, a_shortage_is_told,
           the_error_of_a_slow_exec_arrives);
#endif
    return suite;
}
