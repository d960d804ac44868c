/* core.c: faults while loops are opened and closed, and while watchers of every kind come and go.
 */
#include "fault.h"
#include "system.h"

#include <pthread.h>
#include <signal.h>

enum { HIGH_FD = 150 }; /* beyond the first table of descriptors */

static eddy_loop *loop;

/* --- A loop --- */

static void open_and_close(void) {
    if (fault_loop_open(&loop, (eddy_loop_config){0}) < 0) {
        fault_assert(!fault_is_unhurt());
        return;
    }
    fault_loop_close(loop);
}

/* A loop that cannot be had leaves nothing behind, and one that can be had closes. */
START_TEST(loop_opens_and_closes_whatever_fails) {
    fault_loop("a loop", open_and_close);
}
END_TEST

/* --- Watchers of descriptors --- */

static struct {
    eddy_io reader, writer, both, second;
    int ends[2], high[2];
    bool read, written, fired, changed;
    bool all;
} io;

static void look(void) {
    io.all = io.read && io.written && io.fired && io.changed;
}

/* A descriptor that the backend refused is told of once as an error; the watcher is mute then. */
static bool is_lost(eddy_io *it, unsigned events) {
    bool lost = (events & EDDY_ERROR) != 0 && eddy_io_error(it) != 0;
    fault_assert(!lost || !fault_is_unhurt());
    return lost;
}

static void on_read(eddy_io *it, unsigned events) {
    if (!is_lost(it, events)) drain(eddy_io_fd(it), NULL);
    io.read = true;
    look();
}

/* Asks for something else, and hears of that or of its refusal. */
static void on_written(eddy_io *it, unsigned events) {
    if (is_lost(it, events) || io.written) io.changed = true;
    if (!io.written) {
        fault_assert(eddy_io_change(it, EDDY_READ) == 0);
        put(io.high[1], "x");
    }
    io.written = true;
    look();
}

static void on_both(eddy_io *it, unsigned events) {
    io.fired = true;
    (void)is_lost(it, events);
    fault_assert(eddy_io_change(it, 0) == 0);
    look();
}

static void on_second(eddy_io *it, unsigned events) {
    (void)is_lost(it, events);
    eddy_io_stop(it);
}

static void watch(eddy_io *it, eddy_io_fn *fn, int fd, unsigned events, bool *told) {
    eddy_io_init(it, loop);
    if (eddy_io_start(it, fn, fd, events) == 0) return;
    fault_assert(!fault_is_unhurt());
    fault_assert(!eddy_is_active(&it->handle));
    *told = true;
}

static void use_descriptors(void) {
    unsigned once = test_backend_can(EDDY_CAN_ONESHOT) ? EDDY_ONESHOT : 0;
    bool ignored;
    watch(&io.reader, on_read, io.ends[0], EDDY_READ, &io.read);
    /* Changes of the others are waiting to be flushed while the table grows. */
    watch(&io.second, on_second, io.ends[0], EDDY_READ, &ignored);
    watch(&io.both, on_both, io.ends[1], EDDY_WRITE | once, &io.fired);
    watch(&io.writer, on_written, io.high[0], EDDY_READ | EDDY_WRITE, &io.written);
    if (!eddy_is_active(&io.writer.handle)) io.changed = true;
    look();
    put(io.ends[1], "x");
    (void)fault_turn_until(loop, &io.all);
    eddy_io_stop(&io.reader);
    eddy_io_stop(&io.second);
    eddy_io_stop(&io.both);
    eddy_io_stop(&io.writer);
}

static void watch_in(eddy_loop_config config) {
    if (fault_loop_open(&loop, config) < 0) return;
    int ends[2], high[2];
    test_socket_pair(ends);
    test_socket_pair(high);
    ck_assert_int_eq(dup2(high[0], HIGH_FD), HIGH_FD);
    close(high[0]);
    high[0] = HIGH_FD;
    memset(&io, 0, sizeof io);
    memcpy(io.ends, ends, sizeof ends);
    memcpy(io.high, high, sizeof high);
    use_descriptors();
    close_both(ends);
    close_both(high);
    fault_loop_close(loop);
}

