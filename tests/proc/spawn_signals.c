/* spawn_signals.c: no signal of this process is lost or held back by a spawn, none of its handlers
 * runs in the child, and the child begins with none blocked or ignored. */
#include "spawned.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

static char *const *const true_arguments = (char *const[]){(char[]){"/bin/true"}, NULL};

static int spawn_true(const char *file) {
    eddy_child_options options = {.file = file, .arguments = true_arguments};
    return eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd);
}

/* --- The mask of this thread --- */

static void check_mask(const sigset_t *wanted) {
    sigset_t now;
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    for (int number = 1; number < NSIG; number++)
        ck_assert_int_eq(sigismember(&now, number), sigismember(wanted, number));
}

START_TEST(the_mask_is_as_before) {
    sigset_t mask;
    for (int round = 0; round < 2; round++) {
        sigemptyset(&mask);
        if (round == 1) sigaddset(&mask, SIGUSR2);
        ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &mask, NULL), 0);
        ck_assert_int_eq(spawn_true(NULL), 0);
        spawned_wait();
        check_mask(&mask);
        ck_assert_int_eq(spawn_true("/nothing/there"), -ENOENT);
        check_mask(&mask);
    }
}
END_TEST

/* Too many processes: root has no such limit. */
START_TEST(the_mask_is_as_before_when_there_can_be_no_child) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        sigset_t mask;
        child_assert(geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0));
        child_assert(setrlimit(RLIMIT_NPROC, &none) == 0);
        int before = descriptors_open(256);
        child_assert(spawn_true(NULL) == -EAGAIN);
        child_assert(descriptors_open(256) == before);
        child_assert(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
        for (int number = 1; number < NSIG; number++) child_assert(sigismember(&mask, number) <= 0);
        _exit(0);
    }
    child_is_content(child);
}
END_TEST

/* --- What the child begins with --- */

static const char *const nothing = "SigBlk:\t0000000000000000 SigIgn:\t0000000000000000 \n";

/* As a child of Python or nohup has it, and with what the C library keeps to itself. */
START_TEST(a_child_begins_with_no_signal_blocked_or_ignored) {
    sigset_t mask;
    for (int number = 1; number < NSIG; number++) signal(number, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigfillset(&mask);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &mask, NULL), 0);
    const char *seen = look((eddy_child_options){0}, "signals");
    sigemptyset(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    if (access("/proc/self/status", R_OK) == 0) ck_assert_str_eq(seen, nothing);
}
END_TEST

static void on_signal(int number) {
    (void)number;
}

/* Whatever this process was started with: a shell's job in the background ignores SIGQUIT. */
START_TEST(a_child_keeps_signals_if_asked_to) {
    sigset_t mask;
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, on_signal);
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &mask, NULL), 0);
    const char *seen = look((eddy_child_options){.flags = EDDY_CHILD_KEEP_SIGNALS}, "signals");
    if (access("/proc/self/status", R_OK) == 0)
        ck_assert_str_eq(seen, "SigBlk:\t0000000000000800 SigIgn:\t0000000000001000 \n");
}
END_TEST

/* --- Handlers --- */

static int *handled_elsewhere; /* shared with all children */
static pid_t self;
static atomic_int handled;

static void on_storm(int number) {
    (void)number;
    if (getpid() == self)
        atomic_fetch_add(&handled, 1);
    else
        ++*handled_elsewhere;
}

static atomic_bool storm_over;

static void *storm(void *argument) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    while (!atomic_load(&storm_over)) {
        kill(0, SIGUSR1); /* all of the group */
        sched_yield();
    }
    return argument;
}

/* A handler in the child would write to the pipe that wakes the parent's loop. What dies of the
 * signal before or in its program is told by its status. */
static void spawn_in_storm(unsigned flags, int rounds) {
    eddy_child_options options = {.arguments = true_arguments, .flags = flags};
    pthread_t thread;
    setpgid(0, 0);
    self = getpid();
    handled_elsewhere = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    child_assert(handled_elsewhere != MAP_FAILED);
    signal(SIGUSR1, on_storm);
    child_assert(pthread_create(&thread, NULL, storm, NULL) == 0);
    int killed = 0;
    for (int i = 0; i < rounds; i++) {
        int status = 0;
        pid_t got;
        child_assert(eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd) == 0);
        do got = waitpid(spawned.pid, &status, 0);
        while (got < 0 && errno == EINTR);
        child_assert(got == spawned.pid);
        child_assert(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1));
        if (spawned.pidfd >= 0) close(spawned.pidfd);
        killed += status != 0;
    }
    atomic_store(&storm_over, true);
    pthread_join(thread, NULL);
    child_assert(killed > 0);
    child_assert(atomic_load(&handled) > 0 && *handled_elsewhere == 0);
    _exit(0);
}

