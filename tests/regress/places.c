/* places.c: where programs run that nobody has arranged anything for: without /proc and /dev, as
 * the first process, with all signals blocked, at a real-time priority, with all memory locked,
 * with hardly any left. What cannot be had here is passed over. Linux. */
#include "essentials.h"
#include "namespace.h"
#include "sanitized.h"

#ifdef __linux__
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

static void use_twice(const char *command) {
    eddy_loop *loop;
    eddy_loop_config config = {.backend = test_backend};
    child_assert(eddy_loop_open(&loop, &config) == 0);
    essentials_use(loop, command);
    child_assert(eddy_file_set_attempt(loop, false) == 0); /* files need threads from here on */
    essentials_use(loop, command);
    child_assert(eddy_loop_close(loop) == 0);
}

/* `wanted` says what the system may not let us have; `live` does not return. */
static void in_a_child(void (*live)(void), const char *wanted) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        live();
        _exit(0);
    }
    (void)namespace_child_is_content(child, wanted);
}

/* --- Without /proc and /dev --- */

static void live_without_files(void) {
    if (!namespace_enter(CLONE_NEWNS) ||
        mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", "/proc", "tmpfs", 0, NULL) < 0 ||
        mount("tmpfs", "/dev", "tmpfs", 0, NULL) < 0)
        namespace_refuse();
    child_assert(access("/proc/self", F_OK) < 0 && access("/dev/null", F_OK) < 0);
    use_twice("exit 3");
}

START_TEST(without_proc_and_dev) {
    in_a_child(live_without_files, "a /proc and a /dev of our own");
}
END_TEST

/* --- The first process --- */

static eddy_loop *first_loop;
static int terminated;

static void on_term(eddy_signal *signal, int number) {
    child_assert(number == SIGTERM);
    terminated++;
    eddy_signal_stop(signal);
}

/* Its own exits are told, those of orphans that come to it stay the program's to wait for; and a
 * signal whose default would not end it is told as any other. */
static void live_first(void) {
    eddy_loop_config config = {.backend = test_backend};
    eddy_signal signal;
    int status;
    child_assert(getpid() == 1);
    child_assert(eddy_loop_open(&first_loop, &config) == 0);
    eddy_signal_init(&signal, first_loop);
    child_assert(eddy_signal_start(&signal, on_term, SIGTERM) == 0);
    eddy_unref(&signal.handle);
    essentials_use(first_loop, "(exit 5) & exit 3");
    pid_t child = fork();
    child_assert(child >= 0);
    if (child == 0) _exit(kill(1, SIGTERM) == 0 ? 6 : 7);
    eddy_ref(&signal.handle);
    while (terminated == 0) child_assert(eddy_loop_run(first_loop, EDDY_RUN_ONCE) >= 0);
    child_assert(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 6);
    essentials_use(first_loop, "exit 3");
    child_assert(eddy_loop_close(first_loop) == 0);
}

static void live_in_a_new_space(void) {
    int status = 0;
    if (!namespace_enter(CLONE_NEWPID)) namespace_refuse();
    pid_t first = fork();
    child_assert(first >= 0);
    if (first == 0) {
        live_first();
        _exit(0);
    }
    child_assert(waitpid(first, &status, 0) == first);
    child_assert(WIFEXITED(status));
    _exit(WEXITSTATUS(status));
}

START_TEST(as_the_first_process) {
    in_a_child(live_in_a_new_space, "processes of our own");
}
END_TEST

/* --- Signals, priorities, memory --- */

static void live_with_signals_blocked(void) {
    sigset_t all, mask;
    sigfillset(&all);
    child_assert(pthread_sigmask(SIG_SETMASK, &all, NULL) == 0);
    use_twice("kill -CONT $$; exit 3");
    child_assert(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
    child_assert(sigismember(&mask, SIGCHLD) == 1 && sigismember(&mask, SIGUSR1) == 1);
}

START_TEST(with_all_signals_blocked) {
    in_a_child(live_with_signals_blocked, "");
}
END_TEST

/* On one processor, which whoever spins at this priority would keep from all others. */
static void live_at_once(void) {
    cpu_set_t one;
    struct sched_param priority = {.sched_priority = 10};
    int here = sched_getcpu();
    CPU_ZERO(&one);
    CPU_SET((size_t)(here < 0 ? 0 : here), &one);
    if (sched_setaffinity(0, sizeof one, &one) < 0 ||
        sched_setscheduler(0, SCHED_FIFO, &priority) < 0)
        namespace_refuse();
    use_twice("exit 3");
}

START_TEST(at_a_real_time_priority) {
    in_a_child(live_at_once, "a real-time priority");
}
END_TEST

static void live_locked(void) {
    if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0) namespace_refuse();
    use_twice("exit 3");
}

START_TEST(with_all_memory_locked) {
    in_a_child(live_locked, "all of our memory locked");
}
END_TEST

static int64_t address_space_bytes(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL || fscanf(file, "%ld", &pages) != 1) namespace_refuse();
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* In 2 MiB beside what the program and the C library have been given before: less than a usual
 * stack. */
static void live_in_little(void) {
    struct rlimit limit;
    int64_t before = address_space_bytes();
    limit.rlim_cur = limit.rlim_max = (rlim_t)(before + (2 << 20));
    child_assert(setrlimit(RLIMIT_AS, &limit) == 0);
    use_twice("exit 3");
}

START_TEST(in_little_memory) {
    if (IS_SANITIZED) return;                     /* the shadow takes terabytes */
    if (getenv("EDDY_TEST_SLOW") != NULL) return; /* valgrind's memory is the program's */
    in_a_child(live_in_little, "the size of our memory");
}
END_TEST
#endif

Suite *make_suite(void) {
    Suite *suite = suite_create("places");
#ifdef __linux__
    ck_add(suite, "places", without_proc_and_dev, as_the_first_process, with_all_signals_blocked,
           at_a_real_time_priority, with_all_memory_locked, in_little_memory);
#endif
    return suite;
}
