/* spawn.c: a child is what its options say: session, group, terminal, umask, limits, nice, user,
 * directory. */
#include "spawned.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

enum { NOBODY = 65534 };

/* --- Session, group, terminal --- */

START_TEST(a_child_belongs_where_its_parent_does) {
    char expected[64];
    snprintf(expected, sizeof expected, "%d\n%d\n", (int)getsid(0), (int)getpgrp());
    ck_assert_str_eq(look((eddy_child_options){0}, "session group"), expected);
}
END_TEST

START_TEST(a_child_may_lead_a_session_or_a_group) {
    static const unsigned rows[] = {EDDY_CHILD_SESSION, EDDY_CHILD_SESSION | EDDY_CHILD_GROUP,
                                    EDDY_CHILD_GROUP};
    char expected[64];
    for (int i = 0; i < 3; i++) {
        const char *seen = look((eddy_child_options){.flags = rows[i]}, "session group");
        int session = rows[i] & EDDY_CHILD_SESSION ? spawned.pid : getsid(0);
        snprintf(expected, sizeof expected, "%d\n%d\n", session, (int)spawned.pid);
        ck_assert_str_eq(seen, expected);
    }
}
END_TEST

START_TEST(a_child_joins_the_group_of_another) {
    char *arguments[] = {(char[]){"sleep"}, (char[]){"60"}, NULL};
    char expected[64];
    eddy_child_options options = {.arguments = arguments, .flags = EDDY_CHILD_GROUP};
    pid_t leader;
    int pidfd;
    ck_assert_int_eq(eddy_os_spawn(&options, NULL, 0, &leader, &pidfd), 0);
    const char *seen =
        look((eddy_child_options){.flags = EDDY_CHILD_GROUP, .process_group = leader}, "group");
    snprintf(expected, sizeof expected, "%d\n", (int)leader);
    ck_assert_str_eq(seen, expected);
    kill(leader, SIGKILL);
    ck_assert_int_eq(waitpid(leader, NULL, 0), leader);
    if (pidfd >= 0) close(pidfd);
    options.process_group = leader; /* no more */
    ck_assert_int_eq(eddy_os_spawn(&options, NULL, 0, &leader, &pidfd), -EPERM);
    ck_assert(has_no_children());
}
END_TEST

START_TEST(descriptor_0_becomes_the_terminal) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(master, 0);
    ck_assert(grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ck_assert_int_ge(slave, 0);
    struct eddy_os_child_fd map = {.number = 0, .fd = slave};
    eddy_child_options options = {.flags = EDDY_CHILD_TERMINAL};
    ck_assert_int_eq(spawn_look(options, &map, 1, 1, "terminal session"), 0);
    char expected[64];
    snprintf(expected, sizeof expected, "yes 1\n%d\n", (int)spawned.pid);
    ck_assert_str_eq(spawned.answer, expected);
    options.flags = EDDY_CHILD_SESSION;
    ck_assert_int_eq(spawn_look(options, &map, 1, 1, "terminal"), 0);
    ck_assert_str_eq(spawned.answer, "no 0\n");
    close(slave);
    close(master);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    options.flags = EDDY_CHILD_TERMINAL;
    map.fd = null;
    ck_assert_int_eq(spawn_look(options, &map, 1, 1, "terminal"), -ENOTTY);
    close(null);
}
END_TEST

/* --- Umask, limits, nice, directory --- */

START_TEST(the_umask_is_the_child_s_alone) {
    mode_t before = umask(027);
    ck_assert_str_eq(look((eddy_child_options){0}, "umask"), "27\n");
    eddy_child_options options = {.flags = EDDY_CHILD_SET_UMASK, .umask = 0};
    ck_assert_str_eq(look(options, "umask"), "0\n");
    options.umask = 0135;
    ck_assert_str_eq(look(options, "umask"), "135\n");
    ck_assert_int_eq(umask(before), 027);
}
END_TEST

START_TEST(limits_are_the_child_s_alone) {
    struct rlimit before, after;
    char question[64];
    eddy_child_limit limits[2] = {{RLIMIT_FSIZE, 1 << 20, 1 << 21}, {RLIMIT_CORE, 0, 0}};
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    eddy_child_options options = {.limits = limits, .limit_count = 2};
    snprintf(question, sizeof question, "limit=%d limit=%d", RLIMIT_FSIZE, RLIMIT_CORE);
    ck_assert_str_eq(look(options, question), "1048576 2097152\n0 0\n");
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &after), 0);
    ck_assert(after.rlim_cur == before.rlim_cur && after.rlim_max == before.rlim_max);
}
END_TEST