static void watch_descriptors(void) {
    watch_in((eddy_loop_config){0});
}

START_TEST(descriptors_are_told_of_or_refused) {
    fault_loop("descriptors", watch_descriptors);
}
END_TEST

/* A loop without a heap, in memory that is just enough, also where it has to begin anew. */
static void watch_in_arena(void) {
    static _Alignas(max_align_t) char memory[64 * 1024];
    eddy_arena arena;
    eddy_allocator allocator = eddy_arena_allocator(&arena);
    eddy_loop_config config = {.backend = test_backend,
                               .allocator = &allocator,
                               .is_fixed = true,
                               .descriptors = HIGH_FD + 1};
    size_t bytes = eddy_loop_bytes(&config);
    fault_assert(bytes > 0 && bytes <= sizeof memory);
    eddy_arena_init(&arena, memory, bytes);
    watch_in(config);
    fault_assert(eddy_arena_used(&arena) == 0);
}

START_TEST(descriptors_of_a_loop_without_a_heap_are_told_of_or_refused) {
    fault_loop("a loop without a heap", watch_in_arena);
}
END_TEST

/* --- A descriptor that was closed too early --- */

static eddy_io leaked, other;
static bool other_told, posted;

static void on_late_post(eddy_post *post) {
    (void)post;
    posted = true;
}

static void on_leaked(eddy_io *it, unsigned events) {
    fault_assert(is_lost(it, events)); /* only that it is gone */
}

static void on_other(eddy_io *it, unsigned events) {
    if (!is_lost(it, events)) drain(eddy_io_fd(it), NULL);
    other_told = true;
}

/* A duplicate keeps the backend telling of what was closed, so that it has to begin anew. */
static void close_too_early(void) {
    if (fault_loop_open(&loop, (eddy_loop_config){0}) < 0) return;
    int ends[2], others[2];
    bool ignored;
    test_socket_pair(ends);
    test_socket_pair(others);
    other_told = false;
    watch(&leaked, on_leaked, ends[0], EDDY_READ, &ignored);
    watch(&other, on_other, others[0], EDDY_READ, &other_told);
    int duplicate = dup(ends[0]);
    close(ends[0]);
    eddy_io_stop(&leaked);
    put(ends[1], "x");
    (void)eddy_loop_run(loop, EDDY_RUN_NOWAIT); /* tells of what leaked */
    put(others[1], "x");
    (void)fault_turn_until(loop, &other_told);
    eddy_io_stop(&other);
    /* The loop's own pipe is watched again as well. */
    eddy_post post;
    posted = false;
    eddy_loop_post(loop, &post, on_late_post);
    (void)fault_turn_until(loop, &posted);
    close(duplicate);
    close(ends[1]);
    close_both(others);
    fault_loop_close(loop);
    fault_assert(posted);
}

START_TEST(leaked_registration_is_ended_whatever_fails) {
    fault_loop("leaked registration", close_too_early);
}
END_TEST

/* --- All other watchers --- */

enum { TIMERS = 20 }; /* the heap grows once more */

static struct {
    eddy_timer timers[TIMERS];
    eddy_hook hooks[3];
    eddy_defer defer;
    eddy_wake wake;
    eddy_signal signal;
    eddy_post post, posts[3];
    unsigned missing; /* calls to come */
    bool all;
    pthread_t thread;
} them;

static void tell(void) {
    fault_assert(them.missing > 0);
    if (--them.missing == 0) them.all = true;
}

static void on_timer(eddy_timer *it) {
    (void)it;
    tell();
}

static void on_hook(eddy_hook *it) {
    eddy_hook_stop(it);
    tell();
}

static void on_defer(eddy_defer *it) {
    (void)it;
    tell();
}

static void on_wake(eddy_wake *it) {
    eddy_wake_stop(it);
    tell();
}

static void on_signal(eddy_signal *it, int number) {
    (void)it, (void)number;
    tell();
}

static void on_post(eddy_post *it) {
    (void)it;
    tell();
}

