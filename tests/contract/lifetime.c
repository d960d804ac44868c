/* lifetime.c: open, close, reopen after a fork, and the descriptor for nesting. */
#include "contract.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int open_descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

START_TEST(close_leaves_no_descriptor_behind) {
    int before = open_descriptors();
    for (int i = 0; i < 3; i++) {
        struct tested *it = tested_open();
        int ends[2];
        test_pipe(ends);
        add(it, ends[0], EDDY_READ);
        wait_once(it, 1, 0);
        tested_close(it);
        close_both(ends);
    }
    ck_assert_int_eq(open_descriptors(), before);
}
END_TEST

/* Runs `run` in a forked child, which must succeed within 10 seconds. */
static void in_child(void (*run)(struct tested *it, const int *ends), struct tested *it,
                     const int *ends) {
    fflush(NULL);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        alarm(10);
        run(it, ends);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child failed: %x", status);
}

/* Assertions of check do not work in a child of a test's own. */
static void must(bool condition) {
    if (!condition) _exit(1);
}

static void child_begins_anew(struct tested *it, const int *ends) {
    const struct eddy_backend *backend = it->backend;
    must(backend->reopen(it->state) == 0);
    /* Nothing is registered, although the parent's pipe has data. */
    must(backend->wait(it->state, it->records, 8, MS) == 0);
    must(backend->add(it->state, ends[0], EDDY_READ, 42) == 0);
    must(backend->wait(it->state, it->records, 8, -1) == 1);
    must(it->records[0].token == 42 && it->records[0].events == EDDY_READ);
    must(backend->remove(it->state, ends[0], EDDY_READ) == 0);
    must(backend->wait(it->state, it->records, 8, MS) == 0);
    backend->close(it->state);
}

/* The child adds, removes and closes what the parent has registered too: the parent goes on. */
START_TEST(forked_child_begins_anew_and_leaves_the_parent_alone) {
    struct tested *it = tested_open();
    int ends[2], other[2];
    test_pipe(ends);
    test_socket_pair(other);
    put(ends[1], "x");
    add(it, ends[0], EDDY_READ);
    add(it, other[0], EDDY_READ);
    modify(it, other[0], EDDY_READ, EDDY_WRITE); /* on its way at the fork */
    in_child(child_begins_anew, it, ends);
    in_child(child_begins_anew, it, ends);
    ck_assert_int_eq(wait_once(it, RECORDS_MAX, -1), 2);
    ck_assert_uint_eq(told_token(it, token_of(ends[0], 1)), EDDY_READ);
    ck_assert_uint_eq(told_token(it, token_of(other[0], 1)), EDDY_WRITE);
    remove_fd(it, ends[0], EDDY_READ);
    remove_fd(it, other[0], EDDY_WRITE);
    ck_silent(it);
    tested_close(it);
    close_both(ends);
    close_both(other);
}
END_TEST

static void allow_no_descriptors(void) {
    struct rlimit limit;
    must(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 0;
    must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static void child_without_descriptors(struct tested *it, const int *ends) {
    (void)ends;
    allow_no_descriptors();
    int err = it->backend->reopen(it->state);
    must(err == 0 || err == -EMFILE);
    must(err == -EMFILE || it->backend->descriptor == NULL);
    it->backend->close(it->state);
}

START_TEST(reopen_that_fails_can_be_closed) {
    struct tested *it = tested_open();
    int ends[2];
    test_pipe(ends);
    add(it, ends[0], EDDY_READ);
    in_child(child_without_descriptors, it, ends);
    put(ends[1], "x");
    ck_assert_uint_eq(told(it, ends[0], -1), EDDY_READ);
    tested_close(it);
    close_both(ends);
}
END_TEST

/* Also after a reopen, which begins anew. */
START_TEST(what_was_reserved_is_added_without_memory) {
    struct tested *it = tested_open();
    int ends[2], fds[20];
    test_pipe(ends);
    put(ends[1], "x");
    if (it->backend->reserve != NULL) {
        it->memory.left = 0;
        ck_assert_int_eq(it->backend->reserve(it->state, 300), -ENOMEM);
        it->memory.left = UINT32_MAX;
        ck_assert_int_eq(it->backend->reserve(it->state, 300), 0);
        ck_assert_int_eq(it->backend->reserve(it->state, 10), 0);
    }
    it->memory.calls = 0;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20; i++) {
            fds[i] = fcntl(ends[0], F_DUPFD_CLOEXEC, 280 + i);
            ck_assert_int_lt(fds[i], 300);
            add(it, fds[i], EDDY_READ);
        }
        ck_assert_int_eq(wait_once(it, RECORDS_MAX, -1), 20);
        ck_assert_int_eq(it->backend->reopen(it->state), 0);
        ck_silent(it);
        for (int i = 0; i < 20; i++) close(fds[i]);
    }
    ck_assert_uint_eq(it->memory.calls, 0);
    tested_close(it);
    close_both(ends);
}
END_TEST