/* Descriptors come first: what is open at a number above the limit stays open. */
START_TEST(a_limit_is_of_what_comes_later) {
    char *arguments[] = {(char[]){"/bin/true"}, NULL};
    struct eddy_os_child_fd map = {.number = 40, .fd = 0};
    struct rlimit now;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &now), 0);
    eddy_child_limit limit = {RLIMIT_NOFILE, 10, now.rlim_max};
    eddy_child_options options = {.arguments = arguments, .limits = &limit, .limit_count = 1};
    if (getenv("EDDY_TEST_SLOW") == NULL) { /* under valgrind this limit cannot be changed */
        ck_assert_int_eq(eddy_os_spawn(&options, &map, 1, &spawned.pid, &spawned.pidfd), 0);
        spawned_wait();
        ck_assert_int_eq(spawned.status, 0);
    }
    limit = (eddy_child_limit){RLIMIT_FSIZE, 2, 1};
    ck_assert_int_eq(eddy_os_spawn(&options, &map, 1, &spawned.pid, &spawned.pidfd), -EINVAL);
    limit.resource = 1000;
    ck_assert_int_eq(eddy_os_spawn(&options, &map, 1, &spawned.pid, &spawned.pidfd), -EINVAL);
    ck_assert(has_no_children());
}
END_TEST

START_TEST(nice_is_absolute) {
    int before = getpriority(PRIO_PROCESS, 0);
    eddy_child_options options = {.flags = EDDY_CHILD_SET_NICE, .nice = 19};
    ck_assert_str_eq(look(options, "nice"), "19\n");
    char expected[16];
    options.nice = before;
    snprintf(expected, sizeof expected, "%d\n", before);
    ck_assert_str_eq(look(options, "nice"), expected);
    ck_assert_int_eq(getpriority(PRIO_PROCESS, 0), before);
}
END_TEST

START_TEST(the_directory_is_the_child_s_alone) {
    char before[4096], after[4096];
    ck_assert_ptr_nonnull(getcwd(before, sizeof before));
    ck_assert_str_eq(look((eddy_child_options){.directory = "/"}, "directory"), "/\n");
    ck_assert_ptr_nonnull(getcwd(after, sizeof after));
    ck_assert_str_eq(after, before);
}
END_TEST

/* --- User and groups --- */

static bool is_root(void) {
    if (geteuid() == 0) return true;
    fprintf(stderr, "passed over: only root may become another user\n");
    return false;
}

/* The lines of /proc/self/status that the kernel has about who a child is. */
static void check_ids(eddy_child_options options, const char *user, const char *group,
                      const char *groups) {
    char *arguments[] = {(char[]){"cat"}, (char[]){"/proc/self/status"}, NULL};
    char wanted[256];
    int ends[2];
    test_pipe(ends);
    struct eddy_os_child_fd map = {.number = 1, .fd = ends[1]};
    options.arguments = arguments;
    ck_assert_int_eq(eddy_os_spawn(&options, &map, 1, &spawned.pid, &spawned.pidfd), 0);
    close(ends[1]);
    spawned_read(ends[0]);
    close(ends[0]);
    spawned_wait();
    if (spawned.status != 0) return; /* no such file: another system */
    snprintf(wanted, sizeof wanted, "\nUid:\t%s\nGid:\t%s\n", user, group);
    ck_assert_msg(strstr(spawned.answer, wanted) != NULL, "%s", spawned.answer);
    snprintf(wanted, sizeof wanted, "\nGroups:\t%s\n", groups);
    if (groups != NULL) ck_assert_msg(strstr(spawned.answer, wanted) != NULL, "%s", spawned.answer);
}

START_TEST(a_child_becomes_another_user) {
    static const gid_t groups[] = {7, 9};
    const char *nobody = "65534\t65534\t65534\t65534", *root = "0\t0\t0\t0";
    if (!is_root()) return;
    eddy_child_options options = {
        .flags = EDDY_CHILD_SET_USER | EDDY_CHILD_SET_GROUP | EDDY_CHILD_SET_GROUPS,
        .user = NOBODY,
        .group = NOBODY,
        .groups = groups,
        .group_count = 2,
    };
    check_ids(options, nobody, nobody, "7 9 ");
    options.group_count = 0;
    check_ids(options, nobody, nobody, " ");
    options.flags = EDDY_CHILD_SET_USER;
    check_ids(options, nobody, root, NULL);
    options.flags = EDDY_CHILD_SET_GROUP;
    check_ids(options, root, nobody, NULL);
    options.flags = EDDY_CHILD_SET_GROUPS;
    options.group_count = 2;
    check_ids(options, root, root, "7 9 ");
    ck_assert(getuid() == 0 && geteuid() == 0 && getgid() == 0 && getegid() == 0);
}
END_TEST

/* What takes a right is done before the right is given up; the directory is the new user's to
 * enter. */
