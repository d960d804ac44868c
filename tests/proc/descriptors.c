/* descriptors.c: what a child inherits, and the streams at the other end of it. */
#include "children.h"
#include "sanitized.h"

#include "system.h"

enum { SERVED = 1 << 20 };

static bool has_proc(void) {
    return access("/proc/self/fdinfo/0", R_OK) == 0;
}

/* --- Streams --- */

static void on_written(eddy_write *write, int status) {
    (void)write;
    ck_assert_int_eq(status, 0);
}

/* A pipe into it and one out of it, as `cat` has them in a shell. */
START_TEST(bytes_go_through_a_child) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    struct line in, out;
    eddy_write write, end;
    told_init(&told, loop);
    line_init(&in, loop);
    line_init(&out, loop);
    const eddy_child_fd fds[] = {{.number = 0, .source = EDDY_CHILD_READS, .stream = &in.stream},
                                 {.number = 1, .source = EDDY_CHILD_WRITES, .stream = &out.stream}};
    ck_assert_int_eq(told_spawn(&told, "exec cat", 0, fds, 2), 0);
    ck_assert_int_eq(eddy_stream_write(&in.stream, &write, "a line\n", 7, on_written), 0);
    ck_assert_int_eq(eddy_stream_shutdown(&in.stream, &end, on_written), 0);
    ck_assert_int_eq(eddy_stream_read_start(&out.stream, line_on_read), 0);
    test_turn_until(loop, &out.ended);
    ck_assert_str_eq(out.text, "a line\n");
    told_wait(&told, loop);
    ck_assert_int_eq(told.exit.status, 0);
    line_close(&in, loop);
    line_close(&out, loop);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_socket_is_both_ways) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    struct line line;
    eddy_write write, end;
    told_init(&told, loop);
    line_init(&line, loop);
    const eddy_child_fd fds[] = {
        {.number = 5, .source = EDDY_CHILD_SOCKET, .stream = &line.stream}};
    ck_assert_int_eq(told_spawn(&told, "exec cat <&5 >&5", 0, fds, 1), 0);
    ck_assert_int_eq(eddy_stream_write(&line.stream, &write, "a line\n", 7, on_written), 0);
    ck_assert_int_eq(eddy_stream_shutdown(&line.stream, &end, on_written), 0);
    ck_assert_int_eq(eddy_stream_read_start(&line.stream, line_on_read), 0);
    test_turn_until(loop, &line.ended);
    ck_assert_str_eq(line.text, "a line\n");
    told_wait(&told, loop);
    line_close(&line, loop);
    test_loop_close(loop);
}
END_TEST

START_TEST(two_descriptors_of_a_child_may_be_the_same) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    struct line out;
    told_init(&told, loop);
    line_init(&out, loop);
    eddy_child_fd fds[] = {{.number = 2, .source = EDDY_CHILD_SAME, .fd = 1},
                           {.number = 1, .source = EDDY_CHILD_WRITES, .stream = &out.stream},
                           {.number = 7, .source = EDDY_CHILD_SAME, .fd = 0}};
    ck_assert_int_eq(told_spawn(&told, "echo out; echo err >&2; : <&7", 0, fds, 3), 0);
    ck_assert_int_eq(eddy_stream_read_start(&out.stream, line_on_read), 0);
    test_turn_until(loop, &out.ended);
    ck_assert_str_eq(out.text, "out\nerr\n");
    told_wait(&told, loop);
    ck_assert_int_eq(told.exit.status, 0);
    line_close(&out, loop);
    line_init(&out, loop);
    for (int bad = 2; bad < 10; bad += 7) { /* the same as itself, or as nothing */
        fds[0].fd = bad;
        ck_assert_int_eq(told_spawn(&told, "exit 0", 0, fds, 3), -EINVAL);
        ck_assert_int_eq(eddy_stream_fd(&out.stream), -1);
    }
    test_loop_close(loop);
}
END_TEST

