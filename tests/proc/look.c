/* look.c: a child of the tests that tells what it has been given.
 * `look FD QUESTION…` answers on the descriptor, a line a question. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ; /* not every system's headers have it */

enum { FDS_MAX = 4096 };

static void tell_fds(FILE *to) {
    for (int fd = 0; fd < FDS_MAX; fd++)
        if (fcntl(fd, F_GETFD) >= 0) fprintf(to, "%d ", fd);
}

/* Which file a descriptor is of: its size, by which the tests tell theirs apart. */
static void tell_size(FILE *to, int fd) {
    struct stat stat;
    if (fstat(fd, &stat) < 0)
        fprintf(to, "closed");
    else
        fprintf(to, "%lld", (long long)stat.st_size);
}

/* Linux: the kernel's sets, with the signals that the C library hides. */
static void tell_signals(FILE *to) {
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "SigBlk:", 7) == 0 || strncmp(line, "SigIgn:", 7) == 0)
            fprintf(to, "%s ", line);
    }
    if (status != NULL) fclose(status);
}

static void tell_ids(FILE *to) {
    gid_t groups[16];
    uid_t user[3] = {getuid(), geteuid(), 0};
    gid_t group[3] = {getgid(), getegid(), 0};
#ifdef __NetBSD__ /* has no call for the saved ones */
    user[2] = user[1], group[2] = group[1];
#else
    getresuid(&user[0], &user[1], &user[2]);
    getresgid(&group[0], &group[1], &group[2]);
#endif
    fprintf(to, "%d %d %d / %d %d %d /", (int)user[0], (int)user[1], (int)user[2], (int)group[0],
            (int)group[1], (int)group[2]);
    int count = getgroups(16, groups);
    for (int i = 0; i < count; i++) fprintf(to, " %d", (int)groups[i]);
}

static void tell_limit(FILE *to, int resource) {
    struct rlimit limit;
    if (getrlimit((unsigned)resource, &limit) == 0)
        fprintf(to, "%lld %lld", (long long)limit.rlim_cur, (long long)limit.rlim_max);
}

static void tell_terminal(FILE *to) {
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    fprintf(to, "%s %d", fd >= 0 ? "yes" : "no", tcgetpgrp(0) == getpgrp());
}

static void answer(FILE *to, const char *question, int value) {
    char path[4096];
    if (strcmp(question, "fds") == 0) tell_fds(to);
    if (strcmp(question, "signals") == 0) tell_signals(to);
    if (strcmp(question, "ids") == 0) tell_ids(to);
    if (strcmp(question, "size") == 0) tell_size(to, value);
    if (strcmp(question, "limit") == 0) tell_limit(to, value);
    if (strcmp(question, "terminal") == 0) tell_terminal(to);
    if (strcmp(question, "umask") == 0) fprintf(to, "%o", (unsigned)umask(0));
    if (strcmp(question, "nice") == 0) fprintf(to, "%d", getpriority(PRIO_PROCESS, 0));
    if (strcmp(question, "directory") == 0) fputs(getcwd(path, sizeof path), to);
    if (strcmp(question, "session") == 0) fprintf(to, "%d", (int)getsid(0));
    if (strcmp(question, "group") == 0) fprintf(to, "%d", (int)getpgrp());
    if (strcmp(question, "blocking") == 0) fprintf(to, "%d", !(fcntl(value, F_GETFL) & O_NONBLOCK));
    if (strcmp(question, "reopen") == 0) {
        snprintf(path, sizeof path, "/dev/fd/%d", value);
        fprintf(to, "%d", open(path, O_WRONLY | O_CLOEXEC) >= 0);
    }
    if (strcmp(question, "environment") == 0)
        for (char **it = environ; *it != NULL; it++) fprintf(to, "%s ", *it);
}

/* A question is a word, or a word and a number: "limit=7". */
int main(int argc, char **argv) {
    FILE *to = argc > 1 ? fdopen(dup(atoi(argv[1])), "w") : NULL;
    if (to == NULL) return 2;
    fcntl(fileno(to), F_SETFD, FD_CLOEXEC);
    for (int i = 2; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        if (equals != NULL) *equals++ = '\0';
        if (strcmp(argv[i], "exit") == 0) return fclose(to) == 0 ? atoi(equals) : 2;
        answer(to, argv[i], equals != NULL ? atoi(equals) : 0);
        fputc('\n', to);
    }
    return fclose(to) == 0 ? 0 : 2;
}