START_TEST(rights_are_there_when_they_are_needed) {
    char *arguments[] = {(char[]){"/bin/true"}, NULL};
    char place[] = "/tmp/eddy-spawn-XXXXXX";
    if (!is_root()) return;
    ck_assert_ptr_nonnull(mkdtemp(place)); /* root's alone */
    eddy_child_limit limit = {RLIMIT_FSIZE, 1 << 20, 1 << 20};
    eddy_child_options options = {
        .arguments = arguments,
        .flags = EDDY_CHILD_SET_USER | EDDY_CHILD_SET_GROUP | EDDY_CHILD_SET_NICE,
        .user = NOBODY,
        .group = NOBODY,
        .nice = -1,
        .limits = &limit,
        .limit_count = 1,
    };
    ck_assert_int_eq(eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd), 0);
    spawned_wait();
    ck_assert_int_eq(spawned.status, 0);
    options.directory = place;
    ck_assert_int_eq(eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd), -EACCES);
    ck_assert_int_eq(chown(place, NOBODY, NOBODY), 0);
    ck_assert_int_eq(eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd), 0);
    spawned_wait();
    ck_assert_int_eq(rmdir(place), 0);
}
END_TEST

static void spawn_without_rights(void) {
    char *arguments[] = {(char[]){"/bin/true"}, NULL};
    static const gid_t groups[] = {0};
    struct rlimit now;
    child_assert(geteuid() != 0 || (setgid(NOBODY) == 0 && setuid(NOBODY) == 0));
    child_assert(getrlimit(RLIMIT_NOFILE, &now) == 0);
    eddy_child_limit limit = {RLIMIT_NOFILE, now.rlim_max + 1, now.rlim_max + 1};
    eddy_child_options rows[] = {
        {.flags = EDDY_CHILD_SET_USER, .user = 0},
        {.flags = EDDY_CHILD_SET_GROUP, .group = 0},
        {.flags = EDDY_CHILD_SET_GROUPS, .groups = groups, .group_count = 1},
        {.limits = &limit, .limit_count = 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rows[i].arguments = arguments;
        child_assert(eddy_os_spawn(&rows[i], NULL, 0, &spawned.pid, &spawned.pidfd) == -EPERM);
    }
    eddy_child_options nice = {.arguments = arguments, .flags = EDDY_CHILD_SET_NICE, .nice = -20};
    child_assert(eddy_os_spawn(&nice, NULL, 0, &spawned.pid, &spawned.pidfd) == -EACCES);
    child_assert(waitpid(-1, NULL, 0) < 0 && errno == ECHILD);
    _exit(0);
}

START_TEST(rights_that_are_missing_are_an_error) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) spawn_without_rights();
    child_is_content(child);
}
END_TEST

/* Memory that is shared with a process that changes its user can be dumped or debugged no more: the
 * child must not have ours. */
START_TEST(a_child_of_another_user_leaves_us_dumpable) {
#ifdef __linux__
    char *arguments[] = {(char[]){"/bin/true"}, NULL};
    eddy_child_options options = {.arguments = arguments, .user = NOBODY, .group = NOBODY};
    if (!is_root()) return;
    ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), 0);
    for (int i = 0; i < 3; i++) {
        options.flags = (i != 1 ? EDDY_CHILD_SET_USER : 0) | (i != 0 ? EDDY_CHILD_SET_GROUP : 0);
        ck_assert_int_eq(eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd), 0);
        spawned_wait();
        ck_assert_int_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 1);
    }
#endif
}
END_TEST

/* --- Its descriptor --- */

START_TEST(the_descriptor_of_the_child_is_not_inherited) {
    char *arguments[] = {(char[]){"true"}, NULL};
    eddy_child_options options = {.arguments = arguments};
    ck_assert_int_eq(eddy_os_spawn(&options, NULL, 0, &spawned.pid, &spawned.pidfd), 0);
    if (spawned.pidfd >= 0) {
        struct pollfd ended = {.fd = spawned.pidfd, .events = POLLIN};
        ck_assert_int_ne(fcntl(spawned.pidfd, F_GETFD) & FD_CLOEXEC, 0);
        ck_assert_int_eq(poll(&ended, 1, 10000), 1);
    }
    spawned_wait();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("a child");
    ck_add(suite, "session", a_child_belongs_where_its_parent_does,
           a_child_may_lead_a_session_or_a_group, a_child_joins_the_group_of_another,
           descriptor_0_becomes_the_terminal);
    ck_add(suite, "limits", the_umask_is_the_child_s_alone, limits_are_the_child_s_alone,
           a_limit_is_of_what_comes_later, nice_is_absolute, the_directory_is_the_child_s_alone);
    ck_add(suite, "user", a_child_becomes_another_user, rights_are_there_when_they_are_needed,
           rights_that_are_missing_are_an_error, a_child_of_another_user_leaves_us_dumpable);
    ck_add(suite, "descriptor", the_descriptor_of_the_child_is_not_inherited);
    return suite;
}