/* Who still has the output is heard of by its end. */
START_TEST(what_is_left_of_a_group_ends_with_its_leader) {
    const unsigned flags = EDDY_CHILD_GROUP | EDDY_CHILD_END_GROUP;
    eddy_loop *loop = test_loop_open();
    struct told told;
    struct line out;
    told_init(&told, loop);
    line_init(&out, loop);
    const eddy_child_fd fds[] = {{.number = 1, .source = EDDY_CHILD_WRITES, .stream = &out.stream}};
    ck_assert_int_eq(told_spawn(&told, "exit 0", EDDY_CHILD_END_GROUP, fds, 1), -EINVAL);
    ck_assert_int_eq(told_spawn(&told, "sleep 60 & exit 3", flags, fds, 1), 0);
    ck_assert_int_eq(eddy_stream_read_start(&out.stream, line_on_read), 0);
    test_turn_until(loop, &out.ended);
    told_wait(&told, loop);
    ck_assert_int_eq(told.exit.status, 3);
    line_close(&out, loop);
    test_loop_close(loop);
}
END_TEST

/* The exit and the end of the output are two events, in any order: all bytes come. */
START_TEST(no_output_is_lost_when_the_exit_comes_first) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    struct line out;
    told_init(&told, loop);
    line_init(&out, loop);
    const eddy_child_fd fds[] = {{.number = 1, .source = EDDY_CHILD_WRITES, .stream = &out.stream}};
    ck_assert_int_eq(told_spawn(&told, "head -c 1048576 /dev/zero", 0, fds, 1), 0);
    ck_assert_int_eq(eddy_stream_read_start(&out.stream, line_on_read), 0);
    test_turn_until(loop, &out.ended);
    ck_assert_uint_eq(out.total, SERVED);
    told_wait(&told, loop);
    line_close(&out, loop);

    line_init(&out, loop); /* nobody has read before the exit is told */
    ck_assert_int_eq(told_spawn(&told, "echo kept", 0, fds, 1), 0);
    told.ended = false;
    test_turn_until(loop, &told.ended);
    ck_assert_int_eq(eddy_stream_read_start(&out.stream, line_on_read), 0);
    test_turn_until(loop, &out.ended);
    ck_assert_str_eq(out.text, "kept\n");
    line_close(&out, loop);
    test_loop_close(loop);
}
END_TEST

/* What a child has started may outlive it and hold the pipe: waiting for its end would be waiting
 * for that one. */
START_TEST(an_exit_is_told_though_a_grandchild_holds_the_output) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    struct line out;
    told_init(&told, loop);
    line_init(&out, loop);
    const eddy_child_fd fds[] = {{.number = 1, .source = EDDY_CHILD_WRITES, .stream = &out.stream}};
    ck_assert_int_eq(told_spawn(&told, "sleep 1000 & echo $!", 0, fds, 1), 0);
    ck_assert_int_eq(eddy_stream_read_start(&out.stream, line_on_read), 0);
    told_wait(&told, loop);
    ck_assert_int_eq(told.exit.status, 0);
    while (strchr(out.text, '\n') == NULL) ck_assert_int_ge(test_run(loop, EDDY_RUN_ONCE), 0);
    ck_assert(!out.ended);
    line_close(&out, loop);
    ck_assert_int_eq(kill((pid_t)atoi(out.text), SIGKILL), 0);
    test_loop_close(loop);
}
END_TEST

/* --- What it finds --- */

/* Runs `script` with 1 as a pipe and gives what it has written. */
static void run_for_output(eddy_loop *loop, struct line *out, const char *script, unsigned flags,
                           const eddy_child_fd *more, unsigned count) {
    struct told told;
    eddy_child_fd fds[8] = {{.number = 1, .source = EDDY_CHILD_WRITES, .stream = &out->stream}};
    told_init(&told, loop);
    line_init(out, loop);
    for (unsigned i = 0; i < count; i++) fds[1 + i] = more[i];
    ck_assert_int_eq(told_spawn(&told, script, flags, fds, 1 + count), 0);
    ck_assert_int_eq(eddy_stream_read_start(&out->stream, line_on_read), 0);
    test_turn_until(loop, &out->ended);
    told_wait(&told, loop);
    ck_assert_int_eq(told.exit.status, 0);
    line_close(out, loop);
}

