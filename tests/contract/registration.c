/* registration.c: coming, going and being lost: clauses 5 and 7 of platform/backend.h. */
#include "contract.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Clause 5. Alike on all backends: files are always ready, and watching them is a mistake. */
START_TEST(regular_files_and_directories_are_refused) {
    struct tested *it = tested_open();
    FILE *stream = tmpfile();
    ck_assert_ptr_nonnull(stream);
    int file = fileno(stream);
    int directory = open("/", O_RDONLY);
    for (unsigned events = 1; events <= BOTH; events++) {
        ck_assert_int_eq(it->backend->add(it->state, file, events, token_of(file, 1)), -EPERM);
        ck_assert_int_eq(it->backend->add(it->state, directory, events, token_of(directory, 1)),
                         -EPERM);
    }
    ck_silent(it);
    tested_close(it);
    close(directory);
    fclose(stream);
}
END_TEST

START_TEST(closed_descriptor_is_refused) {
    struct tested *it = tested_open();
    int ends[2];
    test_pipe(ends);
    close_both(ends);
    ck_assert_int_eq(it->backend->add(it->state, ends[0], EDDY_READ, token_of(ends[0], 1)), -EBADF);
    ck_silent(it);
    tested_close(it);
}
END_TEST

START_TEST(removed_descriptor_is_silent_at_once) {
    struct tested *it = tested_open();
    int ends[2];
    test_socket_pair(ends);
    put(ends[1], "x");
    add(it, ends[0], BOTH);
    remove_fd(it, ends[0], BOTH);
    ck_silent(it);
    /* Nor does a change that was on its way come after the removal. */
    add(it, ends[0], EDDY_READ);
    modify(it, ends[0], EDDY_READ, BOTH);
    remove_fd(it, ends[0], BOTH);
    ck_silent(it);
    add(it, ends[0], EDDY_READ);
    ck_assert_uint_eq(told(it, ends[0], -1), EDDY_READ);
    remove_fd(it, ends[0], EDDY_READ);
    tested_close(it);
    close_both(ends);
}
END_TEST

/* A duplicate, as children inherit them, keeps the description open: only a removal before the
 * close keeps it from firing for ever. */
START_TEST(removal_before_close_silences_a_duplicated_description) {
    struct tested *it = tested_open();
    int ends[2];
    test_pipe(ends);
    int duplicate = dup(ends[0]);
    add(it, ends[0], EDDY_READ);
    put(ends[1], "x");
    ck_assert_uint_eq(told(it, ends[0], -1), EDDY_READ);
    remove_fd(it, ends[0], EDDY_READ);
    close(ends[0]);
    ck_silent(it);
    /* The duplicate is a descriptor like any other, under its own number. */
    add(it, duplicate, EDDY_READ);
    ck_assert_uint_eq(told(it, duplicate, -1), EDDY_READ);
    remove_fd(it, duplicate, EDDY_READ);
    tested_close(it);
    close(duplicate);
    close(ends[1]);
}
END_TEST

START_TEST(two_duplicates_are_watched_apart) {
    struct tested *it = tested_open();
    int ends[2];
    test_pipe(ends);
    int duplicate = dup(ends[0]);
    put(ends[1], "x");
    add(it, ends[0], EDDY_READ);
    add(it, duplicate, EDDY_READ);
    ck_assert_int_eq(wait_once(it, RECORDS_MAX, -1), 2);
    ck_assert_uint_eq(told_token(it, token_of(ends[0], 1)), EDDY_READ);
    ck_assert_uint_eq(told_token(it, token_of(duplicate, 1)), EDDY_READ);
    remove_fd(it, ends[0], EDDY_READ);
    ck_assert_uint_eq(told(it, duplicate, -1), EDDY_READ);
    remove_fd(it, duplicate, EDDY_READ);
    tested_close(it);
    close(duplicate);
    close_both(ends);
}
END_TEST

/* Removing what is closed already is harmless, and the number is free for a new owner. */
START_TEST(remove_after_close_frees_the_number) {
    struct tested *it = tested_open();
    int ends[2], again[2];
    for (int i = 0; i < 3; i++) {
        test_pipe(ends);
        add(it, ends[0], EDDY_READ);
        close(ends[0]);
        int err = it->backend->remove(it->state, ends[0], EDDY_READ);
        ck_assert(err == 0 || err == -EBADF || err == -ENOENT);
        ck_silent(it);
        test_pipe(again);
        ck_assert_int_eq(again[0], ends[0]);
        add(it, again[0], EDDY_READ);
        ck_silent(it);
        put(again[1], "x");
        ck_assert_uint_eq(told(it, again[0], -1), EDDY_READ);
        remove_fd(it, again[0], EDDY_READ);
        close_both(again);
        close(ends[1]);
    }
    tested_close(it);
}
END_TEST