static void child_opens_without_descriptors(struct tested *it, const int *ends) {
    (void)ends;
    allow_no_descriptors();
    void *state = calloc(1, it->backend->state_bytes);
    int err = it->backend->open(state, &it->memory.memory, RECORDS_MAX);
    must(err == (it->backend->descriptor == NULL ? 0 : -EMFILE));
    if (err == 0) it->backend->close(state);
    free(state);
}

START_TEST(open_without_descriptors_fails) {
    struct tested *it = tested_open();
    in_child(child_opens_without_descriptors, it, NULL);
    tested_close(it);
}
END_TEST

/* What another loop sees: readable as long as a wait would tell something. */
START_TEST(descriptor_is_readable_when_there_are_records) {
    struct tested *it = tested_open();
    ck_assert(can(it, EDDY_CAN_NEST) == (it->backend->descriptor != NULL));
    if (can(it, EDDY_CAN_NEST)) {
        int ends[2];
        test_pipe(ends);
        struct pollfd outer = {.fd = it->backend->descriptor(it->state), .events = POLLIN};
        ck_assert_int_ge(outer.fd, 0);
        ck_assert_int_eq(fcntl(outer.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        add(it, ends[0], EDDY_READ);
        ck_assert_int_eq(poll(&outer, 1, 0), 0);
        put(ends[1], "x");
        ck_assert_int_eq(poll(&outer, 1, 1000), 1);
        ck_assert_uint_eq(told(it, ends[0], 0), EDDY_READ);
        drain(ends[0]);
        ck_silent(it);
        ck_assert_int_eq(poll(&outer, 1, 0), 0);
        close_both(ends);
    }
    tested_close(it);
}
END_TEST

/* Also those that were on their way when the descriptor was asked for. */
START_TEST(descriptor_shows_changes_without_a_wait) {
    struct tested *it = tested_open();
    if (can(it, EDDY_CAN_NEST)) {
        int first[2], second[2];
        test_socket_pair(first);
        test_socket_pair(second);
        add(it, first[0], EDDY_READ);
        add(it, second[0], EDDY_READ);
        modify(it, first[0], EDDY_READ, EDDY_WRITE);
        struct pollfd outer = {.fd = it->backend->descriptor(it->state), .events = POLLIN};
        ck_assert_int_eq(poll(&outer, 1, 1000), 1);
        modify(it, first[0], EDDY_WRITE, EDDY_READ);
        ck_assert_int_eq(poll(&outer, 1, 0), 0);
        modify(it, second[0], EDDY_READ, BOTH);
        ck_assert_int_eq(poll(&outer, 1, 1000), 1);
        ck_assert_uint_eq(told(it, second[0], 0), EDDY_WRITE);
        close_both(first);
        close_both(second);
    }
    tested_close(it);
}
END_TEST

/* One backend's descriptor in another of its kind. */
START_TEST(descriptor_can_be_watched_by_another_backend) {
    struct tested *it = tested_open();
    if (can(it, EDDY_CAN_NEST)) {
        struct tested *outer = tested_open();
        int ends[2];
        test_pipe(ends);
        int inner_fd = it->backend->descriptor(it->state);
        add(outer, inner_fd, EDDY_READ);
        add(it, ends[0], EDDY_READ);
        ck_silent(outer);
        put(ends[1], "x");
        ck_assert_uint_eq(told(outer, inner_fd, -1), EDDY_READ);
        ck_assert_uint_eq(told(it, ends[0], 0), EDDY_READ);
        remove_fd(outer, inner_fd, EDDY_READ);
        tested_close(outer);
        close_both(ends);
    }
    tested_close(it);
}
END_TEST

/* --- Threads --- */

struct part {
    struct tested *it;
    int fd;
    void (*run)(struct part *part);
};

static void *run_part(void *argument) {
    struct part *part = argument;
    part->run(part);
    return NULL;
}

static _Atomic(long) waiter; /* its number, for the system that tells what it does */

static void await_shown(struct part *part) {
    struct pollfd outer = {.fd = part->fd, .events = POLLIN};
#ifdef __linux__
    waiter = syscall(SYS_gettid);
#else
    waiter = 1;
#endif
    while (poll(&outer, 1, 10000) < 0 && errno == EINTR) continue;
    if (!(outer.revents & POLLIN)) part->fd = -1;
}

/* Until it sleeps; where the system does not tell, until it is about to. */
static void await_waiter(void) {
    char path[64], state = 'R';
    while (waiter == 0) sched_yield();
    snprintf(path, sizeof path, "/proc/self/task/%ld/stat", waiter);
    for (FILE *file; state != 'S' && (file = fopen(path, "r")) != NULL; fclose(file))
        if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1) state = 'S';
}

/* Somebody who waits for the descriptor in another thread already sees what comes: an event of what
 * was added before, what is added then, and a change. */
START_TEST(descriptor_wakes_whoever_waits_for_it_already) {
    struct tested *it = tested_open();
    for (int i = 0; can(it, EDDY_CAN_NEST) && i < 3; i++) {
        int ends[2];
        test_socket_pair(ends);
        struct part part = {it, it->backend->descriptor(it->state), await_shown};
        pthread_t thread;
        if (i != 1) add(it, ends[0], EDDY_READ);
        waiter = 0;
        ck_assert_int_eq(pthread_create(&thread, NULL, run_part, &part), 0);
        await_waiter();
        if (i == 0) put(ends[1], "x");
        if (i == 1) add(it, ends[0], EDDY_WRITE);
        if (i == 2) modify(it, ends[0], EDDY_READ, EDDY_WRITE);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_int_ge(part.fd, 0);
        ck_assert_uint_eq(told(it, ends[0], 0), i == 0 ? EDDY_READ : EDDY_WRITE);
        remove_fd(it, ends[0], i == 0 ? EDDY_READ : EDDY_WRITE);
        close_both(ends);
    }
    tested_close(it);
}
END_TEST

static void add_in_thread(struct part *part) {
    add(part->it, part->fd, EDDY_READ);
}

static void add_and_wait_in_thread(struct part *part) {
    add(part->it, part->fd, EDDY_READ);
    wait_once(part->it, RECORDS_MAX, 0);
    modify(part->it, part->fd, EDDY_READ, BOTH);
    ck_assert_uint_eq(told(part->it, part->fd, -1), EDDY_WRITE);
    modify(part->it, part->fd, BOTH, EDDY_READ);
    wait_once(part->it, RECORDS_MAX, 0);
}

/* Whoever has it is its thread, and may hand it on: opened here, used there, and here again, when
 * that thread has ended. */
START_TEST(a_loop_goes_on_in_another_thread) {
    void (*const parts[])(struct part *) = {add_in_thread, add_and_wait_in_thread};
    for (int i = 0; i < 4; i++) {
        struct tested *it = tested_open();
        int own[2], ends[2];
        test_socket_pair(own);
        test_socket_pair(ends);
        if (i >= 2) {
            add(it, own[0], EDDY_READ);
            wait_once(it, RECORDS_MAX, 0);
        }
        struct part part = {it, ends[0], parts[i % 2]};
        pthread_t thread;
        ck_assert_int_eq(pthread_create(&thread, NULL, run_part, &part), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_silent(it);
        put(ends[1], "x");
        ck_assert_uint_eq(told(it, ends[0], -1), EDDY_READ);
        modify(it, ends[0], EDDY_READ, BOTH);
        ck_assert_uint_eq(told(it, ends[0], -1), BOTH);
        remove_fd(it, ends[0], BOTH);
        if (i >= 2) put(own[1], "x");
        if (i >= 2) ck_assert_uint_eq(told(it, own[0], -1), EDDY_READ);
        close_both(ends);
        close_both(own);
        tested_close(it);
    }
}
END_TEST

START_TEST(two_of_a_kind_do_not_share_anything) {
    struct tested *first = tested_open(), *second = tested_open();
    int ends[2];
    test_pipe(ends);
    put(ends[1], "x");
    add(first, ends[0], EDDY_READ);
    add(second, ends[0], EDDY_READ);
    ck_assert_uint_eq(told(first, ends[0], -1), EDDY_READ);
    ck_assert_uint_eq(told(second, ends[0], -1), EDDY_READ);
    remove_fd(first, ends[0], EDDY_READ);
    ck_silent(first);
    ck_assert_uint_eq(told(second, ends[0], -1), EDDY_READ);
    tested_close(second);
    tested_close(first);
    close_both(ends);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("contract/lifetime");
    ck_add(suite, "open and close", close_leaves_no_descriptor_behind,
           open_without_descriptors_fails, two_of_a_kind_do_not_share_anything);
    ck_add(suite, "fork", forked_child_begins_anew_and_leaves_the_parent_alone,
           reopen_that_fails_can_be_closed, what_was_reserved_is_added_without_memory);
    ck_add(suite, "nesting", descriptor_is_readable_when_there_are_records,
           descriptor_shows_changes_without_a_wait, descriptor_can_be_watched_by_another_backend,
           descriptor_wakes_whoever_waits_for_it_already);
    ck_add(suite, "threads", a_loop_goes_on_in_another_thread);
    return suite;
}