/* O_NONBLOCK belongs to what both ends of a description share: the child's is another one. */
START_TEST(only_our_end_does_not_block) {
    eddy_loop *loop = test_loop_open();
    struct line in, out;
    if (!has_proc()) return;
    line_init(&in, loop);
    line_init(&out, loop);
    const eddy_child_fd fds[] = {{.number = 0, .source = EDDY_CHILD_READS, .stream = &in.stream}};
    run_for_output(loop, &out, "grep flags /proc/self/fdinfo/0 /proc/self/fdinfo/1", 0, fds, 1);
    for (const char *at = out.text; (at = strstr(at, "flags:")) != NULL; at++)
        ck_assert_int_eq(strtol(at + 6, NULL, 8) & O_NONBLOCK, 0);
    ck_assert_ptr_nonnull(strstr(out.text, "flags:"));
    ck_assert(fcntl(eddy_stream_fd(&in.stream), F_GETFL) & O_NONBLOCK);
    line_close(&in, loop);
    test_loop_close(loop);
}
END_TEST

/* A socket could not be opened by such a name. */
START_TEST(a_child_opens_its_output_by_name) {
    eddy_loop *loop = test_loop_open();
    struct line out;
    if (!has_proc()) return;
    run_for_output(loop, &out, "echo opened > /proc/self/fd/1", 0, NULL, 0);
    ck_assert_str_eq(out.text, "opened\n");
    test_loop_close(loop);
}
END_TEST

START_TEST(null_gives_the_end_and_takes_all) {
    eddy_loop *loop = test_loop_open();
    struct line out;
    const eddy_child_fd fds[] = {{.number = 0, .source = EDDY_CHILD_NULL},
                                 {.number = 2, .source = EDDY_CHILD_NULL}};
    run_for_output(loop, &out, "echo lost >&2; cat; echo end", 0, fds, 2);
    ck_assert_str_eq(out.text, "end\n");
    test_loop_close(loop);
}
END_TEST

START_TEST(a_descriptor_of_ours_is_given_and_stays_ours) {
    eddy_loop *loop = test_loop_open();
    struct line out;
    int ends[2];
    char text[8] = {0};
    test_pipe(ends); /* close-on-exec */
    const eddy_child_fd fds[] = {{.number = 7, .source = EDDY_CHILD_FD, .fd = ends[1]}};
    run_for_output(loop, &out, "echo given >&7", 0, fds, 1);
    ck_assert(fcntl(ends[1], F_GETFD) & FD_CLOEXEC);
    ck_assert_int_eq(read(ends[0], text, sizeof text), 6);
    ck_assert_str_eq(text, "given\n");
    close_both(ends);
    test_loop_close(loop);
}
END_TEST

/* A pipe that is made while 0, 1 or 2 are closed has one of these numbers itself. */
START_TEST(standard_descriptors_may_be_closed_here) {
    for (int closed = 0; closed < 8; closed++) {
        pid_t pid = fork();
        if (pid == 0) {
            eddy_loop *loop = test_loop_open();
            struct told told;
            struct line in, out;
            eddy_write write;
            for (int fd = 0; fd < 3; fd++)
                if (closed & 1 << fd) close(fd);
            told_init(&told, loop);
            line_init(&in, loop);
            line_init(&out, loop);
            const eddy_child_fd fds[] = {
                {.number = 0, .source = EDDY_CHILD_READS, .stream = &in.stream},
                {.number = 1, .source = EDDY_CHILD_WRITES, .stream = &out.stream}};
            child_assert(told_spawn(&told, "read line; echo \"$line\"", 0, fds, 2) == 0);
            child_assert(eddy_stream_write(&in.stream, &write, "through\n", 8, on_written) == 0);
            child_assert(eddy_stream_read_start(&out.stream, line_on_read) == 0);
            while (!out.ended || !told.ended) child_assert(eddy_loop_run(loop, EDDY_RUN_ONCE) >= 0);
            child_assert(strcmp(out.text, "through\n") == 0 && told.exit.status == 0);
            _exit(0);
        }
        child_is_content(pid);
    }
}
END_TEST