/* Closes `fd` and makes its number mean a new socket; returns the other end. */
static int replace(int fd) {
    int ends[2];
    test_socket_pair(ends);
    ck_assert_int_eq(dup2(ends[0], fd), fd);
    close(ends[0]);
    return ends[1];
}

/* The number was closed and means another socket by the time the change or removal comes. */
START_TEST(number_reopened_behind_the_back_can_be_modified_and_removed) {
    struct tested *it = tested_open();
    int ends[2], peers[3];
    test_socket_pair(ends);
    add(it, ends[0], EDDY_READ);
    peers[0] = replace(ends[0]);
    modify(it, ends[0], EDDY_READ, BOTH);
    ck_assert_uint_ne(told(it, ends[0], -1) & EDDY_WRITE, 0);
    /* What the close has undone already is no reason to end a wait. */
    peers[1] = replace(ends[0]);
    modify(it, ends[0], BOTH, EDDY_READ);
    int64_t start_ns = test_now_ns();
    ck_assert_int_eq(wait_once(it, RECORDS_MAX, 5 * MS), 0);
    ck_assert_int_ge(test_now_ns() - start_ns, 5 * MS);
    peers[2] = replace(ends[0]);
    int err = it->backend->remove(it->state, ends[0], EDDY_READ);
    ck_assert(err == 0 || err == -ENOENT);
    ck_silent(it);
    tested_close(it);
    close_both(ends);
    for (int i = 0; i < 3; i++) close(peers[i]);
}
END_TEST

/* Clause 7. At most one record with -EBADF, and then the wait rests as if nothing had been. */
/* The number was closed without being removed, a duplicate kept its registration alive, and then
 * it came to mean the same description again. */
START_TEST(number_that_means_the_same_again_can_be_added) {
    struct tested *it = tested_open();
    int ends[2];
    test_pipe(ends);
    put(ends[1], "x");
    add(it, ends[0], EDDY_READ);
    int duplicate = dup(ends[0]);
    close(ends[0]);
    it->backend->remove(it->state, ends[0], EDDY_READ);
    ck_assert_int_eq(dup(duplicate), ends[0]); /* the lowest that is free */
    ck_assert_int_eq(it->backend->add(it->state, ends[0], EDDY_READ, token_of(ends[0], 2)), 0);
    wait_once(it, RECORDS_MAX, -1);
    ck_assert_uint_eq(told_token(it, token_of(ends[0], 2)), EDDY_READ);
    remove_fd(it, ends[0], EDDY_READ);
    ck_silent(it);
    close(duplicate);
    close_both(ends);
    tested_close(it);
}
END_TEST

START_TEST(descriptor_closed_behind_the_back_is_told_at_most_once) {
    struct tested *it = tested_open();
    int ends[2], other[2];
    test_pipe(ends);
    test_pipe(other);
    add(it, ends[0], EDDY_READ);
    add(it, other[0], EDDY_READ);
    close(ends[0]);
    int told_lost = 0;
    for (int i = 0; i < 5; i++) {
        int64_t start_ns = test_now_ns();
        wait_once(it, RECORDS_MAX, 2 * MS);
        if (it->count == 0) ck_assert_int_ge(test_now_ns() - start_ns, 2 * MS);
        for (int r = 0; r < it->count; r++) {
            ck_assert_uint_eq(it->records[r].token, token_of(ends[0], 1));
            ck_assert_int_eq(it->records[r].error, -EBADF);
            told_lost++;
        }
    }
    ck_assert_int_le(told_lost, 1);
    /* The others go on. */
    put(other[1], "x");
    ck_assert_uint_eq(told(it, other[0], -1), EDDY_READ);
    /* A change of the lost one tells of the loss at once or with the wait, once. */
    int err = it->backend->modify(it->state, ends[0], EDDY_READ, EDDY_WRITE, token_of(ends[0], 1));
    ck_assert(err == 0 || err == -EBADF);
    drain(other[0]);
    told_lost = 0;
    for (int i = 0; i < 3; i++)
        for (int r = wait_once(it, RECORDS_MAX, MS); r > 0; r--) {
            ck_assert_int_eq(it->records[r - 1].error, -EBADF);
            told_lost++;
        }
    ck_assert_int_eq(told_lost, err == 0 ? 1 : 0);
    err = it->backend->remove(it->state, ends[0], EDDY_WRITE);
    ck_assert(err == 0 || err == -EBADF);
    ck_silent(it);
    tested_close(it);
    close(ends[1]);
    close_both(other);
}
END_TEST