/* Counts a call that is to come; what fails without a fault is a failure. */
static void start(int err) {
    if (err == 0)
        them.missing++;
    else
        fault_assert(!fault_is_unhurt());
}

static void *post_from_elsewhere(void *argument) {
    (void)argument;
    for (int i = 0; i < 3; i++) eddy_loop_post(loop, &them.posts[i], on_post);
    eddy_wake_send(&them.wake);
    return NULL;
}

static void start_all(void) {
    memset(&them, 0, sizeof them);
    for (int i = 0; i < TIMERS; i++) {
        eddy_timer_init(&them.timers[i], loop);
        start(eddy_timer_start(&them.timers[i], on_timer, i * 100 * EDDY_NS_PER_US, 0));
    }
    for (int i = 0; i < 3; i++) {
        eddy_hook_init(&them.hooks[i], loop);
        start(eddy_hook_start(&them.hooks[i], (eddy_hook_kind)i, on_hook));
    }
    eddy_defer_init(&them.defer, loop);
    start(eddy_defer_start(&them.defer, on_defer));
    eddy_wake_init(&them.wake, loop);
    start(eddy_wake_start(&them.wake, on_wake));
    eddy_signal_init(&them.signal, loop);
    int err = eddy_signal_start(&them.signal, on_signal, SIGUSR1);
    start(err);
    them.missing += 4;
    if (err == 0) raise(SIGUSR1);
    eddy_loop_post(loop, &them.post, on_post);
    ck_assert_int_eq(pthread_create(&them.thread, NULL, post_from_elsewhere, NULL), 0);
}

static void watch_all_else(void) {
    if (fault_loop_open(&loop, (eddy_loop_config){0}) < 0) return;
    start_all();
    int err = fault_turn_until(loop, &them.all);
    pthread_join(them.thread, NULL);
    for (int i = 0; i < TIMERS; i++) eddy_timer_stop(&them.timers[i]);
    for (int i = 0; i < 3; i++) eddy_hook_stop(&them.hooks[i]);
    eddy_defer_stop(&them.defer);
    eddy_wake_stop(&them.wake);
    eddy_signal_stop(&them.signal);
    fault_loop_close(loop);
    fault_assert(err == FAULT_GIVEN_UP || them.missing == 0);
}

START_TEST(watchers_start_or_say_why_not) {
    fault_loop("watchers", watch_all_else);
}
END_TEST

/* --- Labels --- */

enum { LABELS = 60 }; /* their table grows more than once */

/* Only the first may find no memory. */
static void label_all(eddy_label *labels) {
    bool was_set = false;
    for (int i = 0; i < LABELS; i++) {
        eddy_label_init(&labels[i], loop);
        int err = eddy_label_set(&labels[i], &labels[i], "label");
        fault_assert(err == 0 || (err == -ENOMEM && !was_set && !fault_is_unhurt()));
        fault_assert((eddy_label_of(loop, &labels[i]) != NULL) == (err == 0));
        was_set = was_set || err == 0;
    }
}

static void use_labels(void) {
    static eddy_label labels[LABELS];
    if (fault_loop_open(&loop, (eddy_loop_config){0}) < 0) return;
    label_all(labels);
    fault_assert(eddy_loop_verify(loop, NULL) == 0);
    for (int i = 0; i < LABELS; i += 2) {
        eddy_label_clear(&labels[i]);
        fault_assert(eddy_label_of(loop, &labels[i]) == NULL);
    }
    fault_assert(eddy_loop_verify(loop, NULL) == 0);
    fault_loop_close(loop); /* with the rest */
}

START_TEST(labels_after_the_first_are_set_whatever_fails) {
    fault_loop("labels", use_labels);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("fault core");
    ck_add(suite, "core", loop_opens_and_closes_whatever_fails, descriptors_are_told_of_or_refused,
           descriptors_of_a_loop_without_a_heap_are_told_of_or_refused,
           leaked_registration_is_ended_whatever_fails, watchers_start_or_say_why_not,
           labels_after_the_first_are_set_whatever_fails);
    return suite;
}