/* --- Failures --- */

static int spawn_named(struct told *told, const char *name, const eddy_child_fd *fds,
                       unsigned count) {
    char *arguments[] = {(char *)(uintptr_t)name, NULL};
    eddy_child_options options = {.arguments = arguments, .fds = fds, .fd_count = count};
    return eddy_child_spawn(&told->child, &options, told_on_exit);
}

/* Every way out of a spawn that fails gives back what was made for it. */
START_TEST(a_failed_spawn_leaves_nothing_open_and_streams_as_they_were) {
    eddy_loop *loop = test_loop_open();
    struct told told;
    struct line in, out, both;
    siginfo_t info;
    told_init(&told, loop);
    line_init(&in, loop);
    line_init(&out, loop);
    line_init(&both, loop);
    const eddy_child_fd fds[] = {{.number = 0, .source = EDDY_CHILD_READS, .stream = &in.stream},
                                 {.number = 1, .source = EDDY_CHILD_WRITES, .stream = &out.stream},
                                 {.number = 3, .source = EDDY_CHILD_SOCKET, .stream = &both.stream},
                                 {.number = 2, .source = EDDY_CHILD_NULL}};
    ck_assert_int_eq(spawn_named(&told, "/nowhere/at/all", fds, 4), -ENOENT);
    int open = descriptors_open(64);
#ifdef WITH_TSAN /* a spawn is a fork there */
    int times = 100;
#else
    int times = getenv("EDDY_TEST_SLOW") != NULL ? 100 : 10000;
#endif
    for (int i = 0; i < times; i++)
        ck_assert_int_eq(spawn_named(&told, "/nowhere/at/all", fds, 4), -ENOENT);
    ck_assert_int_eq(descriptors_open(64), open);
    ck_assert_int_eq(eddy_stream_fd(&in.stream), -1);
    ck_assert(!eddy_is_active(&told.child.handle));
    ck_assert_int_eq(waitid(P_ALL, 0, &info, WEXITED | WNOHANG), -1); /* no zombie */
    ck_assert_int_eq(told_spawn(&told, "exit 0", 0, fds, 4), 0);
    told_wait(&told, loop);
    line_close(&in, loop);
    line_close(&out, loop);
    line_close(&both, loop);
    test_loop_close(loop);
}
END_TEST

/* The memory of a handle whose spawn has failed is the caller's: the next exit does not look at
 * it. */