/* Many lost at once, with room for one record a wait: each is told at most once, none hides
 * others. */
START_TEST(many_lost_descriptors_leave_the_others_alone) {
    struct tested *it = tested_open();
    enum { LOST = 10 };
    int lost[LOST][2], other[2];
    test_pipe(other);
    put(other[1], "x");
    add(it, other[0], EDDY_READ);
    for (int i = 0; i < LOST; i++) {
        test_pipe(lost[i]);
        add(it, lost[i][0], EDDY_READ);
    }
    for (int i = 0; i < LOST; i++) close(lost[i][0]);
    int told_lost = 0, told_other = 0;
    for (int i = 0; i < 3 * LOST; i++) {
        ck_assert_int_eq(wait_once(it, 1, -1), 1);
        if (it->records[0].error == -EBADF)
            told_lost++;
        else
            told_other += it->records[0].token == token_of(other[0], 1);
    }
    ck_assert_int_ge(told_other, LOST);
    ck_assert_int_eq(told_lost + told_other, 3 * LOST);
    ck_assert_int_le(told_lost, LOST);
    for (int i = 0; i < LOST; i++) it->backend->remove(it->state, lost[i][0], EDDY_READ);
    remove_fd(it, other[0], EDDY_READ);
    ck_silent(it);
    tested_close(it);
    for (int i = 0; i < LOST; i++) close(lost[i][1]);
    close_both(other);
}
END_TEST

/* Each allocation fails in its turn: nothing changes, and it works once there is memory. */
START_TEST(add_without_memory_changes_nothing) {
    struct tested *it = tested_open();
    int ends[2];
    test_pipe(ends);
    put(ends[1], "x");
    add(it, ends[0], EDDY_READ);
    int far = fcntl(ends[0], F_DUPFD_CLOEXEC, 300);
    ck_assert_int_ge(far, 300);
    int err = -ENOMEM;
    for (unsigned left = 0; err != 0; left++) {
        ck_assert_uint_le(left, 8);
        it->memory.left = left;
        err = it->backend->add(it->state, far, EDDY_READ, token_of(far, 1));
        if (err == 0) break;
        ck_assert_int_eq(err, -ENOMEM);
        ck_assert_uint_eq(told(it, ends[0], -1), EDDY_READ);
    }
    ck_assert_int_eq(wait_once(it, RECORDS_MAX, -1), 2);
    remove_fd(it, far, EDDY_READ);
    remove_fd(it, ends[0], EDDY_READ);
    ck_silent(it);
    tested_close(it);
    close(far);
    close_both(ends);
}
END_TEST

/* Only add may need memory, and only for more or larger descriptors than before. */
START_TEST(changes_waits_and_additions_again_take_no_memory) {
    struct tested *it = tested_open();
    int ends[2];
    test_socket_pair(ends);
    put(ends[1], "x");
    add(it, ends[0], EDDY_READ);
    it->memory.calls = 0;
    for (int i = 0; i < 20; i++) {
        modify(it, ends[0], EDDY_READ, EDDY_WRITE);
        modify(it, ends[0], EDDY_WRITE, BOTH);
        ck_assert_uint_eq(told(it, ends[0], -1), BOTH);
        modify(it, ends[0], BOTH, EDDY_READ);
        remove_fd(it, ends[0], EDDY_READ);
        add(it, ends[0], EDDY_READ);
    }
    /* However often, without a wait in between. */
    for (int i = 0; i < 5000; i++) {
        modify(it, ends[0], EDDY_READ, BOTH);
        remove_fd(it, ends[0], BOTH);
        add(it, ends[0], EDDY_READ);
    }
    ck_assert_uint_eq(it->memory.calls, 0);
    ck_assert_uint_eq(told(it, ends[0], -1), EDDY_READ);
    tested_close(it);
    close_both(ends);
}
END_TEST

