/* back_off.c: whoever waits for another thread's next step lets it make that step, whatever their
 * priorities, and does not burn a processor meanwhile. The linker puts this file's functions in the
 * place of the system's, which counts them. */
#include "../../platform/os.h"
#include "../../src/core/loop.h"
#include "suite.h"
#include "system.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/select.h>

enum { SENT = 1, YIELDS_MAX = 20, SLEEPS = 30, SLEEP_NS_MAX = 1000000 };

static atomic_int yields, sleeps;
static atomic_long slept_longest_ns;
static void (*on_sleep)(void); /* in the place of the other thread, when it has slept often */

/* Where there are two sizes of time, nanosleep of the longer one has a name of its own: glibc's,
 * musl's. */
int __wrap_sched_yield(void);
int __wrap_nanosleep(const struct timespec *time, struct timespec *rest);
int __wrap___nanosleep64(const struct timespec *time, struct timespec *rest);
int __wrap___nanosleep_time64(const struct timespec *time, struct timespec *rest);
int __real_sched_yield(void);

int __wrap_sched_yield(void) {
    atomic_fetch_add(&yields, 1);
    return __real_sched_yield();
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *rest) {
    (void)rest;
    long longest_ns = atomic_load(&slept_longest_ns);
    if (time->tv_nsec > longest_ns) atomic_store(&slept_longest_ns, time->tv_nsec);
    if (atomic_fetch_add(&sleeps, 1) + 1 == SLEEPS && on_sleep != NULL) on_sleep();
    return pselect(0, NULL, NULL, NULL, time, NULL);
}

int __wrap___nanosleep64(const struct timespec *time, struct timespec *rest) {
    return __wrap_nanosleep(time, rest);
}

int __wrap___nanosleep_time64(const struct timespec *time, struct timespec *rest) {
    return __wrap_nanosleep(time, rest);
}

static eddy_loop *loop;
static eddy_wake wake;
static eddy_signal watcher;

static void on_wake(eddy_wake *it) {
    (void)it;
    ck_abort_msg("a stopped wake was called");
}

static void on_signal(eddy_signal *it, int number) {
    (void)it, (void)number;
    ck_abort_msg("a stopped watcher was called");
}

static void begin(void (*other)(void)) {
    loop = test_loop_open();
    eddy_wake_init(&wake, loop);
    eddy_signal_init(&watcher, loop);
    ck_assert_int_eq(eddy_wake_start(&wake, on_wake), 0);
    ck_assert_int_eq(eddy_signal_start(&watcher, on_signal, SIGUSR1), 0);
    yields = sleeps = 0;
    slept_longest_ns = 0;
    on_sleep = other;
}

/* A few yields, then nothing but sleeps, of which none is long. */
static void it_has_slept(void) {
    ck_assert_int_ge(sleeps, SLEEPS);
    ck_assert_int_le(yields, YIELDS_MAX);
    ck_assert_int_gt(slept_longest_ns, SLEEP_NS_MAX / 10);
    ck_assert_int_le(slept_longest_ns, SLEEP_NS_MAX);
    on_sleep = NULL;
}

static void push_wake(void) {
    eddy__inbox_push(loop, &wake.post);
}

static void push_signal(void) {
    eddy__inbox_push(loop, &watcher.post);
}

/* A sender has marked its wake, and is not given the processor to push it. */
START_TEST(to_stop_a_wake_waits_asleep) {
    begin(push_wake);
    atomic_store(&wake.pending, SENT);
    eddy_wake_stop(&wake);
    it_has_slept();
    eddy_signal_stop(&watcher);
    test_loop_close(loop);
}
END_TEST

START_TEST(to_stop_a_watcher_of_a_signal_waits_asleep) {
    begin(push_signal);
    atomic_store(&watcher.pending, SENT);
    eddy_signal_stop(&watcher);
    it_has_slept();
    eddy_wake_stop(&wake);
    test_loop_close(loop);
}
END_TEST

static void write_byte(void) {
    static const uint64_t byte = 1;
    ck_assert_int_eq((int)write(loop->wakeup.ends[1], &byte, 1), 1);
}

/* A sender has pushed, what it pushed was taken back, and its byte has not come. */
START_TEST(to_close_a_loop_waits_asleep) {
    begin(write_byte);
    eddy_wake_stop(&wake);
    eddy_signal_stop(&watcher);
    loop->wakeup.due++;
    test_loop_close(loop);
    it_has_slept();
}
END_TEST

/* --- One processor, and a waiter of higher priority --- */

static void *push_later(void *argument) {
    (void)argument;
    push_wake();
    return NULL;
}

static int set_priority(pthread_t thread, int above_least) {
    struct sched_param param = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
    param.sched_priority += above_least;
    return pthread_setschedparam(thread, SCHED_FIFO, &param);
}

#ifdef __linux__
/* The kernel ends whoever has used it for long without a sleep: nobody else could. */
static bool use_one_processor(void) {
    struct rlimit limit = {.rlim_cur = 5000000, .rlim_max = 5000000}; /* microseconds */
    if (setrlimit(RLIMIT_RTTIME, &limit) < 0) return false;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0) return false;
    size_t processor = 0;
    while (!CPU_ISSET(processor, &set)) processor++;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}
#else
static bool use_one_processor(void) {
    return false;
}
#endif

/* The one that is to push runs only while the one that waits does not: it must sleep. Where real
 * priorities are not allowed there is nothing to be seen, and the test is content. */
START_TEST(a_waiter_of_higher_priority_lets_the_sender_go_on) {
    if (!use_one_processor() || set_priority(pthread_self(), 1) != 0) return;
    begin(NULL);
    pthread_t sender;
    pthread_attr_t attributes;
    struct sched_param param = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
    ck_assert_int_eq(pthread_attr_init(&attributes), 0);
    ck_assert_int_eq(pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED), 0);
    ck_assert_int_eq(pthread_attr_setschedpolicy(&attributes, SCHED_FIFO), 0);
    ck_assert_int_eq(pthread_attr_setschedparam(&attributes, &param), 0);
    atomic_store(&wake.pending, SENT);
    ck_assert_int_eq(pthread_create(&sender, &attributes, push_later, NULL), 0);
    eddy_wake_stop(&wake);
    ck_assert_int_eq(pthread_join(sender, NULL), 0);
    pthread_attr_destroy(&attributes);
    eddy_signal_stop(&watcher);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("back off");
    ck_add(suite, "back off", to_stop_a_wake_waits_asleep,
           to_stop_a_watcher_of_a_signal_waits_asleep, to_close_a_loop_waits_asleep,
           a_waiter_of_higher_priority_lets_the_sender_go_on);
    return suite;
}
