/* kernel_threads.c: the simulation's threads, locks, conditions, signals and memory, in calm and in
 * foul weather. What a program must not do ends its run, and that is seen in a child. */
#include "suite.h"
#include "system.h"
#include "world.h"

#include <signal.h>
#include <stdio.h>

static const struct sim_weather foul = {
    .switches = 3000,
    .interrupts = 3000,
    .tick_ns = 1000,
    .window_bytes = 4096,
};

enum { SEEDS = 50, THREADS = 4, ROUNDS = 20 };

/* --- Locks and conditions --- */

static struct {
    eddy_os_mutex lock;
    eddy_os_condition filled, taken;
    unsigned count, total, inside;
    bool is_over;
} shared;

static void enter_shared(void) {
    eddy_os_lock(&shared.lock);
    ck_assert_uint_eq(shared.inside++, 0);
}

static void leave_shared(void) {
    shared.inside--;
    eddy_os_unlock(&shared.lock);
}

static void wait_shared(eddy_os_condition *condition) {
    shared.inside--;
    ck_assert(eddy_os_condition_wait(condition, &shared.lock, -1));
    ck_assert_uint_eq(shared.inside++, 0);
}

static void *take_all(void *argument) {
    (void)argument;
    ck_assert(sim_self()->is_worker && sim_self()->blocks_signals);
    enter_shared();
    for (;;) {
        while (shared.count == 0 && !shared.is_over) wait_shared(&shared.filled);
        if (shared.count == 0) break;
        shared.count--;
        shared.total++;
        eddy_os_condition_signal(&shared.taken);
    }
    leave_shared();
    return NULL;
}

static void hand_over(void) {
    eddy_os_thread threads[THREADS];
    memset(&shared, 0, sizeof shared);
    ck_assert_int_eq(eddy_os_mutex_open(&shared.lock, false), 0);
    ck_assert_int_eq(eddy_os_condition_open(&shared.filled), 0);
    ck_assert_int_eq(eddy_os_condition_open(&shared.taken), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(eddy_os_thread_start(&threads[i], take_all, NULL, 65536), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        enter_shared();
        while (shared.count >= 3) wait_shared(&shared.taken);
        shared.count++;
        eddy_os_condition_signal(&shared.filled);
        leave_shared();
    }
    enter_shared();
    shared.is_over = true;
    eddy_os_condition_broadcast(&shared.filled);
    leave_shared();
    for (int i = 0; i < THREADS; i++) eddy_os_thread_join(threads[i]);
    ck_assert_uint_eq(shared.total, ROUNDS);
    eddy_os_condition_close(&shared.filled);
    eddy_os_condition_close(&shared.taken);
    eddy_os_mutex_close(&shared.lock);
}

/* Several threads hand things over under a lock: nobody is in there with another, all comes
 * through, and the same seed gives the same run. */
START_TEST(threads_hand_over_under_a_lock) {
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t sums[2];
        for (int i = 0; i < 2; i++) {
            sim_begin(seed, seed == 1 ? &sim_calm : &foul);
            hand_over();
            sim_note("at %lld after %llu", (long long)sim_now_ns(),
                     (unsigned long long)sim_steps());
            sim_end();
            sums[i] = sim_trace_sum();
        }
        ck_assert(sums[0] == sums[1]);
    }
}
END_TEST

/* A wait with a time comes back after it, not before, unless somebody signals. */
START_TEST(a_wait_for_a_condition_ends_at_its_time) {
    eddy_os_mutex lock;
    eddy_os_condition condition;
    sim_begin(1, &sim_calm);
    ck_assert_int_eq(eddy_os_mutex_open(&lock, false), 0);
    ck_assert_int_eq(eddy_os_condition_open(&condition), 0);
    eddy_os_lock(&lock);
    int64_t until_ns = eddy_os_clock_ns() + 5000000;
    ck_assert(!eddy_os_condition_wait(&condition, &lock, until_ns));
    ck_assert(eddy_os_clock_ns() == until_ns);
    ck_assert(!eddy_os_condition_wait(&condition, &lock, until_ns - 1));
    eddy_os_unlock(&lock);
    eddy_os_condition_close(&condition);
    eddy_os_mutex_close(&lock);
    sim_end();
}
END_TEST

static void *set_after_a_while(void *argument) {
    for (int i = 0; i < ROUNDS; i++) (void)eddy_os_clock_ns();
    *(bool *)argument = true;
    return NULL;
}

/* A thread that yields until another one has done its part comes to an end. */
START_TEST(a_thread_that_yields_lets_others_go_on) {
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        eddy_os_thread thread;
        bool is_set = false;
        sim_begin(seed, seed == 1 ? &sim_calm : &foul);
        ck_assert_int_eq(eddy_os_thread_start(&thread, set_after_a_while, &is_set, 0), 0);
        unsigned rounds = 0;
        while (!is_set) eddy_os_back_off(&rounds);
        ck_assert_uint_lt(sim_steps(), 10 * ROUNDS);
        eddy_os_thread_join(thread);
        sim_end();
    }
}
END_TEST

/* --- What must not be --- */

static eddy_os_mutex misused;

static void unlock_of_nobody(void) {
    eddy_os_unlock(&misused);
}