static void allow_descriptors(rlim_t count) {
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur >= count) return;
    limit.rlim_cur = limit.rlim_max < count ? limit.rlim_max : count;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* More than 1,000 descriptors, all ready, come and go in any order. */
START_TEST(a_thousand_descriptors_are_all_told) {
    enum { MANY = 1500 };
    struct tested *it = tested_open();
    allow_descriptors(MANY + 100);
    int pipes[10][2]; /* of one, epolls in epolls, as the kqueue double's, take no more than 500 */
    for (int i = 0; i < 10; i++) {
        test_pipe(pipes[i]);
        put(pipes[i][1], "x");
    }
    static int fds[MANY];
    static bool seen[MANY * 2];
    int count = 0;
    while (count < MANY) {
        int fd = dup(pipes[count % 10][0]);
        if (fd < 0) break;
        if (fd > it->backend->fd_max || fd >= MANY * 2) {
            close(fd);
            break;
        }
        fds[count++] = fd;
        add(it, fd, EDDY_READ);
    }
    ck_assert_int_gt(count, 500);
    for (int round = 0; round < 3; round++) {
        memset(seen, 0, sizeof seen);
        int left = count;
        for (int i = 0; i < 2 * (count / RECORDS_MAX + 1); i++)
            for (int r = wait_once(it, RECORDS_MAX, -1); r > 0; r--) {
                uint32_t fd = (uint32_t)it->records[r - 1].token;
                ck_assert_uint_eq(it->records[r - 1].token, token_of((int)fd, 1));
                left -= !seen[fd];
                seen[fd] = true;
            }
        ck_assert_int_eq(left, 0);
        for (int i = 0; i < count; i += 2 + round) remove_fd(it, fds[i], EDDY_READ);
        for (int i = 0; i < count; i += 2 + round) add(it, fds[i], EDDY_READ);
    }
    for (int i = 0; i < count; i++)
        remove_fd(it, fds[i * 1511 % count], EDDY_READ); /* a prime above MANY: each once */
    ck_silent(it);
    tested_close(it);
    for (int i = 0; i < count; i++) close(fds[i]);
    for (int i = 0; i < 10; i++) close_both(pipes[i]);
}
END_TEST

/* What fits the caller's array comes with one wait, also with more than any stack holds. */
START_TEST(one_wait_tells_as_many_as_fit) {
    enum { MANY = 700 };
    static struct eddy_record records[2 * MANY];
    static bool seen[2 * MANY];
    allow_descriptors(MANY + 200);
    struct tested *it = tested_open_for(2 * MANY);
    int pipes[10][2], fds[MANY]; /* of one, epolls in epolls take no more than 500 */
    for (int i = 0; i < 10; i++) {
        test_pipe(pipes[i]);
        put(pipes[i][1], "x");
    }
    for (int i = 0; i < MANY; i++) {
        fds[i] = dup(pipes[i % 10][0]);
        ck_assert_int_ge(fds[i], 0);
        add(it, fds[i], EDDY_READ);
    }
    int count = it->backend->wait(it->state, records, 2 * MANY, -1);
    ck_assert_int_eq(count, MANY);
    for (int i = 0; i < count; i++) {
        uint32_t fd = (uint32_t)records[i].token;
        ck_assert(!seen[fd]);
        seen[fd] = true;
    }
    for (int i = 0; i < MANY; i++) remove_fd(it, fds[i], EDDY_READ);
    for (int i = 0; i < MANY; i++) close(fds[i]);
    for (int i = 0; i < 10; i++) close_both(pipes[i]);
    tested_close(it);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("contract/registration");
    ck_add(suite, "refusal", regular_files_and_directories_are_refused,
           closed_descriptor_is_refused);
    ck_add(suite, "removal", removed_descriptor_is_silent_at_once,
           removal_before_close_silences_a_duplicated_description, two_duplicates_are_watched_apart,
           remove_after_close_frees_the_number,
           number_reopened_behind_the_back_can_be_modified_and_removed,
           number_that_means_the_same_again_can_be_added);
    ck_add(suite, "loss", descriptor_closed_behind_the_back_is_told_at_most_once,
           many_lost_descriptors_leave_the_others_alone);
    ck_add(suite, "memory", add_without_memory_changes_nothing,
           changes_waits_and_additions_again_take_no_memory, a_thousand_descriptors_are_all_told,
           one_wait_tells_as_many_as_fit);
    return suite;
}