START_TEST(no_handler_runs_in_a_child) {
    static const unsigned flags[] = {0, EDDY_CHILD_KEEP_SIGNALS};
    int rounds = getenv("EDDY_TEST_SLOW") != NULL ? 20 : 300;
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) spawn_in_storm(flags[i], rounds);
        child_is_content(child);
    }
}
END_TEST

/* --- What else belongs to this process --- */

START_TEST(errno_and_the_memory_of_the_caller_are_as_before) {
    struct eddy_os_child_fd map[3] = {{9, 1}, {1, 2}, {2, 1}}, copy[3];
    char *arguments[] = {(char[]){"true"}, NULL};
    eddy_child_options options = {.arguments = arguments};
    memcpy(copy, map, sizeof map);
    errno = ENOTTY;
    ck_assert_int_eq(eddy_os_spawn(&options, map, 3, &spawned.pid, &spawned.pidfd), 0);
    ck_assert_int_eq(errno, ENOTTY);
    spawned_wait();
    options.file = "nothing/there";
    errno = ENOTTY;
    ck_assert_int_eq(eddy_os_spawn(&options, map, 3, &spawned.pid, &spawned.pidfd), -ENOENT);
    ck_assert_int_eq(errno, ENOTTY);
    ck_assert_mem_eq(map, copy, sizeof map);
    ck_assert_str_eq(arguments[0], "true");
}
END_TEST

static void *cancelled(void *argument) {
    pthread_cancel(pthread_self()); /* pending: at the next point of cancellation */
    bool *is_content = argument;
    *is_content = spawn_true("/nothing/there") == -ENOENT && spawn_true(NULL) == 0;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL); /* ASan does not like an unwound stack */
    return NULL;
}

/* Its state is in memory that the child shares: there the thread would be unwound. */
START_TEST(a_cancelled_thread_is_not_cancelled_in_the_child) {
    bool is_content = false;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, cancelled, &is_content), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(is_content);
    spawned_wait();
    ck_assert_int_eq(spawned.status, 0);
    ck_assert(has_no_children());
}
END_TEST

/* Threads that spawn at once, and one that forks: none waits for another's child. */
static void *spawn_many(void *argument) {
    char *arguments[] = {(char[]){"true"}, NULL};
    eddy_child_options options = {.arguments = arguments};
    int rounds = getenv("EDDY_TEST_SLOW") != NULL ? 10 : 50;
    for (int i = 0; i < rounds; i++) {
        pid_t pid, got;
        int pidfd, status = -1;
        options.file = i % 5 == 0 ? "/nothing/there" : NULL;
        int err = eddy_os_spawn(&options, NULL, 0, &pid, &pidfd);
        if (err != (i % 5 == 0 ? -ENOENT : 0)) return NULL;
        if (err < 0) continue;
        do got = waitpid(pid, &status, 0);
        while (got < 0 && errno == EINTR);
        if (got != pid || status != 0) return NULL;
        if (pidfd >= 0) close(pidfd);
    }
    return argument;
}

START_TEST(threads_spawn_at_once) {
    enum { THREADS = 6 };
    pthread_t threads[THREADS];
    int before = descriptors_open(256), count = 0;
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, spawn_many, &count), 0);
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &result), 0);
        ck_assert_ptr_eq(result, &count);
    }
    ck_assert_int_eq(descriptors_open(256), before);
    ck_assert(has_no_children());
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("signals of a child");
    ck_add(suite, "mask", the_mask_is_as_before, the_mask_is_as_before_when_there_can_be_no_child,
           a_child_begins_with_no_signal_blocked_or_ignored, a_child_keeps_signals_if_asked_to);
    ck_add(suite, "handlers", no_handler_runs_in_a_child);
    ck_add(suite, "threads", errno_and_the_memory_of_the_caller_are_as_before,
           a_cancelled_thread_is_not_cancelled_in_the_child, threads_spawn_at_once);
    return suite;
}