static void lock_twice(void) {
    eddy_os_lock(&misused);
    eddy_os_lock(&misused);
}

static void close_while_held(void) {
    eddy_os_lock(&misused);
    eddy_os_mutex_close(&misused);
}

static void leave_open(void) {
    sim_end();
}

static void use_closed(void) {
    eddy_os_mutex_close(&misused);
    eddy_os_lock(&misused);
}

static void free_with_wrong_size(void) {
    void *block = eddy_os_resize(NULL, NULL, 0, 16);
    eddy_os_resize(NULL, block, 17, 0);
}

static void leave_a_block(void) {
    eddy_os_mutex_close(&misused);
    (void)eddy_os_resize(NULL, NULL, 0, 16);
    sim_end();
}

static void wait_for_a_file(void) {
    eddy_stat stat;
    (void)eddy_os_file_stat(EDDY_CWD, ".", true, &stat);
}

static void die_of_a_signal(void) {
    sim_raise(SIGUSR1);
    sim_step();
}

static void wait_for_ever(void) {
    sim_block(&misused, -1);
}

static void ignore_abort(int number) {
    (void)number;
    _exit(77);
}

static void must_fail(void (*misuse)(void)) {
    pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGABRT, ignore_abort);
        (void)!freopen("/dev/null", "w", stderr);
        sim_begin(1, &sim_calm);
        (void)eddy_os_mutex_open(&misused, false);
        misuse();
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 77);
}

/* Misuse that a real system may let pass for years. */
START_TEST(misuse_ends_the_run) {
    must_fail(unlock_of_nobody);
    must_fail(lock_twice);
    must_fail(close_while_held);
    must_fail(use_closed);
    must_fail(leave_open);
    must_fail(free_with_wrong_size);
    must_fail(leave_a_block);
    must_fail(wait_for_a_file);
    must_fail(die_of_a_signal);
    must_fail(wait_for_ever);
}
END_TEST

/* --- Signals --- */

static unsigned handled, depth, depth_max;

static void on_signal(int number) {
    ck_assert_int_eq(number, SIGUSR1);
    handled++;
    if (++depth > depth_max) depth_max = depth;
    if (handled == 1) sim_raise(SIGUSR1);
    (void)eddy_os_clock_ns();
    depth--;
}

/* Several of a number that wait are one; a handler is not interrupted; who blocks gets none. */
START_TEST(signals_are_handled_as_unix_does) {
    struct sigaction before;
    sigset_t mask;
    handled = depth = depth_max = 0;
    sim_begin(1, &sim_calm);
    ck_assert_int_eq(eddy_os_signal_install(SIGKILL, on_signal, &before), -EINVAL);
    ck_assert_int_eq(eddy_os_signal_install(SIGUSR1, on_signal, &before), 0);
    ck_assert(before.sa_handler == SIG_DFL);
    eddy_os_signal_block_all(&mask);
    sim_raise(SIGUSR1);
    sim_raise(SIGUSR1);
    (void)eddy_os_clock_ns();
    ck_assert_uint_eq(handled, 0);
    eddy_os_signal_unblock(&mask);
    ck_assert_uint_eq(handled, 2); /* the second was sent by the first */
    ck_assert_uint_eq(depth_max, 1);
    sim_raise(SIGCHLD); /* nobody minds */
    (void)eddy_os_clock_ns();
    ck_assert_int_eq(eddy_os_signal_restore(SIGUSR1, &before), 0);
    sim_end();
}
END_TEST

/* --- Memory --- */

/* A block keeps its bytes and changes its place; in the weather for it there is none. */
START_TEST(memory_moves_is_counted_and_runs_out) {
    static const struct sim_weather none = {.no_memory = 10000, .window_bytes = 4096};
    sim_begin(1, &sim_calm);
    char *block = eddy_os_resize(NULL, NULL, 0, 8);
    memcpy(block, "abcdefg", 8);
    char *larger = eddy_os_resize(NULL, block, 8, 100);
    ck_assert(larger != block);
    ck_assert_str_eq(larger, "abcdefg");
    ck_assert_uint_eq(sim_blocks(), 1);
    ck_assert_ptr_null(eddy_os_resize(NULL, larger, 100, 0));
    ck_assert_uint_eq(sim_blocks(), 0);
    sim_end();
    sim_begin(1, &none);
    ck_assert_ptr_null(eddy_os_resize(NULL, NULL, 0, 8));
    sim_faults_off();
    block = eddy_os_resize(NULL, NULL, 0, 8);
    ck_assert_ptr_nonnull(block);
    sim_faults_on();
    ck_assert_ptr_null(eddy_os_resize(NULL, block, 8, 16));
    ck_assert_ptr_null(eddy_os_resize(NULL, block, 8, 0));
    sim_end();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("kernel_threads");
    ck_add(suite, "threads", threads_hand_over_under_a_lock,
           a_wait_for_a_condition_ends_at_its_time, a_thread_that_yields_lets_others_go_on);
    ck_add(suite, "misuse", misuse_ends_the_run);
    ck_add(suite, "signals", signals_are_handled_as_unix_does);
    ck_add(suite, "memory", memory_moves_is_counted_and_runs_out);
    return suite;
}