START_TEST(a_handle_whose_spawn_failed_is_forgotten) {
    eddy_loop *loop = test_loop_open();
    struct told *failed = malloc(sizeof *failed), told;
    told_start(&told, loop, "exit 0");
    told_init(failed, loop);
    ck_assert_int_eq(spawn_named(failed, "/nowhere/at/all", NULL, 0), -ENOENT);
    free(failed);
    told_wait(&told, loop);
    test_loop_close(loop);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused) {
    eddy_loop *loop = test_loop_open(), *other = test_loop_open();
    struct told told;
    struct line line, foreign;
    char *arguments[] = {(char *)(uintptr_t) "true", NULL}, *none[] = {NULL};
    eddy_child_fd fds[2] = {{.number = 3, .source = EDDY_CHILD_NULL},
                            {.number = 3, .source = EDDY_CHILD_NULL}};
    told_init(&told, loop);
    line_init(&line, loop);
    line_init(&foreign, other);
    eddy_child_options options = {.arguments = none};
    ck_assert_int_eq(eddy_child_spawn(&told.child, &options, told_on_exit), -EINVAL);
    options.arguments = NULL;
    ck_assert_int_eq(eddy_child_spawn(&told.child, &options, told_on_exit), -EINVAL);
    options = (eddy_child_options){.arguments = arguments, .flags = 1U << 30};
    ck_assert_int_eq(eddy_child_spawn(&told.child, &options, told_on_exit), -EINVAL);
    options =
        (eddy_child_options){.arguments = arguments, .flags = EDDY_CHILD_SET_NICE, .nice = 20};
    ck_assert_int_eq(eddy_child_spawn(&told.child, &options, told_on_exit), -EINVAL);

    ck_assert_int_eq(told_spawn(&told, "", 0, fds, 2), -EINVAL); /* a number twice */
    fds[0].number = -1;
    ck_assert_int_eq(told_spawn(&told, "", 0, fds, 1), -EINVAL);
    fds[0] = (eddy_child_fd){.number = 3, .source = EDDY_CHILD_FD, .fd = 999};
    ck_assert_int_eq(told_spawn(&told, "", 0, fds, 1), -EBADF);
    fds[0] = (eddy_child_fd){.number = 3, .source = EDDY_CHILD_SOCKET};
    ck_assert_int_eq(told_spawn(&told, "", 0, fds, 1), -EINVAL);
    fds[0].stream = &foreign.stream;
    ck_assert_int_eq(told_spawn(&told, "", 0, fds, 1), -EINVAL);
    fds[0].stream = &line.stream;
    fds[1] = (eddy_child_fd){.number = 4, .source = EDDY_CHILD_READS, .stream = &line.stream};
    ck_assert_int_eq(told_spawn(&told, "", 0, fds, 2), -EINVAL);
    ck_assert_int_eq(told_spawn(&told, "exit 0", 0, fds, 1), 0);
    ck_assert_int_eq(told_spawn(&told, "exit 0", 0, NULL, 0), -EALREADY);
    told_wait(&told, loop);
    ck_assert_int_eq(told_spawn(&told, "exit 0", 0, fds, 1), -EISCONN);
    line_close(&line, loop);
    test_loop_close(other);
    test_loop_close(loop);
}
END_TEST

/* No room for one more: the limit of descriptors, at each of the places where one is made. */
START_TEST(want_of_descriptors_is_told_and_leaves_none) {
    if (getenv("EDDY_TEST_SLOW") != NULL) return; /* valgrind needs some for itself */
    eddy_loop *loop = test_loop_open();
    struct told told;
    struct line in, out;
    struct rlimit limit;
    told_start(&told, loop, "exit 0"); /* what the loop makes once is there */
    told_wait(&told, loop);
    line_init(&in, loop);
    line_init(&out, loop);
    const eddy_child_fd fds[] = {{.number = 0, .source = EDDY_CHILD_READS, .stream = &in.stream},
                                 {.number = 1, .source = EDDY_CHILD_WRITES, .stream = &out.stream},
                                 {.number = 2, .source = EDDY_CHILD_NULL}};
    int open = descriptors_open(256), err = -EMFILE;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    for (unsigned room = 1; err != 0; room++) {
        limit.rlim_cur = (rlim_t)open + room;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        told.ended = false;
        err = told_spawn(&told, "exit 0", 0, fds, 3);
        ck_assert(err == 0 || err == -EMFILE);
        if (err < 0) ck_assert_int_eq(descriptors_open(256), open);
        ck_assert_uint_lt(room, 32);
    }
    limit.rlim_cur = before;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    test_turn_until(loop, &told.ended);
    line_close(&in, loop);
    line_close(&out, loop);
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("descriptors");
    ck_add(suite, "streams", bytes_go_through_a_child, a_socket_is_both_ways,
           two_descriptors_of_a_child_may_be_the_same, what_is_left_of_a_group_ends_with_its_leader,
           no_output_is_lost_when_the_exit_comes_first,
           an_exit_is_told_though_a_grandchild_holds_the_output);
    ck_add(suite, "inherited", only_our_end_does_not_block, a_child_opens_its_output_by_name,
           null_gives_the_end_and_takes_all, a_descriptor_of_ours_is_given_and_stays_ours,
           standard_descriptors_may_be_closed_here);
    ck_add(suite, "failures", a_failed_spawn_leaves_nothing_open_and_streams_as_they_were,
           a_handle_whose_spawn_failed_is_forgotten, what_makes_no_sense_is_refused,
           want_of_descriptors_is_told_and_leaves_none);
    return suite;
}
